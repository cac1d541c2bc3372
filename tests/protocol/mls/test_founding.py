# SPDX-License-Identifier: Apache-2.0
"""Groups of one, key packages, and what is refused of either."""

from dataclasses import replace

import pytest

from protocol.errors import LocalProtocolError, RemoteProtocolError
from protocol.mls.changes.rules import verify_key_package
from protocol.mls.commits import CommitDraft, create_commit, install
from protocol.mls.founding import found_group, make_key_package
from protocol.mls.group import RESUMPTIONS
from protocol.mls.processing import process
from protocol.mls.sending import ProposalDraft, propose, protect
from protocol.mls.structures.extensions import Extension, ExtensionType, RequiredCapabilities
from protocol.mls.structures.proposals import Remove
from protocol.mls.suites import PRODUCT_SUITE
from protocol.mls.tree.checks import verify_tree
from tests.support.entropy import SeededEntropy
from tests.support.mls_forging import flipped
from tests.support.mls_members import GROUP_ID, NOW_MS, POLICY, key_package, leaf_draft
from tests.support.mls_negatives import members

SUITE = PRODUCT_SUITE
ENTROPY = SeededEntropy("founding")


def test_a_new_group_has_one_member_and_no_past() -> None:
    group = found_group(SUITE, GROUP_ID, leaf_draft("first"), entropy=ENTROPY)
    assert (group.epoch, group.own_leaf, group.past, group.proposals) == (0, 0, (), ())
    assert group.context.confirmed_transcript_hash == b""
    assert group.context.tree_hash == group.tree.tree_hash()
    verify_tree(group.tree)
    assert [member.credential for member in group.members()] == [leaf_draft("first").credential]


def test_two_groups_share_no_secret() -> None:
    one, other = (
        found_group(SUITE, GROUP_ID, leaf_draft("first"), entropy=SeededEntropy(seed)) for seed in (1, 2)
    )
    assert one.epoch_authenticator != other.epoch_authenticator
    assert one.tree.leaf(0) != other.tree.leaf(0)


def test_a_group_of_one_goes_on_alone() -> None:
    group = found_group(SUITE, GROUP_ID, leaf_draft("first"), entropy=ENTROPY)
    for _ in range(RESUMPTIONS + 2):
        pending = create_commit(group, CommitDraft(), POLICY, ENTROPY)
        assert pending.group is not None
        group = install(pending.group, pending.next_group, NOW_MS)
    assert group.epoch == RESUMPTIONS + 2
    assert [kept.epoch for kept in group.resumptions] == list(range(group.epoch, 2, -1))
    assert group.resumption_psk(2) is None
    assert group.resumption_psk(3) is not None


def test_a_group_without_an_id_is_not_founded() -> None:
    with pytest.raises(LocalProtocolError, match="without an id"):
        found_group(SUITE, b"", leaf_draft("first"), entropy=ENTROPY)


def test_a_group_whose_founder_does_not_support_it_is_not_founded() -> None:
    unknown = Extension(0xF0F0, b"")
    needed = RequiredCapabilities(extensions=(0xF0F0,)).to_bytes()
    required = Extension(ExtensionType.REQUIRED_CAPABILITIES, needed)
    for extension in (unknown, required):
        with pytest.raises(LocalProtocolError, match="does not support"):
            found_group(SUITE, GROUP_ID, leaf_draft("first"), extensions=(extension,), entropy=ENTROPY)
        able = leaf_draft("first", extensions=(0xF0F0,))
        found_group(SUITE, GROUP_ID, able, extensions=(extension,), entropy=ENTROPY)


def test_a_key_package_that_others_would_refuse_is_not_made() -> None:
    draft = replace(leaf_draft("new"), extensions=(Extension(0xF0F0, b""),))
    with pytest.raises(LocalProtocolError, match="does not support"):
        make_key_package(SUITE, draft, ENTROPY)
    mixed = replace(leaf_draft("new"), signature=leaf_draft("other").signature._replace(public=bytes(32)))
    with pytest.raises(LocalProtocolError):
        make_key_package(SUITE, mixed, ENTROPY)


def test_10_1_a_key_package_is_judged_whole() -> None:
    secrets = make_key_package(
        SUITE, leaf_draft("new"), ENTROPY, extensions=(Extension(ExtensionType.LAST_RESORT_KEY_PACKAGE, b""),)
    )
    verify_key_package(SUITE, secrets.package)
    assert secrets.package.init_key != secrets.package.leaf_node.encryption_key
    again = key_package("new").package
    assert again.init_key != secrets.package.init_key
    leaf = replace(again.leaf_node, signature=flipped(again.leaf_node.signature))
    for changed in (replace(again, signature=b""), replace(again, leaf_node=leaf)):
        with pytest.raises(RemoteProtocolError, match="does not hold"):
            verify_key_package(SUITE, changed)


def test_what_is_sent_in_public_or_with_padding_is_read_all_the_same() -> None:
    one, other = members(2)
    for draft in (ProposalDraft(Remove(1), private=False), ProposalDraft(Remove(1), padding=200)):
        _, message = propose(one, draft, ENTROPY)
        process(other, message, POLICY, NOW_MS)
    short, long = (
        protect(one, b"data", authenticated_data=b"", padding=size, entropy=ENTROPY)[1] for size in (0, 100)
    )
    assert len(long) == len(short) + 100
