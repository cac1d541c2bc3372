# SPDX-License-Identifier: Apache-2.0
"""The official trees with one thing changed in each, judged without their tree hash.

A tree whose root is blanked is all that may pass: RFC 9420 allows that, and the tree hash catches it.
"""

from collections.abc import Iterator, Mapping
from dataclasses import replace

import pytest

from protocol.errors import RemoteProtocolError
from protocol.mls.structures.extensions import BasicCredential, Extension
from protocol.mls.structures.nodes import (
    LeafNode,
    LeafNodeSource,
    Lifetime,
    Node,
    ParentNode,
    ratchet_tree_bytes,
)
from protocol.mls.tree import arithmetic
from protocol.mls.tree.checks import verify_tree
from protocol.mls.tree.leaves import verify_leaves
from protocol.mls.tree.ratchet_tree import RatchetTree, parse_tree
from tests.support.mls_suites import SUITES
from tests.support.vectors import vector_json

pytestmark = pytest.mark.vectors
Mutant = tuple[str, Mapping[int, Node | None]]


def flipped(data: bytes) -> bytes:
    return data[:-1] + bytes((data[-1] ^ 1,)) if data else b"\1"


def mutants(tree: RatchetTree) -> Iterator[Mutant]:
    """Changes of one tree, each of one node or of two that change places."""
    for node, found in enumerate(tree.nodes):
        if isinstance(found, LeafNode):
            yield "blanked", {node: None}
            yield from ((name, {node: changed}) for name, changed in leaf_mutants(found))
            yield from moved(tree, node)
        elif isinstance(found, ParentNode):
            yield "blanked", {node: None}
            yield from ((name, {node: changed}) for name, changed in parent_mutants(tree, node, found))
        elif not arithmetic.is_leaf(node):
            yield from ((name, {node: made}) for name, made in made_up(tree))
        else:
            yield "filled", {node: next(tree.members())[1]}


def leaf_mutants(leaf: LeafNode) -> Iterator[tuple[str, LeafNode]]:
    yield "encryption key", replace(leaf, encryption_key=flipped(leaf.encryption_key))
    yield "signature key", replace(leaf, signature_key=flipped(leaf.signature_key))
    yield "signature", replace(leaf, signature=flipped(leaf.signature))
    yield "credential", replace(leaf, credential=BasicCredential(b"other"))
    yield "capabilities", replace(leaf, capabilities=replace(leaf.capabilities, proposals=(9,)))
    yield "extension", replace(leaf, extensions=(Extension(1, b"id"),))
    if leaf.parent_hash is not None:
        yield "parent hash", replace(leaf, parent_hash=flipped(leaf.parent_hash))
        yield "source", replace(leaf, source=LeafNodeSource.UPDATE, parent_hash=None)
    if leaf.lifetime is not None:
        yield "lifetime", replace(leaf, lifetime=Lifetime(0, 1))
        yield "source", replace(leaf, source=LeafNodeSource.UPDATE, lifetime=None)
        yield "source", replace(leaf, source=LeafNodeSource.COMMIT, lifetime=None, parent_hash=b"")


def parent_mutants(tree: RatchetTree, node: int, parent: ParentNode) -> Iterator[tuple[str, ParentNode]]:
    yield "encryption key", replace(parent, encryption_key=flipped(parent.encryption_key))
    yield "parent hash", replace(parent, parent_hash=flipped(parent.parent_hash))
    yield "parent hash", replace(parent, parent_hash=b"" if parent.parent_hash else b"\1")
    unmerged = parent.unmerged_leaves
    for leaf in arithmetic.leaves_below(node):
        changed = sorted({*unmerged} ^ {leaf})
        yield f"unmerged {leaf}", replace(parent, unmerged_leaves=tuple(changed))
    yield "unmerged outside", replace(parent, unmerged_leaves=(*unmerged, tree.leaf_count))


def moved(tree: RatchetTree, node: int) -> Iterator[Mutant]:
    for other in (node + 2, node + 4):
        if other < len(tree.nodes) and tree.nodes[other] is not None:
            yield "swapped", {node: tree.nodes[other], other: tree.nodes[node]}
            yield "copied", {other: tree.nodes[node]}


def made_up(tree: RatchetTree) -> Iterator[tuple[str, ParentNode]]:
    key = tree.suite.derive_key_pair(b"insider" * 8).public
    yield "made up", ParentNode(key, b"")
    yield "made up", ParentNode(key, bytes(tree.suite.hash_bytes))


def accepted(good: RatchetTree, changes: Mapping[int, Node | None], group_id: bytes) -> bool:
    """Judge a changed tree; only a tree whose last leaf is gone is not cut to size but read as it came."""
    try:
        tree = good.with_nodes(changes)
        if tree.leaf_count != good.leaf_count:
            nodes = [changes.get(node, found) for node, found in enumerate(good.nodes)]
            tree = parse_tree(good.suite, ratchet_tree_bytes(tuple(nodes)))
        verify_tree(tree)
        verify_leaves(tree, group_id=group_id, extensions=(), before=good)
    except RemoteProtocolError:
        return False
    return True


SMALLEST = 9
"""Trees of a suite that are tried; of the first suite all: the rules ask suites for hashes and keys only."""


@pytest.mark.parametrize("suite", range(1, 8))
def test_no_change_of_an_official_tree_passes(suite: int) -> None:
    cases = vector_json("mls-implementations/tree-validation.json")
    cases = sorted(
        (case for case in cases if case["cipher_suite"] == suite), key=lambda case: len(case["tree"])
    )
    assert len(cases) == 14
    tried = 0
    for case in cases if suite == 1 else cases[:SMALLEST]:
        tree = parse_tree(SUITES[suite], bytes.fromhex(case["tree"]))
        group_id = bytes.fromhex(case["group_id"])
        assert accepted(tree, {}, group_id)
        all_changes = list(mutants(tree))
        passed = [changes for _, changes in all_changes if accepted(tree, changes, group_id)]
        assert passed == [{arithmetic.root(tree.leaf_count): None}]
        tried += len(all_changes)
    assert tried > (2000 if suite == 1 else 100)
