# SPDX-License-Identifier: Apache-2.0
"""What must hold of groups whatever happened: nobody is left out, and nobody gets what he can't read.

Node by node these look at the links and states in the databases, and at why messages were rejected.
"""

from collections.abc import Iterator, Mapping
from datetime import timedelta

from globe_node.groups.links import GroupStatus, LinkRow
from globe_node.groups.records import links_of, returns_of, revisions_of
from globe_node.groups.views import views_of
from globe_node.store.door import Transaction
from globe_node.store.driver import driver_of
from protocol.groups.upkeep import RESYNC_PAUSE
from protocol.identifiers import AuthorityId, ConsultationId

Links = Mapping[str, Mapping[str, LinkRow]]
"""What each node knows of the group of each consultation."""
_DAY_MS = RESYNC_PAUSE // timedelta(milliseconds=1)


def links_in(databases: Mapping[str, Transaction]) -> Links:
    """Return all links of all nodes."""
    found: dict[str, dict[str, LinkRow]] = {}
    for name, tx in databases.items():
        ids = [ConsultationId(row[0]) for row in driver_of(tx).execute("SELECT consultation FROM group_link")]
        found[name] = {str(one): link for one, link in links_of(tx, ids).items()}
    return found


def is_dead(links: Links, consultation: str) -> bool:
    """Say whether all who were in a group lost its secrets: nobody can show it to anybody any more."""
    known = [of_node[consultation].status for of_node in links.values() if consultation in of_node]
    return GroupStatus.LOST in known and GroupStatus.OPEN not in known


def is_paced(databases: Mapping[str, Transaction], link: LinkRow, name: str, now_ms: int) -> bool:
    """Say whether a node has lost a group and may not come back yet: its last return is younger than a day.

    A hub keeps that in mind for its members, and they for their hub.
    """
    hub = link.hub.partition("/")[0]
    heard = [databases[hub]] if hub != name else [tx for other, tx in databases.items() if other != name]
    last = [row.at_ms for tx in heard for row in returns_of(tx, link.group_id) if row.authority == name]
    return link.status is GroupStatus.LOST and max(last, default=0) > now_ms - _DAY_MS


def lacks_members(links: Links) -> bool:
    """Say whether somebody has lost a group into which it can come back."""
    return any(
        link.status is GroupStatus.LOST and not is_dead(links, consultation)
        for of_node in links.values()
        for consultation, link in of_node.items()
    )


def left_out(databases: Mapping[str, Transaction]) -> Iterator[str]:
    """Every member must be in the group as its hub is: same epoch, same members, with secrets, agreeing.

    A group stays lost only if all who were in it have lost it.
    """
    links = links_in(databases)
    for name, of_node in links.items():
        for consultation, link in of_node.items():
            hub = link.hub.partition("/")[0]
            if link.status is GroupStatus.LOST and not is_dead(links, consultation):
                yield f"group: {name} has lost {consultation} and is not back"
            if link.status is GroupStatus.OPEN:
                yield from _torn(databases[name], name, link)
            if hub == name and link.status is GroupStatus.OPEN:
                for member in sorted(set(link.roster) - {name}):
                    yield from _apart(member, links[member].get(consultation), link)


def _torn(tx: Transaction, name: str, link: LinkRow) -> Iterator[str]:
    if not revisions_of(tx, [link.group_id]):
        yield f"group: the secrets of {link.consultation} are not at {name}"
    view = views_of(tx, AuthorityId(name), [link.consultation])[link.consultation]
    yield from (f"group: {name} and {peer} differ in {link.consultation}" for peer in view.disagreeing)


def _apart(member: str, theirs: LinkRow | None, hub: LinkRow) -> Iterator[str]:
    if theirs is None:
        yield f"group: {member} never came into {hub.consultation}"
    elif theirs.status is not GroupStatus.OPEN:
        yield f"group: {member} is {theirs.status} in {hub.consultation}, its hub knows it as a member"
    elif (theirs.group_id, theirs.epoch, theirs.roster) != (hub.group_id, hub.epoch, hub.roster):
        yield f"group: {member} is in epoch {theirs.epoch} of {hub.consultation}, its hub in {hub.epoch}"
