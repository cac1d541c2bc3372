# SPDX-License-Identifier: Apache-2.0
"""Makes signed, sealed records of drafts inside one transaction. Not the waiting for it: see `submit`.

1. A rule is asked before anything of that draft is taken in; so a refusal leaves no trace of it.
2. The content is checked by the same rules that the other side will apply.
3. Recipients are those of the directory at this moment.
4. One composite signature covers all records of the transaction.
5. A group goes through one step before the next begins, for the reason that `opening.examine` gives.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from itertools import chain, repeat

from globe_node.consultations import records
from globe_node.consultations.casebook import Case, Casebook
from globe_node.consultations.content import REPLIES, Content, read_content
from globe_node.consultations.drafting import unsealed
from globe_node.consultations.drafting.addressing import recipients_of, require_members, require_reachable
from globe_node.consultations.drafting.drafts import (
    Draft,
    DraftAttachment,
    Submitted,
    draft_digest,
    parse_submitted,
    require_form,
)
from globe_node.consultations.drafting.membership import require_hub
from globe_node.consultations.drafting.packing import (
    Letter,
    Packed,
    Packer,
    posted_events,
    waiting_recipients,
)
from globe_node.consultations.moments import moment_of, unix_milliseconds
from globe_node.consultations.office import Office, no_such_consultation, no_such_record
from globe_node.consultations.records import Direction, RecordRow, SubmissionRow
from globe_node.delivery.outbox import Queued, enqueue
from globe_node.errors import ConflictError, NodeError, NotPermittedError
from globe_node.groups import hub
from globe_node.groups.links import GroupStatus
from globe_node.store.door import Transaction
from protocol.codes.handling import effective_handling
from protocol.codes.message_types import MessageType
from protocol.consultations.content import verify_content, verify_reply
from protocol.consultations.roster import Roster, opened_by
from protocol.consultations.table import State
from protocol.errors import LocalProtocolError, ProtocolError, ReasonCode, RemoteProtocolError
from protocol.identifiers import (
    AuthorityId,
    ConsultationId,
    Digest,
    EnvelopeId,
    RecordId,
    owned_uuid7,
    uuid7,
)
from protocol.messages.procedure import ClarificationRequest
from protocol.record import Attachment, Author, Record, SignedRecord, record_hash
from protocol.signing import labels
from protocol.signing.batch import sign_batch

IDEMPOTENCY_SECONDS = 24 * 3600
"""How long a client's key is remembered."""
Outcome = Submitted | NodeError | ProtocolError
"""What became of one draft."""


@dataclass(frozen=True, slots=True)
class Composed:
    """A draft with its ids and times, checked for everything that needs neither store nor directory."""

    draft: Draft
    digest: Digest
    content: Content = field(repr=False)
    consultation: ConsultationId
    record_id: RecordId
    envelope_id: EnvelopeId
    created: datetime
    expires: datetime

    @property
    def attachment_bytes(self) -> int:
        """Return how much its attachments weigh."""
        return sum(len(item.data) for item in self.draft.attachments)


@dataclass(slots=True)
class _Plan:
    """One draft on its way to a record that may be sent.

    Attributes:
        outcome: what became of it, as soon as that is known.
        case, record, roster, data, digest: filled by one step for the next ones.
    """

    composed: Composed
    outcome: Outcome | None = None
    case: Case = field(init=False, repr=False)
    record: Record = field(init=False, repr=False)
    roster: Roster = field(init=False)
    data: bytes = field(init=False, repr=False)
    digest: Digest = field(init=False)


def read_draft(draft: Draft) -> Content | ProtocolError:
    """Check form and content of a draft; return the content, or the error with the other side's code."""
    try:
        require_form(draft)
        return read_content(draft.message_type, draft.body)
    except LocalProtocolError as error:
        return error
    except ProtocolError as error:
        return LocalProtocolError(str(error), code=error.code)


def compose(office: Office, draft: Draft, content: Content, deadline_seconds: int) -> Composed:
    """Give a draft its ids and times.

    Args:
        office: the shared parts.
        draft: what somebody wants to send.
        content: its content, as `read_draft` found it.
        deadline_seconds: how long delivery is tried when the draft does not say.

    Raises:
        LocalProtocolError: it holds what has no written form (`bad_field`).
    """
    created = moment_of(office.now_ms())
    created_ms = unix_milliseconds(created)
    entropy, me = office.entropy, office.node_keys.authority
    return Composed(
        draft=draft,
        digest=draft_digest(draft) if draft.idempotency_key else Digest(""),
        content=content,
        consultation=draft.consultation
        or ConsultationId(str(owned_uuid7(created_ms, entropy.random_bytes(10), me))),
        record_id=RecordId(str(owned_uuid7(created_ms, entropy.random_bytes(10), me))),
        envelope_id=EnvelopeId(uuid7(created_ms, entropy.random_bytes(10)).bytes),
        created=created,
        expires=created + timedelta(seconds=draft.deadline_seconds or deadline_seconds),
    )


class SubmitTransaction:
    """Handles a group of drafts. Lives as long as its transaction.

    Raises:
        NotPermittedError: this node can sign nothing now, or nobody would take it.
    """

    def __init__(self, office: Office, tx: Transaction, work: Sequence[Composed]) -> None:
        self._office = office
        self._tx = tx
        self._work = work
        self._now_ms = office.now_ms()
        self._directory = office.register.state
        self._view = self._directory.view
        office.require_standing(self._directory)
        self._signer = office.signer(self._directory)
        self._casebook = Casebook(
            tx,
            office.node_keys.authority,
            office.open_record,
            office.requests,
            consultations={composed.consultation for composed in work},
            record_ids={composed.draft.in_reply_to for composed in work if composed.draft.in_reply_to},
        )
        asked = {composed.draft.idempotency_key for composed in work} - {""}
        self._known = {
            key: (row.draft_digest, row.result) for key, row in records.submissions(tx, asked).items()
        }
        self._planned: list[_Plan] = []
        running = {composed.consultation for composed in work if composed.draft.consultation}
        self._book = office.book(tx, consultations=running)
        self._packer = Packer(office, self._book)
        self._author = Author(
            authority=office.node_keys.authority,
            node=office.node_keys.node,
            key=self._signer.key_id,
            incarnation=office.incarnation,
        )
        self.queued: Queued | None = None
        """What the courier must be told after the commit."""
        self.missing: frozenset[AuthorityId] = frozenset()
        """Authorities whose key packages are waited for."""
        self.stale: frozenset[ConsultationId] = frozenset()
        """Consultations in whose groups our keys are to be renewed."""

    def run(self) -> list[Outcome]:
        """Store what may be sent.

        Returns:
            One outcome for each draft, in order.
        """
        plans = [_Plan(composed) for composed in self._work]
        for plans_apart in _rounds(plans):
            for step in (self._recall, self._address, self._write, self._take_in):
                for plan in plans_apart:
                    if plan.outcome is None:
                        _advance(step, plan)
        if self._planned:
            self._store()
        self.missing = frozenset(self._packer.missing)
        self.stale = frozenset(self._packer.stale)
        return [plan.outcome for plan in plans if plan.outcome is not None]

    def _recall(self, plan: _Plan) -> None:
        """See whether this draft was submitted before."""
        composed = plan.composed
        known = self._known.get(composed.draft.idempotency_key)
        if known is None:
            return
        if known[0] != composed.digest:
            raise ConflictError(
                "this idempotency key was used for another message", hint="Use a new key for a new message."
            )
        plan.outcome = parse_submitted(known[1])

    def _address(self, plan: _Plan) -> None:
        """Find its case and whom it goes to, and see that it may be sent now."""
        composed, draft, content = plan.composed, plan.composed.draft, plan.composed.content
        added = tuple(map(AuthorityId, content.change.added)) if content.change is not None else ()
        case = self._casebook.case(composed.consultation)
        if case is None and draft.consultation is not None:
            raise no_such_consultation()
        if case is not None:
            self._require_group(case.id)
        plan.case = case or self._new_case(composed)
        roster = plan.case.roster
        recipients = recipients_of(roster, draft.recipients, self._author.authority, added=added)
        require_reachable(
            self._directory,
            recipients,
            effective_handling(draft.handling),
            composed.created,
            required=recipients if case is None else added,
        )
        if case is not None and draft.message_type is MessageType.MEMBERS:
            require_hub(self._book.link_of(case.id), self._office.bench.name)
        if added:
            self._require_keys(plan.case.id, added)
        plan.record = self._record(composed, plan.case, recipients)
        require_members(roster, plan.record, content.body)
        plan.roster = roster.after_sending(self._casebook.act_of(plan.case, plan.record, content))

    def _require_group(self, consultation: ConsultationId) -> None:
        """Check that what is said in a consultation can ever reach its members.

        Raises:
            NotPermittedError: its opening reached nobody in time, it has no group, or its hub lied.
        """
        link = self._book.link_of(consultation)
        if link is None or link.status is GroupStatus.EXPIRED:
            raise NotPermittedError(
                "nobody has ever heard of this consultation: its opening did not go out in time",
                hint="Open another one.",
                code=ReasonCode.AWAITING_KEYS,
            )
        if link.status is GroupStatus.EQUIVOCATED:
            raise NotPermittedError(
                "the hub of this consultation has shown different groups to its members",
                hint="Telephone the others, and open another one; `consult show --json` has the proof.",
                code=ReasonCode.EVIDENCE_INVALID,
            )

    def _require_keys(self, consultation: ConsultationId, added: Sequence[AuthorityId]) -> None:
        """Check that those who are added can be taken in at once: a change that waits holds up everybody.

        Raises:
            NotPermittedError: a key package is missing, or the consultation has not gone out itself.
        """
        link = self._book.link_of(consultation)
        is_out = link is not None and link.status is not GroupStatus.AWAITING_KEYS
        if not is_out or not self._packer.can_add(added):
            missing = ", ".join(sorted(self._packer.missing.intersection(added)))
            raise NotPermittedError(
                f"there are no keys of {missing} here yet; it has been asked for them"
                if is_out
                else "this consultation has not gone out yet itself",
                hint="Try again in a minute; `health` shows whose keys are waited for.",
                code=ReasonCode.AWAITING_KEYS,
            )

    def _write(self, plan: _Plan) -> None:
        """Write the bytes of the record."""
        plan.data = plan.record.to_bytes()

    def _take_in(self, plan: _Plan) -> None:
        """Check the content, then take the record in."""
        composed, record, content = plan.composed, plan.record, plan.composed.content
        self._require_content(plan)
        plan.digest = record_hash(plan.data)
        self._casebook.open(plan.case)
        if composed.draft.consultation is None:
            hub.begin(self._book, plan.case.id, plan.case.roster.members)
        self._casebook.take(record, plan.digest, body=content.body, roster=plan.roster, now_ms=self._now_ms)
        self._planned.append(plan)
        submitted = _submitted(record, plan.digest, plan.case.state)
        if composed.draft.idempotency_key:
            self._known[composed.draft.idempotency_key] = (composed.digest, submitted.to_bytes())
        plan.outcome = submitted

    def _record(self, composed: Composed, case: Case, recipients: tuple[AuthorityId, ...]) -> Record:
        draft = composed.draft
        place, prev = case.next_place(self._author.authority, self._author.incarnation)
        return Record(
            type=draft.message_type,
            consultation=composed.consultation,
            record_id=composed.record_id,
            author=self._author,
            author_seq=place,
            prev=prev,
            seen=case.seen_by(self._author.authority),
            recipients=recipients,
            created=composed.created,
            expires=composed.expires,
            in_reply_to=self._replied_to(draft, case) or "",
            handling=effective_handling(draft.handling),
            legal_basis=draft.legal_basis,
            body=draft.body,
            attachments=tuple(_attachment_of(item) for item in draft.attachments),
            directory=self._view,
        )

    def _replied_to(self, draft: Draft, case: Case) -> RecordId | None:
        if draft.message_type.opens:
            return None
        if draft.in_reply_to is None:
            return self._casebook.answerable(case, draft.message_type)
        if self._casebook.hash_of(draft.in_reply_to) is None:
            raise no_such_record()
        return draft.in_reply_to

    def _require_content(self, plan: _Plan) -> None:
        """Apply the rules that the others will apply.

        Raises:
            LocalProtocolError: the body does not fit the record, or the reply not the request.
        """
        record, content = plan.record, plan.composed.content
        try:
            verify_content(record, content.body)
            side = plan.case.side_of(record.author.authority)
            request = self._casebook.request_of(plan.case, side) if record.type in REPLIES else None
            if request is not None:
                verify_reply(content.body, request, self._questions(record))
        except RemoteProtocolError as error:
            raise LocalProtocolError(str(error), code=error.code) from None

    def _questions(self, record: Record) -> ClarificationRequest | None:
        """Return the questions that a clarification replies to."""
        if record.type is not MessageType.CLARIFICATION:
            return None
        question = self._casebook.body_of(RecordId(record.in_reply_to))
        return question if isinstance(question, ClarificationRequest) else None

    def _new_case(self, composed: Composed) -> Case:
        sealed = self._office.node_keys.storage.seal(
            "consultation",
            composed.consultation.encode(),
            composed.content.subject.encode(),
            self._office.entropy,
        )
        return Case(
            id=composed.consultation,
            me=self._author.authority,
            roster=opened_by(self._author.authority, composed.draft.recipients),
            subject=sealed,
            created_ms=unix_milliseconds(composed.created),
            updated_ms=self._now_ms,
        )

    def _store(self) -> None:
        """Sign, seal and write everything that was planned; one step for all before the next."""
        office, planned = self._office, self._planned
        hashes = [bytes.fromhex(one.digest) for one in planned]
        signatures = sign_batch(self._signer, labels.RECORD, hashes, office.entropy)
        signed = [
            _signed(one, signature).to_bytes() for one, signature in zip(planned, signatures, strict=True)
        ]
        letters = [_letter_of(one, data) for one, data in zip(planned, signed, strict=True)]
        packed = self._pack(letters)
        kept = [
            office.seal_record(one.record.record_id, data) for one, data in zip(planned, signed, strict=True)
        ]
        rows = [self._row(*parts) for parts in zip(planned, packed, kept, strict=True)]
        self._casebook.write()
        self._book.write()
        records.add_records(self._tx, rows)
        self._remember()
        outgoing = list(chain.from_iterable(one.outgoing for one in packed))
        self.queued = enqueue(self._tx, outgoing, self._now_ms)
        at = moment_of(self._now_ms)
        posted = map(posted_events, letters, signatures, packed, repeat(at))
        office.audit.append(self._tx, list(chain.from_iterable(posted)))
        office.faults.point("consultations.submit.stored")

    def _pack(self, letters: Sequence[Letter]) -> list[Packed]:
        """Seal what can be sealed now; the rest, and what follows it in its consultation, is held."""
        waiting = set(unsealed.waiting(self._tx, {one.record.consultation for one in letters}))
        held: list[Letter] = []
        held_for: list[tuple[ConsultationId, RecordId, AuthorityId]] = []
        found: list[Packed] = []
        for letter in letters:
            consultation = letter.record.consultation
            packed = None if consultation in waiting else self._packer.pack(letter)
            if packed is None:
                waiting.add(consultation)
                held.append(letter)
                packed = self._packer.hold(letter)
            else:
                record_id, absent = letter.record.record_id, waiting_recipients(packed)
                held_for += [(consultation, record_id, peer) for peer in absent]
            found.append(packed)
        unsealed.add_for(self._tx, held_for)
        unsealed.add(self._tx, [(one.record.consultation, one.record.record_id) for one in held])
        return found

    def _row(self, planned: _Plan, packed: Packed, kept: bytes) -> RecordRow:
        return records.row_of(
            planned.record,
            planned.digest,
            direction=Direction.OUT,
            envelope_id=planned.composed.envelope_id,
            envelope_hash=packed.envelope_hash,
            stored_ms=self._now_ms,
            sealed=kept,
        )

    def _remember(self) -> None:
        """Keep the results under their idempotency keys."""
        fresh = []
        for planned in self._planned:
            key = planned.composed.draft.idempotency_key
            if key:
                digest, result = self._known[key]
                fresh.append(SubmissionRow(key, digest, result, self._now_ms))
        records.add_submissions(self._tx, fresh)
        if fresh:
            records.forget_submissions(self._tx, self._now_ms - IDEMPOTENCY_SECONDS * 1000)


def _rounds(plans: Sequence[_Plan]) -> list[list[_Plan]]:
    """Divide a group so that what builds on another draft, or repeats it, comes in a later round."""
    rounds: list[list[_Plan]] = []
    taken: dict[str, int] = {}
    for plan in plans:
        names = {plan.composed.consultation, plan.composed.draft.idempotency_key} - {""}
        place = max(taken.get(name, 0) for name in names)
        taken.update(dict.fromkeys(names, place + 1))
        if place == len(rounds):
            rounds.append([])
        rounds[place].append(plan)
    return rounds


def _advance(step: Callable[[_Plan], None], plan: _Plan) -> None:
    """Take a draft through one step; a refusal is its own."""
    try:
        step(plan)
    except (NodeError, ProtocolError) as error:
        plan.outcome = error


def _signed(planned: _Plan, signature: bytes) -> SignedRecord:
    attachments = tuple(item.data for item in planned.composed.draft.attachments)
    return SignedRecord(planned.data, signature, attachments, planned.record)


def _letter_of(planned: _Plan, signed: bytes) -> Letter:
    return Letter(
        record=planned.record,
        digest=planned.digest,
        data=planned.data,
        change=planned.composed.content.change,
        envelope_id=planned.composed.envelope_id,
        signed=signed,
    )


def _submitted(record: Record, digest: Digest, state: State) -> Submitted:
    return Submitted(
        consultation=record.consultation,
        record_id=record.record_id,
        record_hash=digest,
        message_type=record.type,
        recipients=record.recipients,
        state=state,
        created_at=record.created,
        expires_at=record.expires,
    )


def _attachment_of(item: DraftAttachment) -> Attachment:
    return Attachment.of(
        item.data, id=item.id, name=item.name, media_type=item.media_type, language=item.language
    )
