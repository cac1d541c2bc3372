# SPDX-License-Identifier: Apache-2.0
"""Hybrid public key encryption, base mode: to whoever holds a key, from nobody in particular.

Not an authentication of the sender: that is what signatures are for. No pre-shared keys, no other modes.

1. What is sealed to one node uses one suite, `PRODUCT`: X-Wing, HKDF-SHA256, AES-256-GCM; no message is. The
   others serve group encryption, which names its own, and outside test data; nothing is ever negotiated.
2. A public key is admitted once: ML-KEM coefficients in range, X25519 canonical and of high order.
3. An all-zero X25519 result is refused on both sides.
4. Whatever fails in opening is one and the same error: the other side learns no detail.
"""

import hmac
from collections.abc import Callable
from dataclasses import dataclass, field
from enum import IntEnum
from functools import lru_cache
from hashlib import sha3_256, shake_256
from typing import NamedTuple

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.asymmetric.mlkem import MLKEM768PrivateKey, MLKEM768PublicKey
from cryptography.hazmat.primitives.ciphers.aead import AESGCM, ChaCha20Poly1305
from nacl.bindings import crypto_scalarmult, crypto_scalarmult_base
from nacl.exceptions import CryptoError

from protocol.errors import LocalProtocolError, UntrustedError
from protocol.identifiers import KeyId, key_id_of
from protocol.interfaces import Decapsulator, Entropy

XWING_ALGORITHM = "x-wing"
XWING_SEED_BYTES = 32
XWING_PUBLIC_KEY_BYTES = 1216
XWING_ENCAPSULATED_BYTES = 1120
X25519_KEY_BYTES = 32
_MLKEM_PUBLIC_KEY_BYTES = 1184
_MLKEM_ENCAPSULATED_BYTES = 1088
_XWING_LABEL = b"\\.//^\\"
_XWING_DERIVE = b"HPKE-v1KEM\x64\x7a\x00\x0dDeriveKeyPair"
"""What separates a derived seed from all else that is derived: version, mechanism, label with its length."""
_FIELD_PRIME = 2**255 - 19
_LOW_ORDER = frozenset(
    value.to_bytes(32, "little")
    for value in (
        0,
        1,
        325606250916557431795983626356110631294008115727848805560023387167927233504,
        39382357235489614581723060781553021112529911719440698176882885853963445705823,
        _FIELD_PRIME - 1,
    )
)
"""The coordinates of order 1, 2, 4 and 8 on the curve and its twist, in their one canonical form."""
_REMEMBERED_KEYS = 1024


# --- X25519 and X-Wing ------------------------------------------------------------------------------------
@dataclass(frozen=True, slots=True)
class XWingPublicKey:
    """An admitted X-Wing public key; made by `parse_xwing_public_key` only.

    Attributes:
        raw: ML-KEM-768 (1184 bytes), then X25519 (32 bytes).
        key_id: typed hash of `raw`.
    """

    raw: bytes = field(repr=False)
    key_id: KeyId
    mlkem_half: MLKEM768PublicKey = field(repr=False, compare=False)
    x25519_half: bytes = field(repr=False, compare=False)


@dataclass(frozen=True, slots=True)
class XWingSecrets:
    """An X-Wing decapsulation key, expanded from its seed and ready for use.

    Attributes:
        mlkem_half: private.
        x25519_half: private, 32 bytes.
        x25519_public: what belongs to it, 32 bytes.
    """

    mlkem_half: MLKEM768PrivateKey = field(repr=False, compare=False)
    x25519_half: bytes = field(repr=False, compare=False)
    x25519_public: bytes = field(repr=False)

    @property
    def public_key(self) -> bytes:
        """The public key of 1216 bytes, made when it is asked for: opening does not need it."""
        return self.mlkem_half.public_key().public_bytes_raw() + self.x25519_public


@lru_cache(maxsize=_REMEMBERED_KEYS)
def parse_xwing_public_key(raw: bytes) -> XWingPublicKey:
    """Admit an X-Wing public key of 1216 bytes.

    Raises:
        UntrustedError: wrong length, an ML-KEM coefficient out of range, or an X25519 key that is not
            canonical or has low order.

    Spec: FIPS 203 section 7.2; RFC 7748 section 6.1; PROTOCOL.md section 3.
    """
    if len(raw) != XWING_PUBLIC_KEY_BYTES:
        raise UntrustedError("not a public key that can be admitted")
    x25519_half = raw[_MLKEM_PUBLIC_KEY_BYTES:]
    if int.from_bytes(x25519_half, "little") >= _FIELD_PRIME or x25519_half in _LOW_ORDER:
        raise UntrustedError("not a public key that can be admitted")
    try:
        mlkem_half = MLKEM768PublicKey.from_public_bytes(raw[:_MLKEM_PUBLIC_KEY_BYTES])
    except ValueError:
        raise UntrustedError("not a public key that can be admitted") from None
    return XWingPublicKey(
        raw=raw,
        key_id=key_id_of(XWING_ALGORITHM, raw),
        mlkem_half=mlkem_half,
        x25519_half=x25519_half,
    )


def expand_xwing_seed(seed: bytes) -> XWingSecrets:
    """Expand a seed of 32 bytes into keys ready for use; costs about a tenth of a millisecond.

    Spec: draft-connolly-cfrg-xwing-kem section 5.2.
    """
    if len(seed) != XWING_SEED_BYTES:
        raise LocalProtocolError("an X-Wing seed has 32 bytes")
    expanded = shake_256(seed).digest(96)
    x25519_half = expanded[64:]
    return XWingSecrets(
        mlkem_half=MLKEM768PrivateKey.from_seed_bytes(expanded[:64]),
        x25519_half=x25519_half,
        x25519_public=crypto_scalarmult_base(x25519_half),
    )


def xwing_public_key(seed: bytes) -> bytes:
    """Return the public key, 1216 bytes, of a seed of 32 bytes."""
    return expand_xwing_seed(seed).public_key


def xwing_derive_seed(material: bytes) -> bytes:
    """Return the seed of 32 bytes that follows from secret material of 32 bytes or more.

    Spec: draft-ietf-hpke-pq section 4 (`DeriveKeyPair`); draft-ietf-hpke-hpke section 4 (`LabeledDerive`).
    """
    if len(material) < XWING_SEED_BYTES:
        raise LocalProtocolError("an X-Wing seed derived from too little material")
    labeled = b"".join((material, _XWING_DERIVE, XWING_SEED_BYTES.to_bytes(2, "big")))
    return shake_256(labeled).digest(XWING_SEED_BYTES)


def xwing_encapsulate(public_key: XWingPublicKey, entropy: Entropy) -> tuple[bytes, bytes]:
    """Return a shared secret of 32 bytes and its encapsulation of 1120 bytes.

    The X25519 half draws from `entropy`; the ML-KEM half draws inside the library.

    Spec: draft-connolly-cfrg-xwing-kem section 5.4.
    """
    mlkem_secret, mlkem_encapsulated = public_key.mlkem_half.encapsulate()
    ephemeral = entropy.random_bytes(X25519_KEY_BYTES)
    x25519_encapsulated = crypto_scalarmult_base(ephemeral)
    x25519_secret = _exchange(ephemeral, public_key.x25519_half)
    secret = _combine(mlkem_secret, x25519_secret, x25519_encapsulated, public_key.x25519_half)
    return secret, mlkem_encapsulated + x25519_encapsulated


def xwing_decapsulate(secrets: XWingSecrets, encapsulated: bytes) -> bytes:
    """Return the shared secret of 32 bytes; for garbage of the right length, some other 32 bytes.

    Raises:
        UntrustedError: wrong length, or an X25519 half of low order.

    Spec: draft-connolly-cfrg-xwing-kem section 5.5.
    """
    if len(encapsulated) != XWING_ENCAPSULATED_BYTES:
        raise UntrustedError("cannot be opened")
    mlkem_encapsulated = encapsulated[:_MLKEM_ENCAPSULATED_BYTES]
    x25519_encapsulated = encapsulated[_MLKEM_ENCAPSULATED_BYTES:]
    x25519_secret = _exchange(secrets.x25519_half, x25519_encapsulated)
    mlkem_secret = secrets.mlkem_half.decapsulate(mlkem_encapsulated)
    return _combine(mlkem_secret, x25519_secret, x25519_encapsulated, secrets.x25519_public)


def x25519_encapsulate(public_key: bytes, entropy: Entropy) -> tuple[bytes, bytes]:
    """Return a shared secret and its encapsulation, 32 bytes each, for DHKEM(X25519, HKDF-SHA256).

    Raises:
        UntrustedError: the public key has another length or low order.

    Spec: RFC 9180 section 4.1.
    """
    if len(public_key) != X25519_KEY_BYTES:
        raise UntrustedError("not a public key that can be used")
    ephemeral = entropy.random_bytes(X25519_KEY_BYTES)
    encapsulated = crypto_scalarmult_base(ephemeral)
    shared = _exchange(ephemeral, public_key)
    return _x25519_secret(shared, encapsulated + public_key), encapsulated


def x25519_decapsulate(private_key: bytes, encapsulated: bytes) -> bytes:
    """Return the shared secret of 32 bytes for DHKEM(X25519, HKDF-SHA256).

    Raises:
        UntrustedError: wrong length or low order.

    Spec: RFC 9180 section 4.1.
    """
    if len(private_key) != X25519_KEY_BYTES:
        raise LocalProtocolError("an X25519 private key has 32 bytes")
    if len(encapsulated) != X25519_KEY_BYTES:
        raise UntrustedError("cannot be opened")
    shared = _exchange(private_key, encapsulated)
    return _x25519_secret(shared, encapsulated + crypto_scalarmult_base(private_key))


def _exchange(private_key: bytes, public_key: bytes) -> bytes:
    """Multiply; both are 32 bytes, as the callers checked."""
    try:
        shared = crypto_scalarmult(private_key, public_key)
    except CryptoError:
        shared = bytes(X25519_KEY_BYTES)
    if hmac.compare_digest(shared, bytes(X25519_KEY_BYTES)):
        raise UntrustedError("cannot be opened")
    return shared


def _combine(mlkem_secret: bytes, x25519_secret: bytes, ephemeral: bytes, x25519_public: bytes) -> bytes:
    return sha3_256(mlkem_secret + x25519_secret + ephemeral + x25519_public + _XWING_LABEL).digest()


def _x25519_secret(shared: bytes, kem_context: bytes) -> bytes:
    prefix = b"HPKE-v1KEM" + KEM.X25519.to_bytes(2, "big")
    extracted = _labeled_extract("sha256", prefix, b"", b"eae_prk", shared)
    return _labeled_expand("sha256", prefix, extracted, b"shared_secret", kem_context, 32)


# --- key schedule -----------------------------------------------------------------------------------------
class KEM(IntEnum):
    """Key encapsulation mechanisms, by their registered numbers."""

    X25519 = 0x0020
    XWING = 0x647A


class KDF(IntEnum):
    """Key derivation functions, by their registered numbers."""

    HKDF_SHA256 = 0x0001
    HKDF_SHA384 = 0x0002
    HKDF_SHA512 = 0x0003


class AEAD(IntEnum):
    """Ciphers, by their registered numbers."""

    AES_128_GCM = 0x0001
    AES_256_GCM = 0x0002
    CHACHA20_POLY1305 = 0x0003
    EXPORT_ONLY = 0xFFFF


HASHES = {KDF.HKDF_SHA256: ("sha256", 32), KDF.HKDF_SHA384: ("sha384", 48), KDF.HKDF_SHA512: ("sha512", 64)}
"""Name and output bytes of the hash of each function."""
CIPHERS: dict[AEAD, tuple[int, Callable[[bytes], AESGCM | ChaCha20Poly1305]]] = {
    AEAD.AES_128_GCM: (16, AESGCM),
    AEAD.AES_256_GCM: (32, AESGCM),
    AEAD.CHACHA20_POLY1305: (32, ChaCha20Poly1305),
}
"""Key bytes and constructor of each cipher that encrypts."""
NONCE_BYTES = 12
TAG_BYTES = 16


def _labeled_extract(hash_name: str, prefix: bytes, salt: bytes, label: bytes, material: bytes) -> bytes:
    return hmac.digest(salt, prefix + label + material, hash_name)


def _labeled_expand(
    hash_name: str, prefix: bytes, secret: bytes, label: bytes, info: bytes, size: int
) -> bytes:
    return hkdf_expand(hash_name, secret, size.to_bytes(2, "big") + prefix + label + info, size)


def hkdf_expand(hash_name: str, secret: bytes, info: bytes, size: int) -> bytes:
    """Return `size` bytes of HKDF-Expand, at most 255 times the hash length, as the callers checked.

    Spec: RFC 5869 section 2.3.
    """
    output = block = hmac.digest(secret, info + b"\1", hash_name)
    counter = 1
    while len(output) < size:
        counter += 1
        block = hmac.digest(secret, block + info + bytes((counter,)), hash_name)
        output += block
    return output[:size]


class _Schedule(NamedTuple):
    """What the key schedule of a suite has in common for all its contexts.

    Attributes:
        hash_name, hash_bytes: the hash of its KDF.
        key_bytes, cipher: of its AEAD; 0 and None if it only exports.
        prefix: separates the suite from every other in each derivation.
        start: the first part of the schedule's own context.
    """

    hash_name: str
    hash_bytes: int
    key_bytes: int
    cipher: Callable[[bytes], AESGCM | ChaCha20Poly1305] | None
    prefix: bytes
    start: bytes


@dataclass(frozen=True, slots=True)
class Suite:
    """Three algorithms that are used together; the first by its registered number, mostly a `KEM`."""

    kem: int
    kdf: KDF
    aead: AEAD
    _schedule: _Schedule = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        hash_name, hash_bytes = HASHES[self.kdf]
        key_bytes, cipher = CIPHERS.get(self.aead, (0, None))
        prefix = b"HPKE-v1" + self.suite_id()
        start = b"\0" + _labeled_extract(hash_name, prefix, b"", b"psk_id_hash", b"")
        schedule = _Schedule(hash_name, hash_bytes, key_bytes, cipher, prefix, start)
        object.__setattr__(self, "_schedule", schedule)

    def context(self, shared_secret: bytes, info: bytes) -> "Context":
        """Return one direction of messages under a shared secret; both sides call this.

        Spec: RFC 9180 section 5.1, base mode.
        """
        return Context(self._schedule, shared_secret, info)

    def suite_id(self) -> bytes:
        """Return what separates this suite from every other in the key schedule."""
        return b"HPKE" + b"".join(part.to_bytes(2, "big") for part in (self.kem, self.kdf, self.aead))


PRODUCT = Suite(KEM.XWING, KDF.HKDF_SHA256, AEAD.AES_256_GCM)
"""The one suite that envelopes use."""


class Context:
    """One direction of messages in order. A message that fails to open changes nothing.

    Spec: RFC 9180 sections 5.2 and 5.3.
    """

    __slots__ = ("_base_nonce", "_cipher", "_context", "_next", "_schedule", "_secret")

    def __init__(self, schedule: _Schedule, shared_secret: bytes, info: bytes) -> None:
        self._schedule = schedule
        hash_name, prefix = schedule.hash_name, schedule.prefix
        self._context = schedule.start + _labeled_extract(hash_name, prefix, b"", b"info_hash", info)
        self._secret = _labeled_extract(hash_name, prefix, shared_secret, b"secret", b"")
        self._next = 0
        self._cipher: AESGCM | ChaCha20Poly1305 | None = None
        self._base_nonce = 0
        if schedule.cipher is not None:
            self._cipher = schedule.cipher(self._expand(b"key", schedule.key_bytes))
            self._base_nonce = int.from_bytes(self._expand(b"base_nonce", NONCE_BYTES), "big")

    def seal(self, aad: bytes, plaintext: bytes) -> bytes:
        """Encrypt the next message; the result is 16 bytes longer."""
        sealed = self._require_cipher().encrypt(self._nonce(), plaintext, aad)
        self._next += 1
        return sealed

    def open(self, aad: bytes, sealed: bytes) -> bytes:
        """Decrypt the next message.

        Raises:
            UntrustedError: it is not the next message, or was changed.
        """
        try:
            plaintext = self._require_cipher().decrypt(self._nonce(), sealed, aad)
        except (InvalidTag, ValueError):
            raise UntrustedError("cannot be opened") from None
        self._next += 1
        return plaintext

    def export(self, exporter_context: bytes, size: int) -> bytes:
        """Return `size` secret bytes for another use."""
        hash_name, hash_bytes, *_, prefix, _start = self._schedule
        if not 0 < size <= 255 * hash_bytes:
            raise LocalProtocolError("an exported secret of no or too many bytes")
        secret = self._expand(b"exp", hash_bytes)
        return _labeled_expand(hash_name, prefix, secret, b"sec", exporter_context, size)

    def _expand(self, label: bytes, size: int) -> bytes:
        schedule = self._schedule
        return _labeled_expand(schedule.hash_name, schedule.prefix, self._secret, label, self._context, size)

    def _nonce(self) -> bytes:
        if self._next >= (1 << (8 * NONCE_BYTES)) - 1:
            raise LocalProtocolError("the context has no nonce left")
        return (self._base_nonce ^ self._next).to_bytes(NONCE_BYTES, "big")

    def _require_cipher(self) -> AESGCM | ChaCha20Poly1305:
        if self._cipher is None:
            raise LocalProtocolError("this suite only exports")
        return self._cipher


# --- single messages of the product -----------------------------------------------------------------------
OVERHEAD_BYTES = XWING_ENCAPSULATED_BYTES + TAG_BYTES
"""How much longer `seal` makes a message."""


def seal(public_key: bytes, plaintext: bytes, *, info: bytes, aad: bytes, entropy: Entropy) -> bytes:
    """Encrypt one message to the holder of an X-Wing key with the `PRODUCT` suite.

    Args:
        public_key: raw X-Wing public key; it is admitted first.
        plaintext: the message.
        info: what the key is for; both sides must have the same.
        aad: what the message belongs to; both sides must have the same.
        entropy: draws the X25519 half.

    Returns:
        Encapsulation (1120 bytes), then ciphertext (16 bytes longer than the message).

    Raises:
        UntrustedError: the public key cannot be admitted.

    Spec: RFC 9180 section 6.1.
    """
    shared_secret, encapsulated = xwing_encapsulate(parse_xwing_public_key(public_key), entropy)
    return encapsulated + PRODUCT.context(shared_secret, info).seal(aad, plaintext)


def open_sealed(decapsulator: Decapsulator, sealed: bytes, *, info: bytes, aad: bytes) -> bytes:
    """Decrypt what `seal` made.

    Raises:
        UntrustedError: another key, info or aad, or changed bytes; no detail is given.

    Spec: RFC 9180 section 6.1.
    """
    if len(sealed) < OVERHEAD_BYTES:
        raise UntrustedError("cannot be opened")
    shared_secret = decapsulator.decapsulate(sealed[:XWING_ENCAPSULATED_BYTES])
    return PRODUCT.context(shared_secret, info).open(aad, sealed[XWING_ENCAPSULATED_BYTES:])
