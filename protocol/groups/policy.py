# SPDX-License-Identifier: Apache-2.0
"""The profile: what this network allows in a group beyond the rules of RFC 9420. It is asked, never acts.

1. A group has its two extensions, its members are on its roster, and each is a node of the directory.
2. Commits of members are private messages with a path; only the commit that fills a new group needs none.
   Proposals stand in the commit itself: Add, Remove, GroupContextExtensions, and at most one resumption key.
3. Only the hub adds, changes the extension, and removes others. A member may remove leaves of its own
   authority.
4. A commit from outside brings back a node in place of its own old leaf, with another leaf key, and does
   nothing else: whoever stole the old key cannot take the place of its owner.
5. A new leaf of a member, by path or from outside, is that of the same node.
6. Whoever enters, or commits, has a certificate that covers the moment, by a key in use.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import TypeVar

from protocol import limits
from protocol.directory.replay import DirectoryState
from protocol.errors import UntrustedError
from protocol.groups.certificate import verify_leaf_certificate, verify_standing_leaf
from protocol.groups.extension import ConsultationExtension
from protocol.groups.key_packages import verify_usable
from protocol.groups.membership import (
    Certificates,
    certificate_of,
    identity_in,
    verify_leaf_identity,
    verify_membership,
)
from protocol.groups.profile import GROUP_ID_BYTES, parse_context_extensions, verify_capabilities
from protocol.identifiers import NodeName
from protocol.mls.policy import CommitView, JoinView, SentProposal
from protocol.mls.structures.nodes import LeafNode
from protocol.mls.structures.proposals import (
    Add,
    ExternalInit,
    GroupContextExtensions,
    PreSharedKey,
    Proposal,
    Remove,
    ResumptionPskId,
    ResumptionUsage,
)
from protocol.mls.tree.ratchet_tree import RatchetTree

P = TypeVar("P", bound=Proposal)
_BY_MEMBERS = (Add, Remove, PreSharedKey, GroupContextExtensions)
_BY_THE_HUB = (Add, GroupContextExtensions)
_FIRST_EPOCH = 0


@dataclass(frozen=True, slots=True)
class ProfilePolicy:
    """Implements `protocol.mls.policy.Policy` for one moment and one state of the directory.

    Attributes:
        directory: the directory as it is known here.
        certificates: the leaf certificates that are known here.
        at: the moment that counts: for a commit that was received, `created` of its hub receipt, so that all
            members judge alike however late they are; for what we make, and for joining, our own time.
    """

    directory: DirectoryState = field(repr=False)
    certificates: Certificates = field(repr=False)
    at: datetime

    @property
    def max_members(self) -> int:
        """How many leaves a group may have."""
        return limits.MAX_GROUP_MEMBERS

    def verify_leaf(self, leaf: LeafNode, group_id: bytes) -> None:
        """Check that a leaf is the node it says it is, and supports these groups.

        Whether it may enter or stay is asked in `verify_commit` and `verify_group`: a member that has fallen
        must not keep others from removing it.

        Raises:
            NotKnownYetError: its certificate, or the issuer of that, is not known here.
            RemoteProtocolError: it is not.

        Spec: PROTOCOL.md section 16.2.
        """
        verify_leaf_identity(leaf, self.certificates, self.directory)
        verify_capabilities(leaf.capabilities)

    def verify_group(self, view: JoinView) -> None:
        """Check a group before we join it.

        Raises:
            RemoteProtocolError: another kind of group, a member that has fallen or is off the roster, or an
                invitation by somebody else than the hub.

        Spec: PROTOCOL.md section 16.4.
        """
        _require_group_id(view.group_id)
        extension = parse_context_extensions(view.extensions)
        verify_membership(view.tree, extension)
        for _, leaf in view.tree.members():
            verify_standing_leaf(certificate_of(leaf, self.certificates), self.directory, self.at)
        if not view.external and _name_at(view.tree, view.signer) != extension.hub:
            raise UntrustedError("an invitation by another node than the hub")

    def verify_proposal(self, sent: SentProposal, group_id: bytes) -> None:
        """Refuse a proposal in a message of its own.

        Raises:
            UntrustedError: always.

        Spec: PROTOCOL.md section 16.4.
        """
        raise UntrustedError("a proposal outside of a commit")

    def verify_commit(self, view: CommitView) -> None:
        """Check what a commit changes, and whether its sender may.

        Raises:
            RemoteProtocolError: it is not a change of this network, or not for this sender.

        Spec: PROTOCOL.md section 16.4.
        """
        _require_group_id(view.group_id)
        before = parse_context_extensions(view.extensions_before)
        after = parse_context_extensions(view.extensions_after)
        _verify_resumption_key(view)
        if view.external:
            _verify_resync(view)
        else:
            _verify_form(view)
            _verify_right(view, before)
            _verify_successor(view)
        _verify_extension(before, after, is_changed=bool(list(_proposals(view, GroupContextExtensions))))
        verify_membership(view.tree_after, after)
        self._verify_entering(view)

    def _verify_entering(self, view: CommitView) -> None:
        for add in _proposals(view, Add):
            verify_usable(add.key_package, self.at)
        entering = [view.tree_after.leaf(number) for number in view.added]
        for leaf in (view.committer_after, *entering):
            if leaf is None:
                raise UntrustedError("an added leaf that is not there")
            verify_leaf_certificate(certificate_of(leaf, self.certificates), self.directory, self.at)


def _require_group_id(group_id: bytes) -> None:
    if len(group_id) != GROUP_ID_BYTES:
        raise UntrustedError("a group with an id of another length")


def _proposals(view: CommitView, kind: type[P]) -> Iterator[P]:
    return (sent.proposal for sent in view.proposals if isinstance(sent.proposal, kind))


def _name_at(tree: RatchetTree, number: int) -> NodeName:
    leaf = tree.leaf(number)
    if leaf is None:
        raise UntrustedError("a leaf that is not there")
    return identity_in(leaf).name


def _verify_form(view: CommitView) -> None:
    if not view.private:
        raise UntrustedError("a commit of a member in clear")
    if not view.has_path and view.epoch != _FIRST_EPOCH:
        raise UntrustedError("a commit without a path")
    if any(sent.by_reference or not isinstance(sent.proposal, _BY_MEMBERS) for sent in view.proposals):
        raise UntrustedError("a commit with a proposal that is not for members")


def _verify_right(view: CommitView, before: ConsultationExtension) -> None:
    """Check that the sender may do what the commit does."""
    sender = _sender_of(view)
    if sender == before.hub:
        return
    if any(isinstance(sent.proposal, _BY_THE_HUB) for sent in view.proposals):
        raise UntrustedError("a change that is the hub's")
    for removal in _proposals(view, Remove):
        if _name_at(view.tree_before, removal.removed).authority != sender.authority:
            raise UntrustedError("a member removed by somebody else than the hub")


def _sender_of(view: CommitView) -> NodeName:
    if view.committer_before is None:
        raise UntrustedError("a commit of a member that was not there")
    return identity_in(view.committer_before).name


def _verify_successor(view: CommitView) -> None:
    if identity_in(view.committer_after).name != _sender_of(view):
        raise UntrustedError("a leaf replaced by that of another node")


def _verify_resync(view: CommitView) -> None:
    kinds = [type(sent.proposal) for sent in view.proposals if not isinstance(sent.proposal, PreSharedKey)]
    removals = list(_proposals(view, Remove))
    if len(kinds) != 2 or set(kinds) != {ExternalInit, Remove}:
        raise UntrustedError("a commit from outside that is no resync")
    name = identity_in(view.committer_after).name
    removed = view.tree_before.leaf(removals[0].removed)
    if removed is None or identity_in(removed).name != name:
        raise UntrustedError("a resync in place of another node")
    if removed.signature_key == view.committer_after.signature_key:
        raise UntrustedError("a resync with the leaf key of before")


def _verify_resumption_key(view: CommitView) -> None:
    """Check the pre-shared keys of a commit: at most one, of an epoch of this group.

    The commit that fills a new group may bring a key of the group that it continues.
    """
    wanted: Sequence[PreSharedKey] = list(_proposals(view, PreSharedKey))
    for proposal in wanted:
        psk = proposal.psk
        if (
            len(wanted) > 1
            or not isinstance(psk, ResumptionPskId)
            or psk.usage is not ResumptionUsage.APPLICATION
            or (view.epoch != _FIRST_EPOCH and psk.group_id != view.group_id)
        ):
            raise UntrustedError("a commit with a key that is not of its own past")


def _verify_extension(
    before: ConsultationExtension, after: ConsultationExtension, *, is_changed: bool
) -> None:
    """Check that an extension follows the one before."""
    if not is_changed:
        if after != before:
            raise UntrustedError("an extension that changed by itself")
        return
    kept = (before.consultation, before.opening, before.policy_version + 1)
    if (after.consultation, after.opening, after.policy_version) != kept:
        raise UntrustedError("an extension that does not follow the one before")
    if replace(after, policy_version=before.policy_version) == before:
        raise UntrustedError("an extension that changes nothing")
