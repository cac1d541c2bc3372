# SPDX-License-Identifier: Apache-2.0
"""The judgement of what a commit leads to: by the rules for all leaves, then by the policy."""

from protocol.mls.policy import CommitView, Policy
from protocol.mls.tree.leaves import verify_leaves


def verify_outcome(view: CommitView, policy: Policy) -> None:
    """Check all leaves after a commit, by the RFC and by the policy, then ask the policy for the commit.

    Args:
        view: the commit with the tree it leads to.
        policy: of the application.

    Raises:
        RemoteProtocolError: a leaf or the commit is refused.

    Spec: RFC 9420 sections 7.3 and 12.2; PROTOCOL.md section 13.
    """
    verify_leaves(
        view.tree_after,
        group_id=view.group_id,
        extensions=tuple(view.extensions_after),
        before=view.tree_before,
    )
    for _, leaf in view.tree_after.members():
        policy.verify_leaf(leaf, view.group_id)
    policy.verify_commit(view)
