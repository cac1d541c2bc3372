# SPDX-License-Identifier: Apache-2.0
"""Trees in memory, word for word as the definition has them, and the tiles they give."""

from collections.abc import Sequence

from protocol.tlog.merkle import EMPTY_ROOT, leaf_hash, node_hash
from protocol.tlog.tiles import TileName


def plain_root(leaves: list[bytes]) -> bytes:
    """The definition of RFC 6962, word for word."""
    if not leaves:
        return EMPTY_ROOT
    if len(leaves) == 1:
        return leaves[0]
    split = 1
    while split * 2 < len(leaves):
        split *= 2
    return node_hash(plain_root(leaves[:split]), plain_root(leaves[split:]))


class PlainTree:
    """All leaves of a tree; every hash is computed from them."""

    def __init__(self, leaves: Sequence[bytes]) -> None:
        self.leaves = list(leaves)

    def node(self, level: int, index: int) -> bytes:
        assert (index + 1) << level <= len(self.leaves)
        return plain_root(self.leaves[index << level : (index + 1) << level])

    def root(self, size: int) -> bytes:
        return plain_root(self.leaves[:size])


class KeptTiles:
    """Tiles as a log keeps them, and which of them were read."""

    def __init__(self, tiles: dict[TileName, bytes]) -> None:
        self.tiles = tiles
        self.read: list[TileName] = []

    def read_tile(self, tile: TileName) -> bytes:
        self.read.append(tile)
        return self.tiles[tile]


def numbered_leaves(count: int) -> list[bytes]:
    """Hashes of different entries."""
    return [leaf_hash(number.to_bytes(4, "big")) for number in range(count)]
