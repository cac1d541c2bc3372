# SPDX-License-Identifier: Apache-2.0
"""One member's view of a group: everything it needs to go on, and nothing that was consumed.

Not the operations: `founding`, `joining`, `commits`, `processing` and `messages` make one value from another.

1. A group is a value. Whatever fails leaves the value that there was; nothing is changed in place.
2. A secret that was consumed is absent from the next value.
3. Of epochs before, only what late application messages need is kept: at most `PAST_EPOCHS` of them, for at
   most `MAX_AGE_MS`. `forget` enforces the time and must be called by whoever knows the clock.
"""

from dataclasses import dataclass, field, replace

from protocol.errors import LocalProtocolError
from protocol.mls import schedule
from protocol.mls.policy import SentProposal
from protocol.mls.schedule import EpochSecrets
from protocol.mls.secret_tree import SecretTree, forget_skipped
from protocol.mls.structures.extensions import Credential
from protocol.mls.structures.group_info import GroupContext
from protocol.mls.structures.nodes import LeafNode
from protocol.mls.suites import Suite
from protocol.mls.tree.path import NodeKeys
from protocol.mls.tree.ratchet_tree import RatchetTree

PAST_EPOCHS = 5
"""Epochs before this one of which late messages can still be read."""
MAX_AGE_MS = 14 * 24 * 3600 * 1000
"""How long keys for late messages are kept."""
RESUMPTIONS = 16
"""Epochs, this one among them, whose resumption keys are kept."""
MAX_PROPOSALS = 256
"""Proposals kept in one epoch for a commit that refers to them."""


@dataclass(frozen=True, slots=True)
class Member:
    """Who sent something, as the tree of that epoch knew it.

    Attributes:
        leaf_index: place in the tree.
        signature_key: raw public key.
        credential: who that is.
    """

    leaf_index: int
    signature_key: bytes
    credential: Credential


@dataclass(frozen=True, slots=True)
class PastEpoch:
    """What is kept of an epoch that is over.

    Attributes:
        epoch: its number.
        ended_at_ms: when we left it, Unix time in milliseconds.
        context: what its members agreed on; signatures cover it.
        members: in the order of their leaves.
        sender_data_secret: opens who sent a message.
        secret_tree: what is left of its keys.
    """

    epoch: int
    ended_at_ms: int
    context: GroupContext = field(repr=False)
    members: tuple[Member, ...]
    sender_data_secret: bytes = field(repr=False)
    secret_tree: SecretTree = field(repr=False)


@dataclass(frozen=True, slots=True)
class KeptProposal:
    """A proposal of this epoch that a commit may refer to.

    Attributes:
        reference: its `ProposalRef`.
        sent: the proposal and who sent it.
    """

    reference: bytes
    sent: SentProposal


@dataclass(frozen=True, slots=True)
class OwnUpdate:
    """The private side of a leaf that we proposed for ourselves.

    Attributes:
        encryption_key: public key in the proposed leaf.
        encryption_private: its private key.
        signature_private: private signature key of the proposed leaf.
    """

    encryption_key: bytes
    encryption_private: bytes = field(repr=False)
    signature_private: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class ResumptionPsk:
    """Proof that we were in an epoch."""

    epoch: int
    secret: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class Group:
    """A group in one epoch, as one member sees it.

    Attributes:
        suite: its algorithms.
        context: id, epoch, hashes of tree and transcript, extensions.
        tree: the members and their public keys.
        node_keys: which leaf is ours, and the private keys of nodes above it.
        signature_private: of our leaf.
        interim_transcript_hash: over all commits so far and their confirmations.
        confirmation_tag: of the commit that began this epoch.
        secrets: of this epoch.
        secret_tree: keys for messages of this epoch.
        past: epochs before, the latest first.
        resumptions: the latest first; this epoch is the first.
        proposals: of this epoch, in the order in which they came.
        own_updates: leaves that we proposed for ourselves in this epoch.

    Spec: RFC 9420 sections 3.2 and 8.1.
    """

    suite: Suite
    context: GroupContext
    tree: RatchetTree = field(repr=False)
    node_keys: NodeKeys = field(repr=False)
    signature_private: bytes = field(repr=False)
    interim_transcript_hash: bytes = field(repr=False)
    confirmation_tag: bytes = field(repr=False)
    secrets: EpochSecrets = field(repr=False)
    secret_tree: SecretTree = field(repr=False)
    past: tuple[PastEpoch, ...] = ()
    resumptions: tuple[ResumptionPsk, ...] = field(default=(), repr=False)
    proposals: tuple[KeptProposal, ...] = ()
    own_updates: tuple[OwnUpdate, ...] = ()

    @property
    def group_id(self) -> bytes:
        """What the founder named it."""
        return self.context.group_id

    @property
    def epoch(self) -> int:
        """How many commits there were."""
        return self.context.epoch

    @property
    def own_leaf(self) -> int:
        """Leaf number of this member."""
        return self.node_keys.leaf

    @property
    def own_leaf_node(self) -> LeafNode:
        """This member's leaf."""
        found = self.tree.leaf(self.node_keys.leaf)
        if found is None:
            raise LocalProtocolError("a group without its own member")
        return found

    @property
    def epoch_authenticator(self) -> bytes:
        """Equal for all members who see the same group.

        Spec: RFC 9420 section 8.7.
        """
        return self.secrets.epoch_authenticator

    def members(self) -> tuple[Member, ...]:
        """Return all members in the order of their leaves."""
        return tuple(member_of(index, leaf) for index, leaf in self.tree.members())

    def export(self, label: str, context: bytes, size: int) -> bytes:
        """Return a secret of this epoch for another use.

        Spec: RFC 9420 section 8.5.
        """
        return schedule.export(self.suite, self.secrets.exporter_secret, label, context, size)

    def resumption_psk(self, epoch: int) -> bytes | None:
        """Return the resumption key of an epoch, or None if it is not kept."""
        return next((kept.secret for kept in self.resumptions if kept.epoch == epoch), None)


def member_of(index: int, leaf: LeafNode) -> Member:
    """Return who is at a leaf."""
    return Member(index, leaf.signature_key, leaf.credential)


def forget(group: Group, now_ms: int) -> Group:
    """Return the group without keys for late messages whose time is over, or the same value."""
    before_ms = now_ms - MAX_AGE_MS
    past = tuple(_forget_in(epoch, before_ms) for epoch in group.past if epoch.ended_at_ms >= before_ms)
    secret_tree = forget_skipped(group.secret_tree, before_ms)
    if secret_tree is group.secret_tree and past == group.past:
        return group
    return replace(group, past=past, secret_tree=secret_tree)


def past_of(group: Group, now_ms: int) -> tuple[PastEpoch, ...]:
    """Return what the next epoch keeps of this one and of those before."""
    ended = PastEpoch(
        epoch=group.epoch,
        ended_at_ms=now_ms,
        context=group.context,
        members=group.members(),
        sender_data_secret=group.secrets.sender_data_secret,
        secret_tree=group.secret_tree,
    )
    return forget(replace(group, past=(ended, *group.past)[:PAST_EPOCHS]), now_ms).past


def _forget_in(epoch: PastEpoch, before_ms: int) -> PastEpoch:
    secret_tree = forget_skipped(epoch.secret_tree, before_ms)
    return epoch if secret_tree is epoch.secret_tree else replace(epoch, secret_tree=secret_tree)
