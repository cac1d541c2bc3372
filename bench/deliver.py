# SPDX-License-Identifier: Apache-2.0
"""How fast and how soon messages get from one node to the other, against the ceiling of the primitives.

Messages are measured in consultations that run. Opening them is measured apart: each has a group, which is
founded, entered and confirmed.
"""

import asyncio
import statistics
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from bench import ceiling
from bench.figures import RUNS, Figure, percentile, rounded, tell
from bench.machine import proportional_set_mib
from bench.network import ENOUGH_KEY_PACKAGES, OPENED, found
from bench.pair import Pair, running_pair
from bench.runs import Measurement, Runs, repeat


@dataclass(frozen=True, slots=True)
class Amounts:
    """How many messages.

    Attributes:
        warm_up: before anything is measured.
        sustained: in one run of the throughput.
        single: in one run of the latency, one after another.
        backlog: that wait while the receiver is down.
        opened: consultations of one run of the opening; so many run while messages are delivered, too.
    """

    warm_up: int = 500
    sustained: int = 3_000
    single: int = 100
    backlog: int = 1_000
    opened: int = OPENED
    runs: int = RUNS


def measure(folder: Path, amounts: Amounts | None = None) -> dict[str, Figure]:
    """Measure everything about delivery in a folder."""
    tell("deliver: the ceiling of the primitives")
    limit = ceiling.measure()
    tell(f"  {limit['per_s']} messages per second")
    return asyncio.run(_measure(folder, amounts or Amounts(), limit))


async def _measure(folder: Path, amounts: Amounts, limit: Mapping[str, Figure]) -> dict[str, Figure]:
    network = found(folder, reachable=2, key_packages=ENOUGH_KEY_PACKAGES)
    async with running_pair(network, *network.members) as pair:
        made = await _runs(pair, amounts)
    rate, single = made["sustained"].median("per_s"), made["single"]
    return {
        "sustained_per_s": rate,
        "p50_ms": single.median("p50_ms"),
        "p99_ms": single.median("p99_ms"),
        "backlog_1000_s": made["backlog"].median("all_s"),
        "opened_per_s": made["opening"].median("per_s"),
        "ceiling_per_s": limit["per_s"],
        "ceiling_share": rounded(rate / float(str(limit["per_s"]))),
        "detail": {
            "messages": {
                "sustained": amounts.sustained,
                "single": amounts.single,
                "backlog": amounts.backlog,
                "opening": amounts.opened,
            },
            "ceiling": limit,
            **{name: runs.detail() for name, runs in made.items()},
        },
    }


async def _runs(pair: Pair, amounts: Amounts) -> dict[str, Runs]:
    """Measure the running consultations first: those that are opened later would only make more of them."""

    async def turns(**measurements: Measurement) -> dict[str, Runs]:
        return await repeat(measurements, pair.process_ids, runs=amounts.runs)

    tell(f"deliver: {amounts.sustained} messages sustained, {amounts.single} one at a time")
    await pair.open(amounts.opened)
    await pair.deliver(amounts.warm_up)
    made = await turns(
        sustained=lambda: sustained(pair, amounts.sustained), single=lambda: _single(pair, amounts.single)
    )
    tell(f"deliver: a backlog of {amounts.backlog} after the receiver returns")
    made |= await turns(backlog=lambda: _backlog(pair, amounts.backlog))
    tell(f"deliver: opening {amounts.opened} consultations")
    return made | await turns(opening=lambda: _opening(pair, amounts.opened))


async def sustained(pair: Pair, count: int) -> Mapping[str, float]:
    """Deliver many messages as fast as it goes.

    Returns:
        Messages per second until all were readable and receipted; microseconds of processor time that each
        took at both ends and here, where it is submitted and awaited; memory of both nodes after it.
    """
    delivered = await pair.deliver(count)
    nodes = {"sender": pair.sender.process_id, "receiver": pair.receiver.process_id}
    return {
        "per_s": count / max(delivered.arrived_seconds, delivered.receipted_seconds),
        "arrived_per_s": count / delivered.arrived_seconds,
        **_microseconds_each(delivered.processor_seconds, count),
        **{f"{name}_mib": proportional_set_mib(process_id) for name, process_id in nodes.items()},
    }


async def _single(pair: Pair, count: int) -> Mapping[str, float]:
    """Deliver one message after another, with a pause between them; return milliseconds."""
    used = pair.meter()
    taken = [await pair.deliver_one() * 1e3 for _ in range(count)]
    return {
        "p50_ms": statistics.median(taken),
        "p99_ms": percentile(taken, 0.99),
        "longest_ms": max(taken),
        **_microseconds_each(used(), count),
    }


def _microseconds_each(seconds: Mapping[str, float], count: int) -> dict[str, float]:
    return {f"{name}_us": used / count * 1e6 for name, used in seconds.items()}


async def _backlog(pair: Pair, count: int) -> Mapping[str, float]:
    """Deliver what was submitted while the receiver was down; seconds since it answered again."""
    delivered = await pair.deliver_backlog(count)
    return {
        "all_s": delivered.arrived_seconds,
        "first_s": delivered.first_seconds,
        "receipted_s": delivered.receipted_seconds,
    }


async def _opening(pair: Pair, count: int) -> Mapping[str, float]:
    """Open many consultations as fast as it goes, until all are confirmed; per second and microseconds."""
    opened = await pair.open(count)
    return {
        "per_s": count / max(opened.arrived_seconds, opened.receipted_seconds),
        "first_s": opened.first_seconds,
        **_microseconds_each(opened.processor_seconds, count),
    }
