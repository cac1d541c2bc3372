# SPDX-License-Identifier: Apache-2.0
"""What came in: held until intake has decided, remembered for ever. It opens nothing and decides no content.

1. The sender in the frame is the peer that the line has authenticated; anything else is refused.
2. The same id with the same octets is a repeat: it gets the receipt that is stored, octet for octet. The same
   id with other octets is a conflict: the first one stands.
3. A repeat is known before its times are looked at: who lost our receipt gets it even after the deadline.
4. What one peer may have held is bounded in number and in octets. One bad envelope never spoils its batch.
5. What can never be taken (expired, a field outside its rule) gets a signed rejection; what may be taken
   later (from the future, over quota) is refused without one, and the sender tries again.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from sqlalchemy import delete, func, insert, select, update

from globe_node.delivery import records
from globe_node.delivery.link import PeerIdentity
from globe_node.delivery.records import INBOX, INBOX_BODY, INBOX_HELD, HeldState
from globe_node.store.door import Transaction
from protocol.envelope import Envelope, EnvelopeClass, check_times, envelope_hash, parse_envelope
from protocol.errors import ReasonCode, RemoteProtocolError
from protocol.identifiers import AuthorityId, Digest, EnvelopeId, NodeId

_FOR_EVER = frozenset({ReasonCode.EXPIRED, ReasonCode.BAD_FIELD})
"""Faults of an envelope that no later attempt mends."""


@dataclass(frozen=True, slots=True)
class Quota:
    """What one peer may have held at a time."""

    envelopes: int = 5_000
    octets: int = 256 * 1024 * 1024


DEFAULT_QUOTA = Quota()


@dataclass(frozen=True, slots=True)
class Arrival:
    """One envelope of a batch, read but not opened.

    Attributes:
        envelope: the envelope.
        digest: its hash.
        fault: why it can't be taken now, or None.
    """

    envelope: Envelope
    digest: Digest
    fault: ReasonCode | None

    @property
    def envelope_id(self) -> EnvelopeId:
        """The id that its sender gave it."""
        return self.envelope.frame.envelope_id


@dataclass(frozen=True, slots=True)
class Batch:
    """The envelopes of one request, as far as they can be read.

    Attributes:
        peer: who sent them.
        arrivals: by id; of an id that came twice with other octets, the first.
        refused: what was refused before the store was asked.
        unreadable: codes of items without a readable id.
    """

    peer: PeerIdentity
    arrivals: Mapping[EnvelopeId, Arrival]
    refused: Mapping[EnvelopeId, ReasonCode]
    unreadable: Sequence[ReasonCode]


@dataclass(frozen=True, slots=True)
class Accepted:
    """What became of a batch.

    Attributes:
        held: new envelopes, now stored.
        receipts: repeats, with the receipt they got the first time.
        pending: repeats that intake has not decided yet.
        refused: not stored, with the reason.
        conflicts: refused for an id that was used before, with the hash of the one that came now.
        unacceptable: stored as positions without octets, to be rejected in the same transaction.
    """

    held: Sequence[Arrival] = ()
    receipts: Mapping[EnvelopeId, bytes] = field(default_factory=dict)
    pending: Sequence[EnvelopeId] = ()
    refused: Mapping[EnvelopeId, ReasonCode] = field(default_factory=dict)
    conflicts: Mapping[EnvelopeId, Digest] = field(default_factory=dict)
    unacceptable: Sequence[tuple[int, Arrival]] = ()


@dataclass(frozen=True, slots=True)
class HeldEnvelope:
    """One envelope that waits for intake.

    Attributes:
        position: where it stands in the inbox.
        sender: who sent it.
        node: from which node.
        envelope_id: its id.
        routing_id: 16 octets; envelopes with the same one belong together.
        envelope_hash: hash of its octets.
        tries: how often intake has failed on it.
        received_ms: when it was stored.
        octets: the envelope.
    """

    position: int
    sender: AuthorityId
    node: NodeId
    envelope_id: EnvelopeId
    routing_id: bytes
    envelope_hash: Digest
    tries: int
    received_ms: int
    octets: bytes = field(repr=False)


class _Stored(NamedTuple):
    """What is known of an envelope that came before."""

    envelope_id: EnvelopeId
    envelope_hash: Digest
    receipt: int


def read_batch(peer: PeerIdentity, items: Iterable[bytes], now_ms: int) -> Batch:
    """Read the envelopes of one request; nothing here raises for what is in them."""
    arrivals: dict[EnvelopeId, Arrival] = {}
    refused: dict[EnvelopeId, ReasonCode] = {}
    unreadable: list[ReasonCode] = []
    for item in items:
        try:
            envelope = parse_envelope(item)
        except RemoteProtocolError as error:
            unreadable.append(error.code)
            continue
        frame = envelope.frame
        if tuple(frame.sender) != (peer.authority, peer.node):
            refused[frame.envelope_id] = ReasonCode.REFUSED
            continue
        arrival = Arrival(envelope, envelope_hash(item), _fault(envelope, now_ms))
        first = arrivals.setdefault(arrival.envelope_id, arrival)
        if first.digest != arrival.digest:
            refused[arrival.envelope_id] = ReasonCode.ID_CONFLICT
    return Batch(peer, arrivals, refused, unreadable)


def accept(tx: Transaction, batch: Batch, *, now_ms: int, quota: Quota) -> Accepted:
    """Store what is new of a batch and say what is known of the rest."""
    known = _known(tx, batch.peer.authority, batch.arrivals)
    fresh: list[Arrival] = []
    conflicts: dict[EnvelopeId, Digest] = {}
    repeats: list[_Stored] = []
    for envelope_id, arrival in batch.arrivals.items():
        stored = known.get(envelope_id)
        if stored is None:
            fresh.append(arrival)
        elif stored.envelope_hash == arrival.digest:
            repeats.append(stored)
        else:
            conflicts[envelope_id] = arrival.digest
    refused = {**batch.refused, **dict.fromkeys(conflicts, ReasonCode.ID_CONFLICT)}
    held, lost = _within_quota(tx, batch.peer.authority, fresh, quota)
    refused.update(lost)
    positions = _store(tx, batch.peer, held, now_ms)
    receipts = records.receipts(tx, {stored.receipt for stored in repeats if stored.receipt})
    return Accepted(
        held=[arrival for arrival in held if arrival.fault is None],
        receipts={stored.envelope_id: receipts[stored.receipt] for stored in repeats if stored.receipt},
        pending=[stored.envelope_id for stored in repeats if not stored.receipt],
        refused=refused,
        conflicts=conflicts,
        unacceptable=[
            (position, arrival) for position, arrival in zip(positions, held, strict=True) if arrival.fault
        ],
    )


def take_due(tx: Transaction, now_ms: int, *, limit: int, max_bytes: int) -> list[HeldEnvelope]:
    """Return envelopes that intake may look at now, in order of arrival; at least one if there is any."""
    statement = (
        select(*(INBOX.c[name] for name in _HELD_COLUMNS), INBOX.c.size)
        .where(INBOX_HELD, INBOX.c.due_ms <= now_ms)
        .order_by(INBOX.c.due_ms, INBOX.c.position)
        .limit(limit)
    )
    rows = list(tx.execute(statement))
    total = 0
    for count, row in enumerate(rows):
        total += row.size
        if count and total > max_bytes:
            del rows[count:]
            break
    octets = records.bodies(tx, INBOX_BODY, [row.position for row in rows])
    return [_held(row, octets[row.position]) for row in rows]


def next_due_ms(tx: Transaction) -> int | None:
    """Return when intake next has something to look at, or None."""
    statement = select(INBOX.c.due_ms).where(INBOX_HELD).order_by(INBOX.c.due_ms).limit(1)
    found: int | None = tx.execute(statement).scalar_one_or_none()
    return found


def postpone(tx: Transaction, positions: Collection[int], until_ms: int) -> None:
    """Let envelopes wait, for example for the one before them."""
    for some in records.chunks(sorted(positions)):
        tx.execute(update(INBOX).where(INBOX.c.position.in_(some), INBOX_HELD).values(due_ms=until_ms))


def release(tx: Transaction, sender: AuthorityId, routing_ids: Collection[bytes], now_ms: int) -> int:
    """Make what waits under these routing ids due now; return how many envelopes that were."""
    released = 0
    for some in records.chunks(sorted(routing_ids)):
        where = (INBOX.c.sender == sender, INBOX_HELD, INBOX.c.routing_id.in_(some), INBOX.c.due_ms > now_ms)
        released += tx.execute(update(INBOX).where(*where).values(due_ms=now_ms)).rowcount
    return released


def count_try(tx: Transaction, position: int, until_ms: int) -> int:
    """Note that intake failed on an envelope, let it wait, and return how often it has failed now."""
    where = INBOX.c.position == position
    tx.execute(update(INBOX).where(where, INBOX_HELD).values(tries=INBOX.c.tries + 1, due_ms=until_ms))
    tries: int = tx.execute(select(INBOX.c.tries).where(where)).scalar_one()
    return tries


def finish(tx: Transaction, positions: Collection[int], *, state: HeldState, receipt: int) -> None:
    """Note the receipt of decided envelopes and let go of their octets."""
    for some in records.chunks(sorted(positions)):
        where = INBOX.c.position.in_(some)
        tx.execute(update(INBOX).where(where, INBOX_HELD).values(state=state.value, receipt=receipt))
        if state is HeldState.DONE:  # what is in quarantine is kept for the operator
            tx.execute(delete(INBOX_BODY).where(INBOX_BODY.c.position.in_(some)))


def counts(tx: Transaction) -> dict[tuple[AuthorityId, HeldState], int]:
    """Return how many envelopes are in which state, by sender."""
    statement = select(INBOX.c.sender, INBOX.c.state, func.count()).group_by(INBOX.c.sender, INBOX.c.state)
    return {(AuthorityId(sender), HeldState(state)): count for sender, state, count in tx.execute(statement)}


def issued(tx: Transaction, sender: AuthorityId, ids: Collection[EnvelopeId]) -> dict[EnvelopeId, bytes]:
    """Return the signed receipts that envelopes of one sender got, as far as they are decided."""
    decided = {stored.envelope_id: stored.receipt for stored in _known(tx, sender, ids).values()}
    stored = records.receipts(tx, {number for number in decided.values() if number})
    return {envelope_id: stored[number] for envelope_id, number in decided.items() if number}


_HELD_COLUMNS = (
    "position",
    "sender",
    "node",
    "envelope_id",
    "routing_id",
    "envelope_hash",
    "tries",
    "received_ms",
)


def _held(row: Sequence[Any], octets: bytes) -> HeldEnvelope:
    return HeldEnvelope(**dict(zip(_HELD_COLUMNS, row, strict=False)), octets=octets)


def _fault(envelope: Envelope, now_ms: int) -> ReasonCode | None:
    if envelope.frame.envelope_class is EnvelopeClass.CONTROL:  # receipts have a door of their own
        return ReasonCode.BAD_FIELD
    try:
        check_times(envelope.frame, now_ms)
    except RemoteProtocolError as error:
        return error.code
    return None


def _known(tx: Transaction, sender: AuthorityId, ids: Collection[EnvelopeId]) -> dict[EnvelopeId, _Stored]:
    found: dict[EnvelopeId, _Stored] = {}
    for some in records.chunks(sorted(ids)):
        columns = (INBOX.c.envelope_id, INBOX.c.envelope_hash, INBOX.c.receipt)
        where = (INBOX.c.sender == sender, INBOX.c.envelope_id.in_(some))
        found.update(
            (row.envelope_id, _Stored._make(row)) for row in tx.execute(select(*columns).where(*where))
        )
    return found


def _within_quota(
    tx: Transaction, sender: AuthorityId, fresh: Sequence[Arrival], quota: Quota
) -> tuple[list[Arrival], dict[EnvelopeId, ReasonCode]]:
    """Divide new envelopes into what is stored and what is refused for now."""
    where = (INBOX.c.sender == sender, INBOX_HELD)
    row = tx.execute(select(func.count(), func.coalesce(func.sum(INBOX.c.size), 0)).where(*where)).one()
    envelopes, octets = int(row[0]), int(row[1])
    held: list[Arrival] = []
    refused: dict[EnvelopeId, ReasonCode] = {}
    for arrival in fresh:
        size = len(arrival.envelope.raw)
        if arrival.fault is not None and arrival.fault not in _FOR_EVER:
            refused[arrival.envelope_id] = arrival.fault
        elif envelopes + 1 > quota.envelopes or octets + size > quota.octets:
            refused[arrival.envelope_id] = ReasonCode.QUOTA_EXCEEDED
        else:
            held.append(arrival)
            envelopes, octets = envelopes + 1, octets + size
    return held, refused


def _store(tx: Transaction, peer: PeerIdentity, arrivals: Sequence[Arrival], now_ms: int) -> list[int]:
    if not arrivals:
        return []
    first = records.next_position(tx, INBOX)
    positions = list(range(first, first + len(arrivals)))
    rows = [
        {
            "position": position,
            "sender": peer.authority,
            "node": peer.node,
            "envelope_id": arrival.envelope_id,
            "routing_id": arrival.envelope.frame.routing_id,
            "envelope_hash": arrival.digest,
            "size": len(arrival.envelope.raw),
            "state": HeldState.HELD.value,
            "tries": 0,
            "due_ms": now_ms,
            "received_ms": now_ms,
            "expires_ms": arrival.envelope.frame.expires_ms,
            "receipt": 0,
        }
        for position, arrival in zip(positions, arrivals, strict=True)
    ]
    octets = [
        {"position": position, "octets": arrival.envelope.raw}
        for position, arrival in zip(positions, arrivals, strict=True)
        if arrival.fault is None
    ]
    tx.execute(insert(INBOX), rows)
    if octets:
        tx.execute(insert(INBOX_BODY), octets)
    return positions
