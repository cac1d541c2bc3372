# SPDX-License-Identifier: Apache-2.0
"""Places of nodes: against the official vectors, and against what a tree is."""

from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from protocol.errors import LocalProtocolError
from protocol.mls.tree import arithmetic
from tests.support.vectors import vector_json

LEAF_COUNTS = st.integers(0, 12).map(lambda depth: 1 << depth)


@st.composite
def nodes(draw: st.DrawFn) -> tuple[int, int]:
    """A node and the leaf count of its tree."""
    leaf_count = draw(LEAF_COUNTS)
    return draw(st.integers(0, arithmetic.node_count(leaf_count) - 1)), leaf_count


def or_none(relation: Callable[..., int], *arguments: int) -> int | None:
    """What the vectors say where there is no such node."""
    try:
        return relation(*arguments)
    except LocalProtocolError:
        return None


@pytest.mark.vectors
def test_official_vectors() -> None:
    cases: list[dict[str, Any]] = vector_json("mls-implementations/tree-math.json")
    assert len(cases) == 10
    for case in cases:
        count = case["n_leaves"]
        assert arithmetic.node_count(count) == case["n_nodes"]
        assert arithmetic.root(count) == case["root"]
        numbers = range(case["n_nodes"])
        assert [or_none(arithmetic.left, node) for node in numbers] == case["left"]
        assert [or_none(arithmetic.right, node) for node in numbers] == case["right"]
        assert [or_none(arithmetic.parent, node, count) for node in numbers] == case["parent"]
        assert [or_none(arithmetic.sibling, node, count) for node in numbers] == case["sibling"]


@given(nodes())
def test_children_and_parents_are_inverse(place: tuple[int, int]) -> None:
    node, leaf_count = place
    if not arithmetic.is_leaf(node):
        children = arithmetic.left(node), arithmetic.right(node)
        assert [arithmetic.parent(child, leaf_count) for child in children] == [node, node]
        assert arithmetic.sibling(children[0], leaf_count) == children[1]
        assert arithmetic.sibling(children[1], leaf_count) == children[0]
        assert {arithmetic.level(child) for child in children} == {arithmetic.level(node) - 1}
        below = [*arithmetic.leaves_below(children[0]), *arithmetic.leaves_below(children[1])]
        assert below == list(arithmetic.leaves_below(node))


@given(nodes())
def test_paths_lead_to_the_root(place: tuple[int, int]) -> None:
    node, leaf_count = place
    path = arithmetic.direct_path(node, leaf_count)
    assert [node, *path][-1] == arithmetic.root(leaf_count)
    assert len(path) == arithmetic.level(arithmetic.root(leaf_count)) - arithmetic.level(node)
    steps = arithmetic.steps(node, leaf_count)
    assert [above for above, _ in steps] == path
    for below, (above, beside) in zip([node, *path], steps, strict=False):
        assert arithmetic.parent(below, leaf_count) == above == arithmetic.parent(beside, leaf_count)
        assert below != beside


@given(LEAF_COUNTS.flatmap(lambda count: st.tuples(*[st.integers(0, count - 1)] * 2, st.just(count))))
def test_the_common_ancestor_is_the_lowest(leaves: tuple[int, int, int]) -> None:
    one, other, count = leaves
    found = arithmetic.common_ancestor(one, other)
    if one == other:
        assert found == arithmetic.node_of(one)
        return
    paths = [arithmetic.direct_path(arithmetic.node_of(leaf), count) for leaf in (one, other)]
    assert found == next(node for node in paths[0] if node in paths[1])


@given(st.integers(0, 5000))
def test_the_full_tree_is_the_smallest_that_fits(leaf_count: int) -> None:
    full = arithmetic.full_leaf_count(leaf_count)
    assert full & (full - 1) == 0
    assert full >= max(leaf_count, 1)
    assert full == 1 or full // 2 < leaf_count


@given(st.integers(0, 5000))
def test_leaf_numbers(leaf: int) -> None:
    node = arithmetic.node_of(leaf)
    assert arithmetic.is_leaf(node)
    assert arithmetic.leaf_of(node) == leaf
    assert list(arithmetic.leaves_below(node)) == [leaf]
    with pytest.raises(LocalProtocolError):
        arithmetic.leaf_of(node + 1)


@pytest.mark.parametrize("node", [-1, 15, 100])
def test_nodes_outside_the_tree_have_no_place(node: int) -> None:
    for relation in (arithmetic.parent, arithmetic.sibling, arithmetic.direct_path, arithmetic.steps):
        with pytest.raises(LocalProtocolError):
            relation(node, 8)
