# SPDX-License-Identifier: Apache-2.0
"""RFC 9420 sections 7.5, 7.6, 7.9, 12.4 and 12.4.2: what a receiver refuses of a commit and its path."""

from collections.abc import Callable
from dataclasses import replace
from functools import partial

import pytest

from protocol.errors import ConflictError, ReasonCode, RemoteProtocolError, UntrustedError
from protocol.mls.commits import CommitDraft, create_commit, install
from protocol.mls.policy import CommitView
from protocol.mls.processing import Committed, process
from protocol.mls.sending import ProposalDraft, draft_update, propose
from protocol.mls.structures.extensions import Extension
from protocol.mls.structures.messages import Sender, SenderType
from protocol.mls.structures.nodes import LeafNode, LeafNodeSource
from protocol.mls.structures.proposals import (
    Add,
    GroupContextExtensions,
    Proposal,
    ProposalRef,
    Remove,
    UpdatePath,
)
from protocol.mls.suites import PRODUCT_SUITE
from protocol.mls.tree.ratchet_tree import RatchetTree
from tests.support.entropy import SeededEntropy
from tests.support.mls_forging import ForgedCommit, Forgery, fingerprint, flipped, forge_commit
from tests.support.mls_members import NOW_MS, POLICY, follow, key_package, leaf_draft
from tests.support.mls_negatives import declines, kept_by, members, refuses
from tests.support.mls_policy import Refusing

SUITE = PRODUCT_SUITE
ENTROPY = SeededEntropy("commits")


def refused_path(path: Callable[[UpdatePath], UpdatePath], match: str, size: int = 4) -> None:
    """Assert that the second member refuses a commit of the first with a changed path."""
    groups = members(size)
    refuses(groups[1], forge_commit(groups[0], [], ForgedCommit(path=path)), match=match)


def refused_leaf(leaf: Callable[[LeafNode], LeafNode], match: str) -> None:
    groups = members(4)
    refuses(groups[1], forge_commit(groups[0], [], ForgedCommit(leaf=leaf)), match=match)


def test_a_forged_commit_that_does_not_lie_is_taken() -> None:
    groups = members(4)
    for private in (True, False):
        message = forge_commit(groups[0], [Remove(3)], ForgedCommit(Forgery(private=private)))
        assert follow(groups[1], message).epoch == groups[1].epoch + 1


# --- 12.4: is there a path --------------------------------------------------------------------------------
@pytest.mark.parametrize(
    "proposals", [[], [Remove(2)], [GroupContextExtensions(())], [Add(key_package("new").package), Remove(2)]]
)
def test_12_4_a_commit_without_the_path_it_needs(proposals: list[Proposal]) -> None:
    groups = members(4)
    message = forge_commit(groups[0], proposals, ForgedCommit(has_path=False))
    refuses(groups[1], message, match="without the path")
    made = create_commit(groups[0], CommitDraft(proposals=proposals, path=False), POLICY, ENTROPY)
    assert follow(groups[1], made.message).epoch == groups[1].epoch + 1


def test_12_4_a_commit_of_an_update_without_a_path() -> None:
    one, other, third = members(3)
    third, update = draft_update(third, None, ENTROPY)
    third, message = propose(third, ProposalDraft(update), ENTROPY)
    one, other = (process(group, message, POLICY, NOW_MS).group for group in (one, other))  # type: ignore[assignment]
    reference = ProposalRef(one.proposals[0].reference)
    refuses(other, forge_commit(one, [reference], ForgedCommit(has_path=False)), match="without the path")


def test_12_4_a_commit_of_a_proposal_that_was_not_seen() -> None:
    one, other, third = members(3)
    third, message = propose(third, ProposalDraft(Remove(1)), ENTROPY)
    one = kept_by(one, message)
    reference = ProposalRef(one.proposals[0].reference)
    refuses(other, forge_commit(one, [reference]), ReasonCode.NOT_FOUND, match="do not have")
    unknown = CommitDraft(references=[bytes(48)])
    declines(lambda: create_commit(other, unknown, POLICY, ENTROPY), match="not kept")


def test_a_new_leaf_needs_a_path() -> None:
    draft = CommitDraft(
        proposals=[Add(key_package("new").package)], path=False, new_leaf=leaf_draft("0", seed="x")
    )
    declines(lambda: create_commit(members(2)[0], draft, POLICY, ENTROPY), match="without a path")


# --- 7.3: the leaf of the path ----------------------------------------------------------------------------
def test_7_3_a_path_with_a_leaf_of_another_source() -> None:
    package_leaf = key_package("0").package.leaf_node
    refused_path(lambda path: replace(path, leaf_node=package_leaf), match="not made for it")
    update = replace(
        members(4)[0].own_leaf_node, source=LeafNodeSource.UPDATE, parent_hash=None, lifetime=None
    )
    refused_path(lambda path: replace(path, leaf_node=update), match="not made for it")


def test_7_3_a_path_whose_leaf_keeps_its_encryption_key() -> None:
    before = members(4)[0].own_leaf_node.encryption_key

    def keep(path: UpdatePath) -> UpdatePath:
        return replace(path, leaf_node=replace(path.leaf_node, encryption_key=before))

    refused_path(keep, match="used before")


def test_7_3_a_path_whose_leaf_has_the_encryption_key_of_another_member() -> None:
    other = members(4)[2].own_leaf_node.encryption_key

    def steal(path: UpdatePath) -> UpdatePath:
        return replace(path, leaf_node=replace(path.leaf_node, encryption_key=other))

    refused_path(steal, match="used before")


def test_7_3_a_path_whose_leaf_has_the_signature_key_of_another_member() -> None:
    other = members(4)[2].own_leaf_node.signature_key
    refused_leaf(lambda leaf: replace(leaf, signature_key=other), match="does not hold|two members")


def test_7_3_a_path_whose_leaf_signature_does_not_hold() -> None:
    def spoil(path: UpdatePath) -> UpdatePath:
        leaf = path.leaf_node
        return replace(path, leaf_node=replace(leaf, signature=flipped(leaf.signature)))

    refused_path(spoil, match="does not hold")


def test_7_3_a_path_whose_leaf_does_not_support_what_it_uses() -> None:
    refused_leaf(lambda leaf: replace(leaf, extensions=(Extension(0xF0F0, b""),)), match="does not support")


def test_7_3_a_path_whose_leaf_no_longer_supports_the_credentials_of_others() -> None:
    def forget(leaf: LeafNode) -> LeafNode:
        return replace(leaf, capabilities=replace(leaf.capabilities, credentials=(2,)))

    refused_leaf(forget, match="does not support")


# --- 7.5, 7.6, 7.9: the nodes of the path -----------------------------------------------------------------
def test_7_9_a_leaf_that_does_not_stand_for_the_nodes_above_it() -> None:
    fresh = SUITE.derive_key_pair(b"fresh" * 10).public

    def other_key(path: UpdatePath) -> UpdatePath:
        return replace(path, nodes=(*path.nodes[:-1], replace(path.nodes[-1], encryption_key=fresh)))

    refused_path(other_key, match="does not stand for")


@pytest.mark.parametrize("count", [0, 1, 3])
def test_12_4_2_a_path_of_the_wrong_length(count: int) -> None:
    refused_path(lambda path: replace(path, nodes=(path.nodes * 2)[:count]), match="wrong length")


def test_12_4_2_a_path_with_a_key_that_is_in_the_tree() -> None:
    other = members(4)[3].own_leaf_node.encryption_key

    def reuse(path: UpdatePath) -> UpdatePath:
        return replace(path, nodes=(replace(path.nodes[0], encryption_key=other), *path.nodes[1:]))

    refused_path(reuse, match="used before")


def test_12_4_2_a_path_with_one_key_twice() -> None:
    def repeat(path: UpdatePath) -> UpdatePath:
        key = path.leaf_node.encryption_key
        return replace(path, nodes=(replace(path.nodes[0], encryption_key=key), *path.nodes[1:]))

    refused_path(repeat, match="used before")


def test_12_4_2_a_path_with_a_key_that_cannot_be_used() -> None:
    def spoil(path: UpdatePath) -> UpdatePath:
        return replace(path, nodes=(replace(path.nodes[0], encryption_key=bytes(1216)), *path.nodes[1:]))

    refused_path(spoil, match="can be admitted")


@pytest.mark.parametrize("more", [True, False])
@pytest.mark.parametrize("at", [0, 1])
def test_7_6_a_path_with_a_wrong_number_of_ciphertexts(more: bool, at: int) -> None:
    def recount(path: UpdatePath) -> UpdatePath:
        node = path.nodes[at]
        secrets = node.encrypted_path_secret
        changed = replace(node, encrypted_path_secret=secrets + secrets[:1] if more else secrets[1:])
        return replace(path, nodes=(*path.nodes[:at], changed, *path.nodes[at + 1 :]))

    refused_path(recount, match="wrong number of ciphertexts")


def test_7_6_a_ciphertext_that_was_changed() -> None:
    def spoil(path: UpdatePath) -> UpdatePath:
        node = path.nodes[0]
        first, *rest = node.encrypted_path_secret
        changed = first._replace(ciphertext=flipped(first.ciphertext))
        return replace(path, nodes=(replace(node, encrypted_path_secret=(changed, *rest)), *path.nodes[1:]))

    refused_path(spoil, match="cannot be opened")


@pytest.mark.parametrize("at", [0, 1])
def test_7_5_a_key_that_does_not_follow_from_its_secret(at: int) -> None:
    """An insider who shows the others a key that is not theirs, or that he alone knows."""
    groups = members(4)

    def swap(secrets: tuple[bytes, ...]) -> tuple[bytes, ...]:
        return (*secrets[:at], bytes(SUITE.hash_bytes), *secrets[at + 1 :])

    message = forge_commit(groups[0], [], ForgedCommit(secrets=swap))
    refuses(groups[1 if at == 0 else 2], message, match="does not follow")


def test_7_7_a_tree_other_than_the_proposals_make() -> None:
    """A committer who quietly adds somebody to his own tree: `pure-mls` took that."""
    newcomer = key_package("quiet").package.leaf_node

    def quietly(tree: RatchetTree) -> RatchetTree:
        return tree.add_leaf(newcomer)[0]

    groups = members(3)
    refuses(
        groups[1],
        forge_commit(groups[0], [], ForgedCommit(tree=quietly)),
        match="wrong length|ciphertexts|cannot be opened|stand for",
    )


# --- 12.4.2: the commit as a message ----------------------------------------------------------------------
def test_12_4_2_a_wrong_confirmation_tag() -> None:
    groups = members(4)
    for tag in (flipped, lambda _: b"", lambda tag: tag[:-1], lambda tag: tag + b"\0"):
        for private in (True, False):
            lie = ForgedCommit(Forgery(tag=tag, private=private))
            refuses(groups[1], forge_commit(groups[0], [], lie), match="confirmation")


def test_12_4_2_another_init_secret() -> None:
    groups = members(4)
    lie = ForgedCommit(init_secret=bytes(SUITE.hash_bytes))
    refuses(groups[1], forge_commit(groups[0], [], lie), match="confirmation")


@pytest.mark.parametrize("distance", [-1, 1])
def test_12_4_2_a_commit_of_another_epoch(distance: int) -> None:
    groups = members(4)
    code = ReasonCode.SEQUENCE_GAP if distance > 0 else ReasonCode.EXPIRED
    for private in (True, False):
        lie = ForgedCommit(Forgery(epoch=groups[0].epoch + distance, private=private))
        refuses(groups[1], forge_commit(groups[0], [], lie), code)


def test_12_4_2_two_commits_of_one_epoch() -> None:
    groups = members(4)
    first = create_commit(groups[0], CommitDraft(), POLICY, SeededEntropy("first"))
    second = create_commit(groups[1], CommitDraft(), POLICY, SeededEntropy("second"))
    after = follow(groups[2], first.message)
    refuses(after, second.message, ReasonCode.EXPIRED)
    refuses(after, first.message, ReasonCode.EXPIRED)
    assert follow(groups[2], second.message).epoch_authenticator != after.epoch_authenticator


def test_an_own_commit_that_comes_back() -> None:
    group = members(4)[0]
    for private in (True, False):
        pending = create_commit(group, CommitDraft(private=private), POLICY, ENTROPY)
        assert pending.group is not None
        assert isinstance(refuses(pending.group, pending.message), ConflictError)


@pytest.mark.parametrize("signature", [lambda _: b"", flipped, lambda signature: signature[:-1]])
@pytest.mark.parametrize("private", [True, False])
def test_6_1_a_commit_whose_signature_does_not_hold(
    signature: Callable[[bytes], bytes], private: bool
) -> None:
    groups = members(4)
    lie = ForgedCommit(Forgery(signature=signature, private=private))
    refuses(groups[1], forge_commit(groups[0], [], lie), match="does not hold")


@pytest.mark.parametrize("private", [True, False])
def test_6_1_a_commit_in_the_name_of_another_member(private: bool) -> None:
    groups = members(4)
    other = Sender(SenderType.MEMBER, 2)
    lie = ForgedCommit(Forgery(sender=other, private=private), place=2)
    refuses(groups[1], forge_commit(groups[0], [], lie), match="does not hold")


def test_6_1_a_commit_of_an_external_sender() -> None:
    groups = members(4)
    lie = ForgedCommit(Forgery(sender=Sender(SenderType.EXTERNAL, 0), private=False))
    refuses(groups[1], forge_commit(groups[0], [], lie))
    lie = ForgedCommit(Forgery(sender=Sender(SenderType.NEW_MEMBER_PROPOSAL), private=False))
    refuses(groups[1], forge_commit(groups[0], [], lie), match="may not")


# --- after a refusal --------------------------------------------------------------------------------------
def test_a_refused_commit_does_not_poison_the_group() -> None:
    """OpenMLS #514, `rfc9420` defect 6: after a bad commit the good one must still be taken."""
    groups = members(4)
    good = create_commit(groups[3], CommitDraft(), POLICY, SeededEntropy("good"))
    before = fingerprint(groups[1])
    refuses(groups[1], forge_commit(groups[0], [], ForgedCommit(Forgery(tag=flipped))))
    refuses(groups[1], forge_commit(groups[3], [], ForgedCommit(Forgery(tag=flipped))))
    assert fingerprint(groups[1]) == before
    assert follow(groups[1], good.message).epoch_authenticator == good.next_group.epoch_authenticator


def test_a_commit_that_lost_cannot_be_installed() -> None:
    one, other = members(2)
    mine = create_commit(one, CommitDraft(), POLICY, SeededEntropy("mine"))
    theirs = create_commit(other, CommitDraft(), POLICY, SeededEntropy("theirs"))
    assert mine.group is not None
    after = follow(mine.group, theirs.message)
    declines(lambda: install(after, mine.next_group, NOW_MS), match="another epoch")


def test_a_commit_of_another_branch_cannot_be_installed() -> None:
    """Two members who followed different commits are in epochs of one number and of two groups."""
    one, other = members(2)
    mine = create_commit(one, CommitDraft(), POLICY, SeededEntropy("mine"))
    theirs = create_commit(other, CommitDraft(), POLICY, SeededEntropy("theirs"))
    assert mine.group is not None
    later = create_commit(install(mine.group, mine.next_group, NOW_MS), CommitDraft(), POLICY, ENTROPY)
    elsewhere = follow(one, theirs.message)
    declines(lambda: install(elsewhere, later.next_group, NOW_MS), match="another branch")


def test_a_commit_that_lost_used_up_its_key() -> None:
    one, other, third = members(3)
    mine = create_commit(one, CommitDraft(), POLICY, SeededEntropy("mine"))
    assert mine.group is not None
    again = create_commit(mine.group, CommitDraft(), POLICY, SeededEntropy("again"))
    first, second = (process(third, made.message, POLICY, NOW_MS) for made in (mine, again))
    assert isinstance(first, Committed)
    assert isinstance(second, Committed)
    assert mine.group.secret_tree.ratchets[0].handshake.generation == 1
    assert again.group is not None
    assert again.group.secret_tree.ratchets[0].handshake.generation == 2
    assert other.epoch == mine.group.epoch


# --- the policy -------------------------------------------------------------------------------------------
def seen(view: CommitView) -> bool:
    assert view.committer_before is not None
    assert view.committer_after is view.tree_after.leaf(view.committer)
    return True


def test_a_commit_that_the_policy_refuses_changes_nothing() -> None:
    groups = members(4)
    pending = create_commit(groups[0], CommitDraft(proposals=[Remove(3)]), POLICY, ENTROPY)
    for policy in (Refusing(commit=seen), Refusing(leaf=lambda leaf: leaf.credential is not None)):
        before = fingerprint(groups[1])
        with pytest.raises(UntrustedError, match="policy refuses"):
            process(groups[1], pending.message, policy, NOW_MS)
        assert fingerprint(groups[1]) == before
        declines(partial(create_commit, groups[0], CommitDraft(), policy, ENTROPY), match="policy refuses")


def test_every_leaf_is_judged_again_after_every_commit() -> None:
    groups = members(4)
    pending = create_commit(groups[0], CommitDraft(), POLICY, ENTROPY)
    policy = Refusing()
    process(groups[1], pending.message, policy, NOW_MS)
    assert policy.asked == ["leaf"] * 4 + ["commit"]


def test_a_group_does_not_grow_over_its_limit() -> None:
    groups = members(4)
    policy = Refusing(max_members=4)
    draft = CommitDraft(proposals=[Add(key_package("new").package)])
    declines(lambda: create_commit(groups[0], draft, policy, ENTROPY), match="too many members")
    pending = create_commit(groups[0], draft, POLICY, ENTROPY)
    with pytest.raises(RemoteProtocolError, match="too many members"):
        process(groups[1], pending.message, policy, NOW_MS)
    swap = replace(draft, proposals=[*draft.proposals, Remove(3)])
    create_commit(groups[0], swap, policy, ENTROPY)
