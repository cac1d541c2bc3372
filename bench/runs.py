# SPDX-License-Identifier: Apache-2.0
"""Repeats a measurement and keeps the runs in which others disturbed it least.

1. Before a run, a quiet moment is waited for, but not for long.
2. A run in which others took more than a tenth of the machine is disturbed. While a few runs are, some more
   are made; on a machine that is busy all the time that would not help. Runs beyond the wanted number drop
   out by how disturbed they were, never by what they measured.
3. How disturbed the kept runs were stands beside their figures.
"""

from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

from bench.figures import RUNS, Figure, median, rounded, summary, tell
from bench.machine import OtherWork, wait_until_quiet

DISTURBED = 0.1
"""Share of the machine that others may take."""
SPARE_RUNS = 2

Measurement = Callable[[], Awaitable[Mapping[str, float]]]


@dataclass(frozen=True, slots=True)
class Run:
    """One run.

    Attributes:
        values: what was measured, by name.
        others: share of the machine that others took meanwhile.
    """

    values: Mapping[str, float]
    others: float


class Runs:
    """The kept runs of a measurement."""

    def __init__(self, kept: Sequence[Run]) -> None:
        self._kept = kept

    def median(self, name: str) -> float:
        """Return the median of one value."""
        return median(self._values(name))

    def detail(self) -> dict[str, Figure]:
        """Return every value with median, extremes and all runs, and how disturbed they were."""
        found: dict[str, Figure] = {name: summary(self._values(name)) for name in self._kept[0].values}
        found["others_share"] = [round(run.others, 3) for run in self._kept]
        return found

    def _values(self, name: str) -> list[float]:
        return [run.values[name] for run in self._kept]


async def repeat(
    measurements: Mapping[str, Measurement],
    process_ids: Callable[[], Iterable[int]],
    *,
    runs: int = RUNS,
) -> dict[str, Runs]:
    """Run some measurements in turns, so that what changes on the machine meets all of them alike.

    Args:
        measurements: each by its name.
        process_ids: the running nodes, whose work is not a disturbance.
        runs: how many to keep of each.
    """
    made: dict[str, list[Run]] = {name: [] for name in measurements}
    for turn in range(runs + SPARE_RUNS):
        if turn >= runs and not any(_wants_more(found, runs) for found in made.values()):
            break
        for name, measure in measurements.items():
            wait_until_quiet()
            watch = OtherWork(process_ids)
            values = await measure()
            run = Run(values, watch.share())
            made[name].append(run)
            tell(f"  {name} {turn + 1}: {_text(run)}")
    return {name: Runs(_least_disturbed(found, runs)) for name, found in made.items()}


def _wants_more(found: Sequence[Run], runs: int) -> bool:
    quiet = sum(run.others <= DISTURBED for run in found)
    return runs // 2 < quiet < runs


def _least_disturbed(found: Sequence[Run], runs: int) -> list[Run]:
    kept = sorted(found, key=lambda run: run.others)[:runs]
    return [run for run in found if run in kept]


def _text(run: Run) -> str:
    values = ", ".join(f"{name} {rounded(value):g}" for name, value in run.values.items())
    return f"{values} (others took {run.others:.0%})"
