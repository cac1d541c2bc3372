# SPDX-License-Identifier: Apache-2.0
"""Sends records again to members that have lost them: unchanged, in new envelopes, in the epoch of now.

1. A record goes to a member only if it was made for it; and only if it is not on its way to it, and did not
   end badly there: what was undeliverable or refused stays so.
2. It is sealed from the archive as it stands. Nothing is signed anew.
3. A few go at a time. In one epoch of a group there is a bound: the others don't get these messages, and
   a member is not heard any more that is too far ahead of what the others have of it.
4. Envelope, audit entry and the end of the waiting are one transaction.
"""

import asyncio
import contextlib
from collections.abc import Callable
from dataclasses import dataclass

from globe_node.consultations import records as archive
from globe_node.consultations.content import reconciliation_of
from globe_node.consultations.moments import moment_of
from globe_node.consultations.office import Office
from globe_node.consultations.records import Direction, RecordRow
from globe_node.consultations.resending import records
from globe_node.consultations.resending.records import SentAgain, Wanted
from globe_node.delivery import outbox
from globe_node.delivery.outbox import Outgoing, Queued
from globe_node.errors import NodeError, StoreError
from globe_node.groups.book import messages_sent
from globe_node.groups.links import GroupStatus, LinkRow
from globe_node.groups.members.parcels import new_frame, outgoing_of
from globe_node.store.door import Transaction
from protocol import limits
from protocol.audit.events import AuditEvent, EventKind, size_bucket
from protocol.envelope import EnvelopeClass
from protocol.errors import LocalProtocolError, ReasonCode
from protocol.groups.sealed import resent_message
from protocol.identifiers import AuthorityId, ConsultationId, EnvelopeId
from protocol.receipts import DeliveryState
from protocol.record import SignedRecord, parse_signed_record

LOOK_SECONDS = 300.0
"""How often it is looked without a reason."""
PAUSE_SECONDS = 1.0
"""Between two transactions that send something."""
RECORDS_AT_ONCE = 32
"""Records that one transaction seals."""
MOST_IN_EPOCH = 600
"""Messages of ours in one epoch after which nothing is sent again until the next one: beyond 1,000 that they
did not get, other members take no more of us."""
RESENT = "resent"
"""What the audit log calls a record that was sent again."""


class Resender:
    """The one task that sends again what members ask for.

    Args:
        office: the shared parts.
        wake: tells the courier after each commit what was queued.
    """

    def __init__(self, office: Office, *, wake: Callable[[Queued], None]) -> None:
        self._office = office
        self._wake = wake
        self._wanted = asyncio.Event()

    def look(self, *_reason: object) -> None:
        """Say that something may wait, or that a group has changed; from the event loop."""
        self._wanted.set()

    async def run(self) -> None:
        """Work for ever; look at once, since something may have been left from before."""
        while True:
            self._wanted.clear()
            try:
                while await self.work():
                    await self._office.clock.sleep(PAUSE_SECONDS)
            except NodeError as error:
                if isinstance(error, StoreError) and not error.is_passing:
                    raise
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(LOOK_SECONDS):
                    await self._wanted.wait()

    async def work(self) -> bool:
        """Send some of what waits again; return whether there may be more to do at once."""
        office = self._office
        if not office.can_sign() or not await office.store.look(records.consultations_waiting):
            return False
        queued, more = await office.store.write(lambda tx: _Turn(office, tx).run())
        office.faults.point("consultations.resending.done")
        if queued is not None:
            self._wake(queued)
        return more


@dataclass(frozen=True, slots=True)
class _Again:
    outgoing: Outgoing
    sent: SentAgain
    event: AuditEvent


class _Turn:
    """Handles some of what waits, in one transaction."""

    def __init__(self, office: Office, tx: Transaction) -> None:
        self._office = office
        self._tx = tx
        self._book = office.book(tx)
        self._now_ms = office.now_ms()
        self._done: list[_Again] = []
        self._settled: list[int] = []

    def run(self) -> tuple[Queued | None, bool]:
        """Seal and store; return what the courier must be told, and whether there is more."""
        for consultation in records.consultations_waiting(self._tx):
            room = RECORDS_AT_ONCE - len(self._settled)
            if room <= 0:
                break
            self._serve(consultation, room)
        self._book.write()
        records.note_sent(self._tx, [one.sent for one in self._done])
        records.settle(self._tx, self._settled)
        queued = None
        if self._done:
            queued = outbox.enqueue(self._tx, [one.outgoing for one in self._done], self._now_ms)
            self._office.audit.append(self._tx, [one.event for one in self._done])
        self._office.faults.point("consultations.resending.stored")
        return queued, len(self._settled) >= RECORDS_AT_ONCE

    def _serve(self, consultation: ConsultationId, room: int) -> None:
        link = self._book.link_of(consultation)
        if link is None or link.status in (GroupStatus.LEFT, GroupStatus.EXPIRED):
            records.settle_all(self._tx, consultation)
            return
        group = self._book.group_of(link) if link.status is GroupStatus.OPEN else None
        if group is None or not self._book.members.is_sound(link):
            return
        room = min(room, MOST_IN_EPOCH - messages_sent(group))
        present = self._book.members.present(link)
        for wanted in records.waiting(self._tx, consultation, max(room, 0)):
            # who has no leaf now asks again when it has one
            again = self._again(link, wanted) if wanted.peer in present else None
            if again is not None:
                self._done.append(again)
            self._settled.append(wanted.position)

    def _again(self, link: LinkRow, wanted: Wanted) -> _Again | None:
        """Seal one record for one member, if it may have it."""
        row = archive.record(self._tx, wanted.record_id)
        if row is None:
            return None
        octets = self._office.open_record(row.record_id, row.application_data)
        signed = parse_signed_record(octets)
        if not is_for(signed, wanted.peer) or not self._may_go(row, wanted):
            return None
        frame = new_frame(
            self._book.bench,
            link,
            EnvelopeClass.APPLICATION,
            now_ms=self._now_ms,
            lifetime_seconds=limits.DEFAULT_DEADLINE_SECONDS,
        )
        try:
            raw = self._book.seal(link, frame, resent_message(octets))
        except LocalProtocolError as error:
            self._office.log.warning("a record can't be sent again", code=error.code, record_id=row.record_id)
            return None
        outgoing = outgoing_of(frame, raw, row.record_hash, [wanted.peer])
        sent = SentAgain(frame.envelope_id, row.record_id, wanted.peer, self._now_ms)
        return _Again(outgoing, sent, self._event(row, signed, outgoing))

    def _may_go(self, row: RecordRow, wanted: Wanted) -> bool:
        """Say whether a record may be sent again: the member had it, or could not read it in time."""
        if row.direction == Direction.IN:
            return True
        peer = wanted.peer
        ids = [EnvelopeId(row.envelope_id)]
        ids += [one.envelope_id for one in records.sent_again(self._tx, [row.record_id]) if one.peer == peer]
        known = [one for one in outbox.sent(self._tx, ids) if one.peer == peer]
        if any(one.state in (DeliveryState.RECEIVED, DeliveryState.READ) for one in known):
            return True
        if any(one.state is DeliveryState.UNDELIVERABLE for one in known) or row.expires_ms <= self._now_ms:
            return False
        refused = [one for one in known if one.state is DeliveryState.REJECTED]
        if any(one.reason != ReasonCode.KEY_GONE for one in refused):
            return False
        return bool(refused) or not known or wanted.unread > 0

    def _event(self, row: RecordRow, signed: SignedRecord, outgoing: Outgoing) -> AuditEvent:
        record = signed.content
        return AuditEvent(
            kind=EventKind.SUBMITTED,
            at=moment_of(self._now_ms),
            peer=outgoing.peers[0],
            case=row.consultation,
            msg=row.record_id,
            digest=row.record_hash,
            size=size_bucket(len(signed.record)),
            attachments=len(record.attachments),
            dir_size=record.directory.size,
            key=record.author.key,
            result=RESENT,
            rc=reconciliation_of(signed.signature, outgoing.envelope_hash),
        )


def is_for(signed: SignedRecord, member: AuthorityId) -> bool:
    """Say whether a record was made by a member or for it."""
    record = signed.content
    return member == record.author.authority or member in record.recipients
