# SPDX-License-Identifier: Apache-2.0
"""What waits to go out, and what became of it. It sends nothing and verifies nothing: see `courier`, `clerk`.

1. An envelope is queued in the transaction that makes it; from then on it is forgotten by nobody.
2. For each recipient a message is in one state, and it moves as `protocol.receipts.advance` says. A receipt
   that contradicts what is known is kept beside it as evidence and changes nothing.
3. A receipt counts only for what was sent to its issuer, by hash of the envelope and of the record.
4. Receipts that we post travel here too, as control rows: they end when the peer took them or at their
   deadline, and no receipt is ever made for them.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from sqlalchemy import Row, Select, func, insert, select, update

from globe_node.delivery import records
from globe_node.delivery.link import Operation
from globe_node.delivery.records import OUTBOX, OUTBOX_BODY, OUTBOX_EVIDENCE, OUTBOX_OPEN
from globe_node.store.door import Transaction
from protocol import limits
from protocol.errors import LocalProtocolError, ReasonCode, RemoteProtocolError
from protocol.identifiers import AuthorityId, Digest, EnvelopeId
from protocol.receipts import DeliveryState, Receipt, ReceiptEntry, ReceiptStatus, advance

_OPERATIONS = {Operation.ENVELOPES: 0, Operation.RECEIPTS: 1}
CONTROL_CLASS = 4
"""`EnvelopeClass.CONTROL`: no message, so it has no receipt and counts in no sum."""


@dataclass(frozen=True, slots=True)
class Outgoing:
    """One envelope for one or more recipients, or one signed receipt for one.

    Attributes:
        envelope_id: its id; of a receipt, the 16 octets of its receipt id.
        envelope_class: an `EnvelopeClass`.
        routing_id: 16 octets; what has the same one to the same peer keeps its order.
        octets: what is sent.
        envelope_hash: hash of the octets, hex.
        record_hash: hash of the record sealed in it, hex; empty for a receipt.
        peers: whom it goes to, none twice.
        deadline_ms: Unix time after which it is tried no more.
    """

    envelope_id: EnvelopeId
    envelope_class: int
    routing_id: bytes
    octets: bytes = field(repr=False)
    envelope_hash: Digest
    record_hash: str
    peers: tuple[AuthorityId, ...]
    deadline_ms: int


@dataclass(frozen=True, slots=True)
class Queued:
    """What the courier must be told after the commit."""

    peers: frozenset[AuthorityId]
    first_deadline_ms: int


class DueRow(NamedTuple):
    """One envelope that may be sent now; the fields are those of `Outgoing`."""

    position: int
    envelope_id: EnvelopeId
    routing_id: bytes
    envelope_hash: Digest
    size: int
    body: int
    attempts: int


class SentRow(NamedTuple):
    """One envelope for one recipient, and what is known of it."""

    position: int
    envelope_id: EnvelopeId
    peer: AuthorityId
    envelope_class: int
    envelope_hash: Digest
    record_hash: str
    state: DeliveryState
    reason: str
    attempts: int
    next_attempt_ms: int
    deadline_ms: int
    decided_ms: int
    receipt: int


@dataclass(frozen=True, slots=True)
class Applied:
    """What one verified receipt changed.

    Attributes:
        moved: messages that reached a new state.
        beside: messages whose receipt contradicts what is known; it is kept as evidence.
        alarms: entries that fit nothing we sent to that peer, with `ack_unknown` or `evidence_invalid`.
    """

    moved: Sequence[tuple[SentRow, DeliveryState]] = ()
    beside: Sequence[SentRow] = ()
    alarms: Sequence[tuple[ReceiptEntry, ReasonCode]] = ()


def enqueue(tx: Transaction, items: Sequence[Outgoing], now_ms: int) -> Queued:
    """Queue envelopes; hand the result to `Courier.wake` after the commit.

    Raises:
        LocalProtocolError: an envelope that no request could carry (`too_large`).
        IntegrityError: an id was queued for the same peer before.
    """
    if any(not 0 < len(item.octets) <= limits.MAX_ENVELOPE_BYTES for item in items):
        raise LocalProtocolError("an envelope that no request could carry", code=ReasonCode.TOO_LARGE)
    position = records.next_position(tx, OUTBOX)
    rows: list[dict[str, object]] = []
    octets: list[dict[str, object]] = []
    for item in items:
        body = position + len(rows)
        octets.append({"position": body, "octets": item.octets})
        rows.extend(_new_row(item, peer, body=body, now_ms=now_ms) for peer in item.peers)
    for offset, row in enumerate(rows):
        row["position"] = position + offset
    if rows:
        tx.execute(insert(OUTBOX_BODY), octets)
        tx.execute(insert(OUTBOX), rows)
    peers = frozenset(peer for item in items for peer in item.peers)
    return Queued(peers, min((item.deadline_ms for item in items), default=now_ms))


def due(tx: Transaction, peer: AuthorityId, operation: Operation, *, now_ms: int, limit: int) -> list[DueRow]:
    """Return what may be sent to a peer now, oldest first."""
    statement = (
        select(
            OUTBOX.c.position,
            OUTBOX.c.envelope_id,
            OUTBOX.c.routing_id,
            OUTBOX.c.envelope_hash,
            OUTBOX.c.size,
            OUTBOX.c.body,
            OUTBOX.c.attempts,
        )
        .where(*_open_for(peer, operation), OUTBOX.c.next_attempt_ms <= now_ms)
        .order_by(OUTBOX.c.position)
        .limit(limit)
    )
    return [DueRow._make(row) for row in tx.execute(statement)]


def octets(tx: Transaction, rows: Iterable[DueRow]) -> Mapping[int, bytes]:
    """Return the octets of rows, by `DueRow.body`."""
    return records.bodies(tx, OUTBOX_BODY, {row.body for row in rows})


def next_attempt_ms(tx: Transaction, peer: AuthorityId, *, besides: Collection[int] = ()) -> int | None:
    """Return when the next open row of a peer may be sent, or None if there is none.

    Args:
        tx: the transaction.
        peer: the peer.
        besides: positions that are under way already.
    """
    where = (OUTBOX.c.peer == peer, OUTBOX_OPEN, OUTBOX.c.position.not_in(sorted(besides)))
    statement = select(func.min(OUTBOX.c.next_attempt_ms)).where(*where)
    found: int | None = tx.execute(statement).scalar_one()
    return found


def waiting_peers(tx: Transaction) -> list[AuthorityId]:
    """Return every peer that something waits for."""
    statement = select(OUTBOX.c.peer).where(OUTBOX_OPEN).distinct().order_by(OUTBOX.c.peer)
    return [AuthorityId(peer) for peer in tx.execute(statement).scalars()]


def postpone(tx: Transaction, until_ms: Mapping[int, int]) -> None:
    """Count an attempt without result and say when each row may be sent again.

    Args:
        tx: the transaction.
        until_ms: Unix time by position.
    """
    moments: dict[int, list[int]] = {}
    for position, moment in until_ms.items():
        moments.setdefault(moment, []).append(position)
    for moment, positions in moments.items():
        for some in records.chunks(positions):
            statement = update(OUTBOX).where(OUTBOX.c.position.in_(some), OUTBOX_OPEN)
            tx.execute(statement.values(attempts=OUTBOX.c.attempts + 1, next_attempt_ms=moment))


def hold_routes(tx: Transaction, peer: AuthorityId, until_ms: Mapping[bytes, int]) -> None:
    """Let what follows refused envelopes wait as long as those, so that the order is kept.

    Args:
        tx: the transaction.
        peer: the peer.
        until_ms: Unix time by routing id.
    """
    last = max(until_ms.values(), default=0)
    for some in records.chunks(sorted(until_ms)):
        where = (*_open_for(peer, Operation.ENVELOPES), OUTBOX.c.routing_id.in_(some))
        tx.execute(update(OUTBOX).where(*where, OUTBOX.c.next_attempt_ms < last).values(next_attempt_ms=last))


def apply_receipt(tx: Transaction, receipt: Receipt, signed: bytes, now_ms: int) -> Applied:
    """Move what a verified receipt covers, and store it if it covers anything.

    Args:
        tx: the transaction.
        receipt: signed by a key of `receipt.issuer.authority` and addressed to this authority.
        signed: the octets as they came.
        now_ms: Unix time.
    """
    peer = receipt.issuer.authority
    rows = _by_hash(tx, peer, [entry.envelope for entry in receipt.entries])
    matched: list[tuple[SentRow, ReceiptEntry]] = []
    alarms: list[tuple[ReceiptEntry, ReasonCode]] = []
    for entry in receipt.entries:
        row = rows.get(entry.envelope)
        problem = _mismatch(row, entry)
        if row is None or problem:
            alarms.append((entry, problem or ReasonCode.ACK_UNKNOWN))
        else:
            matched.append((row, entry))
    if not matched:
        return Applied(alarms=alarms)
    stored = records.ReceiptRow(receipt.receipt_id, peer, receipt.to, signed)
    number = records.add_receipt(tx, stored, now_ms)
    moved, beside = _move(tx, matched, number=number, now_ms=now_ms)
    return Applied(moved, beside, alarms)


def end_posted(tx: Transaction, positions: Sequence[int], now_ms: int) -> None:
    """End receipts that the peer has taken."""
    for some in records.chunks(positions):
        statement = update(OUTBOX).where(OUTBOX.c.position.in_(some), OUTBOX_OPEN)
        tx.execute(statement.values(state=DeliveryState.RECEIVED.value, decided_ms=now_ms))


def end_undeliverable(
    tx: Transaction, positions: Sequence[int], *, reason: ReasonCode, receipt: int, now_ms: int
) -> None:
    """End rows whose time is over; `receipt` is the number of our own evidence, 0 for control rows."""
    values = {
        "state": DeliveryState.UNDELIVERABLE.value,
        "reason": reason.value,
        "receipt": receipt,
        "decided_ms": now_ms,
    }
    for some in records.chunks(positions):
        tx.execute(update(OUTBOX).where(OUTBOX.c.position.in_(some), OUTBOX_OPEN).values(**values))


def overdue(tx: Transaction, now_ms: int, limit: int) -> list[SentRow]:
    """Return open rows whose deadline has passed, the earliest first."""
    where = (OUTBOX_OPEN, OUTBOX.c.deadline_ms <= now_ms)
    statement = _sent().where(*where).order_by(OUTBOX.c.deadline_ms).limit(limit)
    return [_sent_row(row) for row in tx.execute(statement)]


def next_deadline_ms(tx: Transaction) -> int | None:
    """Return the earliest deadline of what is open, or None."""
    statement = select(OUTBOX.c.deadline_ms).where(OUTBOX_OPEN).order_by(OUTBOX.c.deadline_ms).limit(1)
    found: int | None = tx.execute(statement).scalar_one_or_none()
    return found


def sent(tx: Transaction, envelope_ids: Collection[EnvelopeId]) -> list[SentRow]:
    """Return what is known of envelopes, for each recipient."""
    found: list[SentRow] = []
    for some in records.chunks(sorted(envelope_ids)):
        statement = _sent().where(OUTBOX.c.envelope_id.in_(some)).order_by(OUTBOX.c.position)
        found.extend(_sent_row(row) for row in tx.execute(statement))
    return found


def evidence(tx: Transaction, rows: Collection[SentRow]) -> dict[int, list[bytes]]:
    """Return every signed receipt of each row, by position; the one that decided it comes first."""
    numbers: dict[int, list[int]] = {row.position: [row.receipt] if row.receipt else [] for row in rows}
    for some in records.chunks(sorted(numbers)):
        where = OUTBOX_EVIDENCE.c.position.in_(some)
        columns = (OUTBOX_EVIDENCE.c.position, OUTBOX_EVIDENCE.c.receipt)
        for position, number in tx.execute(select(*columns).where(where).order_by(*columns)):
            numbers[position].append(number)
    stored = records.receipts(tx, {number for listed in numbers.values() for number in listed})
    return {position: [stored[number] for number in listed] for position, listed in numbers.items()}


def counts(tx: Transaction) -> dict[tuple[AuthorityId, DeliveryState], int]:
    """Return how many messages are in which state, by peer; control rows are not counted."""
    statement = (
        select(OUTBOX.c.peer, OUTBOX.c.state, func.count())
        .where(OUTBOX.c.operation == _OPERATIONS[Operation.ENVELOPES])
        .group_by(OUTBOX.c.peer, OUTBOX.c.state)
    )
    return {(AuthorityId(peer), DeliveryState(state)): count for peer, state, count in tx.execute(statement)}


def hash_prefix(digest: Digest) -> int:
    """Return the first 8 octets of a hash as the signed integer under which it is indexed."""
    return int.from_bytes(bytes.fromhex(digest[:16]), "big", signed=True)


def _new_row(item: Outgoing, peer: AuthorityId, *, body: int, now_ms: int) -> dict[str, object]:
    control = item.envelope_class == CONTROL_CLASS
    return {
        "envelope_id": item.envelope_id,
        "peer": peer,
        "operation": _OPERATIONS[Operation.RECEIPTS if control else Operation.ENVELOPES],
        "envelope_class": item.envelope_class,
        "routing_id": item.routing_id,
        "hash_prefix": hash_prefix(item.envelope_hash),
        "envelope_hash": item.envelope_hash,
        "record_hash": item.record_hash,
        "size": len(item.octets),
        "body": body,
        "state": DeliveryState.QUEUED.value,
        "reason": "",
        "attempts": 0,
        "next_attempt_ms": 0,
        "deadline_ms": item.deadline_ms,
        "queued_ms": now_ms,
        "decided_ms": 0,
        "receipt": 0,
    }


def _open_for(peer: AuthorityId, operation: Operation) -> tuple[Any, ...]:
    return OUTBOX.c.peer == peer, OUTBOX.c.operation == _OPERATIONS[operation], OUTBOX_OPEN


def _sent() -> Select[Any]:
    return select(*(OUTBOX.c[name] for name in SentRow._fields))


def _sent_row(row: Row[Any]) -> SentRow:
    found = SentRow._make(row)
    return found._replace(state=DeliveryState(found.state))


def _by_hash(tx: Transaction, peer: AuthorityId, digests: Sequence[Digest]) -> dict[Digest, SentRow]:
    found: dict[Digest, SentRow] = {}
    for some in records.chunks([hash_prefix(digest) for digest in digests]):
        where = (OUTBOX.c.hash_prefix.in_(some), OUTBOX.c.peer == peer)
        for row in tx.execute(_sent().where(*where)):
            sent_row = _sent_row(row)
            if sent_row.envelope_class != CONTROL_CLASS:
                found[sent_row.envelope_hash] = sent_row
    return found


def _mismatch(row: SentRow | None, entry: ReceiptEntry) -> ReasonCode | None:
    """Say why an entry of a peer's receipt does not count, or None."""
    if row is None:
        return ReasonCode.ACK_UNKNOWN
    if entry.status is ReceiptStatus.UNDELIVERABLE:  # only the sender itself may say so
        return ReasonCode.EVIDENCE_INVALID
    unopened = entry.status is ReceiptStatus.REJECTED and not entry.record
    return None if unopened or entry.record == row.record_hash else ReasonCode.EVIDENCE_INVALID


def _move(
    tx: Transaction, matched: Sequence[tuple[SentRow, ReceiptEntry]], *, number: int, now_ms: int
) -> tuple[list[tuple[SentRow, DeliveryState]], list[SentRow]]:
    moved: list[tuple[SentRow, DeliveryState]] = []
    beside: list[SentRow] = []
    kept: list[int] = []
    changes: dict[tuple[DeliveryState, str, bool], list[int]] = {}
    for row, entry in matched:
        try:
            state = advance(row.state, entry.status)
        except RemoteProtocolError:
            beside.append(row)
            kept.append(row.position)
            continue
        first = row.state is DeliveryState.QUEUED
        if state is not row.state:
            moved.append((row, state))
            reason = entry.reason.value if entry.reason else ""
            changes.setdefault((state, reason, first), []).append(row.position)
        if not first and number != row.receipt:
            kept.append(row.position)
    for (state, reason, first), positions in changes.items():
        values: dict[str, object] = {"state": state.value}
        if first:
            values.update(reason=reason, receipt=number, decided_ms=now_ms)
        for some in records.chunks(positions):
            tx.execute(update(OUTBOX).where(OUTBOX.c.position.in_(some)).values(**values))
    if kept:
        rows = [{"position": position, "receipt": number, "stored_ms": now_ms} for position in kept]
        tx.execute(insert(OUTBOX_EVIDENCE).prefix_with("OR IGNORE"), rows)
    return moved, beside
