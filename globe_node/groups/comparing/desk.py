# SPDX-License-Identifier: Apache-2.0
"""Answers members who show hub receipts: compares theirs with ours, and shows ours.

What is right is decided in `judging`. Most questions are answered by reading alone; only a proof is written.
"""

from collections.abc import Sequence

from globe_node.delivery.link import PeerIdentity
from globe_node.groups.book import GroupBook
from globe_node.groups.comparing.judging import Found, epoch_shown, judge, keep, links_with, show
from globe_node.groups.comparing.wire import Shown, parse_shown, shown_bytes
from globe_node.groups.known import KnownGroups
from globe_node.groups.packages.supply import Allowance
from globe_node.groups.workbench import Workbench
from globe_node.store.door import Transaction
from protocol.errors import ReasonCode, RemoteProtocolError

ASKS_A_MINUTE = 30
"""Questions of one peer that are answered in a minute: each may cost two signatures for each group in it."""


class ComparingDesk:
    """Implements the answering side of `Operation.HUB_RECEIPTS`.

    Args:
        bench: what it works with.
        known: parsed groups that outlive transactions.
    """

    def __init__(self, bench: Workbench, known: KnownGroups) -> None:
        self._bench = bench
        self._known = known
        self._allowance = Allowance(bench.clock.monotonic, ASKS_A_MINUTE)

    async def hub_receipts(self, peer: PeerIdentity, body: bytes) -> bytes:
        """Answer a member that shows hub receipts.

        Raises:
            RemoteProtocolError: not such a question, or too many of them (`rate_limited`).
        """
        asked = parse_shown(body)
        if not self._allowance.take(peer.authority):
            raise RemoteProtocolError("too many questions about hubs", code=ReasonCode.RATE_LIMITED)
        answer, found = await self._bench.store.read(lambda tx: self._look(tx, peer, asked))
        if found:
            answer = await self._bench.store.write(lambda tx: self._keep(tx, peer, asked, found))
        return shown_bytes(answer)

    def _look(
        self, tx: Transaction, peer: PeerIdentity, asked: Sequence[Shown]
    ) -> tuple[list[Shown], list[Found]]:
        links = links_with(tx, peer.authority, [one.group_id for one in asked])
        common = [(links[one.group_id], one) for one in asked if one.group_id in links]
        answer = [show(tx, link, epoch_shown(one)) for link, one in common]
        found = [judge(self._bench, tx, link, one) for link, one in common]
        return [one for one in answer if one is not None], [one for one in found if one is not None]

    def _keep(
        self, tx: Transaction, peer: PeerIdentity, asked: Sequence[Shown], found: Sequence[Found]
    ) -> list[Shown]:
        book = GroupBook(self._bench, self._known, tx)
        keep(book, found)
        book.write()
        return self._look(tx, peer, asked)[0]
