# SPDX-License-Identifier: Apache-2.0
"""The tables of the directory: the pinned network and its statements. No rule is decided here.

1. A statement is a row for ever, as it arrived; what it means is derived again at every start.
2. Positions are the order of arrival, in which the statements can be replayed.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from sqlalchemy import BLOB, Column, Integer, MetaData, Table, Text, func, insert, select

from globe_node.store.door import Transaction
from protocol.identifiers import Digest

METADATA = MetaData()

NETWORK = Table(
    "directory_network",
    METADATA,
    Column("id", Integer, primary_key=True),
    Column("fingerprint", Text, nullable=False),
    Column("pinned_ms", Integer, nullable=False),
    sqlite_strict=True,
)
STATEMENT = Table(
    "directory_statement",
    METADATA,
    Column("position", Integer, primary_key=True),
    Column("statement_id", Text, nullable=False, unique=True),
    Column("chain", Text, nullable=False),
    Column("seq", Integer, nullable=False),
    Column("statement", BLOB, nullable=False),
    Column("source", Text, nullable=False),
    Column("received_ms", Integer, nullable=False),
    sqlite_strict=True,
)
TABLES = (NETWORK, STATEMENT)


@dataclass(frozen=True, slots=True)
class StatementRow:
    """One statement as it is kept.

    Attributes:
        source: `file`, `own`, or `authority/node` of the peer it came from.
        received_ms: Unix time in milliseconds.
    """

    statement_id: Digest
    chain: str
    seq: int
    statement: bytes = field(repr=False)
    source: str
    received_ms: int


def pinned_network(tx: Transaction) -> Digest | None:
    """Return the fingerprint of the network this node belongs to."""
    fingerprint = tx.execute(select(NETWORK.c.fingerprint)).scalar_one_or_none()
    return None if fingerprint is None else Digest(fingerprint)


def pin_network(tx: Transaction, fingerprint: Digest, now_ms: int) -> None:
    """Remember the network; a second one is an error of the caller."""
    tx.execute(insert(NETWORK).values(id=1, fingerprint=fingerprint, pinned_ms=now_ms))


def add_statements(tx: Transaction, rows: Sequence[StatementRow]) -> None:
    """Keep statements that were judged, in the order in which they were taken in."""
    if rows:
        tx.execute(
            insert(STATEMENT),
            [
                {
                    "statement_id": row.statement_id,
                    "chain": row.chain,
                    "seq": row.seq,
                    "statement": row.statement,
                    "source": row.source,
                    "received_ms": row.received_ms,
                }
                for row in rows
            ],
        )


def last_position(tx: Transaction) -> int:
    """Return the position of the newest statement, or 0."""
    return int(tx.execute(select(func.coalesce(func.max(STATEMENT.c.position), 0))).scalar_one())


def statements_after(tx: Transaction, position: int) -> list[tuple[int, bytes]]:
    """Return positions and statements that came later, in order."""
    columns = select(STATEMENT.c.position, STATEMENT.c.statement)
    rows = tx.execute(columns.where(STATEMENT.c.position > position).order_by(STATEMENT.c.position))
    return [(int(found), bytes(statement)) for found, statement in rows]


def statements_by_id(tx: Transaction, ids: Iterable[Digest]) -> Mapping[Digest, bytes]:
    """Return the statements with these ids, as far as they are held."""
    columns = select(STATEMENT.c.statement_id, STATEMENT.c.statement)
    rows = tx.execute(columns.where(STATEMENT.c.statement_id.in_(list(ids))))
    return {Digest(statement_id): bytes(statement) for statement_id, statement in rows}


@dataclass(frozen=True, slots=True)
class Place:
    """Where a statement stands, without its octets.

    Attributes:
        size: its length in bytes.
    """

    position: int
    statement_id: Digest
    chain: str
    seq: int
    size: int


def places(tx: Transaction) -> list[Place]:
    """Return where every statement stands, in order of arrival."""
    table = STATEMENT.c
    columns = select(table.position, table.statement_id, table.chain, table.seq, func.length(table.statement))
    return [
        Place(position, Digest(statement_id), chain, seq, size)
        for position, statement_id, chain, seq, size in tx.execute(columns.order_by(table.position))
    ]
