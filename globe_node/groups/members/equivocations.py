# SPDX-License-Identifier: Apache-2.0
"""Proofs that a hub gave one place to two commits: found by its own receipts, kept, and never forgotten.

1. A receipt for a place that is taken is compared with the one that is known; only two that contradict each
   other are a proof, and it needs nothing but the directory.
2. Who holds a proof says nothing more in the group. What comes is still read. The proof stays in backups.
"""

from hashlib import sha256
from typing import NamedTuple

from globe_node.groups.workbench import Workbench
from globe_node.store.door import Transaction
from globe_node.store.driver import driver_of
from protocol.audit.events import AuditEvent, EventKind
from protocol.errors import RemoteProtocolError
from protocol.groups.testimony.hub_receipt import HubReceipt, equivocation
from protocol.identifiers import ConsultationId

EQUIVOCATION = "equivocation"


class EquivocationRow(NamedTuple):
    """A proof.

    Attributes:
        epoch: whose place was given twice.
        proof: an `EquivocationProof` as octets.
    """

    group_id: bytes
    epoch: int
    proof: bytes
    stored_ms: int


def proof_of(bench: Workbench, known: bytes, came: bytes) -> bytes | None:
    """Return the proof that two receipts of one place contradict each other, or None if they do not."""
    try:
        return equivocation(known, came, bench.register.state, bench.clock.now()).to_bytes()
    except RemoteProtocolError:
        return None


def keep(
    bench: Workbench, tx: Transaction, consultation: ConsultationId, receipt: HubReceipt, proof: bytes
) -> None:
    """Store a proof and raise the alarm, once for each place."""
    added = driver_of(tx).execute(
        "INSERT OR IGNORE INTO group_equivocation (group_id, epoch, proof, stored_ms) VALUES (?, ?, ?, ?)",
        EquivocationRow(receipt.group_id, receipt.epoch, proof, bench.now_ms()),
    )
    if added.rowcount != 1:
        return
    bench.log.error("a hub gave one place to two commits", peer=receipt.hub.authority)
    alarm = AuditEvent(
        kind=EventKind.ALARM,
        at=bench.clock.now(),
        peer=str(receipt.hub),
        case=consultation,
        digest=sha256(proof).hexdigest(),
        result=EQUIVOCATION,
    )
    bench.audit.append(tx, [alarm])


def found_since(tx: Transaction, since_ms: int) -> list[ConsultationId]:
    """Return the consultations about whose hubs a proof was found after a moment."""
    sql = (
        "SELECT DISTINCT l.consultation FROM group_equivocation AS e"
        " JOIN group_link AS l ON l.group_id = e.group_id WHERE e.stored_ms > ? ORDER BY l.consultation"
    )
    return [ConsultationId(row[0]) for row in driver_of(tx).execute(sql, (since_ms,))]


def proofs_about(tx: Transaction, consultation: ConsultationId, limit: int) -> list[bytes]:
    """Return some proofs about the groups that a consultation has had, the oldest first."""
    sql = (
        "SELECT e.proof FROM group_equivocation AS e JOIN group_link AS l ON l.group_id = e.group_id"
        " WHERE l.consultation = ? ORDER BY e.stored_ms, e.group_id, e.epoch LIMIT ?"
    )
    return [row[0] for row in driver_of(tx).execute(sql, (consultation, limit))]


def proofs_of(tx: Transaction, group_id: bytes) -> list[EquivocationRow]:
    """Return the proofs about a group, in the order of its epochs."""
    sql = "SELECT group_id, epoch, proof, stored_ms FROM group_equivocation WHERE group_id = ? ORDER BY epoch"
    return [EquivocationRow._make(row) for row in driver_of(tx).execute(sql, (group_id,))]
