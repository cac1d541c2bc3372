# SPDX-License-Identifier: Apache-2.0
"""What somebody needs from another country, and what is advised. Values only: `routing` makes the second."""

from dataclasses import dataclass
from enum import StrEnum

from protocol.codes.help import HelpType
from protocol.codes.offences import Offence
from protocol.directory.contacts import ChannelKind
from protocol.directory.entries import AuthorityEntry
from protocol.directory.profile.codes import Answer, TreatyNeed
from protocol.identifiers import AuthorityId


@dataclass(frozen=True, slots=True)
class Need:
    """What somebody needs.

    Attributes:
        country: two letters.
        offence: the offence of the case, if it is known.
        networks: of practitioners, in which we are.
        languages: in which we can write.
    """

    country: str
    help: HelpType
    offence: Offence | None = None
    urgent: bool = False
    networks: tuple[str, ...] = ()
    languages: tuple[str, ...] = ()


class Way(StrEnum):
    """How help can be had from an authority."""

    INFORMAL = "INFORMAL"
    PARTIAL = "PARTIAL"
    ASK = "ASK"
    """Nobody has said; ask whether it can be had."""
    FORMAL = "FORMAL"
    NO = "NO"


class Basis(StrEnum):
    """Who says so."""

    AUTHORITY = "AUTHORITY"
    """Its own entry in the directory."""
    USUAL = "USUAL"
    """Nobody: it is what this kind of help usually takes."""


class AdviceKind(StrEnum):
    """One thing that is said for or against a way."""

    SAYS_SO = "SAYS_SO"
    USUAL = "USUAL"
    FUNCTION = "FUNCTION"
    POWER = "POWER"
    NETWORK = "NETWORK"
    LANGUAGE = "LANGUAGE"
    AT_ANY_HOUR = "AT_ANY_HOUR"
    CONFIRMED = "CONFIRMED"
    STALE = "STALE"
    NOT_IN_EXCHANGE = "NOT_IN_EXCHANGE"
    NO_KEYS = "NO_KEYS"
    NO_COMMON_LANGUAGE = "NO_COMMON_LANGUAGE"
    FORMAL_REQUEST_NEEDED = "FORMAL_REQUEST_NEEDED"
    TREATY_NEEDED = "TREATY_NEEDED"
    RECIPROCITY_NEEDED = "RECIPROCITY_NEEDED"
    DUAL_CRIMINALITY = "DUAL_CRIMINALITY"
    ASK_DUAL_CRIMINALITY = "ASK_DUAL_CRIMINALITY"
    NOT_EVIDENCE = "NOT_EVIDENCE"
    EVIDENCE_BY_CONSENT = "EVIDENCE_BY_CONSENT"
    SUBJECT_IS_NOTIFIED = "SUBJECT_IS_NOTIFIED"
    FREEZE_LAPSES = "FREEZE_LAPSES"
    BANK_FIELDS = "BANK_FIELDS"
    NO_CENTRAL_AUTHORITY = "NO_CENTRAL_AUTHORITY"
    NOBODY_LISTED = "NOBODY_LISTED"

    @property
    def warns(self) -> bool:
        """Whether it is a warning; the others speak for the way."""
        return self not in _FOR


_FOR = frozenset(
    {
        AdviceKind.SAYS_SO,
        AdviceKind.USUAL,
        AdviceKind.FUNCTION,
        AdviceKind.POWER,
        AdviceKind.NETWORK,
        AdviceKind.LANGUAGE,
        AdviceKind.AT_ANY_HOUR,
        AdviceKind.CONFIRMED,
    }
)


@dataclass(frozen=True, slots=True)
class Remark:
    """One remark; `detail` is a code, a number or a country, never free text."""

    kind: AdviceKind
    detail: str = ""


@dataclass(frozen=True, slots=True)
class Route:
    """One authority that can be asked, by which channel.

    Attributes:
        way: how it helps.
        basis: who says so.
        channel: how to reach it.
        address: of that channel, or empty.
        languages: in which it can be asked.
        hours: until it answers, as it promises; 0 promises nothing.
        score: higher is better; compares routes of one advice alone.
    """

    entry: AuthorityEntry
    way: Way
    basis: Basis
    channel: ChannelKind
    address: str
    languages: tuple[str, ...]
    hours: int
    score: int
    remarks: tuple[Remark, ...]


@dataclass(frozen=True, slots=True)
class FormalRequest:
    """What a formal request would need.

    Attributes:
        receiving: the authority it goes to, or None if the directory names nobody.
        said_by: whose entry says the rest.
        purposes: letters of UNCAC article 46(3) that it would name.
        days: how long it usually takes; 0 says nothing.
    """

    receiving: AuthorityId | None
    said_by: AuthorityId | None
    treaty: TreatyNeed
    uncac: Answer
    dual_criminality: Answer
    languages: tuple[str, ...]
    documents: tuple[str, ...]
    requirements: str
    days: int
    law_links: tuple[str, ...]
    purposes: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Advice:
    """What is advised.

    Attributes:
        routes: whom to ask, the best first.
        formal: what a formal request would need; None where this kind of help has none.
        warnings: what concerns every way.
    """

    routes: tuple[Route, ...]
    formal: FormalRequest | None
    warnings: tuple[Remark, ...]
