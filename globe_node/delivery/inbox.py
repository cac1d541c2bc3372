# SPDX-License-Identifier: Apache-2.0
"""What came in: held until intake has decided, remembered for ever. It opens nothing and decides no content.

1. The sender in the frame is the peer that the line has authenticated; anything else is refused.
2. The same id with the same octets is a repeat: it gets the receipt that is stored, octet for octet. The same
   id with other octets is a conflict: the first one stands.
3. A repeat is known before its times are looked at: who lost our receipt gets it even after the deadline.
4. What one peer may have held is bounded in number and in octets. One bad envelope never spoils its batch.
5. What was opened and must wait stays here too, in place of the envelope that it came in.
6. Intake gets a like share of what each sender has held.
7. What can never be taken (expired, a field outside its rule) gets a signed rejection; what may be taken
   later (from the future, over quota) is refused without one, and the sender tries again.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, NamedTuple

from globe_node.delivery import records
from globe_node.delivery.link import PeerIdentity
from globe_node.delivery.records import HeldState
from globe_node.store.door import Transaction
from globe_node.store.driver import driver_of
from protocol.envelope import Envelope, EnvelopeClass, check_times, envelope_hash, parse_envelope
from protocol.errors import ReasonCode, RemoteProtocolError
from protocol.identifiers import AuthorityId, Digest, EnvelopeId, NodeId

_FOR_EVER = frozenset({ReasonCode.EXPIRED, ReasonCode.BAD_FIELD})
"""Faults of an envelope that no later attempt mends."""
# The state of partial indexes is written out in statements, not bound: only so are the indexes used.
_NEW_ROW = (
    "INSERT INTO inbox (position, sender, node, envelope_id, routing_id, envelope_hash, size, state, tries,"
    " due_ms, received_ms, expires_ms, receipt) VALUES (?, ?, ?, ?, ?, ?, ?, 0, 0, ?, ?, ?, 0)"
)


_DUE = (
    "SELECT size, due_ms, position, sender, node, envelope_id, routing_id, envelope_hash, tries,"
    " received_ms, expires_ms, opened"
    " FROM inbox WHERE sender = ? AND state = 0 AND due_ms <= ? ORDER BY due_ms, position LIMIT ?"
)


@dataclass(frozen=True, slots=True)
class Quota:
    """What one peer may have held at a time, and may have stored in a day, whatever becomes of it."""

    envelopes: int = 5_000
    octets: int = 256 * 1024 * 1024
    envelopes_a_day: int = 1_000_000
    octets_a_day: int = 16 * 1024 * 1024 * 1024


DEFAULT_QUOTA = Quota()
_DAY_MS = 86_400_000


class DayBook:
    """Counts what each peer has had stored today; a restart begins anew."""

    def __init__(self, quota: Quota) -> None:
        self._quota = quota
        self._day = 0
        self._stored: dict[AuthorityId, tuple[int, int]] = {}

    def left(self, peer: AuthorityId, now_ms: int) -> Quota:
        """Return what a peer may have held and stored now."""
        if self._day != now_ms // _DAY_MS:
            self._day = now_ms // _DAY_MS
            self._stored.clear()
        envelopes, octets = self._stored.get(peer, (0, 0))
        quota = self._quota
        return replace(
            quota,
            envelopes_a_day=quota.envelopes_a_day - envelopes,
            octets_a_day=quota.octets_a_day - octets,
        )

    def note(self, peer: AuthorityId, arrivals: Iterable["Arrival"]) -> None:
        """Count what was stored."""
        envelopes, octets = self._stored.get(peer, (0, 0))
        for arrival in arrivals:
            envelopes, octets = envelopes + 1, octets + len(arrival.envelope.raw)
        self._stored[peer] = envelopes, octets


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
        conflicts: refused for an id that came twice, with the hash of the second.
        foreign: hashes of envelopes that name another sender than the peer.
        unreadable: codes of items without a readable id.
    """

    peer: PeerIdentity
    arrivals: Mapping[EnvelopeId, Arrival]
    refused: Mapping[EnvelopeId, ReasonCode]
    conflicts: Mapping[EnvelopeId, Digest]
    foreign: Sequence[Digest]
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

    @property
    def stored(self) -> list[Arrival]:
        """Everything that takes room from now on."""
        return [*self.held, *(arrival for _position, arrival in self.unacceptable)]


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
        expires_ms: until when it may be taken.
        opened: it was opened already and waits for something else.
        octets: the envelope; of an opened one, what intake put in its place.
    """

    position: int
    sender: AuthorityId
    node: NodeId
    envelope_id: EnvelopeId
    routing_id: bytes
    envelope_hash: Digest
    tries: int
    received_ms: int
    expires_ms: int
    opened: bool
    octets: bytes = field(repr=False)


class PutAway(NamedTuple):
    """One envelope in quarantine."""

    position: int
    sender: AuthorityId
    envelope_id: EnvelopeId
    envelope_hash: Digest
    received_ms: int


class _Stored(NamedTuple):
    """What is known of an envelope that came before."""

    envelope_id: EnvelopeId
    envelope_hash: Digest
    receipt: int


def read_batch(peer: PeerIdentity, items: Iterable[bytes], now_ms: int) -> Batch:
    """Read the envelopes of one request; nothing here raises for what is in them."""
    arrivals: dict[EnvelopeId, Arrival] = {}
    refused: dict[EnvelopeId, ReasonCode] = {}
    conflicts: dict[EnvelopeId, Digest] = {}
    foreign: list[Digest] = []
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
            foreign.append(envelope_hash(item))
            continue
        arrival = Arrival(envelope, envelope_hash(item), _fault(envelope, now_ms))
        first = arrivals.setdefault(arrival.envelope_id, arrival)
        if first.digest != arrival.digest:
            refused[arrival.envelope_id] = ReasonCode.ID_CONFLICT
            conflicts[arrival.envelope_id] = arrival.digest
    return Batch(peer, arrivals, refused, conflicts, foreign, unreadable)


def accept(tx: Transaction, batch: Batch, *, now_ms: int, quota: Quota) -> Accepted:
    """Store what is new of a batch and say what is known of the rest."""
    known = _known(tx, batch.peer.authority, batch.arrivals)
    fresh: list[Arrival] = []
    conflicts = dict(batch.conflicts)
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
    """Return envelopes that intake may look at now, in order of arrival.

    Every sender that has some gets a like share, so that a flood of one does not delay the others; at least
    one envelope of each is returned.
    """
    driver = driver_of(tx)
    senders = _holding_senders(tx)
    shares = max(1, len(senders))
    rows: list[tuple[Any, ...]] = []
    for sender in senders:
        found = driver.execute(_DUE, (sender, now_ms, max(1, limit // shares))).fetchall()
        rows.extend(_within(found, max_bytes // shares))
    rows.sort(key=lambda row: (row[1], row[2]))
    select = "SELECT octets FROM inbox_body WHERE position = ?"
    octets = records.octets_at(tx, select, [row[2] for row in rows])
    return [_held(row[2:], octets[row[2]]) for row in rows]


def next_due_ms(tx: Transaction) -> int | None:
    """Return when intake next has something to look at, or None."""
    return records.number_of(tx, "SELECT min(due_ms) FROM inbox WHERE state = 0")


def postpone(tx: Transaction, positions: Iterable[int], until_ms: int) -> None:
    """Let envelopes wait, for example for the one before them."""
    driver_of(tx).executemany(
        "UPDATE inbox SET due_ms = ? WHERE position = ? AND state = 0",
        [(until_ms, position) for position in positions],
    )


def release(tx: Transaction, sender: AuthorityId, routing_ids: Collection[bytes], now_ms: int) -> int:
    """Make what waits under these routing ids due now; return how many envelopes that were."""
    driver = driver_of(tx)
    sql = "SELECT position, routing_id FROM inbox WHERE sender = ? AND state = 0 AND due_ms > ?"
    waiting = driver.execute(sql, (sender, now_ms)).fetchall()
    positions = [position for position, routing_id in waiting if routing_id in routing_ids]
    postpone(tx, positions, now_ms)
    return len(positions)


def waiting_routes(tx: Transaction, before_ms: int) -> set[bytes]:
    """Return the routing ids of envelopes that nobody could open and that came before a moment."""
    sql = "SELECT DISTINCT routing_id FROM inbox WHERE state = 0 AND opened = 0 AND received_ms < ?"
    return {row[0] for row in driver_of(tx).execute(sql, (before_ms,))}


def keep_opened(tx: Transaction, opened: Mapping[int, bytes]) -> None:
    """Put what was found in envelopes in place of their octets: they can't be opened a second time.

    Args:
        tx: the transaction that opened them.
        opened: by position, sealed at rest.
    """
    driver = driver_of(tx)
    for position, octets in opened.items():
        driver.execute("UPDATE inbox SET opened = 1 WHERE position = ? AND state = 0", (position,))
        driver.execute("UPDATE inbox_body SET octets = ? WHERE position = ?", (octets, position))


def count_try(tx: Transaction, position: int, until_ms: int) -> int:
    """Note that intake failed on an envelope, let it wait, and return how often it has failed now."""
    sql = "UPDATE inbox SET tries = tries + 1, due_ms = ? WHERE position = ? AND state = 0"
    driver_of(tx).execute(sql, (until_ms, position))
    return records.number_of(tx, "SELECT tries FROM inbox WHERE position = ?", position) or 0


def finish(tx: Transaction, positions: Collection[int], *, state: HeldState, receipt: int) -> None:
    """Note the receipt of decided envelopes and let go of their octets."""
    driver = driver_of(tx)
    driver.executemany(
        "UPDATE inbox SET state = ?, receipt = ? WHERE position = ? AND state = 0",
        [(state.value, receipt, position) for position in positions],
    )
    if state is HeldState.DONE:  # what is in quarantine is kept for the operator
        driver.executemany(
            "DELETE FROM inbox_body WHERE position = ?", [(position,) for position in positions]
        )


def quarantined(tx: Transaction, limit: int) -> list[PutAway]:
    """Return envelopes that were put into quarantine and not yet dismissed, oldest first."""
    sql = (
        "SELECT position, sender, envelope_id, envelope_hash, received_ms FROM inbox"
        " WHERE state = 2 ORDER BY position LIMIT ?"
    )
    return [PutAway(*row) for row in driver_of(tx).execute(sql, (limit,))]


def dismiss(tx: Transaction, positions: Collection[int]) -> None:
    """Let go of envelopes in quarantine; their senders were told long ago, and the receipts stay."""
    driver = driver_of(tx)
    chosen = [(position,) for position in positions]
    driver.executemany("UPDATE inbox SET state = 1 WHERE position = ? AND state = 2", chosen)
    driver.executemany("DELETE FROM inbox_body WHERE position = ?", chosen)


def open_counts(tx: Transaction) -> tuple[int, int]:
    """Return how many envelopes wait for intake and how many are in quarantine; no other row is read."""
    driver = driver_of(tx)
    (held,) = driver.execute("SELECT count(*) FROM inbox WHERE state = 0").fetchone()
    (put_away,) = driver.execute("SELECT count(*) FROM inbox WHERE state = 2").fetchone()
    return int(held), int(put_away)


def counts(tx: Transaction) -> dict[tuple[AuthorityId, HeldState], int]:
    """Return how many envelopes are in which state, by sender."""
    found = driver_of(tx).execute("SELECT sender, state, count(*) FROM inbox GROUP BY sender, state")
    return {(AuthorityId(sender), HeldState(state)): count for sender, state, count in found}


def issued(tx: Transaction, sender: AuthorityId, ids: Collection[EnvelopeId]) -> dict[EnvelopeId, bytes]:
    """Return the signed receipts that envelopes of one sender got, as far as they are decided."""
    decided = {stored.envelope_id: stored.receipt for stored in _known(tx, sender, ids).values()}
    stored = records.receipts(tx, {number for number in decided.values() if number})
    return {envelope_id: stored[number] for envelope_id, number in decided.items() if number}


def _held(row: tuple[Any, ...], octets: bytes) -> HeldEnvelope:
    position, sender, node, envelope_id, routing_id, digest, tries, received_ms, expires_ms, opened = row
    return HeldEnvelope(
        position,
        sender,
        node,
        envelope_id,
        routing_id,
        digest,
        tries,
        received_ms,
        expires_ms,
        bool(opened),
        octets,
    )


def _holding_senders(tx: Transaction) -> list[str]:
    """Return every sender that has something held, by steps through the index."""
    driver = driver_of(tx)
    senders: list[str] = []
    last = ""
    while row := driver.execute(
        "SELECT sender FROM inbox WHERE state = 0 AND sender > ? ORDER BY sender LIMIT 1", (last,)
    ).fetchone():
        last = str(row[0])
        senders.append(last)
    return senders


def _within(rows: list[tuple[Any, ...]], max_bytes: int) -> list[tuple[Any, ...]]:
    """Return the first rows that fit into a number of octets; at least one if there is any."""
    total = 0
    for count, row in enumerate(rows):
        total += row[0]
        if count and total > max_bytes:
            return rows[:count]
    return rows


def _fault(envelope: Envelope, now_ms: int) -> ReasonCode | None:
    if envelope.frame.envelope_class is EnvelopeClass.CONTROL:  # receipts have a door of their own
        return ReasonCode.BAD_FIELD
    try:
        check_times(envelope.frame, now_ms)
    except RemoteProtocolError as error:
        return error.code
    return None


def _known(tx: Transaction, sender: AuthorityId, ids: Iterable[EnvelopeId]) -> dict[EnvelopeId, _Stored]:
    driver = driver_of(tx)
    sql = "SELECT envelope_id, envelope_hash, receipt FROM inbox WHERE sender = ? AND envelope_id = ?"
    rows = (driver.execute(sql, (sender, envelope_id)).fetchone() for envelope_id in ids)
    return {row[0]: _Stored._make(row) for row in rows if row is not None}


def _within_quota(
    tx: Transaction, sender: AuthorityId, fresh: Sequence[Arrival], quota: Quota
) -> tuple[list[Arrival], dict[EnvelopeId, ReasonCode]]:
    """Divide new envelopes into what is stored and what is refused for now."""
    sql = "SELECT count(*), coalesce(sum(size), 0) FROM inbox WHERE sender = ? AND state = 0"
    envelopes, octets = driver_of(tx).execute(sql, (sender,)).fetchone()
    most = min(quota.envelopes, envelopes + quota.envelopes_a_day)
    most_octets = min(quota.octets, octets + quota.octets_a_day)
    held: list[Arrival] = []
    refused: dict[EnvelopeId, ReasonCode] = {}
    for arrival in fresh:
        size = len(arrival.envelope.raw)
        if arrival.fault is not None and arrival.fault not in _FOR_EVER:
            refused[arrival.envelope_id] = arrival.fault
        elif envelopes + 1 > most or octets + size > most_octets:
            refused[arrival.envelope_id] = ReasonCode.QUOTA_EXCEEDED
        else:
            held.append(arrival)
            envelopes, octets = envelopes + 1, octets + size
    return held, refused


def _store(tx: Transaction, peer: PeerIdentity, arrivals: Sequence[Arrival], now_ms: int) -> list[int]:
    if not arrivals:
        return []
    first = records.number_of(tx, "SELECT coalesce(max(position), 0) + 1 FROM inbox") or 1
    positions = list(range(first, first + len(arrivals)))
    rows = [
        (
            position,
            peer.authority,
            peer.node,
            arrival.envelope_id,
            arrival.envelope.frame.routing_id,
            arrival.digest,
            len(arrival.envelope.raw),
            now_ms,
            now_ms,
            arrival.envelope.frame.expires_ms,
        )
        for position, arrival in zip(positions, arrivals, strict=True)
    ]
    octets = [
        (position, arrival.envelope.raw)
        for position, arrival in zip(positions, arrivals, strict=True)
        if arrival.fault is None
    ]
    driver = driver_of(tx)
    driver.executemany(_NEW_ROW, rows)
    driver.executemany("INSERT INTO inbox_body (position, octets) VALUES (?, ?)", octets)
    return positions
