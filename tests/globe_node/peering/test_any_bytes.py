# SPDX-License-Identifier: Apache-2.0
"""Any bytes: the site answers a listed code or closes, the client gives an answer or a `LineError`."""

import asyncio
import json
from dataclasses import replace

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from globe_node.delivery.link import Answer, Operation
from globe_node.peering.client import HTTPTransport
from globe_node.peering.faults import LineError
from globe_node.peering.settings import LineLimits
from protocol.errors import ReasonCode
from tests.support.line import (
    SHORT,
    OpenSite,
    address_of,
    exchange,
    hostile_server,
    running_site,
    tls_identity,
)

REQUEST = (
    b"POST /v1/greeting HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nContent-Type: application/octet-stream\r\n"
    b"Content-Length: 4\r\nConnection: close\r\n\r\nbody"
)
ANSWER = (
    b"HTTP/1.1 200 OK\r\nContent-Type: application/octet-stream\r\nContent-Length: 4\r\n"
    b"Set-Cookie: a=b\r\nRetry-After: 3\r\nLocation: https://127.0.0.1/\r\nConnection: close\r\n\r\nbody"
)
REFUSAL = (
    b"HTTP/1.1 503 X\r\nContent-Type: application/json\r\nContent-Length: 16\r\nRetry-After: 9\r\n\r\n"
    b'{"error":"busy"}'
)
SHORTEST = replace(SHORT, header_seconds=0.05, idle_seconds=0.05, body_grace_seconds=0.05, body_seconds=0.05)
FEW = settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.too_slow])

edits = st.lists(st.tuples(st.integers(0, 400), st.integers(0, 3), st.binary(max_size=3)), max_size=4)


def edited(original: bytes, changes: list[tuple[int, int, bytes]]) -> bytes:
    """Replace some octets by others."""
    for start, length, put in changes:
        place = start % (len(original) + 1)
        original = original[:place] + put + original[place + length :]
    return original


def ask_site(sent: list[bytes]) -> list[bytes]:
    """Send each over a connection of its own."""

    async def go() -> list[bytes]:
        async with running_site(limits=SHORTEST) as open_site:
            requests = [exchange(open_site.port, _addressed(open_site, data)) for data in sent]
            return await asyncio.gather(*requests)

    return asyncio.run(go())


def _addressed(open_site: OpenSite, data: bytes) -> bytes:
    return data.replace(b"{port}", str(open_site.port).encode())


def assert_listed(answer: bytes) -> None:
    """The answer is empty, a success, or one refusal with a listed code and a status of an error."""
    if not answer:
        return
    head, _, body = answer.partition(b"\r\n\r\n")
    status = int(head.split()[1])
    if status == 200:
        assert body == b"body" or len(body) <= 4
        return
    assert 400 <= status < 600
    assert status not in (500, 501, 502, 504)
    if body:
        assert ReasonCode(json.loads(body)["error"]) in ReasonCode


@FEW
@given(st.lists(st.binary(max_size=300), min_size=1, max_size=4))
def test_any_bytes_to_the_site(sent: list[bytes]) -> None:
    for answer in ask_site(sent):
        assert_listed(answer)


@FEW
@given(st.lists(edits, min_size=4, max_size=4))
def test_any_change_of_a_good_request_to_the_site(changes: list[list[tuple[int, int, bytes]]]) -> None:
    for answer in ask_site([edited(REQUEST, change) for change in changes]):
        assert_listed(answer)


def asked(answer: bytes) -> Answer | LineError:
    async def reply(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"body")
        writer.write(answer)

    async def go() -> Answer | LineError:
        limits = LineLimits(connect_seconds=15, silence_seconds=0.1)
        transport = HTTPTransport(tls_identity("xa"), private_addresses_allowed=True, limits=limits)
        try:
            async with hostile_server(reply) as port:
                return await transport.request(
                    address_of("xb", port), Operation.GREETING, body=b"body", deadline_seconds=15
                )
        except LineError as error:
            return error
        finally:
            await transport.close()

    return asyncio.run(go())


def test_the_unchanged_ones_are_good() -> None:
    assert asked(ANSWER) == Answer(None, b"body")
    assert asked(REFUSAL) == Answer(ReasonCode.BUSY, b"", 9.0)
    (answer,) = ask_site([REQUEST])
    assert answer.startswith(b"HTTP/1.1 200 ")


@FEW
@given(st.binary(max_size=300))
def test_any_bytes_to_the_client(answer: bytes) -> None:
    assert isinstance(asked(answer), LineError | Answer)


@FEW
@given(st.sampled_from([ANSWER, REFUSAL]), edits)
def test_any_change_of_a_good_answer_to_the_client(
    original: bytes, changes: list[tuple[int, int, bytes]]
) -> None:
    assert isinstance(asked(edited(original, changes)), LineError | Answer)
