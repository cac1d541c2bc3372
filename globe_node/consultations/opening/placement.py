# SPDX-License-Identifier: Apache-2.0
"""Opens a batch of held envelopes and puts what is in them where it belongs: roster, chain, state.

1. Only the parties of a consultation write in it: the requester to the requested, these to the requester.
2. The same record in another envelope is taken once; the same id with other content never.
3. A chain may have gaps, and a late record fills one without moving the state. Two records in one place, or a
   record that follows another than the one we hold, mean that the author lost its memory: nothing is taken.
4. A record that follows a consultation we have not heard of waits for its opening, for a while.
5. What is said again was taken before, by us in another life: nothing is held against it. Its order may be
   another one, so what does not fit yet waits for what may come before it; and then it moves nothing.
6. A record of our own that is said again is ours, of another life of this node; there is none of this life
   that we do not have.
7. The keys that were used, records, states, receipts and audit entries of the batch are one transaction.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from uuid import UUID

from globe_node.consultations import records
from globe_node.consultations.casebook import Case, Casebook
from globe_node.consultations.content import REPLIES, reconciliation_of
from globe_node.consultations.moments import moment_of, unix_milliseconds
from globe_node.consultations.office import Office
from globe_node.consultations.opening.examine import (
    PATIENCE_SECONDS,
    Examination,
    Faulty,
    Opened,
    Postponed,
    Refused,
)
from globe_node.consultations.opening.hearing import Hearing, Taken, kept_opened
from globe_node.consultations.opening.parties import AwaitedError, Place, roster_under
from globe_node.consultations.records import Direction, RecordRow
from globe_node.delivery import inbox, outbox
from globe_node.delivery.inbox import HeldEnvelope
from globe_node.delivery.settlement import Settled, Settlement, Verdict
from globe_node.groups import arriving
from globe_node.store.door import Transaction
from protocol.audit.events import AuditEvent, EventKind, size_bucket
from protocol.codes.message_types import MessageType
from protocol.consultations.content import verify_reply
from protocol.consultations.roster import Act, Roster, joined_by, opened_by
from protocol.errors import ConflictError, ExpiredError, ReasonCode, RemoteProtocolError, UntrustedError
from protocol.identifiers import AuthorityId, Digest, RecordId, is_owned
from protocol.messages.procedure import ClarificationRequest

Examine = Callable[[Sequence[Examination]], None]
"""Brings opened envelopes to their verdicts; what has none afterwards, we failed on."""
LOOK_AGAIN_MS = 5_000
"""When something that waits is first looked at again, if nothing wakes it; then as late as it waited already,
so that who sends much that must wait costs little."""
RETRY_MS = (1_000, 10_000)
"""When an envelope on which we failed is tried again."""
RETURNED = "returned"
"""What the audit log calls a record of our own that a member gave back."""


@dataclass(frozen=True, slots=True)
class Placed:
    """What must be announced after the commit.

    Attributes:
        settled: receipts, and what was queued.
        stale: senders whose view of the directory is newer than ours.
        regrouped: the epoch or the members of a group have changed.
        asked: members have asked for something to be sent again.
    """

    settled: Settled
    stale: Sequence[AuthorityId]
    regrouped: bool = False
    asked: bool = False


class IntakeTransaction:
    """Handles one batch of held envelopes. Lives as long as its transaction."""

    def __init__(
        self,
        office: Office,
        settlement: Settlement,
        examine: Examine,
        tx: Transaction,
        batch: Sequence[HeldEnvelope],
    ) -> None:
        self._office = office
        self._settlement = settlement
        self._examine = examine
        self._tx = tx
        self._now_ms = office.now_ms()
        self._me = office.node_keys.authority
        self._batch = batch
        self._book = office.book(tx, routes={held.routing_id for held in batch})
        self._hearing = Hearing(office, self._book)
        self._taken: list[Opened] = []
        self._verdicts: list[Verdict] = []
        self._events: list[AuditEvent] = []
        self._waiting: list[tuple[HeldEnvelope, int]] = []
        self._parked: list[Opened] = []
        self._routes: dict[AuthorityId, set[bytes]] = {}

    def run(self) -> Placed:
        """Open the batch and store everything that follows from it."""
        heard = self._hearing.hear(self._batch)
        examinations = [one for one in heard if isinstance(one, Examination)]
        self._examine(examinations)
        self._office.faults.point("consultations.intake.examined")
        verdicts = [one.verdict or Faulty(one.held) for one in examinations]
        opened = [one.record for one in verdicts if isinstance(one, Opened)]
        self._casebook = Casebook(
            self._tx,
            self._me,
            self._office.open_record,
            self._office.requests,
            consultations={record.consultation for record in opened},
            record_ids={record.record_id for record in opened},
        )
        for taken in heard:
            if isinstance(taken, Taken):
                self._note(taken)
        for one in verdicts:
            if isinstance(one, Opened):
                self._place(one)
            elif isinstance(one, Refused):
                self._reject(one.held, one.reason, one.record_hash)
            elif isinstance(one, Postponed):
                self._waiting.append((one.held, one.until_ms))
            else:
                self._count(one.held)
        self._place_parked()
        self._keep_opened(examinations)
        settled = self._store()
        stale = sorted({one.held.sender for one in verdicts if isinstance(one, Postponed) and one.stale})
        return Placed(settled, stale, regrouped=bool(self._hearing.changed), asked=self._hearing.asked)

    def give_up(self) -> Placed:
        """Count a failure of ours against an envelope that could not be handled alone."""
        self._casebook = Casebook(
            self._tx,
            self._me,
            self._office.open_record,
            self._office.requests,
            consultations=(),
            record_ids=(),
        )
        for held in self._batch:
            self._count(held)
        return Placed(self._store(), ())

    def _store(self) -> Settled:
        """Write everything that has changed; `Settlement.announce` the result after the commit."""
        tx, hearing = self._tx, self._hearing
        self._casebook.write()
        self._book.write()
        records.add_records(tx, [self._row(opened) for opened in self._taken])
        for held, until_ms in self._waiting:
            pause = max(LOOK_AGAIN_MS, self._now_ms - held.received_ms)
            inbox.postpone(tx, [held.position], min(self._now_ms + pause, until_ms))
        for link in hearing.changed:
            for member in link.roster:
                self._routes.setdefault(member, set()).add(link.routing_id)
        for sender, routes in self._routes.items():
            inbox.release(tx, sender, routes, self._now_ms)
        queued = outbox.enqueue(tx, hearing.outgoing, self._now_ms) if hearing.outgoing else None
        settled = self._settlement.settle(tx, self._verdicts)
        if self._events or hearing.events:
            self._office.audit.append(tx, [*self._events, *hearing.events])
        self._office.faults.point("consultations.intake.stored")
        return replace(settled, queued=outbox.merged(settled.queued, queued))

    def _keep_opened(self, examinations: Sequence[Examination]) -> None:
        """Keep what was opened in this transaction and is not decided yet: it opens only once."""
        decided = {verdict.position for verdict in self._verdicts if not verdict.quarantined}
        kept = {
            one.held.position: kept_opened(self._office, one)
            for one in examinations
            if one.application_data and not one.held.opened and one.held.position not in decided
        }
        inbox.keep_opened(self._tx, kept)

    def _note(self, taken: Taken) -> None:
        """Receipt an envelope that was about a group."""
        held = taken.held
        self._verdicts.append(
            Verdict(held.position, held.sender, held.envelope_id, held.envelope_hash, taken.digest)
        )
        self._events.append(
            AuditEvent(
                kind=EventKind.OPENED,
                at=moment_of(self._now_ms),
                peer=held.sender,
                case=taken.link.consultation,
                msg=str(UUID(bytes=held.envelope_id)),
                digest=taken.digest,
                result=taken.word,
            )
        )

    def _place(self, opened: Opened) -> None:
        """Take one record in, or reject it, or let it wait."""
        try:
            fresh = self._take(opened)
        except AwaitedError:
            self._parked.append(opened)
        except RemoteProtocolError as error:
            self._reject(opened.held, error.code, opened.digest)
        else:
            self._receive(opened, fresh=fresh)

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

    def _take(self, opened: Opened) -> bool:
        """Check one record against what is here, then take it in; return whether it is new here.

        Raises:
            RemoteProtocolError: it is not taken; the code is the sender's to know.
            AwaitedError: what it builds on is not here.

        Spec: PROTOCOL.md section 8.8.
        """
        record = opened.record
        known = self._casebook.hash_of(record.record_id)
        if known == opened.digest:
            return False
        if known is not None:
            raise ConflictError("this id was used for another record")
        if opened.is_over:
            raise ExpiredError("a record that is said again after its time")
        ours = record.author.authority == self._me
        if ours and record.author.incarnation == self._office.incarnation:
            raise UntrustedError("a record of ours, of this life, that we have never made")
        case = self._casebook.case(record.consultation)
        if case is None:
            case = self._opening(opened)
            self._require_group(opened)
        place = self._require_chain(case, opened)
        found = roster_under(self._casebook, case, opened, place)
        self._require_reply(case, opened)
        act = self._casebook.act_of(case, record, opened.content)
        roster = None if place is Place.LATE and not ours else self._moved(found, act, opened)
        self._casebook.open(case)
        self._casebook.take(
            record,
            opened.digest,
            body=opened.content.body,
            roster=roster,
            leads=place is not Place.LATE,
            now_ms=self._now_ms,
        )
        self._taken.append(opened)
        if self._me not in case.roster.members:
            self._book.end(case.id)
        for member in case.roster.recipients(self._me):
            self._routes.setdefault(member, set()).add(opened.held.routing_id)
        return True

    def _moved(self, roster: Roster, act: Act, opened: Opened) -> Roster | None:
        """Return the roster after a record.

        Raises:
            RemoteProtocolError: an honest author could not send it.
            AwaitedError: it was said before, and what comes before it may still come.
        """
        try:
            return roster.after_arrival(act, self._me)
        except RemoteProtocolError:
            if not opened.resent:
                raise
        if self._now_ms < opened.held.received_ms + PATIENCE_SECONDS * 1000:
            raise AwaitedError
        return None

    def _require_group(self, opened: Opened) -> None:
        """Check that a record that opens a consultation is the one that its group was made for."""
        link = self._book.link_of(opened.record.consultation)
        if link is not None and opened.record.type is MessageType.CONSULT_REQUEST:
            arriving.require_opening(self._book, link, opened.signed.record)

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
        has_begun = record.author.authority == self._me and head.incarnation == self._office.incarnation
        late = same_life or has_begun or self._casebook.knows_life(record)
        return Place.LATE if late else Place.BEYOND

    def _require_reply(self, case: Case, opened: Opened) -> None:
        """Check that a reply fits the request, a clarification the questions, as far as these are here."""
        record = opened.record
        if record.type not in REPLIES:
            return
        request = self._casebook.request_of(case, case.side_of(record.author.authority))
        if request is None:
            return
        asked = None
        if record.type is MessageType.CLARIFICATION:
            question = self._casebook.body_of(RecordId(record.in_reply_to)) if record.in_reply_to else None
            if question is None:
                return
            asked = question if isinstance(question, ClarificationRequest) else None
        verify_reply(opened.content.body, request, asked)

    def _row(self, opened: Opened) -> RecordRow:
        held = opened.held
        return records.row_of(
            opened.record,
            opened.digest,
            direction=Direction.OUT if opened.record.author.authority == self._me else Direction.IN,
            envelope_id=held.envelope_id,
            envelope_hash=held.envelope_hash,
            stored_ms=self._now_ms,
            sealed=self._office.seal_record(opened.record.record_id, opened.application_data),
        )

    def _receive(self, opened: Opened, *, fresh: bool) -> None:
        """Receipt a record; what was here before leaves no second entry."""
        held, record = opened.held, opened.record
        self._verdicts.append(
            Verdict(held.position, held.sender, held.envelope_id, held.envelope_hash, opened.digest)
        )
        if not fresh:
            return
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
                result="ok" if record.author.authority != self._me else RETURNED,
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
    lane, in order. For those of others it may come much later, so these wait as long as their envelope may
    live.
    """
    record = opened.record
    if not any(is_owned(record.consultation, who) for who in (me, record.author.authority)):
        return opened.held.expires_ms
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
