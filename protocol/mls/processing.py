# SPDX-License-Identifier: Apache-2.0
"""What comes from the group: application data, proposals, commits. A message in, another group out.

1. An error leaves the caller with the group it had; nothing in it was changed.
2. What was taken once is refused the second time, and so is what we sent ourselves.
3. A message of an epoch to come is refused with `sequence_gap`, so that a caller can keep it until then; one
   of an epoch that is no longer kept with `expired`.
4. A policy is asked after the rules of RFC 9420 and before anything is returned.
"""

from dataclasses import dataclass, field, replace

from protocol.errors import (
    ConflictError,
    ExpiredError,
    MalformedError,
    ReasonCode,
    RemoteProtocolError,
    UntrustedError,
)
from protocol.mls.changes import rules
from protocol.mls.changes.epochs import NO_PSKS, KnownPsks
from protocol.mls.changes.taking import Taken, take_commit
from protocol.mls.framing import SenderData, open_sender_data, unprotect_private, unprotect_public
from protocol.mls.group import MAX_PROPOSALS, Group, KeptProposal, Member, PastEpoch, member_of
from protocol.mls.policy import Policy, SentProposal
from protocol.mls.secret_tree import RatchetKind, take_key
from protocol.mls.structures.extensions import ExtensionType, find_extension, parse_external_senders
from protocol.mls.structures.messages import (
    AuthenticatedContent,
    ContentType,
    PrivateMessage,
    PublicMessage,
    SenderType,
    parse_mls_message,
)
from protocol.mls.structures.proposals import Add, Commit


@dataclass(frozen=True, slots=True)
class Application:
    """Somebody said something.

    Attributes:
        group: without the key of the message.
        sender: who said it, as the members of that epoch knew him.
        epoch: in which it was said; this one or one before.
        generation: of the sender's key; counts his messages of the epoch.
        authenticated_data: sent beside it, in clear.
        data: what was said.
    """

    group: Group
    sender: Member
    epoch: int
    generation: int
    authenticated_data: bytes
    data: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class Proposed:
    """Somebody proposed a change.

    Attributes:
        group: which keeps the proposal.
        reference: what a commit may say for it.
        sent: the proposal and who sent it.
        authenticated_data: sent beside it, in clear.
    """

    group: Group
    reference: bytes
    sent: SentProposal
    authenticated_data: bytes


@dataclass(frozen=True, slots=True)
class Committed:
    """The group changed.

    Attributes:
        group: in the new epoch; None if we were removed.
        committer: leaf number, in the new epoch.
        external: whether the committer joined from outside.
        proposals: what changed, with senders.
        added: leaf numbers of new members.
        authenticated_data: sent beside the commit, in clear.
    """

    group: Group | None
    committer: int
    external: bool
    proposals: tuple[SentProposal, ...]
    added: tuple[int, ...]
    authenticated_data: bytes


Outcome = Application | Proposed | Committed


def process(
    group: Group, message: bytes, policy: Policy, now_ms: int, *, psks: KnownPsks = NO_PSKS
) -> Outcome:
    """Take one message.

    Args:
        group: as we know it.
        message: an `MLSMessage`.
        policy: of the application.
        now_ms: Unix time in milliseconds.
        psks: pre-shared keys beyond those of earlier epochs of this group.

    Raises:
        RemoteProtocolError: it is refused, for a reason of its own.

    Spec: RFC 9420 sections 6, 12.1 and 12.4.2.
    """
    body = parse_mls_message(message).body
    if isinstance(body, PrivateMessage):
        _require_group(group, body.group_id)
        opened = _open_private(group, body, now_ms)
    elif isinstance(body, PublicMessage):
        _require_group(group, body.content.group_id)
        opened = _open_public(group, body)
    else:
        raise MalformedError("not a message for members of a group", code=ReasonCode.BAD_CONTENT)
    said = opened.authenticated.content.content
    if isinstance(said, Commit):
        return _committed(opened, policy, now_ms, psks)
    if isinstance(said, bytes):
        return _application(opened, said)
    return _proposed(opened, policy)


@dataclass(frozen=True, slots=True)
class _Opened:
    """A message that was verified.

    Attributes:
        group: without the key of the message.
        authenticated: what it says.
        member: who sent it; None if it came from outside.
        generation: of the key; 0 for a public message.
    """

    group: Group
    authenticated: AuthenticatedContent
    member: Member | None
    generation: int = 0


def _require_group(group: Group, group_id: bytes) -> None:
    if group_id != group.group_id:
        raise RemoteProtocolError("a message of another group", code=ReasonCode.NOT_FOUND)


def _wrong_epoch(group: Group, epoch: int) -> RemoteProtocolError:
    if epoch > group.epoch:
        return RemoteProtocolError("a message of an epoch to come", code=ReasonCode.SEQUENCE_GAP)
    return ExpiredError("a message of an epoch that is over")


# --- opening ----------------------------------------------------------------------------------------------
def _open_private(group: Group, message: PrivateMessage, now_ms: int) -> _Opened:
    if message.epoch == group.epoch:
        return _open_current(group, message, now_ms)
    past = next((kept for kept in group.past if kept.epoch == message.epoch), None)
    if past is None or message.content_type is not ContentType.APPLICATION:
        raise _wrong_epoch(group, message.epoch)
    return _open_past(group, past, message, now_ms)


def _open_current(group: Group, message: PrivateMessage, now_ms: int) -> _Opened:
    data = open_sender_data(group.suite, message, group.secrets.sender_data_secret)
    leaf = group.tree.leaf(data.leaf_index)
    if leaf is None:
        raise UntrustedError("a message of nobody")
    _require_other(group, data)
    is_application = message.content_type is ContentType.APPLICATION
    tree, key = take_key(
        group.suite,
        group.secret_tree,
        data.leaf_index,
        RatchetKind.APPLICATION if is_application else RatchetKind.HANDSHAKE,
        generation=data.generation,
        now_ms=now_ms,
    )
    authenticated = unprotect_private(
        group.suite, message, data, key=key, context=group.context, signature_key=leaf.signature_key
    )
    member = member_of(data.leaf_index, leaf)
    return _Opened(replace(group, secret_tree=tree), authenticated, member, data.generation)


def _open_past(group: Group, past: PastEpoch, message: PrivateMessage, now_ms: int) -> _Opened:
    """Open a late application message."""
    data = open_sender_data(group.suite, message, past.sender_data_secret)
    member = next((known for known in past.members if known.leaf_index == data.leaf_index), None)
    if member is None:
        raise UntrustedError("a message of nobody")
    _require_other(group, data)
    tree, key = take_key(
        group.suite,
        past.secret_tree,
        data.leaf_index,
        RatchetKind.APPLICATION,
        generation=data.generation,
        now_ms=now_ms,
    )
    authenticated = unprotect_private(
        group.suite, message, data, key=key, context=past.context, signature_key=member.signature_key
    )
    kept = replace(past, secret_tree=tree)
    epochs = tuple(kept if epoch is past else epoch for epoch in group.past)
    return _Opened(replace(group, past=epochs), authenticated, member, data.generation)


def _require_other(group: Group, data: SenderData) -> None:
    """Refuse what comes back to its sender, and what somebody else sends with our own keys."""
    if data.leaf_index == group.own_leaf:
        raise ConflictError("a message of our own")


def _open_public(group: Group, message: PublicMessage) -> _Opened:
    content = message.content
    if content.epoch != group.epoch:
        raise _wrong_epoch(group, content.epoch)
    member: Member | None = None
    if content.sender.sender_type is SenderType.MEMBER:
        leaf = group.tree.leaf(content.sender.index)
        if leaf is None:
            raise UntrustedError("a message of nobody")
        if content.sender.index == group.own_leaf:
            raise ConflictError("a message of our own")
        member = member_of(content.sender.index, leaf)
    authenticated = unprotect_public(
        group.suite,
        message,
        context=group.context,
        membership_key=group.secrets.membership_key,
        signature_key=_outsider_key(group, message) if member is None else member.signature_key,
    )
    return _Opened(group, authenticated, member)


def _outsider_key(group: Group, message: PublicMessage) -> bytes:
    """Return the key under which somebody who is no member signed.

    Spec: RFC 9420 section 6.1.
    """
    sender, said = message.content.sender, message.content.content
    if sender.sender_type is SenderType.EXTERNAL:
        data = find_extension(group.context.extensions, ExtensionType.EXTERNAL_SENDERS)
        senders = () if data is None else parse_external_senders(data)
        if sender.index >= len(senders):
            raise UntrustedError("a sender outside that the group does not know")
        return senders[sender.index].signature_key
    if sender.sender_type is SenderType.NEW_MEMBER_PROPOSAL and isinstance(said, Add):
        return said.key_package.leaf_node.signature_key
    if (
        sender.sender_type is SenderType.NEW_MEMBER_COMMIT
        and isinstance(said, Commit)
        and said.path is not None
    ):
        return said.path.leaf_node.signature_key
    raise MalformedError("content that its sender may not send", code=ReasonCode.BAD_CONTENT)


# --- taking -----------------------------------------------------------------------------------------------
def _application(opened: _Opened, data: bytes) -> Application:
    if opened.member is None:
        raise MalformedError("application data of somebody outside", code=ReasonCode.BAD_CONTENT)
    content = opened.authenticated.content
    return Application(
        group=opened.group,
        sender=opened.member,
        epoch=content.epoch,
        generation=opened.generation,
        authenticated_data=content.authenticated_data,
        data=data,
    )


def _proposed(opened: _Opened, policy: Policy) -> Proposed:
    group, content = opened.group, opened.authenticated.content
    if isinstance(content.content, bytes | Commit):
        raise MalformedError("not a proposal", code=ReasonCode.BAD_CONTENT)
    sent = SentProposal(content.content, content.sender, by_reference=True)
    rules.verify_proposal(group.tree, sent)
    rules.verify_proposed_leaf(group.tree, group.group_id, sent)
    policy.verify_proposal(sent, group.group_id)
    reference = opened.authenticated.reference(group.suite)
    if any(kept.reference == reference for kept in group.proposals):
        raise ConflictError("a proposal that was taken before")
    if len(group.proposals) >= MAX_PROPOSALS:
        raise RemoteProtocolError("too many proposals in an epoch", code=ReasonCode.QUOTA_EXCEEDED)
    kept_by = replace(group, proposals=(*group.proposals, KeptProposal(reference, sent)))
    return Proposed(kept_by, reference, sent, content.authenticated_data)


def _committed(opened: _Opened, policy: Policy, now_ms: int, psks: KnownPsks) -> Committed:
    content = opened.authenticated.content
    taken: Taken = take_commit(opened.group, opened.authenticated, policy, now_ms, psks)
    return Committed(
        group=taken.group,
        committer=taken.committer,
        external=content.sender.sender_type is SenderType.NEW_MEMBER_COMMIT,
        proposals=taken.proposals,
        added=taken.added,
        authenticated_data=content.authenticated_data,
    )
