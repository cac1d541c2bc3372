# SPDX-License-Identifier: Apache-2.0
"""Gives key packages to peers that ask, and asks peers for theirs. What is good is judged by `stock`.

1. A peer is asked when few of its packages are left, after a greeting, and at once when a consultation waits
   for one. Who waits is asked again until it has come, with growing pauses, and at every sign of life.
2. Each peer has a task of its own while there is something to ask it; a dead peer delays nobody.
3. A peer that asks too often is told to come back. What it can make this node do is bounded by `pool`.
"""

import asyncio
import contextlib
from collections.abc import Callable, Coroutine, Iterable
from dataclasses import dataclass
from typing import Any

from globe_node.delivery.link import Operation, PeerAddress, PeerIdentity, Transport, ask
from globe_node.delivery.peers import PeerBook
from globe_node.errors import PeerUnreachableError, StoreError
from globe_node.groups.packages import pool, records, stock
from globe_node.groups.packages.stock import TakenIn
from globe_node.groups.packages.wire import PackageRequest, parse_package_answer, parse_package_request
from globe_node.groups.workbench import Workbench
from globe_node.store.door import Transaction
from protocol import delivery, limits
from protocol.errors import ProtocolError, ReasonCode, RemoteProtocolError
from protocol.identifiers import AuthorityId, NodeName

REQUEST_SECONDS = 20.0
ASKS_A_MINUTE = 30
"""Requests of one peer that are answered in a minute."""
_MINUTE = 60.0

Spawn = Callable[[Coroutine[Any, Any, None]], object]
"""Starts a task in the task group of the node."""


@dataclass(frozen=True, slots=True)
class Awaited:
    """A peer whose key packages something waits for.

    Attributes:
        failures: how often it was asked in vain.
        reason: why, the last time; None if it answered and had none to give.
    """

    peer: AuthorityId
    failures: int = 0
    reason: ReasonCode | None = None


Supplied = Callable[[AuthorityId], None]
"""Told that packages of a peer have come."""


class Allowance:
    """Counts what each peer asks in a minute; a restart begins anew."""

    def __init__(self, monotonic: Callable[[], float], most: int) -> None:
        self._monotonic = monotonic
        self._most = most
        self._minute = -1.0
        self._asked: dict[AuthorityId, int] = {}

    def take(self, peer: AuthorityId) -> bool:
        """Count one more request; return whether it is within the bound."""
        minute = self._monotonic() // _MINUTE
        if minute != self._minute:
            self._minute = minute
            self._asked.clear()
        self._asked[peer] = self._asked.get(peer, 0) + 1
        return self._asked[peer] <= self._most


class Supply:
    """Answers `Operation.KEY_PACKAGES` and asks for what is missing.

    Args:
        bench: what it works with.
        transport: the line to peers.
        peers: the directory.
        spawn: starts a task.
        refresh: called with peers whose view of the directory is newer than ours.
    """

    def __init__(
        self,
        bench: Workbench,
        transport: Transport,
        peers: PeerBook,
        *,
        spawn: Spawn,
        refresh: Callable[[Iterable[AuthorityId]], None],
    ) -> None:
        self._bench = bench
        self._transport = transport
        self._peers = peers
        self._spawn = spawn
        self._refresh = refresh
        self._allowance = Allowance(bench.clock.monotonic, ASKS_A_MINUTE)
        self._asking: set[AuthorityId] = set()
        self._urgent: dict[AuthorityId, asyncio.Event] = {}
        self._failed: dict[AuthorityId, Awaited] = {}
        self._reasons: dict[AuthorityId, ReasonCode] = {}
        self._supplied: list[Supplied] = []

    def subscribe(self, supplied: Supplied) -> None:
        """Call this whenever packages of a peer have come; from the event loop, after the commit."""
        self._supplied.append(supplied)

    # --- as asked by peers ------------------------------------------------------------------------------

    async def key_packages(self, peer: PeerIdentity, body: bytes) -> bytes:
        """Answer a request for key packages.

        Raises:
            RemoteProtocolError: not such a request, or too many of them (`rate_limited`).
            NodeError: this node can give none now.
        """
        request = parse_package_request(body)
        if not self._allowance.take(peer.authority):
            raise RemoteProtocolError("too many requests for key packages", code=ReasonCode.RATE_LIMITED)
        answer = await self._bench.store.write(
            lambda tx: pool.offer(self._bench, tx, peer.authority, request)
        )
        self._bench.faults.point("groups.packages.offered")
        return answer.to_bytes()

    # --- asking -----------------------------------------------------------------------------------------

    async def top_up(self, peer: AuthorityId) -> None:
        """Ask a peer for packages if few of its are left; returns before it has answered."""
        left = (await self._bench.store.look(self._sizes)).get(peer, 0)
        if left < min(limits.KEY_PACKAGE_REFILL, self._bench.pool_size):
            self._begin(peer)

    def need(self, peers: Iterable[AuthorityId]) -> None:
        """Ask these at once, and again until they have given a package: something waits for it."""
        for peer in sorted(peers):
            self._urgent.setdefault(peer, asyncio.Event()).set()
            self._begin(peer)

    def heard(self, peer: AuthorityId) -> None:
        """A peer has shown itself: ask it now if something waits."""
        urgent = self._urgent.get(peer)
        if urgent is not None:
            urgent.set()

    def status(self) -> list[Awaited]:
        """Return whose packages are waited for, and how the asking goes."""
        return [self._failed.get(peer, Awaited(peer)) for peer in sorted(self._urgent)]

    def _sizes(self, tx: Transaction) -> dict[AuthorityId, int]:
        return records.stock_sizes(tx, self._bench.now_ms())

    def _begin(self, peer: AuthorityId) -> None:
        if peer not in self._asking:
            self._asking.add(peer)
            self._spawn(self._supply(peer))

    async def _supply(self, peer: AuthorityId) -> None:
        """Ask a peer until it has given what is missing; go on after a failure only if something waits."""
        failures = 0
        try:
            while True:
                urgent = self._urgent.get(peer)
                if urgent is not None:
                    urgent.clear()
                if await self._ask_once(peer):
                    self._urgent.pop(peer, None)
                    self._failed.pop(peer, None)
                    return
                if peer not in self._urgent:
                    return
                failures += 1
                self._failed[peer] = Awaited(peer, failures, self._reasons.get(peer))
                await self._pause(peer, failures)
        finally:
            self._asking.discard(peer)

    async def _ask_once(self, peer: AuthorityId) -> bool:
        """Ask for what is missing; return whether there are packages now."""
        self._reasons.pop(peer, None)
        try:
            address = self._peers.address_of(peer)
            while (request := await self._next_request(peer)) is not None:
                taken = await self._ask(address, request)
                if taken.added:
                    for supplied in self._supplied:
                        supplied(peer)
                if taken.added < request.want:
                    break
        except (PeerUnreachableError, ProtocolError) as error:
            self._reasons[peer] = error.code
            return False
        except StoreError as error:
            if not error.is_passing:
                raise
            return False
        return peer in await self._bench.store.look(self._sizes)

    async def _next_request(self, peer: AuthorityId) -> PackageRequest | None:
        return await self._bench.store.look(lambda tx: stock.next_request(self._bench, tx, peer))

    async def _ask(self, address: PeerAddress, request: PackageRequest) -> TakenIn:
        answer = await ask(
            self._transport,
            address,
            Operation.KEY_PACKAGES,
            request.to_bytes(),
            deadline_seconds=REQUEST_SECONDS,
        )
        given = parse_package_answer(answer)
        owner = NodeName(address.authority, address.node)
        taken = await self._bench.store.write(lambda tx: stock.take_in(self._bench, tx, owner, given))
        self._bench.faults.point("groups.packages.taken_in")
        if taken.stale:
            self._refresh([address.authority])
        elif taken.refused:
            self._bench.log.warning(
                "key packages of a peer were refused",
                peer=address.authority,
                count=len(taken.refused),
                code=taken.refused[0],
            )
        return taken

    async def _pause(self, peer: AuthorityId, failures: int) -> None:
        """Wait as long as the rule says, or until the peer shows itself."""
        seconds = delivery.pause_seconds(failures, delivery.even_fraction(self._bench.entropy))
        urgent = self._urgent[peer]
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await urgent.wait()
