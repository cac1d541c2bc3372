# SPDX-License-Identifier: Apache-2.0
"""What grows with use: the rate with many stored messages, the start with them, the memory of idle peers."""

import asyncio
from collections.abc import Mapping, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path

from bench import connections
from bench.deliver import sustained
from bench.figures import RUNS, Figure, rounded, tell
from bench.filling import SAMPLE, fill
from bench.machine import free_gib, processor_seconds
from bench.network import ENOUGH_KEY_PACKAGES, OPENED, Member, Network, found
from bench.pair import Pair, running_pair
from bench.process import NodeProcess
from bench.runs import Runs, repeat

_SPARE_GIB = 4.0
"""What stays free on the disk."""


@dataclass(frozen=True, slots=True)
class Sizes:
    """How many stored messages are compared, and how many are delivered in one run."""

    few: int = 10_000
    start: int = 100_000
    many: int = 500_000
    delivered: int = 1_500
    warm_up: int = 500
    runs: int = RUNS


def measure(folder: Path, sizes: Sizes | None = None) -> dict[str, Figure]:
    """Measure growth in a folder."""
    store = folder / "store"
    store.mkdir(mode=0o700)
    stored = asyncio.run(_stores(store, sizes or Sizes()))
    peers = folder / "peers"
    peers.mkdir(mode=0o700)
    held = asyncio.run(connections.measure(peers, runs=sizes.runs if sizes else RUNS))
    return {
        **{name: stored[name] for name in ("commit_ratio", "start_ratio")},
        "peer_kib": held.median("peer_kib"),
        "detail": {
            **{name: figure for name, figure in stored.items() if not name.endswith("ratio")},
            "peers": held.detail(),
        },
    }


async def _stores(folder: Path, sizes: Sizes) -> dict[str, Figure]:
    """Measure with a pair that stores few messages, one that stores more and more, and a node without any."""
    network = found(folder, reachable=5, key_packages=ENOUGH_KEY_PACKAGES)
    async with AsyncExitStack() as stack:
        few = await _filled_pair(stack, network, network.members[:2], sizes.few)
        await _stop(few)
        many = await _filled_pair(stack, network, network.members[2:4], sizes.start)
        await _stop(many)
        starts = await _starts(stack, network, many, sizes)
        figures: dict[str, Figure] = {"start_ratio": _ratio(starts, "stored", "empty", "ready_s")}
        figures |= {f"start_{name}": runs.detail() for name, runs in starts.items()}
        if not _has_room(folder, many, sizes):
            return {**figures, "commit_ratio": "not measured: disk"}
        await _refill(many, network.members[2:4], sizes.many)
        await few.sender.start()
        await few.receiver.start()
        rates = await _rates({"few": few, "many": many}, sizes)
    return {
        **figures,
        "commit_ratio": _ratio(rates, "many", "few", "per_s"),
        "stored": {"few": sizes.few, "many": sizes.many},
        **{f"rate_{name}": runs.detail() for name, runs in rates.items()},
    }


async def _filled_pair(
    stack: AsyncExitStack, network: Network, members: Sequence[Member], messages: int
) -> Pair:
    """Start a pair that holds so many messages."""
    pair = await stack.enter_async_context(running_pair(network, *members))
    await pair.open(OPENED)
    await pair.deliver(2 * SAMPLE)
    await _refill(pair, members, messages)
    return pair


async def _refill(pair: Pair, members: Sequence[Member], messages: int) -> None:
    """Stop a pair, fill both databases, start it again."""
    tell(f"growth: filling two databases up to {messages} messages")
    await _stop(pair)
    await asyncio.gather(
        *(
            asyncio.to_thread(fill, node.home, member.node_keys, messages)
            for node, member in zip((pair.sender, pair.receiver), members, strict=True)
        )
    )
    pair.pass_over_arrivals()
    await pair.receiver.start()
    await pair.sender.start()


async def _stop(pair: Pair) -> None:
    await pair.sender.stop()
    await pair.receiver.stop()


async def _starts(stack: AsyncExitStack, network: Network, stored: Pair, sizes: Sizes) -> dict[str, Runs]:
    """Start a node that holds many messages and one that holds none, in turns."""
    tell(f"growth: starts with {sizes.start} stored messages and with none")
    empty = NodeProcess(network.make_home(network.members[4]))
    stack.push_async_callback(empty.stop)
    await empty.start()
    await empty.call("directory.import", network.as_import())
    await empty.stop()

    async def start(node: NodeProcess) -> Mapping[str, float]:
        seconds = await node.start()
        used = processor_seconds(node.process_id)
        await node.stop()
        return {"ready_s": seconds, "ready_processor_s": used}

    return await repeat(
        {"stored": lambda: start(stored.sender), "empty": lambda: start(empty)},
        lambda: (),
        runs=sizes.runs,
    )


async def _rates(pairs: Mapping[str, Pair], sizes: Sizes) -> dict[str, Runs]:
    """Deliver with few and with many stored messages, in turns."""
    tell(f"growth: {sizes.delivered} messages sustained beside {sizes.few} and {sizes.many} stored ones")
    for pair in pairs.values():
        await pair.meet()
        await pair.deliver(sizes.warm_up)
    return await repeat(
        {
            "few": lambda: sustained(pairs["few"], sizes.delivered),
            "many": lambda: sustained(pairs["many"], sizes.delivered),
        },
        lambda: [process_id for pair in pairs.values() for process_id in pair.process_ids()],
        runs=sizes.runs,
    )


def _ratio(runs: Mapping[str, Runs], above: str, below: str, value: str) -> float:
    return rounded(runs[above].median(value) / runs[below].median(value))


def _has_room(folder: Path, pair: Pair, sizes: Sizes) -> bool:
    """Whether the disk can take the large databases, judged by what the messages so far took."""
    taken = sum(node.home.database.stat().st_size for node in (pair.sender, pair.receiver))
    wanted = taken / sizes.start * (sizes.many - sizes.start) / (1 << 30)
    tell(f"growth: {wanted:.1f} GiB more are wanted, {free_gib(folder):.1f} GiB are free")
    return free_gib(folder) > wanted + _SPARE_GIB
