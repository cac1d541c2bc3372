# SPDX-License-Identifier: Apache-2.0
"""The judgement of what a commit leads to: by the rules for the whole tree, then by the policy.

Not the rules for the list of proposals, nor those for the path: whoever has them has checked them before.
"""

from protocol.errors import UntrustedError
from protocol.mls.policy import CommitView, Policy
from protocol.mls.tree.leaves import verify_leaves
from protocol.mls.tree.ratchet_tree import RatchetTree


def verify_outcome(view: CommitView, policy: Policy, *, judged: RatchetTree) -> None:
    """Check all leaves after a commit, by the RFC and by the policy, then ask the policy for the commit.

    Args:
        view: the commit with the tree it leads to.
        policy: of the application.
        judged: a tree whose leaves need not be judged by themselves again: that of the epoch, but for the
            committer's own leaf, if the committer has just signed it.

    Raises:
        RemoteProtocolError: a leaf or the commit is refused.

    Spec: RFC 9420 sections 7.3, 12.2 and 16.7.
    """
    verify_distinct_keys(view.tree_after)
    verify_leaves(
        view.tree_after,
        group_id=view.group_id,
        extensions=tuple(view.extensions_after),
        before=judged,
    )
    for _, leaf in view.tree_after.members():
        policy.verify_leaf(leaf, view.group_id)
    policy.verify_commit(view)


def verify_distinct_keys(tree: RatchetTree) -> None:
    """Refuse an encryption key that stands in two nodes, so that no joiner refuses what we have taken.

    Raises:
        UntrustedError: one does.

    Spec: RFC 9420 section 16.7.
    """
    found = [node.encryption_key for node in tree.nodes if node is not None]
    if len(set(found)) != len(found):
        raise UntrustedError("an encryption key that two nodes have")
