# SPDX-License-Identifier: Apache-2.0
"""Turns text of any script into the words under which it is kept and looked for. It ranks nothing.

1. What is kept and what is asked go through the same function, so they meet: case, accents, vowel marks and
   forms of one Arabic letter do not count, and neither does the Arabic article.
2. Scripts that put no space between words are kept as pairs of letters.
3. A word has letters and digits only: it can't be taken for a sign of a query language.
"""

import unicodedata
from collections.abc import Iterator
from functools import lru_cache
from itertools import pairwise

MAX_WORDS = 24
"""Words of one question; more would only cost time."""
MAX_WORD_CHARACTERS = 40
_SPELLINGS = str.maketrans(
    {
        "ø": "o",
        "đ": "d",
        "ł": "l",
        "ħ": "h",
        "\u0131": "i",
        "æ": "ae",
        "œ": "oe",
        "þ": "th",
        "ð": "d",
        "\u0649": "\u064a",
        "\u0629": "\u0647",
        "\u0640": None,
    }
)
"""Letters that are written in two ways, after accents are gone; the last three are Arabic."""
_ARTICLE = "\u0627\u0644"
_UNSPACED = (
    (0x0E00, 0x0EFF),  # Thai, Lao
    (0x1000, 0x109F),  # Myanmar
    (0x1780, 0x17FF),  # Khmer
    (0x3040, 0x30FF),  # Kana
    (0x3400, 0x4DBF),  # Han
    (0x4E00, 0x9FFF),
    (0xF900, 0xFAFF),
    (0x20000, 0x3FFFF),
)


@lru_cache(maxsize=8192)
def words_of(text: str) -> tuple[str, ...]:
    """Return the words of a text, in order, repeated ones included; texts recur, so some are remembered."""
    found: list[str] = []
    for run, unspaced in _runs(_folded(text)):
        if not unspaced:
            found.append(_without_article(run)[:MAX_WORD_CHARACTERS])
        elif len(run) == 1:
            found.append(run)
        else:
            found.extend(first + second for first, second in pairwise(run))
    return tuple(found)


def asked_words(text: str) -> tuple[str, ...]:
    """Return the words of a question, each once, up to a bound; single letters only if all are."""
    words = tuple(dict.fromkeys(words_of(text)))
    longer = tuple(word for word in words if len(word) > 1 or not word.isascii())
    return (longer or words)[:MAX_WORDS]


def _folded(text: str) -> str:
    apart = unicodedata.normalize("NFKD", text).casefold()
    plain = "".join(letter for letter in apart if unicodedata.category(letter) != "Mn")
    return unicodedata.normalize("NFKC", plain).translate(_SPELLINGS)


def _runs(text: str) -> Iterator[tuple[str, bool]]:
    """Yield runs of letters and digits, and whether their script puts no space between words."""
    run, kind = "", False
    for letter in text:
        unspaced = _is_unspaced(letter)
        if _is_of_a_word(letter) and (not run or unspaced == kind):
            run, kind = run + letter, unspaced
            continue
        if run:
            yield run, kind
        run, kind = (letter, unspaced) if _is_of_a_word(letter) else ("", False)
    if run:
        yield run, kind


def _is_of_a_word(letter: str) -> bool:
    return letter.isalnum() or unicodedata.category(letter) == "Mc"


def _is_unspaced(letter: str) -> bool:
    point = ord(letter)
    return point >= 0x0E00 and any(first <= point <= last for first, last in _UNSPACED)


def _without_article(word: str) -> str:
    return word[2:] if word.startswith(_ARTICLE) and len(word) > 4 else word
