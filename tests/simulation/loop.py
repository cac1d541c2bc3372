# SPDX-License-Identifier: Apache-2.0
"""An event loop whose time is a number: when nothing is ready, it jumps to the next timer.

No thread and no socket may be used inside; two runs of the same coroutines are the same run.
"""

import asyncio
from collections.abc import Coroutine
from datetime import datetime, timedelta
from typing import Any, TypeVar

from tests.support.clock import START

T = TypeVar("T")


class StalledError(RuntimeError):
    """Everybody waits, and nobody for a time."""


class VirtualLoop(asyncio.SelectorEventLoop):
    """Seconds pass only by being waited for."""

    def __init__(self) -> None:
        super().__init__()
        self._now = 0.0

    def time(self) -> float:
        return self._now

    def _run_once(self) -> None:
        if not self._ready:  # type: ignore[attr-defined]  # the loop's own queue; there is no other way
            if not self._scheduled:  # type: ignore[attr-defined]
                raise StalledError("every task waits for something that no timer brings")
            self._now = max(self._now, self._scheduled[0]._when)  # type: ignore[attr-defined]
        super()._run_once()  # type: ignore[misc]


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
