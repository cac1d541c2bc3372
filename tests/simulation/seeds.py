# SPDX-License-Identifier: Apache-2.0
"""Runs seeds and sums up what they showed."""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field

from tests.simulation.checkers import findings
from tests.simulation.loop import run_virtual
from tests.simulation.planted import PLANTS, Plant
from tests.simulation.world import FAULT_POINTS, World

SEEDS_FOR_A_PLANT = 40
"""Worlds in which a planted defect must show at the latest."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What one seed showed."""

    seed: int
    trace: str
    messages: int
    problems: list[str]
    faults: Counter[str]
    crashes: Counter[str]


@dataclass(slots=True)
class Summary:
    """What many seeds showed."""

    seeds: int = 0
    messages: int = 0
    faults: Counter[str] = field(default_factory=Counter)
    crashes: Counter[str] = field(default_factory=Counter)
    failing: dict[int, list[str]] = field(default_factory=dict)

    def add(self, outcome: Outcome) -> None:
        """Count one seed."""
        self.seeds += 1
        self.messages += outcome.messages
        self.faults += outcome.faults
        self.crashes += outcome.crashes
        if outcome.problems:
            self.failing[outcome.seed] = outcome.problems

    def points_hit(self) -> int:
        """How many fault points some process died at."""
        return sum(1 for name in FAULT_POINTS if self.crashes[name])


def run_seed(seed: int) -> Outcome:
    """Live through one world and check it."""

    async def live() -> World:
        world = World(seed)
        with world.ledger.watching():
            await world.run()
        return world

    world = run_virtual(live())
    try:
        problems = findings(world.remains()).problems()
    finally:
        world.close()
    history = world.history
    return Outcome(seed, history.trace(), len(history.said), problems, world.network.faults, history.crashes)


def run_seeds(seeds: Iterable[int]) -> Summary:
    """Live through many worlds."""
    summary = Summary()
    for seed in seeds:
        summary.add(run_seed(seed))
    return summary


def seed_that_finds(plant: Plant, seeds: Iterable[int]) -> int | None:
    """Return the first seed whose world shows a planted defect for what it is."""
    with plant():
        return next((seed for seed in seeds if _shows(run_seed(seed), PLANTS[plant])), None)


def find_planted(number: int) -> int | None:
    """Look for the defect with this number in `PLANTS`; picklable, for other processes."""
    return seed_that_finds(list(PLANTS)[number], range(SEEDS_FOR_A_PLANT))


def _shows(outcome: Outcome, finding: str) -> bool:
    return any(problem.startswith(finding) for problem in outcome.problems)
