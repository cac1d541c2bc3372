# SPDX-License-Identifier: Apache-2.0
"""Answers what members ask the hub of a group: a place for a commit, a look at a group that they lost.

What is right is decided in `ordering`. This stores it, wakes who carries it, and bounds how often peers ask.
"""

from collections.abc import Callable

from globe_node.delivery.link import PeerIdentity
from globe_node.delivery.outbox import Queued, enqueue
from globe_node.groups.book import GroupBook
from globe_node.groups.known import KnownGroups
from globe_node.groups.packages.supply import Allowance
from globe_node.groups.returning import ordering
from globe_node.groups.returning.finding import roll_for
from globe_node.groups.returning.wire import (
    AbsenceAnswer,
    AbsenceRequest,
    CommitAnswer,
    CommitRequest,
    InfoAnswer,
    InfoRequest,
    LaterRequest,
    RollRequest,
    parse_commit_request,
    parse_info_request,
)
from globe_node.groups.workbench import Workbench
from globe_node.store.door import Transaction
from protocol.errors import ReasonCode, RemoteProtocolError

ASKS_A_MINUTE = 120
"""Requests of one peer that are answered in a minute, over all groups: a commit takes some milliseconds."""


class HubDesk:
    """Implements the hub's side of `Operation.COMMITS` and `Operation.GROUP_INFO`.

    Args:
        bench: what it works with.
        known: parsed groups that outlive transactions.
        wake: told what was queued, after the commit.
    """

    def __init__(self, bench: Workbench, known: KnownGroups, wake: Callable[[Queued], None]) -> None:
        self._bench = bench
        self._known = known
        self._wake = wake
        self._allowance = Allowance(bench.clock.monotonic, ASKS_A_MINUTE)

    async def commits(self, peer: PeerIdentity, body: bytes) -> bytes:
        """Answer a request for a place, or for the commits that somebody lacks.

        Raises:
            RemoteProtocolError: as for `ordering.order` and `later`, or too many requests (`rate_limited`).
            NodeError: this node can sign nothing now.
        """
        request = parse_commit_request(body)
        self._count(peer)
        if isinstance(request, LaterRequest):
            return (await self._bench.store.read(lambda tx: self._later(tx, peer, request))).to_bytes()
        answer, queued = await self._bench.store.write(lambda tx: self._order(tx, peer, request))
        self._bench.faults.point("groups.commits.ordered")
        if queued is not None:
            self._wake(queued)
        return answer.to_bytes()

    async def group_info(self, peer: PeerIdentity, body: bytes) -> bytes:
        """Answer a request to see a group, or to name those that the peer is in.

        Raises:
            RemoteProtocolError: as for `ordering.show`, or too many requests (`rate_limited`).
        """
        request = parse_info_request(body)
        self._count(peer)
        if isinstance(request, RollRequest):
            answer = await self._bench.store.write(lambda tx: roll_for(self._bench, tx, peer, request))
            return answer.to_bytes()
        if isinstance(request, AbsenceRequest):
            return (await self._bench.store.read(lambda tx: self._absence(tx, peer, request))).to_bytes()
        return (await self._bench.store.read(lambda tx: self._show(tx, peer, request))).to_bytes()

    def _count(self, peer: PeerIdentity) -> None:
        if not self._allowance.take(peer.authority):
            raise RemoteProtocolError("too many requests about groups", code=ReasonCode.RATE_LIMITED)

    def _order(
        self, tx: Transaction, peer: PeerIdentity, request: CommitRequest
    ) -> tuple[CommitAnswer, Queued | None]:
        book = GroupBook(self._bench, self._known, tx)
        ordered = ordering.order(book, peer, request)
        book.write()
        queued = None if ordered.outgoing is None else enqueue(tx, [ordered.outgoing], book.now_ms)
        self._bench.faults.point("groups.commits.before_commit")
        return ordered.answer, queued

    def _later(self, tx: Transaction, peer: PeerIdentity, request: LaterRequest) -> CommitAnswer:
        return ordering.later(GroupBook(self._bench, self._known, tx), peer, request)

    def _absence(self, tx: Transaction, peer: PeerIdentity, request: AbsenceRequest) -> AbsenceAnswer:
        book = GroupBook(self._bench, self._known, tx)
        return AbsenceAnswer(ordering.misses_hub(book, peer, request))

    def _show(self, tx: Transaction, peer: PeerIdentity, request: InfoRequest) -> InfoAnswer:
        return ordering.show(GroupBook(self._bench, self._known, tx), peer, request)
