# SPDX-License-Identifier: Apache-2.0
"""The tables of records that wait to be sealed: rows in, rows out. Why they wait is not known here.

A record waits for everybody in `unsealed`, or it went out and waits for some of its recipients alone in
`unsealed_for`.
"""

from collections.abc import Collection, Iterable, Mapping

from globe_node.store.door import Transaction
from globe_node.store.driver import driver_of
from protocol.identifiers import AuthorityId, ConsultationId, Digest, RecordId


def set_envelope_hashes(tx: Transaction, hashes: Mapping[RecordId, Digest]) -> None:
    """Note the hashes of the envelopes in which records travel that waited for keys."""
    driver_of(tx).executemany(
        "UPDATE record SET envelope_hash = ? WHERE record_id = ?",
        [(digest, record_id) for record_id, digest in hashes.items()],
    )


def add(tx: Transaction, rows: Iterable[tuple[ConsultationId, RecordId]]) -> None:
    """Note which records of ours wait to be sealed."""
    sql = "INSERT INTO unsealed (consultation, record_id) VALUES (?, ?)"
    driver_of(tx).executemany(sql, list(rows))


def waiting(
    tx: Transaction, consultations: Collection[ConsultationId] | None = None
) -> dict[ConsultationId, list[RecordId]]:
    """Return the records that wait to be sealed, of some consultations or of all, each list in order."""
    driver = driver_of(tx)
    if consultations is None:
        rows = driver.execute("SELECT consultation, record_id FROM unsealed ORDER BY position").fetchall()
    else:
        sql = "SELECT consultation, record_id FROM unsealed WHERE consultation = ? ORDER BY position"
        rows = [row for one in consultations for row in driver.execute(sql, (one,))]
    found: dict[ConsultationId, list[RecordId]] = {}
    for consultation, record_id in rows:
        found.setdefault(ConsultationId(consultation), []).append(RecordId(record_id))
    return found


def drop(tx: Transaction, ids: Iterable[RecordId]) -> None:
    """Note that records do not wait to be sealed any more."""
    driver_of(tx).executemany("DELETE FROM unsealed WHERE record_id = ?", [(one,) for one in ids])


def add_for(tx: Transaction, rows: Iterable[tuple[ConsultationId, RecordId, AuthorityId]]) -> None:
    """Note which records of ours wait for a recipient that could not read them when they went out."""
    sql = "INSERT OR IGNORE INTO unsealed_for (consultation, record_id, peer) VALUES (?, ?, ?)"
    driver_of(tx).executemany(sql, list(rows))


def is_anything_waiting(tx: Transaction) -> bool:
    """Say whether any record waits, for everybody or for some."""
    sql = "SELECT EXISTS (SELECT 1 FROM unsealed) OR EXISTS (SELECT 1 FROM unsealed_for)"
    return bool(driver_of(tx).execute(sql).fetchone()[0])


def waited_for(tx: Transaction) -> list[tuple[ConsultationId, AuthorityId]]:
    """Return in which consultations which recipients are waited for."""
    sql = "SELECT DISTINCT consultation, peer FROM unsealed_for ORDER BY consultation, peer"
    return [(ConsultationId(row[0]), AuthorityId(row[1])) for row in driver_of(tx).execute(sql)]


def waiting_for(
    tx: Transaction, consultation: ConsultationId, peer: AuthorityId, limit: int
) -> list[RecordId]:
    """Return records of a consultation that wait for one recipient, in order."""
    sql = "SELECT record_id FROM unsealed_for WHERE consultation = ? AND peer = ? ORDER BY position LIMIT ?"
    return [RecordId(row[0]) for row in driver_of(tx).execute(sql, (consultation, peer, limit))]


def drop_for(tx: Transaction, peer: AuthorityId, ids: Iterable[RecordId]) -> None:
    """Note that records do not wait for a recipient any more."""
    sql = "DELETE FROM unsealed_for WHERE record_id = ? AND peer = ?"
    driver_of(tx).executemany(sql, [(one, peer) for one in ids])
