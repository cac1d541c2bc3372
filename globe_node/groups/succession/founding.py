# SPDX-License-Identifier: Apache-2.0
"""What a successor does in transactions: continues a consultation in a new group, and gives its hub back.

1. The new group has the roster of the old one. Who of it has no key package here now gets a leaf later, like
   every member that lacks one.
2. Who was in the last epoch of the old group that we know comes in by its invitation; anybody else, and who
   has lost its secrets, from outside.
3. The node of whoever opened the consultation is the hub again as soon as it has spoken in the new group: it
   is the one that changes the members.
4. Statement, group, invitations and audit entry are one transaction.
"""

from dataclasses import replace

from globe_node.delivery.outbox import Outgoing
from globe_node.groups import changing, hub, records
from globe_node.groups.book import GroupBook
from globe_node.groups.lineage import descent
from globe_node.groups.lineage import records as history_records
from globe_node.groups.links import GroupStatus, LinkRow
from globe_node.groups.members.parcels import parcel_of
from globe_node.groups.packages import stock
from protocol.envelope import routing_id_of
from protocol.errors import LocalProtocolError, ProtocolError, ReasonCode
from protocol.groups.extension import ConsultationExtension, amended
from protocol.groups.membership import identity_in
from protocol.groups.profile import GROUP_ID_BYTES, parse_context_extensions
from protocol.groups.testimony.continued import MAX_HISTORY, Continued, sign_continued
from protocol.groups.testimony.form import authenticator_hash
from protocol.identifiers import AuthorityId, NodeName, is_owned
from protocol.mls.group import Group
from protocol.receipts import Issuer

_NO_EPOCH = 2**62
"""Later than every epoch."""


def may_continue(book: GroupBook, link: LinkRow) -> bool:
    """Say whether this node is one that an open group names as successor of its hub."""
    group = book.group_of(link) if link.status is GroupStatus.OPEN else None
    if group is None:
        return False
    steps = len(descent.history_of(book, link.group_id))
    successors = parse_context_extensions(group.context.extensions).successors
    return book.bench.name in successors and steps < MAX_HISTORY


def continue_group(book: GroupBook, link: LinkRow) -> list[Outgoing]:
    """Continue a consultation in a new group of which this node is the hub; return the invitations.

    Raises:
        LocalProtocolError: this node may not, or nobody else can be invited now (`awaiting_keys`).
        NodeError: this node can sign nothing now.
    """
    old, bench = book.require_group(link), book.bench
    if not may_continue(book, link):
        raise LocalProtocolError("this node does not follow the hub", code=ReasonCode.ILLEGAL_MOVE)
    last = parse_context_extensions(old.context.extensions)
    packages, _ = hub.find_packages(book, _nodes_of(book, last))
    if not packages:
        raise LocalProtocolError("no keys of any other member", code=ReasonCode.AWAITING_KEYS)
    followers = [*(one for one in last.successors if one != bench.name), last.hub]
    extension = amended(last, hub=bench.name, successors=followers)
    group_id = bench.entropy.random_bytes(GROUP_ID_BYTES)
    policy = book.policy(one.certificate for one in packages)
    founded = changing.found(
        bench, book.tx, policy, group_id=group_id, extension=extension, packages=packages, before=old
    )
    stock.mark(bench, book.tx, packages)
    before = history_records.histories_of(book.tx, [link.group_id]).get(link.group_id, ())
    history = (*before, _statement(book, old, group_id, extension))
    history_records.put_history(book.tx, group_id, history)
    records.drop_pending(book.tx, link.group_id, _NO_EPOCH)
    descent.take_place(book, link, bench.name)
    entered = book.enter(_link_of(book, link, group_id), founded.group, policy)
    invitations = {name: replace(one, history=history) for name, one in founded.invitations.items()}
    return [
        parcel_of(bench, book.tx, entered, one, peers=[name], now_ms=book.now_ms)
        for name, one in invitations.items()
    ]


def requester_node(book: GroupBook, link: LinkRow) -> NodeName | None:
    """Return the node that is to be the hub again: of whoever opened the consultation, if it has spoken here.

    None if this node is that, or is not the hub of the group; or the other one is not there yet.
    """
    group, bench = book.group_of(link), book.bench
    if group is None or link.hub != str(bench.name) or is_owned(link.consultation, bench.name.authority):
        return None
    owner = next((one for one in link.roster if is_owned(link.consultation, one)), None)
    node = None if owner is None else _node_in_use(book, owner)
    there = {identity_in(leaf).name for _, leaf in group.tree.members()}
    if node not in there or not records.has_said(book.tx, link.group_id, node.authority):
        return None
    return node


def _nodes_of(book: GroupBook, last: ConsultationExtension) -> list[NodeName]:
    """Return the nodes in use of all other members."""
    others = [one for one in last.roster if one != book.bench.name.authority]
    return [node for node in (_node_in_use(book, one) for one in others) if node is not None]


def _node_in_use(book: GroupBook, authority: AuthorityId) -> NodeName | None:
    directory, now = book.bench.register.state, book.bench.clock.now()
    try:
        return NodeName(authority, directory.require_active_node(authority, now).node)
    except ProtocolError:
        return None


def _statement(book: GroupBook, old: Group, group_id: bytes, extension: ConsultationExtension) -> bytes:
    bench, now = book.bench, book.bench.clock.now()
    signer = bench.signer()
    continued = Continued(
        continues=old.group_id,
        epoch=old.epoch,
        authenticator=authenticator_hash(old.epoch_authenticator),
        group_id=group_id,
        extension=extension,
        created=now.replace(microsecond=now.microsecond // 1000 * 1000),
        issuer=Issuer(bench.name.authority, bench.name.node, signer.key_id),
    )
    return sign_continued(signer, continued)


def _link_of(book: GroupBook, link: LinkRow, group_id: bytes) -> LinkRow:
    return replace(
        link,
        group_id=group_id,
        routing_id=routing_id_of(group_id),
        hub=str(book.bench.name),
        status=GroupStatus.OPEN,
        epoch=1,
        changed_ms=book.now_ms,
    )
