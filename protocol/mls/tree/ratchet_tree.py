# SPDX-License-Identifier: Apache-2.0
"""The public ratchet tree as a value: who stands where, which keys reach whom, and the hashes over it.

Not the private keys, which are `protocol.mls.tree.path`'s, and not the judgement of a tree that somebody else
made: `protocol.mls.tree.checks` has that. What is here keeps a good tree good.

1. A tree is a row of nodes, leaves at even numbers (`protocol.mls.tree.arithmetic`), always full, and blank
   (`None`) where nobody is. Its right half has a member in it, or it has only one leaf.
2. Every change returns another tree. What did not change is shared, hashes included.
3. A tree knows its suite, so a hash of it cannot be made with another.
4. `leaf` arguments are leaf numbers, `node` arguments node numbers.
"""

from bisect import insort
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import NamedTuple

from protocol.errors import LocalProtocolError, MalformedError, ReasonCode
from protocol.limits import MAX_MLS_TREE_LEAVES
from protocol.mls.structures.nodes import (
    LeafNode,
    Node,
    NodeType,
    ParentNode,
    parse_ratchet_tree,
    ratchet_tree_bytes,
)
from protocol.mls.suites import Suite
from protocol.mls.tree import arithmetic
from protocol.octets import op


class PathStep(NamedTuple):
    """One node of a filtered direct path.

    Attributes:
        node: the node itself.
        beside: its child that is not on the path of the leaf; the new key is told to whoever is below it.
    """

    node: int
    beside: int


@dataclass(frozen=True, slots=True)
class RatchetTree:
    """The public state of the ratchet tree of one epoch; made by `found_tree` and `parse_tree`.

    Attributes:
        suite: of the group.
        nodes: `2 * leaf_count - 1` nodes from left to right, `None` for a blank one.

    Spec: RFC 9420 sections 4.1 and 7.
    """

    suite: Suite = field(compare=False)
    nodes: tuple[Node | None, ...] = field(repr=False)
    _hashes: list[bytes | None] = field(repr=False, compare=False)

    # --- reading ----------------------------------------------------------------------------------------
    @property
    def leaf_count(self) -> int:
        """How many leaves it has, blank ones included; a power of two."""
        return (len(self.nodes) + 1) // 2

    def leaf(self, leaf: int) -> LeafNode | None:
        """Return what stands at a leaf; None if it is blank or there is no such leaf."""
        if not 0 <= leaf < self.leaf_count:
            return None
        found = self.nodes[arithmetic.node_of(leaf)]
        return found if isinstance(found, LeafNode) else None

    def members(self) -> Iterator[tuple[int, LeafNode]]:
        """Yield leaf number and content of each leaf that is not blank, from left to right."""
        for leaf, found in enumerate(self.nodes[::2]):
            if isinstance(found, LeafNode):
                yield leaf, found

    def resolution(self, node: int) -> list[int]:
        """Return the nodes whose keys together reach everybody below a node.

        Spec: RFC 9420 section 4.1.1.
        """
        found = self.nodes[node]
        if isinstance(found, ParentNode):
            return [node, *map(arithmetic.node_of, found.unmerged_leaves)]
        if found is not None:
            return [node]
        if arithmetic.is_leaf(node) or self._is_empty(node):
            return []
        return self.resolution(arithmetic.left(node)) + self.resolution(arithmetic.right(node))

    def filtered_path(self, leaf: int) -> list[PathStep]:
        """Return the ancestors of a leaf that need keys of their own, from the lowest to the root.

        Left out is an ancestor whose other child has nobody below it.

        Spec: RFC 9420 section 4.1.2.
        """
        steps = arithmetic.steps(arithmetic.node_of(leaf), self.leaf_count)
        return [PathStep(node, beside) for node, beside in steps if not self._is_empty(beside)]

    def _is_empty(self, node: int) -> bool:
        """Say whether every node of a subtree is blank, so that its resolution is empty."""
        reach = (1 << arithmetic.level(node)) - 1
        return not any(self.nodes[node - reach : node + reach + 1])

    # --- hashes -----------------------------------------------------------------------------------------
    def tree_hash(self, node: int | None = None) -> bytes:
        """Return the hash over a subtree; without an argument, over the whole tree.

        Spec: RFC 9420 section 7.8.
        """
        if node is None:
            node = arithmetic.root(self.leaf_count)
        known = self._hashes[node]
        if known is None:
            known = self._hashes[node] = self.suite.hash(self._hash_input(node))
        return known

    def _hash_input(self, node: int) -> bytes:
        found = self.nodes[node]
        if arithmetic.is_leaf(node):
            return _leaf_hash_input(arithmetic.leaf_of(node), found)
        left, right = self.tree_hash(arithmetic.left(node)), self.tree_hash(arithmetic.right(node))
        return _parent_hash_input(found, left, right)

    # --- changes ----------------------------------------------------------------------------------------
    def with_room(self) -> tuple["RatchetTree", int]:
        """Return a tree with a blank leaf, and the number of its leftmost one.

        Raises:
            MalformedError: there would be too many leaves (`quota_exceeded`).

        Spec: RFC 9420 sections 7.7 and 12.4.2.
        """
        leaves = self.nodes[::2]
        if None in leaves:
            return self, leaves.index(None)
        if 2 * self.leaf_count > MAX_MLS_TREE_LEAVES:
            raise MalformedError("no room in the tree", code=ReasonCode.QUOTA_EXCEEDED)
        more = [None] * (len(self.nodes) + 1)
        return RatchetTree(self.suite, (*self.nodes, *more), [*self._hashes, *more]), self.leaf_count

    def add_leaf(self, content: LeafNode) -> tuple["RatchetTree", int]:
        """Put a new member at the leftmost blank leaf.

        Returns:
            The tree, and the number of the leaf; it is unmerged in all its ancestors.

        Spec: RFC 9420 section 12.1.1.
        """
        tree, leaf = self.with_room()
        node = arithmetic.node_of(leaf)
        changes: dict[int, Node | None] = {node: content}
        for above in arithmetic.direct_path(node, tree.leaf_count):
            found = tree.nodes[above]
            if isinstance(found, ParentNode):
                unmerged = list(found.unmerged_leaves)
                insort(unmerged, leaf)
                changes[above] = replace(found, unmerged_leaves=tuple(unmerged))
        return tree.with_nodes(changes), leaf

    def update_leaf(self, leaf: int, content: LeafNode) -> "RatchetTree":
        """Replace the content of a leaf that is not blank, and blank its ancestors.

        Spec: RFC 9420 section 12.1.2.
        """
        return self.with_nodes(self._blanked_path(leaf) | {arithmetic.node_of(leaf): content})

    def remove_leaf(self, leaf: int) -> "RatchetTree":
        """Blank a leaf that is not blank, and its ancestors; cut the tree to the size that is needed.

        Spec: RFC 9420 section 12.1.3.
        """
        return self.with_nodes(self._blanked_path(leaf))

    def with_nodes(self, changes: Mapping[int, Node | None]) -> "RatchetTree":
        """Replace nodes, and cut off the right half as long as nobody is there.

        Args:
            changes: new content by node, in any order; None for a blank one.

        Spec: RFC 9420 section 7.7.
        """
        nodes, hashes = list(self.nodes), self._hashes.copy()
        for node, content in changes.items():
            nodes[node] = content
            hashes[node] = None
            for above in arithmetic.direct_path(node, self.leaf_count):
                hashes[above] = None
        kept = arithmetic.node_count(_needed_leaf_count(nodes[::2]))
        return RatchetTree(self.suite, tuple(nodes[:kept]), hashes[:kept])

    def _blanked_path(self, leaf: int) -> dict[int, Node | None]:
        """Return the changes that blank a leaf that is not blank, and its ancestors."""
        if self.leaf(leaf) is None:
            raise LocalProtocolError("nobody is at this leaf")
        node = arithmetic.node_of(leaf)
        return dict.fromkeys([node, *arithmetic.direct_path(node, self.leaf_count)])

    # --- octets -----------------------------------------------------------------------------------------
    def to_bytes(self) -> bytes:
        """Write the tree as the `ratchet_tree` extension holds it: no blank node after the last that is not.

        Spec: RFC 9420 section 12.4.3.3.
        """
        last = max((leaf for leaf, _ in self.members()), default=0)
        return ratchet_tree_bytes(self.nodes[: arithmetic.node_of(last) + 1])


def found_tree(suite: Suite, content: LeafNode) -> RatchetTree:
    """Return a tree with one member.

    Spec: RFC 9420 section 11.
    """
    return RatchetTree(suite, (content,), [None])


def parse_tree(suite: Suite, data: bytes) -> RatchetTree:
    """Read what `RatchetTree.to_bytes` writes. What the nodes say is not judged; their places are.

    Raises:
        MalformedError: not a list of nodes, too many of them, a leaf where a parent belongs or the reverse,
            or no leaf at the end.

    Spec: RFC 9420 section 12.4.3.3.
    """
    nodes = parse_ratchet_tree(data)
    if len(nodes) > arithmetic.node_count(MAX_MLS_TREE_LEAVES):
        raise MalformedError("a tree with too many nodes", code=ReasonCode.TOO_LARGE)
    if not nodes or not isinstance(nodes[-1], LeafNode):
        raise MalformedError("a tree without a leaf at its end", code=ReasonCode.BAD_CONTENT)
    if any(isinstance(node, ParentNode) for node in nodes[::2]) or any(
        isinstance(node, LeafNode) for node in nodes[1::2]
    ):
        raise MalformedError("a node of the wrong kind for its place", code=ReasonCode.BAD_CONTENT)
    size = arithmetic.node_count(arithmetic.full_leaf_count((len(nodes) + 1) // 2))
    return RatchetTree(suite, (*nodes, *[None] * (size - len(nodes))), [None] * size)


# --- parent hashes and paths --------------------------------------------------------------------------------
def original_tree_hash(tree: RatchetTree, node: int, without: Collection[int]) -> bytes:
    """Return the hash over a subtree as if some of its leaves had not been added.

    Args:
        tree: the whole tree.
        node: head of the subtree.
        without: numbers of leaves; they are taken for blank, and for absent from all unmerged leaves.

    Spec: RFC 9420 section 7.9.
    """
    below = arithmetic.leaves_below(node)
    if not any(leaf in below for leaf in without):
        return tree.tree_hash(node)
    if arithmetic.is_leaf(node):
        return tree.suite.hash(_leaf_hash_input(arithmetic.leaf_of(node), None))
    found = tree.nodes[node]
    if isinstance(found, ParentNode):
        kept = tuple(leaf for leaf in found.unmerged_leaves if leaf not in without)
        found = replace(found, unmerged_leaves=kept)
    left = original_tree_hash(tree, arithmetic.left(node), without)
    right = original_tree_hash(tree, arithmetic.right(node), without)
    return tree.suite.hash(_parent_hash_input(found, left, right))


def parent_hash(tree: RatchetTree, parent: ParentNode, beside: int) -> bytes:
    """Return what the next node below a parent says of it.

    Args:
        tree: the tree of the parent's children; the parent itself need not be in it.
        parent: the parent.
        beside: its child that is not on the path of the node that says so.

    Spec: RFC 9420 section 7.9.
    """
    original = original_tree_hash(tree, beside, parent.unmerged_leaves)
    return tree.suite.hash(op(parent.encryption_key) + op(parent.parent_hash) + op(original))


def path_parents(
    tree: RatchetTree, steps: Sequence[PathStep], public_keys: Sequence[bytes]
) -> tuple[dict[int, ParentNode], bytes]:
    """Make the parents that a new path of a leaf puts into a tree. Nothing is put there yet.

    Args:
        tree: before the path.
        steps: the filtered path of the leaf.
        public_keys: one for each step.

    Returns:
        The parents by node, and the parent hash that the new leaf must carry.

    Spec: RFC 9420 sections 7.5 and 7.9.
    """
    parents: dict[int, ParentNode] = {}
    hash_of_parent = b""
    for step, key in zip(reversed(steps), reversed(public_keys), strict=True):
        made = ParentNode(encryption_key=key, parent_hash=hash_of_parent)
        hash_of_parent = parent_hash(tree, made, step.beside)
        parents[step.node] = made
    return parents, hash_of_parent


def with_path(
    tree: RatchetTree, leaf: int, content: LeafNode, parents: Mapping[int, ParentNode]
) -> RatchetTree:
    """Put a new path into a tree: the leaf, and what `path_parents` made for it.

    Spec: RFC 9420 section 7.5.
    """
    node = arithmetic.node_of(leaf)
    changes: dict[int, Node | None] = dict.fromkeys(arithmetic.direct_path(node, tree.leaf_count))
    return tree.with_nodes({**changes, **parents, node: content})


def _needed_leaf_count(leaves: Sequence[Node | None]) -> int:
    """Return the size of the smallest full tree that has all leaves that are not blank."""
    size = len(leaves)
    while size > 1 and not any(leaves[size // 2 : size]):
        size //= 2
    return size


def _leaf_hash_input(leaf: int, found: Node | None) -> bytes:
    head = bytes((NodeType.LEAF,)) + leaf.to_bytes(4, "big")
    return head + b"\x00" if found is None else head + b"\x01" + found.to_bytes()


def _parent_hash_input(found: Node | None, left: bytes, right: bytes) -> bytes:
    head = bytes((NodeType.PARENT, 0)) if found is None else bytes((NodeType.PARENT, 1)) + found.to_bytes()
    return head + op(left) + op(right)
