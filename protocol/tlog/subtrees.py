# SPDX-License-Identifier: Apache-2.0
"""Checks proofs about subtrees: a leaf in a subtree, and a subtree in a tree. It makes none: see `proving`.

A subtree is a range of leaves, not empty, that is a node of some tree: its start is a multiple of the least
power of two that is not below its width. An ML-DSA-44 cosignature may be about one; a mirror is sent them.
"""

from collections.abc import Sequence
from typing import NamedTuple

from protocol.errors import MalformedError, UntrustedError
from protocol.tlog.merkle import HASH_BYTES, MAX_SIZE, node_hash, verify_inclusion


class Step(NamedTuple):
    """A sibling on the way to a subtree: the leaves `[start, end)`, its side, and whether it is inside."""

    start: int
    end: int
    is_left: bool
    is_inside: bool


class Path(NamedTuple):
    """The way from a subtree up to the root.

    Attributes:
        steps: siblings, nearest first.
        start: where the last part of the subtree starts.
        whole: True if that part is the subtree itself, whose root the reader has.
    """

    steps: list[Step]
    start: int
    whole: bool


def is_subtree(start: int, end: int) -> bool:
    """Say whether the leaves `[start, end)` can be a node of a tree.

    Spec: draft-ietf-plants-merkle-tree-certs-03 section 4.1.
    """
    return 0 <= start < end <= MAX_SIZE and start & ((1 << (end - start - 1).bit_length()) - 1) == 0


def verify_subtree_inclusion(
    leaf: bytes, index: int, *, start: int, end: int, proof: Sequence[bytes], root: bytes
) -> None:
    """Check that a leaf is in the subtree `[start, end)` with this root; `index` counts from leaf 0.

    Raises:
        MalformedError: not a subtree, no such leaf in it, or a proof of the wrong length.
        UntrustedError: the proof leads to another root.

    Spec: draft-ietf-plants-merkle-tree-certs-03 section 4.3.
    """
    if not is_subtree(start, end):
        raise MalformedError("not a subtree")
    verify_inclusion(leaf, index - start, size=end - start, proof=proof, root=root)


def verify_subtree_consistency(
    start: int, end: int, size: int, *, proof: Sequence[bytes], subtree_root: bytes, root: bytes
) -> None:
    """Check that a tree holds the subtree `[start, end)` with this root.

    Raises:
        MalformedError: not a subtree of a tree of this size, or a proof of the wrong length.
        UntrustedError: the proof leads to another root.

    Spec: draft-ietf-plants-merkle-tree-certs-03 section 4.4.
    """
    if not is_subtree(start, end) or not end <= size <= MAX_SIZE:
        raise MalformedError("not a subtree of a tree of this size")
    if any(len(item) != HASH_BYTES for item in (subtree_root, root, *proof)):
        raise MalformedError("a hash of the wrong length")
    path = path_to(start, end, size)
    if len(proof) != len(path.steps) + (not path.whole):
        raise MalformedError("a subtree proof of the wrong length")
    part = every = subtree_root if path.whole else proof[0]
    for step, sibling in zip(path.steps, proof if path.whole else proof[1:], strict=True):
        if step.is_inside:
            part = node_hash(sibling, part)
        every = node_hash(sibling, every) if step.is_left else node_hash(every, sibling)
    if part != subtree_root or every != root:
        raise UntrustedError("a subtree proof that leads to another root")


def path_to(first: int, last: int, size: int) -> Path:
    """Walk from the root of a tree down to where the subtree `[first, last)` ends.

    The caller has checked the bounds.
    """
    steps, start, end, whole = [], 0, size, True
    while (start, end) != (first, last):
        middle = start + (1 << (end - start - 1).bit_length() - 1)
        if last <= middle:
            steps.append(Step(middle, end, is_left=False, is_inside=False))
            end = middle
        else:
            is_inside = first < middle
            steps.append(Step(start, middle, is_left=True, is_inside=is_inside))
            whole = whole and not is_inside
            start, first = middle, max(first, middle)
    steps.reverse()
    return Path(steps, start, whole)
