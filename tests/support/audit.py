# SPDX-License-Identifier: Apache-2.0
"""An audit log for tests of whatever has to leave an entry."""

from datetime import datetime

from globe_node.audit import records
from globe_node.audit.log import AuditLog, LogName
from globe_node.audit.vault import DerivedPeriodKeys, Vault
from globe_node.store.door import Transaction
from keys.log_key import LogKey
from keys.secret import SecretBytes
from keys.storage_key import StorageKey
from protocol.audit.events import AuditEvent, EventKind
from protocol.identifiers import AuthorityId, NodeId
from tests.support.clock import START
from tests.support.entropy import SeededEntropy
from tests.support.store import INCARNATION

STORAGE_KEY = StorageKey(SecretBytes(bytes(range(32))))
LOG_KEY = LogKey.generate(SeededEntropy("log"))


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
        found.append(log.vault.open_entry(stored.leaf, stored.vault, stored.row_id))
    return [item for item in found if item.kind is not EventKind.LOG_OPENED]
