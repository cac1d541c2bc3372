# SPDX-License-Identifier: Apache-2.0
"""Keys for single messages: a tree of secrets over the members, and two ratchets for each of them.

Nothing is encrypted here. A tree is a value: taking a key gives another tree, in which that key, and all
it was made from, is absent. Whoever fails to decrypt keeps the tree he had.

1. A key is given once. A generation that was taken, or that is older than what is kept, is refused.
2. A message may be at most `MAX_SKIP` generations ahead; of the keys in between the latest `MAX_SKIPPED`
   are kept, for messages that come late.
3. Keys that are kept carry the time at which they were made, so that they can be forgotten by time.

Spec: RFC 9420 section 9.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from enum import IntEnum

from protocol.errors import LocalProtocolError, ReasonCode, RemoteProtocolError
from protocol.mls.suites import Suite

MAX_SKIP = 1000
"""Generations a sender may be ahead of what we have seen; bounds the work for one message."""
MAX_SKIPPED = 200
"""Keys kept for late messages, for each sender in an epoch."""
MAX_GENERATION = 0xFFFF_FFFF
"""The last generation that a message can name."""


class RatchetKind(IntEnum):
    """What a ratchet is for."""

    HANDSHAKE = 0
    APPLICATION = 1


@dataclass(frozen=True, slots=True)
class MessageKey:
    """Key and nonce for one message."""

    key: bytes = field(repr=False)
    nonce: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class SkippedKey:
    """A key kept for a message that may still come.

    Attributes:
        message_key: the key.
        at_ms: when it was made, Unix time in milliseconds.
    """

    message_key: MessageKey
    at_ms: int


@dataclass(frozen=True, slots=True)
class Ratchet:
    """A row of keys.

    Attributes:
        secret: gives the next key and the next secret.
        generation: of the next key.
        skipped: keys of earlier generations that were not used, oldest first.
    """

    secret: bytes = field(repr=False)
    generation: int = 0
    skipped: Mapping[int, SkippedKey] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class LeafRatchets:
    """Both rows of one sender."""

    handshake: Ratchet
    application: Ratchet


@dataclass(frozen=True, slots=True)
class SecretTree:
    """The secrets of an epoch from which keys for messages are made.

    Attributes:
        width: leaves of the full tree, a power of two.
        nodes: secrets of subtrees in which nobody has sent yet, by their place in a binary heap: the root
            is 1, the children of `i` are `2 * i` and `2 * i + 1`, leaf `l` is `width + l`.
        ratchets: of leaves whose secret was consumed.
    """

    width: int
    nodes: Mapping[int, bytes] = field(repr=False)
    ratchets: Mapping[int, LeafRatchets] = field(default_factory=dict)


def plant(encryption_secret: bytes, leaf_count: int) -> SecretTree:
    """Return the tree at the beginning of an epoch.

    Args:
        encryption_secret: from the key schedule.
        leaf_count: leaves of the ratchet tree, at least 1; rounded up to a power of two.
    """
    return SecretTree(width=1 << (leaf_count - 1).bit_length(), nodes={1: encryption_secret})


def next_key(
    suite: Suite, tree: SecretTree, leaf: int, kind: RatchetKind
) -> tuple[SecretTree, int, MessageKey]:
    """Take the next key of our own.

    Returns:
        The tree without it, its generation, the key.

    Raises:
        LocalProtocolError: all generations are used.
    """
    tree, ratchets = _ratchets(suite, tree, leaf)
    ratchet = _choose(ratchets, kind)
    generation = ratchet.generation
    if generation > MAX_GENERATION:
        raise LocalProtocolError("no generation is left in this epoch")
    key = _message_key(suite, ratchet.secret, generation)
    advanced = Ratchet(_next_secret(suite, ratchet.secret, generation), generation + 1, ratchet.skipped)
    return _with_ratchet(tree, leaf, kind, advanced), generation, key


def next_generation(tree: SecretTree, leaf: int) -> int:
    """Return how many keys for application messages of a leaf were taken so far."""
    ratchets = tree.ratchets.get(leaf)
    return 0 if ratchets is None else ratchets.application.generation


def take_key(
    suite: Suite, tree: SecretTree, leaf: int, kind: RatchetKind, *, generation: int, now_ms: int
) -> tuple[SecretTree, MessageKey]:
    """Take the key of a message that came in.

    Args:
        suite: the suite of the group.
        tree: where the key is.
        leaf: of the sender.
        kind: which row.
        generation: what the message says.
        now_ms: noted with the keys that are skipped.

    Returns:
        The tree without it, the key.

    Raises:
        RemoteProtocolError: no such leaf, taken before or no longer kept (`id_conflict`), or too far ahead
            (`sequence_gap`).
    """
    if not 0 <= leaf < tree.width:
        raise RemoteProtocolError("a sender outside the tree")
    tree, ratchets = _ratchets(suite, tree, leaf)
    ratchet = _choose(ratchets, kind)
    if generation < ratchet.generation:
        key, rest = _take_skipped(ratchet, generation)
        return _with_ratchet(tree, leaf, kind, rest), key
    if generation - ratchet.generation > MAX_SKIP or generation > MAX_GENERATION:
        raise RemoteProtocolError("a generation too far ahead", code=ReasonCode.SEQUENCE_GAP)
    ahead = _skip(suite, ratchet, generation, now_ms)
    key = _message_key(suite, ahead.secret, generation)
    used = Ratchet(_next_secret(suite, ahead.secret, generation), generation + 1, ahead.skipped)
    return _with_ratchet(tree, leaf, kind, used), key


def forget_skipped(tree: SecretTree, before_ms: int) -> SecretTree:
    """Return the tree without keys that were skipped before a moment."""
    changed = {
        leaf: LeafRatchets(_forget(pair.handshake, before_ms), _forget(pair.application, before_ms))
        for leaf, pair in tree.ratchets.items()
        if _has_old(pair.handshake, before_ms) or _has_old(pair.application, before_ms)
    }
    return replace(tree, ratchets={**tree.ratchets, **changed}) if changed else tree


def _has_old(ratchet: Ratchet, before_ms: int) -> bool:
    return bool(ratchet.skipped) and any(kept.at_ms < before_ms for kept in ratchet.skipped.values())


def _forget(ratchet: Ratchet, before_ms: int) -> Ratchet:
    kept = {at: key for at, key in ratchet.skipped.items() if key.at_ms >= before_ms}
    return Ratchet(ratchet.secret, ratchet.generation, kept)


def _take_skipped(ratchet: Ratchet, generation: int) -> tuple[MessageKey, Ratchet]:
    found = ratchet.skipped.get(generation)
    if found is None:
        raise RemoteProtocolError(
            "a message that was taken before or is too old", code=ReasonCode.ID_CONFLICT
        )
    rest = {at: kept for at, kept in ratchet.skipped.items() if at != generation}
    return found.message_key, Ratchet(ratchet.secret, ratchet.generation, rest)


def _skip(suite: Suite, ratchet: Ratchet, generation: int, now_ms: int) -> Ratchet:
    """Advance to a generation and keep the keys before it, at most `MAX_SKIPPED` in all."""
    if generation == ratchet.generation:
        return ratchet
    secret = ratchet.secret
    kept = dict(ratchet.skipped)
    for at in range(ratchet.generation, generation):
        if generation - at <= MAX_SKIPPED:
            kept[at] = SkippedKey(_message_key(suite, secret, at), now_ms)
        secret = _next_secret(suite, secret, at)
    for at in sorted(kept)[: max(0, len(kept) - MAX_SKIPPED)]:
        del kept[at]
    return Ratchet(secret, generation, kept)


def _ratchets(suite: Suite, tree: SecretTree, leaf: int) -> tuple[SecretTree, LeafRatchets]:
    """Return the ratchets of a leaf, and the tree without what they were made from."""
    found = tree.ratchets.get(leaf)
    if found is not None:
        return tree, found
    nodes = dict(tree.nodes)
    secret = _leaf_secret(suite, nodes, tree.width + leaf)
    size = suite.hash_bytes
    ratchets = LeafRatchets(
        handshake=Ratchet(suite.expand_with_label(secret, "handshake", b"", size)),
        application=Ratchet(suite.expand_with_label(secret, "application", b"", size)),
    )
    return replace(tree, nodes=nodes, ratchets={**tree.ratchets, leaf: ratchets}), ratchets


def _leaf_secret(suite: Suite, nodes: dict[int, bytes], target: int) -> bytes:
    """Take the secret of a leaf out of `nodes`; what stays are subtrees beside its path."""
    place = target
    while place and place not in nodes:
        place >>= 1
    if not place:
        raise LocalProtocolError("a secret tree without the secret of a leaf")
    secret = nodes.pop(place)
    for shift in range(target.bit_length() - place.bit_length() - 1, -1, -1):
        left = suite.expand_with_label(secret, "tree", b"left", suite.hash_bytes)
        right = suite.expand_with_label(secret, "tree", b"right", suite.hash_bytes)
        place = target >> shift
        secret, beside = (right, left) if place & 1 else (left, right)
        nodes[place ^ 1] = beside
    return secret


def _choose(pair: LeafRatchets, kind: RatchetKind) -> Ratchet:
    return pair.handshake if kind is RatchetKind.HANDSHAKE else pair.application


def _with_ratchet(tree: SecretTree, leaf: int, kind: RatchetKind, ratchet: Ratchet) -> SecretTree:
    pair = tree.ratchets[leaf]
    changed = (
        LeafRatchets(ratchet, pair.application)
        if kind is RatchetKind.HANDSHAKE
        else LeafRatchets(pair.handshake, ratchet)
    )
    return SecretTree(tree.width, tree.nodes, {**tree.ratchets, leaf: changed})


def _message_key(suite: Suite, secret: bytes, generation: int) -> MessageKey:
    derive = suite.derive_tree_secret
    return MessageKey(
        key=derive(secret, "key", generation, suite.key_bytes),
        nonce=derive(secret, "nonce", generation, suite.nonce_bytes),
    )


def _next_secret(suite: Suite, secret: bytes, generation: int) -> bytes:
    return suite.derive_tree_secret(secret, "secret", generation, suite.hash_bytes)
