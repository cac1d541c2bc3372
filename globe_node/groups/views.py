# SPDX-License-Identifier: Apache-2.0
"""Reading how the group of a consultation stands. It changes nothing and opens no secret.

Membership is confirmed when every member that joined has said that it sees the group that we see. The hub has
signed the invitation of everybody else, so it need not say so.
"""

from collections.abc import Collection
from dataclasses import dataclass

from globe_node.groups import records
from globe_node.groups.links import GroupStatus
from globe_node.store.door import Transaction
from protocol.identifiers import AuthorityId, ConsultationId


@dataclass(frozen=True, slots=True)
class GroupView:
    """The group of one consultation.

    Attributes:
        status: how it stands with this node.
        epoch: the newest epoch that this node knows of.
        members: the authorities in it, sorted.
        confirmed: whether all of them are known to see what we see.
        unconfirmed: members that have not said so yet, sorted.
        disagreeing: members that see another group, sorted.
    """

    status: GroupStatus
    epoch: int
    members: tuple[AuthorityId, ...]
    confirmed: bool
    unconfirmed: tuple[AuthorityId, ...]
    disagreeing: tuple[AuthorityId, ...]


def views_of(
    tx: Transaction, me: AuthorityId, consultations: Collection[ConsultationId]
) -> dict[ConsultationId, GroupView]:
    """Return the groups of the named consultations that have one.

    Args:
        tx: a read will do.
        me: this authority.
        consultations: which.
    """
    found: dict[ConsultationId, GroupView] = {}
    for consultation, link in records.links_of(tx, consultations).items():
        said = {row.authority: row.agrees for row in records.members_of(tx, [link.group_id])}
        hub = link.hub.partition("/")[0]
        joiners = [one for one in link.roster if one not in (me, hub)]
        agreeing = [one for one in joiners if said.get(one) is True]
        found[consultation] = GroupView(
            status=link.status,
            epoch=link.epoch,
            members=link.roster,
            confirmed=link.status is GroupStatus.OPEN and agreeing == joiners,
            unconfirmed=tuple(one for one in joiners if one not in said),
            disagreeing=tuple(one for one in joiners if said.get(one) is False),
        )
    return found
