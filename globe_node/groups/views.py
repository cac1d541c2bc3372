# SPDX-License-Identifier: Apache-2.0
"""Reading how the group of a consultation stands. It changes nothing and opens no secret.

Membership is confirmed when every member that joined has said that it sees the group that we see. Who founded
the group has signed the invitation of everybody else, so it need not say so.
"""

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from datetime import datetime

from globe_node.groups import records
from globe_node.groups.lineage.records import histories_of
from globe_node.groups.links import GroupStatus
from globe_node.groups.members import equivocations, leaves
from globe_node.groups.workbench import moment_at
from globe_node.store.door import Transaction
from protocol.groups.testimony.continued import parse_continued
from protocol.identifiers import AuthorityId, ConsultationId, NodeName
from protocol.octets import base64_text


@dataclass(frozen=True, slots=True)
class Return:
    """A node that came back into a group from outside: it lost its secrets, or somebody else has its keys.

    Attributes:
        node: `authority/node`.
        epoch: the first one that it is in again.
        at: when this node learned of it.
    """

    node: str
    epoch: int
    at: datetime


@dataclass(frozen=True, slots=True)
class Continuation:
    """A successor that continued the consultation in another group, since its hub was gone.

    Attributes:
        by: `authority/node` of the successor.
        at: when, as it says.
        epoch: the last one of the group before that it knew.
    """

    by: str
    at: datetime
    epoch: int


@dataclass(frozen=True, slots=True)
class GroupView:
    """The group of one consultation.

    Attributes:
        status: how it stands with this node.
        hub: `authority/node` of whoever orders its changes.
        epoch: the newest epoch that this node knows of.
        members: the authorities in it, sorted.
        confirmed: whether all of them are known to see what we see.
        unconfirmed: members that have not said so yet, sorted.
        disagreeing: members that see another group, sorted.
        absent: members without a leaf: they can't read what is said now, sorted.
        fallen: members with a leaf that no longer stands; nothing is sent until the hub has removed it.
        silent: members that have long made no commit.
        proof: that its hub gave one place to two commits, base64 of octets that verify alone; empty if none.
        returned: nodes that came back from outside, in order.
        continued: successors that continued the consultation, in order.
    """

    status: GroupStatus
    hub: str
    epoch: int
    members: tuple[AuthorityId, ...]
    confirmed: bool
    unconfirmed: tuple[AuthorityId, ...]
    disagreeing: tuple[AuthorityId, ...]
    absent: tuple[AuthorityId, ...] = ()
    fallen: tuple[AuthorityId, ...] = ()
    silent: tuple[AuthorityId, ...] = ()
    proof: str = ""
    returned: tuple[Return, ...] = ()
    continued: tuple[Continuation, ...] = ()


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
        rows = leaves.leaves_of(tx, [link.group_id])
        came: dict[AuthorityId, int] = {}
        for row in rows:
            came[row.authority] = max(row.came_epoch, came.get(row.authority, 0))
        said = {
            row.authority: row.agrees
            for row in records.members_of(tx, [link.group_id])
            if row.epoch >= came.get(row.authority, 0)
        }
        continued = _continued(tx, link.group_id)
        founder = (continued[-1].by if continued else link.hub).partition("/")[0]
        absent = tuple(one for one in link.roster if rows and one not in came)
        joiners = [one for one in link.roster if one not in (me, founder, *absent)]
        agreeing = [one for one in joiners if said.get(one) is True]
        found[consultation] = GroupView(
            status=link.status,
            hub=link.hub,
            epoch=link.epoch,
            members=link.roster,
            confirmed=link.status is GroupStatus.OPEN and agreeing == joiners,
            unconfirmed=tuple(one for one in joiners if one not in said),
            disagreeing=tuple(one for one in joiners if said.get(one) is False),
            absent=absent,
            fallen=_sorted(row.authority for row in rows if row.fallen),
            silent=_sorted(row.authority for row in rows if row.silent),
            proof="".join(base64_text(row.proof) for row in equivocations.proofs_of(tx, link.group_id)[:1]),
            returned=tuple(
                Return(f"{row.authority}/{row.node}", row.epoch, moment_at(row.at_ms))
                for row in records.returns_of(tx, link.group_id)
            ),
            continued=continued,
        )
    return found


def _continued(tx: Transaction, group_id: bytes) -> tuple[Continuation, ...]:
    statements = histories_of(tx, [group_id]).get(group_id, ())
    steps = [parse_continued(one) for one in statements]
    return tuple(Continuation(str(one.name), one.created, one.epoch) for one in steps)


def returned_ms(tx: Transaction, group_id: bytes, name: NodeName) -> int:
    """Return when a node last came back into a group from outside, or 0."""
    found = [row.at_ms for row in records.returns_of(tx, group_id) if (row.authority, row.node) == name]
    return found[-1] if found else 0


def _sorted(names: Iterable[AuthorityId]) -> tuple[AuthorityId, ...]:
    return tuple(sorted(set(names)))
