# SPDX-License-Identifier: Apache-2.0
"""An event loop whose time is a number: when nothing is ready, it jumps to the next timer.

No thread and no socket may be used inside; two runs of the same coroutines are the same run.
"""

import asyncio
import selectors
from collections.abc import Coroutine
from datetime import datetime, timedelta
from typing import Any, TypeVar

from tests.support.clock import START

T = TypeVar("T")


class StalledError(RuntimeError):
    """Everybody waits, and nobody for a time."""


class _JumpingSelector(selectors.SelectSelector):
    """Where the loop would sleep, time passes instead."""

    def __init__(self) -> None:
        super().__init__()
        self.now = 0.0

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        if timeout is None:
            raise StalledError("every task waits for something that no timer brings")
        self.now += max(0.0, timeout)
        return []


class VirtualLoop(asyncio.SelectorEventLoop):
    """Seconds pass only by being waited for."""

    def __init__(self) -> None:
        self._jumping = _JumpingSelector()
        super().__init__(self._jumping)

    def time(self) -> float:
        return self._jumping.now


class VirtualClock:
    """Implements `Clock` on a virtual loop; `skew` seconds off the true time."""

    def __init__(self, loop: asyncio.AbstractEventLoop, skew: float = 0.0) -> None:
        self._loop = loop
        self.skew = skew

    def now(self) -> datetime:
        return START + timedelta(seconds=self._loop.time() + self.skew)

    def monotonic(self) -> float:
        return self._loop.time()

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(seconds)


def run_virtual(main: Coroutine[Any, Any, T]) -> T:
    """Run a coroutine in virtual time, and end whatever it left running."""
    loop = VirtualLoop()
    try:
        task = loop.create_task(main)
        try:
            return loop.run_until_complete(task)
        finally:
            rest = asyncio.all_tasks(loop)
            for left in rest:
                left.cancel()
            if rest:
                loop.run_until_complete(asyncio.gather(*rest, return_exceptions=True))
    finally:
        loop.close()
