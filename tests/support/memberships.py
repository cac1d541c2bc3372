# SPDX-License-Identifier: Apache-2.0
"""Trees of sample nodes and commits on them, as a policy is shown them; their signatures are none."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from protocol.directory.replay import DirectoryState
from protocol.groups.credential import identity_of
from protocol.groups.extension import ConsultationExtension
from protocol.groups.membership import Certificates, certificates_by_hash
from protocol.groups.policy import ProfilePolicy
from protocol.groups.profile import capabilities, context_extensions, leaf_lifetime
from protocol.identifiers import AuthorityId, ConsultationId, NodeId, NodeName
from protocol.mls.policy import CommitView, JoinView, SentProposal
from protocol.mls.structures.extensions import BasicCredential
from protocol.mls.structures.key_packages import KeyPackage
from protocol.mls.structures.messages import Sender, SenderType
from protocol.mls.structures.nodes import LeafNode, LeafNodeSource
from protocol.mls.structures.proposals import Add, Proposal
from protocol.mls.suites import PRODUCT_SUITE
from protocol.mls.tree.ratchet_tree import RatchetTree, found_tree
from tests.support.clock import START
from tests.support.entropy import SeededEntropy
from tests.support.leaves import issued, leaf_certificate, two_node_network

A, B, C = (AuthorityId(name) for name in ("xa-acc", "xb-ibu", "xc-aco"))
HUB, OTHER, THIRD = (NodeName(authority, NodeId("main")) for authority in (A, B, C))
SECOND = NodeName(A, NodeId("second"))
GROUP = bytes(range(32))
STATE = two_node_network()
EXTENSION = ConsultationExtension(
    consultation=ConsultationId("019f1d03-8dc1-7000-8000-000000000001"),
    hub=HUB,
    successors=(OTHER,),
    roster=(A, B),
    policy_version=1,
    opening=bytes(32),
)
CERTIFICATES: Certificates = certificates_by_hash(
    issued(leaf_certificate(*name)) for name in (HUB, OTHER, THIRD, SECOND)
)


def sample_leaf(name: NodeName, certificate: bytes | None = None, **changes: Any) -> LeafNode:
    """A leaf of a sample node, by default under its usual certificate."""
    octets = issued(leaf_certificate(*name)) if certificate is None else certificate
    leaf = LeafNode(
        encryption_key=f"encryption key of {name}".encode(),
        signature_key=leaf_certificate(*name).key,
        credential=BasicCredential(identity_of(octets).to_bytes()),
        capabilities=capabilities(SeededEntropy(str(name))),
        source=LeafNodeSource.KEY_PACKAGE,
        lifetime=leaf_lifetime(leaf_certificate(*name)),
    )
    return replace(leaf, **changes)


def by_path(name: NodeName, certificate: bytes | None = None, **changes: Any) -> LeafNode:
    """The same leaf as a commit with a path puts it there."""
    kept = {"source": LeafNodeSource.COMMIT, "lifetime": None, "parent_hash": b"hash", **changes}
    return sample_leaf(name, certificate, **kept)


def sample_tree(*leaves: LeafNode) -> RatchetTree:
    tree = found_tree(PRODUCT_SUITE, leaves[0])
    for leaf in leaves[1:]:
        tree, _ = tree.add_leaf(leaf)
    return tree


TREE = sample_tree(sample_leaf(HUB), sample_leaf(OTHER), sample_leaf(SECOND))
"""Leaf 0 is the hub, leaf 1 another authority, leaf 2 another node of the hub's authority."""


def added(name: NodeName, leaf: LeafNode | None = None) -> Add:
    return Add(KeyPackage(0xF0E2, f"init key of {name}".encode(), leaf or sample_leaf(name)))


def sent(*proposals: Proposal, by: int = 0, by_reference: bool = False) -> tuple[SentProposal, ...]:
    sender = Sender(SenderType.MEMBER, by)
    return tuple(SentProposal(proposal, sender, by_reference) for proposal in proposals)


def commit_view(by: NodeName = HUB, *proposals: Proposal, **changes: Any) -> CommitView:
    """A commit with a path by a member, that makes of `TREE` what `changes` says; Adds are applied."""
    number = next(number for number, leaf in TREE.members() if leaf == sample_leaf(by))
    before: RatchetTree = changes.get("tree_before", TREE)
    committer: LeafNode = changes.get("committer_after", by_path(by))
    after = before.update_leaf(number, committer)
    places = []
    for proposal in proposals:
        if isinstance(proposal, Add):
            after, place = after.add_leaf(proposal.key_package.leaf_node)
            places.append(place)
    view = CommitView(
        group_id=GROUP,
        epoch=5,
        committer=number,
        committer_before=before.leaf(number),
        committer_after=committer,
        external=False,
        has_path=True,
        private=True,
        authenticated_data=b"",
        proposals=sent(*proposals, by=number),
        added=places,
        tree_before=before,
        tree_after=after,
        extensions_before=context_extensions(EXTENSION),
        extensions_after=context_extensions(EXTENSION),
    )
    return replace(view, **changes)


def join_view(*leaves: LeafNode, **changes: Any) -> JoinView:
    view = JoinView(
        group_id=GROUP,
        epoch=1,
        tree=sample_tree(*leaves) if leaves else TREE,
        extensions=context_extensions(EXTENSION),
        signer=0,
        external=False,
    )
    return replace(view, **changes)


def sample_policy(
    state: DirectoryState = STATE, certificates: Sequence[bytes] = (), **changes: Any
) -> ProfilePolicy:
    known = {**CERTIFICATES, **certificates_by_hash(certificates)}
    return replace(ProfilePolicy(directory=state, certificates=known, at=START), **changes)
