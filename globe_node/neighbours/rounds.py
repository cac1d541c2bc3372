# SPDX-License-Identifier: Apache-2.0
"""Keeps the directory the same at all nodes: greets neighbours, and meets those who see it otherwise.

1. Every minute, with jitter, one neighbour after the other is greeted; a change of ours is told to some at
   once. So a removal of trust reaches everybody within minutes, also when some nodes are away.
2. Who has another view of the directory is met: both give what the other lacks.
3. A neighbour that can't be reached now is left for its next turn. Nothing here ends a message.
4. A neighbour that answered is asked for key packages when few of its are left.
5. Meetings happen one at a time; what asks for one meanwhile waits in a set, so a flood costs nothing.
"""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass

from globe_node.clock import Clock
from globe_node.delivery.link import Operation, PeerAddress, PeerIdentity, Transport, ask
from globe_node.directory import exchange
from globe_node.directory.register import Register
from globe_node.errors import PeerUnreachableError, StoreError
from globe_node.logs import EventLog
from globe_node.neighbours.book import DirectoryBook
from globe_node.neighbours.greeting import Greeting, parse_greeting
from globe_node.store.door import Store
from protocol import limits
from protocol.delivery import even_fraction
from protocol.errors import ProtocolError, ReasonCode
from protocol.identifiers import AuthorityId
from protocol.interfaces import Entropy

ROUND_SECONDS = 60.0
"""Longest time from one greeting to the next; half of it on average."""
TELL_AT_ONCE = 8
"""Neighbours that hear of a change at once; they tell others."""
REQUEST_SECONDS = 20.0


@dataclass(frozen=True, slots=True)
class Acquaintance:
    """What is known of a neighbour since the start.

    Attributes:
        heard_at: monotonic seconds of its last answer or request.
        skew_seconds: its clock minus ours.
        same_view: whether it saw the directory as we do.
        failure: code of the last failed greeting, or None.
    """

    heard_at: float
    skew_seconds: float
    same_view: bool
    failure: ReasonCode | None = None


@dataclass(frozen=True, slots=True)
class RoundsTools:
    """What the rounds work with."""

    identity: PeerIdentity
    register: Register
    book: DirectoryBook
    store: Store
    transport: Transport
    clock: Clock
    entropy: Entropy
    log: EventLog


class Rounds:
    """Greets, is greeted, and exchanges statements. Implements `delivery.reception.DirectoryDesk`.

    Args:
        tools: what it works with.
        heard: called for every neighbour that answered.
        top_up: asks a neighbour that answered for key packages, if few of its are left.
    """

    def __init__(
        self,
        tools: RoundsTools,
        heard: Callable[[AuthorityId], None],
        top_up: Callable[[AuthorityId], Awaitable[None]],
    ) -> None:
        self._tools = tools
        self._heard = heard
        self._top_up = top_up
        self._wanted: dict[AuthorityId, None] = {}
        self._arrived = asyncio.Event()
        self._known: dict[AuthorityId, Acquaintance] = {}
        tools.register.subscribe(lambda _state: self.tell())

    def acquaintances(self) -> dict[AuthorityId, Acquaintance]:
        """Return what is known of neighbours since the start."""
        return dict(self._known)

    def want(self, peers: Iterable[AuthorityId]) -> None:
        """Greet these soon."""
        self._wanted.update(dict.fromkeys(peers))
        self._arrived.set()

    def tell(self) -> None:
        """Greet some neighbours at once: the directory has changed."""
        self.want(self._some(TELL_AT_ONCE))

    async def run(self) -> None:
        """Greet for ever."""
        while True:
            await self._pause()
            if not self._wanted:
                self.want(self._some(1))
            while self._wanted:
                peer = next(iter(self._wanted))
                del self._wanted[peer]
                await self.greet(peer)

    async def greet(self, peer: AuthorityId) -> None:
        """Greet one neighbour and, if it sees the directory otherwise, meet it; failures are noted only."""
        try:
            address = self._tools.book.address_of(peer)
            theirs = await self._greeting_of(address)
            self._heard(peer)
            if not self._note(theirs):
                await self._meet(address)
            await self._top_up(peer)
        except (PeerUnreachableError, ProtocolError) as error:
            self._note_failure(peer, error.code)
        except StoreError as error:
            if not error.is_passing:
                raise

    # --- as asked by peers ------------------------------------------------------------------------------

    async def greeting(self, peer: PeerIdentity, body: bytes) -> bytes:
        """Answer a greeting, and plan a meeting if the directories differ.

        Raises:
            RemoteProtocolError: not a greeting, or of somebody else.
        """
        if not self._note(parse_greeting(body, peer)):
            self.want([peer.authority])
        return self.own_greeting().to_bytes()

    async def statements(self, peer: PeerIdentity, body: bytes) -> bytes:
        """Take statements and give those that the peer lacks.

        Raises:
            RemoteProtocolError: not a message of the exchange.
        """
        tools = self._tools
        answer, report = await exchange.answer(
            tools.register, tools.store, body, f"{peer.authority}/{peer.node}"
        )
        if report.refused:  # one line a request, whatever was in it
            tools.log.warning(
                "statements of a peer were refused",
                peer=peer.authority,
                count=len(report.refused),
                code=report.refused[0].code,
            )
        return answer

    # --- inside -----------------------------------------------------------------------------------------

    async def _greeting_of(self, address: PeerAddress) -> Greeting:
        answer = await self._ask(address, Operation.GREETING, self.own_greeting().to_bytes())
        return parse_greeting(answer, address.identity)

    async def _meet(self, address: PeerAddress) -> None:
        tools = self._tools
        meeting = exchange.Meeting(tools.register, tools.store, f"{address.authority}/{address.node}")
        message: bytes | None = meeting.opening()
        while message is not None:
            message = await meeting.take(await self._ask(address, Operation.STATEMENTS, message))

    async def _ask(self, address: PeerAddress, operation: Operation, body: bytes) -> bytes:
        return await ask(self._tools.transport, address, operation, body, deadline_seconds=REQUEST_SECONDS)

    def own_greeting(self) -> Greeting:
        """Return what this node says first."""
        register = self._tools.register
        view = None if register.is_empty else register.state.view
        return Greeting(self._tools.identity, self._tools.clock.now(), view)

    def _note(self, theirs: Greeting) -> bool:
        """Remember a greeting; return whether the peer sees the directory as we do."""
        own, peer = self.own_greeting(), theirs.identity.authority
        same = theirs.view == own.view
        skew_seconds = (theirs.time - own.time).total_seconds()
        before = self._known.get(peer)
        if _is_wrong(skew_seconds) and not (before and _is_wrong(before.skew_seconds)):
            self._tools.log.warning(
                "the clock of a peer is not ours",
                peer=peer,
                skew_seconds=skew_seconds,
                code=ReasonCode.CLOCK_WRONG,
            )
        self._known[peer] = Acquaintance(
            heard_at=self._tools.clock.monotonic(),
            skew_seconds=skew_seconds,
            same_view=same,
        )
        return same

    def _note_failure(self, peer: AuthorityId, code: ReasonCode) -> None:
        before = self._known.get(peer)
        self._known[peer] = Acquaintance(
            heard_at=before.heard_at if before else 0.0,
            skew_seconds=before.skew_seconds if before else 0.0,
            same_view=before.same_view if before else False,
            failure=code,
        )

    def _some(self, count: int) -> list[AuthorityId]:
        """Return some neighbours by chance, none twice."""
        left = list(self._tools.book.others())
        chosen: list[AuthorityId] = []
        while left and len(chosen) < count:
            drawn = int(even_fraction(self._tools.entropy) * len(left))
            chosen.append(left.pop(min(drawn, len(left) - 1)))
        return chosen

    async def _pause(self) -> None:
        self._arrived.clear()
        if self._wanted:
            return
        seconds = ROUND_SECONDS * even_fraction(self._tools.entropy)
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(max(seconds, 1.0)):
                await self._arrived.wait()


def _is_wrong(skew_seconds: float) -> bool:
    return abs(skew_seconds) > limits.CLOCK_TOLERANCE_SECONDS
