# SPDX-License-Identifier: Apache-2.0
"""A few seeds in the default suite; `make simulate` runs hundreds."""

import asyncio
from collections import Counter

import pytest

from tests.simulation.loop import StalledError, VirtualClock, run_virtual
from tests.simulation.planted import PLANTS, Plant
from tests.simulation.seeds import Outcome, Summary, run_seed, seed_that_finds


def test_every_promise_holds_in_a_bad_day_and_its_seed_replays() -> None:
    first, again = run_seed(8), run_seed(8)
    assert first.problems == []
    assert first.messages > 0
    assert first.trace == again.trace


@pytest.mark.parametrize("plant", PLANTS, ids=lambda plant: plant.__name__)
def test_a_planted_defect_is_found(plant: Plant) -> None:
    assert seed_that_finds(plant, (0, 9, 4, 5, 6, 7, 8)) is not None


def test_a_summary_names_the_seeds_that_fail() -> None:
    summary = Summary()
    summary.add(Outcome(1, "", 3, [], Counter(lost_answer=1), Counter({"outbox.before_send": 1})))
    summary.add(Outcome(2, "", 5, ["lost: one"], Counter(lost_answer=2), Counter(moment=1)))
    assert (summary.seeds, summary.messages) == (2, 8)
    assert summary.faults == Counter(lost_answer=3)
    assert summary.points_hit() == 1
    assert summary.failing == {2: ["lost: one"]}


def test_virtual_time_passes_only_by_waiting() -> None:
    async def main() -> tuple[float, float]:
        clock = VirtualClock(asyncio.get_running_loop())
        before = clock.monotonic()
        await clock.sleep(86_400)
        return before, clock.monotonic()

    before, after = run_virtual(main())
    assert after - before == pytest.approx(86_400)


def test_a_timer_that_was_cancelled_holds_nobody_up() -> None:
    async def main() -> float:
        loop = asyncio.get_running_loop()
        loop.call_later(10, lambda: None).cancel()
        await asyncio.sleep(20)
        return loop.time()

    assert run_virtual(main()) == pytest.approx(20)


def test_waiting_for_nothing_is_an_error() -> None:
    async def main() -> None:
        await asyncio.Event().wait()

    with pytest.raises(StalledError):
        run_virtual(main())
