# SPDX-License-Identifier: Apache-2.0
"""The one way from values to bytes, and the strict way back. Not a schema: it knows no field names.

1. Values are strings, integers within 2^53, booleans, arrays and objects; no floats, no null.
2. Written form: RFC 8785; strings are NFC; names of members are 1 to 64 printable ASCII characters.
3. What is signed is read by `parse`, which refuses any bytes that are not the written form of their value.
4. What is not signed may be read by `read_json`: any white space and order, all other rules alike.
5. A moment is text: RFC 3339 in UTC with milliseconds and `Z`, between the years 2000 and 2199.
6. Whoever takes values out of what was read names what it expects: a value of another type or outside its
   bounds, and a member that is missing, are `bad_field`, a member that is not known is `unknown_field`.
   Nothing is converted (a boolean is no number), and errors never quote what was read.
"""

import json
import re
import unicodedata
from collections.abc import Mapping, Sequence, Set
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any, NoReturn, cast

from protocol import limits
from protocol.errors import LocalProtocolError, MalformedError, ReasonCode

JSONValue = str | int | bool | Sequence["JSONValue"] | Mapping[str, "JSONValue"]
JSONObject = Mapping[str, JSONValue]

_MEMBER_NAMES = re.compile(r"[ -~]{1,64}(?:\n[ -~]{1,64})*", re.ASCII)
"""All names of a value, one on each line."""
_SURROGATE = re.compile("[\ud800-\udfff]")
_MOMENT = re.compile(
    r"2[01]\d\d-(?:0[1-9]|1[0-2])-(?:0[1-9]|[12]\d|3[01])T(?:[01]\d|2[0-3]):[0-5]\d:[0-5]\d\.\d{3}Z", re.ASCII
)


def to_bytes(value: JSONValue) -> bytes:
    """Write the one canonical form of a value.

    Raises:
        LocalProtocolError: the value holds something the restricted form has no place for.

    Spec: RFC 8785 section 3.2; PROTOCOL.md section 2.
    """
    problem = _problem(value)
    if problem:
        raise LocalProtocolError(problem, code=ReasonCode.BAD_FIELD)
    return _encode(value)


def parse(data: bytes, max_bytes: int) -> JSONValue:
    """Read canonical bytes; anything but the exact written form is refused.

    Raises:
        MalformedError: too long (`too_large`), or not canonical (`bad_json`).

    Spec: PROTOCOL.md section 2.
    """
    value = _load(data, max_bytes, _SIGNED)
    if _encode(value) != data:
        raise MalformedError("not in canonical form")
    return value


def read_json(data: bytes, max_bytes: int) -> JSONValue:
    """Read any JSON text within our value rules, canonical or not; for input that nobody signed.

    Raises:
        MalformedError: too long (`too_large`), or outside the rules (`bad_json`).
    """
    return _load(data, max_bytes, _UNSIGNED)


def parse_object(data: bytes, max_bytes: int) -> JSONObject:
    """Read canonical bytes that must hold an object at the top."""
    value = parse(data, max_bytes)
    if not isinstance(value, Mapping):
        raise MalformedError("the top value must be an object")
    return value


@lru_cache(maxsize=256)
def moment_text(at: datetime) -> str:
    """Write a moment, cut to milliseconds, as `2026-07-01T09:30:00.000Z`.

    Raises:
        LocalProtocolError: the time is naive or outside the years 2000 to 2199.

    Spec: RFC 3339 section 5.6; PROTOCOL.md section 2.
    """
    if at.tzinfo is not None:
        utc = at.astimezone(UTC)
        if 2000 <= utc.year < 2200:
            return utc.isoformat(timespec="milliseconds")[:23] + "Z"
    raise LocalProtocolError("not a moment that can be written", code=ReasonCode.BAD_FIELD)


def parse_moment(text: str) -> datetime:
    """Read a moment; only the one form that `moment_text` writes is taken.

    Raises:
        MalformedError: any other form, offset, precision, or a day that does not exist (`bad_field`).

    Spec: RFC 3339 section 5.6; PROTOCOL.md section 2.
    """
    if _MOMENT.fullmatch(text):
        try:
            return datetime.fromisoformat(text)
        except ValueError:
            pass
    raise MalformedError("not a moment in UTC with milliseconds", code=ReasonCode.BAD_FIELD)


def outside_rule(what: str) -> MalformedError:
    """Return the error for a value that breaks its rule."""
    return MalformedError(f"{what}: outside its rule", code=ReasonCode.BAD_FIELD)


def require_members(value: JSONObject, names: Set[str], what: str) -> None:
    """Refuse an object that has other members than these.

    Raises:
        MalformedError: `unknown_field` or `bad_field`.
    """
    if value.keys() != names:
        if value.keys() - names:
            raise MalformedError(f"{what}: a member that is not known", code=ReasonCode.UNKNOWN_FIELD)
        raise MalformedError(f"{what}: a member is missing", code=ReasonCode.BAD_FIELD)


def text_of(value: JSONValue, what: str) -> str:
    """Take a text."""
    if not isinstance(value, str):
        raise outside_rule(what)
    return value


def count_of(value: JSONValue, what: str) -> int:
    """Take a whole number from 0."""
    if type(value) is not int or value < 0:
        raise outside_rule(what)
    return value


def object_of(value: JSONValue, what: str) -> JSONObject:
    """Take an object."""
    if not isinstance(value, Mapping):
        raise outside_rule(what)
    return value


def items_of(value: JSONValue, most: int, what: str) -> Sequence[JSONValue]:
    """Take a list of at most `most` items."""
    if not isinstance(value, list | tuple) or len(value) > most:
        raise outside_rule(what)
    return value


def texts_of(value: JSONValue, most: int, what: str) -> tuple[str, ...]:
    """Take a list of at most `most` texts."""
    items = items_of(value, most, what)
    if not all(isinstance(item, str) for item in items):
        raise outside_rule(what)
    return tuple(cast("Sequence[str]", items))


def _encode(value: JSONValue) -> bytes:
    return _ENCODER.encode(value).encode("utf-8")


def _load(data: bytes, max_bytes: int, decoder: json.JSONDecoder) -> JSONValue:
    if len(data) > max_bytes:
        raise MalformedError(f"longer than {max_bytes} bytes", code=ReasonCode.TOO_LARGE)
    try:
        value: JSONValue = decoder.decode(data.decode("utf-8", "strict"))
    except MalformedError:
        raise
    except (ValueError, RecursionError):
        raise MalformedError("not valid JSON in UTF-8") from None
    problem = _problem(value)
    if problem:
        raise MalformedError(problem)
    return value


def _refuse(_text: str) -> NoReturn:
    raise MalformedError("only integers are numbers here")


def _integer(text: str) -> int:
    if len(text) > 17 or text == "-0":
        raise MalformedError("an integer outside the range")
    return int(text)


def _unique(pairs: list[tuple[str, JSONValue]]) -> dict[str, JSONValue]:
    result = dict(pairs)
    if len(result) != len(pairs):
        raise MalformedError("a member appears twice")
    return result


_ENCODER = json.JSONEncoder(
    ensure_ascii=False, check_circular=False, allow_nan=False, separators=(",", ":"), sort_keys=True
)
_SIGNED = json.JSONDecoder(parse_float=_refuse, parse_constant=_refuse, parse_int=_integer)
_UNSIGNED = json.JSONDecoder(
    parse_float=_refuse, parse_constant=_refuse, parse_int=_integer, object_pairs_hook=_unique
)


def _problem(value: object) -> str | None:
    """Name a rule that a value breaks, or None.

    It goes down level by level, and looks at all names and at all texts together: it runs several times for
    every message, and most of them are short and plain.
    """
    names: list[Any] = []
    texts: list[str] = []
    level: Sequence[object] = [value]
    depth = 1
    while level:
        below: list[object] = []
        for item in level:
            if isinstance(item, str):
                texts.append(item)
            elif isinstance(item, int):
                if abs(item) > limits.MAX_SAFE_INTEGER:
                    return "an integer outside the range"
            elif depth > limits.MAX_JSON_DEPTH:
                return f"nested deeper than {limits.MAX_JSON_DEPTH}"
            elif isinstance(item, (list, tuple)):  # before the tests against abstract classes, which are slow
                below.extend(item)
            elif isinstance(item, (dict, Mapping)):
                names.extend(item)
                below.extend(item.values())
            elif isinstance(item, Sequence) and not isinstance(item, (bytes, bytearray)):
                below.extend(item)
            else:
                return "null or a type that has no canonical form"
        level = below
        depth += 1
    return _names_problem(names) or _texts_problem(texts)


def _names_problem(names: list[Any]) -> str | None:
    try:
        lines = "\n".join(names)
    except TypeError:
        return "a member name that is no text"
    if not names or (lines.count("\n") == len(names) - 1 and _MEMBER_NAMES.fullmatch(lines)):
        return None
    return "a member name outside printable ASCII or the length"


def _texts_problem(texts: list[str]) -> str | None:
    joined = "".join(texts)
    if "\0" in joined:
        return "a NUL character"
    if joined.isascii():
        return None
    if _SURROGATE.search(joined):
        return "a lone surrogate"
    if all(text.isascii() or unicodedata.is_normalized("NFC", text) for text in texts):
        return None
    return "text that is not NFC"
