# SPDX-License-Identifier: Apache-2.0
"""The tables of what is sent again: rows in, rows out. Who may have it is not known here.

1. For each record and member there is one row that says whether it waits to be sent again, and how often the
   member could not read it. It stays, so that nothing is sent again without end.
2. Each envelope in which a record went again is kept, beside the first one, which stands with the record.
"""

from collections.abc import Collection, Iterable
from typing import NamedTuple

from globe_node.store.door import Transaction
from globe_node.store.driver import driver_of
from protocol.identifiers import AuthorityId, ConsultationId, EnvelopeId, RecordId


class Kept(NamedTuple):
    """A record that is in the archive, by what its place in a chain says.

    Attributes:
        position: grows with every record this node stores.
    """

    position: int
    record_id: RecordId
    author: AuthorityId
    incarnation: str
    author_seq: int


class Wanted(NamedTuple):
    """A record that waits to be sent again to a member.

    Attributes:
        unread: how often the member could not read it.
    """

    position: int
    record_id: RecordId
    peer: AuthorityId
    unread: int


class SentAgain(NamedTuple):
    """An envelope in which a record went again."""

    envelope_id: EnvelopeId
    record_id: RecordId
    peer: AuthorityId
    sent_ms: int


def kept_of(tx: Transaction, consultation: ConsultationId) -> list[Kept]:
    """Return the records of a consultation in the order in which this node stored them."""
    sql = (
        "SELECT position, record_id, author, incarnation, author_seq FROM record"
        " WHERE consultation = ? ORDER BY position"
    )
    return [Kept._make(row) for row in driver_of(tx).execute(sql, (consultation,))]


def has_records(tx: Transaction, consultation: ConsultationId) -> bool:
    """Say whether anything of a consultation is here."""
    sql = "SELECT 1 FROM record WHERE consultation = ? LIMIT 1"
    return driver_of(tx).execute(sql, (consultation,)).fetchone() is not None


def want(
    tx: Transaction,
    consultation: ConsultationId,
    peer: AuthorityId,
    record_ids: Iterable[RecordId],
    *,
    before_ms: int,
) -> None:
    """Let records wait to be sent again to a member, but for those that went so after a moment."""
    driver_of(tx).executemany(
        "INSERT INTO resend (consultation, record_id, peer, waits, unread, sent_ms) VALUES (?, ?, ?, 1, 0, 0)"
        " ON CONFLICT (record_id, peer) DO UPDATE SET waits = 1 WHERE sent_ms < ?",
        [(consultation, record_id, peer, before_ms) for record_id in record_ids],
    )


def want_unread(
    tx: Transaction, consultation: ConsultationId, peer: AuthorityId, record_id: RecordId, *, most: int
) -> None:
    """Let a record wait to be sent again that a member could not read, unless that was so often enough."""
    driver_of(tx).execute(
        "INSERT INTO resend (consultation, record_id, peer, waits, unread, sent_ms) VALUES (?, ?, ?, 1, 1, 0)"
        " ON CONFLICT (record_id, peer) DO UPDATE SET waits = 1, unread = unread + 1 WHERE unread < ?",
        (consultation, record_id, peer, most),
    )


def consultations_waiting(tx: Transaction) -> list[ConsultationId]:
    """Return the consultations of which something waits to be sent again."""
    sql = "SELECT DISTINCT consultation FROM resend WHERE waits = 1 ORDER BY consultation"
    return [ConsultationId(row[0]) for row in driver_of(tx).execute(sql)]


def waiting(tx: Transaction, consultation: ConsultationId, limit: int) -> list[Wanted]:
    """Return some of what waits to be sent again, in the order in which it was stored here first."""
    sql = (
        "SELECT w.position, w.record_id, w.peer, w.unread FROM resend AS w"
        " JOIN record AS r ON r.record_id = w.record_id"
        " WHERE w.consultation = ? AND w.waits = 1 ORDER BY r.position LIMIT ?"
    )
    return [Wanted._make(row) for row in driver_of(tx).execute(sql, (consultation, limit))]


def settle(tx: Transaction, positions: Iterable[int]) -> None:
    """Note that nothing waits in these rows any more."""
    driver_of(tx).executemany(
        "UPDATE resend SET waits = 0 WHERE position = ?", [(position,) for position in positions]
    )


def settle_all(tx: Transaction, consultation: ConsultationId) -> None:
    """Note that nothing of a consultation waits any more."""
    driver_of(tx).execute("UPDATE resend SET waits = 0 WHERE consultation = ?", (consultation,))


def note_sent(tx: Transaction, rows: Collection[SentAgain]) -> None:
    """Keep the envelopes in which records went again."""
    driver = driver_of(tx)
    driver.executemany(
        "INSERT INTO resent (envelope_id, record_id, peer, sent_ms) VALUES (?, ?, ?, ?)", list(rows)
    )
    driver.executemany(
        "UPDATE resend SET sent_ms = ? WHERE record_id = ? AND peer = ?",
        [(row.sent_ms, row.record_id, row.peer) for row in rows],
    )


def sent_again(tx: Transaction, record_ids: Iterable[RecordId]) -> list[SentAgain]:
    """Return the envelopes in which records went again, the earliest first."""
    driver = driver_of(tx)
    sql = (
        "SELECT envelope_id, record_id, peer, sent_ms FROM resent WHERE record_id = ? ORDER BY peer, position"
    )
    return [SentAgain._make(row) for one in record_ids for row in driver.execute(sql, (one,))]


def note_unread(tx: Transaction, envelope_id: EnvelopeId, sender: AuthorityId, now_ms: int) -> None:
    """Keep that a member was told that an envelope of its can't be read; it stands without a record."""
    sql = "INSERT OR IGNORE INTO resent (envelope_id, record_id, peer, sent_ms) VALUES (?, '', ?, ?)"
    driver_of(tx).execute(sql, (envelope_id, sender, now_ms))


def count_unread(tx: Transaction, sender: AuthorityId, since_ms: int) -> int:
    """Return how often a member was told since a moment that an envelope of its can't be read."""
    sql = "SELECT count(*) FROM resent WHERE record_id = '' AND peer = ? AND sent_ms > ?"
    (count,) = driver_of(tx).execute(sql, (sender, since_ms)).fetchone()
    return int(count)


def envelopes_sent_again(
    tx: Transaction, consultations: Iterable[ConsultationId]
) -> dict[EnvelopeId, ConsultationId]:
    """Return the envelopes in which records of consultations went again."""
    driver = driver_of(tx)
    sql = (
        "SELECT s.envelope_id FROM resend AS w JOIN resent AS s ON s.record_id = w.record_id"
        " AND s.peer = w.peer WHERE w.consultation = ?"
    )
    return {EnvelopeId(row[0]): one for one in consultations for row in driver.execute(sql, (one,))}


def record_in(
    tx: Transaction, consultation: ConsultationId, peer: AuthorityId, envelope_id: EnvelopeId
) -> RecordId | None:
    """Return the record of ours that went to a member in an envelope, if that is the last one it went in."""
    driver = driver_of(tx)
    sql = "SELECT record_id FROM record WHERE consultation = ? AND envelope_id = ? AND direction = 0"
    found = driver.execute(sql, (consultation, envelope_id)).fetchone()
    if found is None:
        sql = "SELECT record_id FROM resent WHERE envelope_id = ? AND peer = ? AND record_id <> ''"
        found = driver.execute(sql, (envelope_id, peer)).fetchone()
    if found is None:
        return None
    record_id = RecordId(found[0])
    later = [one for one in sent_again(tx, [record_id]) if one.peer == peer]
    return record_id if not later or later[-1].envelope_id == envelope_id else None
