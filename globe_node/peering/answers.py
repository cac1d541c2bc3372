# SPDX-License-Identifier: Apache-2.0
"""The door through which every error of a peer's request leaves: a status and a reason code, nothing else.

1. The body of a refusal is `{"error": code}` in canonical form. No byte of the request, no class name and
   no version of any software is in an answer.
2. The connection is closed after a refusal: nobody has to guess where the next request begins.
3. An error nobody foresaw is written to the operator's log by class and place, and the peer reads `busy`: it
   comes back later, and its message is not lost.
"""

import math
from collections.abc import Awaitable, Callable
from http import HTTPStatus

from aiohttp import hdrs, web

from globe_node.errors import NodeError
from globe_node.logs import EventLog
from protocol import canonical
from protocol.errors import ReasonCode, RemoteProtocolError, UnsupportedVersionError

CONTENT_TYPE = "application/octet-stream"
ERROR_CONTENT_TYPE = "application/json"
UNFORESEEN_RETRY_SECONDS = 60.0

STATUS_OF = {
    ReasonCode.BAD_REQUEST: 400,
    ReasonCode.REFUSED: 403,
    ReasonCode.NOT_FOUND: 404,
    ReasonCode.TOO_SLOW: 408,
    ReasonCode.ID_CONFLICT: 409,
    ReasonCode.SEQUENCE_GAP: 409,
    ReasonCode.ILLEGAL_MOVE: 409,
    ReasonCode.SENDER_ROLLED_BACK: 409,
    ReasonCode.LENGTH_REQUIRED: 411,
    ReasonCode.TOO_LARGE: 413,
    ReasonCode.ENCODING_FORBIDDEN: 415,
    ReasonCode.WRONG_HOST: 421,
    ReasonCode.RATE_LIMITED: 429,
    ReasonCode.QUOTA_EXCEEDED: 429,
    ReasonCode.BUSY: 503,
    ReasonCode.STORAGE_FAILED: 503,
    ReasonCode.BAD_VERSION: 505,
    ReasonCode.STORAGE_FULL: 507,
}
"""The HTTP status of a reason code; 422 for all others.

Spec: PROTOCOL.md section 11.3.
"""
_OTHER = HTTPStatus.UNPROCESSABLE_ENTITY.value


class RefusalError(Exception):
    """A request is answered with this and its connection is closed.

    Attributes:
        code: the reason the peer reads.
        status: the HTTP status.
        retry_after: seconds until the peer may come back, or None.
    """

    def __init__(
        self, code: ReasonCode, *, status: int | None = None, retry_after: float | None = None
    ) -> None:
        super().__init__(code.value)
        self.code = code
        self.status = STATUS_OF.get(code, _OTHER) if status is None else status
        self.retry_after = retry_after


class ExchangeResponse(web.Response):
    """An answer that says HTTP/1.1 whatever was asked, and not which software wrote it."""

    async def _prepare_headers(self) -> None:
        await super()._prepare_headers()
        self.headers.popall(hdrs.SERVER, None)

    async def _write_headers(self) -> None:
        if self._payload_writer is None:
            raise RuntimeError("not prepared")
        await self._payload_writer.write_headers(f"HTTP/1.1 {self.status} {self.reason}", self.headers)


def success(body: bytes) -> ExchangeResponse:
    """Make the answer to a request that was carried out."""
    return ExchangeResponse(body=body, content_type=CONTENT_TYPE)


def response_of(refusal: RefusalError) -> ExchangeResponse:
    """Make the answer of a refusal."""
    headers = {hdrs.CONTENT_TYPE: ERROR_CONTENT_TYPE, hdrs.CONNECTION: "close"}
    if refusal.retry_after is not None:
        headers[hdrs.RETRY_AFTER] = str(max(1, math.ceil(refusal.retry_after)))
    body = canonical.to_bytes({"error": refusal.code.value})
    response = ExchangeResponse(status=refusal.status, body=body, headers=headers)
    response.force_close()
    return response


def refusal_of(error: Exception) -> RefusalError | None:
    """Return what a peer reads of an error, or None for one that nobody foresaw."""
    if isinstance(error, RefusalError):
        return error
    if isinstance(error, UnsupportedVersionError):
        return RefusalError(error.code, status=_OTHER)
    if isinstance(error, RemoteProtocolError | NodeError):
        return RefusalError(error.code)
    return None


class ErrorDoor:
    """Calls a function for a request and turns whatever it raises into an answer."""

    def __init__(
        self, serve: Callable[[web.BaseRequest], Awaitable[ExchangeResponse]], log: EventLog
    ) -> None:
        self._serve = serve
        self._log = log

    async def answer(self, request: web.BaseRequest) -> ExchangeResponse:
        """Return the answer, whatever happens; only a cancelled task stays cancelled."""
        try:
            return await self._serve(request)
        except Exception as error:
            refusal = refusal_of(error)
            if refusal is None:
                self._log.error("a peer's request failed", error=error)
                refusal = RefusalError(ReasonCode.BUSY, retry_after=UNFORESEEN_RETRY_SECONDS)
            return response_of(refusal)
