# SPDX-License-Identifier: Apache-2.0
"""Groups of three nodes, with a line to the hub. Nothing else is carried but what a test carries."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import timedelta
from functools import partial
from typing import TypeVar

from globe_node.delivery.link import Answer, Operation, PeerAddress, PeerIdentity
from globe_node.delivery.outbox import Queued
from globe_node.errors import PeerUnreachableError
from globe_node.groups import arriving, hub, records
from globe_node.groups.book import GroupBook
from globe_node.groups.comparing.comparer import Comparer
from globe_node.groups.comparing.desk import ComparingDesk
from globe_node.groups.keeping import leave_out_secrets
from globe_node.groups.known import KnownGroups
from globe_node.groups.lineage import invited
from globe_node.groups.links import LinkRow
from globe_node.groups.packages import pool, stock
from globe_node.groups.returning.desk import HubDesk
from globe_node.groups.returning.member import Member
from globe_node.store.door import Transaction
from globe_node.store.driver import driver_of
from protocol.envelope import EnvelopeClass, Frame, envelope_bytes, parse_envelope
from protocol.errors import ReasonCode, RemoteProtocolError
from protocol.identifiers import AuthorityId, EnvelopeId, NodeId, NodeName, uuid7
from tests.support.clock import FixedClock
from tests.support.entropy import SeededEntropy
from tests.support.groups import GroupHouse
from tests.support.letters import letter_record
from tests.support.loops import run_inline

A, B, C = (AuthorityId(name) for name in ("xa-acc", "xb-ibu", "xc-aco"))
T = TypeVar("T")
MAIN = NodeId("main")
_TABLES = ("group_link", "group_core", "group_ratchet", "group_member", "group_commit")
ENTROPY = SeededEntropy("returning")


class Addresses:
    """The part of a `PeerBook` that is asked."""

    def address_of(self, authority: AuthorityId) -> PeerAddress:
        return PeerAddress(authority, MAIN, "https://peer.example:1", b"")


@dataclass
class Ring:
    """A opened a consultation with B and C and is the hub; members ask it through `request`."""

    clock: FixedClock = field(default_factory=FixedClock)
    houses: dict[str, GroupHouse] = field(default_factory=dict)
    known: dict[str, KnownGroups] = field(default_factory=dict)
    woken: list[tuple[str, Queued]] = field(default_factory=list)
    asked: list[Operation] = field(default_factory=list)
    regrouped: list[str] = field(default_factory=list)
    lose_answers: int = 0
    spoil_answers: int = 0
    before: Callable[[Operation], None] = field(default=lambda _operation: None)
    away: set[str] = field(default_factory=set)

    def __post_init__(self) -> None:
        self.opening = letter_record(recipients=(B, C))
        for name in (A, B, C):
            self.houses[name] = GroupHouse(name, clock=self.clock)
            self.known[name] = KnownGroups()
        self.restart_hub()
        self._found()

    def restart_hub(self) -> None:
        """Let the hub answer with the bench that its house has now."""
        self.known[A] = KnownGroups()
        self.desk = HubDesk(self.houses[A].bench, self.known[A], lambda queued: self._wake(A, queued))

    def _wake(self, name: str, queued: Queued) -> None:
        self.woken.append((name, queued))

    def _found(self) -> None:
        for name in (B, C):
            self.supply(name)

        def open_it(book: GroupBook) -> dict[AuthorityId, bytes]:
            link = hub.begin(book, self.opening.consultation, [A, B, C])
            packages, _missing = hub.find_packages(book, [NodeName(B, MAIN), NodeName(C, MAIN)])
            invitations = hub.open_group(book, link, self.opening.to_bytes(), packages)
            return {name: one.to_bytes() for name, one in invitations.items()}

        for name, sealed in self.at(A, open_it).items():
            envelope = parse_envelope(envelope_bytes(self.frame(A, EnvelopeClass.WELCOME).to_bytes(), sealed))
            self.at(name, partial(invited.take_invitation, envelope=envelope))

    def supply(self, name: AuthorityId) -> None:
        """Bring the hub key packages of a member."""
        giver, taker = self.houses[name], self.houses[A]
        request = taker.read(lambda tx: stock.next_request(taker.bench, tx, name))
        assert request is not None
        answer = giver.write(lambda tx: pool.offer(giver.bench, tx, A, request))
        taker.write(lambda tx: stock.take_in(taker.bench, tx, NodeName(name, MAIN), answer))

    def at(self, name: str, work: Callable[[GroupBook], T]) -> T:
        """Work with the groups of one node in a transaction."""
        house = self.houses[name]

        def act(tx: Transaction) -> T:
            book = GroupBook(house.bench, self.known[name], tx)
            result = work(book)
            book.write()
            return result

        return house.write(act)

    def link(self, name: str) -> LinkRow:
        consultation = self.opening.consultation
        return records.links_of(self.houses[name].database.writer, [consultation])[consultation]

    def frame(self, speaker: str, kind: EnvelopeClass) -> Frame:
        now_ms = self.houses[speaker].bench.now_ms()
        return Frame(
            envelope_class=kind,
            sender=NodeName(AuthorityId(speaker), MAIN),
            routing_id=self.link(A).routing_id,
            envelope_id=EnvelopeId(uuid7(now_ms, ENTROPY.random_bytes(10)).bytes),
            created_ms=now_ms,
            expires_ms=now_ms + 86_400_000,
        )

    def say(self, name: str, word: bytes = b"\1word") -> bytes:
        """Seal something in a node's group."""
        frame = self.frame(name, EnvelopeClass.APPLICATION)
        return self.at(name, lambda book: book.seal(self.link(name), frame, word))

    def hear(self, name: str, envelope: bytes) -> bytes:
        """Open something in a node's group."""
        return self.at(name, lambda book: arriving.hear(book, parse_envelope(envelope))).data

    def queued(self, name: str, peer: str) -> list[bytes]:
        """The envelopes that a node has queued for a peer, oldest first."""
        sql = (
            "SELECT b.octets FROM outbox AS o JOIN outbox_body AS b ON b.position = o.body"
            " WHERE o.peer = ? ORDER BY o.position"
        )
        return self.houses[name].read(lambda tx: [row[0] for row in driver_of(tx).execute(sql, (peer,))])

    def follow(self, name: str) -> None:
        """Bring a node the last commit that the hub has queued for it."""
        envelope = parse_envelope(self.queued(A, name)[-1])
        self.at(name, lambda book: arriving.follow(book, envelope))

    def member(self, name: str) -> Member:
        """The member's side of a node."""
        return Member(
            self.houses[name].bench,
            self.known[name],
            Line(self, AuthorityId(name)),
            Addresses(),  # type: ignore[arg-type]  # the part that is asked
            wake=lambda queued: self._wake(name, queued),
            regrouped=lambda: self.regrouped.append(name),
            returned=lambda _book, _link: (),
        )

    def renew(self, name: str) -> bool:
        return run_inline(self.member(name).renew(self.opening.consultation))

    def compare(self, name: str) -> None:
        """Let a node show the others what the hub gave it, as far as it has to."""
        house = self.houses[name]
        line, peers = Line(self, AuthorityId(name)), Addresses()
        comparer = Comparer(house.bench, self.known[name], line, peers)  # type: ignore[arg-type]  # the part that is asked
        asyncio.run(comparer.look())

    def look(self, name: str) -> None:
        run_inline(self.member(name).look())

    def lose(self, name: str) -> None:
        """Bring back a node from a backup: what is in none is gone."""
        self.houses[name].write(leave_out_secrets)
        self.known[name] = KnownGroups()

    def memory(self, name: str) -> dict[str, list[tuple[object, ...]]]:
        """What a node's store knows of its groups at this moment."""
        driver = driver_of(self.houses[name].database.writer)
        return {table: driver.execute(f"SELECT * FROM {table}").fetchall() for table in _TABLES}

    def put_back(self, name: str, memory: dict[str, list[tuple[object, ...]]]) -> None:
        """Put a node's store back to what it knew before, as a copy of its disk would."""

        def act(tx: Transaction) -> None:
            driver = driver_of(tx)
            for table, rows in memory.items():
                driver.execute(f"DELETE FROM {table}")
                for row in rows:
                    driver.execute(f"INSERT INTO {table} VALUES ({', '.join('?' * len(row))})", row)

        self.houses[name].write(act)
        self.known[name] = KnownGroups()

    def later(self, **span: float) -> None:
        self.clock.advance(timedelta(**span).total_seconds())

    def desk_of(self, name: AuthorityId) -> HubDesk:
        """What answers at a node."""
        if name == A:
            return self.desk
        return HubDesk(self.houses[name].bench, self.known[name], lambda queued: self._wake(name, queued))

    async def request(
        self, source: AuthorityId, to: AuthorityId, operation: Operation, body: bytes
    ) -> Answer:
        self.asked.append(operation)
        self.before(operation)
        if to in self.away:
            raise PeerUnreachableError("away")
        desk = self.desk_of(to)
        answer = desk.commits if operation is Operation.COMMITS else desk.group_info
        if operation is Operation.HUB_RECEIPTS:
            answer = ComparingDesk(self.houses[to].bench, self.known[to]).hub_receipts
        try:
            answered = Answer(None, await answer(PeerIdentity(source, MAIN), body))
        except RemoteProtocolError as error:
            answered = Answer(error.code, b"")
        if operation is Operation.COMMITS and self.spoil_answers:
            self.spoil_answers -= 1
            return Answer(ReasonCode.REFUSED, b"")
        if operation is Operation.COMMITS and self.lose_answers:
            self.lose_answers -= 1
            raise PeerUnreachableError("the answer is lost")
        return answered


@dataclass
class Line:
    """Implements `Transport` from one node to the others."""

    ring: Ring
    source: AuthorityId

    async def request(
        self, peer: PeerAddress, operation: Operation, *, body: bytes, deadline_seconds: float
    ) -> Answer:
        return await self.ring.request(self.source, peer.authority, operation, body)
