# SPDX-License-Identifier: Apache-2.0
"""The tree over the stored entries, read from the database as far as a question needs. It appends nothing."""

from globe_node.audit import records
from globe_node.errors import StoreError
from globe_node.store.door import Transaction
from protocol.errors import ReasonCode
from protocol.tlog.merkle import TILE_LEVELS, leaf_hash
from protocol.tlog.tiles import TiledTree, TileName


def stored_tree(tx: Transaction, shard: int, size: int) -> TiledTree:
    """Return the tree that one shard had at a size, inside one transaction."""
    return TiledTree(size, StoredTiles(tx, shard))


class StoredTiles:
    """Return the tree that one shard had at a size, inside one transaction."""

    def __init__(self, tx: Transaction, shard: int) -> None:
        self._tx = tx
        self._shard = shard

    def read_tile(self, tile: TileName) -> bytes:
        """Return the hashes of a tile.

        Raises:
            StoreError: entries or roots are missing (`log_inconsistent`).
        """
        start = tile.index << TILE_LEVELS
        end = start + tile.width
        if tile.level:
            level = tile.level * TILE_LEVELS
            hashes = records.nodes(self._tx, self._shard, level=level, start=start, end=end)
        else:
            hashes = [leaf_hash(leaf) for leaf in records.leaves(self._tx, self._shard, start, end)]
        if len(hashes) != tile.width:
            raise StoreError(
                "the audit log lacks entries that it once had",
                hint="run `globe-node audit verify`, and restore the last verified backup",
                code=ReasonCode.LOG_INCONSISTENT,
            )
        return b"".join(hashes)
