# SPDX-License-Identifier: Apache-2.0
"""Members of real groups of this network: sample nodes with certificates, key packages and the profile."""

from typing import Any

from protocol.groups.certificate import LeafCertificate
from protocol.groups.credential import identity_of
from protocol.groups.extension import ConsultationExtension
from protocol.groups.policy import ProfilePolicy
from protocol.groups.profile import capabilities, context_extensions, leaf_lifetime
from protocol.identifiers import NodeName
from protocol.mls.commits import CommitDraft, PendingCommit, create_commit, install
from protocol.mls.founding import KeyPackageSecrets, LeafDraft, found_group, make_key_package
from protocol.mls.group import Group
from protocol.mls.joining import join
from protocol.mls.policy import Policy
from protocol.mls.processing import Committed, process
from protocol.mls.structures.extensions import BasicCredential
from protocol.mls.structures.proposals import Add, GroupContextExtensions
from protocol.mls.suites import PRODUCT_SUITE
from tests.support.clock import START
from tests.support.entropy import SeededEntropy
from tests.support.leaves import issued, leaf_certificate, leaf_key, leaf_seed
from tests.support.memberships import EXTENSION, GROUP, HUB, sample_policy

NOW_MS = int(START.timestamp() * 1000)
CHANCE = SeededEntropy("parties")


def renewed(name: NodeName, key: str, **changes: Any) -> LeafCertificate:
    """A certificate of a sample node for another leaf key."""
    return leaf_certificate(*name, key=leaf_key(key), serial=f"{len(key):032x}", **changes)


def party_draft(
    name: NodeName, certificate: LeafCertificate | None = None, key: str | None = None
) -> LeafDraft:
    """The leaf of a sample node, by default under its usual key and certificate."""
    certificate = certificate or leaf_certificate(*name)
    return LeafDraft(
        signature=PRODUCT_SUITE.signature.key_pair(leaf_seed(key or str(name))),
        credential=BasicCredential(identity_of(issued(certificate)).to_bytes()),
        capabilities=capabilities(CHANCE),
        lifetime=leaf_lifetime(certificate),
    )


def party_package(name: NodeName) -> KeyPackageSecrets:
    return make_key_package(PRODUCT_SUITE, party_draft(name), CHANCE)


def founded(extension: ConsultationExtension = EXTENSION, by: NodeName = HUB) -> Group:
    extensions = context_extensions(extension)
    return found_group(PRODUCT_SUITE, GROUP, party_draft(by), extensions=extensions, entropy=CHANCE)


def filled(
    *names: NodeName, extension: ConsultationExtension = EXTENSION, policy: ProfilePolicy | None = None
) -> list[Group]:
    """A group as each of its members sees it: the hub that founded it, and those whom it added at once."""
    policy = policy or sample_policy()
    first = founded(extension)
    joining = [party_package(name) for name in names]
    draft = CommitDraft(proposals=[Add(secrets.package) for secrets in joining], path=False)
    pending = create_commit(first, draft, policy, CHANCE)
    others = [
        join(PRODUCT_SUITE, welcome, secrets, policy)
        for welcome, secrets in zip(pending.welcomes, joining, strict=True)
    ]
    return [install(first, pending.next_group, NOW_MS), *others]


def commit_of(group: Group, draft: CommitDraft, policy: Policy) -> PendingCommit:
    return create_commit(group, draft, policy, CHANCE)


def installed(pending: PendingCommit) -> Group:
    assert pending.group is not None
    return install(pending.group, pending.next_group, NOW_MS)


def taken(group: Group, message: bytes, policy: Policy) -> Group:
    committed = process(group, message, policy, NOW_MS)
    assert isinstance(committed, Committed)
    assert committed.group is not None
    return committed.group


def extension_change(extension: ConsultationExtension) -> GroupContextExtensions:
    return GroupContextExtensions(context_extensions(extension))
