# SPDX-License-Identifier: Apache-2.0
"""Who may write to whom: holds a record that arrived against the roster that it stands on. It stores nothing.

1. The requester decides who takes part. A record that follows its last one directly must be for all members,
   and a change must begin with them. Where one of its records is missing, it is taken at its word.
2. A record of another author stands on the newest record of the requester that it has seen: its author was a
   member then, and it is for all others of then. If that record is not here yet, it waits for it.
3. Who was removed is heard no more, whatever it has seen; nor does a removed authority take anything more.
"""

from enum import Enum, auto

from globe_node.consultations.casebook import Case, Casebook
from globe_node.consultations.opening.examine import Opened
from protocol.consultations.roster import Roster, fits, members_before
from protocol.errors import MalformedError, ReasonCode, UntrustedError
from protocol.record import Record


class Place(Enum):
    """Where a record stands in its author's chain, as far as that is here."""

    NEXT = auto()
    """Directly after the newest one, or the first one that is here."""
    BEYOND = auto()
    """After a gap, or at the beginning of another life of its author's node."""
    LATE = auto()
    """Before the newest one."""


class AwaitedError(Exception):
    """What this record builds on is not here yet."""


def roster_under(casebook: Casebook, case: Case, opened: Opened, place: Place) -> Roster:
    """Return the roster that a record finds, after checking that author and recipients belong to it.

    Args:
        casebook: what is here.
        case: the consultation, perhaps just being opened by this record.
        opened: the record.
        place: where it stands in its author's chain.

    Raises:
        UntrustedError: a stranger writes, or somebody was left out or let in (`refused`).
        MalformedError: more members than a consultation may have (`bad_field`).
        AwaitedError: the record of the requester on which it stands is not here.

    Spec: PROTOCOL.md section 8.8.
    """
    if opened.record.author.authority != case.roster.requester:
        _require_standing(casebook, case, opened.record)
        return case.roster
    roster = _roster_of_requester(case.roster, opened, place)
    if not fits(len(roster.members)):
        raise MalformedError("more members than a consultation may have", code=ReasonCode.BAD_FIELD)
    return roster


def _roster_of_requester(roster: Roster, opened: Opened, place: Place) -> Roster:
    if place is Place.LATE:
        return roster
    members = members_before(opened.record, opened.content.body)
    if place is Place.BEYOND:
        return roster.limited_to(members)
    if members != roster.members:
        raise _not_between_members()
    return roster


def _require_standing(casebook: Casebook, case: Case, record: Record) -> None:
    """Check that a requested authority writes as the member it was when it wrote, and still is."""
    members, requester = case.roster.members, case.roster.requester
    if case.me in members and _is_for_all(record, members):
        return
    seen, head = record.seen.get(requester, ""), case.heads.get(requester)
    if case.me not in members or not seen or (head is not None and seen == head.record_hash):
        raise _not_between_members()
    stands_on = casebook.members_at(case, seen)
    if stands_on is None:
        raise AwaitedError
    if record.author.authority not in members or not _is_for_all(record, stands_on):
        raise _not_between_members()


def _is_for_all(record: Record, members: frozenset[str]) -> bool:
    author = record.author.authority
    return author in members and {author, *record.recipients} == members


def _not_between_members() -> UntrustedError:
    return UntrustedError("not a record between the members of this consultation")
