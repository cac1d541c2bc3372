# SPDX-License-Identifier: Apache-2.0
"""What a list of proposals makes of the tree and the extensions of a group.

Not the rules for such lists, which are `protocol.mls.changes.rules`'s: what comes here was checked there.

1. Proposals are applied in the order of RFC 9420 section 12.3, whatever their order in the commit: the order
   of the commit only counts among Adds and among pre-shared keys.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from protocol.errors import ReasonCode, RemoteProtocolError
from protocol.limits import MAX_MLS_TREE_LEAVES
from protocol.mls.policy import SentProposal
from protocol.mls.structures.extensions import Extensions
from protocol.mls.structures.proposals import (
    Add,
    ExternalInit,
    GroupContextExtensions,
    PreSharedKey,
    PskId,
    Remove,
    Update,
)
from protocol.mls.tree.ratchet_tree import RatchetTree


@dataclass(frozen=True, slots=True)
class Changed:
    """A group after the proposals of a commit and before its path.

    Attributes:
        tree: the members.
        extensions: of the group context.
        added: leaf numbers of new members, in the order of the Adds.
        psk_ids: pre-shared keys that go into the next epoch, in order.
        kem_output: of the ExternalInit, if there is one.
    """

    tree: RatchetTree
    extensions: Extensions
    added: tuple[int, ...]
    psk_ids: tuple[PskId, ...]
    kem_output: bytes | None


def apply_proposals(tree: RatchetTree, extensions: Extensions, proposals: Sequence[SentProposal]) -> Changed:
    """Apply a list of proposals that keeps the rules.

    Spec: RFC 9420 section 12.3.
    """
    wanted = [sent.proposal for sent in proposals]
    for sent in proposals:
        if isinstance(sent.proposal, Update):
            tree = tree.update_leaf(sent.sender.index, sent.proposal.leaf_node)
    for proposal in wanted:
        if isinstance(proposal, Remove):
            tree = tree.remove_leaf(proposal.removed)
    added: list[int] = []
    for proposal in wanted:
        if isinstance(proposal, Add):
            tree, leaf = tree.add_leaf(proposal.key_package.leaf_node)
            added.append(leaf)
        elif isinstance(proposal, GroupContextExtensions):
            extensions = proposal.extensions
    return Changed(
        tree=tree,
        extensions=extensions,
        added=tuple(added),
        psk_ids=tuple(proposal.psk for proposal in wanted if isinstance(proposal, PreSharedKey)),
        kem_output=next((each.kem_output for each in wanted if isinstance(each, ExternalInit)), None),
    )


def verify_size(tree: RatchetTree, proposals: Sequence[SentProposal], max_members: int) -> None:
    """Check before it is applied that a list does not make a group too large.

    Raises:
        RemoteProtocolError: it does (`quota_exceeded`).
    """
    kinds = [type(sent.proposal) for sent in proposals]
    joining = kinds.count(Add) + kinds.count(ExternalInit)
    members = sum(1 for _ in tree.members()) + joining - kinds.count(Remove)
    if joining and members > min(max_members, MAX_MLS_TREE_LEAVES):
        raise RemoteProtocolError("a group with too many members", code=ReasonCode.QUOTA_EXCEEDED)
