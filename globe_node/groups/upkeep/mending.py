# SPDX-License-Identifier: Apache-2.0
"""What the hub does in a transaction for a group that is not as it should be: takes leaves out and in.

1. A leaf that no longer stands goes, and one whose member has made no commit for too long. Who belongs to the
   consultation stays as it is: that is for people to change, with a record.
2. A member whose node in use has no leaf gets one, as soon as a key package of that node is here; leaves of
   its former nodes go with the same commit.
   So does one that had no keys any more for its invitation: see `refusals`.
3. If the leaf of the hub itself fell with its key, the commit brings it a new one.
4. A successor that has continued a group gives it back to the hub of before, when nothing else is to be done.
5. Commit, receipt, log, envelopes and audit entries are one transaction. What it did follows from the group
   and the directory alone, so after a crash before it the same is done again.
"""

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, field

from globe_node.delivery.outbox import Outgoing
from globe_node.groups import hub
from globe_node.groups.book import GroupBook
from globe_node.groups.links import GroupStatus, LinkRow
from globe_node.groups.members import leaves
from globe_node.groups.members.parcels import parcel_of
from globe_node.groups.packages.stock import UsablePackage
from globe_node.groups.succession import founding
from globe_node.groups.upkeep.refusals import dead_leaves
from globe_node.groups.workbench import moment_at
from protocol.audit.events import AuditEvent, EventKind
from protocol.errors import ProtocolError
from protocol.groups.membership import identity_in
from protocol.groups.upkeep import is_silence_over
from protocol.identifiers import AuthorityId, Digest, NodeName

REMOVED, RETURNED, RENEWED, SILENT, HUB = "removed", "returned", "renewed", "silent", "hub"


@dataclass(frozen=True, slots=True)
class Mended:
    """What was done for one group.

    Attributes:
        outgoing: what its members get.
        events: for the audit log.
        missing: members who lack a leaf, and of whom there is no key package.
    """

    outgoing: Sequence[Outgoing] = ()
    events: Sequence[AuditEvent] = ()
    missing: frozenset[AuthorityId] = field(default_factory=frozenset)


def mend(book: GroupBook, link: LinkRow) -> Mended:
    """Put a group of ours in order, as far as it can be done now.

    Raises:
        NotKnownYetError: a certificate that should have been kept is missing.
        LocalProtocolError: a rule would be broken.
        NodeError: this node can sign nothing now.
    """
    if link.status is not GroupStatus.OPEN or link.hub != str(book.bench.name):
        return Mended()
    fallen = {one.leaf: one.code.value for one in book.members.fallen(link)} | _silent(book, link)
    gone = fallen.keys() | dead_leaves(book, link)
    packages, missing = hub.find_packages(book, _without_leaf(book, link, gone))
    if fallen or packages:
        return _commit(book, link, fallen, packages, missing)
    return _hand_back(book, link, frozenset(missing))


def _hand_back(book: GroupBook, link: LinkRow, missing: frozenset[AuthorityId]) -> Mended:
    """Let the node of whoever opened the consultation be the hub again, if we are only its successor."""
    to = founding.requester_node(book, link)
    if to is None:
        return Mended(missing=missing)
    peers = book.members.present(link) - {book.bench.name.authority}
    commit = hub.hand_over(book, link, to).commit
    if commit is None:
        return Mended(missing=missing)
    outgoing = [parcel_of(book.bench, book.tx, link, commit, peers=peers, now_ms=book.now_ms)]
    return Mended(outgoing, _events(book, link, commit.digest, [(to, HUB)]), missing)


def _commit(
    book: GroupBook,
    link: LinkRow,
    fallen: dict[int, str],
    packages: Sequence[UsablePackage],
    missing: Iterable[AuthorityId],
) -> Mended:
    group, peers = book.require_group(link), book.members.present(link) - {book.bench.name.authority}
    members = {number: identity_in(leaf).name for number, leaf in group.tree.members()}
    coming = [identity_in(one.package.leaf_node).name for one in packages]
    renewed = {one.authority for one in coming}
    former = {number for number, name in members.items() if name.authority in renewed}
    going = sorted((fallen.keys() | former) - {group.own_leaf})
    changed = hub.mend(book, link, packages, leaves=going)
    if changed.commit is None:
        return Mended()
    bench, now_ms = book.bench, book.now_ms
    outgoing = [parcel_of(bench, book.tx, link, changed.commit, peers=peers, now_ms=now_ms)] if peers else []
    for name, one in changed.invitations.items():
        outgoing.append(parcel_of(bench, book.tx, link, one, peers=[name], now_ms=now_ms))
    told = [(members[one], f"{REMOVED} {fallen[one]}" if one in fallen else REMOVED) for one in going]
    told += [(name, RETURNED) for name in coming]
    told += [(book.bench.name, RENEWED)] if group.own_leaf in fallen else []
    return Mended(outgoing, _events(book, link, changed.commit.digest, told), frozenset(missing))


def _events(
    book: GroupBook, link: LinkRow, digest: Digest, told: Iterable[tuple[NodeName, str]]
) -> list[AuditEvent]:
    return [
        AuditEvent(
            kind=EventKind.GROUP_CHANGE,
            at=book.bench.clock.now(),
            peer=str(name),
            case=link.consultation,
            digest=digest,
            result=result,
        )
        for name, result in told
    ]


def _silent(book: GroupBook, link: LinkRow) -> dict[int, str]:
    """Return the leaves of members that have made no commit for too long."""
    now, me = book.bench.clock.now(), book.bench.name
    rows = leaves.leaves_of(book.tx, [link.group_id])
    over = [row for row in rows if row.name != me and is_silence_over(moment_at(row.since_ms), now)]
    return {row.leaf: SILENT for row in over}


def _without_leaf(book: GroupBook, link: LinkRow, gone: Collection[int]) -> list[NodeName]:
    """Return the nodes in use of members that have no leaf but those that are gone."""
    group, directory, now = book.require_group(link), book.bench.register.state, book.bench.clock.now()
    there = {identity_in(leaf).name for number, leaf in group.tree.members() if number not in gone}
    found = []
    for authority in link.roster:
        if authority == book.bench.name.authority:
            continue
        try:
            name = NodeName(authority, directory.require_active_node(authority, now).node)
        except ProtocolError:
            continue
        if name not in there:
            found.append(name)
    return found
