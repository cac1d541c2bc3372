# SPDX-License-Identifier: Apache-2.0
"""An audit log for tests of whatever has to leave an entry."""

from datetime import datetime

from globe_node.audit import records
from globe_node.audit.log import AuditLog, LogName
from globe_node.audit.vault import DerivedPeriodKeys, Vault
from globe_node.store.door import Transaction
from keys.secret import SecretBytes
from keys.storage_key import StorageKey
from protocol.audit.events import AuditEvent, EventKind
from protocol.audit.leaf import parse_leaf, verify_entry
from protocol.identifiers import AuthorityId, NodeId
from protocol.tlog.merkle import leaf_hash
from tests.support.clock import START
from tests.support.entropy import SeededEntropy
from tests.support.store import INCARNATION

STORAGE_KEY = StorageKey(SecretBytes(bytes(range(32))))


def audit_log(
    authority: str = "xa-acc",
    *,
    incarnation: str = INCARNATION,
    storage: StorageKey = STORAGE_KEY,
    seed: int | str = "audit",
) -> AuditLog:
    """The audit log of a sample authority's node `main`."""
    name = LogName(AuthorityId(authority), NodeId("main"), incarnation)
    return AuditLog(name, Vault(DerivedPeriodKeys(storage)), SeededEntropy(seed))


def event(kind: EventKind = EventKind.RECEIVED, at: datetime = START, msg: str = "") -> AuditEvent:
    """One act."""
    return AuditEvent(kind=kind, at=at, msg=msg, peer="xb-acc", result="ok")


def recorded(tx: Transaction, log: AuditLog) -> list[AuditEvent]:
    """Every act in the log, opened, except that a log was opened."""
    found = []
    for stored in records.all_entries(tx):
        assert stored.vault is not None
        secret = log.vault.open_sealed(
            stored.vault,
            period=parse_leaf(stored.leaf).period,
            leaf_hash=leaf_hash(stored.leaf),
            row_id=stored.row_id,
        )
        found.append(verify_entry(stored.leaf, secret))
    return [item for item in found if item.kind is not EventKind.LOG_OPENED]
