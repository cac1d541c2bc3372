# SPDX-License-Identifier: Apache-2.0
"""Groups for measurements: found, joined and changed as the product does it; their policy asks nothing."""

from collections.abc import Sequence
from dataclasses import dataclass

from keys.entropy import SystemEntropy
from protocol.mls.commits import CommitDraft, PendingCommit, create_commit, install
from protocol.mls.founding import KeyPackageSecrets, LeafDraft, found_group, make_key_package
from protocol.mls.group import Group
from protocol.mls.joining import join
from protocol.mls.policy import CommitView, JoinView, SentProposal
from protocol.mls.structures.extensions import BasicCredential
from protocol.mls.structures.nodes import Capabilities, LeafNode, Lifetime
from protocol.mls.structures.proposals import Add
from protocol.mls.suites import PRODUCT_SUITE as SUITE

NOW_MS = 1_800_000_000_000
ENTROPY = SystemEntropy()


class NoPolicy:
    """Asks nothing beyond RFC 9420; what an application asks is not measured here."""

    max_members = 64

    def verify_leaf(self, leaf: LeafNode, group_id: bytes) -> None:
        """Take anybody."""

    def verify_group(self, view: JoinView) -> None:
        """Take any group."""

    def verify_proposal(self, sent: SentProposal, group_id: bytes) -> None:
        """Take any proposal."""

    def verify_commit(self, view: CommitView) -> None:
        """Take any change."""


POLICY = NoPolicy()


@dataclass(frozen=True, slots=True)
class Invitation:
    """What somebody has who is about to join."""

    welcome: bytes
    secrets: KeyPackageSecrets

    def accept(self) -> Group:
        """Join."""
        return join(SUITE, self.welcome, self.secrets, POLICY)


def leaf_draft(name: str) -> LeafDraft:
    """Return a leaf with new keys."""
    return LeafDraft(
        signature=SUITE.signature.key_pair(ENTROPY.random_bytes(SUITE.signature.seed_bytes)),
        credential=BasicCredential(name.encode()),
        capabilities=Capabilities(cipher_suites=(SUITE.number,), credentials=(1,)),
        lifetime=Lifetime(0, 2**40),
    )


def invited(size: int) -> tuple[Group, Sequence[Invitation]]:
    """Found a group, and invite all others to it by one commit with a path."""
    first = found_group(SUITE, bytes(32), leaf_draft("0"), entropy=ENTROPY)
    joining = [make_key_package(SUITE, leaf_draft(str(number)), ENTROPY) for number in range(1, size)]
    draft = CommitDraft(proposals=[Add(secrets.package) for secrets in joining])
    pending = create_commit(first, draft, POLICY, ENTROPY)
    welcomes = zip(pending.welcomes, joining, strict=True)
    return installed(first, pending), [Invitation(welcome, secrets) for welcome, secrets in welcomes]


def committed(group: Group) -> PendingCommit:
    """Commit new keys and nothing else."""
    return create_commit(group, CommitDraft(), POLICY, ENTROPY)


def installed(group: Group, pending: PendingCommit) -> Group:
    """Go on into the epoch of a commit of one's own."""
    return install(pending.group or group, pending.next_group, NOW_MS)
