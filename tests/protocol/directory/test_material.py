# SPDX-License-Identifier: Apache-2.0
"""Key material is used once: also in parts, in other clothes, or by another owner."""

from datetime import timedelta

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, generate_private_key
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import NameOID
from hypothesis import given
from hypothesis import strategies as st
from nacl.bindings import crypto_sign_ed25519_pk_to_curve25519

from protocol.directory.material import (
    Claims,
    KeyRole,
    KeyUse,
    parts_of_encryption_key,
    parts_of_signing_key,
    parts_of_tls_certificate,
)
from protocol.errors import ReasonCode, UntrustedError
from tests.support.clock import START
from tests.support.directory import certified_node_keys
from tests.support.refusals import refused, value_or_reason

KEYS = certified_node_keys()
SIGNING = KEYS.signing.admitted
USE = KeyUse("xa-acc/main", KeyRole.NODE_SIGNING)


def certificate(private: Ed25519PrivateKey | None) -> bytes:
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "sample")])
    signer = private or generate_private_key(SECP256R1())
    builder = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(signer.public_key())
        .serial_number(7)
        .not_valid_before(START)
        .not_valid_after(START + timedelta(days=1))
    )
    return builder.sign(signer, None if private else SHA256()).public_bytes(Encoding.DER)


def test_an_x25519_key_made_of_a_signing_key_has_the_same_part() -> None:
    converted = crypto_sign_ed25519_pk_to_curve25519(SIGNING.raw[-32:])
    encryption = KEYS.encryption.public_key[:-32] + converted
    assert parts_of_signing_key(SIGNING)[1] in parts_of_encryption_key(encryption)
    high_bit = encryption[:-1] + bytes((encryption[-1] | 0x80,))
    assert parts_of_encryption_key(high_bit)[1] == parts_of_encryption_key(encryption)[1]


def test_a_tls_key_that_is_also_a_signing_key_has_the_same_part() -> None:
    seed = KEYS.signing.secret.reveal()[32:]
    der = certificate(Ed25519PrivateKey.from_private_bytes(seed))
    assert parts_of_tls_certificate(der) == parts_of_signing_key(SIGNING)[1:]


def test_keys_of_a_node_share_nothing() -> None:
    parts = [
        *parts_of_signing_key(SIGNING),
        *parts_of_encryption_key(KEYS.encryption.public_key),
        *parts_of_tls_certificate(KEYS.tls.certificate_der),
    ]
    assert len(set(parts)) == len(parts) == 5


def test_a_part_stays_with_its_owner_in_its_role() -> None:
    parts = parts_of_signing_key(SIGNING)
    first = Claims({})
    first.add(parts, USE)
    first.add(parts, USE)
    for use in (KeyUse("xb-ibu/main", USE.role), KeyUse(USE.owner, KeyRole.NODE_TLS)):
        with pytest.raises(UntrustedError):
            Claims(first.parts).add(parts, use)
        with pytest.raises(UntrustedError):
            first.add(parts[1:], use)
    assert Claims(first.parts).parts == {}


@pytest.mark.parametrize("der", [b"", b"\x30\x00", KEYS.tls.certificate_der[:-1], certificate(None)])
def test_what_is_no_certificate_over_ed25519_is_refused(der: bytes) -> None:
    refused(lambda: parts_of_tls_certificate(der), ReasonCode.BAD_FIELD)


def test_a_certificate_over_a_small_order_key_is_refused() -> None:
    der, seed = KEYS.tls.certificate_der, KEYS.tls.seed.reveal()
    public = Ed25519PrivateKey.from_private_bytes(seed).public_key().public_bytes_raw()
    assert public in der
    refused(lambda: parts_of_tls_certificate(der.replace(public, bytes(32))), ReasonCode.REFUSED)


@given(st.binary(max_size=100), st.integers(min_value=0, max_value=2000), st.integers(0, 255))
def test_any_bytes_give_parts_or_a_reason(data: bytes, place: int, value: int) -> None:
    value_or_reason(lambda: parts_of_tls_certificate(data))
    changed = bytearray(KEYS.tls.certificate_der)
    changed[place % len(changed)] = value
    value_or_reason(lambda: parts_of_tls_certificate(bytes(changed)))
