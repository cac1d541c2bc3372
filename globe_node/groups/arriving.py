# SPDX-License-Identifier: Apache-2.0
"""What comes from others in a transaction: messages, and commits that the hub has ordered.

Invitations have `lineage.invited`.

1. What is refused has changed nothing, but for a commit that the hub has given its place: a member that can't
   take that one has lost the group, and comes back into it.
2. What belongs to a group or an epoch that is not here yet raises `AwaitedGroupError`: it is held and tried
   again, never refused for that. For a group that we have left, and whose secrets are gone, nothing waits.
3. A message counts as its sender's only if the tree, the frame and the line name the same node.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from hashlib import sha256

from globe_node.delivery.clerk import unix_ms
from globe_node.delivery.outbox import Outgoing
from globe_node.groups import records
from globe_node.groups.book import GroupBook
from globe_node.groups.hub import log_commit, note_return, verify_order
from globe_node.groups.lineage import descent
from globe_node.groups.links import GroupStatus, LinkRow
from globe_node.groups.members import comparisons, equivocations
from globe_node.groups.members.parcels import log_submitted, new_frame, outgoing_of
from globe_node.groups.records import CommitRow, MemberRow
from protocol.envelope import Envelope, EnvelopeClass
from protocol.errors import ConflictError, ReasonCode, RemoteProtocolError, UntrustedError
from protocol.groups.credential import parse_identity
from protocol.groups.errors import NotKnownYetError
from protocol.groups.opening import verify_opening
from protocol.groups.policy import ProfilePolicy
from protocol.groups.profile import parse_context_extensions
from protocol.groups.sealed import (
    OrderedCommit,
    Said,
    frame_binding,
    joined_message,
    kind_of,
    parse_ordered_commit,
)
from protocol.groups.testimony.form import authenticator_hash
from protocol.groups.testimony.hub_receipt import HubReceipt, verify_hub_receipt, verify_outcome, verify_place
from protocol.groups.testimony.joined import Joined, JoinedBy, confirms, sign_joined, verify_joined
from protocol.groups.upkeep import returned_by
from protocol.identifiers import AuthorityId, Digest, NodeName
from protocol.mls.group import Group
from protocol.mls.processing import Application, Committed, process
from protocol.mls.structures.extensions import BasicCredential
from protocol.mls.structures.proposals import GroupContextExtensions
from protocol.receipts import Issuer

_CLOSING = (GroupStatus.OPEN, GroupStatus.LOST, GroupStatus.ABSENT, GroupStatus.EQUIVOCATED)
_KEYS_GONE = (GroupStatus.LEFT, GroupStatus.CLOSED, GroupStatus.CONTINUED)


class AwaitedGroupError(Exception):
    """The group, or its epoch, is not here yet."""


class KeyGoneError(RemoteProtocolError):
    """A message that can't be opened, for its key is not here any more; nothing is said against it."""

    code = ReasonCode.KEY_GONE


@dataclass(frozen=True, slots=True)
class Heard:
    """What a message of a group says.

    Attributes:
        link: the group.
        sender: the member who sent it, as the tree names it.
        said: what kind of thing it says.
        data: what it says, with the octet that tells the kind.
    """

    link: LinkRow
    sender: NodeName
    said: Said
    data: bytes = field(repr=False)


def hear(book: GroupBook, envelope: Envelope) -> Heard:
    """Open a message of a group; its key is gone then.

    Raises:
        AwaitedGroupError: the group or the epoch is not here yet.
        KeyGoneError: its key is not here any more.
        RemoteProtocolError: it is refused.
    """
    link, group = _group_for(book, envelope)
    try:
        outcome = _process(book, group, envelope.sealed, book.policy())
    except ConflictError:
        raise
    except RemoteProtocolError as error:
        if error.code in (ReasonCode.EXPIRED, ReasonCode.ID_CONFLICT):
            raise KeyGoneError("a message whose key is gone") from None
        raise
    if not isinstance(outcome, Application):
        raise UntrustedError("a change of a group outside of its place")
    if outcome.authenticated_data != frame_binding(envelope.frame_bytes):
        raise UntrustedError("a message that was moved to another frame")
    credential = outcome.sender.credential
    sender = parse_identity(credential.identity).name if isinstance(credential, BasicCredential) else None
    if sender is None or sender != envelope.frame.sender:
        raise UntrustedError("a message of another member than its sender")
    said = kind_of(outcome.data)
    book.put_group(outcome.group)
    if said is not Said.JOINED:
        book.heard.setdefault((link.group_id, sender.authority), outcome.epoch)
    return Heard(link, sender, said, outcome.data)


def follow(book: GroupBook, envelope: Envelope) -> tuple[LinkRow, Digest]:
    """Take a commit that the hub has ordered; return the group after it, and the hash of the commit.

    If its hub has changed a group that was continued meanwhile, that group is open again.

    Raises:
        AwaitedGroupError: the group or the epoch is not here yet.
        NotKnownYetError: a certificate, or the issuer of one, is not known here yet.
        RemoteProtocolError: it is refused.
    """
    parcel = parse_ordered_commit(envelope.sealed)
    link, group = _group_for(book, envelope)
    taken = take_ordered(book, link, group, parcel)
    if taken.status is GroupStatus.CONTINUED:
        taken = descent.go_back(book, taken) or taken
    return taken, parcel.digest


def take_ordered(book: GroupBook, link: LinkRow, group: Group, parcel: OrderedCommit) -> LinkRow:
    """Take a commit that the hub has ordered, however it came; return the group after it.

    One that was taken before, for example as the answer to a commit of ours, changes nothing; nor does one of
    an epoch before we came in, or came back. Another one for a place that is taken proves that the hub lies:
    the proof is kept, and the group is `equivocated`.

    One that has its place and can't be taken leads to nowhere: the group is `lost`, and joined again. It is
    lost too if somebody came from outside in our place.

    Raises:
        AwaitedGroupError: the epoch is not here yet.
        NotKnownYetError: a certificate, or the issuer of one, is not known here yet.
        RemoteProtocolError: it is refused.
    """
    receipt = verify_hub_receipt(parcel.receipt, book.bench.register.state, book.bench.clock.now())
    hub = parse_context_extensions(group.context.extensions).hub
    if receipt.group_id == group.group_id and receipt.epoch > group.epoch:
        raise AwaitedGroupError
    if receipt.group_id == group.group_id and receipt.epoch < group.epoch:
        placed = records.commit_at(book.tx, group.group_id, receipt.epoch)
        if _is_over(book, group, placed, parcel, receipt):
            return link
        proof = None if placed is None else equivocations.proof_of(book.bench, placed.receipt, parcel.receipt)
        if proof is not None:
            return note_equivocation(book, link, receipt, proof)
    verify_place(
        receipt,
        hub=hub,
        consultation=link.consultation,
        group_id=link.group_id,
        epoch=group.epoch,
        commit=parcel.commit,
    )
    verify_order(book, receipt)
    policy = replace(book.policy(parcel.certificates), at=receipt.created)
    try:
        outcome = _process(book, group, parcel.commit, policy)
        if not isinstance(outcome, Committed):
            raise UntrustedError("not a commit")
        if outcome.group is not None:
            verify_outcome(receipt, outcome.group.epoch_authenticator)
    except NotKnownYetError:
        raise
    except RemoteProtocolError:  # the others may have taken it: nothing leads on from here
        lose(book, link)
        raise
    if outcome.group is None:
        _go_out(book, link, outcome, parcel.commit)
        return link
    log_commit(book, link, group.epoch, parcel.commit, parcel.receipt)
    return book.enter(link, outcome.group, policy)


def note_equivocation(book: GroupBook, link: LinkRow, receipt: HubReceipt, proof: bytes) -> LinkRow:
    """Keep the proof that the hub of a group gave one place twice, say nothing more in it, and show it."""
    equivocations.keep(book.bench, book.tx, link.consultation, receipt, proof)
    comparisons.want(book.tx, link, book.bench.name.authority, receipt.epoch)
    found = replace(link, status=GroupStatus.EQUIVOCATED, changed_ms=book.now_ms)
    book.put_link(found)
    return found


def lose(book: GroupBook, link: LinkRow) -> None:
    """Drop the secrets of a group that can't go on with them; it is joined again, if none continues it."""
    records.drop_states(book.tx, [link.group_id])
    if link.status is not GroupStatus.CONTINUED:
        book.put_link(replace(link, status=GroupStatus.LOST, changed_ms=book.now_ms))


def may_close(link: LinkRow) -> bool:
    """Say whether there is anything of a group that ends with its consultation."""
    return link.status in _CLOSING


def close(book: GroupBook, link: LinkRow) -> None:
    """Destroy the secrets of a group whose consultation is over; nothing more is read in it."""
    records.drop_states(book.tx, [link.group_id])
    records.drop_pending(book.tx, link.group_id, link.epoch + 1)
    book.put_link(replace(link, status=GroupStatus.CLOSED, changed_ms=book.now_ms))


def leave(book: GroupBook, link: LinkRow, *, still_belongs: bool) -> None:
    """Note that our leaf was taken out of a group: for good, or until the hub gives us another one."""
    if not still_belongs:
        book.end(link.consultation)
    elif link.status is not GroupStatus.CONTINUED:
        book.put_link(replace(link, status=GroupStatus.ABSENT, changed_ms=book.now_ms))


def _go_out(book: GroupBook, link: LinkRow, outcome: Committed, commit: bytes) -> None:
    """Note that a commit took our leaf out: for another one of ours, or for good, or for a while."""
    name = returned_by(commit)
    if name == book.bench.name:  # we came from outside and have forgotten it; or somebody else has our keys
        note_return(book, link, name, commit)
        lose(book, link)
        return
    leave(book, link, still_belongs=_leaves_on_roster(outcome, book.bench.name.authority))


def _leaves_on_roster(outcome: Committed, authority: AuthorityId) -> bool:
    """Say whether an authority belongs to a group after a commit that took its leaf."""
    changes = [one.proposal for one in outcome.proposals if isinstance(one.proposal, GroupContextExtensions)]
    return all(authority in parse_context_extensions(one.extensions).roster for one in changes)


def joined_statement(book: GroupBook, link: LinkRow, by: JoinedBy) -> bytes:
    """Return our signed word that we are in a group.

    Raises:
        NodeError: this node can sign nothing now.
    """
    group, name = book.require_group(link), book.bench.name
    signer, now = book.bench.signer(), book.bench.clock.now()
    return sign_joined(
        signer,
        Joined(
            by=by,
            consultation=link.consultation,
            group_id=link.group_id,
            epoch=group.epoch,
            authenticator=authenticator_hash(group.epoch_authenticator),
            opening=_opening_of(group),
            created=now.replace(microsecond=now.microsecond // 1000 * 1000),
            issuer=Issuer(name.authority, name.node, signer.key_id),
        ),
    )


def announcement(book: GroupBook, link: LinkRow, by: JoinedBy) -> Outgoing:
    """Return what says to all members that we came into a group.

    Raises:
        NodeError: this node can sign nothing now.
    """
    peers = sorted(book.members.present(link) - {book.bench.name.authority})
    return said(book, link, joined_message(joined_statement(book, link, by)), peers)


def said(book: GroupBook, link: LinkRow, message: bytes, peers: Iterable[AuthorityId]) -> Outgoing:
    """Seal a statement for members of a group, and log that it goes to them; receipts name its hash.

    Args:
        book: the groups of the transaction.
        link: an open group.
        message: the octet that says what it is, and the statement.
        peers: whom it goes to.
    """
    frame = new_frame(book.bench, link, EnvelopeClass.APPLICATION, now_ms=book.now_ms)
    raw = book.seal(link, frame, message)
    outgoing = outgoing_of(frame, raw, Digest(sha256(message[1:]).hexdigest()), peers)
    log_submitted(book.bench, book.tx, link, outgoing, kind_of(message).name.lower())
    return outgoing


def note_joined(book: GroupBook, heard: Heard, statement: bytes) -> bool:
    """Note the word of a joiner; return whether it is in the group that we are in.

    Raises:
        NotKnownYetError: the key that signed it is not known here yet.
        RemoteProtocolError: not a statement, not of the member who sent it, or its signature fails.
    """
    bench, link = book.bench, heard.link
    joined = verify_joined(statement, bench.register.state, bench.clock.now())
    if joined.name != heard.sender:
        raise UntrustedError("a statement of another member than its sender")
    said = records.members_of(book.tx, [link.group_id], joined.epoch)
    ours = next((row.authenticator for row in said if row.authority == bench.name.authority), None)
    agrees = ours is not None and confirms(
        joined,
        group_id=link.group_id,
        epoch=joined.epoch,
        authenticator=ours,
        opening=_opening_of(book.require_group(link)),
    )
    row = MemberRow(
        link.group_id,
        joined.epoch,
        heard.sender.authority,
        joined.authenticator,
        agrees,
        unix_ms(joined.created),
    )
    records.put_members(book.tx, [row])
    return agrees


def require_opening(book: GroupBook, link: LinkRow, record: bytes) -> None:
    """Check that the record that opens a consultation is the one that its group was made for.

    Raises:
        UntrustedError: it is another one.
    """
    extension = parse_context_extensions(book.require_group(link).context.extensions)
    verify_opening(extension, record)


def _opening_of(group: Group) -> Digest:
    return Digest(parse_context_extensions(group.context.extensions).opening.hex())


def _is_over(
    book: GroupBook, group: Group, placed: CommitRow | None, parcel: OrderedCommit, receipt: HubReceipt
) -> bool:
    """Say whether a commit of an earlier epoch was taken before, or was placed before we came in.

    Raises:
        UntrustedError: the hub gave it no such place.
    """
    if placed is not None:
        return (placed.octets, placed.receipt) == (parcel.commit, parcel.receipt)
    if receipt.epoch >= _first_here(book, group):
        return False
    extension = parse_context_extensions(group.context.extensions)
    verify_place(
        receipt,
        hub=extension.hub,
        consultation=extension.consultation,
        group_id=group.group_id,
        epoch=receipt.epoch,
        commit=parcel.commit,
    )
    return True


def _first_here(book: GroupBook, group: Group) -> int:
    """Return the epoch whose commit is the first one that we know since we came in."""
    first = group.epoch
    while first > 0 and records.commit_at(book.tx, group.group_id, first - 1) is not None:
        first -= 1
    return first


def _group_for(book: GroupBook, envelope: Envelope) -> tuple[LinkRow, Group]:
    link = book.link_by_route(envelope.frame.routing_id)
    group = None if link is None else book.group_of(link)
    if link is not None and group is None and link.status in _KEYS_GONE:
        raise KeyGoneError("a group that we have left, that is closed, or that was continued, and lost")
    if link is None or group is None:
        raise AwaitedGroupError
    return link, group


def _process(book: GroupBook, group: Group, message: bytes, policy: ProfilePolicy) -> Application | Committed:
    try:
        outcome = process(group, message, policy, book.now_ms)
    except RemoteProtocolError as error:
        if error.code is ReasonCode.SEQUENCE_GAP:
            raise AwaitedGroupError from None
        raise
    if not isinstance(outcome, Application | Committed):
        raise UntrustedError("a proposal outside of a commit")
    return outcome
