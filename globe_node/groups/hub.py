# SPDX-License-Identifier: Apache-2.0
"""What the hub of a group does in a transaction: gives a consultation its group, and changes who is in it.

1. A group has its id from the first moment, so envelopes can be framed before it exists.
2. Packages are marked as used in the transaction that stores what they were used for.
3. The hub's own commits stand in the same log as those of others: one commit for each epoch.
4. Along the epochs of a group the time of places never goes back, also when a clock does.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import replace

from globe_node.groups import changing, records
from globe_node.groups.book import GroupBook
from globe_node.groups.changing import Changed
from globe_node.groups.lineage import records as history_records
from globe_node.groups.links import GroupStatus, LinkRow
from globe_node.groups.members import comparisons
from globe_node.groups.packages import stock
from globe_node.groups.packages.leaf_keys import LeafKey, current_leaf_key
from globe_node.groups.packages.stock import UsablePackage
from globe_node.groups.records import CommitRow, ReturnRow
from protocol.audit.events import AuditEvent, EventKind
from protocol.envelope import routing_id_of
from protocol.errors import LocalProtocolError, ReasonCode
from protocol.groups.membership import identity_in
from protocol.groups.opening import founding_extension
from protocol.groups.policy import ProfilePolicy
from protocol.groups.profile import GROUP_ID_BYTES
from protocol.groups.sealed import Invitation
from protocol.groups.testimony.hub_receipt import (
    HubReceipt,
    commit_hash,
    parse_hub_receipt,
    verify_successive,
)
from protocol.groups.upkeep import returned_by
from protocol.identifiers import AuthorityId, ConsultationId, NodeName
from protocol.mls.group import Group

RETURNED = "returned"
"""What the audit log calls it when a member came back into a group from outside."""


def begin(book: GroupBook, consultation: ConsultationId, roster: Collection[AuthorityId]) -> LinkRow:
    """Give a new consultation a group that does not exist yet, with this node as its hub."""
    group_id = book.bench.entropy.random_bytes(GROUP_ID_BYTES)
    link = LinkRow(
        group_id=group_id,
        consultation=consultation,
        routing_id=routing_id_of(group_id),
        hub=str(book.bench.name),
        roster=tuple(sorted(roster)),
        status=GroupStatus.AWAITING_KEYS,
        epoch=0,
        changed_ms=book.now_ms,
    )
    book.put_link(link)
    return link


def find_packages(
    book: GroupBook, names: Iterable[NodeName]
) -> tuple[list[UsablePackage], list[AuthorityId]]:
    """Return a key package for each node, and those authorities of whom there is none."""
    found = {name: stock.find(book.bench, book.tx, name) for name in names}
    missing = [name.authority for name, package in found.items() if package is None]
    return [package for package in found.values() if package is not None], missing


def open_group(
    book: GroupBook, link: LinkRow, opening: bytes, packages: Sequence[UsablePackage]
) -> Mapping[AuthorityId, Invitation]:
    """Found the group of a consultation; return the invitations of its members.

    Args:
        book: the groups of the transaction.
        link: awaits keys.
        opening: the octets of the record that opens the consultation.
        packages: one for each other member; they are used up.

    Raises:
        LocalProtocolError: a package can't be used.
        NodeError: this node can certify no leaf key now.
    """
    names = sorted(identity_in(one.package.leaf_node).name for one in packages)
    policy = book.policy(one.certificate for one in packages)
    changed = changing.found(
        book.bench,
        book.tx,
        policy,
        group_id=link.group_id,
        extension=founding_extension(opening, names),
        packages=packages,
    )
    stock.mark(book.bench, book.tx, packages)
    book.enter(link, changed.group, policy)
    return changed.invitations


def change_members(
    book: GroupBook, link: LinkRow, packages: Sequence[UsablePackage], removed: Collection[AuthorityId]
) -> Changed:
    """Take authorities into an open group of ours, and out of it, by one commit.

    Raises:
        LocalProtocolError: we are not the hub, or a package can't be used.
        NodeError: this node can sign nothing now.
    """
    group = book.require_group(link)
    own = _newer_leaf(book, group)
    policy = policy_of_place(book, group, _certificates_that_come(packages, own))
    changed = changing.change(book.bench, group, policy, packages=packages, removed=removed, own=own)
    return _enter(book, link, policy, packages, changed)


def mend(
    book: GroupBook,
    link: LinkRow,
    packages: Sequence[UsablePackage],
    *,
    leaves: Collection[int],
) -> Changed:
    """Take leaves out of an open group of ours, and give one to members who lack it, by one commit.

    It renews our own keys like every commit of ours, so it may do nothing else.

    Raises:
        LocalProtocolError: as for `change_members`.
        NodeError: this node can sign nothing now.
    """
    group = book.require_group(link)
    own = _newer_leaf(book, group)
    policy = policy_of_place(book, group, _certificates_that_come(packages, own))
    changed = changing.mend(book.bench, group, policy, packages=packages, leaves=leaves, own=own)
    return _enter(book, link, policy, packages, changed)


def _enter(
    book: GroupBook,
    link: LinkRow,
    policy: ProfilePolicy,
    packages: Sequence[UsablePackage],
    changed: Changed,
) -> Changed:
    """Log the commit of a change, go on in the epoch after it, and say where the group is from."""
    if changed.commit is not None:
        log_commit(book, link, changed.group.epoch - 1, changed.commit.commit, changed.commit.receipt)
    stock.mark(book.bench, book.tx, packages)
    book.enter(link, changed.group, policy)
    for history in history_records.histories_of(book.tx, [link.group_id]).values():
        invitations = {name: replace(one, history=history) for name, one in changed.invitations.items()}
        changed = replace(changed, invitations=invitations)
    return changed


def hand_over(book: GroupBook, link: LinkRow, to: NodeName) -> Changed:
    """Make another member the hub of an open group of ours.

    Raises:
        LocalProtocolError: as for `change_members`.
        NodeError: this node can sign nothing now.
    """
    group = book.require_group(link)
    own = _newer_leaf(book, group)
    policy = policy_of_place(book, group, _certificates_that_come((), own))
    return _enter(book, link, policy, (), changing.hand_over(book.bench, group, policy, hub=to, own=own))


def _newer_leaf(book: GroupBook, group: Group) -> LeafKey | None:
    """Return our leaf key of now, if our leaf has another one."""
    leaf = current_leaf_key(book.bench, book.tx)
    return None if leaf.pair.public == group.own_leaf_node.signature_key else leaf


def _certificates_that_come(packages: Sequence[UsablePackage], own: LeafKey | None) -> list[bytes]:
    return [*(one.certificate for one in packages), *((own.certificate,) if own is not None else ())]


def policy_of_place(book: GroupBook, group: Group, certificates: Iterable[bytes]) -> ProfilePolicy:
    """Return the rules for a commit that gets its place now: not before the last one, whatever time it is."""
    policy, last = book.policy(certificates), _last_place(book, group.group_id, group.epoch)
    return policy if last is None else replace(policy, at=max(policy.at, last.created))


def verify_order(book: GroupBook, receipt: HubReceipt) -> None:
    """Check that a receipt, which is verified, follows the one before it, if that is known here.

    Raises:
        ConflictError: it is of an earlier time.
    """
    last = _last_place(book, receipt.group_id, receipt.epoch)
    if last is not None:
        verify_successive(last, receipt)


def _last_place(book: GroupBook, group_id: bytes, epoch: int) -> HubReceipt | None:
    """Return the receipt of the commit that led to an epoch, if it is known here."""
    row = records.commit_at(book.tx, group_id, epoch - 1)
    return None if row is None else parse_hub_receipt(row.receipt)


def log_commit(book: GroupBook, link: LinkRow, epoch: int, commit: bytes, receipt: bytes) -> None:
    """Give a commit its place in the order of its group, and let its receipt be compared with other members.

    It is noted if somebody came back from outside by it.

    Raises:
        LocalProtocolError: another one has it (`id_conflict`).
    """
    row = CommitRow(link.group_id, epoch, commit, receipt, book.now_ms)
    if not records.add_commit(book.tx, row):
        raise LocalProtocolError("a place that is taken by another commit", code=ReasonCode.ID_CONFLICT)
    comparisons.want(book.tx, link, book.bench.name.authority, epoch)
    name = returned_by(commit)
    if name is not None:
        records.add_return(book.tx, ReturnRow(link.group_id, epoch + 1, *name, book.now_ms))
        note_return(book, link, name, commit)


def note_return(book: GroupBook, link: LinkRow, name: NodeName, commit: bytes) -> None:
    """Raise an alarm: a member came back from outside. It lost its secrets, or somebody else has its keys."""
    event = AuditEvent(
        kind=EventKind.ALARM,
        at=book.bench.clock.now(),
        peer=str(name),
        case=link.consultation,
        digest=commit_hash(commit),
        result=RETURNED,
    )
    book.bench.audit.append(book.tx, [event])
