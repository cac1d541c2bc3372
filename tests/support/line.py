# SPDX-License-Identifier: Apache-2.0
"""A peer's site on loopback and raw TLS on either end of it: what is sent and received here is bytes."""

import asyncio
import ssl
import tempfile
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from datetime import timedelta
from functools import cache

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding

from globe_node.clock import Clock, SystemClock
from globe_node.delivery.link import Answer, Operation, PeerAddress, PeerIdentity
from globe_node.logs import EventLog, SilentLog
from globe_node.peering.application import PeerSite
from globe_node.peering.settings import SiteLimits
from globe_node.peering.tls import TrustedPeers
from keys.tls_identity import TLSIdentity
from protocol.identifiers import AuthorityId, NodeId
from tests.support.clock import START
from tests.support.entropy import SeededEntropy

LOCAL = "127.0.0.1"
CANARY = "xCANARYx"
SHORT = SiteLimits(
    handshake_seconds=0.3,
    header_seconds=0.3,
    idle_seconds=0.6,
    body_grace_seconds=0.2,
    body_floor_bytes_per_second=100_000,
    body_seconds=0.6,
    answer_seconds=0.3,
    lingering_seconds=0.1,
    max_connections_per_source=1000,
)
"""Bounds that end a test of slowness soon."""
ROOMY = replace(
    SHORT,
    handshake_seconds=20,
    header_seconds=20,
    idle_seconds=20,
    body_grace_seconds=20,
    body_seconds=20,
    answer_seconds=20,
)
"""Bounds that no test meets by accident, on however busy a machine."""


@cache
def tls_identity(name: str) -> TLSIdentity:
    return TLSIdentity.generate(name, START, SeededEntropy(name))


@cache
def expired_identity(name: str) -> TLSIdentity:
    """A certificate whose ten years are over."""
    return TLSIdentity.generate(name, START - timedelta(days=4000), SeededEntropy(f"{name} long ago"))


def peer_identity(name: str) -> PeerIdentity:
    return PeerIdentity(AuthorityId(name), NodeId("n1"))


def address_of(name: str, port: int, *certificates: bytes) -> PeerAddress:
    first, *others = certificates or (tls_identity(name).certificate_der,)
    return PeerAddress(
        AuthorityId(name), NodeId("n1"), f"https://{LOCAL}:{port}", first, others[0] if others else b""
    )


@dataclass
class Echo:
    """Answers with the body that came, and remembers who asked what."""

    seen: list[tuple[PeerIdentity, Operation, int]] = field(default_factory=list)

    async def handle(self, peer: PeerIdentity, operation: Operation, body: bytes) -> Answer:
        self.seen.append((peer, operation, len(body)))
        return Answer(None, body)


@dataclass
class OpenSite:
    """A running site and what belongs to it."""

    site: PeerSite
    peers: TrustedPeers
    handler: Echo
    port: int


def trusting(*names: str) -> TrustedPeers:
    peers = TrustedPeers()
    peers.replace((tls_identity(name).certificate_der, peer_identity(name)) for name in names)
    return peers


@asynccontextmanager
async def running_site(
    *names: str,
    limits: SiteLimits = ROOMY,
    handler: object = None,
    log: EventLog | None = None,
    identity: TLSIdentity | None = None,
    clock: Clock | None = None,
) -> AsyncIterator[OpenSite]:
    """Run the site of `xb` for the length of a test; it trusts the named peers."""
    peers = trusting(*(names or ("xa",)))
    echo = handler or Echo()
    site = PeerSite(
        echo,  # type: ignore[arg-type]  # a handler of the test, checked by use
        identity=identity or tls_identity("xb"),
        peers=peers,
        endpoints=[],
        clock=clock or SystemClock(),
        log=log or SilentLog(),
        limits=limits,
    )
    port = site.listen(LOCAL, 0)
    site.also_serve(f"https://{LOCAL}:{port}")
    serving = asyncio.create_task(site.serve())
    try:
        yield OpenSite(site, peers, echo, port)  # type: ignore[arg-type]  # most tests use Echo
    finally:
        serving.cancel()
        await asyncio.wait([serving])
        site.close()


def raw_client_context(
    identity: TLSIdentity | None, *, alpn: Iterable[str] = ("http/1.1",)
) -> ssl.SSLContext:
    """A client that believes anybody and may show a certificate."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    if list(alpn):
        context.set_alpn_protocols(list(alpn))
    if identity is not None:
        _load(context, identity)
    return context


def raw_server_context(identity: TLSIdentity) -> ssl.SSLContext:
    """A server that asks nobody for anything."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.set_alpn_protocols(["http/1.1"])
    _load(context, identity)
    return context


def context_of_issued(issuer: TLSIdentity) -> ssl.SSLContext:
    """A client whose certificate was signed by the key of `issuer` and carries its name."""
    leaf = tls_identity("issued")
    signing = Ed25519PrivateKey.from_private_bytes(issuer.seed.reveal())
    named = x509.load_der_x509_certificate(issuer.certificate_der)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(named.subject)
        .issuer_name(named.subject)
        .public_key(x509.load_der_x509_certificate(leaf.certificate_der).public_key())
        .serial_number(7)
        .not_valid_before(START)
        .not_valid_after(START + timedelta(days=3650))
        .sign(signing, None)
    )
    context = raw_client_context(None)
    chain = certificate.public_bytes(Encoding.PEM) + issuer.certificate_pem
    _load_pem(context, chain + leaf.private_key_pem())
    return context


def _load(context: ssl.SSLContext, identity: TLSIdentity) -> None:
    _load_pem(context, identity.certificate_pem + identity.private_key_pem())


def _load_pem(context: ssl.SSLContext, pem: bytes) -> None:
    with tempfile.NamedTemporaryFile() as file:
        file.write(pem)
        file.flush()
        context.load_cert_chain(file.name)


async def eventually(holds: Callable[[], bool], *, seconds: float = 15.0) -> None:
    """Wait until something holds, or fail."""
    async with asyncio.timeout(seconds):
        while not holds():  # noqa: ASYNC110 -- what is waited for sets no event
            await asyncio.sleep(0.01)


@asynccontextmanager
async def raw_connection(
    port: int, name: str | None = "xa", *, context: ssl.SSLContext | None = None, sni: str | None = None
) -> AsyncIterator[tuple[asyncio.StreamReader, asyncio.StreamWriter]]:
    """A TLS connection whose bytes the test writes itself."""
    context = context or raw_client_context(tls_identity(name) if name else None)
    reader, writer = await asyncio.open_connection(LOCAL, port, ssl=context, server_hostname=sni or "")
    try:
        yield reader, writer
    finally:
        writer.transport.abort()


async def until_closed(reader: asyncio.StreamReader, *, seconds: float = 15.0) -> bytes:
    """Return what comes until the other end closes the connection, however it does that."""
    received = b""
    try:
        async with asyncio.timeout(seconds):
            while piece := await reader.read(65536):
                received += piece
    except (ConnectionError, ssl.SSLError):
        pass
    return received


async def exchange(port: int, request: bytes, name: str | None = "xa", *, sni: str | None = None) -> bytes:
    """Send bytes over a new connection and return the answer up to the end of the connection."""
    async with raw_connection(port, name, sni=sni) as (reader, writer):
        writer.write(request)
        return await until_closed(reader)


Script = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


@asynccontextmanager
async def hostile_server(script: Script, *, identity: TLSIdentity | None = None) -> AsyncIterator[int]:
    """A TLS server that does to each connection what the script says; yields its port."""
    writers = []

    async def meet(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writers.append(writer)
        try:
            await script(reader, writer)
        except ConnectionError:
            pass
        finally:
            writer.close()

    context = raw_server_context(identity or tls_identity("xb"))
    server = await asyncio.start_server(meet, LOCAL, 0, ssl=context)
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        server.close()
        for writer in writers:
            writer.transport.abort()
        await asyncio.sleep(0)
