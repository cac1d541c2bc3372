# SPDX-License-Identifier: Apache-2.0
"""What a node costs that has nothing to do: its memory, and the time of its start."""

import asyncio
from collections.abc import Mapping
from pathlib import Path

from bench.figures import RUNS, Figure, tell
from bench.machine import processor_seconds, proportional_set_mib, resident_mib
from bench.network import found
from bench.pair import Pair, running_pair
from bench.runs import repeat

SETTLE_SECONDS = 3.0
"""After the start, greetings go out for some seconds."""
WATCH_SECONDS = 1.0
"""How long an idle node's use of the processor is watched."""


def measure(folder: Path, *, runs: int = RUNS, settle_seconds: float = SETTLE_SECONDS) -> dict[str, Figure]:
    """Measure starts and idle memory in a folder."""
    return asyncio.run(_measure(folder, runs, settle_seconds))


async def _measure(folder: Path, runs: int, settle_seconds: float) -> dict[str, Figure]:
    tell("node: starts, and memory with a peer that is there")
    network = found(folder, reachable=2)
    async with running_pair(network, *network.members) as pair:
        made = await repeat({"start": lambda: _start(pair, settle_seconds)}, pair.process_ids, runs=runs)
    starts = made["start"]
    return {
        "idle_mib": starts.median("idle_mib"),
        "ready_s": starts.median("ready_s"),
        "detail": starts.detail(),
    }


async def _start(pair: Pair, settle_seconds: float) -> Mapping[str, float]:
    """Start a node beside a running peer and let it do nothing; its memory and processor time after that."""
    await pair.sender.stop()
    ready = await pair.sender.start()
    process_id = pair.sender.process_id
    used = processor_seconds(process_id)
    await pair.meet()
    await asyncio.sleep(settle_seconds)
    before = processor_seconds(process_id)
    await asyncio.sleep(WATCH_SECONDS)
    return {
        "ready_s": ready,
        "ready_processor_s": used,
        "idle_mib": proportional_set_mib(process_id),
        "resident_mib": resident_mib(process_id),
        "idle_busy_s": processor_seconds(process_id) - before,
    }
