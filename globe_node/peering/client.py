# SPDX-License-Identifier: Apache-2.0
"""Asks other nodes over mutual TLS: the `Transport` of a running node. It decides nothing about messages.

1. The peer is taken to be hostile: what is read is capped, nothing is decompressed, no redirect is followed,
   no cookie is kept, no proxy of the environment is used, and the caller's deadline ends everything.
2. Each peer has a session of its own, with its own pinned certificates and its own connections, so that one
   peer's trouble stays its own. Connections are kept open for some minutes.
3. A kept connection that turns out to be dead is replaced once, at once: a repeat is harmless.
"""

import asyncio
import io
import socket
from dataclasses import dataclass, field
from http import HTTPStatus

import aiohttp
from aiohttp import hdrs
from aiohttp.http_exceptions import HttpProcessingError

from globe_node.delivery.link import MAX_ANSWER_BYTES, MAX_REQUEST_BYTES, Answer, Operation, PeerAddress
from globe_node.peering.answers import CONTENT_TYPE, ERROR_CONTENT_TYPE
from globe_node.peering.faults import LineError, LineFault, fault_of, is_stale_connection
from globe_node.peering.resolver import AddressInfo, CheckingResolver
from globe_node.peering.settings import (
    MAX_ERROR_BYTES,
    MAX_HEADER_FIELD_BYTES,
    MAX_HEADERS,
    MAX_REQUEST_LINE_BYTES,
    READ_BUFFER_BYTES,
    LineLimits,
)
from globe_node.peering.tls import client_context, shrink_buffers
from keys.tls_identity import TLSIdentity
from protocol import canonical
from protocol.directory.endpoints import parse_endpoint
from protocol.errors import LocalProtocolError, MalformedError, ReasonCode
from protocol.identifiers import AuthorityId, NodeId

MAX_RETRY_AFTER_SECONDS = 3600.0
_MAX_PLAIN_BODY_BYTES = 512 * 1024
"""Longer bodies are handed over in pieces, so that the event loop can breathe."""
_KNOWN_CODES = frozenset(code.value for code in ReasonCode)


@dataclass(slots=True)
class _Session:
    """The connections to one node."""

    address: PeerAddress
    client: aiohttp.ClientSession
    opened: list[int] = field(default_factory=lambda: [0])
    """How many connections were opened so far; one number that the socket factory counts up."""


class HTTPTransport:
    """Carries requests to peers by HTTP/1.1 over mutual TLS 1.3."""

    def __init__(
        self,
        identity: TLSIdentity,
        *,
        private_addresses_allowed: bool = False,
        limits: LineLimits | None = None,
        resolver: CheckingResolver | None = None,
    ) -> None:
        self._identity = identity
        self._private_addresses_allowed = private_addresses_allowed
        self._limits = limits or LineLimits()
        self._resolver = resolver or CheckingResolver(private_allowed=private_addresses_allowed)
        self._sessions: dict[tuple[AuthorityId, NodeId], _Session] = {}

    async def request(
        self, peer: PeerAddress, operation: Operation, *, body: bytes, deadline_seconds: float
    ) -> Answer:
        """Send a request and wait for its answer.

        Args:
            peer: whom to ask.
            operation: what to ask.
            body: the request.
            deadline_seconds: how long the whole attempt may take.

        Raises:
            LineError: no authenticated, well-formed answer came in time.
            LocalProtocolError: the body is longer than the operation allows (`too_large`).

        Spec: PROTOCOL.md section 11.2.
        """
        if len(body) > MAX_REQUEST_BYTES[operation]:
            raise LocalProtocolError("a request longer than a peer reads", code=ReasonCode.TOO_LARGE)
        try:
            async with asyncio.timeout(deadline_seconds):
                session = await self._session_for(peer)
                before = session.opened[0]
                try:
                    return await self._exchange(session, operation, body)
                except (aiohttp.ClientError, OSError) as error:
                    if not is_stale_connection(error) or session.opened[0] != before:
                        raise
                return await self._exchange(session, operation, body)
        except (aiohttp.ClientError, HttpProcessingError, OSError, ValueError, MalformedError) as error:
            raise LineError(fault_of(error)) from None

    async def close(self) -> None:
        """Close all connections."""
        sessions, self._sessions = self._sessions, {}
        for session in sessions.values():
            await session.client.close()
        await self._resolver.close()

    async def replace_identity(self, identity: TLSIdentity) -> None:
        """Show this certificate from now on; open connections are closed."""
        self._identity = identity
        sessions, self._sessions = self._sessions, {}
        for session in sessions.values():
            await session.client.close()

    async def _session_for(self, peer: PeerAddress) -> _Session:
        place = (peer.authority, peer.node)
        session = self._sessions.get(place)
        if session is not None and session.address == peer:
            return session
        try:
            parse_endpoint(peer.endpoint, sample=self._private_addresses_allowed)
        except MalformedError:
            raise LineError(LineFault.FORBIDDEN) from None
        fresh = self._open(peer)
        self._sessions[place] = fresh
        if session is not None:
            await session.client.close()
        return fresh

    def _open(self, peer: PeerAddress) -> _Session:
        shrink_buffers()
        limits = self._limits
        opened = [0]

        def make_socket(info: AddressInfo) -> socket.socket:
            opened[0] += 1
            return self._resolver.make_socket(info)

        connector = aiohttp.TCPConnector(
            ssl=client_context(self._identity, (peer.tls_certificate_der, peer.next_tls_certificate_der)),
            limit=limits.connections_per_peer,
            keepalive_timeout=limits.keep_open_seconds,
            ttl_dns_cache=60,
            dns_cache_max_size=4,
            resolver=self._resolver,
            socket_factory=make_socket,
        )
        client = aiohttp.ClientSession(
            base_url=f"{peer.endpoint}/v1/",
            connector=connector,
            headers={hdrs.ACCEPT_ENCODING: "identity", hdrs.CONTENT_TYPE: CONTENT_TYPE},
            skip_auto_headers=(hdrs.USER_AGENT, hdrs.ACCEPT),
            timeout=aiohttp.ClientTimeout(
                total=None,
                connect=limits.connect_seconds,
                sock_connect=limits.connect_seconds,
                sock_read=limits.silence_seconds,
            ),
            cookie_jar=aiohttp.DummyCookieJar(),
            auto_decompress=False,
            trust_env=False,
            read_bufsize=READ_BUFFER_BYTES,
            max_line_size=MAX_REQUEST_LINE_BYTES,
            max_field_size=MAX_HEADER_FIELD_BYTES,
            max_headers=MAX_HEADERS,
        )
        return _Session(peer, client, opened)

    async def _exchange(self, session: _Session, operation: Operation, body: bytes) -> Answer:
        data = body if len(body) <= _MAX_PLAIN_BODY_BYTES else io.BytesIO(body)
        response = await session.client.post(operation.value, data=data, allow_redirects=False)
        answer = None
        try:
            answer = await _read_answer(response, MAX_ANSWER_BYTES[operation])
        finally:
            if answer is None:
                response.close()
            else:
                response.release()
        return answer


async def _read_answer(response: aiohttp.ClientResponse, max_bytes: int) -> Answer:
    """Judge an answer and read it.

    Spec: PROTOCOL.md section 11.3.
    """
    good = response.status == HTTPStatus.OK
    if HTTPStatus.MULTIPLE_CHOICES <= response.status < HTTPStatus.BAD_REQUEST:
        raise LineError(LineFault.REDIRECT)
    if response.status < HTTPStatus.OK or (response.status < HTTPStatus.MULTIPLE_CHOICES and not good):
        raise LineError(LineFault.MALFORMED)
    if hdrs.CONTENT_ENCODING in response.headers or hdrs.TRANSFER_ENCODING in response.headers:
        raise LineError(LineFault.ENCODED)
    if response.headers.getall(hdrs.CONTENT_TYPE, []) != [CONTENT_TYPE if good else ERROR_CONTENT_TYPE]:
        raise LineError(LineFault.CONTENT_TYPE)
    body = await _read_body(response, max_bytes if good else MAX_ERROR_BYTES)
    return Answer(None, body) if good else _refusal(body, response.headers.get(hdrs.RETRY_AFTER, ""))


async def _read_body(response: aiohttp.ClientResponse, max_bytes: int) -> bytes:
    length = response.content_length
    if length is None:
        raise LineError(LineFault.MALFORMED)
    if length > max_bytes:
        raise LineError(LineFault.TOO_LARGE)
    pieces = []
    while not response.content.at_eof():
        pieces.append(await response.content.readany())
    body = b"".join(pieces)
    if len(body) != length:
        raise LineError(LineFault.MALFORMED)
    return body


def _refusal(body: bytes, retry_after: str) -> Answer:
    members = canonical.parse_object(body, MAX_ERROR_BYTES)
    word = members.get("error")
    if len(members) != 1 or not isinstance(word, str):
        raise LineError(LineFault.MALFORMED)
    code = ReasonCode(word) if word in _KNOWN_CODES else ReasonCode.REFUSED
    seconds = None
    if retry_after.isascii() and retry_after.isdigit():
        seconds = min(float(retry_after[:5]), MAX_RETRY_AFTER_SECONDS)
    return Answer(code, b"", seconds)
