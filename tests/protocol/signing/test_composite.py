# SPDX-License-Identifier: Apache-2.0
"""Composite signatures: the construction of the draft, one label each, and never half of it."""

from hashlib import sha256, sha512

import pytest
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.mldsa import MLDSA65PrivateKey, MLDSA65PublicKey
from hypothesis import given
from hypothesis import strategies as st
from nacl.signing import SigningKey

from protocol.errors import LocalProtocolError, ReasonCode, UntrustedError
from protocol.identifiers import key_id_of
from protocol.signing import composite, labels
from protocol.signing.composite import (
    ALGORITHM,
    MLDSA_CONTEXT,
    PUBLIC_KEY_BYTES,
    SIGNATURE_BYTES,
    message_representative,
    parse_public_key,
    verify,
)
from tests.protocol.signing import draft_case
from tests.support.signers import seeded_signer
from tests.support.vectors import wycheproof

SIGNER, OTHER = seeded_signer("composite"), seeded_signer("somebody else")
KEY = SIGNER.admitted
MESSAGE = b"what was said"
SIGNATURE = SIGNER.sign(labels.RECORD, MESSAGE)
MLDSA_HALF, ED25519_HALF = SIGNATURE[:3309], SIGNATURE[3309:]


def refused(signature: bytes, label: str = labels.RECORD, message: bytes = MESSAGE) -> None:
    with pytest.raises(UntrustedError) as error:
        verify(KEY, label, message, signature)
    assert error.value.code == ReasonCode.REFUSED


def test_the_outside_case_of_the_draft() -> None:
    mldsa = MLDSA65PrivateKey.from_seed_bytes(draft_case.SEEDS[:32]).public_key().public_bytes_raw()
    key = parse_public_key(mldsa + bytes(SigningKey(draft_case.SEEDS[32:]).verify_key))
    representative = composite._representative(draft_case.CONTEXT, draft_case.MESSAGE)
    composite._verify(key, representative, draft_case.SIGNATURE)
    for context in (b"", draft_case.CONTEXT[1:]):
        with pytest.raises(UntrustedError):
            composite._verify(
                key, composite._representative(context, draft_case.MESSAGE), draft_case.SIGNATURE
            )


def test_the_message_representative_is_frozen() -> None:
    assert message_representative(labels.RECORD, MESSAGE) == (
        b"CompositeAlgorithmSignatures2025"
        b"COMPSIG-MLDSA65-Ed25519-SHA512"
        b"\x0banp1/record" + sha512(MESSAGE).digest()
    )
    assert max(len(message_representative(label, bytes(10_000))) for label in labels.ALL) < 200


def test_sizes_are_frozen() -> None:
    assert (PUBLIC_KEY_BYTES, SIGNATURE_BYTES) == (1984, 3373)
    assert (len(SIGNER.public_key), len(SIGNATURE)) == (1984, 3373)


def test_labels_are_frozen() -> None:
    assert {
        "anp1/node-cert",
        "anp1/record",
        "anp1/receipt",
        "anp1/statement",
        "anp1/continued",
        "anp1/possession",
        "anp1/leaf-cert",
        "anp1/hub-receipt",
        "anp1/joined",
        "anp1/control",
        "anp1/public-directory",
    } == labels.ALL


def test_a_signature_holds_for_its_message_key_and_label() -> None:
    verify(KEY, labels.RECORD, MESSAGE, SIGNATURE)
    refused(SIGNATURE, message=MESSAGE + b"\0")
    refused(SIGNATURE, message=b"")
    refused(OTHER.sign(labels.RECORD, MESSAGE))


@pytest.mark.parametrize("made_for", sorted(labels.ALL))
@pytest.mark.parametrize("offered_for", sorted(labels.ALL))
def test_a_signature_of_one_label_holds_for_no_other(made_for: str, offered_for: str) -> None:
    signature = SIGNER.sign(made_for, MESSAGE)
    if made_for == offered_for:
        verify(KEY, offered_for, MESSAGE, signature)
    else:
        refused(signature, offered_for)


@pytest.mark.parametrize("label", ["", "anp1/other", "anp1/batch", "anp1/record\0", "ANP1/RECORD"])
def test_a_label_outside_the_list_is_our_own_mistake(label: str) -> None:
    with pytest.raises(LocalProtocolError):
        message_representative(label, MESSAGE)
    with pytest.raises(LocalProtocolError):
        verify(KEY, label, MESSAGE, SIGNATURE)


@pytest.mark.parametrize(
    "signature",
    [
        b"",
        MLDSA_HALF,
        ED25519_HALF,
        ED25519_HALF + MLDSA_HALF,
        bytes(3309) + ED25519_HALF,
        MLDSA_HALF + bytes(64),
        SIGNATURE[:-1],
        SIGNATURE + b"\0",
        SIGNATURE + SIGNATURE,
        bytes(3373),
        OTHER.sign(labels.RECORD, MESSAGE)[:3309] + ED25519_HALF,
        MLDSA_HALF + OTHER.sign(labels.RECORD, MESSAGE)[3309:],
    ],
)
def test_half_a_signature_is_none(signature: bytes) -> None:
    refused(signature)


def test_halves_of_two_signatures_do_not_make_one() -> None:
    other_message = SIGNER.sign(labels.RECORD, b"something else")
    other_label = SIGNER.sign(labels.RECEIPT, MESSAGE)
    for other in (other_message, other_label):
        refused(MLDSA_HALF + other[3309:])
        refused(other[:3309] + ED25519_HALF)


def test_a_half_holds_for_nothing_outside_the_composite() -> None:
    """Taken out of the composite, the ML-DSA half fails without its context, both halves for the message."""
    representative = message_representative(labels.RECORD, MESSAGE)
    KEY.mldsa_half.verify(MLDSA_HALF, representative, MLDSA_CONTEXT)
    for message, context in ((representative, None), (MESSAGE, None), (MESSAGE, MLDSA_CONTEXT)):
        with pytest.raises(InvalidSignature):
            KEY.mldsa_half.verify(MLDSA_HALF, message, context)


def test_signatures_made_for_one_half_alone_are_refused() -> None:
    """Plain signatures by the same private keys, over the message itself, are no composite."""
    mldsa_half, ed25519_half = SIGNER.halves(MESSAGE)
    refused(mldsa_half + ed25519_half)


@given(st.integers(0, SIGNATURE_BYTES * 8 - 1))
def test_every_changed_bit_is_refused(bit: int) -> None:
    changed = bytearray(SIGNATURE)
    changed[bit // 8] ^= 1 << bit % 8
    refused(bytes(changed))


def test_a_key_id_names_algorithm_and_octets() -> None:
    raw = SIGNER.public_key
    assert KEY.key_id == SIGNER.key_id == sha256(b"composite-mldsa65-ed25519\0" + raw).hexdigest()
    assert key_id_of("x-wing", raw) != key_id_of(ALGORITHM, raw)
    assert parse_public_key(raw) == KEY
    assert parse_public_key(OTHER.public_key) != KEY


@pytest.mark.parametrize(
    "raw",
    [
        b"",
        SIGNER.public_key[:-1],
        SIGNER.public_key + b"\0",
        SIGNER.public_key[:1952] + b"\1" + bytes(31),
        SIGNER.public_key[:1952] + b"\xff" * 32,
        SIGNER.public_key[1952:] + SIGNER.public_key[:1952],
    ],
)
def test_a_key_that_cannot_be_admitted_is_no_value(raw: bytes) -> None:
    with pytest.raises(UntrustedError):
        parse_public_key(raw)


def test_keys_are_shown_by_their_id_only() -> None:
    assert KEY.key_id in repr(KEY)
    assert len(repr(KEY)) < 120


@pytest.mark.vectors
def test_wycheproof_ml_dsa_65_verification() -> None:
    cases = wycheproof("mldsa_65_verify_test.json")
    for group, test in cases:
        try:
            key = MLDSA65PublicKey.from_public_bytes(bytes.fromhex(group["publicKey"]))
            context = bytes.fromhex(test["ctx"]) if "ctx" in test else None
            key.verify(bytes.fromhex(test["sig"]), bytes.fromhex(test["msg"]), context)
        except (InvalidSignature, ValueError):
            assert test["result"] == "invalid", test["tcId"]
        else:
            assert test["result"] == "valid", test["tcId"]
    assert len(cases) == 210
