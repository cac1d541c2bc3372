# SPDX-License-Identifier: Apache-2.0
"""The tables of delivery: what waits to go out, what came in, and every receipt. No rule is decided here.

1. Rows that change are small; the octets of an envelope lie in a table of their own and are never rewritten.
2. Positions grow with time and are never used twice, so the store grows at its right edge and "oldest first"
   is the order of positions.
3. What is due for one peer, what is held for intake and what is overdue are read from partial indexes: the
   cost follows what is open, not what was ever sent.
4. Rows of the outbox, of the inbox and of receipts are never deleted: they are what knows a repeat.
"""

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from enum import IntEnum
from itertools import islice
from typing import TypeVar

from sqlalchemy import (
    BLOB,
    Column,
    Index,
    Integer,
    MetaData,
    Table,
    Text,
    UniqueConstraint,
    func,
    literal_column,
    select,
)
from sqlalchemy.dialects.sqlite import insert

from globe_node.store.door import Transaction
from protocol.identifiers import AuthorityId

METADATA = MetaData()
T = TypeVar("T")
MAX_IN_LIST = 500
"""Values in one statement; far below SQLite's own bound."""

OUTBOX = Table(
    "outbox",
    METADATA,
    Column("position", Integer, primary_key=True),
    Column("envelope_id", BLOB, nullable=False),
    Column("peer", Text, nullable=False),
    Column("operation", Integer, nullable=False),
    Column("envelope_class", Integer, nullable=False),
    Column("routing_id", BLOB, nullable=False),
    Column("hash_prefix", Integer, nullable=False),
    Column("envelope_hash", Text, nullable=False),
    Column("record_hash", Text, nullable=False),
    Column("size", Integer, nullable=False),
    Column("body", Integer, nullable=False),
    Column("state", Text, nullable=False),
    Column("reason", Text, nullable=False),
    Column("attempts", Integer, nullable=False),
    Column("next_attempt_ms", Integer, nullable=False),
    Column("deadline_ms", Integer, nullable=False),
    Column("queued_ms", Integer, nullable=False),
    Column("decided_ms", Integer, nullable=False),
    Column("receipt", Integer, nullable=False),
    UniqueConstraint("envelope_id", "peer"),
    sqlite_strict=True,
)
OUTBOX_OPEN = OUTBOX.c.state == literal_column("'queued'")
Index("outbox_by_hash", OUTBOX.c.hash_prefix)
Index(
    "outbox_due",
    OUTBOX.c.peer,
    OUTBOX.c.operation,
    OUTBOX.c.position,
    OUTBOX.c.next_attempt_ms,
    sqlite_where=OUTBOX_OPEN,
)
Index("outbox_overdue", OUTBOX.c.deadline_ms, sqlite_where=OUTBOX_OPEN)

OUTBOX_BODY = Table(
    "outbox_body",
    METADATA,
    Column("position", Integer, primary_key=True),
    Column("octets", BLOB, nullable=False),
    sqlite_strict=True,
)

OUTBOX_EVIDENCE = Table(
    "outbox_evidence",
    METADATA,
    Column("position", Integer, primary_key=True),
    Column("receipt", Integer, primary_key=True),
    Column("stored_ms", Integer, nullable=False),
    sqlite_with_rowid=False,
    sqlite_strict=True,
)

INBOX = Table(
    "inbox",
    METADATA,
    Column("position", Integer, primary_key=True),
    Column("sender", Text, nullable=False),
    Column("node", Text, nullable=False),
    Column("envelope_id", BLOB, nullable=False),
    Column("routing_id", BLOB, nullable=False),
    Column("envelope_hash", Text, nullable=False),
    Column("size", Integer, nullable=False),
    Column("state", Integer, nullable=False),
    Column("tries", Integer, nullable=False),
    Column("due_ms", Integer, nullable=False),
    Column("received_ms", Integer, nullable=False),
    Column("expires_ms", Integer, nullable=False),
    Column("receipt", Integer, nullable=False),
    UniqueConstraint("sender", "envelope_id"),
    sqlite_strict=True,
)
INBOX_HELD = INBOX.c.state == literal_column("0")
Index("inbox_due", INBOX.c.due_ms, sqlite_where=INBOX_HELD)
Index("inbox_quota", INBOX.c.sender, INBOX.c.size, sqlite_where=INBOX_HELD)

INBOX_BODY = Table(
    "inbox_body",
    METADATA,
    Column("position", Integer, primary_key=True),
    Column("octets", BLOB, nullable=False),
    sqlite_strict=True,
)

RECEIPT = Table(
    "receipt",
    METADATA,
    Column("number", Integer, primary_key=True),
    Column("receipt_id", Text, nullable=False),
    Column("issuer", Text, nullable=False),
    Column("recipient", Text, nullable=False),
    Column("stored_ms", Integer, nullable=False),
    Column("signed", BLOB, nullable=False),
    UniqueConstraint("receipt_id", "issuer"),
    sqlite_strict=True,
)

LANE = Table(
    "lane",
    METADATA,
    Column("peer", Text, primary_key=True),
    Column("failures", Integer, nullable=False),
    Column("next_attempt_ms", Integer, nullable=False),
    Column("reason", Text, nullable=False),
    sqlite_with_rowid=False,
    sqlite_strict=True,
)


class HeldState(IntEnum):
    """What became of an envelope at its recipient."""

    HELD = 0
    DONE = 1
    QUARANTINED = 2


@dataclass(frozen=True, slots=True)
class ReceiptRow:
    """One receipt as it is stored.

    Attributes:
        receipt_id: its own id.
        issuer: who signed it: a peer, or this authority.
        recipient: whom it is for.
        signed: the signed receipt, octet for octet as it came or went.
    """

    receipt_id: str
    issuer: AuthorityId
    recipient: AuthorityId
    signed: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class LaneRow:
    """What a lane remembers over a restart.

    Attributes:
        peer: whom it serves.
        failures: failed attempts in a row.
        next_attempt_ms: Unix time of the next attempt.
        reason: code of the last failure, empty after a success.
    """

    peer: AuthorityId
    failures: int
    next_attempt_ms: int
    reason: str


def add_receipt(tx: Transaction, row: ReceiptRow, now_ms: int) -> int:
    """Store a receipt unless it is there; return its number. Numbers start at 1."""
    tx.execute(
        insert(RECEIPT).on_conflict_do_nothing(index_elements=("receipt_id", "issuer")),
        {
            "receipt_id": row.receipt_id,
            "issuer": row.issuer,
            "recipient": row.recipient,
            "stored_ms": now_ms,
            "signed": row.signed,
        },
    )
    where = (RECEIPT.c.receipt_id == row.receipt_id, RECEIPT.c.issuer == row.issuer)
    number: int = tx.execute(select(RECEIPT.c.number).where(*where)).scalar_one()
    return number


def receipts(tx: Transaction, numbers: Collection[int]) -> dict[int, bytes]:
    """Return stored receipts by number."""
    found: dict[int, bytes] = {}
    for some in chunks(sorted(numbers)):
        statement = select(RECEIPT.c.number, RECEIPT.c.signed).where(RECEIPT.c.number.in_(some))
        found.update((number, octets) for number, octets in tx.execute(statement))
    return found


def lanes(tx: Transaction) -> list[LaneRow]:
    """Return every lane that was ever stored."""
    rows = tx.execute(select(LANE.c.peer, LANE.c.failures, LANE.c.next_attempt_ms, LANE.c.reason))
    return [LaneRow(AuthorityId(row.peer), row.failures, row.next_attempt_ms, row.reason) for row in rows]


def save_lane(tx: Transaction, row: LaneRow) -> None:
    """Store what a lane must remember."""
    values = {"failures": row.failures, "next_attempt_ms": row.next_attempt_ms, "reason": row.reason}
    statement = insert(LANE).values(peer=row.peer, **values)
    tx.execute(statement.on_conflict_do_update(index_elements=("peer",), set_=values))


def next_position(tx: Transaction, table: Table) -> int:
    """Return the position after the last one that was used; 1 in an empty table."""
    last: int | None = tx.execute(select(func.max(table.c.position))).scalar_one()
    return (last or 0) + 1


def bodies(tx: Transaction, table: Table, positions: Collection[int]) -> Mapping[int, bytes]:
    """Return the octets of envelopes by position."""
    found: dict[int, bytes] = {}
    for some in chunks(sorted(positions)):
        statement = select(table.c.position, table.c.octets).where(table.c.position.in_(some))
        found.update((number, octets) for number, octets in tx.execute(statement))
    return found


def chunks(values: Sequence[T]) -> Iterator[list[T]]:
    """Cut a list so that each part fits into one statement."""
    iterator = iter(values)
    while part := list(islice(iterator, MAX_IN_LIST)):
        yield part
