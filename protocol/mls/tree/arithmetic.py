# SPDX-License-Identifier: Apache-2.0
"""Where nodes of a full binary tree stand in a row of nodes. Numbers only; no node has content here.

1. A tree has 2^d leaves and 2^(d+1) - 1 nodes. Leaf `i` is node `2 * i`; parents are the odd nodes.
2. The number of a node never changes when the tree grows or shrinks at its right edge.
3. A leaf number and a node number are both `int`; a name that ends in `leaf` or `leaves` holds leaf numbers.
"""

from protocol.errors import LocalProtocolError


def node_of(leaf: int) -> int:
    """Return the node number of a leaf."""
    return 2 * leaf


def leaf_of(node: int) -> int:
    """Return the leaf number of a node that is a leaf."""
    if node & 1:
        raise LocalProtocolError("a parent node has no leaf number")
    return node >> 1


def is_leaf(node: int) -> bool:
    """Say whether a node is a leaf."""
    return not node & 1


def level(node: int) -> int:
    """Return how far a node is above the leaves: the number of ones at the low end of its number."""
    return (~node & (node + 1)).bit_length() - 1


def full_leaf_count(leaf_count: int) -> int:
    """Return the leaf count of the smallest full tree that has at least so many leaves, at least one."""
    return 1 << max(leaf_count - 1, 0).bit_length()


def node_count(leaf_count: int) -> int:
    """Return how many nodes a full tree with so many leaves has."""
    return 2 * leaf_count - 1


def root(leaf_count: int) -> int:
    """Return the root of the full tree over so many leaves, a power of two."""
    return leaf_count - 1


def left(node: int) -> int:
    """Return the left child of a parent node."""
    return node - _half(node)


def right(node: int) -> int:
    """Return the right child of a parent node."""
    return node + _half(node)


def parent(node: int, leaf_count: int) -> int:
    """Return the parent of a node that is not the root."""
    _require_inside(node, leaf_count)
    if node == root(leaf_count):
        raise LocalProtocolError("the root has no parent")
    return _parent(node)


def sibling(node: int, leaf_count: int) -> int:
    """Return the other child of the parent of a node that is not the root."""
    above = parent(node, leaf_count)
    return 2 * above - node


def direct_path(node: int, leaf_count: int) -> list[int]:
    """Return the ancestors of a node, from its parent to the root.

    Spec: RFC 9420 section 4.1.2.
    """
    _require_inside(node, leaf_count)
    top = root(leaf_count)
    path: list[int] = []
    while node != top:
        node = _parent(node)
        path.append(node)
    return path


def steps(node: int, leaf_count: int) -> list[tuple[int, int]]:
    """Return direct path and copath of a node: each ancestor, lowest first, and its child beside the path.

    Spec: RFC 9420 section 4.1.2.
    """
    found: list[tuple[int, int]] = []
    for above in direct_path(node, leaf_count):
        found.append((above, 2 * above - node))
        node = above
    return found


def common_ancestor(one_leaf: int, other_leaf: int) -> int:
    """Return the lowest node above two different leaves, or the leaf's own node if they are the same."""
    height = (one_leaf ^ other_leaf).bit_length()
    first = one_leaf >> height << height
    return 2 * first + (1 << height) - 1


def leaves_below(node: int) -> range:
    """Return the numbers of the leaves in the subtree of a node; a leaf has itself."""
    reach = (1 << level(node)) - 1
    return range((node - reach) >> 1, ((node + reach) >> 1) + 1)


def _parent(node: int) -> int:
    step = ~node & (node + 1)
    return (node | step) & ~(step << 1)


def _half(node: int) -> int:
    """Return the distance between a parent node and each of its children."""
    if is_leaf(node):
        raise LocalProtocolError("a leaf has no children")
    return 1 << (level(node) - 1)


def _require_inside(node: int, leaf_count: int) -> None:
    if not 0 <= node < node_count(leaf_count):
        raise LocalProtocolError("no such node in a tree of this size")
