# SPDX-License-Identifier: Apache-2.0
"""A group from its first day: found, add, join, say, hear, change, leave."""

from dataclasses import replace

import pytest

from protocol.mls.commits import CommitDraft, create_commit, group_info, install
from protocol.mls.group import Group
from protocol.mls.joining import ExternalDraft, join, join_externally
from protocol.mls.processing import Committed, Proposed, process
from protocol.mls.sending import ProposalDraft, draft_update, propose
from protocol.mls.structures.extensions import BasicCredential, Extension
from protocol.mls.structures.messages import MlsMessage
from protocol.mls.structures.proposals import Add, Remove
from protocol.mls.suites import PRODUCT_SUITE, Suite
from tests.support.entropy import SeededEntropy
from tests.support.mls_members import (
    NOW_MS,
    POLICY,
    follow,
    group_of,
    hear,
    key_package,
    leaf_draft,
    say,
)
from tests.support.mls_policy import Refusing
from tests.support.mls_suites import SUITES

ALL_SUITES = [PRODUCT_SUITE, *SUITES.values()]


def agree(*groups: Group) -> None:
    first = groups[0]
    for group in groups[1:]:
        assert group.epoch_authenticator == first.epoch_authenticator
        assert group.context == first.context
        assert group.tree == first.tree
        assert group.export("label", b"context", 32) == first.export("label", b"context", 32)
    assert len(first.export("label", b"context", 32)) == 32


@pytest.mark.parametrize("suite", ALL_SUITES, ids=lambda suite: suite.name)
def test_two_members_talk(suite: Suite) -> None:
    one, other = group_of(2, suite=suite)
    agree(one, other)
    one, message = say(one, b"hello")
    other, heard = hear(other, message)
    assert heard == b"hello"
    other, message = say(other, b"and back")
    one, heard = hear(one, message)
    assert heard == b"and back"
    pending = create_commit(other, CommitDraft(), POLICY, SeededEntropy("commit"))
    one = follow(one, pending.message)
    assert pending.group is not None
    other = install(pending.group, pending.next_group, NOW_MS)
    agree(one, other)


@pytest.mark.parametrize("path", [True, False])
@pytest.mark.parametrize("private", [True, False])
def test_members_come_and_go(path: bool, private: bool) -> None:
    groups = group_of(5, path=path)
    agree(*groups)
    newcomer = key_package("newcomer")
    draft = CommitDraft(proposals=[Add(newcomer.package), Remove(2)], private=private)
    pending = create_commit(groups[3], draft, POLICY, SeededEntropy("change"))
    gone = process(groups[2], pending.message, POLICY, NOW_MS)
    assert isinstance(gone, Committed)
    assert gone.group is None
    staying = [follow(groups[at], pending.message) for at in (0, 1, 4)]
    assert pending.group is not None
    staying.append(install(pending.group, pending.next_group, NOW_MS))
    staying.append(join(PRODUCT_SUITE, pending.welcomes[0], newcomer, POLICY))
    agree(*staying)
    assert staying[-1].own_leaf == 2
    staying[0], message = say(staying[0], b"who is here?")
    for at in range(1, 5):
        staying[at], heard = hear(staying[at], message)
        assert heard == b"who is here?"


def test_a_member_comes_back_from_outside() -> None:
    one, other, lost = group_of(3)
    info = MlsMessage(group_info(one, with_external_pub=True)).to_bytes()
    draft = ExternalDraft(leaf=leaf_draft("2", seed="new"), removed=lost.own_leaf)
    pending = join_externally(PRODUCT_SUITE, info, draft, POLICY, entropy=SeededEntropy("resync"))
    one, other = follow(one, pending.message), follow(other, pending.message)
    agree(one, other, pending.next_group)
    back, message = say(pending.next_group, b"I am back")
    assert hear(one, message)[1] == b"I am back"
    assert back.own_leaf == 2


def test_a_signature_key_changes_with_a_commit_and_signs_what_comes_later() -> None:
    one, other = group_of(2)
    newcomer = key_package("newcomer")
    draft = CommitDraft(proposals=[Add(newcomer.package)], new_leaf=leaf_draft("0", seed="next"))
    pending = create_commit(one, draft, POLICY, SeededEntropy("rotate"))
    other = follow(other, pending.message)
    joined = join(PRODUCT_SUITE, pending.welcomes[0], newcomer, POLICY)
    agree(other, joined, pending.next_group)
    _, message = say(pending.next_group, b"under the new key")
    assert hear(joined, message)[1] == b"under the new key"


@pytest.mark.parametrize("private", [True, False])
@pytest.mark.parametrize("path", [True, False])
def test_whoever_makes_a_commit_and_whoever_takes_it_show_their_policies_the_same(
    private: bool, path: bool
) -> None:
    groups = group_of(3)
    policy = Refusing()
    draft = CommitDraft(
        proposals=[Add(key_package("new").package)], path=path, private=private, authenticated_data=b"frame"
    )
    pending = create_commit(groups[0], draft, policy, SeededEntropy("view"))
    process(groups[1], pending.message, policy, NOW_MS)
    made, taken = policy.views
    assert made == taken
    assert (made.private, made.has_path, made.external) == (private, path, False)
    assert made.authenticated_data == b"frame"


def test_whoever_comes_from_outside_shows_its_policy_what_members_see() -> None:
    groups = group_of(3)
    policy = Refusing()
    info = MlsMessage(group_info(groups[0], with_external_pub=True)).to_bytes()
    draft = ExternalDraft(leaf=leaf_draft("2", seed="new"), removed=2)
    pending = join_externally(PRODUCT_SUITE, info, draft, policy, entropy=SeededEntropy("view"))
    process(groups[1], pending.message, policy, NOW_MS)
    made, taken = policy.views
    assert made == taken
    assert (made.private, made.has_path, made.external) == (False, True, True)


def test_an_update_brings_all_that_its_member_wants() -> None:
    one, other = group_of(2)
    wanted = replace(
        leaf_draft("1", extensions=(0xF0F0,), seed="next"),
        credential=BasicCredential(b"renamed"),
        extensions=(Extension(0xF0F0, b"more"),),
    )
    other, update = draft_update(other, wanted, SeededEntropy("update"))
    leaf = update.leaf_node
    assert (leaf.credential, leaf.capabilities, leaf.extensions) == (
        wanted.credential,
        wanted.capabilities,
        wanted.extensions,
    )
    other, message = propose(other, ProposalDraft(update), SeededEntropy("propose"))
    proposed = process(one, message, POLICY, NOW_MS)
    assert isinstance(proposed, Proposed)
    assert proposed.group.proposals == other.proposals
    draft = CommitDraft(references=[proposed.reference])
    pending = create_commit(proposed.group, draft, POLICY, SeededEntropy("commit"))
    other = follow(other, pending.message)
    agree(other, pending.next_group)
    assert other.own_leaf_node == leaf
