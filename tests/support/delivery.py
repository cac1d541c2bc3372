# SPDX-License-Identifier: Apache-2.0
"""A node without people: real store, inbox, outbox, courier and reception, with a small stand-in for intake.

Its envelopes are not sealed: the sealed part is a text `consultation number word`, and the word says what the
stand-in does with it: `take`, `reject` (as content that can't be read) or `poison` (fails on every try).
"""

import asyncio
import contextlib
from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import sha256

from globe_node.audit.log import AuditLog
from globe_node.clock import Clock
from globe_node.delivery import inbox, outbox
from globe_node.delivery.clerk import Clerk, ClerkDesk, unix_ms
from globe_node.delivery.courier import Courier
from globe_node.delivery.inbox import HeldEnvelope
from globe_node.delivery.journal import Journal
from globe_node.delivery.lanes import DEFAULT_PACE, LaneTools, Pace, Spawn
from globe_node.delivery.link import PeerAddress, PeerIdentity, Transport
from globe_node.delivery.outbox import Outgoing
from globe_node.delivery.reception import Reception, ReceptionDesk
from globe_node.delivery.settlement import ReceiptBoard, Settled, Settlement, Verdict
from globe_node.faults import FaultPoints
from globe_node.store.door import Store, Transaction
from globe_node.store.driver import driver_of
from protocol.envelope import (
    Envelope,
    EnvelopeClass,
    Frame,
    envelope_bytes,
    envelope_hash,
    parse_envelope,
    routing_id_of,
)
from protocol.errors import ReasonCode, UntrustedError
from protocol.identifiers import (
    AuthorityId,
    Digest,
    DirectoryView,
    EnvelopeId,
    KeyId,
    NodeId,
    NodeName,
    uuid7,
)
from protocol.interfaces import Entropy
from protocol.signing.composite import PublicKey
from tests.support.signers import seeded_signer

MAX_TRIES = 3
GAP_SECONDS = 300.0
"""How long the stand-in waits for the message before one that came."""
VISIBLE = (
    "CREATE TABLE visible (position INTEGER PRIMARY KEY, sender TEXT NOT NULL, envelope_id BLOB NOT NULL,"
    " route TEXT NOT NULL, number INTEGER NOT NULL, octets BLOB NOT NULL) STRICT"
)


def identity_of(authority: str) -> PeerIdentity:
    return PeerIdentity(AuthorityId(authority), NodeId("main"))


class PeerList:
    """Implements `PeerBook` with a fixed list; whoever is in `barred` can't be reached, with that reason."""

    def __init__(self, owner: str, authorities: Sequence[str]) -> None:
        self._owner = AuthorityId(owner)
        self._authorities = sorted(AuthorityId(authority) for authority in authorities)
        self.barred: dict[AuthorityId, ReasonCode] = {}

    def address_of(self, authority: AuthorityId) -> PeerAddress:
        reason = self.barred.get(authority)
        if authority not in self._authorities:
            reason = ReasonCode.UNKNOWN_AUTHORITY
        if reason is not None:
            raise UntrustedError("not now", code=reason)
        return PeerAddress(authority, NodeId("main"), f"https://{authority}.example:8443", b"")

    def signing_key(self, authority: AuthorityId, key_id: KeyId) -> PublicKey:
        if authority not in self._authorities or seeded_signer(authority).key_id != key_id:
            raise UntrustedError("no such key")
        return seeded_signer(authority).admitted

    def others(self) -> Sequence[AuthorityId]:
        return [authority for authority in self._authorities if authority != self._owner]

    def view(self) -> DirectoryView:
        return DirectoryView(1, Digest("0" * 64))


class NoDirectory:
    """Implements `DirectoryDesk`: answers nothing."""

    async def greeting(self, peer: PeerIdentity, body: bytes) -> bytes:
        return b"{}"

    async def statements(self, peer: PeerIdentity, body: bytes) -> bytes:
        return b"{}"


class NoPackages:
    """Implements `PackageDesk`: answers nothing."""

    async def key_packages(self, peer: PeerIdentity, body: bytes) -> bytes:
        return b"{}"


class NoGroups:
    """Implements `GroupDesk`: answers nothing."""

    async def commits(self, peer: PeerIdentity, body: bytes) -> bytes:
        return b"{}"

    async def group_info(self, peer: PeerIdentity, body: bytes) -> bytes:
        return b"{}"


class NoComparing:
    """Implements `ComparingDesk`: answers nothing."""

    async def hub_receipts(self, peer: PeerIdentity, body: bytes) -> bytes:
        return b"{}"


@dataclass(frozen=True, slots=True)
class Machine:
    """What a station runs on; survives nothing but the store."""

    authority: str
    authorities: Sequence[str]
    store: Store
    clock: Clock
    entropy: Entropy
    transport: Transport
    faults: FaultPoints
    spawn: Spawn
    log: AuditLog
    pace: Pace = DEFAULT_PACE


@dataclass(frozen=True, slots=True)
class Text:
    """One message of a station."""

    to: str
    route: str
    number: int
    word: str = "take"
    lifetime_seconds: float = 86_400.0


@dataclass(slots=True)
class Station:
    """One running node of the stand-in kind."""

    machine: Machine
    peers: PeerList
    board: ReceiptBoard
    clerk: Clerk
    journal: Journal
    settlement: Settlement
    courier: Courier
    reception: Reception
    intake: "StandInIntake"

    def run(self) -> None:
        """Start the tasks of the node."""
        self.machine.spawn(self.courier.run())
        self.machine.spawn(self.intake.run())

    async def submit(self, text: Text) -> EnvelopeId:
        """Queue one message, as the desk does."""
        machine = self.machine
        item = outgoing(text, sender=machine.authority, now_ms=self.now_ms(), entropy=machine.entropy)

        def queue(tx: Transaction) -> outbox.Queued:
            return outbox.enqueue(tx, [item], self.now_ms())

        self.courier.wake(await machine.store.write(queue))
        return item.envelope_id

    async def read(self, sender: str, envelope: Envelope) -> None:
        """Issue a receipt for reading."""
        pairs = [(envelope_hash(envelope.raw), record_hash_of(envelope.sealed))]
        queued = await self.machine.store.write(
            lambda tx: self.settlement.read(tx, AuthorityId(sender), pairs)
        )
        self.courier.wake(queued)

    def now_ms(self) -> int:
        return unix_ms(self.machine.clock.now())


def build_station(machine: Machine) -> Station:
    """Compose a station; nothing runs yet."""
    peers = PeerList(machine.authority, machine.authorities)
    identity = identity_of(machine.authority)
    signer = seeded_signer(machine.authority)
    clerk = Clerk(ClerkDesk(identity, lambda: signer, peers, machine.clock, machine.entropy))
    journal = Journal(machine.log, machine.clock)
    board = ReceiptBoard()
    courier = Courier(
        LaneTools(
            store=machine.store,
            transport=machine.transport,
            peers=peers,
            clerk=clerk,
            journal=journal,
            clock=machine.clock,
            entropy=machine.entropy,
            faults=machine.faults,
            spawn=machine.spawn,
            pace=machine.pace,
        )
    )
    settlement = Settlement(clerk, board, wake=courier.wake, faults=machine.faults)
    intake = StandInIntake(machine, settlement)
    reception = Reception(
        ReceptionDesk(
            store=machine.store,
            clerk=clerk,
            board=board,
            settlement=settlement,
            journal=journal,
            directory=NoDirectory(),
            packages=NoPackages(),
            groups=NoGroups(),
            comparing=NoComparing(),
            faults=machine.faults,
            wake_intake=intake.wake,
            heard=courier.heard,
        )
    )
    return Station(machine, peers, board, clerk, journal, settlement, courier, reception, intake)


def outgoing(text: Text, *, sender: str, now_ms: int, entropy: Entropy) -> Outgoing:
    """Make the envelope of a message."""
    envelope_id = EnvelopeId(uuid7(now_ms, entropy.random_bytes(10)).bytes)
    deadline_ms = now_ms + int(text.lifetime_seconds * 1000)
    frame = Frame(
        envelope_class=EnvelopeClass.APPLICATION,
        sender=NodeName(AuthorityId(sender), NodeId("main")),
        routing_id=routing_id_of(text.route.encode()),
        envelope_id=envelope_id,
        created_ms=now_ms,
        expires_ms=deadline_ms,
    )
    sealed = f"{text.route} {text.number} {text.word}".encode()
    raw = envelope_bytes(frame.to_bytes(), sealed)
    return Outgoing(
        envelope_id=envelope_id,
        envelope_class=EnvelopeClass.APPLICATION,
        routing_id=frame.routing_id,
        octets=raw,
        envelope_hash=envelope_hash(raw),
        record_hash=record_hash_of(sealed),
        peers=(AuthorityId(text.to),),
        deadline_ms=deadline_ms,
    )


def record_hash_of(sealed: bytes) -> Digest:
    return Digest(sha256(b"record" + sealed).hexdigest())


class StandInIntake:
    """Takes what is held, in the order of numbers within a route, and answers with receipts."""

    def __init__(self, machine: Machine, settlement: Settlement) -> None:
        self._machine = machine
        self._settlement = settlement
        self._wanted = asyncio.Event()

    def wake(self) -> None:
        self._wanted.set()

    async def run(self) -> None:
        while True:
            self._wanted.clear()
            taken, next_ms = await self._machine.store.write(self._round)
            self._machine.faults.point("intake.after_commit")
            self._settlement.announce(taken)
            pause = None if next_ms is None else max(0.0, (next_ms - self._now_ms()) / 1000)
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(pause):
                    await self._wanted.wait()

    def _now_ms(self) -> int:
        return unix_ms(self._machine.clock.now())

    def _round(self, tx: Transaction) -> tuple[Settled, int | None]:
        now_ms = self._now_ms()
        verdicts: list[Verdict] = []
        for held in inbox.take_due(tx, now_ms, limit=100, max_bytes=4_000_000):
            verdict = self._decide(tx, held, now_ms)
            if verdict is not None:
                verdicts.append(verdict)
        settled = self._settlement.settle(tx, verdicts)
        self._machine.faults.point("intake.before_commit")
        return settled, inbox.next_due_ms(tx)

    def _decide(self, tx: Transaction, held: HeldEnvelope, now_ms: int) -> Verdict | None:
        sealed = parse_envelope(held.octets).sealed
        route, number, word = sealed.decode().split(" ")
        names = (held.position, held.sender, held.envelope_id, held.envelope_hash)
        if word == "poison":
            if inbox.count_try(tx, held.position, now_ms + 1000) < MAX_TRIES:
                return None
            return Verdict(*names, reason=ReasonCode.QUARANTINED, quarantined=True)
        if word == "reject":
            return Verdict(*names, record_hash_of(sealed), ReasonCode.BAD_CONTENT)
        driver = driver_of(tx)
        last = driver.execute(
            "SELECT coalesce(max(number), 0) FROM visible WHERE sender = ? AND route = ?",
            (held.sender, route),
        ).fetchone()[0]
        gap = int(number) > last + 1
        if gap and now_ms - held.received_ms < GAP_SECONDS * 1000:
            inbox.postpone(tx, [held.position], now_ms + 30_000)
            return None
        driver.execute(
            "INSERT INTO visible (sender, envelope_id, route, number, octets) VALUES (?, ?, ?, ?, ?)",
            (held.sender, held.envelope_id, route, int(number), held.octets),
        )
        inbox.release(tx, held.sender, [held.routing_id], now_ms)
        return Verdict(*names, record_hash_of(sealed))
