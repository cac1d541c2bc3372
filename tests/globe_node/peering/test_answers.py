# SPDX-License-Identifier: Apache-2.0
"""Every error leaves by one door: a status and a code."""

import io
import json

import pytest

from globe_node.clock import SystemClock
from globe_node.delivery.link import Answer, Operation, PeerIdentity
from globe_node.errors import NotFoundError, StoreError
from globe_node.logs import open_log
from globe_node.peering.answers import STATUS_OF, RefusalError, refusal_of
from protocol.errors import (
    ConflictError,
    LocalProtocolError,
    MalformedError,
    ReasonCode,
    UnsupportedVersionError,
    UntrustedError,
)
from tests.support.line import CANARY, Echo, exchange, running_site


class Failing(Echo):
    def __init__(self, error: Exception) -> None:
        super().__init__()
        self.error = error

    async def handle(self, _peer: PeerIdentity, _operation: Operation, _body: bytes) -> Answer:
        raise self.error


ERRORS = [
    (MalformedError(CANARY), 422, ReasonCode.BAD_JSON),
    (MalformedError(CANARY, code=ReasonCode.TOO_LARGE), 413, ReasonCode.TOO_LARGE),
    (UntrustedError(CANARY), 403, ReasonCode.REFUSED),
    (ConflictError(CANARY), 409, ReasonCode.ID_CONFLICT),
    (UnsupportedVersionError(CANARY), 422, ReasonCode.BAD_VERSION),
    (StoreError(CANARY, code=ReasonCode.STORAGE_FULL), 507, ReasonCode.STORAGE_FULL),
    (StoreError(CANARY), 503, ReasonCode.STORAGE_FAILED),
    (NotFoundError(CANARY), 404, ReasonCode.NOT_FOUND),
    (LocalProtocolError(CANARY), 503, ReasonCode.BUSY),
    (ValueError(CANARY), 503, ReasonCode.BUSY),
    (MemoryError(), 503, ReasonCode.BUSY),
    (RecursionError(CANARY), 503, ReasonCode.BUSY),
    (TimeoutError(CANARY), 503, ReasonCode.BUSY),
    (ConnectionResetError(CANARY), 503, ReasonCode.BUSY),
]


@pytest.mark.parametrize(("error", "status", "code"), ERRORS, ids=[f"{e!r}" for e, _, _ in ERRORS])
async def test_a_handler_that_raises_is_answered_by_a_code(
    error: Exception, status: int, code: ReasonCode
) -> None:
    stream = io.StringIO()
    log = open_log(stream, SystemClock().now, strict=True)
    async with running_site(handler=Failing(error), log=log) as open_site:
        request = (
            f"POST /v1/greeting HTTP/1.1\r\nHost: 127.0.0.1:{open_site.port}\r\nContent-Length: 0\r\n"
            "Content-Type: application/octet-stream\r\n\r\n"
        )
        answer = await exchange(open_site.port, request.encode())
    assert answer.startswith(f"HTTP/1.1 {status} ".encode())
    assert answer.endswith(f'{{"error":"{code}"}}'.encode())
    assert CANARY.encode() not in answer
    assert CANARY not in stream.getvalue()
    lines = [json.loads(line) for line in stream.getvalue().splitlines()]
    unforeseen = code is ReasonCode.BUSY
    assert [line["error"] for line in lines] == ([type(error).__name__] if unforeseen else [])
    assert (b"Retry-After: 60\r\n" in answer) is unforeseen


def test_every_code_has_a_status_of_an_error() -> None:
    for code in ReasonCode:
        status = RefusalError(code).status
        assert 400 <= status < 600
        assert status == STATUS_OF.get(code, 422)


def test_what_nobody_foresaw_has_no_refusal() -> None:
    assert refusal_of(ValueError()) is None
    assert refusal_of(LocalProtocolError("ours")) is None
