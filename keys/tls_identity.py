# SPDX-License-Identifier: Apache-2.0
"""The certificate and key of a node's links. It says who is on the line, not who wrote a message.

1. Self-signed Ed25519: trust comes from the directory, which pins the whole certificate.
2. Valid for ten years, from a day before it was made (clocks differ); the directory ends it earlier.
3. TLS is the second wall: nothing that this key protects is readable without the keys of `decryption_key`.
"""

import hashlib
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
)
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from keys.errors import KeyMaterialError
from keys.secret import SecretBytes
from protocol.interfaces import Entropy

VALIDITY = timedelta(days=3653)
BACKDATED = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class TLSIdentity:
    """One certificate with its private key.

    Attributes:
        certificate_der: the certificate as the directory pins it.
        seed: 32 bytes of the Ed25519 private key.
    """

    certificate_der: bytes
    seed: SecretBytes = field(repr=False)

    @classmethod
    def generate(cls, name: str, now: datetime, entropy: Entropy) -> "TLSIdentity":
        """Make a new key and its certificate.

        Args:
            name: at most 64 printable ASCII characters, for example `node.authority`; for people who read
                the certificate, no check rests on it.
            now: aware UTC time.
            entropy: 32 bytes for the key and 16 for the serial number are drawn.
        """
        seed = SecretBytes(entropy.random_bytes(32))
        private = Ed25519PrivateKey.from_private_bytes(seed.reveal())
        subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
        start = now.replace(microsecond=0) - BACKDATED
        usage = x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.CLIENT_AUTH])
        key_hash = x509.SubjectKeyIdentifier.from_public_key(private.public_key())
        builder = (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(subject)
            .public_key(private.public_key())
            .serial_number(int.from_bytes(b"\x01" + entropy.random_bytes(16), "big"))
            .not_valid_before(start)
            .not_valid_after(start + VALIDITY)
            .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
            .add_extension(_KEY_USAGE, critical=True)
            .add_extension(usage, critical=False)
            .add_extension(key_hash, critical=False)
            .add_extension(x509.SubjectAlternativeName([x509.DNSName(name)]), critical=False)
        )
        certificate = builder.sign(private, None)
        return cls(certificate_der=certificate.public_bytes(Encoding.DER), seed=seed)

    def __post_init__(self) -> None:
        try:
            public = x509.load_der_x509_certificate(self.certificate_der).public_key()
            raw = public.public_bytes(Encoding.Raw, PublicFormat.Raw)
        except (ValueError, TypeError):
            raise KeyMaterialError("the TLS certificate can't be read", hint=_HINT) from None
        if raw != self._private_key().public_key().public_bytes_raw():
            raise KeyMaterialError("TLS certificate and key do not belong together", hint=_HINT)

    @property
    def certificate_pem(self) -> bytes:
        """The certificate as text, for a TLS library."""
        return x509.load_der_x509_certificate(self.certificate_der).public_bytes(Encoding.PEM)

    @property
    def digest(self) -> bytes:
        """SHA-256 of the certificate, 32 bytes."""
        return hashlib.sha256(self.certificate_der).digest()

    def private_key_pem(self) -> bytes:
        """Reveal the private key as PKCS #8 text without encryption, for a TLS library that takes a file."""
        return self._private_key().private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())

    def _private_key(self) -> Ed25519PrivateKey:
        return Ed25519PrivateKey.from_private_bytes(self.seed.reveal())


_HINT = "Restore the key file from a copy."
_KEY_USAGE = x509.KeyUsage(
    digital_signature=True,
    content_commitment=False,
    key_encipherment=False,
    data_encipherment=False,
    key_agreement=False,
    key_cert_sign=True,
    crl_sign=False,
    encipher_only=False,
    decipher_only=False,
)
