# SPDX-License-Identifier: Apache-2.0
"""The composition root: builds the rooms of one node, runs their tasks, and stops them in order.

Not a place for work: every rule and every act is in a room.

1. Whatever touches the world (store, line, clock, chance, faults, log) is handed in; a simulation hands in
   others and gets the same node.
2. One task group holds every task. A task that fails stops the node with that failure as the reason; the
   service manager starts it again.
3. Start and stop are pairs: what is opened first is closed last.
4. To stop: nothing new is taken in, what was accepted is stored, then the tasks end. What was not sent yet is
   in the outbox.
"""

import asyncio
from collections.abc import AsyncIterator, Callable, Collection, Coroutine, Sequence
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from globe_node.audit.log import AuditLog, LogName
from globe_node.audit.vault import DerivedPeriodKeys, Vault
from globe_node.clock import Clock
from globe_node.consultations.casebook import KnownRequests
from globe_node.consultations.closing import Closer
from globe_node.consultations.drafting.sealing import Sealer
from globe_node.consultations.intake import Intake
from globe_node.consultations.office import Office
from globe_node.consultations.reading import ReadingRoom
from globe_node.consultations.resending.asking import ask_for_missing
from globe_node.consultations.resending.resender import Resender
from globe_node.consultations.submit import Desk
from globe_node.delivery.clerk import Clerk, ClerkDesk
from globe_node.delivery.courier import Courier
from globe_node.delivery.journal import Journal
from globe_node.delivery.lanes import DEFAULT_PACE, LaneTools, Pace
from globe_node.delivery.link import PeerIdentity, Transport
from globe_node.delivery.outbox import Queued
from globe_node.delivery.reception import Reception, ReceptionDesk
from globe_node.delivery.settlement import ReceiptBoard, Settlement
from globe_node.directory.register import Register
from globe_node.faults import FaultPoints
from globe_node.groups.comparing.comparer import Comparer
from globe_node.groups.comparing.desk import ComparingDesk
from globe_node.groups.day_keys import DayKeys, KeyFile
from globe_node.groups.keeping import Keeper
from globe_node.groups.known import KnownGroups
from globe_node.groups.packages.supply import Supply
from globe_node.groups.returning.desk import HubDesk
from globe_node.groups.returning.finding import Finder
from globe_node.groups.returning.member import Member
from globe_node.groups.succession.successor import Successor
from globe_node.groups.upkeep.caretaker import Caretaker
from globe_node.groups.upkeep.renewer import Renewer
from globe_node.groups.workbench import Workbench
from globe_node.logs import EventLog
from globe_node.neighbours.book import DirectoryBook
from globe_node.neighbours.rounds import Rounds, RoundsTools
from globe_node.store.door import Store
from keys.node_keys import NodeKeys
from protocol import limits
from protocol.audit.events import AuditEvent, EventKind
from protocol.identifiers import AuthorityId, NodeName
from protocol.interfaces import Entropy, Signer

DRAIN_SECONDS = 5.0
"""How long a stop waits for what was accepted to be stored."""

Service = Callable[["Node"], AbstractAsyncContextManager[None]]
"""Something that lets others reach the node while it runs: a socket, a port."""


@dataclass(frozen=True, slots=True)
class NodeParts:
    """What a node is built of.

    Attributes:
        node_keys: who it is, and its secrets.
        incarnation: 16 hex digits, another after every restore.
        store: the database; whoever opened it closes it.
        key_file: where the keys of group secrets are kept, outside the database.
        transport: the line to peers.
        deadline_seconds: how long delivery is tried when a message does not say.
        pace: sizes and waits of delivery.
        services: opened once the tasks run, closed before they end.
    """

    node_keys: NodeKeys
    incarnation: str
    store: Store
    key_file: KeyFile
    transport: Transport
    clock: Clock
    entropy: Entropy
    faults: FaultPoints
    log: EventLog
    deadline_seconds: int = limits.DEFAULT_DEADLINE_SECONDS
    pace: Pace = DEFAULT_PACE
    services: Sequence[Service] = ()


class TaskBook:
    """Starts tasks in the node's task group, and ends them all."""

    def __init__(self) -> None:
        self._group: asyncio.TaskGroup | None = None
        self._tasks: set[asyncio.Task[None]] = set()

    def open(self, group: asyncio.TaskGroup) -> None:
        """Start tasks in this group from now on."""
        self._group = group

    def spawn(self, work: Coroutine[Any, Any, None]) -> "asyncio.Task[None] | None":
        """Start a task; one that comes while the node stops is never begun."""
        if self._group is None:
            work.close()
            return None
        task = self._group.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task

    def end(self) -> None:
        """Cancel every task, and start no other."""
        self._group = None
        for task in tuple(self._tasks):
            task.cancel()


@dataclass(frozen=True, slots=True)
class Node:
    """One node with its rooms. It works while `running` is entered.

    Attributes:
        office: what the rooms of consultations share.
        desk: takes messages in.
        reading: opens records for practitioners.
        reception: answers peers; the line hands requests to it.
        courier: delivers.
        rounds: keeps the directory the same everywhere.
        sealer: seals what waited for keys.
        resender: sends again what members have lost.
        keeper: renews the seals of group secrets.
        supply: gives and gets key packages.
        finder: asks after a restore in which groups this node is.
        member: has our commits placed by hubs, and brings back groups that are lost.
        comparer: shows other members what hubs gave us, and looks at what they were given.
        caretaker: takes out of groups what fell, and gives members new keys in them.
        successor: continues consultations whose hub is gone.
        closer: destroys the secrets of groups whose consultation is over.
    """

    parts: NodeParts
    register: Register
    book: DirectoryBook
    audit: AuditLog
    office: Office
    desk: Desk
    intake: Intake
    reading: ReadingRoom
    courier: Courier
    reception: Reception
    rounds: Rounds
    sealer: Sealer
    resender: Resender
    keeper: Keeper
    supply: Supply
    finder: Finder
    member: Member
    comparer: Comparer
    caretaker: Caretaker
    successor: Successor
    closer: Closer
    _tasks: TaskBook = field(repr=False)

    @property
    def identity(self) -> PeerIdentity:
        """Who this node is."""
        return identity_of(self.parts.node_keys)

    @asynccontextmanager
    async def running(self) -> AsyncIterator["Node"]:
        """Run the node's tasks while the block runs.

        Raises:
            StoreError: the store can't be read or written.
            BaseExceptionGroup: a task failed; its exception is the reason why the node stopped.
        """
        await self.register.load()
        await self._note(EventKind.NODE_STARTED)
        try:
            async with asyncio.TaskGroup() as group:
                self._tasks.open(group)
                for work in self._work():
                    self._tasks.spawn(work())
                try:
                    async with AsyncExitStack() as stack:
                        for service in self.parts.services:
                            await stack.enter_async_context(service(self))
                        yield self
                    await self.desk.drain(DRAIN_SECONDS)
                finally:
                    self._tasks.end()
        finally:
            self.parts.log.info("the node has stopped its tasks")
        await self._note(EventKind.NODE_STOPPED)

    def _work(self) -> tuple[Callable[[], Coroutine[Any, Any, None]], ...]:
        """Return what the node does as long as it runs."""
        return (
            self.desk.run,
            self.intake.run,
            self.courier.run,
            self.rounds.run,
            self.sealer.run,
            self.resender.run,
            self.keeper.run,
            self.finder.run,
            self.member.run,
            self.comparer.run,
            self.caretaker.run,
            self.successor.run,
            self.closer.run,
        )

    @asynccontextmanager
    async def helped_by(self, work: Coroutine[Any, Any, None]) -> AsyncIterator[None]:
        """Run one more task of the node while the block runs; its failure stops the node too."""
        task = self._tasks.spawn(work)
        try:
            yield
        finally:
            if task is not None:
                task.cancel()
                await asyncio.wait([task])

    async def _note(self, kind: EventKind) -> None:
        event = AuditEvent(kind=kind, at=self.parts.clock.now(), key=self.parts.node_keys.signing.key_id)
        await self.parts.store.write(lambda tx: self.audit.append(tx, [event]))


def build_node(parts: NodeParts) -> Node:
    """Put the rooms of a node together; nothing is read, sent or started yet."""
    keys_of_node = parts.node_keys
    identity = identity_of(keys_of_node)
    audit = AuditLog(
        LogName(identity.authority, identity.node, parts.incarnation),
        Vault(DerivedPeriodKeys(keys_of_node.storage)),
        parts.entropy,
    )
    register = Register(parts.store, parts.clock, audit)
    book = DirectoryBook(register, parts.clock, identity.authority)
    bench = _build_bench(parts, register, audit, lambda: office.signer(register.state))
    office = Office(
        store=parts.store,
        register=register,
        audit=audit,
        node_keys=keys_of_node,
        incarnation=parts.incarnation,
        clock=parts.clock,
        entropy=parts.entropy,
        faults=parts.faults,
        log=parts.log,
        bench=bench,
        known=KnownGroups(),
        requests=KnownRequests(),
    )
    tasks = TaskBook()
    delivery = _build_delivery(parts, office, book, tasks)
    desk = Desk(
        office,
        deadline_seconds=parts.deadline_seconds,
        wake=delivery.courier.wake,
        need=delivery.supply.need,
        renew=delivery.groups.renewer.want,
    )
    _follow(register, delivery)
    return Node(
        parts=parts,
        register=register,
        book=book,
        audit=audit,
        office=office,
        desk=desk,
        intake=delivery.intake,
        reading=ReadingRoom(office, delivery.settlement, delivery.courier.wake),
        courier=delivery.courier,
        reception=delivery.reception,
        rounds=delivery.rounds,
        keeper=Keeper(bench),
        sealer=delivery.sealer,
        resender=delivery.resender,
        supply=delivery.supply,
        finder=Finder(bench, parts.transport, book),
        member=delivery.groups.member,
        comparer=Comparer(bench, office.known, parts.transport, book),
        caretaker=delivery.groups.caretaker,
        successor=delivery.groups.successor,
        closer=Closer(office),
        _tasks=tasks,
    )


def _follow(register: Register, delivery: "_Delivery") -> None:
    """Let those know of a change of the directory who act on it."""
    register.subscribe(lambda _state: delivery.courier.directory_changed())
    register.subscribe(lambda _state: delivery.intake.wake())
    register.subscribe(delivery.groups.caretaker.look)


def identity_of(node_keys: NodeKeys) -> PeerIdentity:
    """Return who the holder of these keys is."""
    return PeerIdentity(node_keys.authority, node_keys.node)


@dataclass(frozen=True, slots=True)
class _Groups:
    member: Member
    renewer: Renewer
    caretaker: Caretaker
    successor: Successor


@dataclass(frozen=True, slots=True)
class _Delivery:
    courier: Courier
    settlement: Settlement
    intake: Intake
    reception: Reception
    rounds: Rounds
    supply: Supply
    sealer: Sealer
    resender: Resender
    groups: _Groups


def _build_delivery(parts: NodeParts, office: Office, book: DirectoryBook, tasks: TaskBook) -> _Delivery:
    """Build everything between the outbox here and the inbox there."""
    clerk = _build_clerk(parts, office, book)
    journal = Journal(office.audit, parts.clock)

    def heard(peer: AuthorityId) -> None:
        courier.heard(peer)
        supply.heard(peer)
        groups.successor.heard(peer)

    async def top_up(peer: AuthorityId) -> None:
        await supply.top_up(peer)

    rounds = Rounds(_rounds_tools(parts, office, book), heard, top_up)
    supply = Supply(office.bench, parts.transport, book, spawn=tasks.spawn, refresh=rounds.want)
    courier = Courier(_lane_tools(parts, book, tasks, clerk=clerk, journal=journal), rounds.greet)
    board = ReceiptBoard()
    settlement = Settlement(clerk, board, wake=courier.wake, faults=parts.faults)

    def regrouped() -> None:
        intake.wake()
        sealer.look()
        resender.look()

    bench, known = office.bench, office.known
    groups = _build_groups(
        parts, office, book, tasks, wake=courier.wake, need=supply.need, regrouped=regrouped
    )
    sealer = Sealer(office, wake=courier.wake, need=supply.need, renew=groups.renewer.want)
    supply.subscribe(sealer.look)
    resender = Resender(office, wake=courier.wake)
    intake = Intake(office, settlement, refresh=rounds.want, regrouped=regrouped, asked=resender.look)
    reception = Reception(
        ReceptionDesk(
            store=parts.store,
            clerk=clerk,
            board=board,
            settlement=settlement,
            journal=journal,
            directory=rounds,
            packages=supply,
            groups=HubDesk(bench, known, courier.wake),
            comparing=ComparingDesk(bench, known),
            faults=parts.faults,
            wake_intake=intake.wake,
            heard=heard,
            receipt_wait_seconds=parts.pace.receipt_wait_seconds,
        )
    )
    supply.subscribe(groups.caretaker.supplied)
    return _Delivery(courier, settlement, intake, reception, rounds, supply, sealer, resender, groups)


def _build_groups(
    parts: NodeParts,
    office: Office,
    book: DirectoryBook,
    tasks: TaskBook,
    *,
    wake: Callable[[Queued], None],
    need: Callable[[Collection[AuthorityId]], None],
    regrouped: Callable[[], None],
) -> _Groups:
    """Build what keeps groups, comes back into them, and continues them."""
    bench, known = office.bench, office.known
    member = Member(
        bench,
        known,
        parts.transport,
        book,
        wake=wake,
        regrouped=regrouped,
        returned=lambda book, link: [ask_for_missing(office, book, link)],
    )
    renewer = Renewer(member, known.renewals, parts.clock, spawn=tasks.spawn, let_go=regrouped)
    caretaker = Caretaker(
        bench, known, office.audit, wake=wake, need=need, renew=renewer.want, regrouped=regrouped
    )
    successor = Successor(bench, known, parts.transport, book, wake=wake, regrouped=regrouped)
    return _Groups(member, renewer, caretaker, successor)


def _lane_tools(
    parts: NodeParts, book: DirectoryBook, tasks: TaskBook, *, clerk: Clerk, journal: Journal
) -> LaneTools:
    return LaneTools(
        store=parts.store,
        transport=parts.transport,
        peers=book,
        clerk=clerk,
        journal=journal,
        clock=parts.clock,
        entropy=parts.entropy,
        faults=parts.faults,
        spawn=tasks.spawn,
        pace=parts.pace,
    )


def _rounds_tools(parts: NodeParts, office: Office, book: DirectoryBook) -> RoundsTools:
    return RoundsTools(
        identity=identity_of(parts.node_keys),
        register=office.register,
        book=book,
        store=parts.store,
        transport=parts.transport,
        clock=parts.clock,
        entropy=parts.entropy,
        log=parts.log,
    )


def _build_bench(
    parts: NodeParts, register: Register, audit: AuditLog, signer: Callable[[], Signer]
) -> Workbench:
    """Put together what the room of groups works with."""
    node_keys = parts.node_keys
    return Workbench(
        name=NodeName(node_keys.authority, node_keys.node),
        store=parts.store,
        register=register,
        audit=audit,
        signer=signer,
        day_keys=DayKeys(parts.key_file, node_keys.storage, parts.incarnation, parts.entropy),
        clock=parts.clock,
        entropy=parts.entropy,
        faults=parts.faults,
        log=parts.log,
        pool_size=parts.pace.key_packages,
    )


def _build_clerk(parts: NodeParts, office: Office, book: DirectoryBook) -> Clerk:
    return Clerk(
        ClerkDesk(
            identity=identity_of(parts.node_keys),
            signer=lambda: office.signer(office.register.state),
            peers=book,
            clock=parts.clock,
            entropy=parts.entropy,
        )
    )
