# SPDX-License-Identifier: Apache-2.0
from dataclasses import replace

import pytest

from globe_node.peering.admission import MAX_REMEMBERED, ConnectionGate, PeerGate, RateLimiter, source_of
from globe_node.peering.answers import RefusalError
from globe_node.peering.settings import SiteLimits
from protocol.errors import ReasonCode
from tests.support.clock import FixedClock
from tests.support.line import peer_identity

LIMITS = SiteLimits(max_connections=10, max_connections_per_source=4, max_handshakes=6, concurrent_requests=2)


def test_tokens_run_out_and_come_back_with_time() -> None:
    clock = FixedClock()
    limiter: RateLimiter[str] = RateLimiter(2.0, 3, clock)
    assert [limiter.take("a") for _ in range(3)] == [0, 0, 0]
    assert limiter.take("a") == 0.5
    assert limiter.take("b") == 0
    clock.advance(0.5)
    assert limiter.take("a") == 0
    assert limiter.take("a") == 0.5
    clock.advance(1000)
    assert [limiter.take("a") for _ in range(4)] == [0, 0, 0, 0.5]


def test_a_refused_take_costs_nothing() -> None:
    clock = FixedClock()
    limiter: RateLimiter[str] = RateLimiter(1.0, 1, clock)
    limiter.take("a")
    assert [limiter.take("a") for _ in range(3)] == [1.0, 1.0, 1.0]


def test_the_memory_of_sources_is_bounded_and_the_oldest_is_forgotten() -> None:
    limiter: RateLimiter[int] = RateLimiter(0.001, 1, FixedClock())
    for key in range(MAX_REMEMBERED + 1):
        assert limiter.take(key) == 0
    assert limiter.take(0) == 0
    assert limiter.take(MAX_REMEMBERED) > 0


@pytest.mark.parametrize(
    ("address", "source"),
    [
        ("203.0.113.7", "203.0.113.7"),
        ("::ffff:203.0.113.7", "203.0.113.7"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"),
        ("2001:db8:1:2::9%eth0", "2001:db8:1:2::/64"),
        ("", ""),
    ],
)
def test_a_source_is_an_address_or_a_64(address: str, source: str) -> None:
    assert source_of(address) == source


def test_connections_are_bounded_for_each_source_and_in_all() -> None:
    gate = ConnectionGate(LIMITS, FixedClock())
    ours = [gate.admit("203.0.113.1") for _ in range(5)]
    assert [lease is not None for lease in ours] == [True] * 4 + [False]
    for lease in ours[:4]:
        assert lease is not None
        lease.established()
    others = [gate.admit(f"203.0.113.{number}") for number in range(10, 20)]
    assert [lease is not None for lease in others] == [True] * 6 + [False] * 4
    assert gate.connections == 10


def test_unfinished_handshakes_are_bounded() -> None:
    gate = ConnectionGate(LIMITS, FixedClock())
    leases = [gate.admit(f"203.0.113.{number}") for number in range(8)]
    assert sum(lease is not None for lease in leases) == LIMITS.max_handshakes
    assert leases[0] is not None
    leases[0].established()
    assert gate.admit("203.0.113.99") is not None


def test_a_lease_is_given_back_once() -> None:
    gate = ConnectionGate(LIMITS, FixedClock())
    lease, other = gate.admit("203.0.113.1"), gate.admit("203.0.113.1")
    assert lease is not None
    assert other is not None
    for _ in range(3):
        lease.release()
    other.established()
    other.release()
    lease.established()
    assert (gate.connections, gate.handshakes) == (0, 0)


def test_new_connections_of_one_source_have_a_rate() -> None:
    clock = FixedClock()
    gate = ConnectionGate(LIMITS, clock)
    admitted = 0
    for _ in range(100):
        lease = gate.admit("203.0.113.1")
        if lease is not None:
            admitted += 1
            lease.release()
    assert admitted == 4 * LIMITS.max_connections_per_source
    assert gate.admit("203.0.113.2") is not None
    clock.advance(1)
    assert gate.admit("203.0.113.1") is not None


def test_a_peer_has_places_and_leaves_them() -> None:
    gate = PeerGate(LIMITS, FixedClock())
    peer, other = peer_identity("xa"), peer_identity("xc")
    with gate.enter(peer), gate.enter(peer):
        with pytest.raises(RefusalError) as caught, gate.enter(peer):
            pass
        assert (caught.value.code, caught.value.status) == (ReasonCode.BUSY, 503)
        with gate.enter(other):
            pass
    with pytest.raises(ValueError, match="fault"), gate.enter(peer):
        raise ValueError("fault")
    with gate.enter(peer), gate.enter(peer):
        pass


def test_a_peer_has_a_rate() -> None:
    clock = FixedClock()
    gate = PeerGate(replace(LIMITS, requests_per_second=1, request_burst=1), clock)
    with gate.enter(peer_identity("xa")):
        pass
    with pytest.raises(RefusalError) as caught, gate.enter(peer_identity("xa")):
        pass
    assert (caught.value.code, caught.value.status) == (ReasonCode.RATE_LIMITED, 429)
    assert caught.value.retry_after == 1.0
    clock.advance(1)
    with gate.enter(peer_identity("xa")):
        pass
