# SPDX-License-Identifier: Apache-2.0
"""Keys for single messages: outside test data, once only, late ones, limits."""

import itertools
from collections.abc import Iterator
from functools import partial

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from protocol.errors import LocalProtocolError, ReasonCode, RemoteProtocolError
from protocol.mls.secret_tree import (
    MAX_GENERATION,
    MAX_SKIP,
    MAX_SKIPPED,
    LeafRatchets,
    MessageKey,
    Ratchet,
    RatchetKind,
    SecretTree,
    forget_skipped,
    next_key,
    plant,
    take_key,
)
from protocol.mls.suites import PRODUCT_SUITE
from tests.support.mls_suites import SUITES
from tests.support.refusals import refused
from tests.support.vectors import vector_json

SUITE = PRODUCT_SUITE
APPLICATION = RatchetKind.APPLICATION


def take(tree: SecretTree, generation: int, leaf: int = 0, now_ms: int = 0) -> tuple[SecretTree, MessageKey]:
    return take_key(SUITE, tree, leaf, APPLICATION, generation=generation, now_ms=now_ms)


def secrets_in(tree: SecretTree) -> Iterator[bytes]:
    yield from tree.nodes.values()
    for pair in tree.ratchets.values():
        for ratchet in (pair.handshake, pair.application):
            yield ratchet.secret
            for kept in ratchet.skipped.values():
                yield kept.message_key.key
                yield kept.message_key.nonce


@pytest.mark.vectors
def test_secret_tree_vectors() -> None:
    cases = vector_json("mls-implementations/secret-tree.json")
    for case in cases:
        suite = SUITES[case["cipher_suite"]]
        tree = plant(bytes.fromhex(case["encryption_secret"]), len(case["leaves"]))
        for leaf, generations in enumerate(case["leaves"]):
            for said, kind in itertools.product(generations, RatchetKind):
                name = kind.name.lower()
                at = said["generation"]
                tree, found = take_key(suite, tree, leaf, kind, generation=at, now_ms=0)
                assert found.key == bytes.fromhex(said[f"{name}_key"])
                assert found.nonce == bytes.fromhex(said[f"{name}_nonce"])
                with pytest.raises(RemoteProtocolError):
                    take_key(suite, tree, leaf, kind, generation=at, now_ms=0)
    assert len(cases) == 21


def test_what_one_side_sends_the_other_can_take() -> None:
    sender = receiver = plant(bytes(48), 5)
    assert sender.width == 8
    for expected in range(3):
        sender, generation, sent = next_key(SUITE, sender, 4, APPLICATION)
        receiver, taken = take(receiver, generation, leaf=4)
        assert (generation, taken) == (expected, sent)


def test_rfc9420_9_2_nothing_consumed_stays() -> None:
    root = b"root" * 12
    tree = plant(root, 4)
    deeper, key = take(tree, 1, leaf=3)
    assert set(deeper.nodes) == {2, 6}
    assert root not in set(secrets_in(deeper))
    assert not {key.key, key.nonce} & set(secrets_in(deeper))
    again, _ = take(deeper, 0, leaf=3)
    assert again.ratchets[3].application.skipped == {}
    assert tree == plant(root, 4)


def test_a_generation_is_taken_once_in_any_order() -> None:
    tree = plant(bytes(48), 2)
    for generation in (3, 0, 2, 1, 4):
        tree, _ = take(tree, generation)
        refused(partial(take, tree, generation), ReasonCode.ID_CONFLICT)


def test_an_own_message_that_comes_back_is_refused() -> None:
    tree, generation, _ = next_key(SUITE, plant(bytes(48), 2), 0, APPLICATION)
    refused(lambda: take(tree, generation), ReasonCode.ID_CONFLICT)


def test_a_jump_over_the_limit_is_refused() -> None:
    tree = plant(bytes(48), 2)
    refused(lambda: take(tree, MAX_SKIP + 1), ReasonCode.SEQUENCE_GAP)
    refused(lambda: take(tree, MAX_GENERATION), ReasonCode.SEQUENCE_GAP)
    take(tree, MAX_SKIP)


def test_the_latest_skipped_keys_are_kept_and_no_more() -> None:
    tree, _ = take(plant(bytes(48), 1), MAX_SKIP)
    kept = tree.ratchets[0].application.skipped
    assert set(kept) == set(range(MAX_SKIP - MAX_SKIPPED, MAX_SKIP))
    refused(lambda: take(tree, 0), ReasonCode.ID_CONFLICT)
    tree, _ = take(tree, MAX_SKIP + 51)
    kept = tree.ratchets[0].application.skipped
    assert len(kept) == MAX_SKIPPED
    assert min(kept) == MAX_SKIP - MAX_SKIPPED + 50


def test_kept_keys_are_forgotten_by_time() -> None:
    tree, _ = take(plant(bytes(48), 2), 2, now_ms=1000)
    tree, _ = take(tree, 5, now_ms=2000)
    assert forget_skipped(tree, 1000) is tree
    later = forget_skipped(tree, 1001)
    assert set(later.ratchets[0].application.skipped) == {3, 4}
    refused(lambda: take(later, 0), ReasonCode.ID_CONFLICT)
    take(later, 4)


def test_kept_keys_of_both_rows_are_forgotten_by_time() -> None:
    tree = plant(bytes(48), 2)
    for kind, generation, now_ms in ((RatchetKind.HANDSHAKE, 1, 1000), (APPLICATION, 2, 2000)):
        tree, _ = take_key(SUITE, tree, 0, kind, generation=generation, now_ms=now_ms)
    later = forget_skipped(tree, 1500).ratchets[0]
    assert later.handshake.skipped == {}
    assert later.application == tree.ratchets[0].application
    assert later.handshake.secret == tree.ratchets[0].handshake.secret
    assert forget_skipped(tree, 2500).ratchets[0].application.skipped == {}


@pytest.mark.parametrize("leaf", [-1, 2, 1 << 31])
def test_a_sender_outside_the_tree_is_refused(leaf: int) -> None:
    with pytest.raises(RemoteProtocolError):
        take(plant(bytes(48), 2), 0, leaf=leaf)


def test_no_generation_after_the_last() -> None:
    spent = Ratchet(bytes(48), MAX_GENERATION)
    tree = SecretTree(1, {}, {0: LeafRatchets(spent, spent)})
    _, taken = take(tree, MAX_GENERATION)
    tree, generation, given = next_key(SUITE, tree, 0, APPLICATION)
    assert (generation, given) == (MAX_GENERATION, taken)
    with pytest.raises(LocalProtocolError):
        next_key(SUITE, tree, 0, APPLICATION)
    refused(lambda: take(tree, MAX_GENERATION + 1), ReasonCode.SEQUENCE_GAP)


def test_a_tree_that_lost_a_leaf_is_our_own_fault() -> None:
    with pytest.raises(LocalProtocolError):
        next_key(SUITE, SecretTree(2, {}, {}), 0, APPLICATION)


@given(st.permutations(range(12)), st.integers(0, 7))
@settings(max_examples=20)
def test_any_order_gives_the_keys_of_the_sender(order: list[int], leaf: int) -> None:
    sender = receiver = plant(b"\7" * 48, 8)
    sent = {}
    for _ in order:
        sender, at, key = next_key(SUITE, sender, leaf, APPLICATION)
        sent[at] = key
    for at in order:
        receiver, key = take(receiver, at, leaf=leaf)
        assert key == sent[at]
    assert receiver.ratchets[leaf].application == sender.ratchets[leaf].application


def test_secrets_are_not_shown() -> None:
    tree, key = take(plant(b"planted!" * 6, 2), 3)
    shown = repr(tree) + repr(key)
    assert not any(repr(secret) in shown for secret in {*secrets_in(tree), key.key})
