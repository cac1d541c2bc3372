# SPDX-License-Identifier: Apache-2.0
"""Hears what members ask to be sent again, and notes what they shall get. `resender` sends it.

1. A control counts only from the member who signed it, for the group in which it was said.
2. By `resend` a member gets what it names of our records, and of its own that we hold. What went to it so
   within a day does not go again: who asks more often gets nothing more.
3. A `nack` names the last envelope in which a record of ours went to that member; any other changes nothing.
   The same record goes again so three times at most, and what is no record never does.
"""

from datetime import timedelta

from globe_node.consultations import records as archive
from globe_node.consultations.resending import records
from globe_node.consultations.resending.records import Kept
from globe_node.groups.arriving import Heard
from globe_node.groups.book import GroupBook
from globe_node.store.door import Transaction
from protocol.errors import UntrustedError
from protocol.groups.testimony.control import (
    ALL_THAT_FOLLOW,
    MAX_RESENDS,
    Control,
    ControlKind,
    SequenceRange,
    verify_control,
)
from protocol.groups.upkeep import RESYNC_PAUSE
from protocol.identifiers import AuthorityId, ConsultationId, RecordId

PAUSE_MS = (RESYNC_PAUSE - timedelta(hours=4)) // timedelta(milliseconds=1)
"""What was sent again is not asked for anew sooner: a member comes back once a day, and clocks differ."""


def hear_control(book: GroupBook, heard: Heard, statement: bytes) -> None:
    """Note what a control asks for.

    Raises:
        NotKnownYetError: the key that signed it is not known here yet.
        RemoteProtocolError: not a control, not of the member who sent it, or its signature fails.

    Spec: PROTOCOL.md section 16.7.
    """
    bench, link = book.bench, heard.link
    control = verify_control(statement, bench.register.state, bench.clock.now())
    if control.name != heard.sender:
        raise UntrustedError("a control of another member than its sender")
    if (control.group_id, control.consultation) != (link.group_id, link.consultation):
        raise UntrustedError("a control of another group")
    if control.kind is ControlKind.NACK:
        _note_unread(book, control, heard.sender.authority)
        return
    me, peer = bench.name.authority, heard.sender.authority
    kept = [one for one in records.kept_of(book.tx, link.consultation) if one.author in (me, peer)]
    wanted = chosen(kept, control.ranges)
    records.want(book.tx, link.consultation, peer, wanted, before_ms=book.now_ms - PAUSE_MS)


def want_all_since(
    tx: Transaction, consultation: ConsultationId, me: AuthorityId, peer: AuthorityId, since_ms: int
) -> None:
    """Let a member have again what we said since a moment in a group that it perhaps never came into."""
    for row in archive.records_of(tx, consultation):
        if row.author == me and row.stored_ms >= since_ms:
            records.want_unread(tx, consultation, peer, row.record_id, most=MAX_RESENDS)


def chosen(kept: list[Kept], ranges: tuple[SequenceRange, ...]) -> list[RecordId]:
    """Return the records that stand in a range; to all that follow belong the lives that are not named."""
    named: dict[AuthorityId, set[str]] = {}
    for one in ranges:
        named.setdefault(one.authority, set()).add(one.incarnation)
    return [
        one.record_id
        for one in kept
        if any(
            _is_in(one, place, named[place.authority]) for place in ranges if place.authority == one.author
        )
    ]


def _is_in(one: Kept, place: SequenceRange, named: set[str]) -> bool:
    if place.incarnation in ("", one.incarnation):
        return place.first <= one.author_seq <= place.last
    return place.last == ALL_THAT_FOLLOW and one.incarnation not in named


def _note_unread(book: GroupBook, control: Control, peer: AuthorityId) -> None:
    if control.envelope is None:
        return
    record_id = records.record_in(book.tx, control.consultation, peer, control.envelope)
    if record_id is not None:
        records.want_unread(book.tx, control.consultation, peer, record_id, most=MAX_RESENDS)
