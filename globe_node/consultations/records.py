# SPDX-License-Identifier: Apache-2.0
"""The tables of consultations and their records: rows in, rows out. No rule of the conversation is here.

1. Every function takes the caller's `Transaction`; none commits.
2. Whatever a person wrote or attached arrives here sealed and leaves sealed. In clear stand ids, times,
   codes and digests, which the audit log holds as well.
3. Work on many rows takes one statement: a batch of a hundred messages must not cost a hundred look-ups.
   What runs for every message goes to the driver: the layer above it costs more than the statement.
4. Positions and ids grow with time, so the store grows at its right edge.
"""

from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass, field, fields
from enum import IntEnum
from operator import attrgetter
from typing import Any, Generic, TypeVar

from sqlalchemy import (
    BLOB,
    Column,
    Index,
    Integer,
    MetaData,
    Table,
    Text,
    delete,
    func,
    select,
    update,
)
from sqlalchemy.dialects.sqlite import dialect, insert

from globe_node.consultations.moments import unix_milliseconds
from globe_node.store.door import Transaction
from globe_node.store.driver import driver_of
from protocol.codes.message_types import MessageType
from protocol.identifiers import AuthorityId, ConsultationId, Digest, EnvelopeId, RecordId
from protocol.record import Record

R = TypeVar("R", bound=Any)
METADATA = MetaData()

CONSULTATION = Table(
    "consultation",
    METADATA,
    Column("id", Text, primary_key=True),
    Column("opener", Text, nullable=False),
    Column("sides", Text, nullable=False),
    Column("state", Text, nullable=False),
    Column("subject", BLOB, nullable=False),
    Column("created_ms", Integer, nullable=False),
    Column("updated_ms", Integer, nullable=False),
    sqlite_with_rowid=False,
    sqlite_strict=True,
)

RECORD = Table(
    "record",
    METADATA,
    Column("position", Integer, primary_key=True),
    Column("record_id", Text, nullable=False, unique=True),
    Column("consultation", Text, nullable=False),
    Column("author", Text, nullable=False),
    Column("node", Text, nullable=False),
    Column("incarnation", Text, nullable=False),
    Column("author_seq", Integer, nullable=False),
    Column("prev", Text, nullable=False),
    Column("record_hash", Text, nullable=False),
    Column("direction", Integer, nullable=False),
    Column("type", Text, nullable=False),
    Column("in_reply_to", Text, nullable=False),
    Column("envelope_id", BLOB, nullable=False),
    Column("envelope_hash", Text, nullable=False),
    Column("created_ms", Integer, nullable=False),
    Column("expires_ms", Integer, nullable=False),
    Column("stored_ms", Integer, nullable=False),
    Column("read_ms", Integer, nullable=False),
    Column("application_data", BLOB, nullable=False),
    Index("record_by_author", "consultation", "author", "author_seq"),
    sqlite_strict=True,
)

CHAIN_HEAD = Table(
    "chain_head",
    METADATA,
    Column("consultation", Text, primary_key=True),
    Column("author", Text, primary_key=True),
    Column("incarnation", Text, nullable=False),
    Column("author_seq", Integer, nullable=False),
    Column("record_hash", Text, nullable=False),
    sqlite_with_rowid=False,
    sqlite_strict=True,
)

SUBMISSION = Table(
    "submission",
    METADATA,
    Column("idempotency_key", Text, primary_key=True),
    Column("draft_digest", Text, nullable=False),
    Column("result", BLOB, nullable=False),
    Column("created_ms", Integer, nullable=False),
    Index("submission_by_time", "created_ms"),
    sqlite_with_rowid=False,
    sqlite_strict=True,
)


class Direction(IntEnum):
    """Which way a record went."""

    OUT = 0
    IN = 1


@dataclass(frozen=True, slots=True)
class ConsultationRow:
    """One consultation.

    Attributes:
        id: the consultation.
        opener: the authority whose request opened it.
        sides: each requested authority and where it stands: `xb-acc=SENT xc-fiu=ANSWERED`, sorted.
        state: where it stands for this authority: its own side, or for the requester the least advanced.
        subject: the subject line, sealed at rest.
        created_ms: when the opening record was made, by its author's clock.
        updated_ms: when this node last stored a record of it.
    """

    id: ConsultationId
    opener: AuthorityId
    sides: str
    state: str
    subject: bytes = field(repr=False)
    created_ms: int
    updated_ms: int


@dataclass(frozen=True, slots=True)
class RecordRow:
    """One record, ours or theirs.

    Attributes:
        author_seq: from 1, per author and consultation.
        prev: hash of the author's previous record here, or empty.
        envelope_id: the envelope it travelled in; 16 bytes.
        created_ms, expires_ms: as the author wrote them.
        stored_ms: when this node stored it: submitted, or opened.
        read_ms: when a practitioner here first opened it, or 0.
        application_data: record, signature and attachments, sealed at rest.
    """

    record_id: RecordId
    consultation: ConsultationId
    author: AuthorityId
    node: str
    incarnation: str
    author_seq: int
    prev: str
    record_hash: Digest
    direction: int
    type: str
    in_reply_to: str
    envelope_id: bytes
    envelope_hash: Digest
    created_ms: int
    expires_ms: int
    stored_ms: int
    read_ms: int
    application_data: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class Arrival:
    """An inbound record, by what may be told without opening it.

    Attributes:
        position: grows with every record this node stores.
    """

    position: int
    record_id: RecordId
    consultation: ConsultationId
    author: AuthorityId
    message_type: str


@dataclass(frozen=True, slots=True)
class HeadRow:
    """The newest record of one author in one consultation."""

    consultation: ConsultationId
    author: AuthorityId
    incarnation: str
    author_seq: int
    record_hash: Digest


@dataclass(frozen=True, slots=True)
class SubmissionRow:
    """What a client's idempotency key stands for."""

    idempotency_key: str
    draft_digest: str
    result: bytes
    created_ms: int


def row_of(
    content: Record,
    digest: Digest,
    *,
    direction: Direction,
    envelope_id: EnvelopeId,
    envelope_hash: Digest,
    stored_ms: int,
    sealed: bytes,
) -> RecordRow:
    """Build the row of a record.

    Args:
        content: the record.
        digest: its hash.
        direction: which way it goes.
        envelope_id: the envelope it travels in.
        envelope_hash: the hash of that.
        stored_ms: now.
        sealed: record, signature and attachments, sealed at rest.
    """
    author = content.author
    return RecordRow(
        record_id=content.record_id,
        consultation=content.consultation,
        author=author.authority,
        node=author.node,
        incarnation=author.incarnation,
        author_seq=content.author_seq,
        prev=content.prev,
        record_hash=digest,
        direction=direction,
        type=content.type,
        in_reply_to=content.in_reply_to,
        envelope_id=envelope_id,
        envelope_hash=envelope_hash,
        created_ms=unix_milliseconds(content.created),
        expires_ms=unix_milliseconds(content.expires),
        stored_ms=stored_ms,
        read_ms=0,
        application_data=sealed,
    )


class _Write(Generic[R]):
    """One statement that writes rows of one kind, compiled once and handed to the driver as it stands.

    Args:
        row: the kind of row; its fields have the names and the order of the table's columns.
        table: the table.
        moves: columns that are written anew where the row exists; without any, it must not exist.
    """

    def __init__(self, row: type[R], table: Table, *moves: str) -> None:
        names = [field.name for field in fields(row)]
        statement = insert(table)
        if moves:
            found = {name: statement.excluded[name] for name in moves}
            statement = statement.on_conflict_do_update(index_elements=table.primary_key, set_=found)
        self._sql = str(statement.compile(dialect=dialect(), column_keys=names))
        self._values: Callable[[R], tuple[object, ...]] = attrgetter(*names)

    def __call__(self, tx: Transaction, rows: Iterable[R]) -> None:
        driver_of(tx).executemany(self._sql, map(self._values, rows))


class _Lookup:
    """One statement that finds rows by the values of one column, compiled but for their number."""

    def __init__(self, by: Column[Any], *columns: Column[Any]) -> None:
        self._select = str(select(*(columns or by.table.c)).compile(dialect=dialect()))
        self._by = str(by)

    def __call__(self, tx: Transaction, values: Collection[str]) -> Iterable[tuple[Any, ...]]:
        if not values:
            return ()
        marks = ", ".join("?" * len(values))
        return driver_of(tx).execute(f"{self._select} WHERE {self._by} IN ({marks})", tuple(values))


_RECORD_COLUMNS = [column for column in RECORD.c if column.name != "position"]
_SELECT_RECORD = str(select(*_RECORD_COLUMNS).compile(dialect=dialect()))
_OPENINGS = (
    "SELECT r.consultation, r.record_id, r.record_hash FROM consultation AS c"
    " JOIN record AS r ON r.consultation = c.id AND r.author = c.opener"
    " WHERE r.type IN (?, ?) AND c.id IN"
)
_OLDEST_FIRST = "ORDER BY r.position"
_SELECT_LAST = "SELECT position, record_id FROM record WHERE position = (SELECT max(position) FROM record"
_OPENING = tuple(one for one in MessageType if one.opens)
_WRITE_CONSULTATIONS = _Write(ConsultationRow, CONSULTATION, "sides", "state", "updated_ms")
_WRITE_HEADS = _Write(HeadRow, CHAIN_HEAD, "incarnation", "author_seq", "record_hash")
_WRITE_RECORDS = _Write(RecordRow, RECORD)
_WRITE_SUBMISSIONS = _Write(SubmissionRow, SUBMISSION)
_CONSULTATIONS_BY_ID = _Lookup(CONSULTATION.c.id)
_HEADS_BY_CONSULTATION = _Lookup(CHAIN_HEAD.c.consultation)
_HASHES_BY_ID = _Lookup(RECORD.c.record_id, RECORD.c.record_id, RECORD.c.record_hash)
_SUBMISSIONS_BY_KEY = _Lookup(SUBMISSION.c.idempotency_key)


def consultations_of(
    tx: Transaction, ids: Collection[ConsultationId]
) -> dict[ConsultationId, ConsultationRow]:
    """Return the named consultations that exist."""
    return {row[0]: ConsultationRow(*row) for row in _CONSULTATIONS_BY_ID(tx, ids)}


def heads_of(tx: Transaction, ids: Collection[ConsultationId]) -> list[HeadRow]:
    """Return the chain heads of the named consultations."""
    return [HeadRow(*row) for row in _HEADS_BY_CONSULTATION(tx, ids)]


def put_consultations(tx: Transaction, rows: Iterable[ConsultationRow]) -> None:
    """Insert consultations, or move the state and time of those that exist."""
    _WRITE_CONSULTATIONS(tx, rows)


def put_heads(tx: Transaction, rows: Iterable[HeadRow]) -> None:
    """Insert or move chain heads."""
    _WRITE_HEADS(tx, rows)


def add_records(tx: Transaction, rows: Iterable[RecordRow]) -> None:
    """Insert records; a second one with the same record id violates a constraint."""
    _WRITE_RECORDS(tx, rows)


def arrivals(tx: Transaction, after: int, limit: int) -> list[Arrival]:
    """Return inbound records after a position, oldest first."""
    columns = (RECORD.c.position, RECORD.c.record_id, RECORD.c.consultation, RECORD.c.author, RECORD.c.type)
    later = (RECORD.c.position > after) & (RECORD.c.direction == Direction.IN)
    query = select(*columns).where(later).order_by(RECORD.c.position).limit(limit)
    return [Arrival(*row) for row in tx.execute(query)]


def record_hashes(tx: Transaction, ids: Collection[RecordId]) -> dict[RecordId, Digest]:
    """Return the hashes of the named records that exist."""
    return dict(_HASHES_BY_ID(tx, ids))


def record(tx: Transaction, record_id: RecordId) -> RecordRow | None:
    """Return one record."""
    row = driver_of(tx).execute(f"{_SELECT_RECORD} WHERE record_id = ?", (record_id,)).fetchone()
    return None if row is None else RecordRow(*row)


def application_data(tx: Transaction, record_id: RecordId) -> bytes:
    """Return the sealed part of a record that is here."""
    sql = "SELECT application_data FROM record WHERE record_id = ?"
    return bytes(driver_of(tx).execute(sql, (record_id,)).fetchone()[0])


def records_of(tx: Transaction, consultation: ConsultationId) -> list[RecordRow]:
    """Return the records of a consultation in the order in which this node stored them."""
    query = select(*_RECORD_COLUMNS).where(RECORD.c.consultation == consultation).order_by(RECORD.c.position)
    return [RecordRow(*row) for row in tx.execute(query)]


def newest(tx: Transaction, consultation: ConsultationId) -> RecordId | None:
    """Return the newest record of a consultation."""
    row = driver_of(tx).execute(f"{_SELECT_LAST} WHERE consultation = ?)", (consultation,)).fetchone()
    return None if row is None else RecordId(row[1])


def newest_by(
    tx: Transaction,
    consultation: ConsultationId,
    authors: Iterable[AuthorityId],
    message_type: MessageType | None = None,
) -> RecordId | None:
    """Return the newest record of some authors in a consultation, of one type if it is named."""
    more: tuple[str, ...] = ()
    sql = f"{_SELECT_LAST} WHERE consultation = ? AND author = ?)"
    if message_type is not None:
        sql, more = f"{_SELECT_LAST} WHERE consultation = ? AND author = ? AND type = ?)", (message_type,)
    rows = (driver_of(tx).execute(sql, (consultation, author, *more)).fetchone() for author in authors)
    found = [(row[0], RecordId(row[1])) for row in rows if row is not None]
    return max(found)[1] if found else None


def with_hash(
    tx: Transaction, consultation: ConsultationId, author: AuthorityId, digest: Digest
) -> RecordRow | None:
    """Return the record of an author that has this hash."""
    sql = f"{_SELECT_RECORD} WHERE consultation = ? AND author = ? AND record_hash = ? LIMIT 1"
    row = driver_of(tx).execute(sql, (consultation, author, digest)).fetchone()
    return None if row is None else RecordRow(*row)


def openings_of(
    tx: Transaction, ids: Collection[ConsultationId]
) -> list[tuple[ConsultationId, RecordId, Digest]]:
    """Return the requesters' records that open these consultations for somebody, oldest first."""
    marks = ", ".join("?" * len(ids))
    rows = driver_of(tx).execute(f"{_OPENINGS} ({marks}) {_OLDEST_FIRST}", (*_OPENING, *ids))
    return [(ConsultationId(one), RecordId(record_id), Digest(digest)) for one, record_id, digest in rows]


def has_reply(tx: Transaction, consultation: ConsultationId, author: AuthorityId, to: RecordId) -> bool:
    """Whether a clarification by this author that replies to a record is here."""
    query = select(RECORD.c.position).where(
        RECORD.c.consultation == consultation,
        RECORD.c.author == author,
        RECORD.c.type == MessageType.CLARIFICATION,
        RECORD.c.in_reply_to == to,
    )
    return tx.execute(query.limit(1)).one_or_none() is not None


def neighbours(
    tx: Transaction, consultation: ConsultationId, author: AuthorityId, incarnation: str, author_seq: int
) -> dict[int, tuple[str, Digest]]:
    """Return prev and hash of what stands one before, at and one after a place in a chain, by number."""
    query = select(RECORD.c.author_seq, RECORD.c.prev, RECORD.c.record_hash).where(
        RECORD.c.consultation == consultation,
        RECORD.c.author == author,
        RECORD.c.author_seq.between(author_seq - 1, author_seq + 1),
        RECORD.c.incarnation == incarnation,
    )
    return {row.author_seq: (row.prev, row.record_hash) for row in tx.execute(query)}


def knows_life(tx: Transaction, consultation: ConsultationId, author: AuthorityId, incarnation: str) -> bool:
    """Whether a record of one life of an author's node is here."""
    query = select(RECORD.c.position).where(
        RECORD.c.consultation == consultation,
        RECORD.c.author == author,
        RECORD.c.incarnation == incarnation,
    )
    return tx.execute(query.limit(1)).one_or_none() is not None


def mark_read(tx: Transaction, record_id: RecordId, read_ms: int) -> bool:
    """Note the first reading of a record; False if it was read before or is not here."""
    change = (
        update(RECORD).where(RECORD.c.record_id == record_id, RECORD.c.read_ms == 0).values(read_ms=read_ms)
    )
    return tx.execute(change).rowcount == 1


def list_consultations(
    tx: Transaction, *, states: Sequence[str], before: ConsultationId | None, limit: int
) -> list[ConsultationRow]:
    """Return consultations, newest first.

    Args:
        tx: a read will do.
        states: only these; empty for all.
        before: only older ones than this id, to go on with the next page.
        limit: at most so many rows.
    """
    query = select(CONSULTATION).order_by(CONSULTATION.c.id.desc()).limit(limit)
    if states:
        query = query.where(CONSULTATION.c.state.in_(states))
    if before is not None:
        query = query.where(CONSULTATION.c.id < before)
    return [ConsultationRow(*row) for row in tx.execute(query)]


def counts_of(tx: Transaction, ids: Collection[ConsultationId]) -> dict[ConsultationId, tuple[int, int]]:
    """Return, for each named consultation, how many records it has and how many inbound ones are unread."""
    unread = (RECORD.c.direction == Direction.IN) & (RECORD.c.read_ms == 0)
    query = (
        select(RECORD.c.consultation, func.count(), func.count().filter(unread))
        .where(RECORD.c.consultation.in_(ids))
        .group_by(RECORD.c.consultation)
    )
    return {row[0]: (row[1], row[2]) for row in tx.execute(query)} if ids else {}


def sent_envelopes(tx: Transaction, ids: Collection[ConsultationId]) -> dict[EnvelopeId, ConsultationId]:
    """Return the envelopes in which records of ours travelled, with their consultations."""
    query = select(RECORD.c.envelope_id, RECORD.c.consultation).where(
        RECORD.c.consultation.in_(ids), RECORD.c.direction == Direction.OUT
    )
    return {row.envelope_id: row.consultation for row in tx.execute(query)} if ids else {}


def submissions(tx: Transaction, names: Collection[str]) -> dict[str, SubmissionRow]:
    """Return what is known under the given idempotency keys."""
    return {row[0]: SubmissionRow(*row) for row in _SUBMISSIONS_BY_KEY(tx, names)}


def add_submissions(tx: Transaction, rows: Iterable[SubmissionRow]) -> None:
    """Remember idempotency keys."""
    _WRITE_SUBMISSIONS(tx, rows)


def forget_submissions(tx: Transaction, before_ms: int) -> None:
    """Forget idempotency keys that are older."""
    tx.execute(delete(SUBMISSION).where(SUBMISSION.c.created_ms < before_ms))
