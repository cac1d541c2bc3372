# SPDX-License-Identifier: Apache-2.0
"""What peers cost that have a connection open and say nothing: memory of the node that holds it."""

import asyncio
from collections.abc import Mapping, Sequence
from contextlib import AsyncExitStack
from pathlib import Path

from bench.figures import tell
from bench.machine import connections_to, proportional_set_mib
from bench.network import Member, Network, found
from bench.process import BenchError, NodeProcess
from bench.runs import Runs, repeat
from globe_node.clock import SystemClock
from globe_node.delivery.link import Operation, PeerAddress, PeerIdentity
from globe_node.neighbours.greeting import Greeting
from globe_node.peering.client import HTTPTransport

CONNECTIONS = 64
"""Counted connections, each of another peer."""
EARLIER = 4
"""Connections that are open before counting begins: the first one loads what all share."""
SETTLE_SECONDS = 2.0
_DEADLINE_SECONDS = 30.0


async def measure(
    folder: Path, *, count: int = CONNECTIONS, settle_seconds: float = SETTLE_SECONDS, runs: int
) -> Runs:
    """Measure what each of `count` idle peers adds to the memory of a node; KiB (`peer_kib`)."""
    tell(f"growth: {count} peers that hold an idle connection")
    network = found(folder, reachable=1, calling=EARLIER + count)
    node = NodeProcess(network.make_home(network.members[0]))
    async with AsyncExitStack() as stack:
        stack.push_async_callback(node.stop)
        await node.start()
        await node.call("directory.import", network.as_import())

        async def hold() -> Mapping[str, float]:
            await node.stop()
            await node.start()
            async with AsyncExitStack() as lines:
                await _connect(lines, network, network.members[1 : EARLIER + 1])
                await asyncio.sleep(settle_seconds)
                before = proportional_set_mib(node.process_id)
                await _connect(lines, network, network.members[EARLIER + 1 :])
                await asyncio.sleep(settle_seconds)
                after = proportional_set_mib(node.process_id)
                if (still := connections_to(network.members[0].port)) != EARLIER + count:
                    raise BenchError(f"{still} connections are open, not {EARLIER + count}")
            return {
                "peer_kib": (after - before) * 1024 / count,
                "without_mib": before,
                "with_peers_mib": after,
            }

        made = await repeat({"peers": hold}, lambda: [node.process_id], runs=runs)
    return made["peers"]


async def _connect(lines: AsyncExitStack, network: Network, members: Sequence[Member]) -> None:
    """Greet the first member of the network from others, over connections that stay open."""
    host = network.members[0]
    address = PeerAddress(host.authority, host.node, host.endpoint, host.node_keys.tls.certificate_der)
    for member in members:
        line = HTTPTransport(member.node_keys.tls, private_addresses_allowed=True)
        lines.push_async_callback(line.close)
        identity = PeerIdentity(member.authority, member.node)
        greeting = Greeting(identity, SystemClock().now(), network.state.view)
        answer = await line.request(
            address, Operation.GREETING, body=greeting.to_bytes(), deadline_seconds=_DEADLINE_SECONDS
        )
        if answer.code is not None:
            raise BenchError(f"the node refused a greeting: {answer.code}")
