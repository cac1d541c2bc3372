# SPDX-License-Identifier: Apache-2.0
"""RFC 9420 section 12.2 for a member's commit: each bullet, refused by receivers and not made by us."""

from dataclasses import replace
from typing import Any

import pytest

from protocol.errors import UnsupportedVersionError, UntrustedError
from protocol.mls.changes.epochs import KnownPsks
from protocol.mls.commits import CommitDraft, create_commit
from protocol.mls.group import Group
from protocol.mls.joining import join
from protocol.mls.processing import Committed, process
from protocol.mls.sending import ProposalDraft, draft_update, external_psk, propose
from protocol.mls.structures.extensions import Extension, ExtensionType, RequiredCapabilities
from protocol.mls.structures.key_packages import KEY_PACKAGE_LABEL, KeyPackage
from protocol.mls.structures.nodes import LeafNode, LeafNodeSource
from protocol.mls.structures.proposals import (
    Add,
    ExternalInit,
    ExternalPskId,
    GroupContextExtensions,
    PreSharedKey,
    Proposal,
    ProposalRef,
    ReInit,
    Remove,
    ResumptionPskId,
    ResumptionUsage,
    Update,
)
from protocol.mls.suites import PRODUCT_SUITE
from protocol.octets import Writer
from tests.support.entropy import SeededEntropy
from tests.support.mls_forging import ForgedCommit, flipped, forge, forge_commit, resigned
from tests.support.mls_members import NOW_MS, POLICY, follow, key_package, leaf_draft
from tests.support.mls_negatives import declines, kept_by, members, refuses
from tests.support.mls_suites import SUITE_1

SUITE = PRODUCT_SUITE
NONCE = bytes(SUITE.hash_bytes)
ENTROPY = SeededEntropy("lists")


def not_made(group: Group, *proposals: Proposal, match: str | None = None) -> None:
    declines(lambda: create_commit(group, CommitDraft(proposals=proposals), POLICY, ENTROPY), match)


def refused_both(*proposals: Proposal, match: str, size: int = 4) -> None:
    """Assert that a commit of these is neither taken nor made."""
    groups = members(size)
    refuses(groups[1], forge_commit(groups[0], proposals), match=match)
    not_made(groups[0], *proposals, match=match)


def update_of(group: Group, *, of: int | None = None) -> Update:
    """Return an Update for a member's leaf, signed well."""
    leaf = group.own_leaf_node
    changed = replace(
        leaf,
        encryption_key=SUITE.derive_key_pair(b"update" * 8).public,
        source=LeafNodeSource.UPDATE,
        parent_hash=None,
        lifetime=None,
    )
    return Update(resigned(changed, group, leaf_index=of))


def signed_package(package: KeyPackage, name: str) -> KeyPackage:
    """Sign a changed key package with the key it was made with."""
    private = leaf_draft(name).signature.private
    unsigned = replace(package, signature=b"")
    return replace(package, signature=SUITE.sign_with_label(private, KEY_PACKAGE_LABEL, unsigned.tbs()))


# --- "It contains an individual proposal that is invalid" -------------------------------------------------
def bad_key_packages() -> dict[str, tuple[KeyPackage, str]]:
    secrets = key_package("new")
    package, leaf = secrets.package, secrets.package.leaf_node
    other_leaf = replace(leaf, source=LeafNodeSource.UPDATE, lifetime=None)
    return {
        "of another suite": (key_package("new", suite=SUITE_1).package, "another suite"),
        "with a leaf of another source": (
            signed_package(replace(package, leaf_node=other_leaf), "new"),
            "wrong source",
        ),
        "with one key for two purposes": (
            signed_package(replace(package, init_key=leaf.encryption_key), "new"),
            "two purposes",
        ),
        "with a signature that does not hold": (
            replace(package, signature=flipped(package.signature)),
            "does not hold",
        ),
        "with an empty signature": (replace(package, signature=b""), "does not hold"),
        "with a leaf signature that does not hold": (
            signed_package(
                replace(package, leaf_node=replace(leaf, signature=flipped(leaf.signature))), "new"
            ),
            "does not hold",
        ),
        "with an init key that cannot be used": (
            signed_package(replace(package, init_key=bytes(1216)), "new"),
            "can be admitted",
        ),
        "signed by somebody else": (signed_package(package, "somebody else"), "does not hold"),
    }


@pytest.mark.parametrize("name", list(bad_key_packages()))
def test_12_1_1_an_add_of_a_bad_key_package(name: str) -> None:
    package, match = bad_key_packages()[name]
    groups = members(4)
    refuses(groups[1], forge(groups[0], Add(package)), match=match)
    refused_both(Add(package), match=match)


def bad_leaves() -> dict[str, LeafNode]:
    leaf = key_package("new").package.leaf_node
    known = leaf.capabilities
    return {
        "that does not list the version": replace(leaf, capabilities=replace(known, versions=(2,))),
        "that does not list its credential": replace(leaf, capabilities=replace(known, credentials=(2,))),
        "that does not list its extension": replace(leaf, extensions=(Extension(0xF0F0, b""),)),
        "with an encryption key that cannot be used": replace(leaf, encryption_key=bytes(1216)),
    }


@pytest.mark.parametrize("name", list(bad_leaves()))
def test_7_3_an_add_of_a_bad_leaf(name: str) -> None:
    private = leaf_draft("new").signature.private
    leaf = replace(bad_leaves()[name], signature=b"")
    signed = replace(leaf, signature=SUITE.sign_with_label(private, "LeafNodeTBS", leaf.tbs(None, None)))
    package = signed_package(replace(key_package("new").package, leaf_node=signed), "new")
    groups = members(4)
    match = "does not support|can be admitted"
    draft = ProposalDraft(Add(package))
    declines(lambda: propose(members(4)[0], draft, ENTROPY), match=match)
    refuses(groups[1], forge(groups[0], Add(package)), match=match)
    refused_both(Add(package), match=match)


def test_7_3_a_signature_key_of_small_order() -> None:
    key, forged = b"\1" + bytes(31), b"\1" + bytes(63)
    leaf = replace(key_package("new").package.leaf_node, signature_key=key, signature=forged)
    package = replace(key_package("new").package, leaf_node=leaf, signature=forged)
    refuses(members(4)[1], forge(members(4)[0], Add(package)), match="does not hold|admitted")
    refused_both(Add(package), match="does not hold|admitted")


def test_12_1_2_an_update_that_keeps_its_key() -> None:
    one, other = members(2)
    leaf = replace(one.own_leaf_node, source=LeafNodeSource.UPDATE, parent_hash=None, lifetime=None)
    message = forge(one, Update(resigned(leaf, one)))
    refuses(other, message, match="keeps its key")
    declines(lambda: propose(one, ProposalDraft(Update(resigned(leaf, one))), ENTROPY), match="keeps its key")


def test_12_1_2_an_update_with_a_leaf_of_another_source() -> None:
    one, other = members(2)
    refuses(other, forge(one, Update(key_package("0").package.leaf_node)), match="wrong source")


def test_12_1_2_an_update_signed_for_another_place() -> None:
    one, other = members(2)
    refuses(other, forge(one, update_of(one, of=1)), match="does not hold")


@pytest.mark.parametrize("removed", [3, 64, 2**32 - 1])
def test_12_1_3_a_remove_of_nobody(removed: int) -> None:
    groups = members(3)
    refuses(groups[1], forge(groups[0], Remove(removed)), match="of nobody")
    refused_both(Remove(removed), match="of nobody", size=3)


@pytest.mark.parametrize("usage", [ResumptionUsage.REINIT, ResumptionUsage.BRANCH])
def test_12_1_4_a_psk_that_only_begins_other_groups(usage: ResumptionUsage) -> None:
    psk = PreSharedKey(ResumptionPskId(usage, members(4)[0].group_id, 1, NONCE))
    refuses(members(4)[1], forge(members(4)[0], psk), match="only begins")
    refused_both(psk, match="only begins")


@pytest.mark.parametrize("size", [0, SUITE.hash_bytes - 1, SUITE.hash_bytes + 1])
def test_12_1_4_a_psk_nonce_of_the_wrong_length(size: int) -> None:
    psk = PreSharedKey(ResumptionPskId(ResumptionUsage.APPLICATION, members(4)[0].group_id, 1, bytes(size)))
    refuses(members(4)[1], forge(members(4)[0], psk), match="wrong length")
    refused_both(psk, match="wrong length")


def test_12_1_5_a_group_is_not_replaced_by_another() -> None:
    groups = members(4)
    reinit = ReInit(b"other group", 1, SUITE.number)
    with_other = (reinit, Remove(2))
    for proposals in ([reinit], with_other):
        error = refuses(groups[1], forge_commit(groups[0], proposals), match="not supported")
        assert isinstance(error, UnsupportedVersionError)
        not_made(groups[0], *proposals)


def test_12_1_7_extensions_that_a_member_does_not_support() -> None:
    unknown = GroupContextExtensions((Extension(0xF0F0, b""),))
    needed = RequiredCapabilities(extensions=(0xF0F0,)).to_bytes()
    required = GroupContextExtensions((Extension(ExtensionType.REQUIRED_CAPABILITIES, needed),))
    credentials = RequiredCapabilities(credentials=(2,)).to_bytes()
    other = GroupContextExtensions((Extension(ExtensionType.REQUIRED_CAPABILITIES, credentials),))
    garbage = GroupContextExtensions((Extension(ExtensionType.REQUIRED_CAPABILITIES, b"\1"),))
    for proposal in (unknown, required, other):
        refused_both(proposal, match="does not support")
    refused_both(garbage, match="cut off")


def test_12_3_new_requirements_hold_for_those_who_are_added_with_them() -> None:
    required = GroupContextExtensions(
        (
            Extension(
                ExtensionType.REQUIRED_CAPABILITIES, RequiredCapabilities(proposals=(0xF0F0,)).to_bytes()
            ),
        )
    )
    refused_both(Add(key_package("new").package), required, match="does not support")


# --- the other bullets ------------------------------------------------------------------------------------
def test_12_2_an_update_of_the_committer() -> None:
    one, other = members(2)
    refuses(other, forge_commit(one, [update_of(one)]), match="Update of its own sender")
    not_made(one, update_of(one), match="Update of its own sender")


def test_12_2_an_update_of_the_committer_by_reference() -> None:
    one, other = members(2)
    one, update = draft_update(one, None, ENTROPY)
    one, message = propose(one, ProposalDraft(update), ENTROPY)
    other = kept_by(other, message)
    reference = one.proposals[0].reference
    refuses(other, forge_commit(one, [ProposalRef(reference)]), match="Update of its own sender")
    declines(
        lambda: create_commit(one, CommitDraft(references=[reference]), POLICY, ENTROPY),
        match="Update of its own sender",
    )


def test_12_2_a_remove_of_the_committer() -> None:
    refused_both(Remove(0), match="removes its own sender")


def test_12_2_two_removes_of_a_leaf() -> None:
    refused_both(Remove(2), Remove(2), match="changes a leaf twice")


def test_12_2_an_update_and_a_remove_of_a_leaf() -> None:
    one, other, third = members(3)
    third, update = draft_update(third, None, ENTROPY)
    third, message = propose(third, ProposalDraft(update), ENTROPY)
    one, other = kept_by(one, message), kept_by(other, message)
    reference = one.proposals[0].reference
    refuses(other, forge_commit(one, [ProposalRef(reference), Remove(2)]), match="changes a leaf twice")
    draft = CommitDraft(references=[reference], proposals=[Remove(2)])
    declines(lambda: create_commit(one, draft, POLICY, ENTROPY), match="changes a leaf twice")


def test_12_2_two_updates_of_a_leaf() -> None:
    one, other, third = members(3)
    references = []
    for seed in ("first", "second"):
        third, update = draft_update(third, None, SeededEntropy(seed))
        third, message = propose(third, ProposalDraft(update), ENTROPY)
        one, other = kept_by(one, message), kept_by(other, message)
        references.append(one.proposals[-1].reference)
    refuses(other, forge_commit(one, list(map(ProposalRef, references))), match="changes a leaf twice")
    declines(
        lambda: create_commit(one, CommitDraft(references=references), POLICY, ENTROPY),
        match="changes a leaf twice",
    )


def test_12_2_a_client_is_added_twice() -> None:
    first, second = key_package("new"), key_package("new", seed="")
    again = replace(second.package, extensions=(Extension(0x0A0A, b""),))
    again = signed_package(again, "new")
    refused_both(Add(first.package), Add(again), match="adds a member twice")


def test_12_2_a_member_is_added_again() -> None:
    refused_both(Add(key_package("2").package), match="adds a member twice")


def test_12_2_a_member_is_added_again_and_removed_in_the_same_commit() -> None:
    groups = list(members(4))
    again = key_package("2")
    draft = CommitDraft(proposals=[Remove(2), Add(again.package)])
    pending = create_commit(groups[0], draft, POLICY, ENTROPY)
    follow(groups[1], pending.message)
    assert join(SUITE, pending.welcomes[0], again, POLICY).own_leaf == 2


def test_12_2_an_encryption_key_of_another_member() -> None:
    groups = members(4)
    theft = replace(update_of(groups[0]).leaf_node, encryption_key=groups[2].own_leaf_node.encryption_key)
    message = forge(groups[0], Update(resigned(theft, groups[0])))
    other = kept_by(groups[1], message)
    committer = kept_by(groups[3], message)
    reference = other.proposals[0].reference
    refuses(other, forge_commit(committer, [ProposalRef(reference)]), match="that two")
    draft = CommitDraft(references=[reference])
    declines(lambda: create_commit(committer, draft, POLICY, ENTROPY), match="that two")


def test_16_7_an_encryption_key_of_a_node_above() -> None:
    """Members would take it, and every later joiner would refuse the tree."""
    groups = members(4)
    above = groups[0].tree.nodes[1]
    assert above is not None
    package = key_package("new").package
    leaf = replace(package.leaf_node, encryption_key=above.encryption_key, signature=b"")
    private = leaf_draft("new").signature.private
    signed = replace(leaf, signature=SUITE.sign_with_label(private, "LeafNodeTBS", leaf.tbs(None, None)))
    add = Add(signed_package(replace(package, leaf_node=signed), "new"))
    for has_path in (True, False):
        message = forge_commit(groups[3], [add], ForgedCommit(has_path=has_path))
        refuses(groups[2], message, match="two nodes have")
    not_made(groups[3], add, match="two nodes have")


def test_12_2_a_pre_shared_key_twice() -> None:
    psk = PreSharedKey(ResumptionPskId(ResumptionUsage.APPLICATION, members(4)[0].group_id, 1, NONCE))
    refused_both(psk, psk, match="pre-shared key twice")


def test_12_2_extensions_are_replaced_twice() -> None:
    nothing = GroupContextExtensions(())
    refused_both(nothing, nothing, match="extensions twice")


def test_12_2_an_external_init_of_a_member() -> None:
    refused_both(ExternalInit(bytes(1120)), match="may not make")


class Unknown:
    """A proposal of a type that is reserved so that nobody knows it."""

    proposal_type = 0x0A0A

    def write(self, writer: Writer) -> None:
        writer.op(b"content")


def test_12_2_a_proposal_of_an_unknown_type() -> None:
    one, other = members(2)
    unknown: Any = Unknown()
    refuses(other, forge(one, unknown), match="unknown type")
    refuses(other, forge_commit(one, [unknown]), match="unknown type")


def test_12_4_2_a_pre_shared_key_that_is_not_at_hand() -> None:
    one, other = members(2)
    lost = PreSharedKey(ExternalPskId(b"unknown", NONCE))
    old = PreSharedKey(ResumptionPskId(ResumptionUsage.APPLICATION, one.group_id, 77, NONCE))
    foreign = PreSharedKey(ResumptionPskId(ResumptionUsage.APPLICATION, b"other", 1, NONCE))
    for psk in (lost, old, foreign):
        not_made(one, psk, match="do not have")
    known = KnownPsks(external={b"unknown": b"secret"})
    draft = CommitDraft(proposals=[external_psk(b"unknown", suite=SUITE, entropy=ENTROPY)])
    pending = create_commit(one, draft, POLICY, ENTROPY, psks=known)
    refuses(other, pending.message, match="do not have")
    assert isinstance(process(other, pending.message, POLICY, NOW_MS, psks=known), Committed)
    wrong = KnownPsks(external={b"unknown": b"another secret"})
    with pytest.raises(UntrustedError, match="confirmation"):
        process(other, pending.message, POLICY, NOW_MS, psks=wrong)
