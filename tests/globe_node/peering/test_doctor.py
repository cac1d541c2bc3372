# SPDX-License-Identifier: Apache-2.0
"""Each step of `doctor --peer` on a real line: what is good, and what each fault looks like."""

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

import pytest

from globe_node.delivery.link import Answer, Operation, PeerAddress, PeerIdentity
from globe_node.peering.client import HTTPTransport
from globe_node.peering.doctor import Finding, Instruments, Step, examine
from globe_node.peering.resolver import CheckingResolver
from protocol.errors import ReasonCode, UnsupportedVersionError, UntrustedError
from protocol.identifiers import Digest, DirectoryView
from tests.support.clock import FixedClock
from tests.support.line import (
    LOCAL,
    OpenSite,
    address_of,
    peer_identity,
    running_site,
    tls_identity,
)

ROOT = Digest("0" * 64)
VIEW = DirectoryView(7, ROOT)
ALL = list(Step)
CLOCK = FixedClock(FixedClock().now() + timedelta(days=30))
NOW = CLOCK.now()


@dataclass(frozen=True)
class Said:
    time: datetime = NOW
    view: DirectoryView | None = VIEW


@asynccontextmanager
async def instruments(name: str = "xa", said: Said | Exception | None = None) -> AsyncIterator[Instruments]:
    def read(_body: bytes, peer: PeerIdentity) -> Said:
        assert peer == peer_identity("xb")
        if isinstance(said, Exception):
            raise said
        return said or Said()

    resolver = CheckingResolver(private_allowed=True)
    transport = HTTPTransport(tls_identity(name), private_addresses_allowed=True, resolver=resolver)
    yield Instruments(
        identity=tls_identity(name),
        transport=transport,
        resolver=resolver,
        private_addresses_allowed=True,
        clock=CLOCK,
        view=VIEW,
        greeting=lambda: b"hello",
        read_greeting=read,
    )
    await transport.close()


def steps(findings: list[Finding]) -> list[Step]:
    """The steps taken; all but the last must be good, and each fault says what to do."""
    assert all(bool(finding.action) is not finding.ok for finding in findings)
    assert all(finding.sentence.endswith(".") for finding in findings)
    return [finding.step for finding in findings]


def fault(findings: list[Finding]) -> Step:
    steps(findings)
    assert [finding.ok for finding in findings] == [True] * (len(findings) - 1) + [False]
    return findings[-1].step


async def findings_for(
    open_site: OpenSite, said: Said | Exception | None = None, name: str = "xa"
) -> list[Finding]:
    async with instruments(name, said) as tools:
        return await examine(address_of("xb", open_site.port), tools)


async def test_a_good_line_is_good_in_every_step() -> None:
    async with running_site() as open_site:
        findings = await findings_for(open_site)
    assert steps(findings) == ALL
    assert all(finding.ok for finding in findings)
    assert open_site.handler.seen == [(peer_identity("xa"), Operation.GREETING, 5)]


async def examined(address: PeerAddress) -> list[Finding]:
    async with instruments() as tools:
        return await examine(address, tools)


async def test_an_endpoint_that_is_not_allowed() -> None:
    address = replace(address_of("xb", 1), endpoint="https://169.254.169.254")
    assert fault(await examined(address)) is Step.ENDPOINT


async def test_a_name_that_does_not_exist() -> None:
    address = replace(address_of("xb", 1), endpoint="https://node.xb.example:9000")

    def missing(_host: str, _port: int) -> list[tuple[int, int, int, str, tuple[str, int]]]:
        raise socket.gaierror(socket.EAI_NONAME, "not known")

    async with instruments() as tools:
        resolver = CheckingResolver(private_allowed=True, lookup=missing)
        assert fault(await examine(address, replace(tools, resolver=resolver))) is Step.NAME


async def test_a_name_that_leads_to_a_forbidden_place_and_one_that_is_found() -> None:
    async with running_site() as open_site, instruments() as tools:
        found = [(socket.AF_INET, socket.SOCK_STREAM, 0, "", (LOCAL, open_site.port))]
        address = replace(address_of("xb", 1), endpoint=f"https://node.xb.example:{open_site.port}")
        for allowed in (False, True):
            resolver = CheckingResolver(private_allowed=allowed, lookup=lambda _host, _port: found)
            findings = await examine(address, replace(tools, resolver=resolver))
            await resolver.close()
            assert findings[1].ok is allowed
            assert (fault(findings) is Step.NAME) is not allowed


async def test_nobody_takes_connections() -> None:
    async with running_site() as open_site:
        port = open_site.port
    assert fault(await examined(address_of("xb", port))) is Step.CONNECTION


async def test_another_program_at_the_port_and_an_older_tls() -> None:
    async def plain(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"220 mail ready\r\n")
        writer.close()

    server = await asyncio.start_server(plain, LOCAL, 0)
    assert fault(await examined(address_of("xb", server.sockets[0].getsockname()[1]))) is Step.TLS
    server.close()


async def test_another_certificate_than_the_listed_one() -> None:
    async with running_site() as open_site, instruments() as tools:
        address = address_of("xb", open_site.port, tls_identity("xc").certificate_der)
        findings = await examine(address, tools)
    assert fault(findings) is Step.CERTIFICATE
    assert tls_identity("xb").digest.hex()[:16] in findings[-1].sentence
    assert tls_identity("xc").digest.hex()[:16] in findings[-1].sentence
    assert open_site.handler.seen == []


async def test_a_certificate_whose_time_is_over() -> None:
    async with running_site() as open_site, instruments() as tools:
        late = replace(tools, clock=FixedClock(CLOCK.now() + timedelta(days=4000)))
        assert fault(await examine(address_of("xb", open_site.port), late)) is Step.CERTIFICATE


async def test_a_peer_that_does_not_list_our_certificate() -> None:
    async with running_site() as open_site:
        findings = await findings_for(open_site, name="stranger")
    assert fault(findings) is Step.ACCEPTANCE
    assert "did not accept our certificate" in findings[-1].sentence


@pytest.mark.parametrize("code", [ReasonCode.REFUSED, ReasonCode.BUSY])
async def test_a_peer_that_answers_with_a_code(code: ReasonCode) -> None:
    class Refusing:
        async def handle(self, _peer: PeerIdentity, _operation: Operation, _body: bytes) -> Answer:
            return Answer(code, b"")

    async with running_site(handler=Refusing()) as open_site:
        assert fault(await findings_for(open_site)) is Step.ACCEPTANCE


async def test_a_greeting_of_somebody_else_and_one_of_another_version() -> None:
    async with running_site() as open_site:
        assert fault(await findings_for(open_site, UntrustedError("x"))) is Step.ACCEPTANCE
        assert fault(await findings_for(open_site, UnsupportedVersionError("x"))) is Step.VERSIONS


@pytest.mark.parametrize(("seconds", "word"), [(299, ""), (301, "ahead of"), (-301, "behind")])
async def test_a_clock_that_differs(seconds: int, word: str) -> None:
    async with running_site() as open_site:
        findings = await findings_for(open_site, Said(time=CLOCK.now() + timedelta(seconds=seconds)))
    (clock,) = [finding for finding in findings if finding.step is Step.CLOCK]
    assert clock.ok is not bool(word)
    assert word in clock.sentence
    assert steps(findings) == ALL


@pytest.mark.parametrize(
    ("view", "ok", "word"),
    [
        (VIEW, True, "same"),
        (DirectoryView(6, ROOT), True, "older"),
        (None, True, "older"),
        (DirectoryView(9, ROOT), False, "2 statement(s) more"),
        (DirectoryView(7, Digest("1" * 64)), False, "other ones"),
    ],
)
async def test_the_view_of_the_directory(view: DirectoryView | None, ok: bool, word: str) -> None:
    async with running_site() as open_site:
        findings = await findings_for(open_site, Said(view=view))
    assert findings[-1].step is Step.DIRECTORY
    assert findings[-1].ok is ok
    assert word in findings[-1].sentence
