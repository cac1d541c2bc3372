# SPDX-License-Identifier: Apache-2.0
"""Which key material is used by whom in a network, so that no octets serve twice. It judges no signature.

1. A key is broken into its parts: ML-DSA, ML-KEM and curve. An Ed25519 and an X25519 key with the same
   secret give the same curve part.
2. A part belongs to one owner in one role for ever, also after the key is retired.
3. The same owner may publish a part again in the same role: an encryption key or TLS certificate outlives
   a signing key.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from hashlib import sha256

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from nacl.bindings import crypto_sign_ed25519_pk_to_curve25519

from protocol.errors import MalformedError, ReasonCode, UntrustedError
from protocol.signing import ed25519
from protocol.signing.composite import MLDSA_PUBLIC_KEY_BYTES, PublicKey

MLKEM_PUBLIC_KEY_BYTES = 1184
_FIELD = 2**255 - 19


class KeyRole(StrEnum):
    """What a key is for."""

    OFFICER = "officer"
    AUTHORITY_ROOT = "authority-root"
    NODE_SIGNING = "node-signing"
    NODE_ENCRYPTION = "node-encryption"
    NODE_TLS = "node-tls"


@dataclass(frozen=True, slots=True)
class KeyUse:
    """Who uses a part of a key, and for what."""

    owner: str
    role: KeyRole


Part = bytes
Uses = Mapping[Part, KeyUse]


def parts_of_signing_key(public_key: PublicKey) -> tuple[Part, ...]:
    """Return the parts of a composite key."""
    mldsa, ed25519_half = public_key.raw[:MLDSA_PUBLIC_KEY_BYTES], public_key.raw[MLDSA_PUBLIC_KEY_BYTES:]
    return (b"mldsa" + sha256(mldsa).digest(), _curve_part_of_ed25519(ed25519_half))


def parts_of_encryption_key(raw: bytes) -> tuple[Part, ...]:
    """Return the parts of an admitted X-Wing key."""
    mlkem, x25519 = raw[:MLKEM_PUBLIC_KEY_BYTES], raw[MLKEM_PUBLIC_KEY_BYTES:]
    return (b"mlkem" + sha256(mlkem).digest(), _curve_part(x25519))


def parts_of_ed25519_key(raw: bytes) -> tuple[Part, ...]:
    """Return the parts of an admitted Ed25519 key that stands alone."""
    return (_curve_part_of_ed25519(raw),)


def parts_of_tls_certificate(der: bytes) -> tuple[Part, ...]:
    """Return the parts of the key in a TLS certificate.

    Raises:
        MalformedError: not a certificate over an Ed25519 key (`bad_field`).
        UntrustedError: the key is one that can't be admitted.
    """
    try:
        public_key = x509.load_der_x509_certificate(der).public_key()
    except (ValueError, TypeError, UnsupportedAlgorithm, x509.InvalidVersion):
        public_key = None
    if not isinstance(public_key, Ed25519PublicKey):
        raise MalformedError("not a TLS certificate over an Ed25519 key", code=ReasonCode.BAD_FIELD)
    raw = public_key.public_bytes_raw()
    ed25519.require_public_key(raw)
    return parts_of_ed25519_key(raw)


class Claims:
    """The key material that one statement claims, beside what is in use already."""

    __slots__ = ("_uses", "parts")

    def __init__(self, uses: Uses) -> None:
        self._uses = uses
        self.parts: dict[Part, KeyUse] = {}

    def add(self, parts: tuple[Part, ...], use: KeyUse) -> None:
        """Claim the parts of a key for one use.

        Raises:
            UntrustedError: a part is in use by somebody else or for something else.

        Spec: PROTOCOL.md section 10.4.
        """
        for part in parts:
            known = self._uses.get(part) or self.parts.get(part) or use
            if known != use:
                raise UntrustedError("key material that is in use already")
            self.parts[part] = use


def _curve_part_of_ed25519(raw: bytes) -> Part:
    """Return the curve part of an admitted Ed25519 key."""
    return _curve_part(crypto_sign_ed25519_pk_to_curve25519(raw))


def _curve_part(u: bytes) -> Part:
    number = int.from_bytes(u, "little") & ((1 << 255) - 1)
    return b"curve" + (number % _FIELD).to_bytes(32, "little")
