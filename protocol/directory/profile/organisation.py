# SPDX-License-Identifier: Apache-2.0
"""The profile of an authority: what it is for, may do, speaks, when it works, and how it is reached.

Not its legal name, country and kind: those are in the admission, because officers vouch for them.

1. An authority has one profile; a new one replaces the old one as a whole.
2. Members see all of it. The public sees what `visibility` says, and what the authority opened in `public`.
3. Lists name each thing once; channels stand in the order of preference.
"""

from collections.abc import Iterable
from enum import StrEnum
from typing import Annotated, Self

from pydantic import Field, model_validator

from protocol.directory.contacts import ChannelKind, Function, Weekday
from protocol.directory.fields import (
    DayCount,
    Fields,
    HolidayCalendar,
    HourCount,
    Hours,
    Language,
    Link,
    NetworkName,
    OptionalLine,
    OptionalLink,
    Subdivision,
    TimeZone,
    bad_field,
)
from protocol.directory.profile.codes import NetworkRole, Power
from protocol.directory.profile.provenance import Provenance

MAX_LANGUAGES = 20
MAX_NETWORKS = 30
MAX_CHANNELS = 10
MAX_LAW_LINKS = 20


class OpenPart(StrEnum):
    """Parts of a profile that members see anyhow and that an authority may open to the public."""

    OFFICE = "office"
    CHANNELS = "channels"
    DUTY = "duty"
    SERVICE = "service"
    LEGAL = "legal"
    MEASURES = "measures"


class Membership(Fields):
    """The place of the authority in a network of practitioners.

    Attributes:
        network: `GLOBE`, `EGMONT`, `CARIN`, `ARIN-SA` and the like.
    """

    network: NetworkName
    role: NetworkRole


class Office(Fields):
    """When the authority works.

    Attributes:
        hours: working hours in `time_zone` as `08:00-16:30`, or empty for all day.
        holidays: country or subdivision whose public holidays it keeps, or empty for none.
    """

    time_zone: TimeZone
    working_days: Annotated[tuple[Weekday, ...], Field(min_length=1, max_length=7)]
    hours: Hours
    holidays: HolidayCalendar


class RoundTheClock(Fields):
    """Whether somebody answers at any hour, and how to reach them."""

    available: bool
    how: OptionalLine


class AuthorityChannel(Fields):
    """One way to reach the authority.

    Attributes:
        encryption: what protects it, in words, or empty.
    """

    kind: ChannelKind
    address: OptionalLine
    encryption: OptionalLine


class ServiceLevel(Fields):
    """What others may expect; 0 promises nothing.

    Attributes:
        ack_hours: until it says that a consultation arrived.
        answer_days: until it answers.
        urgent_hours: until it answers something urgent.
        voluntary: it answers because it wants to, without a duty.
    """

    ack_hours: HourCount
    answer_days: DayCount
    urgent_hours: HourCount
    voluntary: bool


class Documents(Fields):
    """Where more is to be read."""

    guide_url: OptionalLink
    track_url: OptionalLink
    law_links: Annotated[tuple[Link, ...], Field(max_length=MAX_LAW_LINKS)]


class Profile(Fields):
    """What an authority tells about itself.

    Attributes:
        sub_jurisdiction: ISO 3166-2, where it is not competent for the whole country.
        native_language: which of its legal names is the one in its own language, or empty.
        transliterated: that name in Latin letters, or empty.
        languages_accepted: in which a consultation may come.
        languages_spoken: in which somebody there can be talked to.
        translation: what has to be translated nevertheless, or empty.
        public: what it opens to the public beyond what always is.
    """

    sub_jurisdiction: Subdivision
    native_language: Annotated[str, Field(max_length=35)]
    transliterated: OptionalLine
    functions: Annotated[tuple[Function, ...], Field(min_length=1, max_length=7)]
    powers: Annotated[tuple[Power, ...], Field(max_length=5)]
    networks: Annotated[tuple[Membership, ...], Field(max_length=MAX_NETWORKS)]
    languages_accepted: Annotated[tuple[Language, ...], Field(min_length=1, max_length=MAX_LANGUAGES)]
    languages_spoken: Annotated[tuple[Language, ...], Field(max_length=MAX_LANGUAGES)]
    translation: OptionalLine
    office: Office
    duty: RoundTheClock
    channels: Annotated[tuple[AuthorityChannel, ...], Field(max_length=MAX_CHANNELS)]
    service: ServiceLevel
    documents: Documents
    public: Annotated[tuple[OpenPart, ...], Field(max_length=6)]
    provenance: Provenance

    @model_validator(mode="after")
    def _holds_together(self) -> Self:
        for name in ("functions", "powers", "languages_accepted", "languages_spoken", "public"):
            require_each_once(name, getattr(self, name))
        require_each_once("networks", [item.network for item in self.networks])
        require_each_once("office.working_days", self.office.working_days)
        require_each_once("documents.law_links", self.documents.law_links)
        if self.duty.available and not self.duty.how:
            raise bad_field("duty.how: say how somebody is reached at any hour")
        return self


def require_each_once(place: str, values: Iterable[str]) -> None:
    """Refuse a list that names one thing twice.

    Raises:
        MalformedError: it does (`bad_field`).
    """
    listed = list(values)
    if len(set(listed)) != len(listed):
        raise bad_field(f"{place}: names the same thing twice")
