# SPDX-License-Identifier: Apache-2.0
"""The table of records that wait to be sealed: rows in, rows out. Why they wait is not known here."""

from collections.abc import Collection, Iterable, Mapping

from globe_node.store.door import Transaction
from globe_node.store.driver import driver_of
from protocol.identifiers import ConsultationId, Digest, RecordId


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
