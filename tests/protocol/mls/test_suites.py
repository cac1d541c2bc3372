# SPDX-License-Identifier: Apache-2.0
"""Labels, derivation, signature and encryption of a suite: outside data, both ways, and what must fail."""

import hashlib
import hmac
from typing import Any

import pytest

from protocol.errors import LocalProtocolError, UntrustedError
from protocol.mls.suites import (
    PRODUCT_SUITE,
    HpkeCiphertext,
    KeyPair,
    Suite,
    decrypt_with_label,
    encrypt_with_label,
    export_decapsulate,
    export_encapsulate,
)
from tests.support.entropy import SeededEntropy
from tests.support.mls_suites import SUITES
from tests.support.vectors import vector_json

ALL = sorted(SUITES.values(), key=lambda suite: suite.number)
NAMES = [f"suite-{suite.number:#06x}" for suite in ALL]
each_suite = pytest.mark.parametrize("suite", ALL, ids=NAMES)


def raw(text: str) -> bytes:
    return bytes.fromhex(text)


def flipped(data: bytes) -> bytes:
    return data[:-1] + bytes((data[-1] ^ 1,))


def key_pair(suite: Suite, seed: int) -> KeyPair:
    return suite.derive_key_pair(SeededEntropy(seed).random_bytes(suite.hash_bytes))


# --- outside data -------------------------------------------------------------------------------------------
def check_derivations(suite: Suite, case: dict[str, Any]) -> None:
    ref = case["ref_hash"]
    assert suite.ref_hash(ref["label"], raw(ref["value"])) == raw(ref["out"])
    one = case["expand_with_label"]
    expanded = suite.expand_with_label(raw(one["secret"]), one["label"], raw(one["context"]), one["length"])
    assert expanded == raw(one["out"])
    one = case["derive_secret"]
    assert suite.derive_secret(raw(one["secret"]), one["label"]) == raw(one["out"])
    one = case["derive_tree_secret"]
    derived = suite.derive_tree_secret(raw(one["secret"]), one["label"], one["generation"], one["length"])
    assert derived == raw(one["out"])


def check_signatures(suite: Suite, case: dict[str, Any]) -> None:
    one = case["sign_with_label"]
    pair = suite.signature.key_pair(raw(one["priv"]))
    assert pair.public == raw(one["pub"])
    content, label = raw(one["content"]), one["label"]
    suite.signature.require_public_key(pair.public)
    suite.verify_with_label(pair.public, label, content, raw(one["signature"]))
    suite.verify_with_label(pair.public, label, content, suite.sign_with_label(pair.private, label, content))


def check_encryption(suite: Suite, case: dict[str, Any]) -> None:
    one = case["encrypt_with_label"]
    context, label, plaintext = raw(one["context"]), one["label"], raw(one["plaintext"])
    theirs = HpkeCiphertext(raw(one["kem_output"]), raw(one["ciphertext"]))
    ours = encrypt_with_label(
        suite, raw(one["pub"]), label=label, context=context, plaintext=plaintext, entropy=SeededEntropy(1)
    )
    for encrypted in (theirs, ours):
        opened = decrypt_with_label(
            suite, raw(one["priv"]), label=label, context=context, encrypted=encrypted
        )
        assert opened == plaintext


@pytest.mark.vectors
def test_crypto_basics() -> None:
    cases = vector_json("mls-implementations/crypto-basics.json")
    for case in cases:
        suite = SUITES[case["cipher_suite"]]
        check_derivations(suite, case)
        check_signatures(suite, case)
        check_encryption(suite, case)
    assert sorted(case["cipher_suite"] for case in cases) == [1, 2, 3, 4, 5, 6, 7]


@pytest.mark.vectors
def test_hpke_pq_key_pairs_of_the_product() -> None:
    cases = vector_json("hpke-pq/hpke-pq.json")
    ours = [case for case in cases if case["kem_id"] == PRODUCT_SUITE.kem.number]
    for case in ours:
        pair = PRODUCT_SUITE.derive_key_pair(raw(case["ikmR"]))
        assert pair == (raw(case["skRm"]), raw(case["pkRm"]))
        assert PRODUCT_SUITE.kem.decapsulate(pair.private, raw(case["enc"])) == raw(case["shared_secret"])
    assert len(ours) == 2


@pytest.mark.vectors
def test_xwing_key_pairs_of_the_product() -> None:
    cases = vector_json("xwing/xwing.json")
    for case in cases:
        assert PRODUCT_SUITE.kem.decapsulate(raw(case["seed"]), raw(case["ct"])) == raw(case["ss"])
    assert len(cases) >= 3


@pytest.mark.vectors
def test_rfc_9180_key_pairs_of_the_test_suites() -> None:
    """Suites 1 and 2 of the tests are what they say."""
    kems = {suite.kem.number: suite.kem for suite in SUITES.values()}
    cases = [case for case in vector_json("hpke-rfc9180/rfc9180-subset.json") if case["kem_id"] in kems]
    for case in cases:
        pair = kems[case["kem_id"]].derive_key_pair(raw(case["ikmR"]))
        assert pair == (raw(case["skRm"]), raw(case["pkRm"]))
        assert kems[case["kem_id"]].decapsulate(pair.private, raw(case["enc"])) == raw(case["shared_secret"])
    assert len(cases) == 16


# --- our own ------------------------------------------------------------------------------------------------
def test_the_suite_of_the_product() -> None:
    suite = PRODUCT_SUITE
    assert suite.number == 0xF0E2
    assert suite.sealing.suite_id() == b"HPKE" + raw("647a00020002")
    assert (suite.hash_name, suite.hash_bytes, suite.key_bytes, suite.nonce_bytes) == ("sha384", 48, 32, 12)


@each_suite
def test_encryption_is_for_one_key_purpose_and_context(suite: Suite) -> None:
    ours, other = key_pair(suite, 1), key_pair(suite, 2)
    encrypted = encrypt_with_label(
        suite, ours.public, label="Here", context=b"this", plaintext=b"text", entropy=SeededEntropy(3)
    )
    changed = HpkeCiphertext(encrypted.kem_output, flipped(encrypted.ciphertext))
    for private, label, context, what in (
        (other.private, "Here", b"this", encrypted),
        (ours.private, "There", b"this", encrypted),
        (ours.private, "Here", b"that", encrypted),
        (ours.private, "Here", b"this", changed),
        (ours.private, "Here", b"this", HpkeCiphertext(encrypted.kem_output, b"")),
        (ours.private, "Here", b"this", HpkeCiphertext(b"", encrypted.ciphertext)),
        (ours.private, "Here", b"this", HpkeCiphertext(b"\1" + encrypted.kem_output, encrypted.ciphertext)),
    ):
        with pytest.raises(UntrustedError):
            decrypt_with_label(suite, private, label=label, context=context, encrypted=what)


@each_suite
def test_an_external_joiner_and_the_group_get_the_same_secret(suite: Suite) -> None:
    external = key_pair(suite, 4)
    kem_output, secret = export_encapsulate(suite, external.public, SeededEntropy(5))
    assert export_decapsulate(suite, external.private, kem_output) == secret
    assert len(secret) == suite.hash_bytes
    with pytest.raises(UntrustedError):
        export_decapsulate(suite, external.private, kem_output[:-1])


@each_suite
def test_signatures_are_for_one_key_purpose_and_content(suite: Suite) -> None:
    ours, other = (
        suite.signature.key_pair(SeededEntropy(seed).random_bytes(suite.signature.seed_bytes))
        for seed in (6, 7)
    )
    signature = suite.sign_with_label(ours.private, "Here", b"this")
    suite.verify_with_label(ours.public, "Here", b"this", signature)
    for public, label, content, what in (
        (other.public, "Here", b"this", signature),
        (ours.public, "There", b"this", signature),
        (ours.public, "Here", b"that", signature),
        (ours.public, "Here", b"this", b""),
        (ours.public, "Here", b"this", signature[:-1]),
        (ours.public, "Here", b"this", signature + b"\0"),
    ):
        with pytest.raises(UntrustedError):
            suite.verify_with_label(public, label, content, what)


@each_suite
def test_keys_that_are_none_are_refused(suite: Suite) -> None:
    for public_key in (b"", b"\0", key_pair(suite, 8).public[:-1]):
        with pytest.raises(UntrustedError):
            suite.kem.require_public_key(public_key)
        with pytest.raises(UntrustedError):
            suite.kem.encapsulate(public_key, SeededEntropy(9))
        with pytest.raises(UntrustedError):
            suite.signature.require_public_key(public_key)


@each_suite
def test_the_cipher_opens_only_what_it_sealed(suite: Suite) -> None:
    key, nonce = b"k" * suite.key_bytes, b"n" * suite.nonce_bytes
    sealed = suite.aead_seal(key, nonce, b"aad", b"text")
    assert suite.aead_open(key, nonce, b"aad", sealed) == b"text"
    other_key, other_nonce = b"K" * suite.key_bytes, b"N" * suite.nonce_bytes
    for one_key, one_nonce, aad, what in (
        (other_key, nonce, b"aad", sealed),
        (key, other_nonce, b"aad", sealed),
        (key, nonce, b"", sealed),
        (key, nonce, b"aad", sealed[:-1]),
        (key, nonce, b"aad", b""),
    ):
        with pytest.raises(UntrustedError):
            suite.aead_open(one_key, one_nonce, aad, what)


@each_suite
def test_hash_tag_and_extraction_are_those_of_the_hash(suite: Suite) -> None:
    """The standard library says so, by another way."""
    by_hand = hmac.new(b"key", b"data", suite.hash_name).digest()
    assert suite.mac(b"key", b"data") == suite.extract(b"key", b"data") == by_hand
    assert suite.hash(b"data") == getattr(hashlib, suite.hash_name)(b"data").digest()
    assert len(by_hand) == suite.hash_bytes


@each_suite
def test_derived_secrets_are_as_long_as_asked(suite: Suite) -> None:
    for size in (1, suite.hash_bytes, suite.hash_bytes + 1, 255 * suite.hash_bytes):
        assert len(suite.expand_with_label(bytes(suite.hash_bytes), "Here", b"", size)) == size


def test_small_order_signature_keys_are_refused_by_the_product() -> None:
    with pytest.raises(UntrustedError):
        PRODUCT_SUITE.signature.require_public_key(b"\1" + bytes(31))


def test_our_own_mistakes_are_not_blamed_on_others() -> None:
    suite = PRODUCT_SUITE
    for mistake in (
        lambda: suite.signature.key_pair(bytes(31)),
        lambda: suite.sign_with_label(bytes(32), "Here", b"this"),
        lambda: suite.derive_key_pair(bytes(31)),
        lambda: suite.expand_with_label(bytes(48), "Here", b"", 0),
        lambda: suite.expand_with_label(bytes(48), "Here", b"", 255 * 48 + 1),
        lambda: suite.kem.decapsulate(bytes(31), bytes(1120)),
    ):
        with pytest.raises(LocalProtocolError):
            mistake()


def test_private_keys_are_not_shown() -> None:
    pair = key_pair(PRODUCT_SUITE, 10)
    assert pair.private.hex() not in repr(pair)
    assert repr(pair.private) not in repr(pair)
    assert repr(PRODUCT_SUITE).count("0x") == 0
