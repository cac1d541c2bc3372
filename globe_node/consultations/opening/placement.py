# SPDX-License-Identifier: Apache-2.0
"""Puts genuine records where they belong: roster, chain, state. Signatures were checked before.

1. Only the parties of a consultation write in it: the requester to the requested, these to the requester.
2. The same record in another envelope is taken once; the same id with other content never.
3. A chain may have gaps, and a late record fills one without moving the state. Two records in one place, or a
   record that follows another than the one we hold, mean that the author lost its memory: nothing is taken.
4. A record that follows a consultation we have not heard of waits for its opening, for a while.
"""

from collections.abc import Sequence
from uuid import UUID

from globe_node.consultations import records
from globe_node.consultations.casebook import Case, Casebook
from globe_node.consultations.content import REPLIES, reconciliation_of
from globe_node.consultations.moments import moment_of, unix_milliseconds
from globe_node.consultations.office import Office
from globe_node.consultations.opening.examine import (
    PATIENCE_SECONDS,
    Examined,
    Opened,
    Postponed,
    Refused,
)
from globe_node.consultations.opening.parties import AwaitedError, Place, roster_under
from globe_node.consultations.records import Direction, RecordRow
from globe_node.delivery import inbox
from globe_node.delivery.inbox import HeldEnvelope
from globe_node.delivery.settlement import Settled, Settlement, Verdict
from globe_node.store.door import Transaction
from protocol.audit.events import AuditEvent, EventKind, size_bucket
from protocol.codes.message_types import MessageType
from protocol.consultations.content import verify_reply
from protocol.consultations.roster import joined_by, opened_by
from protocol.errors import ConflictError, ReasonCode, RemoteProtocolError
from protocol.identifiers import AuthorityId, Digest, RecordId, is_owned
from protocol.messages.procedure import ClarificationRequest

LOOK_AGAIN_MS = 5_000
"""When something that waits is first looked at again, if nothing wakes it; then as late as it waited already,
so that who sends much that must wait costs little."""
RETRY_MS = (1_000, 10_000)
"""When an envelope on which we failed is tried again."""


class IntakeTransaction:
    """Handles one batch of examined envelopes. Lives as long as its transaction."""

    def __init__(
        self, office: Office, settlement: Settlement, tx: Transaction, batch: Sequence[Examined]
    ) -> None:
        self._office = office
        self._settlement = settlement
        self._tx = tx
        self._batch = batch
        self._now_ms = office.now_ms()
        self._me = office.node_keys.authority
        opened = [one.record for one in batch if isinstance(one, Opened)]
        self._casebook = Casebook(
            tx,
            self._me,
            office.open_record,
            consultations={record.consultation for record in opened},
            record_ids={record.record_id for record in opened},
        )
        self._taken: list[Opened] = []
        self._verdicts: list[Verdict] = []
        self._events: list[AuditEvent] = []
        self._waiting: list[tuple[HeldEnvelope, int]] = []
        self._parked: list[Opened] = []
        self._routes: dict[AuthorityId, set[bytes]] = {}

    def run(self) -> Settled:
        """Store everything that follows from the batch; `Settlement.announce` the result after the commit."""
        for one in self._batch:
            if isinstance(one, Opened):
                self._place(one)
            elif isinstance(one, Refused):
                self._reject(one.held, one.reason, one.record_hash)
            elif isinstance(one, Postponed):
                self._waiting.append((one.held, one.held.received_ms + PATIENCE_SECONDS * 1000))
            else:
                self._count(one.held)
        self._place_parked()
        self._casebook.write()
        records.add_records(self._tx, [self._row(opened) for opened in self._taken])
        for held, until_ms in self._waiting:
            pause = max(LOOK_AGAIN_MS, self._now_ms - held.received_ms)
            inbox.postpone(self._tx, [held.position], min(self._now_ms + pause, until_ms))
        for sender, routes in self._routes.items():
            inbox.release(self._tx, sender, routes, self._now_ms)
        settled = self._settlement.settle(self._tx, self._verdicts)
        if self._events:
            self._office.audit.append(self._tx, self._events)
        self._office.faults.point("consultations.intake.stored")
        return settled

    def _place(self, opened: Opened) -> None:
        """Take one record in, or reject it, or let it wait."""
        try:
            self._take(opened)
        except AwaitedError:
            self._parked.append(opened)
        except RemoteProtocolError as error:
            self._reject(opened.held, error.code, opened.digest)
        else:
            self._receive(opened)

    def _place_parked(self) -> None:
        """Look again at what had to wait, as long as others of the batch make way for it."""
        before = len(self._parked) + 1
        while 0 < len(self._parked) < before:
            before, parked = len(self._parked), self._parked
            self._parked = []
            for opened in parked:
                self._place(opened)
        for opened in self._parked:
            until_ms = patience_ms(opened, self._me)
            if self._now_ms < until_ms:
                self._waiting.append((opened.held, until_ms))
            else:
                self._reject(opened.held, ReasonCode.SEQUENCE_GAP, opened.digest)

    def _take(self, opened: Opened) -> None:
        """Check one record against what is here, then take it in.

        Raises:
            RemoteProtocolError: it is not taken; the code is the sender's to know.
            AwaitedError: what it builds on is not here.

        Spec: PROTOCOL.md section 8.8.
        """
        record = opened.record
        known = self._casebook.hash_of(record.record_id)
        if known == opened.digest:
            return
        if known is not None:
            raise ConflictError("this id was used for another record")
        case = self._casebook.case(record.consultation)
        if case is None:
            case = self._opening(opened)
        place = self._require_chain(case, opened)
        found = roster_under(self._casebook, case, opened, place)
        self._require_reply(case, opened)
        act = self._casebook.act_of(case, record, opened.content)
        roster = None if place is Place.LATE else found.after_arrival(act, self._me)
        self._casebook.open(case)
        self._casebook.take(
            record, opened.digest, body=opened.content.body, roster=roster, now_ms=self._now_ms
        )
        self._taken.append(opened)
        for member in case.roster.recipients(self._me):
            self._routes.setdefault(member, set()).add(opened.held.routing_id)

    def _opening(self, opened: Opened) -> Case:
        """Return the consultation that this record opens, not yet taken in."""
        record, change = opened.record, opened.content.change
        roster = opened_by(record.author.authority, record.recipients)
        if change is not None and self._me in change.added:
            roster = joined_by(record, change)
        elif record.type is not MessageType.CONSULT_REQUEST:
            raise AwaitedError
        subject = self._office.node_keys.storage.seal(
            "consultation",
            record.consultation.encode("ascii"),
            opened.content.subject.encode(),
            self._office.entropy,
        )
        return Case(
            id=record.consultation,
            me=self._me,
            roster=roster,
            subject=subject,
            created_ms=unix_milliseconds(record.created),
            updated_ms=self._now_ms,
        )

    def _require_chain(self, case: Case, opened: Opened) -> Place:
        """Check a record's place in its author's chain, and return it.

        Raises:
            RemoteProtocolError: the place is taken, or the chain is another one (`sender_rolled_back`).
        """
        record = opened.record
        head = case.heads.get(record.author.authority)
        if head is None:
            return Place.NEXT
        same_life = head.incarnation == record.author.incarnation
        if same_life and record.author_seq == head.author_seq + 1:
            require_link(record.prev, head.record_hash)
            return Place.NEXT
        if same_life and record.author_seq > head.author_seq:
            return Place.BEYOND
        near = self._casebook.neighbours(record)
        if record.author_seq in near:
            raise rolled_back()
        before, after = near.get(record.author_seq - 1), near.get(record.author_seq + 1)
        if before is not None:
            require_link(record.prev, before[1])
        if after is not None:
            require_link(after[0], opened.digest)
        return Place.LATE if same_life or self._casebook.knows_life(record) else Place.BEYOND

    def _require_reply(self, case: Case, opened: Opened) -> None:
        """Check that a reply fits the request, a clarification the questions, as far as these are here."""
        record = opened.record
        if record.type not in REPLIES:
            return
        request = self._casebook.request_of(case, case.side_of(record.author.authority))
        if request is None:
            return
        question = self._casebook.body_of(RecordId(record.in_reply_to)) if record.in_reply_to else None
        if opened.content.message_type is MessageType.CLARIFICATION and question is None:
            return
        asked = question if isinstance(question, ClarificationRequest) else None
        verify_reply(opened.content.body, request, asked)

    def _row(self, opened: Opened) -> RecordRow:
        held = opened.held
        return records.row_of(
            opened.record,
            opened.digest,
            direction=Direction.IN,
            envelope_id=held.envelope_id,
            envelope_hash=held.envelope_hash,
            stored_ms=self._now_ms,
            sealed=self._office.seal_record(opened.record.record_id, opened.application_data),
        )

    def _receive(self, opened: Opened) -> None:
        held, record = opened.held, opened.record
        self._verdicts.append(
            Verdict(held.position, held.sender, held.envelope_id, held.envelope_hash, opened.digest)
        )
        self._events.append(
            AuditEvent(
                kind=EventKind.OPENED,
                at=moment_of(self._now_ms),
                peer=held.sender,
                case=record.consultation,
                msg=record.record_id,
                digest=opened.digest,
                size=size_bucket(len(opened.signed.record)),
                attachments=len(record.attachments),
                dir_size=record.directory.size,
                key=record.author.key,
                result="ok",
                rc=reconciliation_of(opened.signed.signature, held.envelope_hash),
            )
        )

    def _reject(
        self, held: HeldEnvelope, reason: ReasonCode, record_hash: str = "", *, quarantined: bool = False
    ) -> None:
        self._verdicts.append(
            Verdict(
                held.position,
                held.sender,
                held.envelope_id,
                held.envelope_hash,
                record_hash,
                reason,
                quarantined=quarantined,
            )
        )
        self._events.append(
            AuditEvent(
                kind=EventKind.QUARANTINED if quarantined else EventKind.REJECTED,
                at=moment_of(self._now_ms),
                peer=held.sender,
                msg=str(UUID(bytes=held.envelope_id)),
                digest=held.envelope_hash,
                result=reason.value,
            )
        )

    def _count(self, held: HeldEnvelope) -> None:
        """Note that we failed on an envelope; the third time it is put away."""
        tries = inbox.count_try(self._tx, held.position, self._now_ms + RETRY_MS[min(held.tries, 1)])
        if tries > len(RETRY_MS):
            self._reject(held, ReasonCode.QUARANTINED, quarantined=True)


def patience_ms(opened: Opened, me: AuthorityId) -> int:
    """Return until when a record waits for what it builds on.

    That is a record of the requester, who is the owner of the consultation's id. Its own records come by one
    lane, in order. For those of others it may come much later, so these wait as long as they may live.
    """
    record = opened.record
    if not any(is_owned(record.consultation, who) for who in (me, record.author.authority)):
        return unix_milliseconds(record.expires)
    return opened.held.received_ms + PATIENCE_SECONDS * 1000


def require_link(prev: str, digest: Digest) -> None:
    """Check that a record follows the one we hold.

    Raises:
        RemoteProtocolError: it follows another one (`sender_rolled_back`).
    """
    if prev != digest:
        raise rolled_back()


def rolled_back() -> RemoteProtocolError:
    """Return the error for an author that lost its memory, or lies."""
    return RemoteProtocolError(
        "a record in a place that is taken by another one", code=ReasonCode.SENDER_ROLLED_BACK
    )
