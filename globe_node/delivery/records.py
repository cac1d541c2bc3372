# SPDX-License-Identifier: Apache-2.0
"""What outbox, inbox, lanes and reception store in common: octets, receipts, and what a lane remembers.

1. Rows that change are small; the octets of an envelope lie in a table of their own and are never rewritten.
2. Positions grow with time and are never used twice, so the store grows at its right edge and "oldest first"
   is the order of positions.
3. What is due for one peer, what is held for intake and what is overdue are read from partial indexes: the
   cost follows what is open, not what was ever sent.
4. Rows of the outbox, of the inbox and of receipts are never deleted: they are what knows a repeat.
5. Statements go to the driver as they stand: they run for every message, and the layer above it costs more
   than they do.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from enum import IntEnum

from globe_node.store.door import Transaction
from globe_node.store.driver import driver_of
from protocol.errors import ConflictError
from protocol.identifiers import AuthorityId


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


def find_receipt(tx: Transaction, row: ReceiptRow) -> int | None:
    """Return the number of a receipt, or None if it is not stored.

    Raises:
        ConflictError: another receipt of this issuer has the same id; the first one stands.
    """
    sql = "SELECT number, signed FROM receipt WHERE receipt_id = ? AND issuer = ?"
    found = driver_of(tx).execute(sql, (row.receipt_id, row.issuer)).fetchone()
    if found is None:
        return None
    number, signed = found
    if signed != row.signed:
        raise ConflictError("this id was used for another receipt")
    return int(number)


def add_receipt(tx: Transaction, row: ReceiptRow, now_ms: int) -> int:
    """Store a receipt that is not there; return its number. Numbers start at 1."""
    added = driver_of(tx).execute(
        "INSERT INTO receipt (receipt_id, issuer, recipient, stored_ms, signed) VALUES (?, ?, ?, ?, ?)",
        (row.receipt_id, row.issuer, row.recipient, now_ms, row.signed),
    )
    return int(added.lastrowid or 0)


def receipts(tx: Transaction, numbers: Iterable[int]) -> dict[int, bytes]:
    """Return stored receipts by number."""
    sql = "SELECT signed FROM receipt WHERE number = ?"
    driver = driver_of(tx)
    return {number: driver.execute(sql, (number,)).fetchone()[0] for number in numbers}


def number_of(tx: Transaction, sql: str, *values: object) -> int | None:
    """Return the one number that a statement selects; None if there is none."""
    row = driver_of(tx).execute(sql, values).fetchone()
    return None if row is None else row[0]


def octets_at(tx: Transaction, sql: str, positions: Iterable[int]) -> Mapping[int, bytes]:
    """Return octets by position; `sql` selects those of one position."""
    driver = driver_of(tx)
    return {position: driver.execute(sql, (position,)).fetchone()[0] for position in positions}
