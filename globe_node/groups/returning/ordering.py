# SPDX-License-Identifier: Apache-2.0
"""The hub gives commits of members their place, and shows a group to a member that lost it.

1. A commit is processed in our own group, logged, receipted and queued for the others in one transaction; of
   two for one epoch the first one has the place, and its receipt is the only one that we ever sign for it.
2. Who is not on the roster learns nothing, not even whether there is such a group; who was, learns that it is
   not any more. Members show the group to its hub only, and give commits and their word about the hub to its
   successors.
3. A commit counts as the peer's that the line names, or it is refused: nobody has a place kept for another.
4. One member comes back from outside once a day and group, if it has spoken since; else after five minutes.
   What was placed already is answered from the log.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import NoReturn

from globe_node.delivery import outbox
from globe_node.delivery.link import PeerIdentity
from globe_node.delivery.outbox import Outgoing
from globe_node.groups import records
from globe_node.groups.book import GroupBook
from globe_node.groups.changing import certificates_in, receipt_for
from globe_node.groups.hub import log_commit, policy_of_place
from globe_node.groups.lineage import absence, descent
from globe_node.groups.links import GroupStatus, LinkRow
from globe_node.groups.members.parcels import parcel_of
from globe_node.groups.records import CommitRow
from globe_node.groups.returning import pending
from globe_node.groups.returning.wire import (
    MAX_COMMITS,
    AbsenceRequest,
    CommitAnswer,
    CommitRequest,
    InfoAnswer,
    InfoRequest,
    LaterRequest,
    Place,
)
from globe_node.groups.workbench import moment_at
from protocol import limits
from protocol.errors import ReasonCode, RemoteProtocolError, UntrustedError
from protocol.groups.membership import identity_in
from protocol.groups.profile import parse_context_extensions
from protocol.groups.sealed import OrderedCommit
from protocol.groups.upkeep import RESYNC_PAUSE, UNHEARD_PAUSE, verify_resync_pace
from protocol.identifiers import AuthorityId, NodeName, parse_node_name
from protocol.mls.commits import group_info
from protocol.mls.group import Group
from protocol.mls.processing import Committed, process
from protocol.mls.structures.messages import (
    MlsMessage,
    PrivateMessage,
    PublicMessage,
    SenderType,
    parse_mls_message,
)
from protocol.mls.structures.proposals import Commit


@dataclass(frozen=True, slots=True)
class Ordering:
    """What a request for a place leads to.

    Attributes:
        answer: what the member gets.
        outgoing: what the other members get; None if nothing changed.
        link: the group after it.
    """

    answer: CommitAnswer
    outgoing: Outgoing | None
    link: LinkRow


def order(book: GroupBook, peer: PeerIdentity, request: CommitRequest) -> Ordering:
    """Give the commit of a member its place, or say who has it.

    Raises:
        NotKnownYetError: the issuer of its certificate is not known here.
        NodeError: this node can sign nothing now.
        RemoteProtocolError: not for this peer (`refused`), of an epoch to come (`sequence_gap`), a return
            within a day (`rate_limited`), or no commit that this group takes.
    """
    epoch, is_return = _place_wanted(request)
    repeat = _repeat(book, request, epoch)
    if repeat is not None:
        return repeat
    link, group = _group_for(book, peer, request.group_id)
    name = NodeName(peer.authority, peer.node)
    if epoch > group.epoch:
        raise RemoteProtocolError("a commit of an epoch to come", code=ReasonCode.SEQUENCE_GAP)
    if epoch < group.epoch:
        return Ordering(_answer_behind(book, group, epoch), None, link)
    if is_return:
        last = _last_return(book, link, name)
        verify_resync_pace(last, book.bench.clock.now())
    policy = policy_of_place(book, group, [request.certificate] if request.certificate else [])
    outcome = process(group, request.commit, policy, book.now_ms)
    if not isinstance(outcome, Committed) or outcome.group is None:
        raise UntrustedError("not a commit")
    committer = outcome.group.tree.leaf(outcome.committer)
    if committer is None or identity_in(committer).name != name:
        raise UntrustedError("the commit of another node than the one that asks")
    receipt = receipt_for(book.bench, outcome.group, request.commit, policy.at)
    log_commit(book, link, group.epoch, request.commit, receipt)
    entered = book.enter(link, outcome.group, policy)
    parcel = OrderedCommit(request.commit, receipt, (request.certificate,) if request.certificate else ())
    return Ordering(CommitAnswer(receipt), parcel_for(book, entered, parcel, besides=peer.authority), entered)


def _repeat(book: GroupBook, request: CommitRequest, epoch: int) -> Ordering | None:
    """Return the receipt of a commit that has its place, also to whom was removed since.

    It needs the epoch that its commit began, to read there that it was removed; who has these octets learns
    nothing else.
    """
    link = _link_with(book, request.group_id)
    if link is None or link.hub != str(book.bench.name):
        return None
    placed = records.commit_at(book.tx, request.group_id, epoch)
    if placed is None or placed.octets != request.commit:
        return None
    return Ordering(CommitAnswer(placed.receipt), None, link)


def later(book: GroupBook, peer: PeerIdentity, request: LaterRequest) -> CommitAnswer:
    """Return the commits that a member lacks, from its epoch on; none, if it is in the newest.

    Raises:
        RemoteProtocolError: not for this peer (`refused`), in an epoch to come (`sequence_gap`), or so far
            behind that they are gone (`expired`).
    """
    group = _group_told_to(book, peer, request.group_id)
    if request.epoch > group.epoch:
        raise RemoteProtocolError("a member in an epoch to come", code=ReasonCode.SEQUENCE_GAP)
    if request.epoch == group.epoch:
        return CommitAnswer()
    return _answer_behind(book, group, request.epoch)


def show(book: GroupBook, peer: PeerIdentity, request: InfoRequest) -> InfoAnswer:
    """Show a group so that somebody can come back: a member, if we are the hub, or the hub.

    Raises:
        RemoteProtocolError: not for this peer (`refused`), or within a day of its last return
            (`rate_limited`).
    """
    if request.after_commit:
        return _show_after_commit(book, peer, request.group_id)
    link, group = _group_shown_to(book, peer, request.group_id)
    last = _last_return(book, link, NodeName(peer.authority, peer.node))
    verify_resync_pace(last, book.bench.clock.now())
    return _shown(book, group)


def _show_after_commit(book: GroupBook, peer: PeerIdentity, group_id: bytes) -> InfoAnswer:
    """Show its hub a group as a commit of ours leaves it that waits for its place.

    The hub may have given it the place, and nobody but us may have what follows from it.
    """
    link = _link_with(book, group_id)
    if link is None or link.hub != str(NodeName(peer.authority, peer.node)):
        raise UntrustedError("a group that is not this peer's")
    verify_resync_pace(_last_return(book, link, NodeName(peer.authority, peer.node)), book.bench.clock.now())
    own = pending.find(book, link) if link.status in (GroupStatus.OPEN, GroupStatus.LOST) else None
    if own is None:
        raise RemoteProtocolError("no commit of ours waits", code=ReasonCode.NOT_FOUND)
    return _shown(book, own.next_group, own.certificates)


def _shown(book: GroupBook, group: Group, certificates: Iterable[bytes] = ()) -> InfoAnswer:
    info = MlsMessage(group_info(group, with_external_pub=True)).to_bytes()
    return InfoAnswer(info, certificates_in(group, book.policy(certificates).certificates))


def _group_for(book: GroupBook, peer: PeerIdentity, group_id: bytes) -> tuple[LinkRow, Group]:
    """Return a group of which we are the hub and the peer a member."""
    link = _link_with(book, group_id)
    if link is None or link.hub != str(book.bench.name):
        raise UntrustedError("a group that is not this peer's")
    if peer.authority not in link.roster:
        _refuse_stranger(book, link, peer.authority)
    return link, _open_group(book, link)


def _refuse_stranger(book: GroupBook, link: LinkRow, authority: AuthorityId) -> NoReturn:
    """Refuse an authority that is not in a group of ours; tell it so if it was.

    The record that removed it may have come after it had lost the group: nothing else would tell it.
    """
    if any(row.peer == authority for row in outbox.invitations(book.tx, link.routing_id)):
        raise RemoteProtocolError("a group that this peer has left", code=ReasonCode.ILLEGAL_MOVE)
    raise UntrustedError("a group that is not this peer's")


def _group_shown_to(book: GroupBook, peer: PeerIdentity, group_id: bytes) -> tuple[LinkRow, Group]:
    """Return a group that a peer may see: it is the hub, or a member and we are the hub, or have been it."""
    link = _link_with(book, group_id)
    if link is not None and link.hub == str(NodeName(peer.authority, peer.node)):
        return link, _open_group(book, link)
    if link is not None and peer.authority in link.roster and _is_founder(book, group_id):
        return link, _open_group(book, link)
    return _group_for(book, peer, group_id)


def _is_founder(book: GroupBook, group_id: bytes) -> bool:
    """Say whether we have founded a group that continues another: members may know us as its hub."""
    return any(step.name == book.bench.name for step in descent.history_of(book, group_id)[-1:])


def misses_hub(book: GroupBook, peer: PeerIdentity, request: AbsenceRequest) -> bool:
    """Say to a successor whether we miss the hub of a group too, and know of no epoch that it does not know.

    Raises:
        RemoteProtocolError: not for this peer (`refused`), or not here any more (`not_found`).
    """
    link = _link_with(book, request.group_id)
    if link is not None and link.status is GroupStatus.LOST and peer.authority in link.roster:
        return absence.is_gone(book, parse_node_name(link.hub.encode()))
    group = _group_told_to(book, peer, request.group_id)
    hub = parse_context_extensions(group.context.extensions).hub
    return hub != book.bench.name and group.epoch <= request.epoch and absence.is_gone(book, hub)


def _group_told_to(book: GroupBook, peer: PeerIdentity, group_id: bytes) -> Group:
    """Return a group whose commits a peer may have: a member of ours, or a successor of the hub."""
    link = _link_with(book, group_id)
    if link is None or link.hub == str(book.bench.name) or peer.authority not in link.roster:
        return _group_for(book, peer, group_id)[1]
    group = _open_group(book, link)
    name = NodeName(peer.authority, peer.node)
    if name not in parse_context_extensions(group.context.extensions).successors:
        raise UntrustedError("a group that is not this peer's")
    return group


def _link_with(book: GroupBook, group_id: bytes) -> LinkRow | None:
    found = records.links_by_group(book.tx, [group_id])
    link = book.link_of(found[0].consultation) if found else None
    return link if link is not None and link.group_id == group_id else None


def _open_group(book: GroupBook, link: LinkRow) -> Group:
    group = book.group_of(link) if link.status is GroupStatus.OPEN else None
    if group is None:
        raise RemoteProtocolError("a group that is not here any more", code=ReasonCode.NOT_FOUND)
    return group


def _place_wanted(request: CommitRequest) -> tuple[int, bool]:
    """Return the epoch that a commit ends, and whether it comes from outside."""
    body = parse_mls_message(request.commit).body
    if isinstance(body, PrivateMessage):
        group_id, epoch, is_return = body.group_id, body.epoch, False
    elif isinstance(body, PublicMessage):
        group_id, epoch = body.content.group_id, body.content.epoch
        is_return = body.content.sender.sender_type is SenderType.NEW_MEMBER_COMMIT
    else:
        raise UntrustedError("not a commit")
    if group_id != request.group_id:
        raise UntrustedError("the commit of another group")
    return epoch, is_return


def _answer_behind(book: GroupBook, group: Group, epoch: int) -> CommitAnswer:
    rows = records.commits_since(book.tx, group.group_id, epoch, MAX_COMMITS)
    if not rows or rows[0].epoch != epoch:
        raise RemoteProtocolError("an epoch that is long over", code=ReasonCode.EXPIRED)
    earlier = tuple(Place(row.octets, row.receipt) for row in _that_fit(rows))
    return CommitAnswer(b"", earlier, certificates_in(group, book.policy().certificates))


def _that_fit(rows: list[CommitRow]) -> list[CommitRow]:
    """Return as many as an answer holds, at least the first."""
    room = limits.MAX_ORDER_ANSWER_BYTES // 2
    chosen: list[CommitRow] = []
    for row in rows:
        room -= len(row.octets) + len(row.receipt)
        if room < 0 and chosen:
            break
        chosen.append(row)
    return chosen


def _last_return(book: GroupBook, link: LinkRow, name: NodeName) -> datetime | None:
    """Return when a node last came back into a group, if that was within a day.

    It may never have learned of its place: a return after which it has said nothing counts for minutes only.
    """
    unheard_ms = book.now_ms - int(UNHEARD_PAUSE.total_seconds() * 1000)
    since_ms = book.now_ms - int(RESYNC_PAUSE.total_seconds() * 1000)
    for row in records.commits_after(book.tx, link.group_id, since_ms):
        body = parse_mls_message(row.octets).body
        if not isinstance(body, PublicMessage) or not isinstance(body.content.content, Commit):
            continue
        path = body.content.content.path
        if path is not None and identity_in(path.leaf_node).name == name:
            is_heard = records.has_said_since(book.tx, link.group_id, name.authority, row.epoch + 1)
            return moment_at(row.stored_ms) if is_heard or row.stored_ms > unheard_ms else None
    return None


def parcel_for(
    book: GroupBook, link: LinkRow, parcel: OrderedCommit, *, besides: AuthorityId
) -> Outgoing | None:
    """Return what brings a commit to everybody but ourselves and, perhaps, one who has it."""
    others = book.members.present(link) - {besides, book.bench.name.authority}
    if not others:
        return None
    return parcel_of(book.bench, book.tx, link, parcel, peers=others, now_ms=book.now_ms)
