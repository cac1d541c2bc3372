# SPDX-License-Identifier: Apache-2.0
"""The tree as a value: places, sizes, hashes, and octets both ways."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from protocol.errors import LocalProtocolError, MalformedError, ReasonCode, RemoteProtocolError
from protocol.limits import MAX_MLS_TREE_LEAVES
from protocol.mls.structures.nodes import ParentNode, ratchet_tree_bytes
from protocol.mls.tree import arithmetic
from protocol.mls.tree.ratchet_tree import RatchetTree, original_tree_hash, parse_tree
from protocol.octets import op
from tests.support.mls_suites import SUITE_1
from tests.support.mls_trees import Grove, grown

PARENT = ParentNode(b"key", b"", ())


# --- places and sizes ---------------------------------------------------------------------------------------
def test_a_tree_grows_and_shrinks_at_its_right_edge() -> None:
    grove = Grove()
    assert grove.tree.leaf_count == 1
    for leaf, size in ((1, 2), (2, 4), (3, 4), (4, 8)):
        assert grove.add() == leaf
        assert grove.tree.leaf_count == size
        assert len(grove.tree.nodes) == 2 * size - 1
    tree = grove.tree.remove_leaf(3)
    assert tree.leaf_count == 8
    tree = tree.remove_leaf(4)
    assert tree.leaf_count == 4
    assert tree.remove_leaf(2).leaf_count == 2
    assert [leaf for leaf, _ in tree.members()] == [0, 1, 2]


def test_a_new_member_takes_the_leftmost_blank_leaf() -> None:
    grove = Grove()
    for _ in range(4):
        grove.add()
    tree = grove.tree.remove_leaf(3).remove_leaf(1)
    tree, leaf = tree.add_leaf(grove.seed().content)
    assert leaf == 1
    assert tree.add_leaf(grove.seed().content)[1] == 3
    assert grove.tree.with_room()[1] == 5
    assert grove.tree.with_room()[0] is grove.tree


def test_whoever_is_added_is_unmerged_in_all_ancestors_in_order() -> None:
    grove = grown(8)
    tree = grove.tree.remove_leaf(5).remove_leaf(7)
    for place in (5, 7):
        tree, leaf = tree.add_leaf(grove.seed().content)
        assert leaf == place
    root = tree.nodes[arithmetic.root(8)]
    assert root is None
    grove.commit(0, remove=[2, 3])
    first, second = grove.add(), grove.add()
    root = grove.tree.nodes[7]
    assert (first, second) == (2, 3)
    assert isinstance(root, ParentNode)
    assert root.unmerged_leaves == (2, 3)


def test_unmerged_leaves_stay_in_order_when_a_lower_leaf_comes_later() -> None:
    grove = grown(4)
    last = grove.add()
    tree = grove.tree
    blank = tree.with_nodes({2: None})
    again, leaf = blank.add_leaf(grove.seed().content)
    assert (last, leaf) == (4, 1)
    root = again.nodes[3]
    assert isinstance(root, ParentNode)
    assert root.unmerged_leaves == (1,)
    four = blank.with_nodes({3: ParentNode(b"key", b"", (3,))}).add_leaf(grove.seed().content)[0].nodes[3]
    assert isinstance(four, ParentNode)
    assert four.unmerged_leaves == (1, 3)


def test_a_change_blanks_the_ancestors() -> None:
    tree = grown(8).tree
    changed = tree.update_leaf(5, grown(1).content(0))
    assert [node for node in range(15) if changed.nodes[node] is None] == [7, 9, 11]
    removed = tree.remove_leaf(2)
    assert [node for node in range(15) if removed.nodes[node] is None] == [3, 4, 5, 7]
    assert all(node is not None for node in tree.nodes)


@pytest.mark.parametrize("leaf", [-1, 3, 4, 1000])
def test_nobody_is_changed_where_nobody_is(leaf: int) -> None:
    grove = grown(3)
    assert grove.tree.leaf(leaf) is None
    with pytest.raises(LocalProtocolError):
        grove.tree.remove_leaf(leaf)
    with pytest.raises(LocalProtocolError):
        grove.tree.update_leaf(leaf, grove.content(0))


def test_a_tree_has_a_largest_size() -> None:
    leaf = Grove().content(0)
    nodes = [leaf, None] * MAX_MLS_TREE_LEAVES
    tree = RatchetTree(SUITE_1, tuple(nodes[:-1]), [None] * (len(nodes) - 1))
    with pytest.raises(MalformedError) as refused:
        tree.add_leaf(leaf)
    assert refused.value.code == ReasonCode.QUOTA_EXCEEDED
    with pytest.raises(MalformedError) as refused:
        parse_tree(SUITE_1, ratchet_tree_bytes((*tree.nodes, None, leaf)))
    assert refused.value.code == ReasonCode.TOO_LARGE
    assert parse_tree(SUITE_1, tree.to_bytes()) == tree
    half = RatchetTree(SUITE_1, tree.nodes[: MAX_MLS_TREE_LEAVES - 1], [None] * (MAX_MLS_TREE_LEAVES - 1))
    assert half.add_leaf(leaf)[0].leaf_count == MAX_MLS_TREE_LEAVES


def test_a_filtered_path_leaves_out_whoever_has_nobody_beside() -> None:
    grove = Grove()
    for _ in range(4):
        grove.add()
    tree = grove.tree
    assert tree.filtered_path(4) == [(7, 3)]
    assert tree.filtered_path(0) == [(1, 2), (3, 5), (7, 11)]
    assert tree.remove_leaf(1).filtered_path(0) == [(3, 5), (7, 11)]
    assert tree.remove_leaf(2).remove_leaf(3).filtered_path(1) == [(1, 0), (7, 11)]


# --- hashes -------------------------------------------------------------------------------------------------
def test_hashes_that_are_remembered_are_those_of_a_fresh_tree() -> None:
    grove = grown(6)
    grove.tree.tree_hash()
    for change in (
        grove.tree.add_leaf(grove.seed().content)[0],
        grove.tree.remove_leaf(1),
        grove.tree.remove_leaf(5).remove_leaf(4),
        grove.tree.update_leaf(3, grove.update_seed(3).content),
        grove.draw(2).draft.tree,
        grove.tree.with_nodes({9: None}),
    ):
        fresh = parse_tree(grove.suite, change.to_bytes())
        assert change == fresh
        assert change.tree_hash() == fresh.tree_hash()


def test_only_hashes_above_a_change_are_made_again() -> None:
    tree = grown(8).tree
    tree.tree_hash()
    changed = tree.update_leaf(5, grown(1).content(0))
    assert [node for node, known in enumerate(changed._hashes) if known is None] == [7, 9, 10, 11]
    assert changed.tree_hash() is changed.tree_hash()


def test_an_original_hash_is_that_of_the_tree_before_somebody_came() -> None:
    grove = grown(8)
    grove.commit(0, remove=[5, 7])
    grove.commit(6)
    before = grove.tree
    grove.add()
    grove.add()
    for node in range(15):
        assert original_tree_hash(grove.tree, node, (5, 7)) == before.tree_hash(node)
        assert original_tree_hash(grove.tree, node, ()) == grove.tree.tree_hash(node)


# --- octets -------------------------------------------------------------------------------------------------
@given(st.integers(1, 9), st.sets(st.integers(0, 8)))
def test_round_trip(members: int, leaving: set[int]) -> None:
    tree = _GROWN[members]
    for leaf in leaving:
        if tree.leaf(leaf) is not None and sum(1 for _ in tree.members()) > 1:
            tree = tree.remove_leaf(leaf)
    again = parse_tree(SUITE_1, tree.to_bytes())
    assert again == tree
    assert again.to_bytes() == tree.to_bytes()
    assert again.tree_hash() == tree.tree_hash()


_GROWN = [grown(max(members, 1)).tree for members in range(10)]


@given(st.binary(max_size=60) | st.binary(max_size=60).map(op))
def test_any_octets_are_a_tree_or_refused(data: bytes) -> None:
    try:
        tree = parse_tree(SUITE_1, data)
    except RemoteProtocolError:
        return
    assert tree.to_bytes() == data


@given(st.data())
def test_changed_octets_are_a_tree_or_refused(data: st.DataObject) -> None:
    octets = bytearray(_GROWN[3].to_bytes())
    at = data.draw(st.integers(0, len(octets) - 1))
    octets[at] ^= data.draw(st.integers(1, 255))
    try:
        tree = parse_tree(SUITE_1, bytes(octets))
    except RemoteProtocolError:
        return
    assert tree.to_bytes() == octets


def test_a_blank_node_at_the_end_is_refused() -> None:
    nodes = grown(3).tree.nodes
    assert nodes[-1] is None
    for wrong in (nodes, (), (None,), nodes[:2], (*nodes[:5], PARENT)):
        with pytest.raises(MalformedError):
            parse_tree(SUITE_1, ratchet_tree_bytes(wrong))
    assert parse_tree(SUITE_1, ratchet_tree_bytes(nodes[:5])).nodes == nodes


@pytest.mark.parametrize("node", range(5))
def test_a_node_of_the_wrong_kind_is_refused(node: int) -> None:
    nodes = list(grown(3).tree.nodes[:5])
    nodes[node] = nodes[0] if node & 1 else PARENT
    with pytest.raises(MalformedError):
        parse_tree(SUITE_1, ratchet_tree_bytes(tuple(nodes)))


def test_octets_after_the_tree_are_refused() -> None:
    with pytest.raises(MalformedError):
        parse_tree(SUITE_1, grown(2).tree.to_bytes() + b"\0")


@pytest.mark.parametrize("at", ["presence", "kind"])
def test_a_place_in_no_form_is_refused(at: str) -> None:
    leaf = grown(1).content(0).to_bytes()
    head = {"presence": b"\x02\x01", "kind": b"\x01\x03"}[at]
    with pytest.raises(MalformedError):
        parse_tree(SUITE_1, op(head + leaf))
    assert parse_tree(SUITE_1, op(b"\x01\x01" + leaf)).leaf_count == 1


def test_unmerged_leaves_out_of_order_are_refused() -> None:
    nodes = list(grown(4).tree.nodes)
    for wrong in ((1, 0), (1, 1)):
        nodes[3] = replace(PARENT, unmerged_leaves=wrong)
        with pytest.raises(MalformedError):
            parse_tree(SUITE_1, ratchet_tree_bytes(tuple(nodes)))


def test_nothing_of_a_tree_is_shown() -> None:
    shown = repr(grown(2).tree)
    assert "nodes" not in shown
    assert "hashes" not in shown
