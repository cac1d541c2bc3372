# SPDX-License-Identifier: Apache-2.0
"""Tells programs of the own authority what came in, in order and without asking again and again. No content.

1. A reader names the last position it has seen; what came later is returned, as soon as it is there.
2. Positions only grow. A reader that was away misses nothing.
"""

import asyncio
import contextlib
from collections.abc import Sequence

from globe_node.consultations import records
from globe_node.consultations.records import Arrival
from globe_node.store.door import Store

MAX_ARRIVALS = 500
"""Records that one answer names."""


class Arrivals:
    """Says when records were taken in."""

    def __init__(self) -> None:
        self._news = asyncio.Event()

    def announce(self) -> None:
        """Say that records were stored; from the event loop, after the commit."""
        self._news.set()
        self._news = asyncio.Event()

    async def beyond(
        self, store: Store, position: int, *, limit: int, wait_seconds: float
    ) -> Sequence[Arrival]:
        """Return inbound records after a position, oldest first; wait for the first one if there is none."""
        news = self._news
        found = await store.read(lambda tx: records.arrivals(tx, position, limit))
        if found or not wait_seconds:
            return found
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(wait_seconds):
                await news.wait()
        return await store.read(lambda tx: records.arrivals(tx, position, limit))
