# SPDX-License-Identifier: Apache-2.0
"""What somebody looks for, and what was found with its reasons. Values only: `ranking` makes the second."""

from dataclasses import dataclass, field
from datetime import date
from enum import StrEnum

from protocol.directory.contacts import ContactPoint, Function
from protocol.directory.entries import AuthorityEntry
from protocol.directory.profile.codes import Power
from protocol.lookup.duty import Duty

DEFAULT_LIMIT = 20
MAX_LIMIT = 100


@dataclass(frozen=True, slots=True)
class Search:
    """What somebody looks for; empty text and None ask for nothing.

    Attributes:
        text: words in any script; part of an id, a name, a country, a function.
        country: two letters.
        function: that the authority or a contact point can be asked for.
        power: that the authority has.
        network: that the authority is in.
        language: in which it can be asked (its first part counts).
        on_duty: only who can be reached at the moment of the search.
        limit: how many authorities to return.
    """

    text: str = ""
    country: str = ""
    function: Function | None = None
    power: Power | None = None
    network: str = ""
    language: str = ""
    on_duty: bool = False
    limit: int = DEFAULT_LIMIT


class ReasonKind(StrEnum):
    """Why somebody stands where he stands in the result."""

    ID = "ID"
    WORDS = "WORDS"
    SOME_WORDS = "SOME_WORDS"
    COUNTRY = "COUNTRY"
    FUNCTION = "FUNCTION"
    POWER = "POWER"
    NETWORK = "NETWORK"
    LANGUAGE = "LANGUAGE"
    ON_DUTY = "ON_DUTY"
    OFF_DUTY = "OFF_DUTY"
    CONFIRMED = "CONFIRMED"
    STALE = "STALE"
    NOT_IN_EXCHANGE = "NOT_IN_EXCHANGE"
    NO_KEYS = "NO_KEYS"

    @property
    def warns(self) -> bool:
        """Whether it speaks against the authority."""
        return self in _WARNINGS


_WARNINGS = frozenset(
    {
        ReasonKind.STALE,
        ReasonKind.NOT_IN_EXCHANGE,
        ReasonKind.NO_KEYS,
        ReasonKind.OFF_DUTY,
        ReasonKind.SOME_WORDS,
    }
)


@dataclass(frozen=True, slots=True)
class Reason:
    """One reason; `detail` is a code, a number of days or a moment, never free text."""

    kind: ReasonKind
    detail: str = ""


@dataclass(frozen=True, slots=True)
class ContactHit:
    """A contact point that fits, and whether it is at work."""

    contact: ContactPoint
    duty: Duty


@dataclass(frozen=True, slots=True)
class Hit:
    """One authority that was found.

    Attributes:
        contacts: those that fit, the best first; none if the authority itself fits.
        score: higher is better; compares hits of one search alone.
    """

    entry: AuthorityEntry
    contacts: tuple[ContactHit, ...]
    score: int
    reasons: tuple[Reason, ...] = field(default=())


@dataclass(frozen=True, slots=True)
class Found:
    """The result of a search.

    Attributes:
        hits: the best first.
        candidates: how many authorities have the codes and words asked for.
        complete: whether the hits are all that fit; else there are more.
        all_words: whether they have all words that were asked; else at least one.
    """

    hits: tuple[Hit, ...]
    candidates: int
    complete: bool = True
    all_words: bool = True


def confirmed_on(entry: AuthorityEntry) -> date | None:
    """The last day on which the authority confirmed something about itself, or None."""
    days = [contact.confirmed_at for contact in entry.contacts]
    if entry.profile is not None:
        days.append(entry.profile.provenance.confirmed_at)
    return max(days, default=None)
