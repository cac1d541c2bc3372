# SPDX-License-Identifier: Apache-2.0
"""Attack group A, as bytes over a real connection: every probe gets its status and reason code, and no echo.

Each row names its attack; A06 to A09 and A13, A14 are in `test_application`, A15 in `test_client`.
"""

from dataclasses import dataclass

import pytest

from globe_node.delivery.link import MAX_REQUEST_BYTES, Operation
from protocol.errors import ReasonCode
from tests.support.line import (
    CANARY,
    OpenSite,
    exchange,
    peer_identity,
    raw_connection,
    running_site,
    until_closed,
)

WRONG_HOST = ReasonCode.WRONG_HOST
LENGTH_REQUIRED = ReasonCode.LENGTH_REQUIRED
BAD_VERSION = ReasonCode.BAD_VERSION
TOO_LARGE = ReasonCode.TOO_LARGE
ENCODING_FORBIDDEN = ReasonCode.ENCODING_FORBIDDEN
NOT_FOUND = ReasonCode.NOT_FOUND
OK = "POST /v1/greeting HTTP/1.1\r\nHost: {host}\r\nContent-Type: application/octet-stream\r\n"
LIMIT = MAX_REQUEST_BYTES[Operation.GREETING]


@dataclass(frozen=True)
class Probe:
    attack: str
    request: str
    status: int
    code: ReasonCode = ReasonCode.BAD_REQUEST


def with_headers(*lines: str, body: str = "", start: str = OK) -> str:
    return start + "".join(f"{line}\r\n" for line in lines) + "\r\n" + body


def asking(method: str) -> str:
    return with_headers("Content-Length: 0", start=OK.replace("POST", method, 1))


def version(text: str) -> str:
    return with_headers("Content-Length: 0", start=OK.replace("HTTP/1.1", text))


def target(text: str) -> str:
    return with_headers("Content-Length: 0", start=OK.replace("/v1/greeting", text))


def host(text: str) -> str:
    return with_headers("Content-Length: 0", start=OK.replace("Host: {host}", text))


def encoded(coding: str) -> str:
    return with_headers("Content-Length: 4", f"Content-Encoding: {coding}", body="body")


TE = "Transfer-Encoding: "
PROBES = [
    Probe("A01 CL+TE", with_headers("Content-Length: 4", TE + "chunked", body="0\r\n\r\n" + CANARY), 400),
    Probe("A01 two CL", with_headers("Content-Length: 4", "Content-Length: 5", body=CANARY), 400),
    Probe("A01 two equal CL", with_headers("Content-Length: 4", "Content-Length: 4", body="body"), 400),
    Probe("A01 CL +5", with_headers("Content-Length: +5", body=CANARY), 400),
    Probe("A01 CL list", with_headers("Content-Length: 4, 4", body="body"), 400),
    Probe("A01 CL hex", with_headers("Content-Length: 0x4", body="body"), 400),
    Probe("A01 CL negative", with_headers("Content-Length: -1", body=CANARY), 400),
    Probe("A01 xchunked", with_headers(TE + "xchunked", body="0\r\n\r\n"), 400),
    Probe("A01 chunked, identity", with_headers(TE + "chunked, identity", body="0\r\n\r\n"), 400),
    Probe("A01 TE twice", with_headers(TE + "chunked", TE + "identity", body="0\r\n\r\n"), 400),
    Probe("A01 obs-fold", with_headers("X-A: 1", f" {CANARY}", "Content-Length: 0"), 400),
    Probe("A01 bare LF", OK.replace("\r\n", "\n") + f"X-A: {CANARY}\n\n", 400),
    Probe("A01 bare CR", with_headers(f"X-A: a\r{CANARY}", "Content-Length: 0"), 400),
    Probe("A01 NUL in value", with_headers(f"X-A: \0{CANARY}", "Content-Length: 0"), 400),
    Probe("A01 space before colon", with_headers(f"X-A : {CANARY}", "Content-Length: 0"), 400),
    Probe("A01 name with a space", with_headers(f"X {CANARY}: 1", "Content-Length: 0"), 400),
    Probe("A01 no colon", with_headers(CANARY, "Content-Length: 0"), 400),
    Probe("A01 duplicate Host", with_headers("Host: {host}", "Content-Length: 0"), 400),
    Probe("A01 missing Host", host("X-A: 1"), 400),
    Probe("A01 body without length", with_headers(body=""), 411, LENGTH_REQUIRED),
    Probe("A02 HTTP/0.9", version("HTTP/0.9"), 505, BAD_VERSION),
    Probe("A02 HTTP/1.0", version("HTTP/1.0"), 505, BAD_VERSION),
    Probe("A02 HTTP/2.0", version("HTTP/2.0"), 505, BAD_VERSION),
    Probe("A02 HTTP/1.2", version("HTTP/1.2"), 400),
    Probe("A02 HTTP/11.1", version(f"HTTP/11.1{CANARY}"), 400),
    Probe("A02 no version", f"POST /{CANARY}\r\n\r\n", 505, BAD_VERSION),
    Probe("A02 h2 preface", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 505, BAD_VERSION),
    Probe("A03 absolute URI, other host", target(f"https://{CANARY}/v1/greeting"), 421, WRONG_HOST),
    Probe("A03 absolute URI, our host", target("https://{host}/v1/greeting"), 421, WRONG_HOST),
    Probe("A03 foreign Host", host(f"Host: {CANARY}.example"), 421, WRONG_HOST),
    Probe("A03 Host without port", host("Host: 127.0.0.1"), 421, WRONG_HOST),
    Probe("A03 empty Host", host("Host:"), 421, WRONG_HOST),
    Probe("A03 Host with userinfo", host("Host: a@{host}"), 421, WRONG_HOST),
    Probe("A03 asterisk", target("*"), 400),
    Probe("A04 chunked", with_headers(TE + "chunked", body="4\r\nbody\r\n0\r\n\r\n"), 411, LENGTH_REQUIRED),
    Probe(
        "A04 chunk extension",
        with_headers(TE + "chunked", body="4;" + "x" * 9000 + "\r\nbody\r\n0\r\n\r\n"),
        411,
        LENGTH_REQUIRED,
    ),
    Probe(
        "A04 one-byte chunks",
        with_headers(TE + "chunked", body="1\r\nx\r\n" * 100_000 + "0\r\n\r\n"),
        411,
        LENGTH_REQUIRED,
    ),
    Probe("A04 chunk of 2^80", with_headers(TE + "chunked", body="1" + "0" * 20 + "\r\n"), 400),
    Probe("A05 10 kB header", with_headers(f"X-A: {CANARY}" + "x" * 10_000, "Content-Length: 0"), 400),
    Probe("A05 10 kB header name", with_headers("x" * 10_000 + f"{CANARY}: 1", "Content-Length: 0"), 400),
    Probe("A05 129 headers", with_headers(*[f"X-{n}: {CANARY}" for n in range(129)]), 400),
    Probe("A05 41 headers", with_headers(*[f"X-{n}: 1" for n in range(41)]), 400),
    Probe("A05 10 kB URL", target("/" + CANARY + "x" * 10_000), 400),
    Probe("A07 Expect: 100-continue", with_headers("Content-Length: 4", "Expect: 100-continue"), 417),
    Probe("A10 gzip", encoded("gzip"), 415, ENCODING_FORBIDDEN),
    Probe("A10 deflate", encoded("deflate"), 415, ENCODING_FORBIDDEN),
    Probe("A10 br", encoded("br"), 415, ENCODING_FORBIDDEN),
    Probe("A10 zstd", encoded("zstd"), 415, ENCODING_FORBIDDEN),
    Probe("A10 double gzip", encoded("gzip, gzip"), 415, ENCODING_FORBIDDEN),
    Probe("A10 identity", encoded("identity"), 415, ENCODING_FORBIDDEN),
    Probe("A11 one byte over", with_headers(f"Content-Length: {LIMIT + 1}"), 413, TOO_LARGE),
    Probe("A11 CL 2^63", with_headers(f"Content-Length: {2**63}"), 413, TOO_LARGE),
    Probe("A11 CL 2^64", with_headers(f"Content-Length: {2**64}"), 400),
    Probe("A11 CL, 30 digits", with_headers("Content-Length: " + "0" * 30 + "4"), 413, TOO_LARGE),
    Probe("A12 TRACE", asking("TRACE"), 405),
    Probe("A12 OPTIONS", asking("OPTIONS"), 405),
    Probe("A12 GET", asking("GET"), 405),
    Probe("A12 HEAD", asking("HEAD"), 405),
    Probe("A12 PUT", asking("PUT"), 405),
    Probe("A12 lower case", asking("post"), 405),
    Probe("A12 unknown verb", asking(CANARY), 405),
    Probe("A12 CONNECT", f"CONNECT {CANARY}:443 HTTP/1.1\r\nHost: {{host}}\r\n\r\n", 405),
    Probe("A12 unknown Expect", with_headers("Content-Length: 0", f"Expect: {CANARY}"), 417),
    Probe("A12 no HTTP at all", "\x16\x03\x01 " + CANARY + "\r\n\r\n", 405),
    Probe("upgrade", with_headers("Connection: upgrade", "Upgrade: websocket", "Content-Length: 0"), 400),
    Probe("unknown path", target(f"/v1/{CANARY}"), 404, NOT_FOUND),
    Probe("path with a query", target(f"/v1/greeting?{CANARY}"), 404, NOT_FOUND),
    Probe("path with dots", target("/v1/../v1/greeting"), 404, NOT_FOUND),
    Probe("path with escapes", target("/v1/%67reeting"), 404, NOT_FOUND),
    Probe("fragment", target(f"/v1/greeting#{CANARY}"), 404, NOT_FOUND),
    Probe(
        "other content type",
        with_headers("Content-Length: 0", start=OK.replace("octet-stream", "json")),
        415,
    ),
    Probe("two content types", with_headers("Content-Type: text/html", "Content-Length: 0"), 400),
]  # fmt: skip


@pytest.mark.parametrize("probe", PROBES, ids=[probe.attack for probe in PROBES])
async def test_a_probe_gets_its_status_its_reason_and_nothing_of_what_it_sent(probe: Probe) -> None:
    async with running_site() as open_site:
        place = f"127.0.0.1:{open_site.port}"
        answer = await exchange(open_site.port, probe.request.replace("{host}", place).encode())
    head, _, body = answer.partition(b"\r\n\r\n")
    status_line, *headers = head.decode().split("\r\n")
    assert status_line.startswith(f"HTTP/1.1 {probe.status} "), head
    assert body == (b"" if "HEAD" in probe.attack else f'{{"error":"{probe.code}"}}'.encode())
    names = {line.split(":")[0] for line in headers}
    assert (
        {"Content-Type", "Content-Length", "Date"}
        <= names
        <= {"Content-Type", "Content-Length", "Date", "Connection"}
    )
    for word in (CANARY, "aiohttp", "python", "Traceback"):
        assert word.lower().encode() not in answer.lower()
    assert open_site.handler.seen == []
    assert open_site.site.connections == 0


async def test_a_well_formed_request_is_answered_and_the_connection_stays_open() -> None:
    async with running_site() as open_site, raw_connection(open_site.port) as (reader, writer):
        for _ in range(3):
            writer.write(request_of(open_site, b"body"))
            answer = await reader.readuntil(b"\r\n\r\nbody")
            assert answer.startswith(b"HTTP/1.1 200 OK\r\n")
            assert b"server" not in answer.lower()
        assert open_site.handler.seen == [(peer_identity("xa"), Operation.GREETING, 4)] * 3


async def test_a05_a_request_in_very_many_pieces_is_one_request() -> None:
    async with running_site() as open_site, raw_connection(open_site.port) as (reader, writer):
        for octet in request_of(open_site, b"body"):
            writer.write(bytes([octet]))
        assert (await reader.readuntil(b"\r\n")).startswith(b"HTTP/1.1 200 ")


async def test_pipelined_requests_are_answered_in_order() -> None:
    async with running_site() as open_site, raw_connection(open_site.port) as (reader, writer):
        writer.write(b"".join(request_of(open_site, b"%03d" % number) for number in range(200)))
        for number in range(200):
            await reader.readuntil(b"\r\n\r\n%03d" % number)


async def test_a_refusal_ends_the_connection_and_what_follows_is_not_parsed() -> None:
    async with running_site() as open_site, raw_connection(open_site.port) as (reader, writer):
        bad = request_of(open_site, b"").replace(b"/v1/greeting", b"/v1/other")
        writer.write(bad + request_of(open_site, b"body"))
        answer = await until_closed(reader)
    assert answer.count(b"HTTP/1.1") == 1
    assert open_site.handler.seen == []


async def test_a_host_is_compared_without_case_and_the_default_port_may_be_left_out() -> None:
    async with running_site() as open_site:
        open_site.site.also_serve("https://node.xb.example")
        for name in ("node.XB.example", "node.xb.example:443"):
            request = request_of(open_site, b"body", host=name)
            assert b" 200 " in (await exchange(open_site.port, request))


async def test_a03_the_name_asked_for_in_tls_must_be_ours() -> None:
    async with running_site() as open_site:
        open_site.site.also_serve("https://node.xb.example")
        request = request_of(open_site, b"body", host="node.xb.example")
        ours = await exchange(open_site.port, request, sni="node.xb.example")
        other = await exchange(open_site.port, request, sni="other.example")
    assert b" 200 " in ours
    assert b" 421 " in other
    assert b"wrong_host" in other


def request_of(open_site: OpenSite, body: bytes, *, host: str = "") -> bytes:
    head = OK.replace("{host}", host or f"127.0.0.1:{open_site.port}")
    head += "Connection: close\r\n" if host else ""
    return f"{head}Content-Length: {len(body)}\r\n\r\n".encode() + body
