# SPDX-License-Identifier: Apache-2.0
"""Runs the node of one home folder as a process: files, sockets, signals of the service manager.

Not the composition of rooms: that is `node`, which knows no file and no socket.

1. Opened in order, closed in reverse: database, lines, tasks, the socket at home, the port for peers.
2. The database is checked against what is noted outside it before anything is sent.
3. Only certificates that the directory lists may be on the line; removal takes effect at once.
4. Ready means: peers are let in and the command line is answered.
"""

import asyncio
import socket
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from functools import partial

from globe_node.api.application import build_application, serving
from globe_node.api.operations import Operations
from globe_node.api.rooms import ReadingRooms, RunningRooms
from globe_node.audit.checkpoints import Checkpoints
from globe_node.audit.high_water import FileHighWater
from globe_node.clock import Clock
from globe_node.config import Settings
from globe_node.consultations.export import Exporter
from globe_node.delivery.lanes import Pace
from globe_node.delivery.link import Answer, Operation, PeerAddress
from globe_node.faults import FaultPoints
from globe_node.groups.day_keys import FileOfKeys
from globe_node.home import Home
from globe_node.logs import EventLog
from globe_node.lookup.desk import LookupDesk
from globe_node.lookup.index import open_index
from globe_node.neighbours.greeting import parse_greeting
from globe_node.node import Node, NodeParts, build_node
from globe_node.peering.application import PeerSite
from globe_node.peering.client import HTTPTransport
from globe_node.peering.doctor import Finding, Instruments, examine
from globe_node.peering.resolver import CheckingResolver
from globe_node.peering.settings import SiteLimits
from globe_node.peering.tls import TrustedPeers
from globe_node.store.database import StoreFiles, open_database
from globe_node.store.door import ThreadDoor
from globe_node.store.instance import InstanceFile
from keys.node_keys import NodeKeys
from keys.tls_identity import TLSIdentity
from protocol.identifiers import AuthorityId, parse_digest
from protocol.interfaces import Entropy

TRUST_SECONDS = 60.0
"""How often certificates are looked at again: they end by time, without a statement."""
CLOSE_SECONDS = 3.0


@dataclass(frozen=True, slots=True)
class World:
    """What a process is given."""

    clock: Clock
    entropy: Entropy
    faults: FaultPoints
    log: EventLog


@dataclass(frozen=True, slots=True)
class Place:
    """Where a running node is reached.

    Attributes:
        port: the port for peers.
        socket: the path of the socket for programs of this authority.
    """

    port: int
    socket: str


async def serve(
    home: Home,
    settings: Settings,
    node_keys: NodeKeys,
    *,
    world: World,
    ready: Callable[[Place], None],
    stop: asyncio.Event,
) -> None:
    """Run a node until `stop` is set.

    Args:
        home: where its files are.
        settings: of that home.
        node_keys: opened from its keystore.
        world: time, chance, faults and log.
        ready: called once, when the node can be reached.
        stop: set to end in order.

    Raises:
        NodeError: the home, the store or the port can't be used.
        BaseExceptionGroup: a task failed; its exception is the reason.
    """
    files = store_files(home)
    database = open_database(files, world.entropy)
    store = ThreadDoor(database, faults=world.faults, monotonic=world.clock.monotonic)
    line = _Line(node_keys.tls)
    house = _House(home, settings, world, high_water=FileHighWater(InstanceFile(files.instance)))
    node = build_node(
        NodeParts(
            node_keys=node_keys,
            incarnation=database.incarnation,
            store=store,
            key_file=FileOfKeys(home.group_keys),
            transport=line,
            clock=world.clock,
            entropy=world.entropy,
            faults=world.faults,
            log=world.log,
            deadline_seconds=settings.delivery.deadline_seconds,
            pace=_pace_of(settings),
            services=(partial(_watched, store), house.checkpoints, house.socket, house.site),
        )
    )
    line.sample = lambda: not node.register.is_empty and node.register.state.network.sample
    try:
        await house.checkpoints_of(node).verify_start()
        async with node.running():
            ready(Place(house.port, str(home.socket)))
            await stop.wait()
    finally:
        await line.close()
        await store.close()


def _pace_of(settings: Settings) -> Pace:
    return Pace(
        batch_envelopes=settings.delivery.batch_envelopes,
        request_seconds=settings.peering.request_timeout_seconds,
        receipt_wait_seconds=settings.delivery.receipt_wait_milliseconds / 1000,
        key_packages=settings.delivery.key_packages,
    )


@asynccontextmanager
async def _watched(store: ThreadDoor, node: Node) -> AsyncIterator[None]:
    """End the node when the store has failed: nothing is acknowledged after that, and it must be seen."""
    async with node.helped_by(store.watch()):
        yield


def store_files(home: Home) -> StoreFiles:
    """Return where the store of a home keeps its files."""
    return StoreFiles(home.database, home.lock, home.high_water)


def notify(state: str, environment: Mapping[str, str]) -> None:
    """Tell the service manager a state such as `READY=1`; without one, nothing happens.

    Spec: sd_notify(3).
    """
    address = environment.get("NOTIFY_SOCKET", "")
    if not address:
        return
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as messenger:
        messenger.connect("\0" + address[1:] if address.startswith("@") else address)
        messenger.sendall(state.encode("ascii"))


class _Line:
    """The line to peers; in a sample network it may lead to addresses of this machine.

    Attributes:
        sample: whether this node's network is one, asked with each request.
    """

    def __init__(self, identity: TLSIdentity) -> None:
        self._identity = identity
        self._inner = HTTPTransport(identity)
        self._private = False
        self.sample: Callable[[], bool] = lambda: False

    async def request(
        self, peer: PeerAddress, operation: Operation, *, body: bytes, deadline_seconds: float
    ) -> Answer:
        """See `globe_node.delivery.link.Transport`."""
        if self.sample() != self._private:
            before, self._private = self._inner, not self._private
            self._inner = HTTPTransport(self._identity, private_addresses_allowed=self._private)
            await before.close()
        return await self._inner.request(peer, operation, body=body, deadline_seconds=deadline_seconds)

    async def close(self) -> None:
        """Close all connections."""
        await self._inner.close()


class _House:
    """The services of one home; each is entered with the node it serves."""

    def __init__(self, home: Home, settings: Settings, world: World, *, high_water: FileHighWater) -> None:
        self._home = home
        self._settings = settings
        self._world = world
        self._high_water = high_water
        self.port = 0

    def checkpoints_of(self, node: Node) -> Checkpoints:
        """Return what signs the node's audit log."""
        return Checkpoints(
            node.parts.store,
            name=node.audit.name,
            high_water=self._high_water,
            signer=node.parts.node_keys.log,
        )

    @asynccontextmanager
    async def checkpoints(self, node: Node) -> AsyncIterator[None]:
        """Sign the audit log at intervals, and once more at the end."""
        checkpoints = self.checkpoints_of(node)
        interval = float(self._settings.audit.checkpoint_seconds)
        async with node.helped_by(checkpoints.run(self._world.clock, interval)):
            yield
        await checkpoints.sign()

    @asynccontextmanager
    async def socket(self, node: Node) -> AsyncIterator[None]:
        """Answer the programs of this authority."""
        lookup = LookupDesk(open_index(self._home.lookup_index))
        operations = operations_of(node, self._high_water, lookup)
        try:
            async with serving(build_application(operations, self._world.log), self._home.socket):
                yield
        finally:
            await lookup.close()

    @asynccontextmanager
    async def site(self, node: Node) -> AsyncIterator[None]:
        """Let peers in."""
        peering = self._settings.peering
        trusted = TrustedPeers()

        def look_again(_state: object = None) -> None:
            trusted.replace(node.book.certificates())

        look_again()
        node.register.subscribe(look_again)
        site = PeerSite(
            node.reception,
            identity=node.parts.node_keys.tls,
            peers=trusted,
            endpoints=[peering.endpoint] if peering.endpoint else [],
            clock=self._world.clock,
            log=self._world.log,
            limits=SiteLimits(
                max_connections=peering.max_connections,
                max_connections_per_source=peering.max_connections_per_source,
            ),
        )
        self.port = site.listen(peering.listen_host, peering.listen_port)

        async def watch() -> None:
            while True:
                await self._world.clock.sleep(TRUST_SECONDS)
                look_again()

        async with AsyncExitStack() as stack:
            stack.callback(site.close)
            if self._settings.network and node.register.fingerprint is None:
                await node.register.pin(parse_digest(self._settings.network))
            await stack.enter_async_context(node.helped_by(watch()))
            await stack.enter_async_context(node.helped_by(site.serve()))
            yield


def operations_of(node: Node, high_water: FileHighWater, lookup: LookupDesk) -> Operations:
    """Return the operations of a running node."""
    reading = ReadingRooms(
        store=node.parts.store,
        register=node.register,
        lookup=lookup,
        audit=node.audit,
        node_keys=node.parts.node_keys,
        clock=node.parts.clock,
        marks=high_water.marks,
    )
    running = RunningRooms(
        arrivals=node.intake.arrivals,
        reading=reading,
        desk=node.desk,
        opener=node.reading,
        exporter=Exporter(node.office),
        courier=node.courier,
        book=node.book,
        rounds=node.rounds,
        supply=node.supply,
        caretaker=node.caretaker,
        examine=partial(examine_peer, node),
    )
    return Operations(reading, running)


async def examine_peer(node: Node, peer: AuthorityId) -> Sequence[Finding]:
    """Test the line to a peer as the node uses it, step by step.

    Raises:
        ProtocolError: the directory has no way to it.
    """
    directory = node.register.state
    private = directory.network.sample
    resolver = CheckingResolver(private_allowed=private)
    try:
        return await examine(
            node.book.address_of(peer),
            Instruments(
                identity=node.parts.node_keys.tls,
                transport=node.parts.transport,
                resolver=resolver,
                private_addresses_allowed=private,
                clock=node.parts.clock,
                view=directory.view,
                greeting=lambda: node.rounds.own_greeting().to_bytes(),
                read_greeting=parse_greeting,
            ),
        )
    finally:
        await resolver.close()
