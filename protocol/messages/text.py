# SPDX-License-Identifier: Apache-2.0
"""What a piece of text inside a record may hold. Not a cleaner: text is taken as it is, or refused.

1. Every text is NFC and without NUL, and not blank.
2. Free text keeps everything else, also direction marks: whoever shows it isolates it and makes them visible.
3. A line has no line breaks and no control characters.
4. A reference is a line that must look like what it is: no direction controls, tag or zero-width characters.
5. A file name is a name to show, never a path; zero-width joiners stay, some scripts need them.
"""

import re
import unicodedata

MAX_FILE_NAME_CHARACTERS = 200
"""A display name of an attachment, in code points."""

_CONTROL = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029]")
_DIRECTION = re.compile("[\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069\U000e0000-\U000e007f]")
_INVISIBLE = re.compile("[\u00ad\u200b-\u200d\u2060-\u2064\ufeff]")
_LANGUAGE = re.compile(r"[a-z]{2,3}(?:-[A-Za-z0-9]{2,8}){0,4}", re.ASCII)
_MEDIA_TYPE = re.compile(r"[a-z0-9][a-z0-9!#$&^_.+-]{0,126}/[a-z0-9][a-z0-9!#$&^_.+-]{0,126}", re.ASCII)
_TAG = re.compile(r"[a-z0-9](?:[a-z0-9-]{0,30}[a-z0-9])?", re.ASCII)


def is_text(text: str, most: int) -> bool:
    """Whether this is free text of at most `most` code points."""
    return (
        len(text) <= most
        and "\0" not in text
        and not text.isspace()
        and text != ""
        and (text.isascii() or unicodedata.is_normalized("NFC", text))
    )


def is_line(text: str, most: int) -> bool:
    """Whether this is one line of text, such as a name or a title."""
    return is_text(text, most) and not _CONTROL.search(text)


def is_reference(text: str, most: int) -> bool:
    """Whether this is a reference or number that a person compares by eye."""
    return is_line(text, most) and (
        text.isascii() or not (_DIRECTION.search(text) or _INVISIBLE.search(text))
    )


def is_file_name(text: str) -> bool:
    """Whether this may be shown as the name of an attachment.

    Spec: PROTOCOL.md section 8.2.
    """
    return (
        is_line(text, MAX_FILE_NAME_CHARACTERS)
        and "/" not in text
        and "\\" not in text
        and text not in (".", "..")
        and (text.isascii() or not (_DIRECTION.search(text) or "\ufeff" in text))
    )


def is_media_type(text: str) -> bool:
    """Whether this is a media type in lower case, without parameters.

    Spec: RFC 6838 section 4.2.
    """
    return _MEDIA_TYPE.fullmatch(text) is not None


def is_language(text: str) -> bool:
    """Whether this has the form of a language tag.

    Spec: RFC 5646 section 2.1.
    """
    return _LANGUAGE.fullmatch(text) is not None


def is_tag(text: str) -> bool:
    """Whether this is a name that one part of a record gives to another: `h1`, `annex-2`."""
    return _TAG.fullmatch(text) is not None
