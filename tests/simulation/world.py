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

from globe_node.delivery.courier import SWEEP_SECONDS
from globe_node.delivery.link import RequestHandler
from globe_node.faults import NoFaults
from globe_node.groups.keeping import leave_out_secrets
from globe_node.logs import SilentLog
from globe_node.node import Node, NodeParts, build_node
from globe_node.store.database import Database
from globe_node.store.door import InlineDoor, Transaction
from globe_node.store.driver import driver_of
from tests.simulation.checkers import Remains, findings
from tests.simulation.groups import lacks_members, links_in
from tests.simulation.ledger import KeyLedger
from tests.simulation.loop import VirtualClock
from tests.simulation.network import Network, Weather
from tests.simulation.residents import Residents, Said
from tests.support.directory import certified_node_keys, sample_network
from tests.support.entropy import SeededEntropy
from tests.support.key_files import MemoryKeyFile
from tests.support.store import memory_database

NAMES = ("xa-acc", "xb-ibu", "xc-aco")
BAD_SECONDS = 3_600.0
CALM_SECONDS = 2 * 900.0 + 600.0
"""Twice the longest pause between attempts, and how long intake waits for what a record builds on."""
NIGHT_SECONDS = 25 * 3_600.0
"""Of a world in which a day passes: longer than the keys of a day last, and than most messages may live."""
WORST_SKEW_SECONDS = 140.0
"""Two such clocks still differ by less than the protocol tolerates."""
LIFETIMES = ((86_400, 85), (1_200, 10), (120, 5))
"""Deadlines in seconds, and how likely each is."""
LOSSES = (0, 0, 0, 0, 1, 2)
"""How many nodes of a world may lose the secrets of their groups."""
FAULT_POINTS = (
    "consultations.submit.stored",
    "consultations.sealing.stored",
    "consultations.sealing.done",
    "consultations.resending.stored",
    "consultations.resending.done",
    "groups.packages.offered",
    "groups.packages.taken_in",
    "groups.keys.before_destroying",
    "groups.commits.made",
    "groups.commits.before_commit",
    "groups.commits.ordered",
    "groups.commits.installed",
    "groups.upkeep.before_commit",
    "groups.upkeep.mended",
    "groups.search.noted",
    "groups.succession.before_commit",
    "groups.succession.founded",
    "outbox.before_send",
    "outbox.after_answer",
    "inbox.before_commit",
    "inbox.after_commit",
    "consultations.intake.examined",
    "consultations.intake.stored",
    "settle.before_commit",
    "settle.after_commit",
    "receipt.before_commit",
    "receipt.after_commit",
    "deadline.before_commit",
    "store.commit.before",
    "store.commit.after",
)
FAILING_POINT = "consultations.intake.stored"
"""Where our own code may also fail without dying: an envelope that is poison for us."""
T = TypeVar("T")


class OwnFaultError(Exception):
    """A defect of ours, as the nemesis has it; a node may survive it, or end and be started again."""


class SimulatedCrashError(BaseException):
    """The process is dead. No code of the product may catch it."""


@dataclass(slots=True)
class History:
    """What happened, for the checkers and for comparing two runs.

    Attributes:
        said: messages whose id was returned.
        crashes: how often a process died at each fault point, or at a moment.
        errors: exceptions that are nobody's plan.
        events: how many events went into the hash.
    """

    said: list[Said] = field(default_factory=list)
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


class Process:
    """One life of one node. Implements `FaultPoints`, and `Host` from when it serves."""

    handler: RequestHandler

    def __init__(self, world: "World", name: str, life: int) -> None:
        self.alive = True
        self.name = name
        self.residents: Residents | None = None
        self._world = world
        self._life = life
        self._group: asyncio.TaskGroup | None = None
        self._tasks: dict[asyncio.Task[None], None] = {}
        self._stop = asyncio.Event()

    async def live(self) -> None:
        """Run until killed or crashed."""
        try:
            async with asyncio.TaskGroup() as group:
                self._group = group
                await self._run(build_node(self._parts()))
        except BaseExceptionGroup as errors:
            for error in _leaves(errors):
                if isinstance(error, OwnFaultError):
                    self._world.history.crashes["own fault"] += 1
                elif not isinstance(error, SimulatedCrashError):
                    self._world.history.errors.append(f"{self.name}: {type(error).__name__}: {error}")
        finally:
            self.alive = False

    async def _run(self, node: Node) -> None:
        world = self._world
        async with node.running():
            if node.register.is_empty:
                network = sample_network(world.names)
                await node.register.pin(network.fingerprint)
                await node.register.admit(network.statements, source="file")
            self.handler = node.reception
            self.residents = Residents(node, world.disks[self.name].writer, world.dice)
            world.network.hosts[self.name] = self
            await self._stop.wait()
            for task in self._tasks:  # in the order of their start; a task group has no order
                task.cancel()
            raise SimulatedCrashError

    def kill(self) -> None:
        """Die now, in the middle of whatever is going on."""
        self.alive = False
        self._stop.set()

    def spawn(self, work: Coroutine[Any, Any, None]) -> object:
        """Run work that dies with the process."""
        if self._group is None or not self.alive:
            work.close()
            return None
        task = self._group.create_task(work)
        self._tasks[task] = None
        task.add_done_callback(self._tasks.pop)
        return task

    def point(self, name: str) -> None:
        """Die or fail here if the schedule says so."""
        if not self.alive:
            raise SimulatedCrashError
        if self._world.strikes(self.name, name):
            self._world.history.crashes[name] += 1
            self._world.history.note("crash", self.name, name)
            self.kill()
            raise SimulatedCrashError
        if name == FAILING_POINT and self._world.fails():
            raise OwnFaultError

    def _parts(self) -> NodeParts:
        world = self._world
        database = world.disks[self.name]
        return NodeParts(
            node_keys=certified_node_keys(self.name),
            incarnation=database.incarnation,
            store=MortalStore(InlineDoor(database, self), self),
            key_file=world.key_files[self.name],
            transport=world.network.line_of(self.name),
            clock=world.clocks[self.name],
            entropy=SeededEntropy(f"{world.seed} {self.name} {self._life}"),
            faults=self,
            log=SilentLog(),
        )


class MortalStore:
    """Implements `Store`; a dead process neither writes nor reads."""

    def __init__(self, door: InlineDoor, process: Process) -> None:
        self._door = door
        self._process = process

    async def write(self, function: Callable[[Transaction], T]) -> T:
        self._live()
        return await self._door.write(function)

    async def look(self, function: Callable[[Transaction], T]) -> T:
        self._live()
        return await self._door.look(function)

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

    def __init__(self, seed: int) -> None:
        self.seed = seed
        self.dice = random.Random(f"world {seed}")  # noqa: S311 -- a schedule, not a secret
        self.names = NAMES[: self.dice.choice((2, 3))]
        self.history = History()
        self.disks: dict[str, Database] = {}
        self.key_files: dict[str, MemoryKeyFile] = {}
        self.clocks: dict[str, VirtualClock] = {}
        self.processes: dict[str, Process] = {}
        self.armed: dict[tuple[str, str], int] = {}
        self.bereft: set[str] = set()
        self.ledger = KeyLedger()
        self.network = Network(self.dice, self._note, self._spawn, self.ledger.leaves)
        self._lives: Counter[str] = Counter()
        self._robbed: dict[str, str] = {}
        self._group: asyncio.TaskGroup | None = None
        self._own_faults = 0
        self._losses = self.dice.choice(LOSSES)
        self._has_night = self.dice.random() < 0.12
        self._calm = False
        self._over = False

    async def run(self) -> None:
        """Live through the bad day, or two, and the calm; databases stay open for the checkers."""
        loop = asyncio.get_running_loop()
        for name in self.names:
            self.disks[name] = memory_database()
            self.key_files[name] = MemoryKeyFile()
            self.clocks[name] = VirtualClock(loop, self.dice.uniform(-100, 100))
        async with asyncio.TaskGroup() as group:
            self._group = group
            for name in self.names:
                self._boot(name)
            self.network.weather = Weather.drawn(self.dice)
            await self._bad_day(group)
            if self._has_night:
                await asyncio.sleep(NIGHT_SECONDS)
                await self._bad_day(group)
            self._heal()
            await asyncio.sleep(CALM_SECONDS)
            await self._let_end()
            self._over = True
            for process in self.processes.values():
                process.kill()
        self._note("end", loop.time())

    async def _bad_day(self, group: asyncio.TaskGroup) -> None:
        until = asyncio.get_running_loop().time() + BAD_SECONDS
        tasks = [group.create_task(self._users()), group.create_task(self._nemesis(until))]
        await asyncio.wait(tasks)
        for task in tasks:
            task.result()

    async def _let_end(self) -> None:
        """See that what is open after the calm waits for what can't come any more, and let its time end.

        Who lost a group twice in a day comes back on the next one.
        """
        sql = "SELECT count(*) FROM outbox WHERE state = 'queued' AND operation = 0"
        databases = {name: disk.writer for name, disk in self.disks.items()}
        is_open = any(driver_of(tx).execute(sql).fetchone()[0] for tx in databases.values())
        if is_open or lacks_members(links_in(databases)):
            unfinished = findings(self.remains()).unfinished()
            if not unfinished:
                longest = max(seconds for seconds, _ in LIFETIMES)
                await asyncio.sleep(longest + SWEEP_SECONDS + 2 * WORST_SKEW_SECONDS + CALM_SECONDS)
            self.history.errors.extend(unfinished)

    def remains(self) -> Remains:
        """Return what the checkers look at."""
        return Remains(
            databases={name: disk.writer for name, disk in self.disks.items()},
            incarnations={name: disk.incarnation for name, disk in self.disks.items()},
            said=self.history.said,
            errors=[*self.history.errors, *self.ledger.problems],
            attempts=self.network.attempts,
            seconds=max(clock.monotonic() for clock in self.clocks.values()),
            bereft=self.bereft,
        )

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

    def fails(self) -> bool:
        """Say whether our own code fails here, without dying."""
        if self._calm or not self._own_faults:
            return False
        self._own_faults -= 1
        return True

    # --- users ------------------------------------------------------------------------------------------

    async def _users(self) -> None:
        for _ in range(self.dice.randint(10, 40)):
            await asyncio.sleep(self.dice.expovariate(1 / 75.0))
            name = self.dice.choice(self.names)
            for _ in range(self.dice.choice((1, 1, 1, 3, 8))):
                self._act(name)

    def _act(self, name: str) -> None:
        process = self.processes[name]
        if process.residents is not None and process.alive:
            act = self.dice.choices((self._ask, self._go_on, self._read), (3, 5, 2))[0]
            process.spawn(act(process.residents, name))

    async def _ask(self, residents: Residents, name: str) -> None:
        others = [other for other in self.names if other != name]
        to = self.dice.sample(others, self.dice.randint(1, len(others)))
        self._said(await residents.open_consultation(to, self._lifetime()))

    async def _go_on(self, residents: Residents, _name: str) -> None:
        self._said(await residents.go_on(self._lifetime()))

    async def _read(self, residents: Residents, _name: str) -> None:
        await residents.read()

    def _said(self, said: Said | None) -> None:
        if said is not None:
            self._note("said", said.source, *said.to, said.record_id)
            self.history.said.append(said)

    def _lifetime(self) -> int:
        values, weights = zip(*LIFETIMES, strict=True)
        return int(self.dice.choices(values, weights)[0])

    # --- faults -----------------------------------------------------------------------------------------

    async def _nemesis(self, until: float) -> None:
        """Do one bad thing after another, and take each back after a while."""
        loop = asyncio.get_running_loop()
        while loop.time() < until:
            await asyncio.sleep(self.dice.expovariate(1 / 120.0))
            act = self.dice.choice(("kill", "strike", "strike", "cut", "cut", "part", "step", "fail", "lose"))
            name = self.dice.choice(self.names)
            if act == "kill":
                self.history.crashes["moment"] += 1
                self.processes[name].kill()
            elif act == "lose":
                self._lose(name)
            elif act == "strike":
                self.armed[name, self.dice.choice(FAULT_POINTS)] = self.dice.randint(1, 3)
            elif act == "step":
                skew = self.clocks[name].skew + self.dice.uniform(-60, 60)
                self.clocks[name].skew = min(max(skew, -WORST_SKEW_SECONDS), WORST_SKEW_SECONDS)
            elif act == "fail":
                self._own_faults += self.dice.choice((1, 4))
            else:
                self._spawn(self._cut(act, name))
            self._note(act, name)

    def _lose(self, name: str) -> None:
        """Let the next life of a node begin without the secrets of its groups, once."""
        if len(self.bereft) < self._losses and name not in self.bereft:
            self.bereft.add(name)
            self._robbed[name] = self.dice.choice(("restored", "no key file"))
            self.history.crashes["lost secrets"] += 1
            self.processes[name].kill()

    async def _take_secrets(self, name: str) -> None:
        """Take them as a restore of a backup does, or with the file that holds their keys."""
        how = self._robbed.pop(name, None)
        if how is not None:
            self.key_files[name] = MemoryKeyFile()
        if how == "restored":
            await InlineDoor(self.disks[name], NoFaults()).write(leave_out_secrets)

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
        self._spawn(self._keep(process))

    async def _keep(self, process: Process) -> None:
        """Let a process live, and start the next one after it has died."""
        await process.live()
        await asyncio.sleep(self.dice.choice((0.5, 5.0, 120.0)))
        if not self._over:
            await self._take_secrets(process.name)
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
