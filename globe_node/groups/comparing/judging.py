# SPDX-License-Identifier: Apache-2.0
"""What follows from a hub receipt that another member shows, and what we show of ours. It asks nobody.

1. A fork goes on: after it every commit leads elsewhere. So the receipts of the newest epoch that two members
   both know tell whether their groups are one; nothing older has to be shown.
2. Only two receipts of the hub that contradict each other count. What a member says beyond that, that it has
   none, or one that does not hold, changes nothing.
3. Nothing is shown to who is not on the roster, and nothing is taken from him.
4. The hub that counts is the one whose receipt of that epoch we have: it may have been another than now.
5. One proof is enough for a group: from then on no other is kept that a member shows.
"""

from collections.abc import Collection, Iterable
from dataclasses import dataclass, field

from globe_node.groups import records
from globe_node.groups.arriving import note_equivocation
from globe_node.groups.book import GroupBook
from globe_node.groups.comparing.wire import Shown
from globe_node.groups.links import GroupStatus, LinkRow
from globe_node.groups.members import equivocations
from globe_node.groups.members.comparisons import newest_commit
from globe_node.groups.workbench import Workbench
from globe_node.store.door import Transaction
from protocol.errors import RemoteProtocolError
from protocol.groups.testimony.hub_receipt import (
    HubReceipt,
    equivocation,
    parse_equivocation,
    parse_hub_receipt,
)
from protocol.identifiers import AuthorityId

_ANY_EPOCH = 2**62
"""Later than every epoch."""
_SHOWN = (GroupStatus.OPEN, GroupStatus.EQUIVOCATED)


@dataclass(frozen=True, slots=True)
class Found:
    """A hub that is convicted.

    Attributes:
        link: the group.
        receipt: one of the two, as values.
        proof: both, as octets.
    """

    link: LinkRow
    receipt: HubReceipt
    proof: bytes = field(repr=False)


def show(tx: Transaction, link: LinkRow, up_to: int = _ANY_EPOCH) -> Shown | None:
    """Return what we show of a group: the proof that we have, or our newest receipt up to an epoch."""
    if link.status not in _SHOWN:
        return None
    for row in equivocations.proofs_of(tx, link.group_id)[:1]:
        proof = parse_equivocation(row.proof)
        return Shown(link.group_id, proof.first, proof.second)
    commit = newest_commit(tx, link.group_id, up_to)
    return None if commit is None else Shown(link.group_id, commit.receipt)


def links_with(tx: Transaction, member: AuthorityId, group_ids: Collection[bytes]) -> dict[bytes, LinkRow]:
    """Return those of some groups that we share with a member."""
    links = records.links_by_group(tx, group_ids)
    return {link.group_id: link for link in links if link.status in _SHOWN and member in link.roster}


def judge(bench: Workbench, tx: Transaction, link: LinkRow, shown: Shown) -> Found | None:
    """Return what a member's receipt proves against the hub of a group, if anything."""
    if link.status is not GroupStatus.OPEN:
        return None
    try:
        receipt = parse_hub_receipt(shown.receipt)
        if (receipt.consultation, receipt.group_id) != (link.consultation, link.group_id):
            return None
        ours = _ours(tx, receipt)
        other = shown.second or ours
        if not other or other == shown.receipt:
            return None
        if str(receipt.hub) != (str(parse_hub_receipt(ours).hub) if ours else link.hub):
            return None
        proof = equivocation(other, shown.receipt, bench.register.state, bench.clock.now())
    except RemoteProtocolError:
        return None
    return Found(link, receipt, proof.to_bytes())


def keep(book: GroupBook, found: Iterable[Found]) -> None:
    """Keep proofs, raise the alarm, and say nothing more in those groups."""
    for one in found:
        link = book.link_of(one.link.consultation)
        if link is not None and link.group_id == one.link.group_id and link.status is GroupStatus.OPEN:
            note_equivocation(book, link, one.receipt, one.proof)


def epoch_shown(shown: Shown) -> int:
    """Return the epoch of a receipt; before all, if it is none."""
    try:
        return parse_hub_receipt(shown.receipt).epoch
    except RemoteProtocolError:
        return -1


def _ours(tx: Transaction, receipt: HubReceipt) -> bytes:
    placed = records.commit_at(tx, receipt.group_id, receipt.epoch)
    return b"" if placed is None else placed.receipt
