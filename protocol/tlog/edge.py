# SPDX-License-Identifier: Apache-2.0
"""The right edge of a log that is kept in tiles: one partial tile on each level. It stores nothing.

1. Appending costs one hash for each leaf and one for each node; it looks at nothing left of the edge.
2. A tile is handed out once, when it has become full; what is partial is handed out when a tree is signed.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field

from protocol.tlog.merkle import HASH_BYTES, TILE_LEVELS, Frontier
from protocol.tlog.proving import range_nodes
from protocol.tlog.tiles import TILE_WIDTH, TiledTree, TileName, TileReader

_FULL_BYTES = TILE_WIDTH * HASH_BYTES


@dataclass(frozen=True, slots=True)
class TileEdge:
    """What has to be known of a tree to append to it.

    Attributes:
        frontier: size and roots along the right edge.
        rows: the hashes of the partial tile of each level, level 0 first; empty where there is none.
    """

    frontier: Frontier = field(default_factory=Frontier)
    rows: tuple[bytes, ...] = ()

    def append(self, leaf_hashes: Iterable[bytes]) -> "GrownEdge":
        """Return the edge after these leaves, with the tiles that became full."""
        leaves = tuple(leaf_hashes)
        rows = [bytearray(row) for row in self.rows]
        full: list[tuple[TileName, bytes]] = []

        def put(level: int, index: int, found: bytes) -> None:
            row_level = level // TILE_LEVELS
            if row_level == len(rows):
                rows.append(bytearray())
            row = rows[row_level]
            row += found
            if len(row) == _FULL_BYTES:
                full.append((TileName(row_level, index // TILE_WIDTH), bytes(row)))
                row.clear()

        frontier = self.frontier
        for number, found in enumerate(leaves, frontier.size):
            put(0, number, found)
        frontier = frontier.append(leaves, put)
        return GrownEdge(TileEdge(frontier, tuple(bytes(row) for row in rows)), tuple(full))

    def partial_tiles(self) -> list[tuple[TileName, bytes]]:
        """Return the partial tiles of this size, to be kept for whoever has a checkpoint of it.

        Spec: C2SP tlog-tiles, partial tiles.
        """
        return [
            (TileName(level, (self.frontier.size >> TILE_LEVELS * (level + 1)), len(row) // HASH_BYTES), row)
            for level, row in enumerate(self.rows)
            if row
        ]


@dataclass(frozen=True, slots=True)
class GrownEdge:
    """An edge after leaves were appended, and the tiles that became full by them, lower levels first."""

    edge: TileEdge
    full_tiles: tuple[tuple[TileName, bytes], ...]


def edge_at(size: int, reader: TileReader) -> TileEdge:
    """Read the edge of a tree back from its tiles.

    Raises:
        MalformedError: a tile of the wrong length.
        LocalProtocolError: not the size of a tree.
    """
    tree = TiledTree(size, reader)
    roots = tuple(tree.node(*node) for node in range_nodes(0, size)) if size else ()
    rows, level = [], 0
    while size >> TILE_LEVELS * level:
        index = size >> TILE_LEVELS * (level + 1)
        rows.append(tree.hashes(level, index))
        level += 1
    return TileEdge(Frontier(size, roots), tuple(rows))
