# SPDX-License-Identifier: Apache-2.0
"""What a member does for its own leaf, in transactions: renews its keys, comes back, learns what came first.

The questions to the hub are asked by `member`. A commit that was made here is used only with the receipt of
the hub; until then the group goes on in its epoch.

1. What a commit used up is stored before the commit leaves.
2. Who comes back believes nothing that does not hold in itself, is of this consultation and hub, and is at
   least as new as what it last knew; it takes the place of its own old leaf, with another leaf key.
3. Who is not in the tree any more has left, or waits for the hub to give it a new leaf.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field, replace

from globe_node.groups import records
from globe_node.groups.arriving import leave, note_equivocation, take_ordered
from globe_node.groups.book import GroupBook
from globe_node.groups.hub import log_commit, verify_order
from globe_node.groups.links import GroupStatus, LinkRow
from globe_node.groups.members import equivocations
from globe_node.groups.packages.leaf_keys import current_leaf_key, draft_of, new_leaf_key
from globe_node.groups.returning.wire import CommitAnswer, CommitRequest, InfoAnswer, Place
from protocol.errors import LocalProtocolError, UntrustedError
from protocol.groups.membership import identity_in
from protocol.groups.profile import parse_context_extensions
from protocol.groups.sealed import OrderedCommit
from protocol.groups.testimony.hub_receipt import verify_hub_receipt, verify_outcome, verify_place
from protocol.groups.upkeep import returned_by
from protocol.identifiers import is_owned
from protocol.mls.commits import CommitDraft, create_commit, install
from protocol.mls.group import Group, past_of
from protocol.mls.joining import ExternalDraft, OpenGroup, join_externally, open_group_info
from protocol.mls.suites import PRODUCT_SUITE


@dataclass(frozen=True, slots=True)
class Pending:
    """A commit of ours that has no place yet.

    Attributes:
        request: what the hub is asked.
        next_group: the epoch that it leads to.
        certificates: that the new epoch needs.
    """

    request: CommitRequest
    next_group: Group = field(repr=False)
    certificates: tuple[bytes, ...] = field(repr=False)

    @property
    def is_return(self) -> bool:
        """Whether it comes from outside."""
        return returned_by(self.request.commit) is not None

    def is_among(self, places: Iterable[Place]) -> bool:
        """Say whether it has one of some places."""
        return any(one.commit == self.request.commit for one in places)


def renew(book: GroupBook, link: LinkRow) -> Pending:
    """Make a commit that renews our keys in an open group; its leaf key as well, if there is a newer one.

    Raises:
        LocalProtocolError: the group is not here, or a rule would be broken.
        NodeError: this node can certify no leaf key now.
    """
    group = book.require_group(link)
    leaf = current_leaf_key(book.bench, book.tx)
    ours = group.tree.leaf(group.own_leaf)
    is_new = ours is None or leaf.pair.public != ours.signature_key
    policy = book.policy([leaf.certificate])
    draft = CommitDraft(new_leaf=draft_of(leaf, book.bench.entropy) if is_new else None)
    pending = create_commit(group, draft, policy, book.bench.entropy)
    if pending.group is None:
        raise LocalProtocolError("a commit from outside")
    book.put_group(pending.group)
    certificate = leaf.certificate if is_new else b""
    request = CommitRequest(link.group_id, pending.message, certificate)
    return Pending(request, pending.next_group, (leaf.certificate,))


def open_shown(link: LinkRow, answer: InfoAnswer) -> OpenGroup:
    """Read what somebody shows of a group that we have lost.

    Raises:
        RemoteProtocolError: it does not hold in itself, or is another group, or an older one.
    """
    found = open_group_info(PRODUCT_SUITE, answer.info)
    context = found.info.group_context
    extension = parse_context_extensions(context.extensions)
    told = (context.group_id, extension.consultation)
    if told != (link.group_id, link.consultation) or context.epoch < link.epoch:
        raise UntrustedError("another group than the one that was lost, or an older one")
    if str(extension.hub) != link.hub and not is_owned(link.consultation, extension.hub.authority):
        raise UntrustedError("a group whose hub is neither that of before nor whoever opened it")
    return found


def come_back(book: GroupBook, link: LinkRow, answer: InfoAnswer) -> Pending | None:
    """Make the commit that brings us back into a group; None if we are not in it any more.

    Raises:
        LocalProtocolError: a rule would be broken.
        NodeError: this node can certify no leaf key now.
        RemoteProtocolError: what the hub shows is refused.
    """
    bench = book.bench
    found = open_shown(link, answer)
    ours = [(number, leaf) for number, leaf in found.tree.members() if identity_in(leaf).name == bench.name]
    if not ours:
        roster = parse_context_extensions(found.info.group_context.extensions).roster
        leave(book, link, still_belongs=bench.name.authority in roster)
        return None
    book.put_link(replace(link, hub=str(parse_context_extensions(found.info.group_context.extensions).hub)))
    (place, old), *_ = ours
    leaf = current_leaf_key(bench, book.tx)
    if leaf.pair.public == old.signature_key:
        leaf = new_leaf_key(bench, book.tx)
    certificates = (*answer.certificates, leaf.certificate)
    pending = join_externally(
        PRODUCT_SUITE,
        answer.info,
        ExternalDraft(draft_of(leaf, bench.entropy), removed=place),
        book.policy(certificates),
        entropy=bench.entropy,
    )
    request = CommitRequest(link.group_id, pending.message, leaf.certificate)
    return Pending(request, pending.next_group, certificates)


def take_place(book: GroupBook, link: LinkRow, pending: Pending, answer: CommitAnswer) -> LinkRow:
    """Go on in the epoch of our own commit, now that the hub gave it its place.

    Raises:
        LocalProtocolError: the group is in another epoch by now.
        RemoteProtocolError: the receipt does not verify, or is for something else.
    """
    entered, commit = pending.next_group, pending.request.commit
    receipt = verify_hub_receipt(answer.receipt, book.bench.register.state, book.bench.clock.now())
    epoch = entered.epoch - 1
    hub = parse_context_extensions(entered.context.extensions).hub
    verify_place(
        receipt,
        hub=hub,
        consultation=link.consultation,
        group_id=link.group_id,
        epoch=epoch,
        commit=commit,
    )
    verify_order(book, receipt)
    verify_outcome(receipt, entered.epoch_authenticator)
    placed = records.commit_at(book.tx, link.group_id, epoch)
    proof = None if placed is None else equivocations.proof_of(book.bench, placed.receipt, answer.receipt)
    if proof is not None:
        return note_equivocation(book, link, receipt, proof)
    group = book.group_of(link) if link.status is GroupStatus.OPEN else None
    if group is not None:
        entered = _going_on(group, pending, book.now_ms)
    log_commit(book, link, epoch, commit, answer.receipt)
    return book.enter(link, entered, book.policy(pending.certificates))


def _going_on(group: Group, pending: Pending, now_ms: int) -> Group:
    """Return the epoch of our own commit, with what late messages of the epochs before need.

    Who came back from outside may have been invited meanwhile, into the epoch that its commit ended.

    Raises:
        LocalProtocolError: the group is in another epoch by now.
    """
    if not pending.is_return:
        return install(group, pending.next_group, now_ms)
    if group.epoch + 1 != pending.next_group.epoch:
        raise LocalProtocolError("a return into another epoch")
    return replace(pending.next_group, past=past_of(group, now_ms))


def go_on_with_own(book: GroupBook, link: LinkRow, own: Pending, answer: CommitAnswer) -> LinkRow:
    """Go on with a commit of ours whose place the hub has forgotten, and on which it has built.

    What it has built holds only if it took our commit: it covers all that led to it.

    Raises:
        AwaitedGroupError: the commits do not begin where ours leads.
        LocalProtocolError: the group is in another epoch by now.
        NotKnownYetError: a certificate, or the issuer of one, is not known here yet.
        RemoteProtocolError: one is refused.
    """
    entered = _going_on(book.require_group(link), own, book.now_ms)
    return catch_up(book, book.enter(link, entered, book.policy(own.certificates)), answer)


def catch_up(book: GroupBook, link: LinkRow, answer: CommitAnswer, own: Pending | None = None) -> LinkRow:
    """Take the commits that came before ours, and ours where it is one of them.

    Args:
        book: the groups of the transaction.
        link: the group.
        answer: of the hub.
        own: a commit of ours that waits for its place.

    Raises:
        AwaitedGroupError: they do not begin where we are.
        NotKnownYetError: a certificate, or the issuer of one, is not known here yet.
        RemoteProtocolError: one is refused.
    """
    for place in answer.earlier:
        if own is not None and own.request.commit == place.commit:
            link = take_place(book, link, own, CommitAnswer(place.receipt))
            continue
        group = book.require_group(link)
        parcel = OrderedCommit(place.commit, place.receipt, answer.certificates)
        link = take_ordered(book, link, group, parcel)
    return link
