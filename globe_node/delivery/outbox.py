# SPDX-License-Identifier: Apache-2.0
"""What waits to go out, and what became of it. It sends nothing and verifies nothing: see `courier`, `clerk`.

1. An envelope is queued in the transaction that makes it; from then on it is forgotten by nobody.
2. For each recipient a message is in one state, and it moves as `protocol.receipts.advance` says. A receipt
   that contradicts what is known is kept beside it as evidence and changes nothing.
3. A receipt counts only for what was sent to its issuer, by hash of the envelope and of the record. Of two
   receipts with one id the second counts for nothing: evidence must cover what it is kept for. A peer that
   says the same again and again is heard a few times: what it may fill with words about one message is
   bounded.
4. When an envelope has ended for all its recipients, its octets go: its hash and its receipts stay, and what
   was said is in the case file.
5. Receipts that we post travel here too, as control rows: they end when the peer took them or at their
   deadline, and no receipt is ever made for them.
6. What can't be sealed yet stands here as well, held: it has its deadline, and is never sent as it is.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from globe_node.delivery import records
from globe_node.delivery.link import Operation
from globe_node.store.door import Transaction
from globe_node.store.driver import driver_of
from protocol import limits
from protocol.errors import ConflictError, LocalProtocolError, ReasonCode, RemoteProtocolError
from protocol.identifiers import AuthorityId, Digest, EnvelopeId
from protocol.receipts import DeliveryState, Receipt, ReceiptEntry, ReceiptStatus, advance

NEVER_MS = 1 << 60
"""The next attempt at what can't be sent yet: it waits until it is withdrawn, or for its deadline."""
CONTROL_CLASS = 4
"""`EnvelopeClass.CONTROL`: no message, so it has no receipt and counts in no sum."""
MAX_BESIDE = 8
"""Receipts that are kept beside the one that decided a message, though they move nothing."""
# The states of partial indexes are written out in statements, not bound: only so are the indexes used.
_OPERATIONS = {Operation.ENVELOPES: 0, Operation.RECEIPTS: 1}
_NEW_ROW = (
    "INSERT INTO outbox (position, envelope_id, peer, operation, envelope_class, routing_id, hash_prefix,"
    " envelope_hash, record_hash, size, body, state, reason, attempts, next_attempt_ms, deadline_ms,"
    " queued_ms, decided_ms, receipt)"
    " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, 'queued', ?, 0, ?, ?, ?, 0, 0)"
)
_SENT = (
    "SELECT position, envelope_id, peer, envelope_class, envelope_hash, record_hash, state, reason, attempts,"
    " next_attempt_ms, deadline_ms, decided_ms, receipt FROM outbox"
)


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
        held_for: why it is not sent until it was replaced; None for what is sent.
    """

    envelope_id: EnvelopeId
    envelope_class: int
    routing_id: bytes
    octets: bytes = field(repr=False)
    envelope_hash: Digest
    record_hash: str
    peers: tuple[AuthorityId, ...]
    deadline_ms: int
    held_for: ReasonCode | None = None


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
        late: messages that had ended at their deadline; the receipt is kept as evidence beside that.
        beside: messages whose receipt contradicts what the peer said before; it is kept as evidence.
        alarms: entries that fit nothing we sent to that peer, with `ack_unknown` or `evidence_invalid`; or
            the first entry of a receipt whose id was used before, with `id_conflict`.
        settled: hashes of the envelopes that it counts for, moved or not.
    """

    moved: Sequence[tuple[SentRow, DeliveryState]] = ()
    late: Sequence[SentRow] = ()
    beside: Sequence[SentRow] = ()
    alarms: Sequence[tuple[ReceiptEntry, ReasonCode]] = ()
    settled: frozenset[Digest] = frozenset()


@dataclass(frozen=True, slots=True)
class LaneRow:
    """What a lane remembers over a restart.

    Attributes:
        peer: whom it serves.
        failures: failed attempts in a row.
        next_attempt_ms: Unix time of the next attempt.
        reason: code of the last failure, empty after a success.
    """

    peer: AuthorityId
    failures: int
    next_attempt_ms: int
    reason: str


def enqueue(tx: Transaction, items: Sequence[Outgoing], now_ms: int) -> Queued:
    """Queue envelopes; hand the result to `Courier.wake` after the commit.

    Raises:
        LocalProtocolError: an envelope that no request could carry (`too_large`).
        IntegrityError: an id was queued for the same peer before.
    """
    if any(not 0 < len(item.octets) <= limits.MAX_ENVELOPE_BYTES for item in items):
        raise LocalProtocolError("an envelope that no request could carry", code=ReasonCode.TOO_LARGE)
    position = records.number_of(tx, "SELECT coalesce(max(position), 0) + 1 FROM outbox") or 1
    rows: list[tuple[object, ...]] = []
    octets: list[tuple[int, bytes]] = []
    for item in items:
        body = position + len(rows)
        octets.append((body, item.octets))
        for peer in item.peers:
            rows.append(_new_row(item, peer, position=position + len(rows), body=body, now_ms=now_ms))
    driver = driver_of(tx)
    driver.executemany("INSERT INTO outbox_body (position, octets) VALUES (?, ?)", octets)
    driver.executemany(_NEW_ROW, rows)
    peers = frozenset(peer for item in items for peer in item.peers)
    return Queued(peers, min((item.deadline_ms for item in items), default=now_ms))


def withdraw(tx: Transaction, envelope_ids: Iterable[EnvelopeId], *, peer: AuthorityId | None = None) -> None:
    """Take back what was held and never sent, of one recipient or of all: something else takes its place."""
    driver = driver_of(tx)
    sql = (
        "SELECT position, body FROM outbox WHERE envelope_id = ?1 AND state = 'queued'"
        " AND next_attempt_ms = ?2 AND (?3 IS NULL OR peer = ?3)"
    )
    for envelope_id in envelope_ids:
        for position, body in driver.execute(sql, (envelope_id, NEVER_MS, peer)).fetchall():
            driver.execute("DELETE FROM outbox WHERE position = ?", (position,))
            driver.execute(
                "DELETE FROM outbox_body WHERE position = ?1 AND NOT EXISTS (SELECT 1 FROM outbox"
                " WHERE outbox.position >= ?1 AND outbox.position < ?1 + ?2 AND outbox.body = ?1)",
                (body, limits.MAX_RECIPIENTS),
            )


def merged(*some: Queued | None) -> Queued | None:
    """Return what the courier must be told of several."""
    told = [one for one in some if one is not None]
    if not told:
        return None
    peers = frozenset(peer for one in told for peer in one.peers)
    return Queued(peers, min(one.first_deadline_ms for one in told))


def due(tx: Transaction, peer: AuthorityId, operation: Operation, *, now_ms: int, limit: int) -> list[DueRow]:
    """Return what may be sent to a peer now, oldest first."""
    sql = (
        "SELECT position, envelope_id, routing_id, envelope_hash, size, body, attempts FROM outbox"
        " WHERE peer = ? AND operation = ? AND state = 'queued' AND next_attempt_ms <= ?"
        " ORDER BY position LIMIT ?"
    )
    found = driver_of(tx).execute(sql, (peer, _OPERATIONS[operation], now_ms, limit))
    return [DueRow._make(row) for row in found]


def octets(tx: Transaction, rows: Iterable[DueRow]) -> Mapping[int, bytes]:
    """Return the octets of rows, by `DueRow.body`."""
    sql = "SELECT octets FROM outbox_body WHERE position = ?"
    return records.octets_at(tx, sql, {row.body for row in rows})


def next_attempt_ms(tx: Transaction, peer: AuthorityId, *, besides: Collection[int] = ()) -> int | None:
    """Return when the next open row of a peer may be sent, but for positions under way; None if none is."""
    sql = "SELECT position, next_attempt_ms FROM outbox WHERE peer = ? AND state = 'queued'"
    found = driver_of(tx).execute(sql, (peer,))
    return min(
        (moment for position, moment in found if moment < NEVER_MS and position not in besides), default=None
    )


def waiting_peers(tx: Transaction) -> list[AuthorityId]:
    """Return every peer that something waits for."""
    sql = "SELECT DISTINCT peer FROM outbox WHERE state = 'queued' ORDER BY peer"
    return [AuthorityId(row[0]) for row in driver_of(tx).execute(sql)]


def postpone(tx: Transaction, until_ms: Mapping[int, int]) -> None:
    """Count an attempt without result and say when each row may be sent again: Unix time by position."""
    driver_of(tx).executemany(
        "UPDATE outbox SET attempts = attempts + 1, next_attempt_ms = ?"
        " WHERE position = ? AND state = 'queued'",
        [(moment, position) for position, moment in until_ms.items()],
    )


def hold_routes(tx: Transaction, peer: AuthorityId, until_ms: Mapping[bytes, int]) -> None:
    """Let what follows refused envelopes wait as long as those, in order: Unix time by routing id."""
    found = driver_of(tx).execute(
        "SELECT position, routing_id, next_attempt_ms FROM outbox"
        " WHERE peer = ? AND operation = 0 AND state = 'queued'",
        (peer,),
    )
    later = [
        (until_ms[routing_id], position)
        for position, routing_id, moment in found
        if moment < until_ms.get(routing_id, 0)
    ]
    driver_of(tx).executemany("UPDATE outbox SET next_attempt_ms = ? WHERE position = ?", later)


def lanes(tx: Transaction) -> list[LaneRow]:
    """Return every lane that was ever stored."""
    sql = "SELECT peer, failures, next_attempt_ms, reason FROM lane"
    return [LaneRow(AuthorityId(row[0]), *row[1:]) for row in driver_of(tx).execute(sql)]


def save_lane(tx: Transaction, row: LaneRow) -> None:
    """Store what a lane must remember."""
    driver_of(tx).execute(
        "INSERT OR REPLACE INTO lane (peer, failures, next_attempt_ms, reason) VALUES (?, ?, ?, ?)",
        (row.peer, row.failures, row.next_attempt_ms, row.reason),
    )


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
    try:
        known = records.find_receipt(tx, stored) is not None
    except ConflictError as error:
        return Applied(alarms=[(receipt.entries[0], error.code)])
    moved, against = ([], []) if known else _take(tx, stored, matched, now_ms)
    return Applied(
        moved=moved,
        late=[row for row in against if row.state is DeliveryState.UNDELIVERABLE],
        beside=[row for row in against if row.state is not DeliveryState.UNDELIVERABLE],
        alarms=alarms,
        settled=frozenset(entry.envelope for _, entry in matched),
    )


def end_posted(tx: Transaction, positions: Collection[int], now_ms: int) -> None:
    """End receipts that the peer has taken."""
    driver_of(tx).executemany(
        "UPDATE outbox SET state = 'received', decided_ms = ? WHERE position = ? AND state = 'queued'",
        [(now_ms, position) for position in positions],
    )
    _let_go(tx, positions)


def end_undeliverable(
    tx: Transaction, positions: Collection[int], *, reason: ReasonCode, receipt: int, now_ms: int
) -> None:
    """End rows whose time is over; `receipt` is the number of our own evidence, 0 for control rows."""
    driver_of(tx).executemany(
        "UPDATE outbox SET state = 'undeliverable', reason = ?, receipt = ?, decided_ms = ?"
        " WHERE position = ? AND state = 'queued'",
        [(reason.value, receipt, now_ms, position) for position in positions],
    )
    _let_go(tx, positions)


def overdue(tx: Transaction, now_ms: int, limit: int) -> list[SentRow]:
    """Return open rows whose deadline has passed, the earliest first."""
    sql = f"{_SENT} WHERE state = 'queued' AND deadline_ms <= ? ORDER BY deadline_ms, position LIMIT ?"
    return [_sent_row(row) for row in driver_of(tx).execute(sql, (now_ms, limit))]


def next_deadline_ms(tx: Transaction) -> int | None:
    """Return the earliest deadline of what is open, or None."""
    return records.number_of(tx, "SELECT min(deadline_ms) FROM outbox WHERE state = 'queued'")


def sent(tx: Transaction, envelope_ids: Iterable[EnvelopeId]) -> list[SentRow]:
    """Return what is known of envelopes, for each recipient."""
    driver = driver_of(tx)
    sql = f"{_SENT} WHERE envelope_id = ? ORDER BY position"
    return [_sent_row(row) for item in envelope_ids for row in driver.execute(sql, (item,))]


def invitations(tx: Transaction, routing_id: bytes) -> list[SentRow]:
    """Return what is known of the invitations to a group, in the order in which they were queued."""
    sql = f"{_SENT} WHERE routing_id = ? AND envelope_class = 3 ORDER BY position"
    return [_sent_row(row) for row in driver_of(tx).execute(sql, (routing_id,))]


def evidence(tx: Transaction, rows: Collection[SentRow]) -> dict[int, list[bytes]]:
    """Return every signed receipt of each row, by position; the one that decided it comes first."""
    driver = driver_of(tx)
    sql = "SELECT receipt FROM outbox_evidence WHERE position = ? ORDER BY receipt"
    numbers: dict[int, list[int]] = {}
    for row in rows:
        beside = [number for (number,) in driver.execute(sql, (row.position,))]
        numbers[row.position] = [row.receipt, *beside] if row.receipt else beside
    stored = records.receipts(tx, {number for listed in numbers.values() for number in listed})
    return {position: [stored[number] for number in listed] for position, listed in numbers.items()}


def waiting(tx: Transaction) -> dict[AuthorityId, tuple[int, int]]:
    """Return how many messages wait for each peer, and since when the oldest does, in Unix milliseconds."""
    sql = (
        "SELECT peer, count(*), min(queued_ms) FROM outbox"
        " WHERE state = 'queued' AND operation = 0 GROUP BY peer"
    )
    return {AuthorityId(peer): (count, since) for peer, count, since in driver_of(tx).execute(sql)}


def counts(tx: Transaction) -> dict[tuple[AuthorityId, DeliveryState], int]:
    """Return how many messages are in which state, by peer; control rows are not counted."""
    sql = "SELECT peer, state, count(*) FROM outbox WHERE operation = 0 GROUP BY peer, state"
    found = driver_of(tx).execute(sql)
    return {(AuthorityId(peer), DeliveryState(state)): count for peer, state, count in found}


def hash_prefix(digest: Digest) -> int:
    """Return the first 8 octets of a hash as the signed integer under which it is indexed."""
    return int.from_bytes(bytes.fromhex(digest[:16]), "big", signed=True)


def _new_row(
    item: Outgoing, peer: AuthorityId, *, position: int, body: int, now_ms: int
) -> tuple[object, ...]:
    control = item.envelope_class == CONTROL_CLASS
    return (
        position,
        item.envelope_id,
        peer,
        _OPERATIONS[Operation.RECEIPTS if control else Operation.ENVELOPES],
        int(item.envelope_class),
        item.routing_id,
        hash_prefix(item.envelope_hash),
        item.envelope_hash,
        item.record_hash,
        len(item.octets),
        body,
        item.held_for.value if item.held_for else "",
        NEVER_MS if item.held_for else 0,
        item.deadline_ms,
        now_ms,
    )


def _sent_row(row: Sequence[object]) -> SentRow:
    found = SentRow._make(row)
    return found._replace(state=DeliveryState(found.state))


def _by_hash(tx: Transaction, peer: AuthorityId, digests: Iterable[Digest]) -> dict[Digest, SentRow]:
    driver = driver_of(tx)
    sql = f"{_SENT} WHERE hash_prefix = ? AND peer = ? AND operation = 0"
    found: dict[Digest, SentRow] = {}
    for digest in digests:
        for row in map(_sent_row, driver.execute(sql, (hash_prefix(digest), peer))):
            if row.envelope_hash == digest:
                found[digest] = row
    return found


def _mismatch(row: SentRow | None, entry: ReceiptEntry) -> ReasonCode | None:
    """Say why an entry of a peer's receipt does not count, or None."""
    if row is None:
        return ReasonCode.ACK_UNKNOWN
    if entry.status is ReceiptStatus.UNDELIVERABLE:  # only the sender itself may say so
        return ReasonCode.EVIDENCE_INVALID
    unopened = entry.status is ReceiptStatus.REJECTED and not entry.record
    return None if unopened or entry.record == row.record_hash else ReasonCode.EVIDENCE_INVALID


def _take(
    tx: Transaction, stored: records.ReceiptRow, matched: Sequence[tuple[SentRow, ReceiptEntry]], now_ms: int
) -> tuple[list[tuple[SentRow, DeliveryState]], list[SentRow]]:
    """Move the rows of a new receipt, and keep it for those that it tells something about.

    Returns:
        What moved, and what it contradicts.
    """
    moved: list[tuple[SentRow, DeliveryState]] = []
    against: list[SentRow] = []
    beside: list[int] = []
    decided: list[tuple[str, str, int]] = []
    risen: list[tuple[str, int]] = []
    for row, entry in matched:
        try:
            state = advance(row.state, entry.status)
        except RemoteProtocolError:
            if _has_room(tx, row):
                against.append(row)
                beside.append(row.position)
            continue
        if state is not row.state:
            moved.append((row, state))
        if row.state is DeliveryState.QUEUED:
            decided.append((state.value, entry.reason.value if entry.reason else "", row.position))
        elif state is not row.state:
            risen.append((state.value, row.position))
            beside.append(row.position)
        elif _has_room(tx, row):
            beside.append(row.position)
    if decided or beside:
        number = records.add_receipt(tx, stored, now_ms)
        driver = driver_of(tx)
        driver.executemany(
            "UPDATE outbox SET state = ?1, reason = ?2, receipt = ?4, decided_ms = ?5 WHERE position = ?3",
            [(*one, number, now_ms) for one in decided],
        )
        driver.executemany("UPDATE outbox SET state = ? WHERE position = ?", risen)
        _let_go(tx, [position for *_, position in decided])
        driver.executemany(
            "INSERT INTO outbox_evidence (position, receipt, stored_ms) VALUES (?, ?, ?)",
            [(position, number, now_ms) for position in beside],
        )
    return moved, against


def _has_room(tx: Transaction, row: SentRow) -> bool:
    """Say whether one more receipt is kept beside what is known, though it moves nothing."""
    sql = "SELECT count(*) FROM outbox_evidence WHERE position = ?"
    return (records.number_of(tx, sql, row.position) or 0) < MAX_BESIDE


def _let_go(tx: Transaction, positions: Iterable[object]) -> None:
    """Delete the octets behind rows that ended, unless another recipient still waits for them.

    The rows of one envelope stand together, the first in the position of its octets.
    """
    driver_of(tx).executemany(
        "DELETE FROM outbox_body WHERE position = (SELECT body FROM outbox WHERE position = ?1)"
        " AND NOT EXISTS (SELECT 1 FROM outbox AS other WHERE other.position >= outbox_body.position"
        " AND other.position < outbox_body.position + ?2"
        " AND other.body = outbox_body.position AND other.state = 'queued')",
        [(position, limits.MAX_RECIPIENTS) for position in positions],
    )
