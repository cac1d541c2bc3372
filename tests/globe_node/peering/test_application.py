# SPDX-License-Identifier: Apache-2.0
"""The site: slowness (A06 to A08), crowds (A09), handshakes (A13), certificates (A14), change of trust."""

import asyncio
import contextlib
import errno
import io
import json
import socket
import ssl
from dataclasses import replace

import pytest

from globe_node.clock import SystemClock
from globe_node.delivery.link import MAX_REQUEST_BYTES, Answer, Operation, PeerIdentity
from globe_node.errors import ConfigError
from globe_node.logs import SilentLog, open_log
from globe_node.peering.application import PeerSite
from globe_node.peering.tls import TrustedPeers
from keys.tls_identity import TLSIdentity
from protocol.errors import ReasonCode
from tests.support.clock import START
from tests.support.entropy import SeededEntropy
from tests.support.line import (
    LOCAL,
    ROOMY,
    SHORT,
    OpenSite,
    context_of_issued,
    eventually,
    exchange,
    expired_identity,
    peer_identity,
    raw_client_context,
    raw_connection,
    running_site,
    tls_identity,
    trusting,
    until_closed,
)


def head_of(open_site: OpenSite, length: int, operation: Operation = Operation.GREETING) -> bytes:
    return (
        f"POST /v1/{operation} HTTP/1.1\r\nHost: {LOCAL}:{open_site.port}\r\n"
        f"Content-Type: application/octet-stream\r\nContent-Length: {length}\r\n\r\n"
    ).encode()


def held_bytes(open_site: OpenSite) -> int:
    """Octets of bodies that are being read or worked on."""
    return open_site.site._endpoints._bodies.held_bytes


async def drip(writer: asyncio.StreamWriter, data: bytes, pause: float) -> None:
    for position in range(len(data)):
        if writer.is_closing():
            return
        writer.write(data[position : position + 1])
        await asyncio.sleep(pause)


# --- A06 to A08: slowness ---------------------------------------------------------------------------------


async def test_a06_a_connection_without_a_byte_is_closed_at_the_header_deadline() -> None:
    async with running_site(limits=SHORT) as open_site, raw_connection(open_site.port) as (reader, _):
        assert await until_closed(reader, seconds=15) == b""
        await eventually(lambda: open_site.site.connections == 0)


async def test_a06_headers_that_drip_are_cut_at_the_header_deadline() -> None:
    async with running_site(limits=SHORT) as open_site, raw_connection(open_site.port) as (reader, writer):
        dripping = asyncio.create_task(drip(writer, head_of(open_site, 0), 0.1))
        started = asyncio.get_running_loop().time()
        assert await until_closed(reader, seconds=15) == b""
        assert asyncio.get_running_loop().time() - started < 10
        dripping.cancel()


async def test_a06_the_headers_of_a_later_request_have_the_same_deadline() -> None:
    limits = replace(SHORT, idle_seconds=30)
    async with running_site(limits=limits) as open_site, raw_connection(open_site.port) as (reader, writer):
        writer.write(head_of(open_site, 4) + b"body")
        await reader.readuntil(b"body")
        writer.write(head_of(open_site, 0)[:20])
        assert await until_closed(reader, seconds=15) == b""


async def test_an_idle_connection_outlives_the_header_deadline_and_ends_at_its_own() -> None:
    limits = replace(SHORT, header_seconds=0.1, idle_seconds=0.4)
    async with running_site(limits=limits) as open_site, raw_connection(open_site.port) as (reader, writer):
        loop = asyncio.get_running_loop()
        writer.write(head_of(open_site, 4) + b"body")
        await reader.readuntil(b"body")
        idle_since = loop.time()
        assert await until_closed(reader, seconds=15) == b""
        assert loop.time() - idle_since > 0.3


@pytest.mark.parametrize("sent", [b"", b"x" * 1000], ids=["stalled at once", "stalled later"])
async def test_a07_a_stalled_body_is_answered_too_slow_at_the_grace(sent: bytes) -> None:
    async with running_site(limits=SHORT) as open_site:
        answer = await exchange(open_site.port, head_of(open_site, 2000) + sent)
        assert answer.startswith(b"HTTP/1.1 408 ")
        assert answer.endswith(b'{"error":"too_slow"}')
        assert open_site.handler.seen == []


async def test_a07_a_body_that_drips_is_cut_when_it_falls_behind() -> None:
    async with running_site(limits=SHORT) as open_site, raw_connection(open_site.port) as (reader, writer):
        writer.write(head_of(open_site, 2000))
        dripping = asyncio.create_task(drip(writer, b"x" * 2000, 0.02))
        assert b'{"error":"too_slow"}' in await until_closed(reader, seconds=15)
        dripping.cancel()


async def test_a07_no_body_lasts_longer_than_the_hard_deadline_at_whatever_rate() -> None:
    limits = replace(SHORT, body_floor_bytes_per_second=1, body_grace_seconds=5, body_seconds=0.2)
    async with running_site(limits=limits) as open_site, raw_connection(open_site.port) as (reader, writer):
        writer.write(head_of(open_site, 4000))
        dripping = asyncio.create_task(drip(writer, b"x" * 4000, 0.01))
        assert b'{"error":"too_slow"}' in await until_closed(reader, seconds=15)
        dripping.cancel()


async def test_a_slow_body_above_the_floor_is_taken() -> None:
    limits = replace(ROOMY, body_grace_seconds=1, body_floor_bytes_per_second=1000)
    async with running_site(limits=limits) as open_site, raw_connection(open_site.port) as (reader, writer):
        writer.write(head_of(open_site, 2000))
        for _ in range(4):
            writer.write(b"x" * 500)
            await asyncio.sleep(0.05)
        assert (await reader.readuntil(b"\r\n")).startswith(b"HTTP/1.1 200 ")


async def test_a08_a_reader_that_never_reads_is_cut_and_its_answers_are_dropped() -> None:
    large = MAX_REQUEST_BYTES[Operation.ENVELOPES]
    limits = replace(ROOMY, answer_seconds=0.2)
    async with running_site(limits=limits) as open_site, raw_connection(open_site.port) as (_, writer):
        assert isinstance(writer.transport, asyncio.Transport)
        writer.transport.pause_reading()
        with contextlib.suppress(ConnectionError):
            for _ in range(4):
                writer.write(head_of(open_site, large, Operation.ENVELOPES) + bytes(large))
                await writer.drain()
        await eventually(lambda: open_site.site.connections == 0)
        assert len(open_site.handler.seen) < 4


async def test_a11_a_body_that_ends_early_never_reaches_the_handler() -> None:
    async with running_site(limits=SHORT) as open_site, raw_connection(open_site.port) as (_, writer):
        writer.write(head_of(open_site, 2000) + b"x" * 100)
        await eventually(lambda: held_bytes(open_site) == 2000)
        writer.transport.abort()
        await eventually(lambda: open_site.site.connections == 0)
        assert open_site.handler.seen == []


# --- A09: crowds ------------------------------------------------------------------------------------------


async def test_a09_one_source_holds_a_few_connections_and_others_are_turned_away_at_once() -> None:
    limits = replace(ROOMY, max_connections_per_source=3)
    async with running_site(limits=limits) as open_site:
        held = [await asyncio.open_connection(LOCAL, open_site.port) for _ in range(40)]
        async with asyncio.timeout(15):
            ended = [await reader.read() for reader, _ in held[3:]]
        assert ended == [b""] * 37
        assert open_site.site.connections == 3
        for _, writer in held:
            writer.transport.abort()
        await eventually(lambda: open_site.site.connections == 0)


async def test_a09_idle_connections_do_not_slow_a_request() -> None:
    async with running_site() as open_site:
        idle = [await asyncio.open_connection(LOCAL, open_site.port) for _ in range(100)]
        async with raw_connection(open_site.port) as (reader, writer), asyncio.timeout(10):
            writer.write(head_of(open_site, 4) + b"body")
            await reader.readuntil(b"body")
        for _, writer in idle:
            writer.transport.abort()


class Waiting:
    """Answers when it is told to."""

    def __init__(self) -> None:
        self.go = asyncio.Event()
        self.entered = 0

    async def handle(self, _peer: PeerIdentity, _operation: Operation, _body: bytes) -> Answer:
        self.entered += 1
        await self.go.wait()
        return Answer(None, b"done")


async def test_a09_one_peer_has_a_few_requests_in_work_and_more_are_answered_busy() -> None:
    waiting = Waiting()
    limits = replace(ROOMY, concurrent_requests=2)
    async with running_site("xa", "xc", limits=limits, handler=waiting) as open_site:
        request = head_of(open_site, 4) + b"body"
        first, second = (asyncio.create_task(exchange(open_site.port, close(request))) for _ in range(2))
        await eventually(lambda: waiting.entered == 2)
        refused = await exchange(open_site.port, request)
        assert refused.startswith(b"HTTP/1.1 503 ")
        assert b"Retry-After: 1\r\n" in refused
        assert refused.endswith(b'{"error":"busy"}')
        other = asyncio.create_task(exchange(open_site.port, close(request), "xc"))
        await eventually(lambda: waiting.entered == 3)
        waiting.go.set()
        for answered in (first, second, other):
            assert (await answered).endswith(b"done")


async def test_a09_a_peer_that_asks_too_often_is_told_when_to_come_back() -> None:
    limits = replace(ROOMY, requests_per_second=0.01, request_burst=2)
    async with running_site("xa", "xc", limits=limits) as open_site:
        request = close(head_of(open_site, 4) + b"body")
        answers = [await exchange(open_site.port, request) for _ in range(3)]
        assert [answer.split()[1] for answer in answers] == [b"200", b"200", b"429"]
        assert b"Retry-After: 100\r\n" in answers[2]
        assert answers[2].endswith(b'{"error":"rate_limited"}')
        assert (await exchange(open_site.port, request, "xc")).split()[1] == b"200"


async def test_bodies_in_work_share_a_budget() -> None:
    limits = replace(ROOMY, max_body_bytes=3000)
    async with running_site(limits=limits) as open_site, raw_connection(open_site.port) as (_, writer):
        writer.write(head_of(open_site, 2000) + b"x")
        await eventually(lambda: held_bytes(open_site) == 2000)
        refused = await exchange(open_site.port, head_of(open_site, 2000) + b"x")
        assert refused.endswith(b'{"error":"busy"}')


# --- A13: handshakes --------------------------------------------------------------------------------------


async def test_a13_half_open_handshakes_end_at_their_deadline() -> None:
    async with running_site(limits=SHORT) as open_site:
        halves = [await asyncio.open_connection(LOCAL, open_site.port) for _ in range(50)]
        for _, writer in halves[::2]:
            writer.write(b"\x16\x03\x01\x02\x00\x01")
        async with asyncio.timeout(15):
            for reader, _ in halves:
                await until_closed(reader)
        for _, writer in halves:
            writer.transport.abort()
        await eventually(lambda: open_site.site.connections == 0)


@pytest.mark.parametrize(
    "hello",
    [b"\x16\x03\x01\xff\xff" + bytes(70_000), b"GET / HTTP/1.1\r\n\r\n", bytes(1000)],
    ids=["oversized hello", "plain HTTP", "zeros"],
)
async def test_a13_what_is_no_handshake_is_closed(hello: bytes) -> None:
    async with running_site(limits=SHORT) as open_site:
        reader, writer = await asyncio.open_connection(LOCAL, open_site.port)
        writer.write(hello)
        assert b"HTTP" not in await until_closed(reader, seconds=15)
        writer.transport.abort()


async def refused_in_handshake(open_site: OpenSite, context: ssl.SSLContext) -> bool:
    """Whether the site ends the connection without an answer; a TLS 1.3 client notices when it reads."""
    try:
        async with raw_connection(open_site.port, None, context=context) as (reader, writer):
            writer.write(head_of(open_site, 4) + b"body")
            return await until_closed(reader, seconds=15) == b"" and open_site.handler.seen == []
    except (ssl.SSLError, ConnectionError):
        return open_site.handler.seen == []


async def test_a13_tls_1_2_is_refused() -> None:
    context = raw_client_context(tls_identity("xa"))
    context.maximum_version = ssl.TLSVersion.TLSv1_2
    async with running_site() as open_site:
        assert await refused_in_handshake(open_site, context)


@pytest.mark.parametrize("offered", [("h2",), ()], ids=["another protocol", "none"])
async def test_a13_without_a_common_protocol_the_handshake_is_refused(offered: tuple[str, ...]) -> None:
    async with running_site() as open_site:
        context = raw_client_context(tls_identity("xa"), alpn=offered)
        assert await refused_in_handshake(open_site, context)


async def test_no_session_ticket_is_given() -> None:
    async with running_site() as open_site, raw_connection(open_site.port) as (reader, writer):
        writer.write(head_of(open_site, 4) + b"body")
        await reader.readuntil(b"body")
        line = writer.get_extra_info("ssl_object")
        assert line.version() == "TLSv1.3"
        assert line.session is None or not line.session.has_ticket


# --- A14: whose certificate -------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["stranger", None], ids=["not listed", "none"])
async def test_a14_a_certificate_that_is_not_listed_is_refused(name: str | None) -> None:
    async with running_site() as open_site:
        context = raw_client_context(tls_identity(name) if name else None)
        assert await refused_in_handshake(open_site, context)


async def test_a14_a_certificate_that_a_listed_key_has_issued_is_refused() -> None:
    async with running_site() as open_site:
        assert await refused_in_handshake(open_site, context_of_issued(tls_identity("xa")))


async def test_a14_the_handler_is_told_who_is_on_the_line_whatever_the_body_claims() -> None:
    async with running_site("xa", "xc") as open_site:
        body = b'{"authority":"xa"}'
        await exchange(open_site.port, close(head_of(open_site, len(body)) + body), "xc")
        assert open_site.handler.seen == [(peer_identity("xc"), Operation.GREETING, len(body))]


async def test_f40_a_listed_certificate_that_is_out_of_time_is_refused() -> None:
    expired = expired_identity("xa")
    async with running_site() as open_site:
        open_site.peers.replace([(expired.certificate_der, peer_identity("xa"))])
        assert await refused_in_handshake(open_site, raw_client_context(expired))


# --- change of trust --------------------------------------------------------------------------------------


async def test_a_removed_peer_loses_its_idle_connection_and_gets_no_new_one() -> None:
    async with running_site("xa", "xc") as open_site, raw_connection(open_site.port) as (reader, writer):
        writer.write(head_of(open_site, 4) + b"body")
        await reader.readuntil(b"body")
        open_site.peers.replace([(tls_identity("xc").certificate_der, peer_identity("xc"))])
        assert await until_closed(reader) == b""
        open_site.handler.seen.clear()
        assert await refused_in_handshake(open_site, raw_client_context(tls_identity("xa")))


async def test_a_peer_that_is_removed_in_the_middle_of_a_request_is_refused() -> None:
    async with running_site() as open_site, raw_connection(open_site.port) as (reader, writer):
        writer.write(head_of(open_site, 8) + b"body")
        await eventually(lambda: held_bytes(open_site) == 8)
        open_site.peers.replace([])
        writer.write(b"body")
        answer = await until_closed(reader)
        assert answer.startswith(b"HTTP/1.1 403 ")
        assert answer.endswith(b'{"error":"refused"}')
        assert open_site.handler.seen == []


async def test_other_peers_keep_their_connections_when_one_is_removed() -> None:
    async with (
        running_site("xa", "xc") as open_site,
        raw_connection(open_site.port, "xc") as (reader, writer),
    ):
        for _ in range(2):
            writer.write(head_of(open_site, 4) + b"body")
            await reader.readuntil(b"body")
            open_site.peers.replace([(tls_identity("xc").certificate_der, peer_identity("xc"))])


async def test_a_peer_may_show_two_certificates_while_it_changes() -> None:
    async with running_site() as open_site:
        before, after = tls_identity("xa"), renewed("xa")
        both = [(before.certificate_der, peer_identity("xa")), (after.certificate_der, peer_identity("xa"))]
        request = close(head_of(open_site, 4) + b"body")
        open_site.peers.replace(both)
        for shown in (before, after):
            async with raw_connection(open_site.port, context=raw_client_context(shown)) as (reader, writer):
                writer.write(request)
                assert b" 200 " in await until_closed(reader)
        open_site.peers.replace(both[1:])
        open_site.handler.seen.clear()
        assert await refused_in_handshake(open_site, raw_client_context(before))


async def test_our_own_certificate_changes_without_a_restart() -> None:
    async with running_site() as open_site:
        shown = []
        for _ in range(2):
            async with raw_connection(open_site.port) as (_, writer):
                shown.append(writer.get_extra_info("ssl_object").getpeercert(binary_form=True))
            open_site.site.replace_identity(renewed("xb"))
    assert shown == [tls_identity("xb").certificate_der, renewed("xb").certificate_der]


def renewed(name: str) -> TLSIdentity:
    """A second certificate with the same name and another key."""
    return TLSIdentity.generate(name, START, SeededEntropy(f"{name} renewed"))


def close(request: bytes) -> bytes:
    return request.replace(b"\r\n\r\n", b"\r\nConnection: close\r\n\r\n", 1)


# --- what the operator reads ------------------------------------------------------------------------------


async def test_strangers_fill_no_log() -> None:
    stream = io.StringIO()
    log = open_log(stream, SystemClock().now, strict=True)
    limits = replace(ROOMY, max_connections_per_source=3)
    async with running_site(log=log, limits=limits) as open_site:
        for _ in range(30):
            assert await refused_in_handshake(open_site, raw_client_context(tls_identity("stranger")))
    (line,) = [json.loads(line) for line in stream.getvalue().splitlines()]
    assert line["host"] == LOCAL
    assert line["reason"] in ("handshake", "too many")


async def test_f25_without_descriptors_the_site_pauses_and_goes_on(monkeypatch: pytest.MonkeyPatch) -> None:
    accept = socket.socket.accept
    pauses: list[float] = []

    def exhausted(listener: socket.socket) -> tuple[socket.socket, object]:
        if len(pauses) < 2:
            raise OSError(errno.EMFILE, "too many")
        return accept(listener)

    class Counting(SystemClock):
        async def sleep(self, seconds: float) -> None:
            if seconds:
                pauses.append(seconds)

    monkeypatch.setattr(socket.socket, "accept", exhausted)
    async with running_site(clock=Counting()) as open_site:
        request = close(head_of(open_site, 4) + b"body")
        assert b" 200 " in await exchange(open_site.port, request)
    assert pauses == [1.0, 1.0]


# --- start and stop ---------------------------------------------------------------------------------------


def site_for(peers: TrustedPeers) -> PeerSite:
    return PeerSite(
        Waiting(),
        identity=tls_identity("xb"),
        peers=peers,
        endpoints=[],
        clock=SystemClock(),
        log=SilentLog(),
    )


async def test_a_port_that_is_taken_is_named_with_what_to_do() -> None:
    async with running_site() as open_site:
        with pytest.raises(ConfigError) as caught:
            site_for(trusting("xa")).listen(LOCAL, open_site.port)
    assert str(open_site.port) in str(caught.value)
    assert "config.toml" in caught.value.hint


async def test_stopping_lets_a_request_in_work_end() -> None:
    waiting = Waiting()
    async with running_site(handler=waiting) as open_site:
        answered = asyncio.create_task(exchange(open_site.port, head_of(open_site, 4) + b"body"))
        await eventually(lambda: waiting.entered == 1)
        asyncio.get_running_loop().call_later(0.1, waiting.go.set)
    answer = await answered
    assert answer.startswith(b"HTTP/1.1 200 ")
    assert ReasonCode.BUSY.encode() not in answer


@pytest.mark.parametrize("turns", range(6))
async def test_stopping_closes_a_connection_that_came_in_that_moment(turns: int) -> None:
    with socket.socket() as client:
        client.settimeout(5.0)
        async with running_site() as open_site:
            await asyncio.sleep(0)
            client.connect((LOCAL, open_site.port))
            for _ in range(turns):
                await asyncio.sleep(0)
        await asyncio.sleep(0)
        with contextlib.suppress(ConnectionResetError):
            assert await asyncio.to_thread(client.recv, 1) == b""
