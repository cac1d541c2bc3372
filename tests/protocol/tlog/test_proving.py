# SPDX-License-Identifier: Apache-2.0
"""Proofs of all kinds: made at any size, checked, refused when anything differs; and probes from outside."""

import base64
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from protocol.errors import LocalProtocolError, MalformedError, RemoteProtocolError, UntrustedError
from protocol.tlog import merkle, proving, subtrees
from tests.support.trees import PlainTree, numbered_leaves
from tests.support.vectors import vector_json

TREE = PlainTree(numbered_leaves(70))
OTHER = merkle.leaf_hash(b"other")
SIZES = st.integers(1, len(TREE.leaves))


def b64(text: str) -> bytes:
    return base64.b64decode(text, validate=True)


def subtrees_of(size: int) -> list[tuple[int, int]]:
    return [
        (start, end)
        for start in range(size)
        for end in range(start + 1, size + 1)
        if subtrees.is_subtree(start, end)
    ]


@given(st.data(), SIZES)
def test_inclusion_proofs_hold_and_fit_one_leaf_only(data: st.DataObject, size: int) -> None:
    index = data.draw(st.integers(0, size - 1))
    proof = proving.inclusion_proof(index, size, TREE)
    root, leaf = TREE.root(size), TREE.leaves[index]
    merkle.verify_inclusion(leaf, index, size=size, proof=proof, root=root)
    other = data.draw(st.integers(0, size))
    if other != index:
        with pytest.raises(RemoteProtocolError):
            merkle.verify_inclusion(leaf, other, size=size, proof=proof, root=root)
    for wrong in ([*proof, root], proof[1:], [proof[0][:31], *proof[1:]] if proof else [b""]):
        if wrong != proof:
            with pytest.raises(MalformedError):
                merkle.verify_inclusion(leaf, index, size=size, proof=wrong, root=root)
    with pytest.raises(UntrustedError):
        merkle.verify_inclusion(OTHER, index, size=size, proof=proof, root=root)


@given(st.data(), SIZES)
def test_consistency_proofs_hold_and_fit_one_past_only(data: st.DataObject, new: int) -> None:
    old = data.draw(st.integers(1, new))
    proof = proving.consistency_proof(old, new, TREE)
    old_root, new_root = TREE.root(old), TREE.root(new)
    merkle.verify_consistency(old, new, proof=proof, old_root=old_root, new_root=new_root)
    with pytest.raises(UntrustedError):
        merkle.verify_consistency(old, new, proof=proof, old_root=OTHER, new_root=new_root)
    with pytest.raises(UntrustedError):
        merkle.verify_consistency(old, new, proof=proof, old_root=old_root, new_root=OTHER)
    for wrong in ([*proof, new_root], proof[1:]):
        if wrong != proof:
            with pytest.raises(MalformedError):
                merkle.verify_consistency(old, new, proof=wrong, old_root=old_root, new_root=new_root)


@given(st.data(), SIZES)
def test_subtree_proofs_hold_and_fit_one_subtree_only(data: st.DataObject, size: int) -> None:
    start, end = data.draw(st.sampled_from(subtrees_of(size)))
    part, root = PlainTree(TREE.leaves[start:end]), TREE.root(size)
    proof = proving.subtree_proof(start, end, size, TREE)
    subtree_root = part.root(end - start)
    good: dict[str, Any] = {"proof": proof, "subtree_root": subtree_root, "root": root}
    subtrees.verify_subtree_consistency(start, end, size, **good)
    for wrong in ({"subtree_root": OTHER}, {"root": OTHER}, {"proof": [*proof, root]}, {"proof": proof[1:]}):
        if good | wrong != good:
            with pytest.raises(RemoteProtocolError):
                subtrees.verify_subtree_consistency(start, end, size, **(good | wrong))
    index = data.draw(st.integers(start, end - 1))
    path = proving.inclusion_proof(index - start, end - start, part)
    subtrees.verify_subtree_inclusion(
        TREE.leaves[index], index, start=start, end=end, proof=path, root=subtree_root
    )
    if start == 0:
        merkle.verify_consistency(end, size, proof=proof, old_root=subtree_root, new_root=root)


def test_subtrees_are_nodes_of_some_tree() -> None:
    assert subtrees_of(4) == [(0, 1), (0, 2), (0, 3), (0, 4), (1, 2), (2, 3), (2, 4), (3, 4)]
    for start, end in ((1, 3), (2, 2), (3, 2), (2, 5), (-1, 1), (0, 1 << 63)):
        assert not subtrees.is_subtree(start, end)
        with pytest.raises(LocalProtocolError):
            proving.range_nodes(start, end)
        with pytest.raises(MalformedError):
            subtrees.verify_subtree_inclusion(OTHER, start, start=start, end=end, proof=[], root=OTHER)
        with pytest.raises(MalformedError):
            subtrees.verify_subtree_consistency(start, end, 8, proof=[], subtree_root=OTHER, root=OTHER)


def test_bounds_of_subtrees() -> None:
    largest = merkle.MAX_SIZE
    assert subtrees.is_subtree(0, largest)
    good: dict[str, Any] = {"proof": [], "subtree_root": OTHER, "root": OTHER}
    subtrees.verify_subtree_consistency(0, largest, largest, **good)
    for size, parts in ((largest + 1, {}), (largest - 1, {}), (largest, {"root": OTHER[:31]})):
        with pytest.raises(MalformedError):
            subtrees.verify_subtree_consistency(0, largest, size, **(good | parts))
    leaf: dict[str, Any] = {"proof": [OTHER], "root": OTHER}
    with pytest.raises(MalformedError):  # no subtree, though a tree of two has such a leaf
        subtrees.verify_subtree_inclusion(OTHER, 1, start=1, end=3, **leaf)


def test_what_can_not_be_proved_is_not() -> None:
    for index, size in ((-1, 3), (3, 3), (0, 0)):
        with pytest.raises(LocalProtocolError):
            proving.inclusion_proof(index, size, TREE)
    for old, new in ((0, 3), (4, 3), (0, 0)):
        with pytest.raises(LocalProtocolError):
            proving.consistency_proof(old, new, TREE)


@pytest.mark.vectors
@pytest.mark.parametrize(("kind", "count"), [("subtreeinclusion", 204), ("subtreeconsistency", 118)])
def test_subtree_probes(kind: str, count: int) -> None:
    """We also refuse what says nothing: an empty subtree, and roots that are words and no SHA-256."""
    cases = vector_json(f"translog/merkle/{kind}.json")
    assert len(cases) == count
    check = includes if kind == "subtreeinclusion" else continues
    for case in cases:
        words = any(len(b64(case.get(name) or "")) not in (0, 32) for name in ("root", "root1", "root2"))
        bad = case["wantErr"] or case["start"] == case["end"] or words
        assert check(case) is not bad, case["desc"]


def includes(case: Any) -> bool:
    try:
        subtrees.verify_subtree_inclusion(
            b64(case["leafHash"]),
            case["leafIdx"],
            start=case["start"],
            end=case["end"],
            proof=[b64(text) for text in case["proof"] or []],
            root=b64(case["root"]),
        )
    except RemoteProtocolError:
        return False
    return True


def continues(case: Any) -> bool:
    try:
        subtrees.verify_subtree_consistency(
            case["start"],
            case["end"],
            case["size"],
            proof=[b64(text) for text in case["proof"] or []],
            subtree_root=b64(case["root1"]),
            root=b64(case["root2"]),
        )
    except RemoteProtocolError:
        return False
    return True
