# SPDX-License-Identifier: Apache-2.0
"""The tree over the stored entries, read from the database as far as a question needs. It appends nothing."""

from globe_node.audit import records
from globe_node.errors import StoreError
from globe_node.store.door import Transaction
from protocol.errors import ReasonCode
from protocol.tlog.merkle import (
    EMPTY_ROOT,
    TILE_LEVELS,
    consistency_proof,
    inclusion_proof,
    leaf_hash,
    node_hash,
    range_root,
    root_of,
)


class StoredTree:
    """The tree of one shard, inside one transaction."""

    def __init__(self, tx: Transaction, shard: int) -> None:
        self._tx = tx
        self._shard = shard

    def root_at(self, size: int) -> bytes:
        """Return the root that the tree had at a size.

        Raises:
            StoreError: entries or nodes are missing (`log_inconsistent`).
        """
        return range_root(0, size, self._read) if size else EMPTY_ROOT

    def inclusion(self, index: int, size: int) -> list[bytes]:
        """Prove that an entry is in the tree of a size."""
        return inclusion_proof(index, size, self._read)

    def consistency(self, old: int, new: int) -> list[bytes]:
        """Prove that the tree of one size continues that of another."""
        return consistency_proof(old, new, self._read)

    def _read(self, level: int, position: int) -> bytes:
        if level < TILE_LEVELS:
            start, end = position << level, (position + 1) << level
            hashes = [leaf_hash(leaf) for leaf in records.leaves(self._tx, self._shard, start, end)]
            if len(hashes) != end - start:
                raise _inconsistent()
            return root_of(hashes)
        if level % TILE_LEVELS == 0:
            found = records.node(self._tx, self._shard, level, position)
            if found is None:
                raise _inconsistent()
            return found
        return node_hash(self._read(level - 1, 2 * position), self._read(level - 1, 2 * position + 1))


def _inconsistent() -> StoreError:
    return StoreError(
        "the audit log lacks entries that it once had",
        hint="run `globe-node audit verify`, and restore the last verified backup",
        code=ReasonCode.LOG_INCONSISTENT,
    )
