# SPDX-License-Identifier: Apache-2.0
"""The site where peers reach this node: listens, lets in, ends. What is answered is in `endpoints`.

1. A connection is counted before its handshake, and the handshake has a deadline: half-open ones from one
   source take the share of that source and no more.
2. The TLS context is the one of the moment of the connection. When trust changes, the next connection gets a
   new context, and idle connections of peers that are trusted no longer are cut.
3. Without file descriptors for more, the site pauses and goes on serving those it has.
4. One line about a source is enough for the operator: repeated faults are not repeated in the log.
5. It does not start on a runtime whose HTTP parser or versions are not those it was tested with.
"""

import asyncio
import errno
import re
import resource
import socket
from collections.abc import Collection
from importlib import metadata

from aiohttp import http_parser, web

from globe_node.clock import Clock
from globe_node.delivery.link import RequestHandler
from globe_node.errors import ConfigError
from globe_node.logs import EventLog
from globe_node.peering.admission import ConnectionGate, Lease, PeerGate, RateLimiter
from globe_node.peering.answers import ErrorDoor
from globe_node.peering.bodies import BodyReader
from globe_node.peering.connection import ConnectionServer, PeerConnection
from globe_node.peering.endpoints import Endpoints
from globe_node.peering.settings import SiteLimits
from globe_node.peering.tls import LineContext, TrustedPeers, server_context, shrink_buffers
from keys.tls_identity import TLSIdentity
from protocol.directory.endpoints import parse_endpoint

ACCEPT_PAUSE_SECONDS = 1.0
CLOSE_SECONDS = 5.0
BACKLOG = 128
RESERVED_DESCRIPTORS = 128
"""For the store, the log, the local socket and our own connections to peers."""
VERSION_FLOORS = {"aiohttp": (3, 14, 5), "cryptography": (50, 0, 2), "pynacl": (1, 6, 2)}
"""Older versions have known faults that the bounds of this room rely on being mended."""
_TURNS_TO_BEGIN = 3
"""Turns of the event loop until an accepted connection has a transport that knows its socket."""
_LOG_RATE = 1 / 60
"""Lines a second about refused connections of one source."""
_EXHAUSTED = {errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM}


def verify_runtime(connections: int) -> None:
    """Check that HTTP is spoken here as it was tested, and that there are descriptors enough.

    Raises:
        ConfigError: a slower and laxer HTTP parser, an older version, or too few descriptors.
    """
    if http_parser.HttpRequestParser.__module__ != "aiohttp._http_parser":
        raise ConfigError(
            "aiohttp runs without its compiled parser",
            hint="Install its wheel for this system, and unset AIOHTTP_NO_EXTENSIONS.",
        )
    for name, floor in VERSION_FLOORS.items():
        if _numbers(metadata.version(name)) < floor:
            least = ".".join(str(number) for number in floor)
            raise ConfigError(f"{name} is older than {least}", hint=f"Install {name} {least} or newer.")
    if not __debug__:
        raise ConfigError("Python runs with -O", hint="Start it without -O and without PYTHONOPTIMIZE.")
    wanted = connections + RESERVED_DESCRIPTORS
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        if hard != resource.RLIM_INFINITY and hard < wanted:
            raise ConfigError(
                f"{hard} file descriptors are too few for {connections} connections",
                hint=f"Raise the limit of open files to {wanted}, or lower [peering] max_connections.",
            )
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))


async def _until_readable(listener: socket.socket) -> None:
    """Wait for a connection without accepting it: one that is accepted while we are cancelled is lost."""
    loop, descriptor, readable = asyncio.get_running_loop(), listener.fileno(), asyncio.Event()
    loop.add_reader(descriptor, readable.set)
    try:
        await readable.wait()
    finally:
        loop.remove_reader(descriptor)


def _numbers(text: str) -> tuple[int, ...]:
    return tuple(int(part) for part in re.findall(r"\d+", text)[:3])


class PeerSite:
    """Where peers connect to.

    Use it as: `listen`, then run `serve` as a task until it is cancelled; that ends everything.
    """

    def __init__(
        self,
        handler: RequestHandler,
        *,
        identity: TLSIdentity,
        peers: TrustedPeers,
        endpoints: Collection[str],
        clock: Clock,
        log: EventLog,
        limits: SiteLimits | None = None,
    ) -> None:
        self._limits = limits or SiteLimits()
        self._identity = identity
        self._peers = peers
        self._clock = clock
        self._log = log
        self._gate = ConnectionGate(self._limits, clock)
        self._log_rate: RateLimiter[str] = RateLimiter(_LOG_RATE, 1, clock)
        self._endpoints = Endpoints(
            handler, peers=peers, gate=PeerGate(self._limits, clock), bodies=BodyReader(self._limits)
        )
        for endpoint in endpoints:
            self.also_serve(endpoint)
        self._door = ErrorDoor(self._endpoints.serve, log)
        self._server: ConnectionServer | None = None
        self._listener: socket.socket | None = None
        self._context: LineContext | None = None
        peers.on_change(self._trust_changed)

    @property
    def connections(self) -> int:
        """Open connections, unfinished handshakes included."""
        return self._gate.connections

    def listen(self, host: str, port: int) -> int:
        """Bind the port and return its number; connections wait until `serve` runs.

        Args:
            host: an address of this machine; `::` means all, IPv4 too.
            port: 0 for any free one.

        Raises:
            ConfigError: the address or port can't be used.
        """
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        try:
            self._listener = socket.create_server(
                (host, port), family=family, backlog=BACKLOG, dualstack_ipv6=host == "::"
            )
        except OSError as error:
            raise ConfigError(
                f"can't listen on {host} port {port}: {errno.errorcode.get(error.errno or 0, 'unknown')}",
                hint="Is another program there? Choose another port in config.toml, [peering] listen_port.",
            ) from None
        self._listener.setblocking(False)
        return int(self._listener.getsockname()[1])

    def close(self) -> None:
        """Let go of the port; `serve` does it by itself once it runs."""
        if self._listener is not None:
            self._listener.close()

    async def serve(self) -> None:
        """Let peers in until cancelled, then finish what is in work and close."""
        if self._listener is None:
            raise RuntimeError("listen comes before serve")
        verify_runtime(self._limits.max_connections)
        shrink_buffers()
        self._server = ConnectionServer(self._answer, limits=self._limits)
        try:
            async with asyncio.TaskGroup() as handshakes:
                try:
                    while True:
                        accepted = await self._accept(self._listener)
                        if accepted is not None:
                            handshakes.create_task(self._shake_hands(*accepted))
                finally:
                    await self._begin_handshakes()
        finally:
            self.close()
            self._server.pre_shutdown()
            await self._server.shutdown(CLOSE_SECONDS)

    def also_serve(self, endpoint: str) -> None:
        """Answer requests that are addressed to this endpoint.

        Args:
            endpoint: `https://host` or `https://host:port`, as peers find it in the directory.

        Raises:
            MalformedError: not an endpoint.
        """
        place = parse_endpoint(endpoint, sample=True)
        name = f"[{place.host}]" if ":" in place.host else place.host
        self._endpoints.add_host(name, place.port)

    def replace_identity(self, identity: TLSIdentity) -> None:
        """Show this certificate from the next connection on."""
        self._identity = identity
        self._context = None

    async def _begin_handshakes(self) -> None:
        """Let what was accepted just now begin: asyncio closes no connection that is cancelled before."""
        for _ in range(_TURNS_TO_BEGIN):
            await self._clock.sleep(0)

    async def _accept(self, listener: socket.socket) -> tuple[socket.socket, str, Lease] | None:
        await _until_readable(listener)
        try:
            connected, address = listener.accept()
        except OSError as error:
            if error.errno in _EXHAUSTED:
                self._note("no more connections can be accepted", source="", reason="descriptors")
                await self._clock.sleep(ACCEPT_PAUSE_SECONDS)
            return None
        connected.setblocking(False)
        source = str(address[0])
        lease = self._gate.admit(source)
        if lease is None:
            connected.close()
            self._note("a connection was turned away", source=source, reason="too many")
            return None
        return connected, source, lease

    async def _shake_hands(self, connected: socket.socket, source: str, lease: Lease) -> None:
        if self._server is None:
            raise RuntimeError("not serving")
        connection = self._server.connection_for(lease)
        try:
            await asyncio.get_running_loop().connect_accepted_socket(
                lambda: connection,
                connected,
                ssl=self._current_context(),
                ssl_handshake_timeout=self._limits.handshake_seconds,
                ssl_shutdown_timeout=self._limits.lingering_seconds,
            )
        except OSError:
            lease.release()
            self._note("a connection was refused in its handshake", source=source, reason="handshake")
        except asyncio.CancelledError:
            lease.release()
            raise

    def _current_context(self) -> LineContext:
        if self._context is None:
            self._context = server_context(self._identity, self._peers)
        return self._context

    def _trust_changed(self) -> None:
        self._context = None
        for connection in self._server.connections if self._server else []:
            if isinstance(connection, PeerConnection):
                connection.trust_changed(self._peers)

    async def _answer(self, request: web.BaseRequest) -> web.StreamResponse:
        connection = request.protocol
        if not isinstance(connection, PeerConnection):
            raise TypeError("a connection of another kind")
        connection.request_begins()
        response = await self._door.answer(request)
        if response.status != 200:
            connection.close()
        try:
            async with asyncio.timeout(self._limits.answer_seconds):
                await response.prepare(request)
                await response.write_eof()
        except TimeoutError:
            if request.transport is not None:
                request.transport.abort()
            raise ConnectionResetError from None
        finally:
            connection.request_ends()
        return response

    def _note(self, event: str, *, source: str, reason: str) -> None:
        if self._log_rate.take(source) == 0:
            self._log.warning(event, host=source, reason=reason)
