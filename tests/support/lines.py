# SPDX-License-Identifier: Apache-2.0
"""Lines between nodes in one process, without faults of their own: a test cuts them or answers itself."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from globe_node.delivery.link import Answer, Operation, PeerAddress, PeerIdentity, RequestHandler, Transport
from globe_node.errors import PeerUnreachableError
from protocol.identifiers import AuthorityId
from tests.support.delivery import identity_of


@dataclass(frozen=True, slots=True)
class Request:
    """One request that somebody made."""

    source: str
    to: str
    operation: Operation
    body: bytes


Interceptor = Callable[[Request], Awaitable[Answer | None]]


class Exchange:
    """Carries every request at once to the handler of its addressee.

    Attributes:
        handlers: who answers, by authority.
        down: authorities that can't be reached.
        requests: every request so far.
        intercept: asked first; an answer of its own replaces the real one.
    """

    def __init__(self) -> None:
        self.handlers: dict[str, RequestHandler] = {}
        self.down: set[str] = set()
        self.requests: list[Request] = []
        self.intercept: Interceptor | None = None

    def line_of(self, source: str) -> Transport:
        """The transport of one node."""
        return _Line(self, identity_of(source))

    async def carry(self, peer: PeerIdentity, to: AuthorityId, operation: Operation, body: bytes) -> Answer:
        request = Request(peer.authority, to, operation, body)
        self.requests.append(request)
        if to in self.down or to not in self.handlers:
            raise PeerUnreachableError("down")
        answer = await self.intercept(request) if self.intercept else None
        return answer or await self.handlers[to].handle(peer, operation, body)


class _Line:
    def __init__(self, exchange: Exchange, source: PeerIdentity) -> None:
        self._exchange = exchange
        self._source = source

    async def request(
        self, peer: PeerAddress, operation: Operation, *, body: bytes, deadline_seconds: float
    ) -> Answer:
        return await self._exchange.carry(self._source, peer.authority, operation, body)
