# SPDX-License-Identifier: Apache-2.0
"""Shows the other members of our groups what their hubs gave us, and looks at what they were given.

1. After each commit, each member is asked once, whatever number of groups and commits there are: sixteen
   groups in one question.
2. Who does not answer is asked again after growing pauses. What it answers settles the question: if it is
   behind us, it asks us when it has come further.
"""

import asyncio
from collections.abc import Sequence

from globe_node.delivery.link import Operation, Transport, ask
from globe_node.delivery.peers import PeerBook
from globe_node.errors import NodeError, StoreError
from globe_node.groups.book import GroupBook
from globe_node.groups.comparing.judging import Found, judge, keep, links_with, show
from globe_node.groups.comparing.wire import MAX_SHOWN, Shown, parse_shown, shown_bytes
from globe_node.groups.known import KnownGroups
from globe_node.groups.members import comparisons
from globe_node.groups.members.comparisons import ComparisonRow
from globe_node.groups.workbench import Workbench
from globe_node.store.door import Transaction
from protocol import delivery
from protocol.errors import ProtocolError
from protocol.identifiers import AuthorityId

LOOK_SECONDS = 60.0
"""How often it is looked whether there is something to compare."""
REQUEST_SECONDS = 20.0
AT_ONCE = 8
"""Members that are asked at the same time."""


class Comparer:
    """The one task that compares.

    Args:
        bench: what it works with.
        known: parsed groups that outlive transactions.
        transport: the line to peers.
        peers: the directory.
    """

    def __init__(self, bench: Workbench, known: KnownGroups, transport: Transport, peers: PeerBook) -> None:
        self._bench = bench
        self._known = known
        self._transport = transport
        self._peers = peers
        self._failures: dict[AuthorityId, tuple[int, float]] = {}
        self._turns = asyncio.Semaphore(AT_ONCE)

    async def run(self) -> None:
        """Look at the start and then at intervals, for ever."""
        while True:
            try:
                await self.look()
            except StoreError as error:
                if not error.is_passing:
                    raise
            await self._bench.clock.sleep(LOOK_SECONDS)

    async def look(self) -> None:
        """Compare what is to be compared, with every member that is due."""
        peers = await self._bench.store.look(comparisons.waiting_peers)
        now = self._bench.clock.monotonic()
        due = [one for one in peers if now >= self._failures.get(one, (0, 0.0))[1]]
        await asyncio.gather(*(self._turn(one) for one in due))

    async def _turn(self, peer: AuthorityId) -> None:
        async with self._turns:
            try:
                while await self._compare(peer):
                    pass
            except (NodeError, ProtocolError) as error:
                if isinstance(error, StoreError):
                    raise
                failures = self._failures.get(peer, (0, 0.0))[0] + 1
                pause = delivery.pause_seconds(failures, delivery.even_fraction(self._bench.entropy))
                self._failures[peer] = failures, self._bench.clock.monotonic() + pause
                self._bench.log.info("a member can't compare now", peer=peer, code=error.code)
            else:
                self._failures.pop(peer, None)

    async def _compare(self, peer: AuthorityId) -> bool:
        """Compare some groups with a member; return whether there may be more."""
        rows, shown = await self._bench.store.look(lambda tx: self._due(tx, peer))
        answer = await self._ask(peer, shown) if shown else ()
        found = await self._bench.store.read(lambda tx: self._judged(tx, peer, answer)) if answer else []
        await self._bench.store.write(lambda tx: self._settle(tx, rows, found))
        return len(rows) == MAX_SHOWN

    def _due(self, tx: Transaction, peer: AuthorityId) -> tuple[list[ComparisonRow], list[Shown]]:
        rows = comparisons.waiting(tx, peer, MAX_SHOWN)
        links = links_with(tx, peer, [row.group_id for row in rows])
        shown = [show(tx, link) for link in links.values()]
        return rows, [one for one in shown if one is not None]

    async def _ask(self, peer: AuthorityId, shown: Sequence[Shown]) -> tuple[Shown, ...]:
        """Return what a member shows of those groups that we showed it.

        Raises:
            PeerUnreachableError: it gave no answer.
            RemoteProtocolError: it gave one that can't be read.
        """
        address = self._peers.address_of(peer)
        answer = await ask(
            self._transport,
            address,
            Operation.HUB_RECEIPTS,
            shown_bytes(shown),
            deadline_seconds=REQUEST_SECONDS,
        )
        asked = {one.group_id for one in shown}
        return tuple(one for one in parse_shown(answer) if one.group_id in asked)

    def _judged(self, tx: Transaction, peer: AuthorityId, answer: Sequence[Shown]) -> list[Found]:
        links = links_with(tx, peer, [one.group_id for one in answer])
        found = [judge(self._bench, tx, links[one.group_id], one) for one in answer if one.group_id in links]
        return [one for one in found if one is not None]

    def _settle(self, tx: Transaction, rows: Sequence[ComparisonRow], found: Sequence[Found]) -> None:
        comparisons.settle(tx, rows)
        if found:
            book = GroupBook(self._bench, self._known, tx)
            keep(book, found)
            book.write()
