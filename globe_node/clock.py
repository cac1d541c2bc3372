# SPDX-License-Identifier: Apache-2.0
"""The time, as an argument: the only reader of the system's clocks. No timers, no schedules.

1. `now` is for what people and signatures read; `monotonic` is for measuring how long something took.
2. Whoever waits, waits by `sleep` of the clock that was handed in, so that a test can own the time.
"""

import asyncio
import time
from datetime import UTC, datetime
from typing import Protocol


class Clock(Protocol):
    """A source of time."""

    def now(self) -> datetime:
        """Return the time of day: aware, UTC."""
        ...

    def monotonic(self) -> float:
        """Return seconds since an unspecified moment; never goes back."""
        ...

    async def sleep(self, seconds: float) -> None:
        """Wait; 0 lets other tasks run."""
        ...


class SystemClock:
    """The clocks of the operating system."""

    def now(self) -> datetime:
        """Return the time of day: aware, UTC."""
        return datetime.now(UTC)

    def monotonic(self) -> float:
        """Return seconds since the machine started; never goes back."""
        return time.monotonic()

    async def sleep(self, seconds: float) -> None:
        """Wait by the event loop's clock."""
        await asyncio.sleep(seconds)
