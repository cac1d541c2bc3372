# SPDX-License-Identifier: Apache-2.0
"""Tiles: the hashes of a tree cut into pieces of 256 that never change, and what can be done with them alone.

Not entries: see `bundles`. It fetches and stores nothing.

1. Tile `n` of level `l` holds hashes `256 n` on of tree level `8 l`; a partial tile holds the first of them.
2. Which tiles a tree has, and how wide they are, follows from its size; nobody needs a list.
3. A tile that was fetched is believed only through what is checked against a signed root.
4. A log appends with one partial tile a level, and looks at nothing left of them; it hands out each full tile
   once, and the partial ones when a tree is signed.
"""

import hashlib
import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Protocol

from protocol.errors import LocalProtocolError, MalformedError, ReasonCode, UntrustedError
from protocol.tlog.merkle import HASH_BYTES, MAX_SIZE, TILE_LEVELS, Frontier
from protocol.tlog.proving import (
    Range,
    consistency_proof,
    inclusion_proof,
    inclusion_ranges,
    range_nodes,
    subtree_ranges,
    tree_root,
)

TILE_WIDTH = 256
MAX_LEVEL = 63
CACHED_TILES = 256
"""Tiles whose inner hashes are kept, 16 KiB each."""
_PATH = re.compile(r"tile/(0|[1-9][0-9]?)/((?:x[0-9]{3}/){0,6}[0-9]{3})(?:\.p/([1-9][0-9]{0,2}))?")
_FULL_BYTES = TILE_WIDTH * HASH_BYTES
_sha256 = hashlib.sha256


@dataclass(frozen=True, slots=True, order=True)
class TileName:
    """Which tile: level, index in its level, and how many hashes it holds (256 if it is full)."""

    level: int
    index: int
    width: int = TILE_WIDTH

    @property
    def end(self) -> int:
        """First leaf that lies after the whole tile; a pruned log may lack what ends at its minimum index.

        Spec: C2SP tlog-tiles, pruning.
        """
        return (self.index + 1) << TILE_LEVELS * (self.level + 1)

    def to_path(self) -> str:
        """Write the path under the prefix of a log.

        Spec: C2SP tlog-tiles, Merkle tree; PROTOCOL.md section 17.5.
        """
        return f"tile/{self.level}/{path_of_index(self.index)}{path_of_width(self.width)}"

    def is_in(self, size: int) -> bool:
        """Say whether a tree of a size has this tile, as wide or wider."""
        return self.width <= width_in(size, self.level, self.index)


class TileReader(Protocol):
    """Where tiles are."""

    def read_tile(self, tile: TileName) -> bytes:
        """Return the first `tile.width` hashes of a tile, in a row."""
        ...


def path_of_index(index: int) -> str:
    """Write an index in groups of three digits, an `x` before each but the last.

    Raises:
        LocalProtocolError: an index that no tile has.
    """
    if not 0 <= index <= MAX_SIZE:
        raise LocalProtocolError("not the index of a tile")
    groups = [f"{index % 1000:03}"]
    while index := index // 1000:
        groups.append(f"x{index % 1000:03}")
    return "/".join(reversed(groups))


def path_of_width(width: int) -> str:
    """Write what a path says of the width: nothing for a full tile.

    Raises:
        LocalProtocolError: a width that no tile has.
    """
    if not 1 <= width <= TILE_WIDTH:
        raise LocalProtocolError("not the width of a tile")
    return "" if width == TILE_WIDTH else f".p/{width}"


def parse_index(groups: str) -> int:
    """Read the digits of an index, `x` and slashes among them; the caller checks that it is written so."""
    return int(groups.replace("x", "").replace("/", ""))


def parse_tile_path(path: str) -> TileName:
    """Read the path of a tile.

    Raises:
        MalformedError: not such a path in its one form.

    Spec: C2SP tlog-tiles, Merkle tree; PROTOCOL.md section 17.5.
    """
    match = _PATH.fullmatch(path)
    if match:
        tile = TileName(int(match[1]), parse_index(match[2]), int(match[3] or TILE_WIDTH))
        in_bounds = tile.level <= MAX_LEVEL and tile.index <= MAX_SIZE and tile.width <= TILE_WIDTH
        if in_bounds and tile.to_path() == path:
            return tile
    raise MalformedError("not the path of a tile", code=ReasonCode.BAD_FIELD)


def width_in(size: int, level: int, index: int) -> int:
    """Return how many hashes of a tile a tree of a size has; 0 if it has none."""
    return min(max((size >> TILE_LEVELS * level) - index * TILE_WIDTH, 0), TILE_WIDTH)


def tiles_for_root(size: int) -> tuple[TileName, ...]:
    """Name the tiles from which the root at a size can be computed: those of the right edge."""
    return _tiles([range_nodes(0, size)] if size else [], size)


def tiles_for_inclusion(index: int, size: int) -> tuple[TileName, ...]:
    """Name the tiles from which the inclusion of a leaf can be proved at a size.

    Raises:
        LocalProtocolError: no such leaf.
    """
    return _tiles(inclusion_ranges(index, size), size)


def tiles_for_consistency(old: int, new: int) -> tuple[TileName, ...]:
    """Name the tiles, all of the tree of the new size, from which consistency can be proved.

    Raises:
        LocalProtocolError: the old tree is empty, or larger.
    """
    return _tiles(subtree_ranges(0, old, new), new)


def _tiles(ranges: Iterable[Range], size: int) -> tuple[TileName, ...]:
    places = {_place(level, index)[:2] for item in ranges for level, index in item}
    return tuple(TileName(*place, width_in(size, *place)) for place in sorted(places))


def _place(level: int, index: int) -> tuple[int, int, int, int]:
    """Say where a node is: tile level and index, how far above its hashes, and which one there."""
    above = level % TILE_LEVELS
    tile = index >> TILE_LEVELS - above
    return level // TILE_LEVELS, tile, above, index - (tile << TILE_LEVELS - above)


class TileCache:
    """Keeps the inner hashes of full tiles, of one log; what was used last stays."""

    def __init__(self, limit: int = CACHED_TILES) -> None:
        self._limit = limit
        self._kept: dict[tuple[int, int], list[bytes]] = {}

    def get(self, place: tuple[int, int]) -> list[bytes] | None:
        """Return what is kept of a tile."""
        found = self._kept.pop(place, None)
        if found is not None:
            self._kept[place] = found
        return found

    def put(self, place: tuple[int, int], inner: list[bytes]) -> None:
        """Keep a tile; drop what was not used for longest."""
        if len(self._kept) >= self._limit:
            del self._kept[next(iter(self._kept))]
        self._kept[place] = inner


class TiledTree:
    """The tree of one size, over its tiles; a `NodeReader`.

    Args:
        size: number of leaves; all tiles of this size can be read.
        reader: where the tiles are.
        cache: of the same log; handed on from size to size.
    """

    def __init__(self, size: int, reader: TileReader, cache: TileCache | None = None) -> None:
        if not 0 <= size <= MAX_SIZE:
            raise LocalProtocolError("not the size of a tree")
        self.size = size
        self._reader = reader
        self._full = cache or TileCache()
        self._partial: dict[tuple[int, int], list[bytes]] = {}

    def node(self, level: int, index: int) -> bytes:
        """Return the root of a complete subtree.

        Raises:
            LocalProtocolError: the tree has no such subtree.
            MalformedError: a tile of the wrong length.
        """
        if (index + 1) << level > self.size:
            raise LocalProtocolError("no such subtree in a tree of this size")
        tile_level, tile, above, at = _place(level, index)
        row = self._rows((tile_level, tile))[above]
        return row[at * HASH_BYTES : (at + 1) * HASH_BYTES]

    def hashes(self, level: int, index: int) -> bytes:
        """Return the hashes of a tile, as many as there are at this size."""
        return self._rows((level, index))[0] if width_in(self.size, level, index) else b""

    def root(self) -> bytes:
        """Return the root of the whole tree."""
        return tree_root(self.size, self)

    def root_at(self, size: int) -> bytes:
        """Return the root that the tree had at a size.

        Raises:
            LocalProtocolError: larger than the tree.
        """
        return tree_root(size, self)

    def inclusion(self, index: int, size: int) -> list[bytes]:
        """Prove that a leaf is in the tree of a size, at most that of this tree."""
        return inclusion_proof(index, size, self)

    def consistency(self, old: int, new: int) -> list[bytes]:
        """Prove that the tree of one size continues that of another."""
        return consistency_proof(old, new, self)

    def verify_root(self, root: bytes) -> None:
        """Check the tiles of the right edge against a root from a checkpoint that was verified.

        Raises:
            UntrustedError: they give another root.
        """
        if self.root() != root:
            raise UntrustedError("tiles that give another root")

    def _rows(self, place: tuple[int, int]) -> list[bytes]:
        return self._full.get(place) or self._partial.get(place) or self._load(place)

    def _load(self, place: tuple[int, int]) -> list[bytes]:
        tile = TileName(*place, width_in(self.size, *place))
        data = self._reader.read_tile(tile)
        inner = inner_hashes(data, tile.width)
        if tile.width == TILE_WIDTH:
            self._full.put(place, inner)
        else:
            self._partial[place] = inner
        return inner


def inner_hashes(data: bytes, width: int) -> list[bytes]:
    """Return the rows of a tile: its hashes, the roots of each two of them, of each four, and so on.

    Raises:
        MalformedError: not `width` hashes.
    """
    if len(data) != width * HASH_BYTES:
        raise MalformedError("a tile of the wrong length", code=ReasonCode.BAD_FIELD)
    rows, pair = [data], 2 * HASH_BYTES
    while len(data) >= pair:
        ends = range(pair, len(data) + 1, pair)
        data = b"".join([_sha256(b"\x01" + data[end - pair : end]).digest() for end in ends])
        rows.append(data)
    return rows


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
