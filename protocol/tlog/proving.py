# SPDX-License-Identifier: Apache-2.0
"""Makes proofs about a tree of any size, from the roots of its complete subtrees. It checks none.

1. A *node* is a complete subtree; `(level, index)` names the leaves `[index << level, (index + 1) << level)`.
2. Each hash of a proof is the root of a range: one node, or a few nodes folded from the right.
3. Which nodes a proof needs follows from the sizes alone, so that a client can fetch them before it has any.
"""

from collections.abc import Sequence
from typing import Protocol

from protocol.errors import LocalProtocolError
from protocol.tlog.merkle import EMPTY_ROOT, MAX_SIZE, node_hash
from protocol.tlog.subtrees import is_subtree, path_to

Node = tuple[int, int]
"""Level and index of a complete subtree."""
Range = tuple[Node, ...]
"""Nodes side by side, from the left and the largest on."""


class NodeReader(Protocol):
    """Where the hashes of a tree are: a store, or tiles."""

    def node(self, level: int, index: int) -> bytes:
        """Return the root of a complete subtree, 32 bytes."""
        ...


def range_nodes(start: int, end: int) -> Range:
    """Name the nodes that make up the leaves `[start, end)`, which must be a subtree of some tree.

    Raises:
        LocalProtocolError: it is not.
    """
    if not is_subtree(start, end):
        raise LocalProtocolError("not a subtree")
    return _nodes(start, end)


def _nodes(start: int, end: int) -> Range:
    width = end - start
    if width & (width - 1) == 0:
        level = width.bit_length() - 1
        return ((level, start >> level),)
    found, at = [], start
    while width:
        level = width.bit_length() - 1
        found.append((level, at >> level))
        at += 1 << level
        width -= 1 << level
    return tuple(found)


def inclusion_ranges(index: int, size: int) -> list[Range]:
    """Name the ranges whose roots prove that a leaf is in a tree, nearest the leaf first.

    Raises:
        LocalProtocolError: no such leaf.

    Spec: RFC 9162 section 2.1.3.1.
    """
    if not 0 <= index < size <= MAX_SIZE:
        raise LocalProtocolError("no such leaf in a tree of this size")
    found: list[Range] = []
    start, end = 0, size
    while end - start > 1:
        middle = start + (1 << (end - start - 1).bit_length() - 1)
        if index < middle:
            found.append(_nodes(middle, end))
            end = middle
        else:
            found.append(_nodes(start, middle))
            start = middle
    found.reverse()
    return found


def subtree_ranges(first: int, last: int, size: int) -> list[Range]:
    """Name the ranges whose roots prove that a tree holds the subtree `[first, last)`, smallest first.

    Raises:
        LocalProtocolError: not a subtree of a tree of this size.

    Spec: draft-ietf-plants-merkle-tree-certs-03 section 4.4; for `first` 0, RFC 9162 section 2.1.4.1.
    """
    if not is_subtree(first, last) or not last <= size <= MAX_SIZE:
        raise LocalProtocolError("not a subtree of a tree of this size")
    path = path_to(first, last, size)
    rest = [] if path.whole else [_nodes(path.start, last)]
    return rest + [_nodes(step.start, step.end) for step in path.steps]


def tree_root(size: int, nodes: NodeReader) -> bytes:
    """Return the root that the tree has at a size."""
    return _root(range_nodes(0, size), nodes) if size else EMPTY_ROOT


def inclusion_proof(index: int, size: int, nodes: NodeReader) -> list[bytes]:
    """Prove that a leaf is in a tree.

    Returns:
        Sibling hashes, nearest the leaf first.

    Spec: RFC 9162 section 2.1.3.1; PROTOCOL.md section 17.4.
    """
    return [_root(item, nodes) for item in inclusion_ranges(index, size)]


def consistency_proof(old: int, new: int, nodes: NodeReader) -> list[bytes]:
    """Prove that a tree continues an earlier one, which is not empty.

    Spec: RFC 9162 section 2.1.4.1; PROTOCOL.md section 17.4.
    """
    return subtree_proof(0, old, new, nodes)


def subtree_proof(first: int, last: int, size: int, nodes: NodeReader) -> list[bytes]:
    """Prove that a tree holds the subtree `[first, last)`.

    Spec: draft-ietf-plants-merkle-tree-certs-03 section 4.4.
    """
    return [_root(item, nodes) for item in subtree_ranges(first, last, size)]


def _root(parts: Sequence[Node], nodes: NodeReader) -> bytes:
    found = nodes.node(*parts[-1])
    for level, index in reversed(parts[:-1]):
        found = node_hash(nodes.node(level, index), found)
    return found
