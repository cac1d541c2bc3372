# SPDX-License-Identifier: Apache-2.0
"""One connection of a peer: aiohttp's HTTP protocol with deadlines of its own and no text of its own.

1. The headers of a request must be complete within a deadline that starts at its first byte, and for the
   first request at the end of the handshake. Between requests the connection may idle much longer.
2. What can't be parsed is answered by a reason code; the parser's description, which quotes its input, is
   dropped.
3. After a refusal nothing more is parsed; what still comes is thrown away until the line is closed.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable

from aiohttp import web
from aiohttp.http_exceptions import BadHttpMethod

from globe_node.peering.admission import Lease
from globe_node.peering.answers import RefusalError, response_of
from globe_node.peering.settings import (
    MAX_HEADER_FIELD_BYTES,
    MAX_HEADERS,
    MAX_REQUEST_LINE_BYTES,
    READ_BUFFER_BYTES,
    SiteLimits,
)
from globe_node.peering.tls import LineObject, TrustedPeers
from protocol.errors import ReasonCode

_HTTP2_PREFACE = b"PRI * HTTP/2.0"
_SILENT = logging.getLogger("globe_node.peering.silent")
"""aiohttp's log texts quote input; what matters is written to the operator's log elsewhere."""
_SILENT.addHandler(logging.NullHandler())
_SILENT.propagate = False


class PeerConnection(web.RequestHandler):
    """Speaks HTTP with one peer."""

    __slots__ = ("_header_deadline", "_header_seconds", "_in_request", "_lease", "_speaks_http2", "line")

    def __init__(self, server: web.Server, *, limits: SiteLimits, lease: Lease) -> None:
        super().__init__(
            server,
            loop=asyncio.get_running_loop(),
            keepalive_timeout=limits.idle_seconds,
            logger=_SILENT,
            access_log=None,  # type: ignore[arg-type]  # None is how aiohttp is told not to log
            max_line_size=MAX_REQUEST_LINE_BYTES,
            max_field_size=MAX_HEADER_FIELD_BYTES,
            max_headers=MAX_HEADERS,
            lingering_time=limits.lingering_seconds,
            read_bufsize=READ_BUFFER_BYTES,
            auto_decompress=False,
        )
        self._lease = lease
        self._header_seconds = limits.header_seconds
        self._header_deadline: asyncio.TimerHandle | None = None
        self._in_request = False
        self._speaks_http2 = False
        self.line: LineObject | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """The handshake has ended; the first request is awaited."""
        super().connection_made(transport)
        line = transport.get_extra_info("ssl_object")
        self.line = line if isinstance(line, LineObject) else None
        self._lease.established()
        self._await_headers()

    def connection_lost(self, exc: BaseException | None) -> None:
        """The connection is gone."""
        self._headers_came()
        self._lease.release()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Pass input to the parser."""
        if not self._in_request:
            if data.startswith(_HTTP2_PREFACE):
                self._speaks_http2 = True
            if self._header_deadline is None:
                self._await_headers()
        super().data_received(data)

    def request_begins(self) -> None:
        """A request is complete up to its body and is being answered."""
        self._in_request = True
        self._headers_came()

    def request_ends(self) -> None:
        """The answer has been written."""
        self._in_request = False

    def trust_changed(self, peers: TrustedPeers) -> None:
        """Cut the line of a peer that is not trusted any more; a request in work is refused where it ends."""
        if self.line is None or self._in_request:
            return
        if peers.identity_of(self.line.peer_certificate_der) is None:
            self.force_close()

    def handle_error(
        self,
        request: web.BaseRequest,
        status: int = 500,
        exc: BaseException | None = None,
        message: str | None = None,
    ) -> web.StreamResponse:
        """Answer what could not be parsed."""
        del message
        if request.writer.output_size > 0:
            raise ConnectionError
        self.close()
        if self._speaks_http2:
            return response_of(RefusalError(ReasonCode.BAD_VERSION))
        if isinstance(exc, BadHttpMethod):
            return response_of(RefusalError(ReasonCode.BAD_REQUEST, status=405))
        if status == 400:
            return response_of(RefusalError(ReasonCode.BAD_REQUEST))
        return response_of(RefusalError(ReasonCode.BUSY, retry_after=1.0))

    def _await_headers(self) -> None:
        loop = asyncio.get_running_loop()
        self._header_deadline = loop.call_later(self._header_seconds, self.force_close)

    def _headers_came(self) -> None:
        if self._header_deadline is not None:
            self._header_deadline.cancel()
            self._header_deadline = None


class ConnectionServer(web.Server):
    """Makes connections of our kind; aiohttp keeps the list of them and ends them."""

    def __init__(
        self, handler: Callable[[web.BaseRequest], Awaitable[web.StreamResponse]], *, limits: SiteLimits
    ) -> None:
        super().__init__(handler)
        self._limits = limits

    def connection_for(self, lease: Lease) -> PeerConnection:
        """Make the protocol of a new connection."""
        return PeerConnection(self, limits=self._limits, lease=lease)
