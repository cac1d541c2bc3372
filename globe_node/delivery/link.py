# SPDX-License-Identifier: Apache-2.0
"""The seam between delivery and the line to a peer. No HTTP, no sockets, no retries.

`globe_node.peering` implements it over mutual TLS, the simulation over memory; delivery sees no difference.

1. A request either returns an `Answer` of that peer, authenticated, or raises `PeerUnreachableError`. Both
   are facts about this one attempt: what was sent may have arrived, so a repeat must be harmless.
2. `Answer.code` is None for success. Any code is unsigned, so for the sender it is a transient failure;
   only signed receipts inside a body decide the fate of a message.
3. A handler gets the identity that the line has authenticated, and never a claim from the body.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final, Protocol

from globe_node.errors import PeerUnreachableError
from protocol import limits
from protocol.errors import ReasonCode
from protocol.identifiers import AuthorityId, NodeId


class Operation(StrEnum):
    """What one node may ask of another.

    Spec: PROTOCOL.md section 11.
    """

    ENVELOPES = "envelopes"
    RECEIPTS = "receipts"
    STATEMENTS = "statements"
    GREETING = "greeting"
    KEY_PACKAGES = "key-packages"
    COMMITS = "commits"
    GROUP_INFO = "group-info"
    HUB_RECEIPTS = "hub-receipts"


MAX_REQUEST_BYTES: Final[Mapping[Operation, int]] = {
    Operation.ENVELOPES: limits.MAX_BATCH_BYTES,
    Operation.RECEIPTS: limits.MAX_BATCH_BYTES,
    Operation.STATEMENTS: limits.MAX_DIRECTORY_ANSWER_BYTES,
    Operation.GREETING: 4096,
    Operation.KEY_PACKAGES: limits.MAX_PACKAGE_REQUEST_BYTES,
    Operation.COMMITS: limits.MAX_COMMIT_BYTES + 16 * 1024,
    Operation.GROUP_INFO: 64,
    Operation.HUB_RECEIPTS: limits.MAX_HUB_RECEIPTS_BYTES,
}
"""The longest body of each request; a longer one is refused unread."""
MAX_ANSWER_BYTES: Final[Mapping[Operation, int]] = {
    Operation.ENVELOPES: limits.MAX_ANSWER_BYTES,
    Operation.RECEIPTS: limits.MAX_ANSWER_BYTES,
    Operation.STATEMENTS: limits.MAX_DIRECTORY_ANSWER_BYTES,
    Operation.GREETING: 4096,
    Operation.KEY_PACKAGES: limits.MAX_PACKAGE_ANSWER_BYTES,
    Operation.COMMITS: limits.MAX_ORDER_ANSWER_BYTES,
    Operation.GROUP_INFO: limits.MAX_WELCOME_BYTES + 1024 * 1024,
    Operation.HUB_RECEIPTS: limits.MAX_HUB_RECEIPTS_BYTES,
}
"""The longest body of each answer; the asking side reads no further."""


@dataclass(frozen=True, slots=True)
class PeerIdentity:
    """One active node of one authority, as the line has authenticated it."""

    authority: AuthorityId
    node: NodeId


@dataclass(frozen=True, slots=True)
class PeerAddress:
    """Where a peer listens and how it is recognised, as the directory says.

    Attributes:
        authority: the authority that runs the node.
        node: the node.
        endpoint: `https://host:port`, nothing after it.
        tls_certificate_der: the certificate it must show.
        next_tls_certificate_der: a second one that it may show while it changes its certificate, or empty.
    """

    authority: AuthorityId
    node: NodeId
    endpoint: str
    tls_certificate_der: bytes = field(repr=False)
    next_tls_certificate_der: bytes = field(default=b"", repr=False)

    @property
    def identity(self) -> PeerIdentity:
        """Return who is expected at this address."""
        return PeerIdentity(self.authority, self.node)


@dataclass(frozen=True, slots=True)
class Answer:
    """What came back for one request.

    Attributes:
        code: None for success, else why the peer refused.
        body: the bytes of a success, empty for a refusal. Untrusted until parsed and verified.
        retry_after: seconds the peer asks us to wait before the next request, or None.
    """

    code: ReasonCode | None
    body: bytes = field(repr=False)
    retry_after: float | None = None


class Transport(Protocol):
    """Carries one request to one peer."""

    async def request(
        self, peer: PeerAddress, operation: Operation, *, body: bytes, deadline_seconds: float
    ) -> Answer:
        """Send a request and wait for its answer.

        Args:
            peer: whom to ask.
            operation: what to ask.
            body: the request, within the limits of the operation.
            deadline_seconds: how long the whole attempt may take.

        Raises:
            PeerUnreachableError: no authenticated, well-formed answer came in time.
        """
        ...


async def ask(
    transport: Transport, peer: PeerAddress, operation: Operation, body: bytes, *, deadline_seconds: float
) -> bytes:
    """Send a request that asks for something, and return what the peer gave; untrusted until parsed.

    Raises:
        PeerUnreachableError: no answer came in time, or the peer refused, with its code.
    """
    answer = await transport.request(peer, operation, body=body, deadline_seconds=deadline_seconds)
    if answer.code is not None:
        raise PeerUnreachableError("the peer did not give what it was asked for", code=answer.code)
    return answer.body


class RequestHandler(Protocol):
    """Answers the requests of authenticated peers."""

    async def handle(self, peer: PeerIdentity, operation: Operation, body: bytes) -> Answer:
        """Answer one request.

        Args:
            peer: who asks; active in the directory at this moment.
            operation: what is asked.
            body: at most the limit of the operation; otherwise unchecked.

        Raises:
            RemoteProtocolError: the request breaks a rule; the peer gets the code.
        """
        ...
