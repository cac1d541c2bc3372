# SPDX-License-Identifier: Apache-2.0
import pytest
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.mldsa import MLDSA44PublicKey

from keys.log_key import LogKey
from keys.secret import SecretBytes
from protocol.errors import UntrustedError
from protocol.signing import ed25519
from tests.support.entropy import SeededEntropy

KEY = LogKey.generate(SeededEntropy("log"))


def test_both_kinds_of_signature_verify() -> None:
    ed25519.verify(KEY.ed25519_public_key, b"checkpoint", KEY.sign_ed25519(b"checkpoint"))
    public = MLDSA44PublicKey.from_public_bytes(KEY.mldsa44_public_key)
    public.verify(KEY.sign_mldsa44(b"checkpoint"), b"checkpoint")


def test_neither_kind_holds_for_another_message() -> None:
    with pytest.raises(UntrustedError):
        ed25519.verify(KEY.ed25519_public_key, b"other", KEY.sign_ed25519(b"checkpoint"))
    public = MLDSA44PublicKey.from_public_bytes(KEY.mldsa44_public_key)
    with pytest.raises(InvalidSignature):
        public.verify(KEY.sign_mldsa44(b"checkpoint"), b"other")


def test_the_same_seeds_give_the_same_key() -> None:
    again = LogKey(SecretBytes(KEY.secret.reveal()))
    assert again.ed25519_public_key == KEY.ed25519_public_key
    assert again.mldsa44_public_key == KEY.mldsa44_public_key
    assert len(KEY.mldsa44_public_key) == 1312


def test_no_seed_in_the_text_form() -> None:
    assert KEY.secret.reveal().hex()[:16] not in repr(KEY)


def test_seeds_of_another_length_are_refused() -> None:
    with pytest.raises(ValueError, match="two seeds"):
        LogKey(SecretBytes(bytes(32)))
