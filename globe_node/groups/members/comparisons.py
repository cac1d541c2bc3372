# SPDX-License-Identifier: Apache-2.0
"""Which receipts of hubs are still to be compared with which members: rows in, rows out.

A row is there from the transaction in which a receipt came until that member has answered; one row for each
group and member, whatever number of receipts came.
"""

from collections.abc import Iterable
from typing import NamedTuple

from globe_node.groups.links import LinkRow
from globe_node.groups.records import CommitRow
from globe_node.store.door import Transaction
from globe_node.store.driver import driver_of
from protocol.identifiers import AuthorityId, parse_node_name


class ComparisonRow(NamedTuple):
    """A group that is to be compared with a member.

    Attributes:
        epoch: whose receipt made it due.
    """

    peer: AuthorityId
    group_id: bytes
    epoch: int


def want(tx: Transaction, link: LinkRow, me: AuthorityId, epoch: int) -> None:
    """Let a group be compared with all its members; not with its hub, and not by it."""
    hub = parse_node_name(link.hub.encode()).authority
    if hub == me:
        return
    rows = [ComparisonRow(peer, link.group_id, epoch) for peer in link.roster if peer not in (me, hub)]
    driver_of(tx).executemany(
        "INSERT OR REPLACE INTO group_comparison (peer, group_id, epoch) VALUES (?, ?, ?)", rows
    )


def waiting_peers(tx: Transaction) -> list[AuthorityId]:
    """Return the members with whom something is to be compared."""
    sql = "SELECT DISTINCT peer FROM group_comparison ORDER BY peer"
    return [AuthorityId(row[0]) for row in driver_of(tx).execute(sql)]


def waiting(tx: Transaction, peer: AuthorityId, limit: int) -> list[ComparisonRow]:
    """Return some groups that are to be compared with a member."""
    sql = "SELECT peer, group_id, epoch FROM group_comparison WHERE peer = ? ORDER BY group_id LIMIT ?"
    return [ComparisonRow._make(row) for row in driver_of(tx).execute(sql, (peer, limit))]


def settle(tx: Transaction, rows: Iterable[ComparisonRow]) -> None:
    """Note that groups were compared; one for which another receipt came meanwhile is so again."""
    driver_of(tx).executemany(
        "DELETE FROM group_comparison WHERE peer = ? AND group_id = ? AND epoch = ?", list(rows)
    )


def newest_commit(tx: Transaction, group_id: bytes, up_to: int) -> CommitRow | None:
    """Return the commit of the newest epoch that is known here, up to one."""
    sql = (
        "SELECT group_id, epoch, octets, receipt, stored_ms FROM group_commit"
        " WHERE group_id = ? AND epoch <= ? ORDER BY epoch DESC LIMIT 1"
    )
    row = driver_of(tx).execute(sql, (group_id, up_to)).fetchone()
    return None if row is None else CommitRow._make(row)
