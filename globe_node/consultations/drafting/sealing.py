# SPDX-License-Identifier: Apache-2.0
"""Seals what waited: records that were accepted while the group of their consultation could not carry them.

1. It looks when key packages have come, when a group has changed, at the start, and now and then.
2. Records of one consultation go out in their order; the first that can't be sealed yet holds the others.
3. What is past its deadline is not sealed any more: the courier has signed that it reached nobody. If that
   was the opening, the consultation never came about.
4. What went out while a recipient had no keys in the group is sealed again for it when it has some.
5. What waited when the store was put back to a copy may have gone out since, in an envelope with this id. It
   goes as what was said before; a group that did not exist then is founded when its members have told that it
   does not exist by now.
6. Record, envelope and audit entry change in one transaction; a crash before it leaves everything waiting.
"""

import asyncio
import contextlib
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from globe_node.consultations import records
from globe_node.consultations.drafting import unsealed
from globe_node.consultations.drafting.packing import (
    Letter,
    Packed,
    Packer,
    posted_events,
    waiting_recipients,
)
from globe_node.consultations.moments import moment_of
from globe_node.consultations.office import Office
from globe_node.consultations.records import RecordRow
from globe_node.consultations.resending import records as resends
from globe_node.delivery import outbox
from globe_node.delivery.outbox import Queued
from globe_node.errors import NodeError, StoreError
from globe_node.groups.links import GroupStatus
from globe_node.groups.returning.finding import have_answered
from globe_node.store.door import Transaction
from protocol.audit.events import AuditEvent
from protocol.errors import ProtocolError
from protocol.identifiers import AuthorityId, ConsultationId, EnvelopeId, RecordId
from protocol.messages.membership import Members
from protocol.messages.parse import parse_body
from protocol.record import parse_signed_record

LOOK_SECONDS = 300.0
"""How often it is looked without a reason."""
RECORDS_AT_ONCE = 32
"""Records that one transaction seals: some ten milliseconds."""


@dataclass(slots=True)
class _Sealed:
    """What one transaction did.

    Attributes:
        queued: what the courier must be told.
        missing: authorities whose key packages are waited for.
        stale: consultations in whose groups our keys are to be renewed.
        more: there may be more to do at once.
    """

    queued: Queued | None = None
    missing: frozenset[AuthorityId] = frozenset()
    stale: frozenset[ConsultationId] = frozenset()
    more: bool = False


class Sealer:
    """The one task that seals what waited.

    Args:
        office: the shared parts.
        wake: tells the courier after each commit what was queued.
        need: asks for key packages of authorities.
        renew: has our keys in groups renewed.
    """

    def __init__(
        self,
        office: Office,
        *,
        wake: Callable[[Queued], None],
        need: Callable[[Collection[AuthorityId]], None],
        renew: Callable[[Collection[ConsultationId]], None],
    ) -> None:
        self._office = office
        self._wake = wake
        self._need = need
        self._renew = renew
        self._wanted = asyncio.Event()

    def look(self, *_reason: object) -> None:
        """Say that something may be sealed now; from the event loop."""
        self._wanted.set()

    async def run(self) -> None:
        """Seal for ever; look at once, since something may have been left from before."""
        while True:
            self._wanted.clear()
            try:
                while await self.work():
                    await self._office.clock.sleep(0)
            except NodeError as error:
                if isinstance(error, StoreError) and not error.is_passing:
                    raise
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(LOOK_SECONDS):
                    await self._wanted.wait()

    async def work(self) -> bool:
        """Seal some of what waits; return whether there is more to do at once."""
        office = self._office
        if not office.can_sign() or not await office.store.look(unsealed.is_anything_waiting):
            return False
        done = await office.store.write(self._seal)
        office.faults.point("consultations.sealing.done")
        if done.queued is not None:
            self._wake(done.queued)
        if done.missing:
            self._need(done.missing)
        if done.stale:
            self._renew(done.stale)
        return done.more

    def _seal(self, tx: Transaction) -> _Sealed:
        return _SealTransaction(self._office, tx).run()


@dataclass(slots=True)
class _Done:
    """A record that goes out: to everybody, or to one recipient who could not read it before."""

    letter: Letter
    row: RecordRow
    signature: bytes = field(repr=False)
    packed: Packed
    peer: AuthorityId | None = None


class _SealTransaction:
    """Handles what waits, as far as it goes."""

    def __init__(self, office: Office, tx: Transaction) -> None:
        self._office = office
        self._tx = tx
        self._book = office.book(tx)
        self._packer = Packer(office, self._book)
        self._now_ms = office.now_ms()
        self._done: list[_Done] = []
        self._dropped: list[RecordId] = []
        self._dropped_for: list[tuple[AuthorityId, RecordId]] = []

    def run(self) -> _Sealed:
        """Seal, store, and say what follows."""
        waiting = unsealed.waiting(self._tx)
        for consultation, ids in waiting.items():
            if len(self._done) >= RECORDS_AT_ONCE:
                break
            self._go_on(consultation, ids)
        for consultation, peer in unsealed.waited_for(self._tx):
            self._catch_up(consultation, peer)
        queued = self._store() if self._done or self._dropped or self._dropped_for else None
        more = len(self._done) >= RECORDS_AT_ONCE
        return _Sealed(queued, frozenset(self._packer.missing), frozenset(self._packer.stale), more)

    def _go_on(self, consultation: ConsultationId, ids: Sequence[RecordId]) -> None:
        """Seal the records of one consultation, until one has to wait on."""
        for place, record_id in enumerate(ids):
            row = records.record(self._tx, record_id)
            if row is None or row.expires_ms <= self._now_ms:
                self._dropped.append(record_id)
                if row is not None and self._is_opening(row):
                    self._book.end(consultation)
                    self._dropped.extend(ids[place + 1 :])
                    return
                continue
            if row.incarnation != self._office.incarnation:
                if not self._is_known_to_wait(row):
                    return
                if self._say_again(row):
                    continue
            try:
                done = self._pack(row)
            except ProtocolError as error:  # not for its own length: that was seen when it was held
                self._office.log.warning("a record can't be sealed", code=error.code, record_id=record_id)
                return
            if done is None:
                return
            self._done.append(done)

    def _catch_up(self, consultation: ConsultationId, peer: AuthorityId) -> None:
        """Seal for one recipient what went out while it could not read it, as far as it goes."""
        room = RECORDS_AT_ONCE - len(self._done)
        for record_id in unsealed.waiting_for(self._tx, consultation, peer, max(room, 0)):
            row = records.record(self._tx, record_id)
            if row is None or row.expires_ms <= self._now_ms:
                self._dropped_for.append((peer, record_id))
                continue
            if row.incarnation != self._office.incarnation and self._say_again(row, peer):
                continue
            done = self._pack(row, peer)
            if done is None:
                return
            self._done.append(done)

    def _is_known_to_wait(self, row: RecordRow) -> bool:
        """Say whether we know what became of a record that waited when the store was put back.

        If its group did not exist then, only its recipients can tell whether it does by now.
        """
        link = self._book.link_of(row.consultation)
        if link is None or link.status is not GroupStatus.AWAITING_KEYS:
            return True
        others = [one for one in link.roster if one != self._book.bench.name.authority]
        return have_answered(self._tx, others)

    def _say_again(self, row: RecordRow, peer: AuthorityId | None = None) -> bool:
        """Let a record that waited when the store was put back go as one that was said before.

        Returns:
            Whether it goes so; not if there is no group yet, for then it was never said.
        """
        link = self._book.link_of(row.consultation)
        if link is None or link.status is GroupStatus.AWAITING_KEYS:
            return False
        signed = parse_signed_record(self._office.open_record(row.record_id, row.application_data))
        for one in signed.content.recipients if peer is None else (peer,):
            resends.want(self._tx, row.consultation, one, [row.record_id], before_ms=self._now_ms)
        outbox.withdraw(self._tx, [EnvelopeId(row.envelope_id)], peer=peer)
        if peer is None:
            self._dropped.append(row.record_id)
        else:
            self._dropped_for.append((peer, row.record_id))
        return True

    def _is_opening(self, row: RecordRow) -> bool:
        link = self._book.link_of(row.consultation)
        return row.author_seq == 1 and link is not None and link.epoch == 0

    def _pack(self, row: RecordRow, peer: AuthorityId | None = None) -> _Done | None:
        signed = parse_signed_record(self._office.open_record(row.record_id, row.application_data))
        record = signed.content
        body = parse_body(record.type, record.body)
        letter = Letter(
            record=record,
            digest=row.record_hash,
            data=signed.record,
            change=body if isinstance(body, Members) else None,
            envelope_id=EnvelopeId(row.envelope_id),
            signed=signed.to_bytes(),
        )
        packed = self._packer.pack(letter) if peer is None else self._packer.pack_for(letter, peer)
        return None if packed is None else _Done(letter, row, signed.signature, packed, peer)

    def _store(self) -> Queued | None:
        tx, done = self._tx, self._done
        self._book.write()
        self._note(done)
        outgoing = [item for one in done for item in one.packed.outgoing]
        queued = outbox.enqueue(tx, outgoing, self._now_ms) if outgoing else None
        at = moment_of(self._now_ms)
        events = [event for one in done for event in _events_of(one, at)]
        if events:
            self._office.audit.append(tx, events)
        self._office.faults.point("consultations.sealing.stored")
        return queued

    def _note(self, done: Sequence[_Done]) -> None:
        """Note what does not wait any more, and what waits for some recipients only."""
        tx = self._tx
        whole = [one for one in done if one.peer is None]
        unsealed.drop(tx, [*(one.row.record_id for one in whole), *self._dropped])
        unsealed.set_envelope_hashes(tx, {one.row.record_id: one.packed.envelope_hash for one in whole})
        outbox.withdraw(tx, [one.letter.envelope_id for one in whole])
        for one in whole:
            row = one.row
            absent = waiting_recipients(one.packed)
            unsealed.add_for(tx, [(row.consultation, row.record_id, peer) for peer in absent])
        for one in done:
            if one.peer is not None:
                outbox.withdraw(tx, [one.letter.envelope_id], peer=one.peer)
                unsealed.drop_for(tx, one.peer, [one.row.record_id])
        for peer, record_id in self._dropped_for:
            unsealed.drop_for(tx, peer, [record_id])


def _events_of(one: _Done, at: datetime) -> list[AuditEvent]:
    recipients = None if one.peer is None else [one.peer]
    return posted_events(one.letter, one.signature, one.packed, at, recipients=recipients)
