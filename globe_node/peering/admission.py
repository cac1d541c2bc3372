# SPDX-License-Identifier: Apache-2.0
"""How much one source and one peer may take: connections, requests in work, requests a second. No queues.

1. Over a bound, the answer is no, at once and with a time to come back; nothing waits in line here.
2. A source is an IPv4 address or an IPv6 /64. A peer is an authenticated node.
3. What is remembered of a source or peer that has gone is bounded too.
"""

import ipaddress
from collections import OrderedDict
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Generic, TypeVar

from globe_node.clock import Clock
from globe_node.delivery.link import PeerIdentity
from globe_node.peering.answers import RefusalError
from globe_node.peering.settings import SiteLimits
from protocol.errors import ReasonCode

MAX_REMEMBERED = 4096
"""Sources or peers whose rate is remembered; the one seen longest ago is forgotten first."""

K = TypeVar("K")


class RateLimiter(Generic[K]):
    """A bucket of tokens for each key: `burst` at most, refilled at `rate` a second."""

    def __init__(self, rate: float, burst: int, clock: Clock) -> None:
        self._rate = rate
        self._burst = float(burst)
        self._clock = clock
        self._buckets: OrderedDict[K, tuple[float, float]] = OrderedDict()

    def take(self, key: K) -> float:
        """Take a token; return 0, or the seconds until there is one."""
        now = self._clock.monotonic()
        tokens, since = self._buckets.get(key, (self._burst, now))
        tokens = min(self._burst, tokens + (now - since) * self._rate)
        wait = 0.0 if tokens >= 1.0 else (1.0 - tokens) / self._rate
        self._buckets[key] = (tokens if wait else tokens - 1.0, now)
        self._buckets.move_to_end(key)
        if len(self._buckets) > MAX_REMEMBERED:
            self._buckets.popitem(last=False)
        return wait


class Lease:
    """The right of one connection to be open; given back once, however often it is asked."""

    __slots__ = ("_gate", "_source", "_stage")

    def __init__(self, gate: "ConnectionGate", source: str) -> None:
        self._gate = gate
        self._source = source
        self._stage = "handshake"

    def established(self) -> None:
        """The handshake has ended well."""
        if self._stage == "handshake":
            self._stage = "open"
            self._gate.handshakes -= 1

    def release(self) -> None:
        """The connection is gone."""
        self.established()
        if self._stage == "open":
            self._stage = "gone"
            self._gate.forget(self._source)


class ConnectionGate:
    """Counts connections in all and for each source, before the handshake.

    Attributes:
        connections: open ones, handshakes included.
        handshakes: unfinished handshakes.
    """

    def __init__(self, limits: SiteLimits, clock: Clock) -> None:
        self._limits = limits
        self.connections = 0
        self.handshakes = 0
        self._of_source: dict[str, int] = {}
        self._rate: RateLimiter[str] = RateLimiter(
            limits.max_connections_per_source, 4 * limits.max_connections_per_source, clock
        )

    def admit(self, address: str) -> Lease | None:
        """Return a lease for a connection from this IP address, or None if it must be closed."""
        source = source_of(address)
        held = self._of_source.get(source, 0)
        if (
            self.connections >= self._limits.max_connections
            or self.handshakes >= self._limits.max_handshakes
            or held >= self._limits.max_connections_per_source
            or self._rate.take(source) > 0
        ):
            return None
        self.connections += 1
        self.handshakes += 1
        self._of_source[source] = held + 1
        return Lease(self, source)

    def forget(self, source: str) -> None:
        """Count one connection of this source less."""
        self.connections -= 1
        left = self._of_source[source] - 1
        if left:
            self._of_source[source] = left
        else:
            del self._of_source[source]


def source_of(address: str) -> str:
    """Return what counts as one source: an IPv4 address, or the /64 of an IPv6 address."""
    try:
        parsed = ipaddress.ip_address(address.partition("%")[0])
    except ValueError:
        return address
    if isinstance(parsed, ipaddress.IPv4Address):
        return str(parsed)
    if parsed.ipv4_mapped is not None:
        return str(parsed.ipv4_mapped)
    return str(ipaddress.IPv6Network((int(parsed) >> 64 << 64, 64)))


class PeerGate:
    """Bounds what one authenticated node may ask at a time and per second."""

    def __init__(self, limits: SiteLimits, clock: Clock) -> None:
        self._limits = limits
        self._in_work: dict[PeerIdentity, int] = {}
        self._rate: RateLimiter[PeerIdentity] = RateLimiter(
            limits.requests_per_second, limits.request_burst, clock
        )

    @contextmanager
    def enter(self, peer: PeerIdentity) -> Iterator[None]:
        """Hold one place of this peer.

        Raises:
            RefusalError: too often (`rate_limited`) or too many at a time (`busy`).

        Spec: PROTOCOL.md section 11.4.
        """
        wait = self._rate.take(peer)
        if wait > 0:
            raise RefusalError(ReasonCode.RATE_LIMITED, retry_after=wait)
        in_work = self._in_work.get(peer, 0)
        if in_work >= self._limits.concurrent_requests:
            raise RefusalError(ReasonCode.BUSY, retry_after=1.0)
        self._in_work[peer] = in_work + 1
        try:
            yield
        finally:
            self._in_work[peer] -= 1
            if not self._in_work[peer]:
                del self._in_work[peer]
