# SPDX-License-Identifier: Apache-2.0
"""Has our keys in groups renewed by their hubs: when something is to be said, and now and then by itself.

1. One commit of ours at a time is on its way in each group. What waits to be said is let go when the hub has
   answered, and after a short time whether or not.
2. Keys that nobody uses are renewed too, long before the member counts as silent or its certificate ends.
"""

import asyncio
from collections.abc import Callable, Coroutine, Iterable
from typing import Any

from globe_node.clock import Clock
from globe_node.groups.members.renewals import WAIT_SECONDS, Renewals
from globe_node.groups.returning.member import Member
from protocol.identifiers import ConsultationId

AT_ONCE = 8
"""Hubs that are asked at the same time, over all groups."""


class Renewer:
    """Asks for places for renewals.

    Args:
        member: carries the commits.
        renewals: what was asked for.
        clock: measures how long it takes.
        spawn: starts a task in the task group of the node.
        let_go: called when what waited to be said goes on.
    """

    def __init__(
        self,
        member: Member,
        renewals: Renewals,
        clock: Clock,
        *,
        spawn: Callable[[Coroutine[Any, Any, None]], object],
        let_go: Callable[[], None],
    ) -> None:
        self._member = member
        self._renewals = renewals
        self._clock = clock
        self._spawn = spawn
        self._let_go = let_go
        self._turns = asyncio.Semaphore(AT_ONCE)

    def want(self, consultations: Iterable[ConsultationId]) -> None:
        """Renew our keys in the groups of these consultations; returns at once."""
        for one in sorted(consultations):
            if self._renewals.begin(one, self._clock.monotonic()):
                self._spawn(self._renew(one))
                self._spawn(self._wait())

    async def _renew(self, consultation: ConsultationId) -> None:
        renewed = False
        try:
            async with self._turns:
                renewed = await self._member.renew(consultation)
        finally:
            self._renewals.end(consultation, self._clock.monotonic(), renewed=renewed)
        self._let_go()

    async def _wait(self) -> None:
        """Let go what waits when it has waited long enough."""
        await self._clock.sleep(WAIT_SECONDS)
        self._let_go()
