# SPDX-License-Identifier: Apache-2.0
"""Two stations on one exchange in virtual time, and what to look up in their stores."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import TypeVar

from globe_node.delivery import inbox, outbox, records
from globe_node.delivery.lanes import DEFAULT_PACE, Pace
from globe_node.delivery.outbox import SentRow
from globe_node.faults import NoFaults
from globe_node.store.door import InlineDoor, Transaction
from globe_node.store.driver import driver_of
from protocol.audit.events import AuditEvent
from protocol.envelope import Envelope, parse_envelope
from protocol.identifiers import EnvelopeId
from protocol.receipts import DeliveryState, SignedReceipt, parse_signed_receipt
from tests.simulation.loop import VirtualClock, run_virtual
from tests.support.audit import audit_log, recorded
from tests.support.delivery import VISIBLE, Machine, Station, Text, build_station
from tests.support.entropy import SeededEntropy
from tests.support.lines import Exchange
from tests.support.store import memory_database

A, B, C = "xa-acc", "xb-acc", "xc-acc"
T = TypeVar("T")


class Pair:
    """Stations A and B; a test may stop and start each of them."""

    def __init__(self) -> None:
        self.exchange = Exchange()
        self.clock = VirtualClock(asyncio.get_running_loop())
        self.databases = {name: memory_database() for name in (A, B)}
        self.stations: dict[str, Station] = {}
        self._tasks: dict[str, list[asyncio.Task[None]]] = {A: [], B: []}
        self._starts = 0
        for database in self.databases.values():
            driver_of(database.writer).execute(VISIBLE)

    def start(self, name: str, pace: Pace = DEFAULT_PACE) -> Station:
        self._starts += 1
        tasks = self._tasks[name] = []
        loop = asyncio.get_running_loop()
        station = build_station(
            Machine(
                authority=name,
                authorities=(A, B, C),
                store=InlineDoor(self.databases[name], NoFaults()),
                clock=self.clock,
                entropy=SeededEntropy(f"{name} {self._starts}"),
                transport=self.exchange.line_of(name),
                faults=NoFaults(),
                spawn=lambda work: tasks.append(loop.create_task(work)),
                log=audit_log(name),
                pace=pace,
            )
        )
        self.stations[name] = station
        self.exchange.handlers[name] = station.reception
        station.run()
        return station

    async def stop(self, name: str) -> None:
        self.exchange.handlers.pop(name, None)
        for task in self._tasks[name]:
            task.cancel()
        await asyncio.gather(*self._tasks[name], return_exceptions=True)

    async def pass_time(self, seconds: float) -> None:
        await asyncio.sleep(seconds)
        for tasks in self._tasks.values():
            for task in tasks:
                if task.done() and not task.cancelled():
                    task.result()

    async def look(self, name: str, function: Callable[[Transaction], T]) -> T:
        return await self.stations[name].machine.store.read(function)

    async def state(self, envelope_id: EnvelopeId, at: str = A) -> DeliveryState:
        return (await self.row(envelope_id, at)).state

    async def row(self, envelope_id: EnvelopeId, at: str = A) -> SentRow:
        (row,) = await self.look(at, lambda tx: outbox.sent(tx, [envelope_id]))
        return row

    async def receipts(self, envelope_id: EnvelopeId, at: str = A) -> list[SignedReceipt]:
        row = await self.row(envelope_id, at)
        found = await self.look(at, lambda tx: outbox.evidence(tx, [row]))
        return [parse_signed_receipt(octets) for octets in found[row.position]]

    async def visible(self, at: str = B) -> list[tuple[str, int]]:
        """Route and number of what can be read, in the order it came up."""
        sql = "SELECT route, number FROM visible ORDER BY position"
        return await self.look(at, lambda tx: [tuple(row) for row in driver_of(tx).execute(sql)])

    async def envelopes(self, at: str = B) -> list[Envelope]:
        """What can be read, as it came."""
        sql = "SELECT octets FROM visible ORDER BY position"
        return await self.look(
            at, lambda tx: [parse_envelope(octets) for (octets,) in driver_of(tx).execute(sql)]
        )

    async def entries(self, at: str) -> list[AuditEvent]:
        log = self.stations[at].machine.log
        return await self.look(at, lambda tx: recorded(tx, log))

    async def held(self, at: str = B) -> int:
        counted = await self.look(at, inbox.counts)
        return sum(count for (_, state), count in counted.items() if state is records.HeldState.HELD)


def in_pair(test: Callable[[Pair], Awaitable[None]]) -> Callable[[], None]:
    """Run a test with two running stations, in virtual time."""

    def run() -> None:
        async def main() -> None:
            async with _running() as pair:
                await test(pair)

        run_virtual(main())

    run.__name__ = test.__name__
    run.__doc__ = test.__doc__
    return run


@contextlib.asynccontextmanager
async def _running() -> AsyncIterator[Pair]:
    pair = Pair()
    pair.start(A)
    pair.start(B)
    await asyncio.sleep(0.001)
    try:
        yield pair
    finally:
        for name in (A, B):
            await pair.stop(name)
        for database in pair.databases.values():
            database.close()


def text(number: int = 1, word: str = "take", **more: float) -> Text:
    """Message `number` from A to B."""
    return Text(to=B, route="one", number=number, word=word, **more)
