# SPDX-License-Identifier: Apache-2.0
"""Policies of applications that ask nothing, or one thing."""

from collections.abc import Callable
from dataclasses import dataclass, field

from protocol.errors import UntrustedError
from protocol.mls.policy import CommitView, JoinView, SentProposal
from protocol.mls.structures.nodes import LeafNode


class AcceptAll:
    """Asks nothing beyond RFC 9420."""

    max_members = 1024

    def verify_leaf(self, leaf: LeafNode, group_id: bytes) -> None:
        """Take anybody."""

    def verify_group(self, view: JoinView) -> None:
        """Take any group."""

    def verify_proposal(self, sent: SentProposal, group_id: bytes) -> None:
        """Take any proposal."""

    def verify_commit(self, view: CommitView) -> None:
        """Take any change."""


@dataclass
class Refusing(AcceptAll):
    """Refuses leaves, groups, proposals or commits that a test names; keeps what it was asked."""

    leaf: Callable[[LeafNode], bool] = lambda _: False
    group: Callable[[JoinView], bool] = lambda _: False
    proposal: Callable[[SentProposal], bool] = lambda _: False
    commit: Callable[[CommitView], bool] = lambda _: False
    max_members: int = 1024
    asked: list[str] = field(default_factory=list)
    views: list[CommitView] = field(default_factory=list)

    def verify_leaf(self, leaf: LeafNode, group_id: bytes) -> None:
        self._judge("leaf", self.leaf(leaf))

    def verify_group(self, view: JoinView) -> None:
        self._judge("group", self.group(view))

    def verify_proposal(self, sent: SentProposal, group_id: bytes) -> None:
        self._judge("proposal", self.proposal(sent))

    def verify_commit(self, view: CommitView) -> None:
        self.views.append(view)
        self._judge("commit", self.commit(view))

    def _judge(self, what: str, refused: bool) -> None:
        self.asked.append(what)
        if refused:
            raise UntrustedError(f"a {what} that the policy refuses")
