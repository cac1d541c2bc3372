# SPDX-License-Identifier: Apache-2.0
"""How a commit is made, by a member or by somebody who joins from outside: path, signature, next epoch.

Not how it travels, and not who is told of it: that differs, and is done in `protocol.mls.commits` and
`protocol.mls.joining`.

1. What we would refuse from others we do not make: the same rules are asked, and a breach is ours.
2. The commit is signed by the key that the leaf has before it; a new key signs its leaf and what comes later.
"""

from dataclasses import dataclass, field

from protocol.errors import LocalProtocolError, RemoteProtocolError
from protocol.interfaces import Entropy
from protocol.mls.changes.applying import Changed
from protocol.mls.changes.epochs import Arrival, Inputs, arrive, provisional_context
from protocol.mls.changes.outcome import verify_outcome
from protocol.mls.framing import sign_content
from protocol.mls.policy import CommitView, Policy, SentProposal
from protocol.mls.schedule import Psk, psk_secret
from protocol.mls.structures.group_info import GroupContext
from protocol.mls.structures.messages import (
    AuthData,
    AuthenticatedContent,
    FramedContent,
    Sender,
    SenderType,
    WireFormat,
)
from protocol.mls.structures.nodes import LeafNode
from protocol.mls.structures.proposals import Commit, ProposalOrRef, UpdatePath
from protocol.mls.tree import arithmetic
from protocol.mls.tree.path import NodeKeys, PathDraft, draw_path, encrypt_path
from protocol.mls.tree.ratchet_tree import RatchetTree


@dataclass(frozen=True, slots=True)
class Footing:
    """The epoch that a committer stands on.

    Attributes:
        context: of the epoch.
        tree: its members.
        interim: its interim transcript hash.
    """

    context: GroupContext
    tree: RatchetTree
    interim: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class NewLeaf:
    """What a path puts at the committer's leaf, but for the encryption key.

    Attributes:
        content: the leaf; source, encryption key, parent hash and signature are replaced.
        signature_private: private key that belongs to its signature key.
        says_the_same: whether it is the leaf of before but for its keys; then it was judged before.
    """

    content: LeafNode
    signature_private: bytes = field(repr=False)
    says_the_same: bool = False


@dataclass(frozen=True, slots=True)
class Plan:
    """A commit that was decided and not yet made.

    Attributes:
        sender: as who the committer signs.
        leaf: the committer's leaf number after the commit.
        leaf_before: the committer's leaf before, if it was a member.
        signature_private: signs the commit.
        proposals: with their senders, in order.
        items: the same as they stand in the commit.
        changed: what they make of the tree.
        new_leaf: for a path, or None for a commit without one.
        node_keys: the committer's private keys, if there is no path.
        init_secret: of the epoch, or from outside.
        psks: that go in, in order.
        authenticated_data: sent beside the commit.
        wire_format: how it will travel.
    """

    sender: Sender
    leaf: int
    leaf_before: LeafNode | None
    signature_private: bytes = field(repr=False)
    proposals: tuple[SentProposal, ...]
    items: tuple[ProposalOrRef, ...]
    changed: Changed
    new_leaf: NewLeaf | None
    node_keys: NodeKeys | None
    init_secret: bytes = field(repr=False)
    psks: list[Psk]
    authenticated_data: bytes
    wire_format: WireFormat


@dataclass(frozen=True, slots=True)
class Made:
    """A commit before it is protected.

    Attributes:
        authenticated: the signed and confirmed commit.
        arrival: the epoch it leads to.
        tree: the members after.
        node_keys: the committer's private keys after.
        path: with the secrets for those who are added, if there is a path.
    """

    authenticated: AuthenticatedContent
    arrival: Arrival
    tree: RatchetTree
    node_keys: NodeKeys
    path: PathDraft | None


def make_commit(footing: Footing, plan: Plan, policy: Policy, entropy: Entropy) -> Made:
    """Make a commit whose proposals keep the rules.

    Raises:
        LocalProtocolError: it leads to a tree that others would refuse, or the policy refuses it.

    Spec: RFC 9420 section 12.4.1.
    """
    suite = footing.tree.suite
    path = _draw(footing, plan, entropy)
    tree = plan.changed.tree if path is None else path.tree
    _require_good(footing, plan, policy, tree)
    provisional = provisional_context(footing.context, tree, plan.changed.extensions)
    update = None if path is None else _encrypt(path, plan, provisional, entropy)
    content = FramedContent(
        group_id=footing.context.group_id,
        epoch=footing.context.epoch,
        sender=plan.sender,
        authenticated_data=plan.authenticated_data,
        content=Commit(plan.items, update),
    )
    signature = sign_content(
        suite,
        content,
        wire_format=plan.wire_format,
        context=footing.context,
        private_key=plan.signature_private,
    )
    arrival = arrive(
        suite,
        footing.interim,
        provisional=provisional,
        inputs=Inputs(
            init_secret=plan.init_secret,
            commit_secret=bytes(suite.hash_bytes) if path is None else path.commit_secret,
            psk_secret=psk_secret(suite, plan.psks),
        ),
        wire_format=plan.wire_format,
        content=content,
        signature=signature,
    )
    auth = AuthData(signature, arrival.confirmation_tag)
    return Made(
        authenticated=AuthenticatedContent(plan.wire_format, content, auth),
        arrival=arrival,
        tree=tree,
        node_keys=_keys_after(plan, path),
        path=path,
    )


def _draw(footing: Footing, plan: Plan, entropy: Entropy) -> PathDraft | None:
    if plan.new_leaf is None:
        return None
    return draw_path(
        plan.changed.tree,
        plan.new_leaf.content,
        leaf=plan.leaf,
        group_id=footing.context.group_id,
        signature_key=plan.new_leaf.signature_private,
        entropy=entropy,
    )


def _encrypt(path: PathDraft, plan: Plan, provisional: GroupContext, entropy: Entropy) -> UpdatePath:
    return encrypt_path(path, context=provisional.to_bytes(), new_leaves=plan.changed.added, entropy=entropy)


def _require_good(footing: Footing, plan: Plan, policy: Policy, tree: RatchetTree) -> None:
    after = tree.leaf(plan.leaf)
    if after is None:
        raise LocalProtocolError("a commit of nobody")
    view = CommitView(
        group_id=footing.context.group_id,
        epoch=footing.context.epoch,
        committer=plan.leaf,
        committer_before=plan.leaf_before,
        committer_after=after,
        external=plan.sender.sender_type is SenderType.NEW_MEMBER_COMMIT,
        has_path=plan.new_leaf is not None,
        private=plan.wire_format is WireFormat.PRIVATE_MESSAGE,
        authenticated_data=plan.authenticated_data,
        proposals=plan.proposals,
        added=plan.changed.added,
        tree_before=footing.tree,
        tree_after=tree,
        extensions_before=footing.context.extensions,
        extensions_after=plan.changed.extensions,
    )
    judged = footing.tree
    if plan.new_leaf is not None and plan.new_leaf.says_the_same:
        judged = judged.with_nodes({arithmetic.node_of(plan.leaf): after})
    try:
        verify_outcome(view, policy, judged=judged)
    except RemoteProtocolError as refused:
        raise LocalProtocolError(str(refused), code=refused.code) from None


def _keys_after(plan: Plan, path: PathDraft | None) -> NodeKeys:
    if path is not None:
        return path.node_keys
    if plan.node_keys is None:
        raise LocalProtocolError("a commit without keys")
    return plan.node_keys
