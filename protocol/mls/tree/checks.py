# SPDX-License-Identifier: Apache-2.0
"""Is a tree that somebody else made one that honest members could have made?

Not the rules for single leaves (`protocol.mls.tree.leaves`), and not the comparison of the tree hash with the
GroupContext, which whoever has both must make first.

1. `verify_tree` has all rules for parents. It is called once, when a tree comes from outside; after that the
   changes of `RatchetTree` and the rules for paths keep the tree good.
2. A parent is good only if a chain of parent hashes leads down from it to the signature of a leaf: so no key
   stands in the tree that was not put there by a member below it.
"""

from collections.abc import Iterator

from protocol.errors import MalformedError, ReasonCode, UntrustedError
from protocol.mls.structures.nodes import ParentNode
from protocol.mls.tree import arithmetic
from protocol.mls.tree.ratchet_tree import RatchetTree, parent_hash


def verify_tree(tree: RatchetTree) -> None:
    """Check all that RFC 9420 asks of the parents of a tree, and that no key is in it twice.

    Raises:
        MalformedError: unmerged leaves out of order, of nobody, or of leaves below somebody else.
        UntrustedError: a key twice, a key that cannot be admitted, or a parent that no leaf stands for.

    Spec: RFC 9420 sections 7.9.2 and 12.4.3.1.
    """
    verify_unmerged_leaves(tree)
    verify_unique_keys(tree)
    verify_parent_hashes(tree)


def verify_unmerged_leaves(tree: RatchetTree) -> None:
    """Check that unmerged leaves are in order, are members below their node, and are unmerged in between too.

    Raises:
        MalformedError: they are not.

    Spec: RFC 9420 sections 7.1 and 12.4.3.1.
    """
    for node, found in _parents(tree):
        below = arithmetic.leaves_below(node)
        for leaf in found.unmerged_leaves:
            if leaf not in below or tree.leaf(leaf) is None:
                raise MalformedError("an unmerged leaf of nobody below", code=ReasonCode.BAD_CONTENT)
            _verify_unmerged_between(tree, leaf, node)
        if sorted(set(found.unmerged_leaves)) != list(found.unmerged_leaves):
            raise MalformedError("unmerged leaves out of order", code=ReasonCode.BAD_CONTENT)


def _verify_unmerged_between(tree: RatchetTree, leaf: int, node: int) -> None:
    for between in arithmetic.direct_path(arithmetic.node_of(leaf), tree.leaf_count):
        if between == node:
            return
        found = tree.nodes[between]
        if isinstance(found, ParentNode) and leaf not in found.unmerged_leaves:
            raise MalformedError("a leaf unmerged above and merged below", code=ReasonCode.BAD_CONTENT)


def verify_unique_keys(tree: RatchetTree) -> None:
    """Check that no public key is in two nodes, and that each can be used.

    Raises:
        UntrustedError: an encryption key of any two nodes or a signature key of two leaves is the same, or a
            key cannot be admitted.

    Spec: RFC 9420 sections 7.3, 12.4.3.1 and 16.7.
    """
    encryption = [found.encryption_key for found in tree.nodes if found is not None]
    if len(set(encryption)) != len(encryption):
        raise UntrustedError("an encryption key that is in the tree twice")
    signature = [found.signature_key for _, found in tree.members()]
    if len(set(signature)) != len(signature):
        raise UntrustedError("a signature key that is in the tree twice")
    for key in encryption:
        tree.suite.kem.require_public_key(key)


def verify_parent_hashes(tree: RatchetTree) -> None:
    """Check that a chain of parent hashes leads from each parent down to one leaf.

    Unmerged leaves must have been checked before: this relies on their order and places.

    Raises:
        UntrustedError: a parent for which no node below, or more than one, stands; or a root that names
            something above it.

    Spec: RFC 9420 sections 7.5 and 7.9.2.
    """
    top = tree.nodes[arithmetic.root(tree.leaf_count)]
    if isinstance(top, ParentNode) and top.parent_hash:
        raise UntrustedError("a root with something above it")
    for node, found in _parents(tree):
        if sum(1 for _ in _vouching(tree, node, found)) != 1:
            raise UntrustedError("a parent that no leaf stands for")


def _vouching(tree: RatchetTree, node: int, parent: ParentNode) -> Iterator[int]:
    """Yield the nodes whose parent hash is valid with respect to a parent.

    All unmerged leaves are in the resolution, as their own check made sure; a leaf that no commit made says
    nothing of a parent.
    """
    left, right = arithmetic.left(node), arithmetic.right(node)
    for child, beside in ((left, right), (right, left)):
        below = arithmetic.leaves_below(child)
        unmerged = [arithmetic.node_of(leaf) for leaf in parent.unmerged_leaves if leaf in below]
        merged = set(tree.resolution(child)).difference(unmerged)
        if len(merged) == 1:
            (only,) = merged
            found = tree.nodes[only]
            if found is not None and found.parent_hash == parent_hash(tree, parent, beside):
                yield only


def _parents(tree: RatchetTree) -> Iterator[tuple[int, ParentNode]]:
    for node in range(1, len(tree.nodes), 2):
        found = tree.nodes[node]
        if isinstance(found, ParentNode):
            yield node, found
