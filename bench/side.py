# SPDX-License-Identifier: Apache-2.0
"""One of the two nodes between which messages go: what is submitted there, and what arrives."""

import asyncio
import contextlib
import sqlite3
import time
from collections.abc import Sequence

from bench.process import NodeProcess
from protocol.identifiers import AuthorityId

CALLS_IN_FLIGHT = 4
ARRIVALS_PER_CALL = 500
PATIENCE_SECONDS = 300.0


class Side:
    """A node, and how far its arrivals were seen.

    Attributes:
        node: the node.
        authority: whose it is.
    """

    def __init__(self, node: NodeProcess, authority: AuthorityId) -> None:
        self.node = node
        self.authority = authority
        self._position = 0

    async def submit(self, calls: Sequence[bytes]) -> list[bytes]:
        """Submit what was written before, with several calls in flight; return the answers as they came."""
        waiting = iter(calls)
        answers: list[bytes] = []

        async def work() -> None:
            for call in waiting:
                answer = await self.node.call_raw("consult.submit", call)
                answers.append(answer)

        async with asyncio.TaskGroup() as group:
            for _ in range(min(CALLS_IN_FLIGHT, len(calls))):
                group.create_task(work())
        return answers

    async def arrivals(self, count: int) -> tuple[list[str], float, float]:
        """Wait for so many records; return their ids, and when the first and the last came."""
        arrived: list[str] = []
        first = 0.0
        async with asyncio.timeout(PATIENCE_SECONDS):
            while len(arrived) < count:
                asked = {"after": self._position, "limit": ARRIVALS_PER_CALL, "wait_seconds": 20}
                news = await self.node.call("consult.arrivals", asked)
                if news["arrivals"] and not first:
                    first = time.perf_counter()
                arrived += [one["record_id"] for one in news["arrivals"]]
                self._position = news["next"]
        return arrived, first, time.perf_counter()

    def pass_over_arrivals(self) -> None:
        """Take everything that is here as seen; for rows that did not come by a line."""
        self._position = self._number("SELECT max(position) FROM record")

    def key_packages(self) -> int:
        """Return how many unused key packages are here that are good for one group each."""
        return self._number("SELECT count(*) FROM peer_key_package WHERE used_ms = 0 AND last_resort = 0")

    def _number(self, sql: str) -> int:
        path = self.node.home.database
        with contextlib.closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True)) as database:
            return int(database.execute(sql).fetchone()[0] or 0)
