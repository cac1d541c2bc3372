# SPDX-License-Identifier: Apache-2.0
"""Reading what is here: the list, one consultation with its records and evidence. It changes nothing.

1. Plain functions on a read connection and the storage key: the running node and the command line beside a
   stopped node use the same ones.
2. Whether a record was read is known; to read is an act of its own, in `reading`, and is logged there.
3. Records of one author are shown in their order; a missing one is shown as a gap, never hidden. What was
   said before this authority was added is not missing: it was never for it.
4. What the evidence lines say was verified before it was stored; `protocol.evidence` verifies it again.
"""

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from globe_node.consultations import records
from globe_node.consultations.casebook import roster_of
from globe_node.consultations.moments import moment_of
from globe_node.consultations.office import no_such_consultation
from globe_node.consultations.records import ConsultationRow, Direction, RecordRow
from globe_node.consultations.resending import records as resends
from globe_node.consultations.resending.records import SentAgain
from globe_node.delivery import inbox, outbox
from globe_node.delivery.outbox import LaneRow, SentRow
from globe_node.groups.views import GroupView, views_of
from globe_node.store.door import Transaction
from keys.storage_key import StorageKey
from protocol.canonical import JSONObject
from protocol.codes.message_types import MessageType
from protocol.consultations.table import Move, Role, State
from protocol.identifiers import AuthorityId, ConsultationId, Digest, EnvelopeId, RecordId
from protocol.receipts import DeliveryState, parse_signed_receipt
from protocol.record import Attachment, SignedRecord, parse_signed_record


@dataclass(frozen=True, slots=True)
class CaseSummary:
    """One line of the list.

    Attributes:
        role: on which side this authority stands.
        counterparties: the other authorities, sorted.
        state: where it stands for this authority: its own side, or for the requester the least advanced.
        records: how many there are.
        unread: how many of theirs nobody here has opened.
        waiting: how many of ours have not reached somebody.
        group: its members as encryption knows them; None for a consultation without any.
    """

    consultation: ConsultationId
    role: Role
    counterparties: tuple[AuthorityId, ...]
    state: State
    subject: str = field(repr=False)
    created_at: datetime
    updated_at: datetime
    records: int
    unread: int
    waiting: int
    group: GroupView | None


@dataclass(frozen=True, slots=True)
class EvidenceLine:
    """One thing that is known to have happened to a message.

    Attributes:
        stage: submitted, waiting, received, read, rejected or undeliverable; resent, to a member that had
            lost it; returned, by a member that kept what we had lost.
        authority: where it happened.
        at: when, by the clock of whoever says so.
        signed_by: `authority/node`, and the key id; empty for what only this node's own log holds.
        reason: a reason code, or empty.
        attempts: of a waiting message, how often its peer was tried in vain since it last answered.
        next_attempt_at: of a waiting message, when it is tried again.
        deadline_at: of a waiting message, until when it is tried.
    """

    stage: str
    authority: AuthorityId
    at: datetime
    signed_by: str = ""
    key_id: str = ""
    reason: str = ""
    attempts: int = 0
    next_attempt_at: datetime | None = None
    deadline_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class RecordView:
    """One record as a person sees it.

    Attributes:
        missing_before: how many earlier records of this author are not here.
        read_at: when somebody here first opened it; None for our own and for unread ones.
    """

    record_id: RecordId
    record_hash: Digest
    message_type: str
    author: AuthorityId
    node: str
    key_id: str
    author_seq: int
    missing_before: int
    ours: bool
    created_at: datetime
    expires_at: datetime
    stored_at: datetime
    read_at: datetime | None
    in_reply_to: str
    recipients: tuple[AuthorityId, ...]
    handling: tuple[str, ...]
    legal_basis: tuple[str, ...] = field(repr=False)
    body: JSONObject = field(repr=False)
    attachments: tuple[Attachment, ...]
    evidence: tuple[EvidenceLine, ...]


@dataclass(frozen=True, slots=True)
class CaseView:
    """One consultation with everything in it.

    Attributes:
        requester: who opened it.
        members: who takes part now, sorted.
        sides: where each authority stands that was asked, those that were removed among them.
        added_at: when this authority was added to it; None if it was there from the beginning.
        moves: what this authority may do now.
    """

    summary: CaseSummary
    requester: AuthorityId
    members: tuple[AuthorityId, ...]
    sides: Mapping[AuthorityId, State]
    added_at: datetime | None
    moves: tuple[Move, ...]
    records: tuple[RecordView, ...]


def list_cases(
    tx: Transaction,
    storage: StorageKey,
    me: AuthorityId,
    *,
    states: Sequence[str] = (),
    before: ConsultationId | None = None,
    limit: int = 50,
) -> list[CaseSummary]:
    """Return consultations, newest first.

    Args:
        tx: a read will do.
        storage: opens the subjects.
        me: this authority.
        states: only these; empty for all.
        before: go on after this one.
        limit: at most so many.
    """
    rows = records.list_consultations(tx, states=states, before=before, limit=limit)
    return _summaries(tx, storage, me, rows)


def show_case(
    tx: Transaction, storage: StorageKey, me: AuthorityId, consultation: ConsultationId
) -> CaseView:
    """Return one consultation with its records, in the order in which they became known here.

    Raises:
        NotFoundError: there is none with this id.
        RowDamagedError: a sealed row is damaged.
    """
    row = require_case(tx, consultation)
    (summary,) = _summaries(tx, storage, me, [row])
    stored = records.records_of(tx, consultation)
    lines = {**_lines_of_ours(tx, stored), **_lines_of_theirs(tx, stored, me)}
    added = _added_by(stored, row)
    missing = _missing_before(stored, added is not None)
    views = [
        _record_view(storage, one, lines[one.record_id], missing[one.record_id]) for one in in_order(stored)
    ]
    roster = roster_of(row)
    return CaseView(
        summary=summary,
        requester=roster.requester,
        members=tuple(sorted(roster.members)),
        sides=roster.sides,
        added_at=moment_of(added.created_ms) if added else None,
        moves=roster.moves(me),
        records=tuple(views),
    )


def require_case(tx: Transaction, consultation: ConsultationId) -> ConsultationRow:
    """Return a consultation's row.

    Raises:
        NotFoundError: there is none with this id.
    """
    row = records.consultations_of(tx, [consultation]).get(consultation)
    if row is None:
        raise no_such_consultation()
    return row


def open_row(storage: StorageKey, row: RecordRow) -> SignedRecord:
    """Open a stored record; its signature was verified when it was stored.

    Raises:
        RowDamagedError: the row is damaged.
    """
    return parse_signed_record(
        storage.open_sealed("record", row.record_id.encode("ascii"), row.application_data)
    )


def in_order(stored: Sequence[RecordRow]) -> list[RecordRow]:
    """Return records so that each author's stand in their order; a late one goes before the next."""
    ordered: list[RecordRow] = []
    for row in stored:
        at = len(ordered)
        for index, other in enumerate(ordered):
            same = other.author == row.author and other.incarnation == row.incarnation
            if same and other.author_seq > row.author_seq:
                at = index
                break
        ordered.insert(at, row)
    return ordered


def _added_by(stored: Sequence[RecordRow], row: ConsultationRow) -> RecordRow | None:
    """Return the record with which the consultation began for this authority, if it was added to it."""
    first = next((one for one in stored if one.author == row.opener), None)
    return first if first is not None and first.type == MessageType.MEMBERS else None


def _missing_before(stored: Sequence[RecordRow], added: bool) -> dict[RecordId, int]:
    """Count what is missing before each record; before the first of a chain nothing is, if we were added."""
    chains: dict[tuple[str, str], list[RecordRow]] = {}
    for row in stored:
        chains.setdefault((row.author, row.incarnation), []).append(row)
    missing: dict[RecordId, int] = {}
    for chain in chains.values():
        ordered = sorted(chain, key=lambda one: one.author_seq)
        last = ordered[0].author_seq - 1 if added else 0
        for row in ordered:
            missing[row.record_id] = row.author_seq - last - 1
            last = row.author_seq
    return missing


def _summaries(
    tx: Transaction, storage: StorageKey, me: AuthorityId, rows: Sequence[ConsultationRow]
) -> list[CaseSummary]:
    ids = [row.id for row in rows]
    counted = records.counts_of(tx, ids)
    waiting = _waiting(tx, ids)
    groups = views_of(tx, me, ids)
    return [
        CaseSummary(
            consultation=row.id,
            role=roster_of(row).role_of(me),
            counterparties=roster_of(row).recipients(me),
            state=State(row.state),
            subject=storage.open_sealed("consultation", row.id.encode("ascii"), row.subject).decode(),
            created_at=moment_of(row.created_ms),
            updated_at=moment_of(row.updated_ms),
            records=counted[row.id][0],
            unread=counted[row.id][1],
            waiting=waiting.get(row.id, 0),
            group=groups.get(row.id),
        )
        for row in rows
    ]


def _waiting(tx: Transaction, ids: Collection[ConsultationId]) -> dict[ConsultationId, int]:
    envelopes = {**records.sent_envelopes(tx, ids), **resends.envelopes_sent_again(tx, ids)}
    counted: dict[ConsultationId, int] = {}
    for row in outbox.sent(tx, list(envelopes)):
        if row.state is DeliveryState.QUEUED:
            consultation = envelopes[row.envelope_id]
            counted[consultation] = counted.get(consultation, 0) + 1
    return counted


def _record_view(
    storage: StorageKey, row: RecordRow, lines: Sequence[EvidenceLine], missing_before: int
) -> RecordView:
    content = open_row(storage, row).content
    return RecordView(
        record_id=row.record_id,
        record_hash=row.record_hash,
        message_type=content.type,
        author=row.author,
        node=row.node,
        key_id=content.author.key,
        author_seq=row.author_seq,
        missing_before=missing_before,
        ours=row.direction == Direction.OUT,
        created_at=content.created,
        expires_at=content.expires,
        stored_at=moment_of(row.stored_ms),
        read_at=moment_of(row.read_ms) if row.read_ms else None,
        in_reply_to=content.in_reply_to,
        recipients=content.recipients,
        handling=content.handling,
        legal_basis=content.legal_basis,
        body=content.body,
        attachments=content.attachments,
        evidence=tuple(lines),
    )


def _lines_of_theirs(
    tx: Transaction, stored: Sequence[RecordRow], me: AuthorityId
) -> dict[RecordId, list[EvidenceLine]]:
    """Return what is known of records that came in: our own receipts say when."""
    theirs = [row for row in stored if row.direction == Direction.IN]
    issued: dict[EnvelopeId, bytes] = {}
    for sender in sorted({row.author for row in theirs}):
        ids = [EnvelopeId(row.envelope_id) for row in theirs if row.author == sender]
        issued |= inbox.issued(tx, sender, ids)
    found: dict[RecordId, list[EvidenceLine]] = {}
    for row in theirs:
        receipt = issued.get(EnvelopeId(row.envelope_id))
        lines = [EvidenceLine("submitted", row.author, moment_of(row.created_ms), f"{row.author}/{row.node}")]
        lines += receipt_lines(row.envelope_hash, me, [receipt] if receipt else [])
        if row.read_ms:
            lines.append(EvidenceLine("read", me, moment_of(row.read_ms)))
        found[row.record_id] = lines
    return found


def _lines_of_ours(tx: Transaction, stored: Sequence[RecordRow]) -> dict[RecordId, list[EvidenceLine]]:
    """Return what is known of records that went out: the receipts of each recipient, or that it waits.

    What went again to a member has a line for that, and those of the later envelope after it. What we lost
    and others gave back has a line that says who did.
    """
    ours = [row for row in stored if row.direction == Direction.OUT]
    again: dict[RecordId, list[SentAgain]] = {}
    for repeat in resends.sent_again(tx, [row.record_id for row in ours]):
        again.setdefault(repeat.record_id, []).append(repeat)
    ids = [EnvelopeId(row.envelope_id) for row in ours]
    ids += [repeat.envelope_id for listed in again.values() for repeat in listed]
    sent: dict[EnvelopeId, list[SentRow]] = {}
    for one in outbox.sent(tx, ids):
        sent.setdefault(one.envelope_id, []).append(one)
    proofs = outbox.evidence(tx, [one for listed in sent.values() for one in listed])
    lanes = {lane.peer: lane for lane in outbox.lanes(tx)} if ours else {}
    found: dict[RecordId, list[EvidenceLine]] = {}
    for row in ours:
        back = _giving_back(tx, row, stored) if EnvelopeId(row.envelope_id) not in sent else None
        at = moment_of(row.created_ms if back else row.stored_ms)
        lines = [EvidenceLine("submitted", row.author, at, f"{row.author}/{row.node}")]
        lines += [back] if back else []
        for envelope_id, peer, since_ms in _envelopes_of(row, again.get(row.record_id, [])):
            if peer:
                lines.append(EvidenceLine("resent", AuthorityId(peer), moment_of(since_ms)))
            for one in sent.get(envelope_id, ()):
                lines += receipt_lines(one.envelope_hash, one.peer, proofs.get(one.position, []))
                if one.state is DeliveryState.QUEUED:
                    lines.append(_waiting_line(one, row, lanes.get(one.peer)))
        found[row.record_id] = lines
    return found


def _envelopes_of(row: RecordRow, again: Sequence[SentAgain]) -> Iterator[tuple[EnvelopeId, str, int]]:
    """Yield the envelopes in which a record went: the first one, then those to one member, and since when."""
    yield EnvelopeId(row.envelope_id), "", row.stored_ms
    for repeat in again:
        yield repeat.envelope_id, repeat.peer, repeat.sent_ms


def _giving_back(tx: Transaction, row: RecordRow, stored: Sequence[RecordRow]) -> EvidenceLine | None:
    """Return the line for a record of ours that came back from another member."""
    envelope_id = EnvelopeId(row.envelope_id)
    for member in sorted({one.author for one in stored if one.author != row.author}):
        if inbox.issued(tx, member, [envelope_id]):
            return EvidenceLine("returned", member, moment_of(row.stored_ms))
    return None


def receipt_lines(
    envelope_hash: Digest, recipient: AuthorityId, receipts: Sequence[bytes]
) -> list[EvidenceLine]:
    """Return what the receipts for one envelope and recipient say, in the order of time."""
    lines: list[EvidenceLine] = []
    for signed in receipts:
        receipt = parse_signed_receipt(signed).content
        lines.extend(
            EvidenceLine(
                stage=entry.status,
                authority=recipient,
                at=receipt.created,
                signed_by=f"{receipt.issuer.authority}/{receipt.issuer.node}",
                key_id=receipt.issuer.key,
                reason=entry.reason or "",
            )
            for entry in receipt.entries
            if entry.envelope == envelope_hash
        )
    return sorted(lines, key=lambda line: line.at)


def _waiting_line(sent: SentRow, row: RecordRow, lane: LaneRow | None) -> EvidenceLine:
    held = sent.next_attempt_ms >= outbox.NEVER_MS
    next_ms = 0 if held else max(sent.next_attempt_ms, lane.next_attempt_ms if lane else 0)
    return EvidenceLine(
        stage="waiting",
        authority=sent.peer,
        at=moment_of(row.stored_ms),
        reason=sent.reason or (lane.reason if lane else ""),
        attempts=sent.attempts + (lane.failures if lane else 0),
        next_attempt_at=moment_of(next_ms) if next_ms else None,
        deadline_at=moment_of(sent.deadline_ms),
    )
