# SPDX-License-Identifier: Apache-2.0
"""What proofs about a log of a million entries cost: made from tiles, and verified; and appending to it.

1. Times are processor time, medians over proofs of random entries and sizes, so that nearly every proof meets
   a tile of level 0 that is not in the cache. The figure is that of the slower kind of proof.
2. Tiles lie in memory: how long a disk or a line takes to bring one is no matter of the format.
3. One entry is appended at a time, so that what an append costs beside its hash is seen.
"""

import asyncio
import time
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from random import Random
from typing import TypeVar

from bench.figures import Figure, median, tell
from bench.runs import repeat
from protocol.tlog.merkle import leaf_hash, verify_consistency, verify_inclusion
from protocol.tlog.tiles import TiledTree, TileEdge, TileName

ENTRIES = 1_000_000
PROOFS = 500
APPENDS = 500
KINDS = ("inclusion", "consistency")

T = TypeVar("T")


def measure(_: Path) -> dict[str, Figure]:
    """Build the log once, then make, verify and append in several runs."""
    tell(f"tlog: proofs in a log of {ENTRIES:,} entries")
    log = Log(ENTRIES)

    async def once() -> Mapping[str, float]:
        return figures_of(log, PROOFS, APPENDS)

    made = asyncio.run(repeat({"tlog": once}, list))["tlog"]
    return {
        "proof_make_ms": max(made.median(f"{kind}_make_ms") for kind in KINDS),
        "proof_verify_ms": max(made.median(f"{kind}_verify_ms") for kind in KINDS),
        "append_us": made.median("append_us"),
        "detail": made.detail(),
    }


class Log:
    """A log in memory, and its tiles."""

    def __init__(self, entries: int) -> None:
        self.leaves = [leaf_hash(number.to_bytes(8, "big")) for number in range(entries)]
        grown = TileEdge().append(self.leaves)
        self.edge = grown.edge
        self._tiles = dict((*grown.full_tiles, *grown.edge.partial_tiles()))
        self.chance = Random(entries)  # noqa: S311  # which entries are proved, and nothing else

    def read_tile(self, tile: TileName) -> bytes:
        """Return a tile; the log is its own reader."""
        return self._tiles[tile]


def figures_of(log: Log, proofs: int, appends: int) -> dict[str, float]:
    """Return the medians of one run."""
    size, root = len(log.leaves), log.edge.frontier.root()
    tree = TiledTree(size, log)
    samples: dict[str, list[float]] = {f"{kind}_{step}": [] for kind in KINDS for step in ("make", "verify")}
    for index in _drawn(log, proofs, 0, size - 1):
        proof = _timed(samples["inclusion_make"], partial(tree.inclusion, index, size))
        verify = partial(verify_inclusion, log.leaves[index], index, size=size, proof=proof, root=root)
        _timed(samples["inclusion_verify"], verify)
    for old in _drawn(log, proofs, 1, size):
        proof = _timed(samples["consistency_make"], partial(tree.consistency, old, size))
        past = tree.root_at(old)
        check = partial(verify_consistency, old, size, proof=proof, old_root=past, new_root=root)
        _timed(samples["consistency_verify"], check)
    edge, appended = log.edge, list[float]()
    for _ in range(appends):
        edge = _timed(appended, partial(edge.append, log.leaves[:1])).edge
    return {
        **{f"{name}_ms": median(values) / 1e6 for name, values in samples.items()},
        "append_us": median(appended) / 1e3,
    }


def _drawn(log: Log, count: int, least: int, most: int) -> Sequence[int]:
    return [log.chance.randint(least, most) for _ in range(count)]


def _timed(samples: list[float], act: Callable[[], T]) -> T:
    """Do something, and keep how many nanoseconds of the processor it took."""
    started = time.process_time_ns()
    done = act()
    samples.append(time.process_time_ns() - started)
    return done
