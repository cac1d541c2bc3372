# SPDX-License-Identifier: Apache-2.0
"""Some nodes, a bad day, and the calm after it: one seed is one world, the same each time.

A process dies at a fault point or at a moment of the schedule: its tasks end, its memory is gone, and a new
process starts on the same database. What was committed is all it finds.
"""

import asyncio
import random
from collections import Counter
from collections.abc import Callable, Coroutine
from dataclasses import dataclass, field
from hashlib import sha256
from typing import Any, TypeVar

from globe_node.store.database import Database
from globe_node.store.door import InlineDoor, Transaction
from globe_node.store.driver import driver_of
from protocol.envelope import parse_envelope
from protocol.identifiers import EnvelopeId
from tests.simulation.loop import VirtualClock
from tests.simulation.network import Host, Network, Weather
from tests.support.audit import audit_log
from tests.support.delivery import VISIBLE, Machine, Station, Text, build_station
from tests.support.entropy import SeededEntropy
from tests.support.store import memory_database

NAMES = ("xa-acc", "xb-acc", "xc-acc", "xd-acc")
ROUTES = ("r1", "r2", "r3")
BAD_SECONDS = 3_600.0
WORST_SKEW_SECONDS = 140.0
"""Two such clocks still differ by less than the protocol tolerates."""
CALM_SECONDS = 2 * 900.0 + 600.0
"""Twice the longest pause between attempts, and the time the stand-in waits for a missing message."""
FAULT_POINTS = (
    "outbox.before_send",
    "outbox.after_answer",
    "inbox.before_commit",
    "inbox.after_commit",
    "intake.before_commit",
    "intake.after_commit",
    "settle.before_commit",
    "settle.after_commit",
    "receipt.before_commit",
    "receipt.after_commit",
    "deadline.before_commit",
    "store.commit.before",
    "store.commit.after",
)
T = TypeVar("T")


class SimulatedCrashError(BaseException):
    """The process is dead. No code of the product may catch it."""


@dataclass(frozen=True, slots=True)
class Submission:
    """One message that a node said it had queued."""

    envelope_id: EnvelopeId
    source: str
    text: Text
    at: float


@dataclass(slots=True)
class History:
    """What happened, for the checkers and for comparing two runs.

    Attributes:
        submitted: messages whose id was returned.
        begun: messages that were given to a node; it may have died before it said so.
        crashes: how often a process died at each fault point, or at a moment.
        errors: exceptions that are nobody's plan.
        events: how many events went into the hash.
    """

    submitted: list[Submission] = field(default_factory=list)
    begun: list[tuple[str, Text]] = field(default_factory=list)
    crashes: Counter[str] = field(default_factory=Counter)
    errors: list[str] = field(default_factory=list)
    events: int = 0
    _hash: Any = field(default_factory=sha256)

    def note(self, *words: object) -> None:
        """Add one event."""
        self.events += 1
        self._hash.update(repr(words).encode())

    def trace(self) -> str:
        """The hash of all events so far."""
        return str(self._hash.hexdigest())


class Process(Host):
    """One life of one node. Implements `FaultPoints`."""

    def __init__(self, world: "World", name: str, life: int) -> None:
        self.alive = True
        self.name = name
        self._world = world
        self._entropy = SeededEntropy(f"{world.seed} {name} {life}")
        self._group: asyncio.TaskGroup | None = None
        self._stop = asyncio.Event()
        self.station: Station | None = None

    async def live(self) -> None:
        """Run until killed or crashed."""
        try:
            async with asyncio.TaskGroup() as group:
                self._group = group
                self.station = self._world.compose(self._machine())
                self.handler = self.station.reception
                self.station.run()
                await self._stop.wait()
                raise SimulatedCrashError
        except BaseExceptionGroup as errors:
            for error in _leaves(errors):
                if not isinstance(error, SimulatedCrashError):
                    self._world.history.errors.append(f"{self.name}: {type(error).__name__}: {error}")
        finally:
            self.alive = False

    def kill(self) -> None:
        """Die now, in the middle of whatever is going on."""
        self.alive = False
        self._stop.set()

    def spawn(self, work: Coroutine[Any, Any, None]) -> object:
        """Run work that dies with the process."""
        if self._group is None or not self.alive:
            work.close()
            return None
        return self._group.create_task(work)

    def point(self, name: str) -> None:
        """Die here if the schedule says so."""
        if not self.alive:
            raise SimulatedCrashError
        if self._world.strikes(self.name, name):
            self._world.history.crashes[name] += 1
            self._world.history.note("crash", self.name, name)
            self.kill()
            raise SimulatedCrashError

    def _machine(self) -> Machine:
        world = self._world
        return Machine(
            authority=self.name,
            authorities=world.names,
            store=MortalStore(InlineDoor(world.disks[self.name], self), self),
            clock=world.clocks[self.name],
            entropy=self._entropy,
            transport=world.network.line_of(self.name, self),
            faults=self,
            spawn=self.spawn,
            log=audit_log(self.name),
        )


class MortalStore:
    """Implements `Store`; a dead process neither writes nor reads."""

    def __init__(self, door: InlineDoor, process: Process) -> None:
        self._door = door
        self._process = process

    async def write(self, function: Callable[[Transaction], T]) -> T:
        self._live()
        return await self._door.write(function)

    async def read(self, function: Callable[[Transaction], T]) -> T:
        self._live()
        return await self._door.read(function)

    async def close(self) -> None:
        return None

    def _live(self) -> None:
        if not self._process.alive:
            raise SimulatedCrashError


class World:
    """All of one seed."""

    def __init__(self, seed: int, compose: Callable[[Machine], Station] = build_station) -> None:
        self.seed = seed
        self.compose = compose
        self.dice = random.Random(f"world {seed}")  # noqa: S311 -- a schedule, not a secret
        self.names = NAMES[: self.dice.choice((2, 2, 3, 4))]
        self.history = History()
        self.disks: dict[str, Database] = {}
        self.clocks: dict[str, VirtualClock] = {}
        self.processes: dict[str, Process] = {}
        self.armed: dict[tuple[str, str], int] = {}
        self._lives: Counter[str] = Counter()
        self._group: asyncio.TaskGroup | None = None
        self._numbers: Counter[tuple[str, str, str]] = Counter()
        self._calm = False
        self._over = False
        self.network = Network(self.dice, self._note, self._spawn)

    async def run(self) -> None:
        """Live through the bad day and the calm; databases stay open for the checkers."""
        loop = asyncio.get_running_loop()
        for name in self.names:
            self.disks[name] = memory_database()
            driver_of(self.disks[name].writer).execute(VISIBLE)
            self.clocks[name] = VirtualClock(loop, self.dice.uniform(-100, 100))
        async with asyncio.TaskGroup() as group:
            self._group = group
            for name in self.names:
                self._boot(name)
            self.network.weather = Weather.drawn(self.dice)
            tasks = [group.create_task(self._users()), group.create_task(self._nemesis())]
            await asyncio.wait(tasks)
            for task in tasks:
                task.result()
            self._heal()
            await asyncio.sleep(CALM_SECONDS)
            self._over = True
            for process in self.processes.values():
                process.kill()
        self._note("end", loop.time())

    def close(self) -> None:
        """Close the databases."""
        for disk in self.disks.values():
            disk.close()

    def strikes(self, name: str, point: str) -> bool:
        """Say whether a process dies at this passage of a fault point."""
        left = self.armed.get((name, point))
        if left is None:
            return False
        if left > 1:
            self.armed[name, point] = left - 1
            return False
        del self.armed[name, point]
        return not self._calm

    # --- users ------------------------------------------------------------------------------------------

    async def _users(self) -> None:
        for _ in range(self.dice.randint(10, 50)):
            await asyncio.sleep(self.dice.expovariate(1 / 60.0))
            source = self.dice.choice(self.names)
            for _ in range(self.dice.choice((1, 1, 1, 4, 12))):
                self._submit(source)

    def _submit(self, source: str) -> None:
        to = self.dice.choice([name for name in self.names if name != source])
        process = self.processes[source]
        if process.station is None or not process.alive:
            return
        route = self.dice.choice(ROUTES)
        self._numbers[source, to, route] += 1
        text = Text(
            to=to,
            route=route,
            number=self._numbers[source, to, route],
            word=self.dice.choices(("take", "reject", "poison"), (90, 6, 4))[0],
            lifetime_seconds=self.dice.choices((86_400.0, 1_200.0, 120.0), (85, 10, 5))[0],
        )
        process.spawn(self._say(process.station, source, text))

    async def _say(self, station: Station, source: str, text: Text) -> None:
        self.history.begun.append((source, text))
        envelope_id = await station.submit(text)
        now = asyncio.get_running_loop().time()
        self._note("submitted", source, envelope_id, text)
        self.history.submitted.append(Submission(envelope_id, source, text, now))

    async def read_something(self, name: str) -> None:
        """Let somebody at a node read a message, so that a receipt for reading goes out."""
        process = self.processes[name]
        rows = driver_of(self.disks[name].writer).execute("SELECT sender, octets FROM visible").fetchall()
        if rows and process.station is not None and process.alive:
            sender, octets = self.dice.choice(rows)
            envelope = parse_envelope(octets)
            process.spawn(process.station.read(sender, envelope))

    # --- faults -----------------------------------------------------------------------------------------

    async def _nemesis(self) -> None:
        """Do one bad thing after another, and take each back after a while."""
        loop = asyncio.get_running_loop()
        while loop.time() < BAD_SECONDS:
            await asyncio.sleep(self.dice.expovariate(1 / 120.0))
            act = self.dice.choice(("kill", "strike", "strike", "cut", "cut", "part", "step", "read", "read"))
            name = self.dice.choice(self.names)
            if act == "kill":
                self.history.crashes["moment"] += 1
                self.processes[name].kill()
            elif act == "strike":
                self.armed[name, self.dice.choice(FAULT_POINTS)] = self.dice.randint(1, 3)
            elif act == "step":
                skew = self.clocks[name].skew + self.dice.uniform(-60, 60)
                self.clocks[name].skew = min(max(skew, -WORST_SKEW_SECONDS), WORST_SKEW_SECONDS)
            elif act == "read":
                await self.read_something(name)
            else:
                self._spawn(self._cut(act, name))
            self._note(act, name)

    async def _cut(self, act: str, name: str) -> None:
        other = self.dice.choice([other for other in self.names if other != name])
        lines = {(name, other)} if act == "cut" else {(name, other), (other, name)}
        self.network.cuts |= lines
        await asyncio.sleep(self.dice.choice((10.0, 300.0, 1_500.0)))
        self.network.cuts -= lines

    def _heal(self) -> None:
        self._calm = True
        self.armed.clear()
        self.network.cuts.clear()
        self.network.weather = Weather()
        self._note("calm")

    # --- processes --------------------------------------------------------------------------------------

    def _boot(self, name: str) -> None:
        self._lives[name] += 1
        process = self.processes[name] = Process(self, name, self._lives[name])
        self.network.hosts[name] = process
        self._spawn(self._keep(process))

    async def _keep(self, process: Process) -> None:
        """Let a process live, and start the next one after it has died."""
        await process.live()
        await asyncio.sleep(self.dice.choice((0.5, 5.0, 120.0)))
        if not self._over:
            self._boot(process.name)

    def _spawn(self, work: Coroutine[Any, Any, None]) -> object:
        if self._group is None:
            work.close()
            return None
        return self._group.create_task(work)

    def _note(self, *words: object) -> None:
        self.history.note(round(asyncio.get_running_loop().time(), 6), *words)


def _leaves(errors: BaseExceptionGroup[BaseException]) -> list[BaseException]:
    found: list[BaseException] = []
    for error in errors.exceptions:
        found.extend(_leaves(error) if isinstance(error, BaseExceptionGroup) else [error])
    return found
