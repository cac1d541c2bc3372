# SPDX-License-Identifier: Apache-2.0
"""Fills the database of a stopped node with messages, by copying the rows that real ones left in it.

1. Every table that grows with messages gets its rows: records, outbox or inbox, receipts, audit entries; and
   for every few messages a consultation with its chain head and its group. Octets are copied; ids, hashes and
   positions are new, and grow as real ones do.
2. Copied content can't be opened: it is sealed for the row it came from. Nothing that is measured opens it.
   Copied groups are of consultations that are over: nothing looks after them.
3. The Merkle tree of the audit log, its checkpoint and its mark beside the database fit the rows: the node
   starts as it would after real traffic.
4. A message has the same ids at both nodes.
"""

import os
import sqlite3
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from hashlib import sha256
from itertools import count, cycle, islice

from globe_node.audit import records
from globe_node.audit.high_water import mark_name
from globe_node.audit.records import StoredCheckpoint
from globe_node.consultations.records import Direction
from globe_node.delivery.outbox import hash_prefix
from globe_node.groups.links import GroupStatus
from globe_node.home import Home
from globe_node.store import driver
from globe_node.store.door import Transaction
from globe_node.store.instance import InstanceFile, Mark
from keys.node_keys import NodeKeys
from protocol.envelope import routing_id_of
from protocol.identifiers import Digest
from protocol.tlog.checkpoint import Checkpoint
from protocol.tlog.cosignature import sign_checkpoint
from protocol.tlog.merkle import leaf_hash

SAMPLE = 100
"""Messages whose rows are copied over and over; also the messages of one receipt."""
CHUNK = 20_000
"""Messages of one transaction."""
MESSAGES_EACH = 5
"""Messages of one copied consultation."""
AUDIT_ENTRIES = 2
"""Entries that each message has in the log of either node."""
_OLDER_MS = 1_000_000_000
"""Copies are so much older than the real rows that what comes after them is the newest, as it always is."""
_HASTE = ("journal_mode = OFF", "synchronous = OFF", "cache_size = -200000")


@dataclass(frozen=True, slots=True)
class Copy:
    """One copied message; equal numbers have equal ids.

    Attributes:
        number: counts messages in one database, from 0.
        first_ms: when the first one says it was made; each comes a millisecond after the one before.
    """

    number: int
    first_ms: int
    envelope_hash: Digest = field(init=False)
    record_hash: Digest = field(init=False)
    group_id: bytes = field(init=False)
    _drawn: bytes = field(init=False)

    def __post_init__(self) -> None:
        drawn = sha256(b"%d" % self.number)
        object.__setattr__(self, "_drawn", drawn.digest())
        object.__setattr__(self, "record_hash", drawn.hexdigest())
        object.__setattr__(self, "envelope_hash", sha256(drawn.digest()).hexdigest())
        object.__setattr__(self, "group_id", sha256(b"group" + drawn.digest()).digest())

    @property
    def opening(self) -> "Copy":
        """Return the message that opened its consultation."""
        return Copy(self.number - self.number % MESSAGES_EACH, self.first_ms)

    def id_octets(self, kind: int) -> bytes:
        """Return a time-ordered id (UUIDv7); `kind` tells the ids of one message apart."""
        drawn = self._drawn[kind * 8 :]
        moment = (self.first_ms + self.number).to_bytes(6, "big")
        return moment + bytes((0x70 | kind, drawn[0], 0x80 | drawn[1] & 63)) + drawn[2:8] + bytes((kind,))

    def id_text(self, kind: int) -> str:
        """Return the same as text."""
        digits = self.id_octets(kind).hex()
        return "-".join((digits[:8], digits[8:12], digits[12:16], digits[16:20], digits[20:]))


_Values = Callable[[Copy, int, int], Mapping[str, object]]
"""Given a message, its place among all rows of the table, and its receipt, the columns that are new."""

_WITH_MESSAGES: Mapping[str, tuple[str, _Values]] = {
    "record": (
        "position",
        lambda copy, place, _receipt: {
            "position": place,
            "record_id": copy.id_text(0),
            "consultation": copy.opening.id_text(1),
            "record_hash": copy.record_hash,
            "envelope_id": copy.id_octets(2),
            "envelope_hash": copy.envelope_hash,
        },
    ),
    "outbox": (
        "position",
        lambda copy, place, receipt: {
            "position": place,
            "envelope_id": copy.id_octets(2),
            "hash_prefix": hash_prefix(copy.envelope_hash),
            "envelope_hash": copy.envelope_hash,
            "record_hash": copy.record_hash,
            "body": place,
            "receipt": receipt,
        },
    ),
    "inbox": (
        "position",
        lambda copy, place, receipt: {
            "position": place,
            "envelope_id": copy.id_octets(2),
            "envelope_hash": copy.envelope_hash,
            "receipt": receipt,
        },
    ),
}
"""For each table that gets a row with each message: the column it is ordered by, and what is new in a row."""

_WITH_CONSULTATIONS: Mapping[str, tuple[str, _Values]] = {
    "consultation": ("id", lambda copy, _place, _receipt: {"id": copy.id_text(1)}),
    "chain_head": (
        "consultation",
        lambda copy, _place, _receipt: {"consultation": copy.id_text(1), "record_hash": copy.record_hash},
    ),
    "group_link": (
        "changed_ms",
        lambda copy, _place, _receipt: {
            "group_id": copy.group_id,
            "consultation": copy.id_text(1),
            "routing_id": routing_id_of(copy.group_id),
            "status": GroupStatus.LEFT.value,
        },
    ),
    "group_member": ("stated_ms", lambda copy, _place, _receipt: {"group_id": copy.group_id}),
    "group_core": ("position", lambda copy, place, _receipt: {"position": place, "group_id": copy.group_id}),
    "group_ratchet": (
        "position",
        lambda copy, place, _receipt: {"position": place, "group_id": copy.group_id},
    ),
}
"""The same for each table that gets a row with each consultation."""

_NOT_OF_OURS, _NOT_OF_THEIRS = frozenset({"inbox"}), frozenset({"outbox"})


def fill(home: Home, node_keys: NodeKeys, messages: int) -> None:
    """Fill the database of a stopped node until it holds so many messages.

    Raises:
        ValueError: fewer real messages are there than are copied.
    """
    with closing(driver.connect_writer(home.database)) as transaction:
        database = driver.driver_of(transaction)
        for pragma in _HASTE:
            database.execute(f"PRAGMA {pragma}").fetchall()
        held = _number(database, "SELECT count(*) FROM record")
        if held < SAMPLE:
            raise ValueError(f"{held} messages are too few to copy")
        index = _drop_index(database, "outbox_by_hash")
        while held < messages:
            added = min(CHUNK, messages - held)
            database.execute("BEGIN")
            _copy_messages(database, held, added)
            _copy_audit(transaction, added * AUDIT_ENTRIES)
            database.execute("COMMIT")
            held += added
        database.execute(index)
        _sign_audit(transaction, home, node_keys)
        database.execute("PRAGMA journal_mode = WAL").fetchall()
        transaction.invalidate()
    _flush(home)


def _copy_messages(database: sqlite3.Connection, held: int, added: int) -> None:
    first_ms = _number(database, "SELECT min(created_ms) FROM record WHERE position = 1") - _OLDER_MS
    copies = [Copy(number, first_ms) for number in range(held, held + added)]
    receipt = _number(database, "SELECT max(number) FROM receipt") + 1
    newest = "SELECT direction FROM record ORDER BY position DESC LIMIT 1"
    left_out = _NOT_OF_THEIRS if _number(database, newest) == Direction.IN else _NOT_OF_OURS
    for table, (order, values) in _WITH_MESSAGES.items():
        if table not in left_out:
            _copy_rows(database, table, order, _new(database, table, copies, values, receipt))
    openings = [copy for copy in copies if copy.number % MESSAGES_EACH == 0]
    for table, (order, values) in _WITH_CONSULTATIONS.items():
        _copy_rows(database, table, order, _new(database, table, openings, values, receipt))
    batches = copies[::SAMPLE]
    new = ({"number": number, "receipt_id": copy.id_text(3)} for number, copy in zip(count(receipt), batches))
    _copy_rows(database, "receipt", "number", new, sample=1)


def _new(
    database: sqlite3.Connection, table: str, copies: Sequence[Copy], values: _Values, receipt: int
) -> Iterator[Mapping[str, object]]:
    """Yield what is new in each row of a table."""
    columns = {row[1] for row in database.execute(f"PRAGMA table_info({table})")}
    newest = f"SELECT max(position) FROM {table}"  # noqa: S608 -- names of the tables above
    place = _number(database, newest) + 1 if "position" in columns else 0
    for number, copy in enumerate(copies):
        yield values(copy, place + number, receipt + number // SAMPLE)


def _copy_rows(
    database: sqlite3.Connection,
    table: str,
    order: str,
    new: Iterable[Mapping[str, object]],
    *,
    sample: int = SAMPLE,
) -> None:
    """Copy the newest rows of a table, one for each set of new values."""
    columns, rows = _newest(database, table, order, sample)
    _insert(database, table, columns, _changed(columns, rows, new))


def _copy_audit(transaction: Transaction, added: int) -> None:
    """Append copies of the newest entries, and grow the tree over them."""
    shard = records.newest_shard(transaction)
    if shard is None:
        raise ValueError("the node has no audit log")
    newest = islice(records.entries_backwards(transaction, shard.number), SAMPLE * AUDIT_ENTRIES)
    entries = [(entry.leaf, entry.vault or b"", leaf_hash(entry.leaf)) for entry in newest]
    chosen = list(islice(cycle(entries), added))
    first = records.row_id_of(shard.number, shard.frontier.size)
    rows = [(row_id, leaf, vault) for row_id, (leaf, vault, _hash) in zip(count(first), chosen)]
    records.insert_entries(transaction, rows)
    nodes: list[tuple[int, int, bytes]] = []
    frontier = shard.frontier.append((found for *_entry, found in chosen), lambda *node: nodes.append(node))
    records.insert_nodes(transaction, shard.number, nodes)
    records.move_frontier(transaction, shard.number, frontier)


def _sign_audit(transaction: Transaction, home: Home, node_keys: NodeKeys) -> None:
    """Sign the grown tree as the node would have by now, and move its mark."""
    shard = records.newest_shard(transaction)
    if shard is None:
        raise ValueError("the node has no audit log")
    size, root = shard.frontier.size, shard.frontier.root()
    note = sign_checkpoint(Checkpoint(shard.origin, size, root), node_keys.log).to_bytes().decode()
    records.insert_checkpoint(
        transaction, StoredCheckpoint(shard.number, size, note, shard.frontier.to_bytes())
    )
    file, name = InstanceFile(home.high_water), mark_name(shard)
    file.advance(name, file.read().marks.get(name), Mark(size, root.hex()))


def _newest(
    database: sqlite3.Connection, table: str, order: str, limit: int
) -> tuple[list[str], list[list[object]]]:
    """Return the columns of a table and its newest rows."""
    sql = f"SELECT * FROM {table} ORDER BY {order} DESC LIMIT {limit}"  # noqa: S608 -- names of the table above
    found = database.execute(sql)
    return [column[0] for column in found.description], [list(row) for row in found]


def _changed(
    columns: list[str], rows: list[list[object]], new: Iterable[Mapping[str, object]]
) -> Iterator[list[object]]:
    """Yield copies of rows, one for each set of new values."""
    for row, values in zip(cycle(rows), new):
        copied = row.copy()
        for name, value in values.items():
            copied[columns.index(name)] = value
        yield copied


def _insert(
    database: sqlite3.Connection, table: str, columns: list[str], rows: Iterable[list[object]]
) -> None:
    names, marks = ", ".join(columns), ", ".join("?" * len(columns))
    database.executemany(f"INSERT INTO {table} ({names}) VALUES ({marks})", rows)  # noqa: S608 -- as above


def _drop_index(database: sqlite3.Connection, name: str) -> str:
    """Drop an index whose values come in no order; return the statement that makes it again."""
    sql = database.execute("SELECT sql FROM sqlite_schema WHERE name = ?", (name,)).fetchone()
    if sql is None:
        return "SELECT 1"
    database.execute(f"DROP INDEX {name}")
    return str(sql[0])


def _number(database: sqlite3.Connection, sql: str) -> int:
    return int(database.execute(sql).fetchone()[0] or 0)


def _flush(home: Home) -> None:
    """Wait until the disk has everything, so that it has nothing to write when the measurement begins."""
    descriptor = os.open(home.database, os.O_RDWR | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
