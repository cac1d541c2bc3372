# SPDX-License-Identifier: Apache-2.0
"""Asking a peer: the ordinary way, and the hostile answers of A15, from a server whose every byte is ours."""

import asyncio
import resource
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace

import pytest

from globe_node.delivery.link import MAX_ANSWER_BYTES, MAX_REQUEST_BYTES, Answer, Operation, PeerIdentity
from globe_node.errors import PeerUnreachableError
from globe_node.peering.client import HTTPTransport
from globe_node.peering.faults import LineError, LineFault
from globe_node.peering.settings import LineLimits
from protocol.errors import LocalProtocolError, ReasonCode
from tests.support.line import (
    ROOMY,
    Echo,
    Script,
    address_of,
    expired_identity,
    hostile_server,
    peer_identity,
    running_site,
    tls_identity,
)

QUICK = LineLimits(connect_seconds=15.0, silence_seconds=15.0, keep_open_seconds=30.0)
HEAD = "HTTP/1.1 200 OK\r\n"
TYPE = "Content-Type: application/octet-stream\r\n"


@asynccontextmanager
async def transport_of(name: str, limits: LineLimits = QUICK) -> AsyncIterator[HTTPTransport]:
    transport = HTTPTransport(tls_identity(name), private_addresses_allowed=True, limits=limits)
    try:
        yield transport
    finally:
        await transport.close()


async def ask(
    transport: HTTPTransport, port: int, body: bytes = b"body", *, deadline_seconds: float = 15.0
) -> Answer:
    address = address_of("xb", port)
    return await transport.request(address, Operation.ENVELOPES, body=body, deadline_seconds=deadline_seconds)


# --- the ordinary way -------------------------------------------------------------------------------------


async def test_a_request_is_answered_by_the_peer_of_the_directory() -> None:
    async with running_site() as open_site, transport_of("xa") as transport:
        assert await ask(transport, open_site.port) == Answer(None, b"body")
        assert open_site.handler.seen == [(peer_identity("xa"), Operation.ENVELOPES, 4)]


@pytest.mark.parametrize("size", [0, 1, 70_000, 600_000, MAX_REQUEST_BYTES[Operation.STATEMENTS]])
async def test_bodies_of_any_allowed_size_go_and_come_whole(size: int) -> None:
    body = bytes(range(256)) * (size // 256) + bytes(size % 256)
    async with running_site() as open_site, transport_of("xa") as transport:
        for _ in range(2):
            answer = await transport.request(
                address_of("xb", open_site.port), Operation.STATEMENTS, body=body, deadline_seconds=15
            )
            assert answer.body == body


async def test_a_longer_body_is_refused_before_it_is_sent() -> None:
    async with transport_of("xa") as transport:
        with pytest.raises(LocalProtocolError) as caught:
            await ask(transport, 1, bytes(MAX_REQUEST_BYTES[Operation.ENVELOPES] + 1))
    assert caught.value.code is ReasonCode.TOO_LARGE


async def test_a_connection_is_used_again() -> None:
    async with running_site() as open_site, transport_of("xa") as transport:
        for _ in range(20):
            await ask(transport, open_site.port)
        assert open_site.site.connections == 1


async def test_a_few_connections_serve_many_requests_at_a_time() -> None:
    limits = replace(ROOMY, concurrent_requests=2)
    async with running_site(limits=limits) as open_site, transport_of("xa") as transport:
        answers = await asyncio.gather(*(ask(transport, open_site.port) for _ in range(30)))
        assert {answer.code for answer in answers} == {None}
        assert open_site.site.connections == 2


async def test_a_kept_connection_that_the_peer_has_closed_is_replaced_at_once() -> None:
    limits = replace(ROOMY, idle_seconds=0.05)
    async with running_site(limits=limits) as open_site, transport_of("xa") as transport:
        for _ in range(3):
            assert (await ask(transport, open_site.port)).body == b"body"
            await asyncio.sleep(0.1)


async def test_a_peer_that_closes_a_kept_connection_under_a_request_is_asked_again_once() -> None:
    requests = []

    async def close_every_second(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"body")
        requests.append("answered")
        writer.write(f"{HEAD}{TYPE}Content-Length: 2\r\n\r\nok".encode())
        await reader.readuntil(b"body")
        requests.append("dropped")

    async with hostile_server(close_every_second) as port, transport_of("xa") as transport:
        for _ in range(2):
            assert (await ask(transport, port)).body == b"ok"
    assert requests == ["answered", "dropped", "answered"]


class Refusing(Echo):
    def __init__(self, answer: Answer) -> None:
        super().__init__()
        self.answer = answer

    async def handle(self, _peer: PeerIdentity, _operation: Operation, _body: bytes) -> Answer:
        return self.answer


@pytest.mark.parametrize("code", list(ReasonCode))
async def test_every_reason_code_of_a_handler_reaches_the_other_side(code: ReasonCode) -> None:
    refusing = Refusing(Answer(code, b"", 7.2))
    async with running_site(handler=refusing) as open_site, transport_of("xa") as transport:
        assert await ask(transport, open_site.port) == Answer(code, b"", 8.0)


# --- who answers ------------------------------------------------------------------------------------------


async def fault_with(
    transport: HTTPTransport, port: int, *certificates: bytes, deadline_seconds: float = 15.0
) -> LineFault:
    address = address_of("xb", port, *certificates)
    with pytest.raises(PeerUnreachableError) as caught:
        await transport.request(address, Operation.ENVELOPES, body=b"body", deadline_seconds=deadline_seconds)
    assert isinstance(caught.value, LineError)
    assert caught.value.hint
    assert caught.value.code is ReasonCode.PEER_UNREACHABLE
    return caught.value.fault


async def test_another_certificate_than_the_pinned_one_is_refused_before_anything_is_sent() -> None:
    async with running_site() as open_site, transport_of("xa") as transport:
        other = tls_identity("xc").certificate_der
        assert await fault_with(transport, open_site.port, other) is LineFault.CERTIFICATE
        assert open_site.handler.seen == []


async def test_either_of_two_pinned_certificates_is_accepted_and_a_dropped_one_no_longer() -> None:
    ours, other = tls_identity("xb").certificate_der, tls_identity("xc").certificate_der
    async with running_site() as open_site, transport_of("xa") as transport:
        for pins in ((ours, other), (other, ours), (ours,)):
            address = address_of("xb", open_site.port, *pins)
            await transport.request(address, Operation.GREETING, body=b"", deadline_seconds=15)
        assert await fault_with(transport, open_site.port, other) is LineFault.CERTIFICATE


async def test_a_peer_that_does_not_list_us_closes_the_connection() -> None:
    async with running_site() as open_site, transport_of("stranger") as transport:
        assert await fault_with(transport, open_site.port) is LineFault.CLOSED


async def test_f40_a_certificate_that_is_out_of_time_is_named() -> None:
    expired = expired_identity("xb")
    async with running_site(identity=expired) as open_site, transport_of("xa") as transport:
        assert await fault_with(transport, open_site.port, expired.certificate_der) is LineFault.VALIDITY


async def test_a_new_certificate_of_our_own_is_shown_from_then_on() -> None:
    async with running_site("xa", "xc") as open_site, transport_of("xa") as transport:
        await ask(transport, open_site.port)
        await transport.replace_identity(tls_identity("xc"))
        await ask(transport, open_site.port)
        assert [peer.authority for peer, _, _ in open_site.handler.seen] == ["xa", "xc"]


async def test_nobody_at_the_port() -> None:
    async with running_site() as open_site:
        port = open_site.port
    async with transport_of("xa") as transport:
        assert await fault_with(transport, port) is LineFault.CONNECT


async def test_no_tls_at_the_port() -> None:
    async def plain(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"220 mail ready\r\n")
        writer.close()

    server = await asyncio.start_server(plain, "127.0.0.1", 0)
    async with transport_of("xa") as transport:
        assert await fault_with(transport, server.sockets[0].getsockname()[1]) is LineFault.TLS
    server.close()


@pytest.mark.parametrize(
    "endpoint",
    [
        "http://127.0.0.1:9000",
        "file:///etc/passwd",
        "https://127.0.0.1:9000/path",
        "https://a@127.0.0.1:9000",
        "https://127.0.0.1:22",
        "https://127.1:9000",
        "https://2130706433:9000",
        "https://0x7f.1:9000",
        "https://[::ffff:127.0.0.1]:9000",
        "https://169.254.169.254",
        "https://127.0.0.1:9000#f",
        "",
    ],
)
async def test_d12_a_forbidden_endpoint_is_not_connected_to(endpoint: str) -> None:
    async with transport_of("xa") as transport:
        address = replace(address_of("xb", 1), endpoint=endpoint)
        with pytest.raises(LineError) as caught:
            await transport.request(address, Operation.ENVELOPES, body=b"", deadline_seconds=15)
    assert caught.value.fault is LineFault.FORBIDDEN


@pytest.mark.parametrize("host", ["127.0.0.1", "10.0.0.1", "[::1]", "192.168.1.1", "[fc00::1]"])
async def test_d12_private_addresses_are_forbidden_unless_allowed(host: str) -> None:
    transport = HTTPTransport(tls_identity("xa"))
    address = replace(address_of("xb", 1), endpoint=f"https://{host}:9000")
    with pytest.raises(LineError) as caught:
        await transport.request(address, Operation.ENVELOPES, body=b"", deadline_seconds=15)
    await transport.close()
    assert caught.value.fault is LineFault.FORBIDDEN


# --- A15: hostile answers ---------------------------------------------------------------------------------


def says(answer: str, *, then: bytes = b"", repeat: int = 0) -> Script:
    """A server that reads a request, writes this, then writes `then` again and again, and waits."""

    async def script(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"body")
        writer.write(answer.encode())
        for _ in range(repeat):
            writer.write(then)
            await writer.drain()
        await writer.drain()
        await reader.read()

    return script


BOMB = "Content-Length: 100\r\n"
HOSTILE = {
    "gzip": (HEAD + TYPE + BOMB + "Content-Encoding: gzip\r\n\r\n", LineFault.ENCODED),
    "chunked": (HEAD + TYPE + "Transfer-Encoding: chunked\r\n\r\n4\r\nbody\r\n0\r\n\r\n", LineFault.ENCODED),
    "307 to loopback": ("HTTP/1.1 307 X\r\nLocation: https://127.0.0.1:1/\r\n\r\n", LineFault.REDIRECT),
    "301": ("HTTP/1.1 301 X\r\nLocation: /v1/other\r\nContent-Length: 0\r\n\r\n", LineFault.REDIRECT),
    "304": ("HTTP/1.1 304 X\r\n\r\n", LineFault.REDIRECT),
    "wrong type": (HEAD + "Content-Type: text/html\r\nContent-Length: 0\r\n\r\n", LineFault.CONTENT_TYPE),
    "no type": (HEAD + "Content-Length: 0\r\n\r\n", LineFault.CONTENT_TYPE),
    "two types": (
        HEAD + TYPE + "Content-Type: text/html\r\nContent-Length: 0\r\n\r\n",
        LineFault.CONTENT_TYPE,
    ),
    "1 GB": (HEAD + TYPE + "Content-Length: 1000000000\r\n\r\n", LineFault.TOO_LARGE),
    "no length": (HEAD + TYPE + "\r\n", LineFault.MALFORMED),
    "two lengths": (HEAD + TYPE + "Content-Length: 1\r\nContent-Length: 2\r\n\r\n", LineFault.MALFORMED),
    "101": (
        HEAD.replace("200 OK", "101 X") + "Upgrade: x\r\nConnection: upgrade\r\n\r\n",
        LineFault.MALFORMED,
    ),
    "204": ("HTTP/1.1 204 X\r\n\r\n", LineFault.MALFORMED),
    "41 headers": (HEAD + "".join(f"X-{n}: 1\r\n" for n in range(41)) + "\r\n", LineFault.MALFORMED),
    "10^5 headers": (HEAD + "".join(f"X-{n}: 1\r\n" for n in range(100_000)) + "\r\n", LineFault.MALFORMED),
    "10 kB header": (HEAD + "X: " + "x" * 10_000 + "\r\n\r\n", LineFault.MALFORMED),
    "no HTTP": ("220 mail ready\r\n", LineFault.MALFORMED),
    "NUL in a header": (HEAD + "X: \0\r\n\r\n", LineFault.MALFORMED),
    "error without code": ("HTTP/1.1 500 X\r\n" + TYPE + "Content-Length: 0\r\n\r\n", LineFault.CONTENT_TYPE),
    "error not canonical": (
        'HTTP/1.1 503 X\r\nContent-Type: application/json\r\nContent-Length: 17\r\n\r\n{"error": "busy"}',
        LineFault.MALFORMED,
    ),
    "error with more": (
        'HTTP/1.1 503 \r\nContent-Type: application/json\r\nContent-Length: 22\r\n\r\n{"error":"busy","x":1}',
        LineFault.MALFORMED,
    ),
    "error too long": (
        "HTTP/1.1 503 X\r\nContent-Type: application/json\r\nContent-Length: 5000\r\n\r\n",
        LineFault.TOO_LARGE,
    ),
}


@pytest.mark.parametrize("attack", HOSTILE)
async def test_a15_a_hostile_answer_is_a_failed_attempt(attack: str) -> None:
    answer, fault = HOSTILE[attack]
    async with hostile_server(says(answer)) as port, transport_of("xa") as transport:
        assert await fault_with(transport, port) is fault


async def test_a15_an_endless_answer_costs_no_memory() -> None:
    endless = says(HEAD + TYPE + "Content-Length: 1000000000000\r\n\r\n", then=bytes(1 << 20), repeat=100_000)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    async with hostile_server(endless) as port, transport_of("xa") as transport:
        assert await fault_with(transport, port) is LineFault.TOO_LARGE
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 50_000


async def test_a15_an_answer_within_the_cap_that_never_ends_is_cut_by_the_deadline() -> None:
    length = MAX_ANSWER_BYTES[Operation.ENVELOPES]
    stalled = says(f"{HEAD}{TYPE}Content-Length: {length}\r\n\r\n" + "x" * (length - 1))
    async with hostile_server(stalled) as port, transport_of("xa") as transport:
        assert await fault_with(transport, port, deadline_seconds=0.3) is LineFault.SLOW


async def test_a15_a_dripping_answer_is_cut_by_the_deadline_and_not_by_silence() -> None:
    async def dripping(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"body")
        writer.write(f"{HEAD}{TYPE}Content-Length: 1000\r\n\r\n".encode())
        while True:
            writer.write(b"x")
            await writer.drain()
            await asyncio.sleep(0.02)

    loop = asyncio.get_running_loop()
    async with hostile_server(dripping) as port, transport_of("xa") as transport:
        started = loop.time()
        assert await fault_with(transport, port, deadline_seconds=0.3) is LineFault.SLOW
        assert loop.time() - started < 10


async def test_a15_dripping_headers_and_endless_interim_answers_are_cut_by_the_deadline() -> None:
    for piece in (b"x", b"HTTP/1.1 100 Continue\r\n\r\n"):
        interim = says("" if piece != b"x" else HEAD + "X: ", then=piece, repeat=3000)
        async with hostile_server(interim) as port, transport_of("xa") as transport:
            assert await fault_with(transport, port, deadline_seconds=0.3) in (
                LineFault.SLOW,
                LineFault.MALFORMED,
            )


async def test_a15_silence_after_the_request_ends_the_attempt() -> None:
    limits = replace(QUICK, silence_seconds=0.2)
    async with hostile_server(says("")) as port, transport_of("xa", limits) as transport:
        assert await fault_with(transport, port) is LineFault.SLOW


async def test_a15_a_peer_that_never_reads_a_large_request_is_left_at_the_deadline() -> None:
    async def deaf(reader: asyncio.StreamReader, _writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        await asyncio.sleep(20)

    body = bytes(MAX_REQUEST_BYTES[Operation.ENVELOPES])
    async with hostile_server(deaf) as port, transport_of("xa") as transport:
        with pytest.raises(LineError) as caught:
            await ask(transport, port, body, deadline_seconds=0.3)
    assert caught.value.fault is LineFault.SLOW


async def test_a15_a_body_cut_short_is_a_failed_attempt() -> None:
    async def short(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"body")
        writer.write(f"{HEAD}{TYPE}Content-Length: 10\r\n\r\nfive!".encode())

    async with hostile_server(short) as port, transport_of("xa") as transport:
        assert await fault_with(transport, port) in (LineFault.MALFORMED, LineFault.CLOSED)


async def test_a15_an_answer_sent_ahead_is_not_taken_for_the_next_one() -> None:
    connections = []

    async def ahead(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        connections.append("new")
        await reader.readuntil(b"body")
        answers = [f"{HEAD}{TYPE}Content-Length: 4\r\n\r\n{body}" for body in ("good", "evil")]
        writer.write("".join(answers).encode())
        await reader.read()

    async with hostile_server(ahead) as port, transport_of("xa") as transport:
        assert (await ask(transport, port)).body == b"good"
        assert (await ask(transport, port)).body == b"good"
    assert connections == ["new", "new"]


async def test_a15_a_wait_that_a_peer_asks_for_is_bounded_and_an_unknown_code_means_refused() -> None:
    for text, seconds in (("30", 30.0), ("9" * 30, 3600.0), ("-1", None), ("tomorrow", None), ("٣", None)):
        answer = (
            f"HTTP/1.1 429 X\r\nContent-Type: application/json\r\nContent-Length: 18\r\n"
            f'Retry-After: {text}\r\n\r\n{{"error":"unheard"}}'
        )
        async with hostile_server(says(answer.replace("18", "19"))) as port, transport_of("xa") as transport:
            assert await ask(transport, port) == Answer(ReasonCode.REFUSED, b"", seconds)


async def test_a15_no_cookie_comes_back_and_nothing_names_our_software() -> None:
    heard = []

    async def listen(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while True:
            heard.append(await reader.readuntil(b"body"))
            writer.write(f"{HEAD}{TYPE}Set-Cookie: a=b; Path=/\r\nContent-Length: 2\r\n\r\nok".encode())

    async with hostile_server(listen) as port, transport_of("xa") as transport:
        await ask(transport, port)
        await ask(transport, port)
    names = {line.split(b":")[0] for line in heard[1].partition(b"\r\n\r\n")[0].split(b"\r\n")[1:]}
    assert names == {b"Host", b"Accept-Encoding", b"Content-Type", b"Content-Length"}
    assert b"Accept-Encoding: identity\r\n" in heard[1]


async def test_proxies_of_the_environment_are_not_used(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("http_proxy", "https_proxy", "HTTPS_PROXY", "ALL_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:1")
    async with running_site() as open_site, transport_of("xa") as transport:
        assert (await ask(transport, open_site.port)).body == b"body"
