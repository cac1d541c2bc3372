# SPDX-License-Identifier: Apache-2.0
"""What a peer may ask over HTTP: four operations, each a POST with a body of known length. Nothing else.

1. First who, then how, then what: the certificate is looked up for each request, and again when its body has
   come, so a removed peer is refused in the middle of a connection; then the framing is checked; only then a
   body is read.
2. A request has one form. What HTTP allows beside it (transfer codings, content codings, expectations,
   upgrades, absolute addresses, other versions) is refused, since each is a way to make two readers disagree.
3. A host is one of our own endpoints, and the name asked for in TLS does not contradict it.
"""

from aiohttp import HttpVersion11, hdrs, web

from globe_node.delivery.link import MAX_REQUEST_BYTES, Operation, PeerIdentity, RequestHandler
from globe_node.peering.admission import PeerGate
from globe_node.peering.answers import CONTENT_TYPE, ExchangeResponse, RefusalError, response_of, success
from globe_node.peering.bodies import BodyReader
from globe_node.peering.connection import PeerConnection
from globe_node.peering.tls import TrustedPeers
from protocol.directory.endpoints import DEFAULT_PORT
from protocol.errors import ReasonCode

OPERATION_OF = {f"/v1/{operation.value}": operation for operation in Operation}


class Endpoints:
    """Answers requests of peers by a handler that knows no HTTP."""

    def __init__(
        self,
        handler: RequestHandler,
        *,
        peers: TrustedPeers,
        gate: PeerGate,
        bodies: BodyReader,
    ) -> None:
        self._handler = handler
        self._peers = peers
        self._gate = gate
        self._bodies = bodies
        self._hosts: set[str] = set()
        self._names: set[str] = set()

    def add_host(self, name: str, port: int) -> None:
        """Answer requests for this host too.

        Args:
            name: in lower case; an IPv6 address in brackets.
            port: as peers know it.
        """
        self._names.add(name)
        self._hosts.add(f"{name}:{port}")
        if port == DEFAULT_PORT:
            self._hosts.add(name)

    async def serve(self, request: web.BaseRequest) -> ExchangeResponse:
        """Answer one request.

        Raises:
            RefusalError: the request has another form, its sender is not trusted, or it asks too much.
            RemoteProtocolError: the handler refuses it.

        Spec: PROTOCOL.md section 11.2.
        """
        peer = self._sender(request)
        operation, length = self._checked(request)
        with self._gate.enter(peer), self._bodies.hold(length):
            body = await self._bodies.read(request.content, length)
            peer = self._sender(request)
            answer = await self._handler.handle(peer, operation, body)
        if answer.code is not None:
            return response_of(RefusalError(answer.code, retry_after=answer.retry_after))
        return success(answer.body)

    def _sender(self, request: web.BaseRequest) -> PeerIdentity:
        connection = request.protocol
        line = connection.line if isinstance(connection, PeerConnection) else None
        peer = None if line is None else self._peers.identity_of(line.peer_certificate_der)
        if peer is None:
            raise RefusalError(ReasonCode.REFUSED)
        return peer

    def _checked(self, request: web.BaseRequest) -> tuple[Operation, int]:
        """Check the form of a request; return what it asks and how long its body is."""
        headers = request.headers
        if request.version != HttpVersion11:
            raise RefusalError(ReasonCode.BAD_VERSION)
        if request.method != hdrs.METH_POST:
            raise RefusalError(ReasonCode.BAD_REQUEST, status=405)
        self._check_host(request)
        if hdrs.TRANSFER_ENCODING in headers:
            raise RefusalError(ReasonCode.LENGTH_REQUIRED)
        if hdrs.EXPECT in headers:
            raise RefusalError(ReasonCode.BAD_REQUEST, status=417)
        if hdrs.UPGRADE in headers:
            raise RefusalError(ReasonCode.BAD_REQUEST)
        if hdrs.CONTENT_ENCODING in headers:
            raise RefusalError(ReasonCode.ENCODING_FORBIDDEN)
        operation = OPERATION_OF.get(request.raw_path)
        if operation is None:
            raise RefusalError(ReasonCode.NOT_FOUND)
        if headers.getall(hdrs.CONTENT_TYPE, []) != [CONTENT_TYPE]:
            raise RefusalError(ReasonCode.BAD_REQUEST, status=415)
        return operation, _length_of(headers.getall(hdrs.CONTENT_LENGTH, []), MAX_REQUEST_BYTES[operation])

    def _check_host(self, request: web.BaseRequest) -> None:
        if not request.raw_path.startswith("/"):
            raise RefusalError(ReasonCode.WRONG_HOST)
        named = request.headers.getall(hdrs.HOST, [])
        if len(named) != 1:
            raise RefusalError(ReasonCode.BAD_REQUEST)
        if named[0].lower() not in self._hosts:
            raise RefusalError(ReasonCode.WRONG_HOST)
        connection = request.protocol
        line = connection.line if isinstance(connection, PeerConnection) else None
        if line is not None and line.asked_name is not None and line.asked_name.lower() not in self._names:
            raise RefusalError(ReasonCode.WRONG_HOST)


def _length_of(values: list[str], at_most: int) -> int:
    if not values:
        raise RefusalError(ReasonCode.LENGTH_REQUIRED)
    text = values[0]
    if len(values) > 1 or not (text.isascii() and text.isdigit()):
        raise RefusalError(ReasonCode.BAD_REQUEST)
    if len(text) > len(str(at_most)) or int(text) > at_most:
        raise RefusalError(ReasonCode.TOO_LARGE)
    return int(text)
