# SPDX-License-Identifier: Apache-2.0
"""The country guide: what a kind of help takes in a country, one fact a row, each with its source and date.

It is a collection that an authority imports for itself: no statement of the directory, and nobody's word but
that of the named source.

1. A fact is one value of one field; lists are several facts.
2. Texts are visible lines; a value that a spreadsheet would take for a formula is refused.
3. An error names the column and the rule, never what stood there.
"""

from collections.abc import Container, Mapping
from dataclasses import dataclass
from datetime import date
from enum import StrEnum
from typing import Annotated

from pydantic import Field

from protocol.canonical import JSONObject
from protocol.codes.help import HelpType
from protocol.directory.fields import (
    Country,
    Day,
    DayCount,
    Fields,
    Language,
    Line,
    Link,
    bad_field,
    read_fields,
)
from protocol.directory.profile.codes import Answer, Possibility, TreatyNeed

COLUMNS = ("country", "help", "field", "value", "source", "as_of")
_FORMULA = ("=", "+", "-", "@", "|", "%")


class GuideField(StrEnum):
    """What a fact is about."""

    POSSIBLE = "POSSIBLE"
    RECEIVING = "RECEIVING"
    LANGUAGE = "LANGUAGE"
    ANSWER_DAYS = "ANSWER_DAYS"
    TREATY_NEEDED = "TREATY_NEEDED"
    DUAL_CRIMINALITY = "DUAL_CRIMINALITY"
    DOCUMENT = "DOCUMENT"
    REQUIREMENT = "REQUIREMENT"
    LAW_LINK = "LAW_LINK"
    TRACK_LINK = "TRACK_LINK"
    SHERLOC_LINK = "SHERLOC_LINK"


SEVERAL = frozenset(
    {
        GuideField.LANGUAGE,
        GuideField.DOCUMENT,
        GuideField.REQUIREMENT,
        GuideField.LAW_LINK,
        GuideField.TRACK_LINK,
        GuideField.SHERLOC_LINK,
    }
)
"""Fields that may have several facts for one kind of help."""


class _Row(Fields):
    country: Country
    help: HelpType
    field: GuideField
    value: Line
    source: Line
    as_of: Day


class _Code(Fields):
    value: Possibility


class _Treaty(Fields):
    value: TreatyNeed


class _Answer(Fields):
    value: Answer


class _Days(Fields):
    value: Annotated[DayCount, Field(ge=1)]


class _Language(Fields):
    value: Language


class _Link(Fields):
    value: Link


_VALUES: Mapping[GuideField, type[Fields]] = {
    GuideField.POSSIBLE: _Code,
    GuideField.TREATY_NEEDED: _Treaty,
    GuideField.DUAL_CRIMINALITY: _Answer,
    GuideField.ANSWER_DAYS: _Days,
    GuideField.LANGUAGE: _Language,
    GuideField.LAW_LINK: _Link,
    GuideField.TRACK_LINK: _Link,
    GuideField.SHERLOC_LINK: _Link,
}
"""What a value must be; a line where nothing is named."""


@dataclass(frozen=True, slots=True)
class GuideFact:
    """One fact.

    Attributes:
        source: where it was taken from.
        as_of: the day on which it was so.
    """

    country: str
    help: HelpType
    field: GuideField
    value: str
    source: str
    as_of: date


def parse_fact(row: JSONObject) -> GuideFact:
    """Read one row, all of whose cells are text.

    Raises:
        MalformedError: an unknown or missing column (`unknown_field`, `bad_field`), or a value outside its
            rule; the text begins with the column.
    """
    read = read_fields(_Row, row)
    for column, text in (("value", read.value), ("source", read.source)):
        if text.startswith(_FORMULA):
            raise bad_field(f"{column}: begins like a formula of a spreadsheet")
    model = _VALUES.get(read.field)
    if model is not None:
        number = model is _Days and read.value.isascii() and read.value.isdecimal() and len(read.value) < 6
        read_fields(model, {"value": int(read.value) if number else read.value})
    return GuideFact(read.country, read.help, read.field, read.value, read.source, read.as_of)


Key = tuple[str, HelpType, GuideField, str]


def require_new(known: Container[Key], fact: GuideFact) -> None:
    """Refuse a fact that is told already, or a second value where there can be one.

    Raises:
        MalformedError: it is (`bad_field`).
    """
    if key_of(fact) in known:
        raise bad_field(
            "value: told in another row already"
            if fact.field in SEVERAL
            else "field: may be told once for each kind of help"
        )


def key_of(fact: GuideFact) -> Key:
    """Return what only one fact of a guide may have."""
    return fact.country, fact.help, fact.field, fact.value if fact.field in SEVERAL else ""
