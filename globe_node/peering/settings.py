# SPDX-License-Identifier: Apache-2.0
"""The bounds of the line: how long, how many, how much. Not where to listen or whom to trust.

1. Every wait has a bound here and every count has one, so that a hostile peer costs a known amount.
2. The defaults are the ones to run with; tests pass small ones.
"""

from dataclasses import dataclass

MAX_REQUEST_LINE_BYTES = 4094
MAX_HEADER_FIELD_BYTES = 4094
MAX_HEADERS = 40
MAX_ERROR_BYTES = 1024
"""What we read of an answer that is not a success."""
READ_BUFFER_BYTES = 64 * 1024
"""Where reading pauses until the body reader has caught up; at most twice this is held."""


@dataclass(frozen=True, slots=True)
class SiteLimits:
    """What this node grants to those who connect.

    Attributes:
        handshake_seconds: from the accepted connection to the end of the TLS handshake.
        header_seconds: from the first byte of a request, or from the handshake, to the end of its headers.
        idle_seconds: an authenticated connection may stay open this long between two requests.
        body_grace_seconds: how long a body may be slower than the floor.
        body_floor_bytes_per_second: slowest mean rate after the grace.
        body_seconds: longest time for one body, whatever its size.
        answer_seconds: how long a peer may take to accept our answer.
        lingering_seconds: after a refusal, how long unread input is thrown away before the line is cut.
        max_connections: open connections in all, handshakes included.
        max_connections_per_source: the same for one IPv4 address or one IPv6 /64.
        max_handshakes: unfinished handshakes in all.
        concurrent_requests: requests of one peer in work at a time.
        requests_per_second: mean rate of one peer's requests.
        request_burst: how far a peer may run ahead of the mean rate.
        max_body_bytes: request bodies held in memory at a time, all peers together.
    """

    handshake_seconds: float = 10.0
    header_seconds: float = 10.0
    idle_seconds: float = 180.0
    body_grace_seconds: float = 8.0
    body_floor_bytes_per_second: float = 64 * 1024
    body_seconds: float = 120.0
    answer_seconds: float = 10.0
    lingering_seconds: float = 2.0
    max_connections: int = 512
    max_connections_per_source: int = 16
    max_handshakes: int = 128
    concurrent_requests: int = 4
    requests_per_second: float = 1000.0
    request_burst: int = 2000
    max_body_bytes: int = 64 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class LineLimits:
    """What this node grants to those it connects to.

    Attributes:
        connect_seconds: name look-up, TCP and TLS together, and the wait for a free connection.
        silence_seconds: between two pieces of an answer, and from the end of the request to its first byte.
        keep_open_seconds: an idle connection is kept this long; shorter than `SiteLimits.idle_seconds`, so
            that the side which might still send is the side which closes.
        connections_per_peer: open connections to one node.
    """

    connect_seconds: float = 10.0
    silence_seconds: float = 10.0
    keep_open_seconds: float = 120.0
    connections_per_peer: int = 2
