# SPDX-License-Identifier: Apache-2.0
"""Whole nodes in one process: real rooms and stores, lines in memory, virtual time."""

import asyncio
import contextlib
import io
import json
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from typing import Any, TypeVar

from globe_node.api.rooms import ReadingRooms
from globe_node.consultations import casefile
from globe_node.consultations.casefile import CaseView, EvidenceLine, RecordView
from globe_node.consultations.drafting.drafts import Draft, Submitted
from globe_node.delivery import inbox, outbox
from globe_node.delivery.records import HeldState
from globe_node.faults import FaultPoints, NoFaults
from globe_node.logs import open_log
from globe_node.lookup.desk import LookupDesk
from globe_node.lookup.index import open_index
from globe_node.node import Node, NodeParts, build_node
from globe_node.store.door import InlineDoor, Transaction
from keys.node_keys import NodeKeys
from protocol.audit.events import AuditEvent, EventKind
from protocol.codes.message_types import MessageType
from protocol.identifiers import AuthorityId, ConsultationId
from tests.simulation.loop import VirtualClock, run_virtual
from tests.support.audit import recorded
from tests.support.bodies import lean_request
from tests.support.directory import AUTHORITIES, SampleNetwork, certified_node_keys, sample_network
from tests.support.entropy import SeededEntropy
from tests.support.hands import Hands
from tests.support.key_files import MemoryKeyFile
from tests.support.lines import Exchange
from tests.support.store import memory_database

A, B, C = "xa-acc", "xb-ibu", "xc-aco"
T = TypeVar("T")


_towns: list["Town"] = []


def town_of_now() -> "Town":
    """The town that was built last and not closed yet."""
    return _towns[-1]


class Town:
    """Some nodes of one sample network on one exchange; each may be stopped and started.

    Attributes:
        exchange: the lines between them.
        nodes: those that run, by authority.
        faults: handed to the next start of an authority's node.
        keys: of a node, if it got others than those of the sample network.
        hands: groups of authorities in the hands of the test.
        logs: what each node has written for its operator; a field that is not allowed raises.
    """

    def __init__(self, authorities: Sequence[str] = (A, B)) -> None:
        self.network: SampleNetwork = sample_network()
        self.exchange = Exchange()
        self.clock = VirtualClock(asyncio.get_running_loop())
        self.databases = {name: memory_database() for name in authorities}
        self.key_files: dict[str, MemoryKeyFile] = {}
        self.nodes: dict[str, Node] = {}
        self.faults: dict[str, FaultPoints] = {}
        self.keys: dict[str, NodeKeys] = {}
        self.logs = {name: io.StringIO() for name in authorities}
        self._running: dict[str, tuple[asyncio.Task[None], asyncio.Event]] = {}
        self._starts = 0
        self.hands = Hands(self)
        _towns.append(self)

    async def start(self, name: str, statements: Sequence[bytes] | None = None) -> Node:
        """Start a node and return it when it works; a first start gets the network's statements."""
        self._starts += 1
        node = build_node(
            NodeParts(
                node_keys=self.keys.get(name) or certified_node_keys(name),
                incarnation=self.databases[name].incarnation,
                store=InlineDoor(self.databases[name], NoFaults()),
                key_file=self.key_files.setdefault(name, MemoryKeyFile()),
                transport=self.exchange.line_of(name),
                clock=self.clock,
                entropy=SeededEntropy(f"{name} {self._starts}"),
                faults=self.faults.get(name, NoFaults()),
                log=open_log(self.logs.setdefault(name, io.StringIO()), self.clock.now, strict=True),
            )
        )
        ready, stop = asyncio.Event(), asyncio.Event()
        task = asyncio.get_running_loop().create_task(self._run(node, ready, stop))
        self._running[name] = (task, stop)
        await ready.wait()
        await node.register.pin(self.network.fingerprint)
        await node.register.admit(statements or self.network.statements, source="file")
        self.nodes[name] = node
        self.exchange.handlers[name] = node.reception
        return node

    async def stop(self, name: str) -> None:
        """Stop a node in order."""
        self.exchange.handlers.pop(name, None)
        self.nodes.pop(name, None)
        task, stop = self._running.pop(name)
        stop.set()
        await task

    async def kill(self, name: str) -> None:
        """End a node without a word."""
        self.exchange.handlers.pop(name, None)
        self.nodes.pop(name, None)
        task, _ = self._running.pop(name)
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task

    async def close(self) -> None:
        """Stop what runs and drop the stores."""
        for name in tuple(self._running):
            await self.stop(name)
        for database in self.databases.values():
            database.close()
        _towns.remove(self)

    async def acquaint(self) -> None:
        """Let those who run hold key packages of each other, and of those in the hands of the test."""
        already = len(self.exchange.requests)
        for name, node in self.nodes.items():
            for peer in AUTHORITIES:
                if peer in self.nodes and peer != name:
                    await node.supply._ask_once(AuthorityId(peer))
                elif peer != name:
                    self.hands.supply(name, peer)
        del self.exchange.requests[already:]

    @staticmethod
    async def _run(node: Node, ready: asyncio.Event, stop: asyncio.Event) -> None:
        async with node.running():
            ready.set()
            await stop.wait()

    async def look(self, name: str, function: Callable[[Transaction], T]) -> T:
        """Read in a node's store."""
        return await self.nodes[name].parts.store.read(function)

    async def show(self, name: str, consultation: ConsultationId) -> CaseView:
        """One consultation as a node shows it."""
        node = self.nodes[name]
        storage, me = node.parts.node_keys.storage, AuthorityId(name)
        return await self.look(name, lambda tx: casefile.show_case(tx, storage, me, consultation))

    async def entries(self, name: str, *kinds: EventKind) -> list[AuditEvent]:
        """What a node's audit log holds, of some kinds."""
        log = self.nodes[name].audit
        found = await self.look(name, lambda tx: recorded(tx, log))
        return [event for event in found if not kinds or event.kind in kinds]

    async def submitted(self, name: str) -> list[AuditEvent]:
        """What a node's audit log holds of records that go out; what is about groups aside."""
        about = ("welcome", "commit", "joined", "control")
        return [one for one in await self.entries(name, EventKind.SUBMITTED) if one.result not in about]

    async def opened(self, name: str) -> list[AuditEvent]:
        """What a node's audit log holds of records that came; invitations, commits and the like aside."""
        return [event for event in await self.entries(name, EventKind.OPENED) if event.result == "ok"]

    def warnings(self, name: str) -> list[dict[str, Any]]:
        """What a node has warned its operator of."""
        lines = [json.loads(line) for line in self.logs[name].getvalue().splitlines()]
        return [line for line in lines if line["level"] in ("warning", "error")]

    async def held(self, name: str) -> int:
        """How many envelopes wait for intake."""
        counted = await self.look(name, inbox.counts)
        return sum(count for (_, state), count in counted.items() if state is HeldState.HELD)

    async def waiting(self, name: str) -> int:
        """How many messages wait to be delivered."""
        counted = await self.look(name, outbox.counts)
        return sum(count for (_, state), count in counted.items() if not state.is_terminal)


def in_town(test: Callable[[Town], Awaitable[None]]) -> Callable[[], None]:
    """Run a test with nodes A and B, in virtual time."""
    return _in_virtual_time(test, acquainted=True)


def among_strangers(test: Callable[[Town], Awaitable[None]]) -> Callable[[], None]:
    """Run a test with nodes A and B that hold no key packages of each other, in virtual time."""
    return _in_virtual_time(test, acquainted=False)


def _in_virtual_time(
    test: Callable[[Town], Awaitable[None]], *, acquainted: bool, names: Sequence[str] = ()
) -> Callable[[], None]:
    def run() -> None:
        async def main() -> None:
            async with town(*names, acquainted=acquainted) as nodes:
                await test(nodes)

        run_virtual(main())

    run.__name__ = test.__name__
    run.__doc__ = test.__doc__
    return run


def among_three(test: Callable[[Town], Awaitable[None]]) -> Callable[[], None]:
    """Run a test with nodes A, B and C that hold key packages of each other, in virtual time."""
    return _in_virtual_time(test, acquainted=True, names=(A, B, C))


@contextlib.asynccontextmanager
async def town(*authorities: str, acquainted: bool = True) -> AsyncIterator[Town]:
    """Nodes that run, A and B if none are named; with key packages of each other unless told otherwise."""
    nodes = Town(authorities or (A, B))
    for name in authorities or (A, B):
        await nodes.start(name)
    if acquainted:
        await nodes.acquaint()
    try:
        yield nodes
    finally:
        await nodes.close()


def request(*to: str, **changes: Any) -> Draft:
    """A lean request, to B if nobody is named."""
    body = {key: changes.pop(key) for key in tuple(changes) if key not in Draft.__slots__}
    draft: dict[str, Any] = {
        "message_type": MessageType.CONSULT_REQUEST,
        "body": lean_request(**body),
        "recipients": tuple(AuthorityId(name) for name in to or (B,)),
    }
    return Draft(**{**draft, **changes})


def reply(to: Submitted, message_type: MessageType, body: dict[str, Any], **changes: Any) -> Draft:
    """A message in the consultation that another one opened."""
    return Draft(message_type=message_type, body=body, consultation=to.consultation, **changes)


def stages(record: RecordView) -> list[str]:
    """The stages of a record's evidence lines."""
    return [line.stage for line in record.evidence]


def line(record: RecordView, stage: str) -> EvidenceLine:
    """The one evidence line of a stage."""
    (found,) = [one for one in record.evidence if one.stage == stage]
    return found


def rooms(town: Town, name: str = A) -> ReadingRooms:
    """What operations need to read in a node."""
    node = town.nodes[name]
    return ReadingRooms(
        store=node.parts.store,
        register=node.register,
        lookup=LookupDesk(open_index(None)),
        audit=node.audit,
        node_keys=node.parts.node_keys,
        clock=node.parts.clock,
        marks=None,
    )
