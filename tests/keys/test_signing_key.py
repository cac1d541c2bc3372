# SPDX-License-Identifier: Apache-2.0
import pytest

from keys.secret import SecretBytes
from keys.signing_key import CompositeSigningKey
from protocol.errors import LocalProtocolError, UntrustedError
from protocol.interfaces import Signer
from protocol.signing import composite, labels
from tests.support.entropy import SeededEntropy

KEY = CompositeSigningKey.generate(SeededEntropy("signing"))


def test_what_it_signs_verifies_for_that_purpose_only() -> None:
    signer: Signer = KEY
    signature = signer.sign(labels.RECORD, b"message")
    assert len(signature) == composite.SIGNATURE_BYTES
    composite.verify(KEY.admitted, labels.RECORD, b"message", signature)
    for label in labels.ALL - {labels.RECORD}:
        with pytest.raises(UntrustedError):
            composite.verify(KEY.admitted, label, b"message", signature)


def test_a_purpose_outside_the_list_is_refused() -> None:
    with pytest.raises(LocalProtocolError):
        KEY.sign("anp1/anything", b"message")


def test_both_halves_are_needed() -> None:
    signature = KEY.sign(labels.RECORD, b"message")
    other = CompositeSigningKey.generate(SeededEntropy("other")).sign(labels.RECORD, b"message")
    cut = composite.MLDSA_SIGNATURE_BYTES
    for mixed in (signature[:cut] + other[cut:], other[:cut] + signature[cut:]):
        with pytest.raises(UntrustedError):
            composite.verify(KEY.admitted, labels.RECORD, b"message", mixed)


def test_the_same_seeds_give_the_same_key() -> None:
    again = CompositeSigningKey(SecretBytes(KEY.secret.reveal()))
    assert (again.public_key, again.key_id) == (KEY.public_key, KEY.key_id)
    composite.verify(again.admitted, labels.RECORD, b"m", KEY.sign(labels.RECORD, b"m"))


def test_the_public_key_of_known_seeds_is_frozen() -> None:
    key = CompositeSigningKey(SecretBytes(bytes(range(64))))
    assert len(key.public_key) == composite.PUBLIC_KEY_BYTES
    assert key.key_id == "7a182591306432f44ff67a9c8543c66df039c8b3beb97515bc90e09bbd05e85e"


def test_the_halves_have_seeds_of_their_own() -> None:
    secret = KEY.secret.reveal()
    assert secret[:32] != secret[32:]


def test_no_seed_in_the_text_form() -> None:
    assert repr(KEY) == f"CompositeSigningKey({KEY.key_id})"


def test_seeds_of_another_length_are_refused() -> None:
    with pytest.raises(ValueError, match="two seeds"):
        CompositeSigningKey(SecretBytes(bytes(63)))
