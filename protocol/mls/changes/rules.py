# SPDX-License-Identifier: Apache-2.0
"""Which proposals may stand in one commit. The same rules for whoever makes it and for whoever receives it.

Not the rules of an application, which a `Policy` has, and not those for the tree that comes out, which
`protocol.mls.tree` has: here is what can be said of a list of proposals and the tree before it.

1. A function stands for one rule, and is named for it.
2. A breach is a `RemoteProtocolError`; whoever makes a commit turns it into a `LocalProtocolError`.
"""

from collections.abc import Sequence

from protocol.errors import MalformedError, ReasonCode, UnsupportedVersionError
from protocol.mls.framing import EXTERNAL_PROPOSAL_TYPES
from protocol.mls.policy import SentProposal
from protocol.mls.structures.key_packages import KeyPackage, verify_key_package_signature
from protocol.mls.structures.messages import Sender, SenderType
from protocol.mls.structures.nodes import LeafNodeSource
from protocol.mls.structures.proposals import (
    Add,
    ExternalInit,
    GroupContextExtensions,
    PreSharedKey,
    Proposal,
    ProposalType,
    PskId,
    ReInit,
    Remove,
    ResumptionPskId,
    ResumptionUsage,
    Update,
)
from protocol.mls.suites import Suite
from protocol.mls.tree.leaves import require_source, verify_leaf
from protocol.mls.tree.ratchet_tree import RatchetTree

PATH_REQUIRED = frozenset(
    {
        ProposalType.UPDATE,
        ProposalType.REMOVE,
        ProposalType.EXTERNAL_INIT,
        ProposalType.GROUP_CONTEXT_EXTENSIONS,
    }
)
"""Proposals that need a path in their commit (RFC 9420 section 12.4)."""
_EXTERNAL_COMMIT_TYPES = frozenset({ProposalType.EXTERNAL_INIT, ProposalType.REMOVE, ProposalType.PSK})


# --- single proposals -------------------------------------------------------------------------------------
def verify_proposal(tree: RatchetTree, sent: SentProposal) -> None:
    """Check what can be said of one proposal alone, and of who may send it.

    The leaf that an Add or Update brings is judged by itself in the tree that comes out, or by
    `verify_proposed_leaf`.

    Args:
        tree: the members in the epoch of the proposal.
        sent: the proposal with its sender.

    Raises:
        RemoteProtocolError: it breaks a rule.

    Spec: RFC 9420 section 12.1.
    """
    proposal = sent.proposal
    verify_proposer(proposal, sent.sender)
    if isinstance(proposal, Add):
        verify_package(tree.suite, proposal.key_package)
    elif isinstance(proposal, Update):
        verify_update(tree, proposal, sent.sender.index)
    elif isinstance(proposal, Remove):
        verify_remove(tree, proposal)
    elif isinstance(proposal, PreSharedKey):
        verify_psk(tree.suite, proposal.psk)
    elif isinstance(proposal, ReInit):
        raise UnsupportedVersionError("a group that is replaced by another is not supported")


def verify_proposed_leaf(tree: RatchetTree, group_id: bytes, sent: SentProposal) -> None:
    """Check the leaf that a proposal brings before a commit takes it.

    Raises:
        MalformedError: it does not support what it uses.
        UntrustedError: its signature does not hold, or a key cannot be admitted.

    Spec: RFC 9420 sections 7.3 and 12.1.
    """
    proposal = sent.proposal
    if isinstance(proposal, Add):
        verify_leaf(proposal.key_package.leaf_node, suite=tree.suite, group_id=None, leaf_index=None)
    elif isinstance(proposal, Update):
        verify_leaf(proposal.leaf_node, suite=tree.suite, group_id=group_id, leaf_index=sent.sender.index)


def verify_proposer(proposal: Proposal, sender: Sender) -> None:
    """Check that somebody in this role may propose this.

    Raises:
        MalformedError: he may not.

    Spec: RFC 9420 sections 6.1 and 12.1.8.
    """
    kind = proposal.proposal_type
    allowed = {
        SenderType.MEMBER: kind is not ProposalType.EXTERNAL_INIT,
        SenderType.EXTERNAL: kind in EXTERNAL_PROPOSAL_TYPES,
        SenderType.NEW_MEMBER_PROPOSAL: kind is ProposalType.ADD,
        SenderType.NEW_MEMBER_COMMIT: kind in _EXTERNAL_COMMIT_TYPES,
    }
    if not allowed[sender.sender_type]:
        raise _broken("a proposal that its sender may not make")


def verify_key_package(suite: Suite, package: KeyPackage) -> None:
    """Check a key package with its leaf, as whoever keeps it for later use must.

    Raises:
        RemoteProtocolError: as for `verify_package`, or its leaf is not good by itself.

    Spec: RFC 9420 section 10.1.
    """
    verify_package(suite, package)
    verify_leaf(package.leaf_node, suite=suite, group_id=None, leaf_index=None)


def verify_package(suite: Suite, package: KeyPackage) -> None:
    """Check a key package but for the rules of its leaf by itself.

    Extensions of the key package that nobody knows are ignored, listed in the capabilities or not: others
    send them so (RFC 9420 section 13.5).

    Raises:
        UnsupportedVersionError: for another suite.
        MalformedError: its leaf was not made for a key package, or its keys are not different.
        UntrustedError: its signature does not hold, or its init key cannot be admitted.

    Spec: RFC 9420 sections 10 and 10.1.
    """
    if package.cipher_suite != suite.number:
        raise UnsupportedVersionError("a key package for another suite")
    require_source(package.leaf_node, LeafNodeSource.KEY_PACKAGE)
    if package.init_key == package.leaf_node.encryption_key:
        raise _broken("a key package that uses one key for two purposes")
    suite.kem.require_public_key(package.init_key)
    verify_key_package_signature(suite, package)


def verify_update(tree: RatchetTree, proposal: Update, sender: int) -> None:
    """Check an Update: made for it, with another encryption key than before.

    Raises:
        MalformedError: nobody is at the leaf, the leaf was not made for an Update, or keeps its key.

    Spec: RFC 9420 sections 7.3 and 12.1.2.
    """
    before = tree.leaf(sender)
    if before is None:
        raise _broken("an Update of nobody")
    require_source(proposal.leaf_node, LeafNodeSource.UPDATE)
    if proposal.leaf_node.encryption_key == before.encryption_key:
        raise _broken("an Update that keeps its key")


def verify_remove(tree: RatchetTree, proposal: Remove) -> None:
    """Check that there is somebody to remove.

    Raises:
        MalformedError: there is not.

    Spec: RFC 9420 section 12.1.3.
    """
    if tree.leaf(proposal.removed) is None:
        raise _broken("a Remove of nobody")


def verify_psk(suite: Suite, psk: PskId) -> None:
    """Check the name of a pre-shared key that a commit brings in.

    Raises:
        MalformedError: kept for another group's beginning, or a nonce of the wrong length.

    Spec: RFC 9420 section 12.1.4.
    """
    if isinstance(psk, ResumptionPskId) and psk.usage is not ResumptionUsage.APPLICATION:
        raise _broken("a pre-shared key that only begins other groups")
    if len(psk.psk_nonce) != suite.hash_bytes:
        raise _broken("a pre-shared key with a nonce of the wrong length")


# --- lists ------------------------------------------------------------------------------------------------
def verify_proposal_list(tree: RatchetTree, proposals: Sequence[SentProposal], committer: int) -> None:
    """Check the list of a member's commit; each proposal was checked alone before.

    Args:
        tree: the members before.
        proposals: in the order of the commit.
        committer: leaf number of the committer.

    Raises:
        MalformedError: it breaks a rule.

    Spec: RFC 9420 section 12.2.
    """
    verify_no_own_update(proposals, committer)
    verify_no_own_removal(proposals, committer)
    verify_one_change_a_leaf(proposals)
    verify_adds_differ(tree, proposals)
    verify_psks_differ(proposals)
    verify_one_extension_change(proposals)
    verify_no_external_init(proposals)


def verify_no_own_update(proposals: Sequence[SentProposal], committer: int) -> None:
    """Refuse an Update by the committer, whose leaf the path replaces."""
    if committer in _updated(proposals):
        raise _broken("a commit with an Update of its own sender")


def verify_no_own_removal(proposals: Sequence[SentProposal], committer: int) -> None:
    """Refuse a Remove of the committer."""
    if committer in _removed(proposals):
        raise _broken("a commit that removes its own sender")


def verify_one_change_a_leaf(proposals: Sequence[SentProposal]) -> None:
    """Refuse several Updates or Removes of one leaf."""
    changed = _updated(proposals) + _removed(proposals)
    if len(set(changed)) != len(changed):
        raise _broken("a commit that changes a leaf twice")


def verify_adds_differ(tree: RatchetTree, proposals: Sequence[SentProposal]) -> None:
    """Refuse to add a client twice, or one that is a member and is not removed in the same commit.

    A client is known by its signature key here; a policy may know better.
    """
    added = [
        sent.proposal.key_package.leaf_node.signature_key
        for sent in proposals
        if isinstance(sent.proposal, Add)
    ]
    if not added:
        return
    removed = set(_removed(proposals))
    staying = {leaf.signature_key for index, leaf in tree.members() if index not in removed}
    if len(set(added)) != len(added) or not staying.isdisjoint(added):
        raise _broken("a commit that adds a member twice")


def verify_psks_differ(proposals: Sequence[SentProposal]) -> None:
    """Refuse a pre-shared key that stands in the list twice."""
    names = [sent.proposal.psk for sent in proposals if isinstance(sent.proposal, PreSharedKey)]
    if len(set(names)) != len(names):
        raise _broken("a commit with a pre-shared key twice")


def verify_one_extension_change(proposals: Sequence[SentProposal]) -> None:
    """Refuse to replace the extensions of the group twice."""
    if sum(isinstance(sent.proposal, GroupContextExtensions) for sent in proposals) > 1:
        raise _broken("a commit that replaces the extensions twice")


def verify_no_external_init(proposals: Sequence[SentProposal]) -> None:
    """Refuse an ExternalInit in a member's commit."""
    if any(isinstance(sent.proposal, ExternalInit) for sent in proposals):
        raise _broken("a member's commit with an external init secret")


def verify_external_list(proposals: Sequence[SentProposal]) -> None:
    """Check the list of a commit from outside; each proposal was checked alone before.

    Raises:
        MalformedError: a reference, another proposal than ExternalInit, Remove and PreSharedKey, not exactly
            one ExternalInit, or more than one Remove.

    Spec: RFC 9420 sections 12.2 and 12.4.3.2.
    """
    kinds = [sent.proposal.proposal_type for sent in proposals]
    if any(sent.by_reference for sent in proposals):
        raise _broken("an external commit that refers to proposals")
    if not _EXTERNAL_COMMIT_TYPES.issuperset(kinds):
        raise _broken("an external commit with a proposal that it must not have")
    if kinds.count(ProposalType.EXTERNAL_INIT) != 1 or kinds.count(ProposalType.REMOVE) > 1:
        raise _broken("an external commit without exactly one init secret and at most one Remove")
    verify_psks_differ(proposals)


def verify_path_presence(proposals: Sequence[SentProposal], *, has_path: bool) -> None:
    """Check that a commit has a path where it must.

    Raises:
        MalformedError: it has none.

    Spec: RFC 9420 section 12.4.
    """
    if not has_path and needs_path(proposals):
        raise _broken("a commit without the path that it needs")


def needs_path(proposals: Sequence[SentProposal]) -> bool:
    """Say whether a commit of these proposals must have a path.

    Spec: RFC 9420 section 12.4.
    """
    return not proposals or any(sent.proposal.proposal_type in PATH_REQUIRED for sent in proposals)


def _updated(proposals: Sequence[SentProposal]) -> list[int]:
    return [sent.sender.index for sent in proposals if isinstance(sent.proposal, Update)]


def _removed(proposals: Sequence[SentProposal]) -> list[int]:
    return [sent.proposal.removed for sent in proposals if isinstance(sent.proposal, Remove)]


def _broken(text: str) -> MalformedError:
    return MalformedError(text, code=ReasonCode.BAD_CONTENT)
