# SPDX-License-Identifier: Apache-2.0
"""Suites 1 to 7 of RFC 9420, which outside test data speaks of. The product cannot reach them.

They have the interfaces of `protocol.mls.suites`. Written for outside data, not for hostile input.
"""

import hashlib
import hmac
from collections.abc import Callable
from dataclasses import dataclass

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.ed448 import Ed448PrivateKey, Ed448PublicKey
from cryptography.hazmat.primitives.asymmetric.x448 import X448PrivateKey, X448PublicKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from nacl.bindings import crypto_scalarmult_base

from protocol.errors import LocalProtocolError, UntrustedError
from protocol.hpke import AEAD, KDF, hkdf_expand, x25519_decapsulate, x25519_encapsulate
from protocol.interfaces import Entropy
from protocol.mls.suites import PRODUCT_SUITE, Ed25519, KeyPair, Suite


# --- key encapsulation: DHKEM of RFC 9180 section 4.1 -------------------------------------------------------
@dataclass(frozen=True)
class _Labels:
    """`LabeledExtract` and `LabeledExpand` of one mechanism."""

    number: int
    hash_name: str

    def extract(self, label: bytes, material: bytes) -> bytes:
        return hmac.digest(b"", self._prefix() + label + material, self.hash_name)

    def expand(self, secret: bytes, label: bytes, info: bytes, size: int) -> bytes:
        labeled = size.to_bytes(2, "big") + self._prefix() + label + info
        return hkdf_expand(self.hash_name, secret, labeled, size)

    def shared_secret(self, shared: bytes, context: bytes) -> bytes:
        size = hashlib.new(self.hash_name).digest_size
        return self.expand(self.extract(b"eae_prk", shared), b"shared_secret", context, size)

    def _prefix(self) -> bytes:
        return b"HPKE-v1KEM" + self.number.to_bytes(2, "big")


class X25519Kem:
    number = 0x0020
    _labels = _Labels(0x0020, "sha256")

    def derive_key_pair(self, material: bytes) -> KeyPair:
        private = self._labels.expand(self._labels.extract(b"dkp_prk", material), b"sk", b"", 32)
        return KeyPair(private, crypto_scalarmult_base(private))

    def require_public_key(self, public_key: bytes) -> None:
        if len(public_key) != 32:
            raise UntrustedError("not a public key that can be admitted")

    def encapsulate(self, public_key: bytes, entropy: Entropy) -> tuple[bytes, bytes]:
        return x25519_encapsulate(public_key, entropy)

    def decapsulate(self, private_key: bytes, encapsulated: bytes) -> bytes:
        return x25519_decapsulate(private_key, encapsulated)


class X448Kem:
    number = 0x0021
    _labels = _Labels(0x0021, "sha512")

    def derive_key_pair(self, material: bytes) -> KeyPair:
        private = self._labels.expand(self._labels.extract(b"dkp_prk", material), b"sk", b"", 56)
        return KeyPair(private, self._public(private))

    def require_public_key(self, public_key: bytes) -> None:
        try:
            X448PublicKey.from_public_bytes(public_key)
        except ValueError:
            raise UntrustedError("not a public key that can be admitted") from None

    def encapsulate(self, public_key: bytes, entropy: Entropy) -> tuple[bytes, bytes]:
        ephemeral = self.derive_key_pair(entropy.random_bytes(56))
        shared = self._exchange(ephemeral.private, public_key)
        return self._labels.shared_secret(shared, ephemeral.public + public_key), ephemeral.public

    def decapsulate(self, private_key: bytes, encapsulated: bytes) -> bytes:
        shared = self._exchange(private_key, encapsulated)
        return self._labels.shared_secret(shared, encapsulated + self._public(private_key))

    @staticmethod
    def _public(private_key: bytes) -> bytes:
        return X448PrivateKey.from_private_bytes(private_key).public_key().public_bytes_raw()

    @staticmethod
    def _exchange(private_key: bytes, public_key: bytes) -> bytes:
        try:
            return X448PrivateKey.from_private_bytes(private_key).exchange(
                X448PublicKey.from_public_bytes(public_key)
            )
        except ValueError:
            raise UntrustedError("cannot be opened") from None


@dataclass(frozen=True)
class NistKem:
    number: int
    curve: ec.EllipticCurve
    hash_name: str
    order: int
    mask: int

    @property
    def _labels(self) -> _Labels:
        return _Labels(self.number, self.hash_name)

    @property
    def _size(self) -> int:
        return (self.curve.key_size + 7) // 8

    def derive_key_pair(self, material: bytes) -> KeyPair:
        extracted = self._labels.extract(b"dkp_prk", material)
        for counter in range(256):
            candidate = bytearray(self._labels.expand(extracted, b"candidate", bytes((counter,)), self._size))
            candidate[0] &= self.mask
            if 0 < int.from_bytes(candidate, "big") < self.order:
                return KeyPair(bytes(candidate), _raw_point(self._private(bytes(candidate)).public_key()))
        raise LocalProtocolError("no key follows from this material")

    def require_public_key(self, public_key: bytes) -> None:
        _point(self.curve, public_key)

    def encapsulate(self, public_key: bytes, entropy: Entropy) -> tuple[bytes, bytes]:
        ephemeral = self.derive_key_pair(entropy.random_bytes(self._size))
        shared = self._private(ephemeral.private).exchange(ec.ECDH(), _point(self.curve, public_key))
        return self._labels.shared_secret(shared, ephemeral.public + public_key), ephemeral.public

    def decapsulate(self, private_key: bytes, encapsulated: bytes) -> bytes:
        private = self._private(private_key)
        shared = private.exchange(ec.ECDH(), _point(self.curve, encapsulated))
        return self._labels.shared_secret(shared, encapsulated + _raw_point(private.public_key()))

    def _private(self, raw: bytes) -> ec.EllipticCurvePrivateKey:
        return ec.derive_private_key(int.from_bytes(raw, "big"), self.curve)


def _point(curve: ec.EllipticCurve, raw: bytes) -> ec.EllipticCurvePublicKey:
    if raw[:1] != b"\4":
        raise UntrustedError("not a public key that can be admitted")
    try:
        return ec.EllipticCurvePublicKey.from_encoded_point(curve, raw)
    except ValueError:
        raise UntrustedError("not a public key that can be admitted") from None


def _raw_point(public_key: ec.EllipticCurvePublicKey) -> bytes:
    return public_key.public_bytes(Encoding.X962, PublicFormat.UncompressedPoint)


# --- signatures ---------------------------------------------------------------------------------------------
class Ed448:
    seed_bytes = 57

    def key_pair(self, seed: bytes) -> KeyPair:
        return KeyPair(seed, Ed448PrivateKey.from_private_bytes(seed).public_key().public_bytes_raw())

    def require_public_key(self, public_key: bytes) -> None:
        try:
            Ed448PublicKey.from_public_bytes(public_key)
        except ValueError:
            raise UntrustedError("not a public key that can be admitted") from None

    def sign(self, private_key: bytes, message: bytes) -> bytes:
        return Ed448PrivateKey.from_private_bytes(private_key).sign(message)

    def verify(self, public_key: bytes, message: bytes, signature: bytes) -> None:
        try:
            Ed448PublicKey.from_public_bytes(public_key).verify(signature, message)
        except (InvalidSignature, ValueError):
            raise UntrustedError("a signature does not hold") from None


@dataclass(frozen=True)
class Ecdsa:
    """A seed is a scalar in big-endian order, taken modulo the order of the curve; so is a private key."""

    curve: ec.EllipticCurve
    hash_of: Callable[[], hashes.HashAlgorithm]
    order: int

    @property
    def seed_bytes(self) -> int:
        return (self.curve.key_size + 7) // 8

    def key_pair(self, seed: bytes) -> KeyPair:
        return KeyPair(seed, _raw_point(self._private(seed).public_key()))

    def require_public_key(self, public_key: bytes) -> None:
        _point(self.curve, public_key)

    def sign(self, private_key: bytes, message: bytes) -> bytes:
        algorithm = ec.ECDSA(self.hash_of(), deterministic_signing=True)
        return self._private(private_key).sign(message, algorithm)

    def verify(self, public_key: bytes, message: bytes, signature: bytes) -> None:
        try:
            _point(self.curve, public_key).verify(signature, message, ec.ECDSA(self.hash_of()))
        except InvalidSignature:
            raise UntrustedError("a signature does not hold") from None

    def _private(self, raw: bytes) -> ec.EllipticCurvePrivateKey:
        return ec.derive_private_key(int.from_bytes(raw, "big") % self.order, self.curve)


# --- the suites of RFC 9420 section 17.1 --------------------------------------------------------------------
_ORDER_256 = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551
_ORDER_384 = (
    0xFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFC7634D81F4372DDF581A0DB248B0A77AECEC196ACCC52973
)
_ORDER_521 = 2**521 - 0x5AE79787C40D069948033FEB708F65A2FC44A36477663B851449048E16EC79BF7
_P256 = NistKem(0x0010, ec.SECP256R1(), "sha256", _ORDER_256, 0xFF)
_P384 = NistKem(0x0011, ec.SECP384R1(), "sha384", _ORDER_384, 0xFF)
_P521 = NistKem(0x0012, ec.SECP521R1(), "sha512", _ORDER_521, 0x01)
_ECDSA_256 = Ecdsa(ec.SECP256R1(), hashes.SHA256, _ORDER_256)
_ECDSA_384 = Ecdsa(ec.SECP384R1(), hashes.SHA384, _ORDER_384)
_ECDSA_521 = Ecdsa(ec.SECP521R1(), hashes.SHA512, _ORDER_521)

SUITE_1 = Suite(
    number=1,
    name="MLS_128_DHKEMX25519_AES128GCM_SHA256_Ed25519",
    kem=X25519Kem(),
    signature=Ed25519(),
    kdf=KDF.HKDF_SHA256,
    aead=AEAD.AES_128_GCM,
)
SUITE_2 = Suite(
    number=2,
    name="MLS_128_DHKEMP256_AES128GCM_SHA256_P256",
    kem=_P256,
    signature=_ECDSA_256,
    kdf=KDF.HKDF_SHA256,
    aead=AEAD.AES_128_GCM,
)
SUITE_3 = Suite(
    number=3,
    name="MLS_128_DHKEMX25519_CHACHA20POLY1305_SHA256_Ed25519",
    kem=X25519Kem(),
    signature=Ed25519(),
    kdf=KDF.HKDF_SHA256,
    aead=AEAD.CHACHA20_POLY1305,
)
SUITE_4 = Suite(
    number=4,
    name="MLS_256_DHKEMX448_AES256GCM_SHA512_Ed448",
    kem=X448Kem(),
    signature=Ed448(),
    kdf=KDF.HKDF_SHA512,
    aead=AEAD.AES_256_GCM,
)
SUITE_5 = Suite(
    number=5,
    name="MLS_256_DHKEMP521_AES256GCM_SHA512_P521",
    kem=_P521,
    signature=_ECDSA_521,
    kdf=KDF.HKDF_SHA512,
    aead=AEAD.AES_256_GCM,
)
SUITE_6 = Suite(
    number=6,
    name="MLS_256_DHKEMX448_CHACHA20POLY1305_SHA512_Ed448",
    kem=X448Kem(),
    signature=Ed448(),
    kdf=KDF.HKDF_SHA512,
    aead=AEAD.CHACHA20_POLY1305,
)
SUITE_7 = Suite(
    number=7,
    name="MLS_256_DHKEMP384_AES256GCM_SHA384_P384",
    kem=_P384,
    signature=_ECDSA_384,
    kdf=KDF.HKDF_SHA384,
    aead=AEAD.AES_256_GCM,
)

SUITES = {
    suite.number: suite
    for suite in (SUITE_1, SUITE_2, SUITE_3, SUITE_4, SUITE_5, SUITE_6, SUITE_7, PRODUCT_SUITE)
}
"""By number; the product's own is among them."""
