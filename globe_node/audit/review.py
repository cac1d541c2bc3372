# SPDX-License-Identifier: Apache-2.0
"""What a reader of the audit log may ask: its entries, opened. It changes nothing and judges nothing."""

from collections.abc import Collection
from dataclasses import dataclass

from globe_node.audit import records
from globe_node.audit.vault import Vault
from globe_node.store.door import Transaction
from protocol.audit.events import AuditEvent, EventKind
from protocol.errors import RemoteProtocolError


@dataclass(frozen=True, slots=True)
class Question:
    """Which entries are asked for; what is empty asks for all.

    Attributes:
        kinds: kinds of acts.
        peer: the other authority.
        case: the consultation.
        msg: the record, or envelope.
    """

    kinds: Collection[EventKind] = ()
    peer: str = ""
    case: str = ""
    msg: str = ""

    def fits(self, event: AuditEvent) -> bool:
        """Say whether an act is asked for."""
        return (
            (not self.kinds or event.kind in self.kinds)
            and (not self.peer or event.peer == self.peer or event.peer.startswith(f"{self.peer}/"))
            and (not self.case or event.case == self.case)
            and (not self.msg or event.msg == self.msg)
        )


@dataclass(frozen=True, slots=True)
class ReviewedEntry:
    """One entry, opened.

    Attributes:
        origin: the log it is in.
        index: its place there.
        event: the act; None if the entry can't be opened: `audit verify` says why.
        signed: True if a checkpoint covers it.
    """

    origin: str
    index: int
    event: AuditEvent | None
    signed: bool


def newest_entries(
    tx: Transaction, vault: Vault, *, limit: int, question: Question | None = None
) -> list[ReviewedEntry]:
    """Return the newest entries that are asked for, newest first.

    Args:
        tx: one view of the database.
        vault: opens the entries.
        limit: how many at most.
        question: which; None for all. Entries that can't be opened are always among them.
    """
    wanted = question or Question()
    found: list[ReviewedEntry] = []
    for number, origin, _, _ in reversed(records.shard_rows(tx)):
        last = records.newest_checkpoint(tx, number)
        signed = 0 if last is None else last.size
        for stored in records.entries_backwards(tx, number):
            event = _open(vault, stored)
            if event is None or wanted.fits(event):
                found.append(ReviewedEntry(origin, stored.index, event, stored.index < signed))
                if len(found) >= limit:
                    return found
    return found


def _open(vault: Vault, stored: records.StoredEntry) -> AuditEvent | None:
    if stored.vault is None:
        return None
    try:
        return vault.open_entry(stored.leaf, stored.vault, stored.row_id)
    except RemoteProtocolError:
        return None
