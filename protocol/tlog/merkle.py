# SPDX-License-Identifier: Apache-2.0
"""The Merkle tree of a log: hashes, roots, and proofs checked. It stores nothing and makes no proof.

1. A leaf is hashed after a zero byte, a node after a one byte: no leaf passes for a node.
2. A tree of n leaves is split at the largest power of two below n.
3. `Frontier` holds the roots of the complete subtrees along the right edge: enough to append and to tell the
   root, for any size, in at most 63 hashes.
4. A proof is checked with nothing but the sizes, the roots and itself; a hash too many or too few is refused.
"""

import hashlib
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from protocol.errors import MalformedError, UntrustedError

HASH_BYTES = 32
MAX_SIZE = (1 << 63) - 1
"""The largest size of a tree that C2SP formats can name."""
TILE_LEVELS = 8
"""Levels between the subtree roots that are worth storing: a tile holds 256 hashes of one of these levels."""

NodeListener = Callable[[int, int, bytes], None]
"""Told level, index and root of a subtree that has just become complete."""

_sha256 = hashlib.sha256


def leaf_hash(data: bytes) -> bytes:
    """Hash one entry.

    Spec: RFC 6962 section 2.1.
    """
    return _sha256(b"\x00" + data).digest()


def node_hash(left: bytes, right: bytes) -> bytes:
    """Hash two subtrees into the one above them.

    Spec: RFC 6962 section 2.1.
    """
    return _sha256(b"\x01" + left + right).digest()


EMPTY_ROOT = _sha256(b"").digest()
"""Root of a tree without leaves."""


@dataclass(frozen=True, slots=True)
class Frontier:
    """The right edge of a tree.

    Attributes:
        size: number of leaves.
        edge: roots of the complete subtrees from left to right, one for each bit set in `size`.
    """

    size: int = 0
    edge: tuple[bytes, ...] = ()

    def __post_init__(self) -> None:
        if not 0 <= self.size <= MAX_SIZE or len(self.edge) != self.size.bit_count():
            raise MalformedError("the edge of a tree does not fit its size")

    def append(self, leaf_hashes: Iterable[bytes], listener: NodeListener | None = None) -> "Frontier":
        """Return the frontier after these leaves.

        Args:
            leaf_hashes: as `leaf_hash` returns them, in order.
            listener: told of each subtree on a level that is a multiple of `TILE_LEVELS`, leaves left out.
        """
        edge, size = list(self.edge), self.size
        for found in leaf_hashes:
            below, level = size, 0
            while below & 1:
                found = _sha256(b"\x01" + edge.pop() + found).digest()  # noqa: PLW2901
                below >>= 1
                level += 1
                if listener is not None and level % TILE_LEVELS == 0:
                    listener(level, below, found)
            edge.append(found)
            size += 1
        return Frontier(size, tuple(edge))

    def root(self) -> bytes:
        """Return the root of the whole tree."""
        if not self.edge:
            return EMPTY_ROOT
        found = self.edge[-1]
        for left in reversed(self.edge[:-1]):
            found = node_hash(left, found)
        return found

    def to_bytes(self) -> bytes:
        """Write `u64 size`, then the edge."""
        return self.size.to_bytes(8, "big") + b"".join(self.edge)


def parse_frontier(data: bytes) -> Frontier:
    """Read what `Frontier.to_bytes` wrote.

    Raises:
        MalformedError: the length does not fit the size.
    """
    if len(data) < 8 or (len(data) - 8) % HASH_BYTES:
        raise MalformedError("the edge of a tree does not fit its size")
    cuts = range(8, len(data), HASH_BYTES)
    return Frontier(int.from_bytes(data[:8], "big"), tuple(data[at : at + HASH_BYTES] for at in cuts))


def root_of(leaf_hashes: Sequence[bytes]) -> bytes:
    """Return the root over all these leaves."""
    return Frontier().append(leaf_hashes).root()


def verify_inclusion(leaf: bytes, index: int, *, size: int, proof: Sequence[bytes], root: bytes) -> None:
    """Check that a leaf is in the tree with this root.

    Args:
        leaf: 32 bytes, as `leaf_hash` returns them.
        index: position of the leaf, from 0, below `size`.
        size: number of leaves.
        proof: sibling hashes, nearest the leaf first.
        root: 32 bytes, from a checkpoint that was verified.

    Raises:
        MalformedError: the proof has the wrong length for this index and size.
        UntrustedError: it leads to another root.

    Spec: RFC 9162 section 2.1.3.2; PROTOCOL.md section 17.4.
    """
    if not 0 <= index < size <= MAX_SIZE:
        raise MalformedError("no such leaf in a tree of this size")
    _require_hashes([leaf, root, *proof])
    inner, border = _split_of_proof(index, size)
    if len(proof) != inner + border:
        raise MalformedError("an inclusion proof of the wrong length")
    found = leaf
    for level, sibling in enumerate(proof[:inner]):
        found = node_hash(sibling, found) if index >> level & 1 else node_hash(found, sibling)
    for sibling in proof[inner:]:
        found = node_hash(sibling, found)
    if found != root:
        raise UntrustedError("an inclusion proof that leads to another root")


def verify_consistency(
    old: int, new: int, *, proof: Sequence[bytes], old_root: bytes, new_root: bytes
) -> None:
    """Check that a tree continues an earlier one.

    Raises:
        MalformedError: the proof has the wrong length for these sizes, or the earlier tree is empty.
        UntrustedError: it leads to another root.

    Spec: RFC 9162 section 2.1.4.2; PROTOCOL.md section 17.4.
    """
    if not 0 < old <= new <= MAX_SIZE:
        raise MalformedError("a tree continues only one that is not larger, and not empty")
    _require_hashes([old_root, new_root, *proof])
    if old == new:
        if proof:
            raise MalformedError("a consistency proof of the wrong length")
        if old_root != new_root:
            raise UntrustedError("two roots for one size")
        return
    inner, border = _split_of_proof(old - 1, new)
    shift = (old & -old).bit_length() - 1
    inner -= shift
    alone = old & (old - 1) == 0  # the earlier root is a node of the later tree, and so its own first hash
    if len(proof) != inner + border + (not alone):
        raise MalformedError("a consistency proof of the wrong length")
    first, path = (old_root, proof) if alone else (proof[0], proof[1:])
    before = after = first
    mask = (old - 1) >> shift
    for level, sibling in enumerate(path[:inner]):
        if mask >> level & 1:
            before = node_hash(sibling, before)
            after = node_hash(sibling, after)
        else:
            after = node_hash(after, sibling)
    for sibling in path[inner:]:
        before = node_hash(sibling, before)
        after = node_hash(sibling, after)
    if before != old_root or after != new_root:
        raise UntrustedError("a consistency proof that leads to another root")


def _split_of_proof(index: int, size: int) -> tuple[int, int]:
    """Say how many siblings stand beside the path below the right edge, and how many to the left of it."""
    inner = (index ^ (size - 1)).bit_length()
    return inner, (index >> inner).bit_count()


def _require_hashes(hashes: Sequence[bytes]) -> None:
    if any(len(item) != HASH_BYTES for item in hashes):
        raise MalformedError("a hash of the wrong length")
