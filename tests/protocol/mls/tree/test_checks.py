# SPDX-License-Identifier: Apache-2.0
"""Trees that no honest members could have made, one rule broken in each."""

from collections.abc import Mapping
from dataclasses import replace

import pytest

from protocol.errors import MalformedError, UntrustedError
from protocol.mls.structures.nodes import LeafNodeSource, Node, ParentNode
from protocol.mls.tree import checks
from protocol.mls.tree.checks import (
    verify_parent_hashes,
    verify_tree,
    verify_unique_keys,
    verify_unmerged_leaves,
)
from protocol.mls.tree.leaves import verify_leaves
from protocol.mls.tree.ratchet_tree import RatchetTree, parent_hash
from tests.support.mls_trees import GROUP_ID, Grove, grown


def parent(tree: RatchetTree, node: int) -> ParentNode:
    found = tree.nodes[node]
    assert isinstance(found, ParentNode)
    return found


def marked(tree: RatchetTree, unmerged: Mapping[int, tuple[int, ...]]) -> RatchetTree:
    """The tree with other unmerged leaves at some nodes."""
    changes: dict[int, Node | None] = {
        node: replace(parent(tree, node), unmerged_leaves=leaves) for node, leaves in unmerged.items()
    }
    return tree.with_nodes(changes)


def bushy() -> Grove:
    """Eight members; leaves 5 and 7 are unmerged at the root and at each lower ancestor with a key."""
    grove = grown(8)
    grove.commit(0, remove=[5, 7])
    grove.commit(6)
    grove.add()
    grove.add()
    return grove


def test_trees_of_honest_members_are_good() -> None:
    for grove in (Grove(), grown(2), grown(7), grown(9), bushy()):
        verify_tree(grove.tree)
        verify_leaves(grove.tree, group_id=GROUP_ID, extensions=())
    assert parent(bushy().tree, 7).unmerged_leaves == (5, 7)
    assert parent(bushy().tree, 11).unmerged_leaves == (5, 7)


# --- unmerged leaves: sections 7.1 and 12.4.3.1 -------------------------------------------------------------
@pytest.mark.parametrize(
    "unmerged",
    [
        {7: (7, 5), 11: (7, 5)},
        {7: (5, 5, 7)},
        {7: (3, 5, 7), 11: (3, 5, 7)},
        {7: (5, 7, 8)},
        {7: (5, 7, 1 << 31)},
        {11: (7,)},
        {11: ()},
        {11: (5, 7, 6)},
    ],
    ids=[
        "unsorted",
        "twice",
        "not-below",
        "outside",
        "far-outside",
        "not-between",
        "none-between",
        "unsorted-own",
    ],
)
def test_unmerged_leaves_in_the_wrong_place(unmerged: dict[int, tuple[int, ...]]) -> None:
    with pytest.raises(MalformedError):
        verify_unmerged_leaves(marked(bushy().tree, unmerged))


def test_an_unmerged_leaf_that_is_blank() -> None:
    tree = bushy().tree
    with pytest.raises(MalformedError):
        verify_unmerged_leaves(tree.with_nodes({10: None}))


def test_an_unmerged_leaf_may_be_unknown_to_blank_nodes_between() -> None:
    tree = bushy().tree
    assert tree.nodes[9] is None
    verify_unmerged_leaves(tree)


@pytest.mark.parametrize("unmerged", [{7: (5,)}, {7: ()}, {11: (), 7: ()}, {1: (1,)}, {3: (2,)}])
def test_unmerged_leaves_that_nobody_marked(unmerged: dict[int, tuple[int, ...]]) -> None:
    tree = bushy().tree
    with pytest.raises((MalformedError, UntrustedError)):
        verify_tree(marked(tree, unmerged))


# --- keys: sections 7.3, 12.4.3.1 and 16.7 ------------------------------------------------------------------
@pytest.mark.parametrize(("one", "other"), [(0, 8), (1, 5), (1, 14), (14, 7), (0, 1)])
def test_an_encryption_key_twice(one: int, other: int) -> None:
    tree = grown(8).tree
    nodes = [tree.nodes[node] for node in (one, other)]
    assert nodes[0] is not None
    assert nodes[1] is not None
    copied = replace(nodes[1], encryption_key=nodes[0].encryption_key)
    for verify in (verify_unique_keys, verify_tree):
        with pytest.raises(UntrustedError, match="an encryption key that is in the tree twice"):
            verify(tree.with_nodes({other: copied}))


def test_a_signature_key_twice() -> None:
    grove = grown(4)
    grove.seats[3].signature_key = grove.seats[1].signature_key
    tree = grove.resigned(3, signature_key=grove.content(1).signature_key)
    with pytest.raises(UntrustedError, match="a signature key that is in the tree twice"):
        verify_unique_keys(tree)


def test_a_key_of_a_parent_that_cannot_be_used() -> None:
    tree = grown(4).tree
    with pytest.raises(UntrustedError):
        verify_unique_keys(tree.with_nodes({3: replace(parent(tree, 3), encryption_key=b"short")}))


# --- parent hashes: section 7.9.2 ---------------------------------------------------------------------------
def refused(tree: RatchetTree) -> None:
    verify_unmerged_leaves(tree)
    verify_unique_keys(tree)
    with pytest.raises(UntrustedError, match="a parent that no leaf stands for"):
        verify_parent_hashes(tree)


@pytest.mark.parametrize("node", [1, 3, 5, 7, 9, 11, 13])
def test_a_parent_with_another_key(node: int) -> None:
    grove = grown(8)
    other = grove.suite.derive_key_pair(bytes(32)).public
    changed = replace(parent(grove.tree, node), encryption_key=other)
    refused(grove.tree.with_nodes({node: changed}))


@pytest.mark.parametrize("node", [1, 5, 9, 11, 13])
def test_a_parent_with_another_parent_hash(node: int) -> None:
    tree = grown(8).tree
    refused(tree.with_nodes({node: replace(parent(tree, node), parent_hash=bytes(32))}))


@pytest.mark.parametrize("node", [1, 5, 9, 11, 13])
def test_a_parent_that_lost_its_parent_hash(node: int) -> None:
    tree = grown(8).tree
    refused(tree.with_nodes({node: replace(parent(tree, node), parent_hash=b"")}))


def test_a_root_with_something_above() -> None:
    grove = grown(2)
    top = replace(parent(grove.tree, 1), parent_hash=bytes(32))
    said = parent_hash(grove.tree, top, 2)
    tree = grove.resigned(0, parent_hash=said).with_nodes({1: top})
    with pytest.raises(UntrustedError, match="a root with something above it"):
        verify_parent_hashes(tree)


def test_a_parent_that_nobody_put_there() -> None:
    grove = Grove()
    for _ in range(3):
        grove.add()
    key = grove.suite.derive_key_pair(bytes(32)).public
    for node in (1, 3, 5):
        refused(grove.tree.with_nodes({node: ParentNode(key, b"")}))


def test_a_leaf_that_changed_since_its_path() -> None:
    grove = grown(2)
    tree = grove.tree
    verify_parent_hashes(tree)
    refused(grove.resigned(0, source=LeafNodeSource.UPDATE, parent_hash=None))
    refused(grove.resigned(0, parent_hash=bytes(32)))


def test_a_sibling_that_changed_since_the_path() -> None:
    grove = grown(2)
    refused(grove.tree.with_nodes({2: grove.seed().content}))


def test_a_member_may_not_stand_for_a_node_that_is_not_above_it() -> None:
    """An insider signs for a parent in the other half, whose key it knows."""
    grove = grown(8)
    target = parent(grove.tree, 11)
    said = parent_hash(grove.tree, target, 13)
    tree = grove.resigned(0, parent_hash=said)
    fresh = replace(target, encryption_key=grove.suite.derive_key_pair(bytes(32)).public)
    refused(tree.with_nodes({11: fresh}))


def test_an_insider_cannot_stand_for_a_parent_past_somebody_else() -> None:
    """Between the leaf and the parent is a node with a key, so the leaf is not what stands for the parent."""
    grove = grown(4)
    root = replace(parent(grove.tree, 3), encryption_key=grove.suite.derive_key_pair(bytes(32)).public)
    said = parent_hash(grove.tree.with_nodes({3: root}), root, 5)
    refused(grove.resigned(0, parent_hash=said).with_nodes({3: root}))


def test_an_insider_cannot_hide_members_below_a_blank_node() -> None:
    """Beside the leaf that stands for the root, another member below the same child never got its key."""
    grove = Grove()
    for _ in range(3):
        grove.add()
    key = grove.suite.derive_key_pair(bytes(32)).public
    root = ParentNode(key, b"")
    said = parent_hash(grove.tree, root, 5)
    refused(
        grove.resigned(0, source=LeafNodeSource.COMMIT, lifetime=None, parent_hash=said).with_nodes({3: root})
    )
    hidden = replace(root, unmerged_leaves=(1,))
    verify_tree(
        grove.resigned(0, source=LeafNodeSource.COMMIT, lifetime=None, parent_hash=said).with_nodes(
            {3: hidden}
        )
    )


def test_only_one_node_may_stand_for_a_parent(monkeypatch: pytest.MonkeyPatch) -> None:
    """Two would need a hash that repeats."""
    grove = grown(2)
    tree = grove.resigned(0, parent_hash=b"same")
    monkeypatch.setattr(checks, "parent_hash", lambda *_: b"same")
    verify_parent_hashes(tree)
    other = replace(grove.content(1), source=LeafNodeSource.COMMIT, lifetime=None, parent_hash=b"same")
    with pytest.raises(UntrustedError):
        verify_parent_hashes(tree.with_nodes({2: other}))
