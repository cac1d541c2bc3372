# SPDX-License-Identifier: Apache-2.0
"""A contact point: who answers at an authority, for what, in which languages, when and by which channel.

Not an account and not a key: nothing is encrypted to a contact point.

1. A contact point belongs to one authority, which alone can put or retire it.
2. Staleness is shown, not guessed: `confirmed_at` is the day somebody last confirmed that it works.
3. A contact point may name a person; looking one up is an act that the node logs.
4. The public sees a contact point only if its authority says so; members see all.
"""

from datetime import date
from enum import StrEnum
from typing import Annotated, Self

from pydantic import Field, model_validator

from protocol.directory.fields import (
    Day,
    Fields,
    HolidayCalendar,
    Hours,
    Language,
    Line,
    OptionalDay,
    OptionalLine,
    Tag,
    TimeZone,
    bad_field,
)


class AuthorityKind(StrEnum):
    """What kind of authority it is."""

    ACA = "ACA"
    PROSECUTION = "PROSECUTION"
    POLICE = "POLICE"
    FIU = "FIU"
    ARO = "ARO"
    CENTRAL_AUTHORITY = "CENTRAL_AUTHORITY"
    JUDICIAL = "JUDICIAL"
    PREVENTION = "PREVENTION"
    OVERSIGHT = "OVERSIGHT"
    OBSERVER = "OBSERVER"


class Function(StrEnum):
    """What a contact point can be asked for."""

    MLA = "MLA"
    EXTRADITION = "EXTRADITION"
    ASSET_RECOVERY = "ASSET_RECOVERY"
    PREVENTION = "PREVENTION"
    CIVIL_ADMIN = "CIVIL_ADMIN"
    LAW_ENFORCEMENT = "LAW_ENFORCEMENT"
    FREEZE_URGENT = "FREEZE_URGENT"


class ContactRole(StrEnum):
    """The place of a contact point within its authority."""

    PRIMARY = "PRIMARY"
    DEPUTY = "DEPUTY"
    DUTY = "DUTY"
    TECHNICAL = "TECHNICAL"


class ChannelKind(StrEnum):
    """A way to reach a contact point."""

    NODE = "NODE"
    SIENA = "SIENA"
    ESW = "ESW"
    I247 = "I247"
    EMAIL = "EMAIL"
    PHONE = "PHONE"
    DIPLOMATIC = "DIPLOMATIC"


class Weekday(StrEnum):
    """A day of the week."""

    MON = "mon"
    TUE = "tue"
    WED = "wed"
    THU = "thu"
    FRI = "fri"
    SAT = "sat"
    SUN = "sun"


class Visibility(StrEnum):
    """Who may see something of the directory. Members hold all statements, so nothing is hidden from them."""

    PUBLIC = "PUBLIC"
    MEMBERS = "MEMBERS"


class Channel(Fields):
    """One way to reach a contact point, with its address where it has one."""

    kind: ChannelKind
    address: OptionalLine


class ContactPoint(Fields):
    """A contact point as the authority put it.

    Attributes:
        id: unique within the authority.
        name: an office or a person.
        channels: the preferred one first.
        hours: working hours in `time_zone` as `08:00-16:30`, or empty for all day.
        holidays: country or subdivision whose public holidays it keeps, or empty for none.
        nominated_by: the office that named it, or empty.
        visibility: `PUBLIC`, or `MEMBERS` alone.
        valid_to: the last day, or None for open.
        confirmed_at: the day somebody last confirmed these entries.
    """

    id: Tag
    role: ContactRole
    name: Line
    functions: Annotated[tuple[Function, ...], Field(min_length=1, max_length=7)]
    languages: Annotated[tuple[Language, ...], Field(min_length=1, max_length=10)]
    time_zone: TimeZone
    working_days: Annotated[tuple[Weekday, ...], Field(min_length=1, max_length=7)]
    hours: Hours
    holidays: HolidayCalendar
    channels: Annotated[tuple[Channel, ...], Field(min_length=1, max_length=10)]
    nominated_by: OptionalLine
    visibility: Visibility
    valid_from: Day
    valid_to: OptionalDay
    confirmed_at: Day

    @model_validator(mode="after")
    def _hold_together(self) -> Self:
        for name in ("functions", "languages", "working_days"):
            values = getattr(self, name)
            if len(set(values)) != len(values):
                raise bad_field(f"{name}: names the same thing twice")
        if self.valid_to is not None and self.valid_to < self.valid_from:
            raise bad_field("valid_to: before valid_from")
        return self

    def is_valid_on(self, day: date) -> bool:
        """Whether the contact point may be used on a day."""
        return self.valid_from <= day and (self.valid_to is None or day <= self.valid_to)
