# SPDX-License-Identifier: Apache-2.0
"""The official vectors of trees: operations, hashes, validation and update paths, all suites and cases."""

from collections.abc import Mapping
from typing import Any

import pytest

from protocol.mls.structures.group_info import GroupContext
from protocol.mls.structures.nodes import LeafNodeSource, verify_leaf_signature
from protocol.mls.structures.proposals import (
    Add,
    Remove,
    Update,
    UpdatePath,
    parse_proposal,
    parse_update_path,
)
from protocol.mls.suites import Suite
from protocol.mls.tree import arithmetic
from protocol.mls.tree.checks import verify_tree
from protocol.mls.tree.leaves import verify_leaves
from protocol.mls.tree.path import NodeKeys, OpenedPath, draw_path, encrypt_path, merge_path, open_path
from protocol.mls.tree.ratchet_tree import RatchetTree, parse_tree
from tests.support.entropy import SeededEntropy
from tests.support.mls_suites import SUITES
from tests.support.vectors import vector_json

pytestmark = pytest.mark.vectors
_SUITES = range(1, 8)


def octets(case: Mapping[str, Any], name: str) -> bytes:
    return bytes.fromhex(case[name])


def cases(name: str, suite: int) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = vector_json(name)
    return [case for case in found if case["cipher_suite"] == suite]


# --- operations ---------------------------------------------------------------------------------------------
def test_operations() -> None:
    found = vector_json("mls-implementations/tree-operations.json")
    assert len(found) == 5
    for case in found:
        before = parse_tree(SUITES[case["cipher_suite"]], octets(case, "tree_before"))
        assert before.tree_hash() == octets(case, "tree_hash_before")
        assert before.to_bytes() == octets(case, "tree_before")
        after = applied(before, octets(case, "proposal"), case["proposal_sender"])
        assert after.to_bytes() == octets(case, "tree_after")
        assert after.tree_hash() == octets(case, "tree_hash_after")
        assert after == parse_tree(before.suite, octets(case, "tree_after"))


def applied(tree: RatchetTree, encoded: bytes, sender: int) -> RatchetTree:
    match parse_proposal(encoded):
        case Add(key_package=package):
            return tree.add_leaf(package.leaf_node)[0]
        case Update(leaf_node=leaf):
            return tree.update_leaf(sender, leaf)
        case Remove(removed=leaf):
            return tree.remove_leaf(leaf)
        case _:
            pytest.fail("not a proposal that changes the tree")


# --- validation ---------------------------------------------------------------------------------------------
@pytest.mark.parametrize("suite", _SUITES)
def test_validation(suite: int) -> None:
    found = cases("mls-implementations/tree-validation.json", suite)
    assert len(found) == 14
    for case in found:
        tree = parse_tree(SUITES[suite], octets(case, "tree"))
        nodes = range(len(tree.nodes))
        assert [tree.resolution(node) for node in nodes] == case["resolutions"]
        assert [tree.tree_hash(node).hex() for node in nodes] == case["tree_hashes"]
        assert tree.to_bytes() == octets(case, "tree")
        verify_tree(tree)
        verify_leaves(tree, group_id=octets(case, "group_id"), extensions=())


# --- update paths -------------------------------------------------------------------------------------------
@pytest.mark.parametrize("suite", _SUITES)
def test_update_paths(suite: int) -> None:
    found = cases("mls-implementations/treekem.json", suite)
    assert len(found) == 11
    for case in found:
        tree = parse_tree(SUITES[suite], octets(case, "ratchet_tree"))
        verify_tree(tree)
        members = {member["index"]: keys_of(tree, member) for member in case["leaves_private"]}
        signers = {member["index"]: octets(member, "signature_priv") for member in case["leaves_private"]}
        for update in case["update_paths"]:
            process(case, tree, update, members)
        for sender in list(members)[: len(members) if suite < 4 else 1]:
            remake(case, tree, sender=sender, members=members, signer=signers[sender])


def process(
    case: Mapping[str, Any], tree: RatchetTree, update: Mapping[str, Any], members: Mapping[int, NodeKeys]
) -> None:
    """Merge a path of the vectors, and open it for everybody but its sender."""
    sender, suite = update["sender"], tree.suite
    path = parse_update_path(octets(update, "update_path"))
    after = merge_path(tree, path, leaf=sender)
    assert after.tree_hash() == octets(update, "tree_hash_after")
    verify_leaf_signature(suite, path.leaf_node, group_id=octets(case, "group_id"), leaf_index=sender)
    for member, node_keys in members.items():
        if member != sender:
            found = opened(case, after, path, sender=sender, node_keys=node_keys)
            assert found.commit_secret == octets(update, "commit_secret")
            told = suite.derive_secret(bytes.fromhex(update["path_secrets"][member]), "node")
            meeting = arithmetic.common_ancestor(sender, member)
            assert found.node_keys.by_node[meeting] == suite.derive_key_pair(told).private


def keys_of(tree: RatchetTree, member: Mapping[str, Any]) -> NodeKeys:
    """The private keys of a member, which must belong to the public keys of the tree."""
    suite, leaf = tree.suite, member["index"]
    private = {arithmetic.node_of(leaf): octets(member, "encryption_priv")}
    for entry in member["path_secrets"]:
        pair = suite.derive_key_pair(suite.derive_secret(octets(entry, "path_secret"), "node"))
        node = tree.nodes[entry["node"]]
        assert node is not None
        assert node.encryption_key == pair.public
        private[entry["node"]] = pair.private
    return NodeKeys(leaf, private)


def context_of(case: Mapping[str, Any], after: RatchetTree) -> bytes:
    return GroupContext(
        cipher_suite=case["cipher_suite"],
        group_id=octets(case, "group_id"),
        epoch=case["epoch"],
        tree_hash=after.tree_hash(),
        confirmed_transcript_hash=octets(case, "confirmed_transcript_hash"),
    ).to_bytes()


def opened(
    case: Mapping[str, Any], after: RatchetTree, path: UpdatePath, *, sender: int, node_keys: NodeKeys
) -> OpenedPath:
    """Open a path for one member."""
    context = context_of(case, after)
    return open_path(after, path, leaf=sender, node_keys=node_keys, context=context, new_leaves=())


def remake(
    case: Mapping[str, Any], tree: RatchetTree, *, sender: int, members: Mapping[int, NodeKeys], signer: bytes
) -> None:
    """Make a path of our own for the same sender, and open it for everybody else."""
    content = tree.leaf(sender)
    assert content is not None
    entropy = SeededEntropy(sender)
    private = signer_of(tree.suite, content.signature_key, signer)
    draft = draw_path(
        tree,
        content,
        leaf=sender,
        group_id=octets(case, "group_id"),
        signature_key=private,
        entropy=entropy,
    )
    path = encrypt_path(draft, context=context_of(case, draft.tree), new_leaves=(), entropy=entropy)
    assert path.leaf_node.source == LeafNodeSource.COMMIT
    after = merge_path(tree, parse_update_path(path.to_bytes()), leaf=sender)
    assert after == draft.tree
    assert after.tree_hash() == draft.tree.tree_hash()
    verify_tree(after)
    for member, node_keys in members.items():
        if member != sender:
            assert (
                opened(case, after, path, sender=sender, node_keys=node_keys).commit_secret
                == draft.commit_secret
            )


def signer_of(suite: Suite, public: bytes, raw: bytes) -> bytes:
    """The private key as our schemes take it."""
    return raw + public if suite.number in {1, 3} else raw
