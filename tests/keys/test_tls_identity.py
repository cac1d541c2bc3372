# SPDX-License-Identifier: Apache-2.0
from datetime import timedelta

import pytest
from cryptography import x509

from keys.errors import KeyMaterialError
from keys.secret import SecretBytes
from keys.tls_identity import TLSIdentity
from tests.support.clock import START
from tests.support.entropy import SeededEntropy

IDENTITY = TLSIdentity.generate("main.xa-acc", START, SeededEntropy())


def test_the_certificate_covers_now_and_names_the_node() -> None:
    certificate = x509.load_der_x509_certificate(IDENTITY.certificate_der)
    assert certificate.not_valid_before_utc < START - timedelta(hours=12)
    assert certificate.not_valid_after_utc > START + timedelta(days=3600)
    assert certificate.subject == certificate.issuer
    assert certificate.subject.rfc4514_string() == "CN=main.xa-acc"
    certificate.verify_directly_issued_by(certificate)


def test_the_same_chance_gives_the_same_certificate() -> None:
    again = TLSIdentity.generate("main.xa-acc", START, SeededEntropy())
    assert again.certificate_der == IDENTITY.certificate_der
    assert again.digest == IDENTITY.digest
    assert TLSIdentity.generate("main.xa-acc", START, SeededEntropy(1)).digest != IDENTITY.digest


def test_the_key_stays_out_of_the_text_form() -> None:
    assert "seed" not in repr(IDENTITY)
    assert b"BEGIN PRIVATE KEY" in IDENTITY.private_key_pem()
    assert b"BEGIN CERTIFICATE" in IDENTITY.certificate_pem


def test_a_certificate_of_another_key_is_refused() -> None:
    with pytest.raises(KeyMaterialError, match="belong together"):
        TLSIdentity(IDENTITY.certificate_der, SecretBytes(bytes(32)))


@pytest.mark.parametrize("data", [b"", b"\x30\x00", IDENTITY.certificate_der[:-1]])
def test_bytes_that_are_no_certificate_are_refused(data: bytes) -> None:
    with pytest.raises(KeyMaterialError, match="can't be read"):
        TLSIdentity(data, IDENTITY.seed)
