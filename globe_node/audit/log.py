# SPDX-License-Identifier: Apache-2.0
"""Appends acts to the audit log, inside the transaction of the act itself. It signs nothing.

1. An act and its entry are one transaction: neither exists without the other.
2. One call moves the tree once, however many acts it records.
3. Each year, and each life of the node, has a log of its own; its first entry names the size and root that
   the log before it had.
4. The log keeps nothing in memory that a transaction taken back would make untrue.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime

from globe_node.audit import records
from globe_node.audit.records import Shard
from globe_node.audit.vault import Vault
from globe_node.store.door import Transaction
from protocol.audit.events import AuditEvent, EventKind
from protocol.audit.leaf import EK_BYTES, build_entry
from protocol.errors import LocalProtocolError
from protocol.identifiers import AuthorityId, NodeId
from protocol.interfaces import Entropy
from protocol.tlog.merkle import Frontier


@dataclass(frozen=True, slots=True)
class LogName:
    """Whose log it is.

    Attributes:
        authority: the authority.
        node: the node of it.
        incarnation: the life of the node, 16 hex digits.
    """

    authority: AuthorityId
    node: NodeId
    incarnation: str

    def origin(self, year: int) -> str:
        """Return the one name that the log of a year has for ever.

        Spec: PROTOCOL.md section 13.
        """
        return f"audit.{self.authority}/{self.node}/{year}/{self.incarnation}"


class AuditLog:
    """The node's log.

    Args:
        name: whose log it is.
        vault: seals what opens an entry.
        entropy: 32 bytes for each entry are drawn.
    """

    def __init__(self, name: LogName, vault: Vault, entropy: Entropy) -> None:
        self.name = name
        self.vault = vault
        self._entropy = entropy

    def append(self, tx: Transaction, events: Sequence[AuditEvent]) -> list[int]:
        """Record acts, in order, in the caller's transaction.

        Returns:
            The index of each entry in the log of its year.

        Raises:
            LocalProtocolError: an event holds what has no place in an entry.

        Spec: PROTOCOL.md section 13.
        """
        if not events:
            return []
        shard = self._shard_for(tx, events[0].at)
        start = shard.frontier.size
        self._append_to(tx, shard, events)
        return list(range(start, start + len(events)))

    def _append_to(self, tx: Transaction, shard: Shard, events: Sequence[AuditEvent]) -> Frontier:
        drawn = self._entropy.random_bytes(EK_BYTES * len(events))
        row_id = records.row_id_of(shard.number, shard.frontier.size)
        rows, hashes = [], []
        for number, event in enumerate(events):
            entry = build_entry(event, drawn[EK_BYTES * number : EK_BYTES * (number + 1)])
            rows.append((row_id, entry.leaf, self.vault.seal(entry, row_id)))
            hashes.append(entry.leaf_hash)
            row_id += 1
        nodes: list[tuple[int, int, bytes]] = []
        frontier = shard.frontier.append(hashes, lambda *found: nodes.append(found))
        records.insert_entries(tx, rows)
        if nodes:
            records.insert_nodes(tx, shard.number, nodes)
        records.move_frontier(tx, shard.number, frontier)
        return frontier

    def _shard_for(self, tx: Transaction, at: datetime) -> Shard:
        """Return the log of this year and life; open it if it is the first entry there.

        A clock that went back over a new year does not reopen the log of the old one.
        """
        newest = records.newest_shard(tx)
        year = at.astimezone(UTC).year
        if newest is not None and newest.year >= year and newest.origin == self.name.origin(newest.year):
            return newest
        if newest is not None and newest.year > year:
            year = newest.year
        number = 1 if newest is None else newest.number + 1
        if number >= 1 << 22:
            raise LocalProtocolError("too many logs in one database")
        opened = Shard(number, self.name.origin(year), year, Frontier())
        records.insert_shard(tx, opened)
        return replace(opened, frontier=self._append_to(tx, opened, (_opening(newest, at),)))


def _opening(before: Shard | None, at: datetime) -> AuditEvent:
    if before is None:
        return AuditEvent(kind=EventKind.LOG_OPENED, at=at, result="first")
    return AuditEvent(
        kind=EventKind.LOG_OPENED,
        at=at,
        msg=before.origin,
        digest=before.frontier.root().hex(),
        result=f"size={before.frontier.size}",
    )
