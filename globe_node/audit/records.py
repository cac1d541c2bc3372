# SPDX-License-Identifier: Apache-2.0
"""The SQL of the audit log, and nobody else's.

Statements go to the driver: an entry rides on every transaction of the node, and costs every message.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from globe_node.store.door import Transaction
from globe_node.store.driver import driver_of
from protocol.tlog.merkle import Frontier, parse_frontier

SHARD_SHIFT = 40
_MAX_POSITION = (1 << SHARD_SHIFT) - 1


@dataclass(frozen=True, slots=True)
class Shard:
    """One log: a year of one life of the node."""

    number: int
    origin: str
    year: int
    frontier: Frontier


@dataclass(frozen=True, slots=True)
class StoredEntry:
    """One row; `vault` is None where it was taken away."""

    row_id: int
    leaf: bytes
    vault: bytes | None

    @property
    def index(self) -> int:
        """Position in its shard."""
        return self.row_id & _MAX_POSITION


@dataclass(frozen=True, slots=True)
class StoredCheckpoint:
    """One signed checkpoint, with the tree it signs."""

    shard: int
    size: int
    note: str
    frontier: bytes


def row_id_of(shard: int, position: int) -> int:
    """Return the row id of an entry or a checkpoint."""
    return shard << SHARD_SHIFT | position


def newest_shard(tx: Transaction) -> Shard | None:
    """Return the shard that entries go to, or None before the first."""
    row = _one(tx, "SELECT shard, origin, year, frontier FROM audit_shard ORDER BY shard DESC LIMIT 1")
    return None if row is None else Shard(row[0], row[1], row[2], parse_frontier(row[3]))


def shard_rows(tx: Transaction) -> list[tuple[int, str, int, bytes]]:
    """Return number, origin, year and frontier of every shard, oldest first, as they are stored."""
    sql = "SELECT shard, origin, year, frontier FROM audit_shard ORDER BY shard"
    return [(row[0], row[1], row[2], row[3]) for row in driver_of(tx).execute(sql)]


def insert_shard(tx: Transaction, shard: Shard) -> None:
    """Open a new shard."""
    driver_of(tx).execute(
        "INSERT INTO audit_shard (shard, origin, year, frontier) VALUES (?, ?, ?, ?)",
        (shard.number, shard.origin, shard.year, shard.frontier.to_bytes()),
    )


def move_frontier(tx: Transaction, shard: int, frontier: Frontier) -> None:
    """Store the tree after an append."""
    driver_of(tx).execute("UPDATE audit_shard SET frontier = ? WHERE shard = ?", (frontier.to_bytes(), shard))


def insert_entries(tx: Transaction, rows: Sequence[tuple[int, bytes, bytes]]) -> None:
    """Store entries: row id, leaf, vault."""
    driver_of(tx).executemany("INSERT INTO audit_entry (id, leaf, vault) VALUES (?, ?, ?)", rows)


def entries_backwards(tx: Transaction, shard: int) -> Iterator[StoredEntry]:
    """Yield the entries of a shard, newest first."""
    sql = "SELECT id, leaf, vault FROM audit_entry WHERE id >= ? AND id < ? ORDER BY id DESC"
    for row in driver_of(tx).execute(sql, (row_id_of(shard, 0), row_id_of(shard + 1, 0))):
        yield StoredEntry(row[0], row[1], row[2])


def all_entries(tx: Transaction) -> Iterator[StoredEntry]:
    """Yield every entry of every shard in order."""
    for row in driver_of(tx).execute("SELECT id, leaf, vault FROM audit_entry ORDER BY id"):
        yield StoredEntry(row[0], row[1], row[2])


def leaves(tx: Transaction, shard: int, start: int, end: int) -> Iterator[bytes]:
    """Yield the leaves `[start, end)` of a shard in order; what is missing is left out."""
    sql = "SELECT leaf FROM audit_entry WHERE id >= ? AND id < ? ORDER BY id"
    for row in driver_of(tx).execute(sql, (row_id_of(shard, start), row_id_of(shard, end))):
        yield row[0]


def insert_nodes(tx: Transaction, shard: int, nodes: Sequence[tuple[int, int, bytes]]) -> None:
    """Store roots of complete subtrees: level, position, hash."""
    driver_of(tx).executemany(
        "INSERT INTO audit_node (shard, level, position, hash) VALUES (?, ?, ?, ?)",
        [(shard, *node) for node in nodes],
    )


def nodes(tx: Transaction, shard: int, *, level: int, start: int, end: int) -> list[bytes]:
    """Return the stored roots of complete subtrees `[start, end)` of a level, in order; gaps are left out."""
    sql = (
        "SELECT hash FROM audit_node WHERE shard = ? AND level = ? AND position >= ? AND position < ?"
        " ORDER BY position"
    )
    return [bytes(row[0]) for row in driver_of(tx).execute(sql, (shard, level, start, end))]


def node_rows(tx: Transaction, shard: int) -> list[tuple[int, int, bytes]]:
    """Return all stored subtree roots of a shard: level, position, hash."""
    sql = "SELECT level, position, hash FROM audit_node WHERE shard = ? ORDER BY level, position"
    return [(row[0], row[1], row[2]) for row in driver_of(tx).execute(sql, (shard,))]


def insert_checkpoint(tx: Transaction, checkpoint: StoredCheckpoint) -> None:
    """Store a signed checkpoint."""
    driver_of(tx).execute(
        "INSERT INTO audit_checkpoint (id, note, frontier) VALUES (?, ?, ?)",
        (row_id_of(checkpoint.shard, checkpoint.size), checkpoint.note, checkpoint.frontier),
    )


def newest_checkpoint(tx: Transaction, shard: int) -> StoredCheckpoint | None:
    """Return the last checkpoint of a shard."""
    sql = "SELECT id, note, frontier FROM audit_checkpoint WHERE id >= ? AND id < ? ORDER BY id DESC LIMIT 1"
    row = _one(tx, sql, (row_id_of(shard, 0), row_id_of(shard + 1, 0)))
    return None if row is None else _checkpoint(row)


def checkpoints(tx: Transaction) -> list[StoredCheckpoint]:
    """Return every checkpoint of every shard, oldest first."""
    sql = "SELECT id, note, frontier FROM audit_checkpoint ORDER BY id"
    return [_checkpoint(row) for row in driver_of(tx).execute(sql)]


def _checkpoint(row: Sequence[Any]) -> StoredCheckpoint:
    return StoredCheckpoint(row[0] >> SHARD_SHIFT, row[0] & _MAX_POSITION, row[1], row[2])


def _one(tx: Transaction, sql: str, values: tuple[object, ...] = ()) -> Sequence[Any] | None:
    row: Sequence[Any] | None = driver_of(tx).execute(sql, values).fetchone()
    return row
