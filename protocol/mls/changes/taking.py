# SPDX-License-Identifier: Apache-2.0
"""How a commit of somebody else is taken: judged, applied, opened, confirmed.

Not the opening of the message around it: what comes here was verified as a message.

1. Everything that is public is judged before a secret of the commit is used.
2. The confirmation is compared last. It alone shows that the committer came to the same group.
3. Who is removed can judge the commit and no more; nothing of the new epoch is known to him.
"""

from dataclasses import dataclass, replace

from protocol.errors import MalformedError, ReasonCode, RemoteProtocolError, UntrustedError
from protocol.mls.changes import rules
from protocol.mls.changes.applying import Changed, apply_proposals, verify_size
from protocol.mls.changes.epochs import Inputs, KnownPsks, arrive, enter, find_psks, provisional_context
from protocol.mls.changes.outcome import verify_outcome
from protocol.mls.group import Group, OwnUpdate, past_of
from protocol.mls.policy import CommitView, Policy, SentProposal
from protocol.mls.schedule import psk_secret, verify_confirmation
from protocol.mls.structures.group_info import GroupContext
from protocol.mls.structures.messages import AuthenticatedContent, Sender, SenderType, WireFormat
from protocol.mls.structures.nodes import LeafNode
from protocol.mls.structures.proposals import Commit, ProposalOrRef, ProposalRef, Remove
from protocol.mls.suites import export_decapsulate
from protocol.mls.tree.path import NodeKeys, merge_path, open_path
from protocol.mls.tree.ratchet_tree import RatchetTree


@dataclass(frozen=True, slots=True)
class Taken:
    """A commit that was taken.

    Attributes:
        group: in the new epoch; None if we were removed.
        committer: leaf number after the commit.
        proposals: with their senders.
        added: leaf numbers of new members, in the order of the Adds.
    """

    group: Group | None
    committer: int
    proposals: tuple[SentProposal, ...]
    added: tuple[int, ...]


def take_commit(
    group: Group, authenticated: AuthenticatedContent, policy: Policy, now_ms: int, psks: KnownPsks
) -> Taken:
    """Take a commit.

    Args:
        group: in the epoch of the commit.
        authenticated: the commit; its signature was verified.
        policy: of the application.
        now_ms: Unix time in milliseconds.
        psks: pre-shared keys beyond those of earlier epochs of this group.

    Raises:
        RemoteProtocolError: it is refused.

    Spec: RFC 9420 section 12.4.2.
    """
    said = authenticated.content.content
    if not isinstance(said, Commit):
        raise MalformedError("not a commit", code=ReasonCode.BAD_CONTENT)
    proposals = _proposals(group, said, authenticated.content.sender)
    _verify_list(group, said, proposals, authenticated.content.sender)
    verify_size(group.tree, proposals, policy.max_members)
    changed = apply_proposals(group.tree, group.context.extensions, proposals)
    step = _place(group, said, changed, authenticated.content.sender)
    verify_outcome(_view(group, authenticated, step, proposals, changed), policy, judged=group.tree)
    taken = Taken(None, step.committer, proposals, changed.added)
    if _removes(proposals, group.own_leaf):
        return taken
    return replace(taken, group=_follow(group, authenticated, step, changed, now_ms=now_ms, psks=psks))


# --- judging ----------------------------------------------------------------------------------------------
def _proposals(group: Group, commit: Commit, sender: Sender) -> tuple[SentProposal, ...]:
    """Return the proposals of a commit, those that it only names included.

    Spec: RFC 9420 section 12.4.
    """
    kept = {proposal.reference: proposal.sent for proposal in group.proposals}

    def resolve(item: ProposalOrRef) -> SentProposal:
        if not isinstance(item, ProposalRef):
            return SentProposal(item, sender, by_reference=False)
        found = kept.get(item.reference)
        if found is None:
            raise RemoteProtocolError("a commit of a proposal that we do not have", code=ReasonCode.NOT_FOUND)
        return found

    return tuple(map(resolve, commit.proposals))


def _verify_list(group: Group, commit: Commit, proposals: tuple[SentProposal, ...], sender: Sender) -> None:
    if sender.sender_type is SenderType.NEW_MEMBER_COMMIT:
        rules.verify_external_list(proposals)
    elif sender.sender_type is not SenderType.MEMBER:
        raise MalformedError("a commit that its sender may not make", code=ReasonCode.BAD_CONTENT)
    for sent in proposals:
        if not sent.by_reference:
            rules.verify_proposal(group.tree, sent)
    if sender.sender_type is SenderType.MEMBER:
        rules.verify_proposal_list(group.tree, proposals, sender.index)
    rules.verify_path_presence(proposals, has_path=commit.path is not None)


@dataclass(frozen=True, slots=True)
class _Step:
    """Where a commit leads in public.

    Attributes:
        commit: what came.
        committer: leaf number after.
        before: the committer's leaf before; None if it is new.
        after: the committer's leaf after.
        tree: the members after.
    """

    commit: Commit
    committer: int
    before: LeafNode | None
    after: LeafNode
    tree: RatchetTree


def _place(group: Group, commit: Commit, changed: Changed, sender: Sender) -> _Step:
    """Find the committer's leaf and put the path into the tree.

    Spec: RFC 9420 section 12.4.2.
    """
    tree, committer = changed.tree, sender.index
    before = group.tree.leaf(committer)
    if sender.sender_type is SenderType.NEW_MEMBER_COMMIT:
        tree, committer = tree.with_room()
        before = _replaced_by(group, commit)
    if commit.path is not None:
        tree = merge_path(tree, commit.path, leaf=committer)
    after = tree.leaf(committer)
    if after is None:
        raise UntrustedError("a commit of nobody")
    return _Step(commit, committer, before, after, tree)


def _replaced_by(group: Group, commit: Commit) -> LeafNode | None:
    """Return the leaf that somebody who joins from outside takes back; it must not keep its key.

    Raises:
        MalformedError: it does.

    Spec: RFC 9420 section 12.2.
    """
    removed = next((each.removed for each in commit.proposals if isinstance(each, Remove)), None)
    if removed is None:
        return None
    before = group.tree.leaf(removed)
    if before is None or (
        commit.path is not None and commit.path.leaf_node.encryption_key == before.encryption_key
    ):
        raise MalformedError("a member that joins again with its old key", code=ReasonCode.BAD_CONTENT)
    return before


def _view(
    group: Group,
    authenticated: AuthenticatedContent,
    step: _Step,
    proposals: tuple[SentProposal, ...],
    changed: Changed,
) -> CommitView:
    content = authenticated.content
    return CommitView(
        group_id=group.group_id,
        epoch=group.epoch,
        committer=step.committer,
        committer_before=step.before,
        committer_after=step.after,
        external=content.sender.sender_type is SenderType.NEW_MEMBER_COMMIT,
        has_path=step.commit.path is not None,
        private=authenticated.wire_format is WireFormat.PRIVATE_MESSAGE,
        authenticated_data=content.authenticated_data,
        proposals=proposals,
        added=changed.added,
        tree_before=group.tree,
        tree_after=step.tree,
        extensions_before=group.context.extensions,
        extensions_after=changed.extensions,
    )


def _removes(proposals: tuple[SentProposal, ...], leaf: int) -> bool:
    return any(isinstance(sent.proposal, Remove) and sent.proposal.removed == leaf for sent in proposals)


# --- following --------------------------------------------------------------------------------------------
def _follow(
    group: Group,
    authenticated: AuthenticatedContent,
    step: _Step,
    changed: Changed,
    *,
    now_ms: int,
    psks: KnownPsks,
) -> Group:
    """Go into the new epoch, if its confirmation holds."""
    suite = group.suite
    provisional = provisional_context(group.context, step.tree, changed.extensions)
    own = _own_update(group, step.tree)
    node_keys = group.node_keys.kept_in(step.tree)
    if own is not None:
        node_keys = node_keys.with_leaf_key(own.encryption_private)
    node_keys, commit_secret = _open(step, changed, node_keys, provisional)
    arrival = arrive(
        suite,
        group.interim_transcript_hash,
        provisional=provisional,
        inputs=Inputs(
            init_secret=_init_secret(group, changed),
            commit_secret=commit_secret,
            psk_secret=psk_secret(suite, find_psks(changed.psk_ids, psks, group)),
        ),
        wire_format=authenticated.wire_format,
        content=authenticated.content,
        signature=authenticated.auth.signature,
    )
    verify_confirmation(
        suite,
        arrival.beginning.confirmation_key,
        arrival.context.confirmed_transcript_hash,
        authenticated.auth.confirmation_tag or b"",
    )
    return enter(
        arrival.context,
        arrival.beginning,
        tree=step.tree,
        node_keys=node_keys,
        signature_private=group.signature_private if own is None else own.signature_private,
        past=past_of(group, now_ms),
        resumptions=group.resumptions,
    )


def _open(
    step: _Step, changed: Changed, node_keys: NodeKeys, provisional: GroupContext
) -> tuple[NodeKeys, bytes]:
    """Return our private keys after, and the commit secret."""
    if step.commit.path is None:
        return node_keys, bytes(step.tree.suite.hash_bytes)
    opened = open_path(
        step.tree,
        step.commit.path,
        leaf=step.committer,
        node_keys=node_keys,
        context=provisional.to_bytes(),
        new_leaves=changed.added,
    )
    return opened.node_keys, opened.commit_secret


def _own_update(group: Group, tree: RatchetTree) -> OwnUpdate | None:
    """Return the private side of our own leaf, if the commit took an Update of ours."""
    after = tree.leaf(group.own_leaf)
    if after is None:
        raise UntrustedError("a commit that leaves us without a leaf")
    return next((own for own in group.own_updates if own.encryption_key == after.encryption_key), None)


def _init_secret(group: Group, changed: Changed) -> bytes:
    """Return the init secret for the key schedule.

    Spec: RFC 9420 section 8.3.
    """
    if changed.kem_output is None:
        return group.secrets.init_secret
    external = group.suite.derive_key_pair(group.secrets.external_secret)
    return export_decapsulate(group.suite, external.private, changed.kem_output)
