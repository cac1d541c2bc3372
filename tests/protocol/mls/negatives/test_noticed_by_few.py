# SPDX-License-Identifier: Apache-2.0
"""Checks that nobody would have missed, as planted defects showed, each by itself."""

from dataclasses import replace

import pytest

from protocol.errors import (
    ConflictError,
    LocalProtocolError,
    MalformedError,
    ReasonCode,
    RemoteProtocolError,
    UntrustedError,
)
from protocol.mls.changes import rules
from protocol.mls.commits import CommitDraft, create_commit, group_info, install
from protocol.mls.group import Group
from protocol.mls.joining import ExternalDraft, join, join_externally, open_group_info
from protocol.mls.policy import SentProposal
from protocol.mls.sending import ProposalDraft, draft_update, propose
from protocol.mls.structures.extensions import Extension, ExtensionType, external_pub_bytes
from protocol.mls.structures.messages import MlsMessage, Sender, SenderType
from protocol.mls.structures.nodes import ParentNode
from protocol.mls.structures.proposals import Add, ExternalInit, ExternalPskId, PskId, Remove
from protocol.mls.suites import PRODUCT_SUITE
from tests.support.entropy import SeededEntropy
from tests.support.mls_forging import Forgery, forge
from tests.support.mls_members import NOW_MS, POLICY, follow, key_package, leaf_draft, say
from tests.support.mls_negatives import kept_by, members, refuses
from tests.support.mls_policy import Refusing
from tests.support.mls_welcomes import forged_info

ENTROPY = SeededEntropy("noticed by few")
NONCE = bytes(PRODUCT_SUITE.hash_bytes)


def next_epoch(*groups: Group) -> list[Group]:
    """The first commits new keys, all others follow."""
    pending = create_commit(groups[0], CommitDraft(), POLICY, ENTROPY)
    assert pending.group is not None
    first = install(pending.group, pending.next_group, NOW_MS)
    return [first, *(follow(group, pending.message) for group in groups[1:])]


# --- messages ---------------------------------------------------------------------------------------------
@pytest.mark.parametrize("private", [True, False])
def test_6_a_message_of_another_group_is_none_for_this_one(private: bool) -> None:
    """It is told apart before anything else is judged, so that it can be brought to the right group."""
    one, other = members(2)
    renamed = replace(other, context=replace(other.context, group_id=b"another group"))
    message = forge(renamed, Remove(1), Forgery(private=private))
    refuses(one, message, ReasonCode.NOT_FOUND, match="of another group$")


def test_6_3_a_late_message_in_the_name_of_nobody() -> None:
    one, insider = members(2)
    late = forge(insider, b"late", Forgery(sender=Sender(SenderType.MEMBER, 5), key_of=1))
    refuses(one, late, match="of nobody")
    later, _ = next_epoch(one, insider)
    refuses(later, late, match="of nobody")


def test_6_3_a_late_message_of_our_own_comes_back() -> None:
    one, other = members(2)
    one, message = say(one, b"own")
    later, _ = next_epoch(one, other)
    assert isinstance(refuses(later, message), ConflictError)


# --- proposals --------------------------------------------------------------------------------------------
def test_12_1_2_an_update_of_nobody() -> None:
    one = members(2)[0]
    _, update = draft_update(one, None, ENTROPY)
    with pytest.raises(MalformedError, match="of nobody"):
        rules.verify_update(one.tree, update, 5)


def test_12_2_an_external_init_in_the_list_of_a_member() -> None:
    tree, sender = members(2)[0].tree, Sender(SenderType.MEMBER, 0)
    sent = [SentProposal(ExternalInit(b"kem output"), sender, by_reference=False)]
    with pytest.raises(MalformedError, match="external init"):
        rules.verify_proposal_list(tree, sent, 0)


@pytest.mark.parametrize("taken", [0, 1])
def test_a_member_follows_whichever_of_its_updates_is_taken(taken: int) -> None:
    one, other = members(2)
    other, first = draft_update(other, None, SeededEntropy("first"))
    other, second = draft_update(other, None, SeededEntropy("second"))
    other, message = propose(other, ProposalDraft((first, second)[taken]), ENTROPY)
    one = kept_by(one, message)
    draft = CommitDraft(references=[kept.reference for kept in one.proposals])
    pending = create_commit(one, draft, POLICY, ENTROPY)
    assert pending.group is not None
    one, other = install(pending.group, pending.next_group, NOW_MS), follow(other, pending.message)
    for _ in range(2):
        one, other = reversed(next_epoch(other, one))
        assert one.epoch_authenticator == other.epoch_authenticator
        other, one = reversed(next_epoch(one, other))
        assert one.epoch_authenticator == other.epoch_authenticator


# --- trees ------------------------------------------------------------------------------------------------
def test_7_9_2_a_node_stands_for_a_parent_with_an_unmerged_leaf_on_the_other_side() -> None:
    """A good tree: who is new below the left child does not count when the right child is judged."""
    groups = members(4)
    removal = create_commit(groups[2], CommitDraft(proposals=[Remove(1)]), POLICY, ENTROPY)
    assert removal.group is not None
    group = install(removal.group, removal.next_group, NOW_MS)
    newcomer = key_package("newcomer")
    adding = CommitDraft(proposals=[Add(newcomer.package)], path=False)
    pending = create_commit(group, adding, POLICY, ENTROPY)
    joiner = join(PRODUCT_SUITE, pending.welcomes[0], newcomer, POLICY)
    assert joiner.own_leaf == 1
    root = joiner.tree.nodes[3]
    assert isinstance(root, ParentNode)
    assert root.unmerged_leaves == (1,)


# --- from outside -----------------------------------------------------------------------------------------
def info_of(group: Group) -> bytes:
    return MlsMessage(group_info(group, with_external_pub=True)).to_bytes()


def joined(group: Group, policy: Refusing, draft: ExternalDraft) -> Group:
    pending = join_externally(PRODUCT_SUITE, info_of(group), draft, policy, entropy=ENTROPY)
    return pending.next_group


def test_12_4_3_2_an_external_key_that_cannot_be_used() -> None:
    one = members(2)[0]
    info = group_info(one, with_external_pub=True)
    bad = Extension(ExtensionType.EXTERNAL_PUB, external_pub_bytes(bytes(1216)))
    kept = [each for each in info.extensions if each.extension_type != ExtensionType.EXTERNAL_PUB]
    forged = forged_info(one, info, extensions=(*kept, bad))
    with pytest.raises(UntrustedError, match="admitted"):
        open_group_info(PRODUCT_SUITE, MlsMessage(forged).to_bytes())


@pytest.mark.parametrize(
    ("removed", "psks", "match"),
    [
        (5, (), "of nobody"),
        (None, (ExternalPskId(b"psk", b"short"),), "nonce"),
        (None, (ExternalPskId(b"psk", NONCE),) * 2, "twice"),
    ],
)
def test_12_4_3_2_what_a_joiner_does_not_send(
    removed: int | None, psks: tuple[PskId, ...], match: str
) -> None:
    draft = ExternalDraft(leaf_draft("newcomer"), removed=removed, psks=psks)
    with pytest.raises(LocalProtocolError, match=match):
        joined(members(2)[0], Refusing(), draft)


@pytest.mark.parametrize(("most", "fits"), [(3, True), (2, False)])
def test_a_joiner_counts_itself(most: int, fits: bool) -> None:
    draft = ExternalDraft(leaf_draft("newcomer"))
    policy = Refusing(max_members=most)
    if fits:
        assert len(joined(members(2)[0], policy, draft).members()) == 3
        return
    with pytest.raises(RemoteProtocolError, match="too many") as caught:
        joined(members(2)[0], policy, draft)
    assert caught.value.code is ReasonCode.QUOTA_EXCEEDED


@pytest.mark.parametrize("removed", [None, 1])
def test_a_policy_is_told_who_joins_from_outside_and_who_comes_back(removed: int | None) -> None:
    group = members(2)[0]
    before = None if removed is None else group.tree.leaf(removed)
    policy = Refusing(
        group=lambda view: not view.external,
        commit=lambda view: not view.external or view.committer_before != before,
    )
    joined(group, policy, ExternalDraft(leaf_draft("newcomer"), removed=removed))
    assert {"group", "commit"} <= set(policy.asked)


def test_a_member_that_comes_back_takes_no_more_room() -> None:
    draft = ExternalDraft(leaf_draft("newcomer"), removed=1)
    group = joined(members(2)[0], Refusing(max_members=2), draft)
    assert len(group.members()) == 2
