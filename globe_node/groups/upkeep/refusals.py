# SPDX-License-Identifier: Apache-2.0
"""Which members have a leaf and never came: they had no keys any more for the invitation. It sends nothing.

1. Such a leaf is nobody's: its member gets another one, by another key package. What it missed, it asks for.
   A leaf that was renewed since is somebody's: its member came back from outside.
2. Key packages of that node from before it refused are dead as well, and are not used again.
3. A member that refuses again and again is left alone for a day: each attempt is a commit for all others.
"""

from globe_node.delivery import outbox
from globe_node.groups.book import GroupBook
from globe_node.groups.links import LinkRow
from globe_node.groups.packages import records
from globe_node.store.door import Transaction
from protocol.errors import ReasonCode
from protocol.groups.membership import identity_in
from protocol.identifiers import AuthorityId
from protocol.mls.structures.nodes import LeafNodeSource

MOST_A_DAY = 3
_DAY_MS = 86_400_000


def refused_by(tx: Transaction, routing_id: bytes, now_ms: int) -> dict[AuthorityId, int]:
    """Return who had no keys for its newest invitation to a group, and when it said so."""
    found: dict[AuthorityId, list[outbox.SentRow]] = {}
    for row in outbox.invitations(tx, routing_id):
        found.setdefault(row.peer, []).append(row)
    return {
        peer: rows[-1].decided_ms
        for peer, rows in found.items()
        if _is_refused(rows[-1])
        and sum(_is_refused(one) and one.decided_ms > now_ms - _DAY_MS for one in rows) < MOST_A_DAY
    }


def dead_leaves(book: GroupBook, link: LinkRow) -> set[int]:
    """Return the leaves of members that never came; what is held of their key packages goes."""
    refused = refused_by(book.tx, link.routing_id, book.now_ms)
    for peer, at_ms in refused.items():
        known = records.peer_packages(book.tx, peer, unused=True)
        dead = [row.reference for row in known if row.stored_ms <= at_ms]
        records.drop_peer_packages(book.tx, peer, dead)
    group = book.require_group(link)
    invited = [one for one in group.tree.members() if one[1].source is LeafNodeSource.KEY_PACKAGE]
    return {number for number, leaf in invited if identity_in(leaf).name.authority in refused}


def _is_refused(row: outbox.SentRow) -> bool:
    return row.reason == ReasonCode.KEY_PACKAGE_GONE.value
