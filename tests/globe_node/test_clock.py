# SPDX-License-Identifier: Apache-2.0
from datetime import UTC, timedelta

from globe_node.clock import Clock, SystemClock
from tests.support.clock import FixedClock


async def test_the_system_clock_gives_utc_and_goes_on() -> None:
    clock: Clock = SystemClock()
    before = clock.monotonic()
    await clock.sleep(0)
    assert clock.monotonic() >= before
    assert clock.now().tzinfo is UTC


async def test_the_fixed_clock_moves_only_when_told() -> None:
    clock = FixedClock()
    start = clock.now()
    await clock.sleep(1.5)
    assert clock.now() - start == timedelta(seconds=1.5)
    assert clock.monotonic() == 1.5
