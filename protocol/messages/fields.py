# SPDX-License-Identifier: Apache-2.0
"""The kinds of field that bodies are made of. Not a cleaner: nothing is trimmed, coerced or guessed.

1. A part of a body is frozen, takes no member it does not know, and no value of another type.
2. What is left out is absent, never null. Lists may be left out; then they are empty.
3. Parts show no content in their repr: bodies must not leak into logs.
"""

import re
from collections.abc import Callable
from datetime import date, datetime
from typing import Annotated, TypeVar

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, PlainSerializer

from protocol import canonical, limits
from protocol.codes.handling import is_handling
from protocol.errors import MalformedError
from protocol.identifiers import parse_authority_id, parse_consultation_id
from protocol.messages.text import is_language, is_line, is_reference, is_tag, is_text

T = TypeVar("T")

_DAY = re.compile(r"[12]\d{3}-(?:0[1-9]|1[0-2])-(?:0[1-9]|[12]\d|3[01])", re.ASCII)
_ROUGH_DAY = r"[12]\d{3}(?:-(?:0[1-9]|1[0-2])(?:-(?:0[1-9]|[12]\d|3[01]))?)?"


class Part(BaseModel):
    """A part of a body: strict, frozen, closed."""

    model_config = ConfigDict(strict=True, frozen=True, extra="forbid", hide_input_in_errors=True)

    def __repr__(self) -> str:
        return f"{type(self).__name__}(…)"

    __str__ = __repr__


def _must(holds: Callable[[str], bool], rule: str) -> AfterValidator:
    def check(text: str) -> str:
        if not holds(text):
            raise ValueError(rule)
        return text

    return AfterValidator(check)


def _readable(parse: Callable[[str], object], rule: str) -> AfterValidator:
    def holds(text: str) -> bool:
        try:
            parse(text)
        except MalformedError:
            return False
        return True

    return _must(holds, rule)


def _matches(pattern: str) -> Callable[[str], bool]:
    compiled = re.compile(pattern, re.ASCII)
    return lambda text: compiled.fullmatch(text) is not None


def _read_day(value: object) -> date:
    if isinstance(value, date) and not isinstance(value, datetime):
        return value
    if isinstance(value, str) and _DAY.fullmatch(value):
        return date.fromisoformat(value)
    raise ValueError("not a day written YYYY-MM-DD")


def _read_moment(value: object) -> datetime:
    if isinstance(value, datetime):
        return value
    try:
        if isinstance(value, str):
            return canonical.parse_moment(value)
    except MalformedError:
        pass
    raise ValueError("not a moment in UTC with milliseconds")


def _unique(items: tuple[T, ...]) -> tuple[T, ...]:
    if len(set(items)) != len(items):
        raise ValueError("an item appears twice")
    return items


Text = Annotated[
    str, _must(lambda text: is_text(text, limits.MAX_TEXT_CHARACTERS), "not a text within its length")
]
"""Free text, several lines, at most 20,000 code points."""
Line = Annotated[str, _must(lambda text: is_line(text, limits.MAX_NAME_CHARACTERS), "not a line of text")]
"""A name or title: one line, at most 300 code points."""
Reference = Annotated[
    str, _must(lambda text: is_reference(text, 100), "not a reference without hidden characters")
]
"""A number or reference that people compare by eye, at most 100 code points."""
Tag = Annotated[str, _must(is_tag, "not a tag such as h1")]
"""How one part of a consultation refers to another: `h1`, `a2`."""
Language = Annotated[str, _must(is_language, "not a language tag")]
"""A language tag (RFC 5646)."""
Country = Annotated[str, _must(_matches(r"[A-Z]{2}"), "not a country code")]
"""ISO 3166-1 alpha-2, upper case."""
Currency = Annotated[str, _must(_matches(r"[A-Z]{3}"), "not a currency code")]
"""ISO 4217, upper case."""
Amount = Annotated[
    str, _must(_matches(r"(?:0|[1-9]\d{0,17})(?:\.\d{1,2})?"), "not an amount such as 1250000.50")
]
"""A sum in decimal digits; money is never a floating point number."""
Day = Annotated[date, BeforeValidator(_read_day)]
"""A calendar day, `2026-07-01`."""
RoughDay = Annotated[str, _must(_matches(_ROUGH_DAY), "not a day, month or year")]
"""A day of which perhaps only the month or the year is known."""
Moment = Annotated[datetime, BeforeValidator(_read_moment), PlainSerializer(canonical.moment_text)]
"""A moment in UTC."""
Authority = Annotated[str, _readable(parse_authority_id, "not an authority id")]
"""The id of an authority of the network."""
Consultation = Annotated[str, _readable(parse_consultation_id, "not a consultation id")]
"""The id of a consultation."""
Code = Annotated[T, Field(strict=False)]
"""A code of a list; written as its text."""
Items = Annotated[tuple[T, ...], Field(strict=False, max_length=limits.MAX_LIST_ITEMS)]
"""A list of at most 100 items."""
SomeItems = Annotated[tuple[T, ...], Field(strict=False, min_length=1, max_length=limits.MAX_LIST_ITEMS)]
"""A list of 1 to 100 items."""
Distinct = Annotated[
    tuple[T, ...], Field(strict=False, max_length=limits.MAX_LIST_ITEMS), AfterValidator(_unique)
]
"""A list of at most 100 items, none twice."""


def _check_handling(codes: tuple[str, ...]) -> tuple[str, ...]:
    if not is_handling(codes):
        raise ValueError("not handling codes that may stand together, sorted")
    return codes


Handling = Annotated[tuple[str, ...], Field(strict=False), AfterValidator(_check_handling)]
"""Handling codes, sorted."""
