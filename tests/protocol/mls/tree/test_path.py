# SPDX-License-Identifier: Apache-2.0
"""Update paths: what each member learns, and paths with one thing wrong."""

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from protocol.errors import LocalProtocolError, MalformedError, UntrustedError
from protocol.mls.structures.nodes import LeafNodeSource, ParentNode
from protocol.mls.structures.proposals import UpdatePath
from protocol.mls.suites import PRODUCT_SUITE, HpkeCiphertext
from protocol.mls.tree import arithmetic
from protocol.mls.tree.checks import verify_tree
from protocol.mls.tree.leaves import verify_leaves
from protocol.mls.tree.path import NodeKeys, draw_path, encrypt_path, keys_of_joiner, merge_path, open_path
from protocol.mls.tree.ratchet_tree import RatchetTree, path_parents
from tests.support.mls_suites import SUITE_1
from tests.support.mls_trees import GROUP_ID, Change, Grove, grown


# --- what members learn -------------------------------------------------------------------------------------
def test_a_member_keeps_keys_of_its_ancestors_and_no_others() -> None:
    grove = grown(7)
    for leaf, seat in grove.seats.items():
        own = {arithmetic.node_of(leaf), *arithmetic.direct_path(arithmetic.node_of(leaf), 8)}
        assert set(seat.node_keys.by_node) <= own
        assert seat.node_keys.leaf == leaf


def test_a_path_replaces_every_key_above_its_leaf() -> None:
    grove = grown(4)
    before = {leaf: dict(seat.node_keys.by_node) for leaf, seat in grove.seats.items()}
    grove.commit(1)
    for leaf, old in before.items():
        now = grove.seats[leaf].node_keys.by_node
        changed = {node for node in now if now[node] != old.get(node)}
        assert changed == set(now) & {1, 2, 3}


def test_keys_of_blank_nodes_are_forgotten() -> None:
    grove = grown(8)
    held = grove.seats[7].node_keys
    assert {14, 13, 11, 7} <= set(held.by_node)
    assert set(held.kept_in(grove.tree.remove_leaf(6)).by_node) == {14}
    assert set(held.kept_in(grove.tree.remove_leaf(0)).by_node) == {14, 13, 11}
    assert set(grove.seats[0].node_keys.kept_in(_four_left(grove)).by_node) <= {0, 1, 3}


def _four_left(grove: Grove) -> RatchetTree:
    tree = grove.tree
    for leaf in (4, 5, 6, 7):
        tree = tree.remove_leaf(leaf)
    return tree


def test_a_key_above_the_sender_is_forgotten_though_the_path_leaves_its_node_out() -> None:
    grove = grown(5)
    change = grove.draw(4)
    assert [step.node for step in change.draft.steps] == [7]
    held = NodeKeys(1, {**grove.seats[1].node_keys.by_node, 9: b"old", 11: b"old"})
    found = open_path(
        change.draft.tree, change.path, leaf=4, node_keys=held, context=change.context, new_leaves=()
    )
    assert set(found.node_keys.by_node) == {1, 2, 3, 7}


def test_one_alone_can_make_a_path() -> None:
    grove = Grove()
    change = grove.draw(0)
    assert change.path.nodes == ()
    assert change.path.leaf_node.parent_hash == b""
    grove.take(change)
    verify_leaves(grove.tree, group_id=GROUP_ID, extensions=())
    assert len(change.draft.commit_secret) == grove.suite.hash_bytes


def test_new_members_are_not_among_those_who_open_a_path() -> None:
    grove = grown(3)
    change = grove.draw(0, add=[grove.seed(), grove.seed()])
    assert list(change.added) == [3, 4]
    assert [len(node.encrypted_path_secret) for node in change.path.nodes] == [1, 1, 0]
    grove.take(change)
    assert set(grove.seats[4].node_keys.by_node) == {8, 7}


def test_somebody_joins_with_a_path_of_its_own() -> None:
    grove = grown(4)
    seed = grove.seed()
    tree, leaf = grove.tree.with_room()
    assert leaf == 4
    draft = draw_path(
        tree,
        seed.content,
        leaf=leaf,
        group_id=GROUP_ID,
        signature_key=seed.signature_key,
        entropy=grove.entropy,
    )
    context = grove.context(draft.tree)
    path = encrypt_path(draft, context=context, new_leaves=(), entropy=grove.entropy)
    change = Change(leaf, {}, {}, (), tree, draft, path, context)
    assert merge_path(tree, path, leaf=leaf) == draft.tree
    verify_tree(draft.tree)
    for member in range(4):
        assert grove.opened(change, member).commit_secret == draft.commit_secret


def test_secrets_are_not_shown() -> None:
    grove = grown(2)
    change = grove.draw(0)
    for value in (grove.seats[0].node_keys, change.draft, grove.opened(change, 1)):
        shown = repr(value)
        for secret in (
            *change.draft.secrets,
            *change.draft.node_keys.by_node.values(),
            *grove.seats[0].node_keys.by_node.values(),
            change.draft.commit_secret,
        ):
            assert repr(secret) not in shown
            assert secret.hex() not in shown


@pytest.mark.parametrize("suite", [SUITE_1, PRODUCT_SUITE], ids=lambda suite: suite.name)
def test_a_group_over_its_life(suite: Any) -> None:
    grove = Grove(suite)
    for step in range(5):
        grove.commit(step, add=1)
    grove.commit(3, remove=[1, 4])
    grove.add()
    grove.take(grove.draw(0, update={3: grove.update_seed(3)}, add=[grove.seed()]))
    grove.commit(2, remove=[5])
    verify_tree(grove.tree)
    verify_leaves(grove.tree, group_id=GROUP_ID, extensions=())


@settings(max_examples=25)
@given(st.data())
def test_members_agree_whatever_happens(data: st.DataObject) -> None:
    grove = Grove()
    for _ in range(data.draw(st.integers(1, 12))):
        members = sorted(grove.seats)
        sender = data.draw(st.sampled_from(members))
        others = [leaf for leaf in members if leaf != sender]
        if data.draw(st.booleans()):
            grove.add()
            continue
        removed = data.draw(st.sets(st.sampled_from(others), max_size=2)) if others else set[int]()
        staying = [leaf for leaf in others if leaf not in removed]
        updated = data.draw(st.sets(st.sampled_from(staying), max_size=2)) if staying else set[int]()
        change = grove.draw(
            sender,
            add=[grove.seed() for _ in range(data.draw(st.integers(0, 2)))],
            remove=sorted(removed),
            update={leaf: grove.update_seed(leaf) for leaf in sorted(updated)},
        )
        grove.take(change)
        verify_tree(grove.tree)
        verify_leaves(grove.tree, group_id=GROUP_ID, extensions=(), before=change.before)


# --- merging: sections 7.5, 7.9.2 and 12.4.2 ----------------------------------------------------------------
def merging(change: Change, **changes: Any) -> RatchetTree:
    return merge_path(change.before, replace(change.path, **changes), leaf=change.sender)


def test_a_path_of_the_wrong_length() -> None:
    grove = grown(8)
    change = grove.draw(2)
    nodes = change.path.nodes
    assert len(nodes) == 3
    for wrong in (nodes[:2], nodes[1:], (), (*nodes, nodes[0])):
        with pytest.raises(MalformedError, match="wrong length"):
            merging(change, nodes=wrong)
    assert merging(change) == change.draft.tree


def test_a_path_that_does_not_leave_out_what_it_should() -> None:
    grove = grown(8)
    change = grove.draw(0, remove=[1])
    nodes = change.path.nodes
    assert len(nodes) == 2
    with pytest.raises(MalformedError, match="wrong length"):
        merging(change, nodes=(nodes[0], *nodes))


@pytest.mark.parametrize("source", [LeafNodeSource.KEY_PACKAGE, LeafNodeSource.UPDATE])
def test_a_path_with_a_leaf_of_another_source(source: LeafNodeSource) -> None:
    grove = grown(4)
    change = grove.draw(1)
    leaf = (grove.update_seed(1) if source == LeafNodeSource.UPDATE else grove.seed()).content
    with pytest.raises(MalformedError, match="not made for it"):
        merging(change, leaf_node=leaf)


def with_key(grove: Grove, change: Change, step: int, public_key: bytes) -> UpdatePath:
    """The path with another key at one step, or in its leaf (step -1); all hashes and signatures fit."""
    public_keys = [node.encryption_key for node in change.path.nodes]
    leaf = change.path.leaf_node
    if step < 0:
        leaf = replace(leaf, encryption_key=public_key)
    else:
        public_keys[step] = public_key
    _, parent_hash = path_parents(change.before, change.before.filtered_path(change.sender), public_keys)
    signed = grove.signed(
        replace(leaf, parent_hash=parent_hash), grove.seats[change.sender].signature_key, change.sender
    )
    nodes = [
        replace(node, encryption_key=key) for node, key in zip(change.path.nodes, public_keys, strict=True)
    ]
    return UpdatePath(signed, tuple(nodes))


@pytest.mark.parametrize("step", [-1, 0, 1, 2])
@pytest.mark.parametrize("node", range(15))
def test_a_path_with_a_key_that_is_in_the_tree(step: int, node: int) -> None:
    grove = _EIGHT
    change = _CHANGE
    found = change.before.nodes[node]
    assert found is not None
    path = with_key(grove, change, step, found.encryption_key)
    with pytest.raises(UntrustedError, match="used before"):
        merge_path(change.before, path, leaf=change.sender)


_EIGHT = grown(8)
_CHANGE = _EIGHT.draw(5)


@pytest.mark.parametrize(("step", "other"), [(0, 1), (2, 0), (-1, 0), (-1, 2)])
def test_a_path_with_one_key_twice(step: int, other: int) -> None:
    grove, change = _EIGHT, _CHANGE
    path = with_key(grove, change, step, change.path.nodes[other].encryption_key)
    with pytest.raises(UntrustedError, match="used before"):
        merge_path(change.before, path, leaf=change.sender)


@pytest.mark.parametrize("step", [-1, 0, 1, 2])
def test_a_path_with_a_key_that_cannot_be_admitted(step: int) -> None:
    path = with_key(_EIGHT, _CHANGE, step, b"short")
    with pytest.raises(UntrustedError, match="can be admitted"):
        merge_path(_CHANGE.before, path, leaf=_CHANGE.sender)


def test_a_path_whose_leaf_has_another_parent_hash() -> None:
    leaf = _CHANGE.path.leaf_node
    for wrong in (b"", bytes(32), (leaf.parent_hash or b"")[:-1], (leaf.parent_hash or b"") + b"\0"):
        with pytest.raises(UntrustedError, match="does not stand for"):
            merging(_CHANGE, leaf_node=replace(leaf, parent_hash=wrong))


@pytest.mark.parametrize("step", [0, 1, 2])
def test_a_path_whose_leaf_does_not_stand_for_one_of_its_keys(step: int) -> None:
    nodes = list(_CHANGE.path.nodes)
    other = _EIGHT.suite.derive_key_pair(bytes(32)).public
    nodes[step] = replace(nodes[step], encryption_key=other)
    with pytest.raises(UntrustedError, match="does not stand for"):
        merging(_CHANGE, nodes=tuple(nodes))


def test_a_path_made_for_another_tree() -> None:
    grove = grown(8)
    change = grove.draw(2)
    other = grove.tree.update_leaf(7, grove.update_seed(7).content)
    with pytest.raises(UntrustedError, match="does not stand for"):
        merge_path(other, change.path, leaf=2)


# --- opening: sections 7.5 and 7.6 --------------------------------------------------------------------------
def opening(change: Change, grove: Grove, leaf: int, **changes: Any) -> bytes:
    """What a member finds in a changed path."""
    arguments = {
        "leaf": change.sender,
        "node_keys": grove.seats[leaf].node_keys.kept_in(change.before),
        "context": change.context,
        "new_leaves": tuple(change.added),
    }
    path = changes.pop("path", change.path)
    return open_path(change.draft.tree, path, **{**arguments, **changes}).commit_secret


def with_ciphertexts(change: Change, step: int, ciphertexts: tuple[HpkeCiphertext, ...]) -> UpdatePath:
    nodes = list(change.path.nodes)
    nodes[step] = replace(nodes[step], encrypted_path_secret=ciphertexts)
    return replace(change.path, nodes=tuple(nodes))


@pytest.mark.parametrize("member", [0, 4, 6])
@pytest.mark.parametrize("step", [0, 1, 2])
def test_a_wrong_number_of_ciphertexts_anywhere(member: int, step: int) -> None:
    ciphertexts = _CHANGE.path.nodes[step].encrypted_path_secret
    for wrong in ((), ciphertexts + ciphertexts[:1]):
        path = with_ciphertexts(_CHANGE, step, wrong)
        with pytest.raises(MalformedError, match="number of ciphertexts"):
            opening(_CHANGE, _EIGHT, member, path=path)


def test_a_ciphertext_for_a_new_member() -> None:
    grove = grown(3)
    change = grove.draw(0, add=[grove.seed()])
    for told in ((), (2, 3)):
        with pytest.raises(MalformedError, match="number of ciphertexts"):
            opening(change, grove, 1, new_leaves=told)
    assert opening(change, grove, 1) == change.draft.commit_secret


def test_a_path_bound_to_something_else() -> None:
    for member in (0, 4, 6):
        with pytest.raises(UntrustedError):
            opening(_CHANGE, _EIGHT, member, context=_EIGHT.context(_EIGHT.tree))


@pytest.mark.parametrize("part", [0, 1])
def test_a_ciphertext_that_was_changed(part: int) -> None:
    meeting = 1
    (ciphertext,) = _CHANGE.path.nodes[meeting].encrypted_path_secret
    parts = list(ciphertext)
    for wrong in (b"", parts[part][:-1], parts[part] + b"\0", bytes(len(parts[part]))):
        broken = HpkeCiphertext(*(wrong if place == part else one for place, one in enumerate(parts)))
        with pytest.raises(UntrustedError):
            opening(_CHANGE, _EIGHT, 6, path=with_ciphertexts(_CHANGE, meeting, (broken,)))


@pytest.mark.parametrize("step", [0, 1, 2])
def test_a_key_that_does_not_follow_from_its_secret(step: int) -> None:
    """The tree is good in itself, so only deriving the key shows it."""
    grove, change = _EIGHT, _CHANGE
    other = grove.suite.derive_key_pair(b"other" * 8).public
    path = with_key(grove, change, step, other)
    merged = merge_path(change.before, path, leaf=change.sender)
    verify_tree(merged)
    for member, meeting in ((4, 0), (6, 1), (7, 1), (0, 2), (3, 2)):
        arguments: dict[str, Any] = {
            "leaf": change.sender,
            "node_keys": grove.seats[member].node_keys,
            "context": change.context,
            "new_leaves": (),
        }
        if meeting > step:
            assert open_path(merged, path, **arguments).commit_secret == change.draft.commit_secret
        else:
            with pytest.raises(UntrustedError, match="does not follow"):
                open_path(merged, path, **arguments)


def test_a_path_of_our_own_is_not_opened() -> None:
    with pytest.raises(UntrustedError, match="does not meet ours"):
        opening(_CHANGE, _EIGHT, 5)


def test_a_path_that_we_have_no_key_for() -> None:
    with pytest.raises(UntrustedError, match="cannot be opened"):
        opening(_CHANGE, _EIGHT, 6, node_keys=NodeKeys(6, {}))
    with pytest.raises(UntrustedError):
        opening(_CHANGE, _EIGHT, 6, node_keys=NodeKeys(6, {13: bytes(32)}))


def test_whoever_was_removed_cannot_open_the_path() -> None:
    grove = grown(8)
    change = grove.draw(5, remove=[6])
    gone = grove.seats[6].node_keys
    for keys_left in (gone, gone.kept_in(change.before)):
        with pytest.raises(UntrustedError):
            opening(change, grove, 6, node_keys=keys_left)


# --- joining: section 12.4.3.1 ------------------------------------------------------------------------------
def joining() -> tuple[Grove, Change]:
    grove = grown(5)
    change = grove.draw(1, add=[grove.seed()])
    assert list(change.added) == [5]
    return grove, change


def test_a_joiner_learns_its_keys() -> None:
    _, change = joining()
    seed = change.added[5]
    held = keys_of_joiner(
        change.draft.tree,
        leaf=5,
        leaf_key=seed.encryption_key,
        sender=1,
        path_secret=change.draft.secret_for(5),
    )
    assert set(held.by_node) == {10, 7}
    assert held.by_node[7] == change.draft.node_keys.by_node[7]


@pytest.mark.parametrize("path_secret", [bytes(32), b"", None], ids=["wrong", "empty", "missing"])
def test_a_joiner_with_a_wrong_secret(path_secret: bytes | None) -> None:
    _, change = joining()
    with pytest.raises(UntrustedError):
        keys_of_joiner(change.draft.tree, leaf=5, leaf_key=b"private", sender=1, path_secret=path_secret)


def test_a_joiner_with_a_secret_of_another_step() -> None:
    grove, change = joining()
    for secret in (change.draft.secrets[0], grove.suite.derive_secret(change.draft.secrets[-1], "path")):
        with pytest.raises(UntrustedError, match="does not follow"):
            keys_of_joiner(change.draft.tree, leaf=5, leaf_key=b"", sender=1, path_secret=secret)


def test_a_joiner_whose_sender_has_no_path() -> None:
    _, change = joining()
    tree = change.draft.tree.with_nodes({7: None})
    with pytest.raises(UntrustedError, match="does not follow"):
        keys_of_joiner(tree, leaf=5, leaf_key=b"", sender=1, path_secret=change.draft.secret_for(5))
    for sender in (5, 7):
        with pytest.raises(UntrustedError):
            keys_of_joiner(change.draft.tree, leaf=5, leaf_key=b"", sender=sender, path_secret=bytes(32))


def test_a_joiner_is_told_nothing_without_a_path() -> None:
    grove = grown(4)
    leaf = grove.add()
    assert set(grove.seats[leaf].node_keys.by_node) == {8}
    root = grove.tree.nodes[7]
    assert root is None or isinstance(root, ParentNode)


def test_nobody_gets_a_secret_for_a_blank_leaf() -> None:
    _, change = joining()
    with pytest.raises(LocalProtocolError):
        change.draft.secret_for(1)
