# SPDX-License-Identifier: Apache-2.0
"""What an application may ask of a group beyond RFC 9420: who may be in it, and which changes are allowed.

Not the rules of the RFC: those hold for every group and are checked before a policy is asked.

1. A policy is asked before a new state is returned; what it refuses changes nothing.
2. A policy refuses by raising a `RemoteProtocolError`; it never changes what it is shown.
3. A policy that needs the time of day, a directory or a roster was made with it.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from protocol.mls.structures.extensions import Extension
from protocol.mls.structures.messages import Sender
from protocol.mls.structures.nodes import LeafNode
from protocol.mls.structures.proposals import Proposal
from protocol.mls.tree.ratchet_tree import RatchetTree


@dataclass(frozen=True, slots=True)
class SentProposal:
    """A proposal with whoever proposed it.

    Attributes:
        proposal: what is proposed.
        sender: who proposed it; the committer, if it stands in the commit itself.
        by_reference: whether it was sent before the commit, in a message of its own.
    """

    proposal: Proposal
    sender: Sender
    by_reference: bool


@dataclass(frozen=True, slots=True)
class CommitView:
    """A commit that keeps all rules of RFC 9420, as a policy judges it.

    Attributes:
        group_id: the group.
        epoch: the epoch in which it was sent.
        committer: leaf index of the committer, in the tree after the commit.
        committer_before: the committer's leaf before; None if an external commit adds somebody.
        committer_after: the committer's leaf after.
        external: whether it was sent from outside the group (RFC 9420 section 12.4.3.2).
        has_path: whether it brings new keys for the committer's path.
        private: whether it was sent as a `PrivateMessage`.
        authenticated_data: what was sent beside it.
        proposals: what it changes, in its order.
        added: leaf indexes in the tree after, in the order of the Adds.
        tree_before: the members before.
        tree_after: the members after.
        extensions_before: of the group context before.
        extensions_after: of the group context after.
    """

    group_id: bytes
    epoch: int
    committer: int
    committer_before: LeafNode | None
    committer_after: LeafNode
    external: bool
    has_path: bool
    private: bool
    authenticated_data: bytes
    proposals: Sequence[SentProposal]
    added: Sequence[int]
    tree_before: RatchetTree
    tree_after: RatchetTree
    extensions_before: Sequence[Extension]
    extensions_after: Sequence[Extension]


@dataclass(frozen=True, slots=True)
class JoinView:
    """A group that keeps all rules of RFC 9420, as a policy judges it before we join.

    Attributes:
        group_id: the group.
        epoch: in which we join.
        tree: the members; we are among them, unless we join from outside.
        extensions: of the group context.
        signer: leaf index of whoever vouches for it.
        external: whether we join from outside.
    """

    group_id: bytes
    epoch: int
    tree: RatchetTree
    extensions: Sequence[Extension]
    signer: int
    external: bool


class Policy(Protocol):
    """What the application asks of a group."""

    @property
    def max_members(self) -> int:
        """How many members a group may have."""
        ...

    def verify_leaf(self, leaf: LeafNode, group_id: bytes) -> None:
        """Check a member: credential, certificate, lifetime; asked for every leaf at each change.

        Raises:
            RemoteProtocolError: whoever this is must not be in this group, or is not known to be who it says.
        """
        ...

    def verify_group(self, view: JoinView) -> None:
        """Check a group that we are about to join.

        Raises:
            RemoteProtocolError: not a group for us.
        """
        ...

    def verify_proposal(self, sent: SentProposal, group_id: bytes) -> None:
        """Check a proposal that came in a message of its own, before it is kept.

        Raises:
            RemoteProtocolError: such a proposal is not taken.
        """
        ...

    def verify_commit(self, view: CommitView) -> None:
        """Check what a commit changes, both before we send it and when we receive it.

        Raises:
            RemoteProtocolError: such a change is not allowed, or not to this member.
        """
        ...
