# SPDX-License-Identifier: Apache-2.0
"""The cipher suite of a group: hash, derivation, cipher, signature and public key encryption with labels.

Not a place for keys: every function takes them. Not a negotiation: a group has one suite from its first day.

1. The product has exactly one suite, `PRODUCT_SUITE`. Others exist in the tests alone, behind the same
   interfaces, because outside test data speaks of them.
2. A label is an argument of every derivation, signature and encryption, and `MLS 1.0 ` stands before it.
3. Whatever fails in opening or verifying is `UntrustedError` and nothing else; a key of ours in the wrong
   form is `LocalProtocolError`.
4. A private signature key is what `SignatureScheme.key_pair` returned, which need not be its seed.
"""

import hashlib
import hmac
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import lru_cache
from typing import NamedTuple, Protocol

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM, ChaCha20Poly1305
from nacl.bindings import crypto_sign, crypto_sign_seed_keypair

from protocol import hpke
from protocol.errors import LocalProtocolError, UntrustedError
from protocol.hpke import AEAD, KDF, KEM, NONCE_BYTES
from protocol.hpke import Suite as HpkeSuite
from protocol.interfaces import Entropy
from protocol.octets import op
from protocol.signing import ed25519

_PREFIX = b"MLS 1.0 "
_EXTERNAL_INIT = b"MLS 1.0 external init secret"
_ED25519_SEED_BYTES = 32
_ED25519_PRIVATE_KEY_BYTES = 64


# --- what a suite is made of --------------------------------------------------------------------------------
class KeyPair(NamedTuple):
    """Two keys that belong together; the private one is not shown.

    Attributes:
        private: as the mechanism that made it takes it.
        public: raw.
    """

    private: bytes
    public: bytes

    def __repr__(self) -> str:
        return "KeyPair(...)"


class KeyEncapsulation(Protocol):
    """A key encapsulation mechanism. It keeps no key."""

    @property
    def number(self) -> int:
        """Its registered number."""
        ...

    def derive_key_pair(self, material: bytes) -> KeyPair:
        """Return the key pair that follows from secret material of at least 32 bytes."""
        ...

    def require_public_key(self, public_key: bytes) -> None:
        """Admit a public key, or raise `UntrustedError`."""
        ...

    def encapsulate(self, public_key: bytes, entropy: Entropy) -> tuple[bytes, bytes]:
        """Return a shared secret and its encapsulation.

        Raises:
            UntrustedError: the public key cannot be admitted.
        """
        ...

    def decapsulate(self, private_key: bytes, encapsulated: bytes) -> bytes:
        """Return the shared secret.

        Raises:
            UntrustedError: the encapsulation is none.
            LocalProtocolError: not a private key.
        """
        ...


class SignatureScheme(Protocol):
    """A signature scheme. It keeps no key."""

    @property
    def seed_bytes(self) -> int:
        """How much secret chance a key pair takes."""
        ...

    def key_pair(self, seed: bytes) -> KeyPair:
        """Return the key pair of a seed.

        Raises:
            LocalProtocolError: not a seed.
        """
        ...

    def require_public_key(self, public_key: bytes) -> None:
        """Admit a public key, or raise `UntrustedError`."""
        ...

    def sign(self, private_key: bytes, message: bytes) -> bytes:
        """Sign a message.

        Raises:
            LocalProtocolError: not a private key.
        """
        ...

    def verify(self, public_key: bytes, message: bytes, signature: bytes) -> None:
        """Verify a signature.

        Raises:
            UntrustedError: it does not hold.
        """
        ...


class XWing:
    """X-Wing: ML-KEM-768 and X25519 together. A private key is its seed of 32 bytes.

    Spec: draft-connolly-cfrg-xwing-kem; draft-ietf-hpke-pq section 4.
    """

    number = int(KEM.XWING)

    def derive_key_pair(self, material: bytes) -> KeyPair:
        """Return the key pair that follows from secret material of at least 32 bytes."""
        seed = hpke.xwing_derive_seed(material)
        return KeyPair(seed, hpke.xwing_public_key(seed))

    def require_public_key(self, public_key: bytes) -> None:
        """Admit a public key of 1216 bytes, or raise `UntrustedError`."""
        hpke.parse_xwing_public_key(public_key)

    def encapsulate(self, public_key: bytes, entropy: Entropy) -> tuple[bytes, bytes]:
        """Return a shared secret of 32 bytes and its encapsulation of 1120 bytes."""
        return hpke.xwing_encapsulate(hpke.parse_xwing_public_key(public_key), entropy)

    def decapsulate(self, private_key: bytes, encapsulated: bytes) -> bytes:
        """Return the shared secret of 32 bytes."""
        return hpke.xwing_decapsulate(hpke.expand_xwing_seed(private_key), encapsulated)


class Ed25519:
    """Ed25519. A private key is the seed of 32 bytes with the public key after it, as libsodium takes it.

    Spec: RFC 8032 section 5.1.
    """

    seed_bytes = _ED25519_SEED_BYTES

    def key_pair(self, seed: bytes) -> KeyPair:
        """Return the key pair of a seed of 32 bytes: 64 bytes private, 32 bytes public."""
        if len(seed) != _ED25519_SEED_BYTES:
            raise LocalProtocolError("an Ed25519 seed has 32 bytes")
        public, private = crypto_sign_seed_keypair(seed)
        return KeyPair(private, public)

    def require_public_key(self, public_key: bytes) -> None:
        """Admit a public key of 32 bytes, or raise `UntrustedError`."""
        ed25519.require_public_key(public_key)

    def sign(self, private_key: bytes, message: bytes) -> bytes:
        """Return a signature of 64 bytes."""
        if len(private_key) != _ED25519_PRIVATE_KEY_BYTES:
            raise LocalProtocolError("an Ed25519 private key has 64 bytes here")
        return crypto_sign(message, private_key)[: ed25519.SIGNATURE_BYTES]

    def verify(self, public_key: bytes, message: bytes, signature: bytes) -> None:
        """Verify a signature of 64 bytes, or raise `UntrustedError`."""
        ed25519.verify(public_key, message, signature)


# --- the suite ----------------------------------------------------------------------------------------------
@dataclass(frozen=True, slots=True)
class Suite:
    """All algorithms of a group.

    Attributes:
        number: of the registry, or a private one.
        name: for people.
        kem: for public key encryption.
        signature: for leaves and messages.
        kdf: decides the hash of everything.
        aead: the cipher of messages and of public key encryption.
        hash_name: of `hashlib`.
        hash_bytes: length of a hash, a tag and a secret of the key schedule (`KDF.Nh`).
        key_bytes: length of a key of the cipher.
        nonce_bytes: length of a nonce of the cipher.
        sealing: the same algorithms, as HPKE uses them.

    Spec: RFC 9420 section 5.1.
    """

    number: int
    name: str
    kem: KeyEncapsulation = field(repr=False)
    signature: SignatureScheme = field(repr=False)
    kdf: KDF
    aead: AEAD
    hash_name: str = field(init=False, repr=False)
    hash_bytes: int = field(init=False, repr=False)
    key_bytes: int = field(init=False, repr=False)
    nonce_bytes: int = field(init=False, repr=False, default=NONCE_BYTES)
    sealing: HpkeSuite = field(init=False, repr=False)
    _cipher: Callable[[bytes], AESGCM | ChaCha20Poly1305] = field(init=False, repr=False)

    def __post_init__(self) -> None:
        hash_name, hash_bytes = hpke.HASHES[self.kdf]
        key_bytes, cipher = hpke.CIPHERS[self.aead]
        for name, value in (
            ("hash_name", hash_name),
            ("hash_bytes", hash_bytes),
            ("key_bytes", key_bytes),
            ("sealing", HpkeSuite(self.kem.number, self.kdf, self.aead)),
            ("_cipher", cipher),
        ):
            object.__setattr__(self, name, value)

    def hash(self, data: bytes) -> bytes:
        """Return the hash, `hash_bytes` long."""
        return hashlib.new(self.hash_name, data, usedforsecurity=True).digest()

    def mac(self, key: bytes, data: bytes) -> bytes:
        """Return the authentication tag, `hash_bytes` long; compare it with `hmac.compare_digest`."""
        return hmac.digest(key, data, self.hash_name)

    def extract(self, salt: bytes, material: bytes) -> bytes:
        """Return `KDF.Extract`, `hash_bytes` long.

        Spec: RFC 5869 section 2.2.
        """
        return hmac.digest(salt, material, self.hash_name)

    def expand_with_label(self, secret: bytes, label: str, context: bytes, size: int) -> bytes:
        """Return `size` bytes that follow from a secret for one purpose.

        Spec: RFC 9420 section 8.
        """
        if not 0 < size <= 255 * self.hash_bytes:
            raise LocalProtocolError("a derived secret of no or too many bytes")
        info = b"".join((size.to_bytes(2, "big"), _labeled(label), op(context)))
        return hpke.hkdf_expand(self.hash_name, secret, info, size)

    def derive_secret(self, secret: bytes, label: str) -> bytes:
        """Return the secret of `hash_bytes` that follows from another for one purpose.

        Spec: RFC 9420 section 8.
        """
        return self.expand_with_label(secret, label, b"", self.hash_bytes)

    def derive_tree_secret(self, secret: bytes, label: str, generation: int, size: int) -> bytes:
        """Return `size` bytes of one generation of a ratchet.

        Spec: RFC 9420 section 9.1.
        """
        return self.expand_with_label(secret, label, generation.to_bytes(4, "big"), size)

    def ref_hash(self, label: str, value: bytes) -> bytes:
        """Return the reference to a value; `MLS 1.0 ` is not put before the label here.

        Spec: RFC 9420 section 5.2.
        """
        return self.hash(op(label.encode("ascii")) + op(value))

    def sign_with_label(self, private_key: bytes, label: str, content: bytes) -> bytes:
        """Sign for one purpose.

        Spec: RFC 9420 section 5.1.2.
        """
        return self.signature.sign(private_key, _labeled(label) + op(content))

    def verify_with_label(self, public_key: bytes, label: str, content: bytes, signature: bytes) -> None:
        """Verify a signature made for one purpose.

        Raises:
            UntrustedError: it does not hold.

        Spec: RFC 9420 section 5.1.2.
        """
        self.signature.verify(public_key, _labeled(label) + op(content), signature)

    def aead_seal(self, key: bytes, nonce: bytes, aad: bytes, plaintext: bytes) -> bytes:
        """Encrypt; the result is 16 bytes longer. A nonce is used once under its key."""
        return self._cipher(key).encrypt(nonce, plaintext, aad)

    def aead_open(self, key: bytes, nonce: bytes, aad: bytes, sealed: bytes) -> bytes:
        """Decrypt.

        Raises:
            UntrustedError: another key, nonce or aad, or changed bytes.
        """
        try:
            return self._cipher(key).decrypt(nonce, sealed, aad)
        except (InvalidTag, ValueError):
            raise UntrustedError("cannot be opened") from None

    def derive_key_pair(self, material: bytes) -> KeyPair:
        """Return the key pair for public key encryption that follows from a secret of the key schedule."""
        return self.kem.derive_key_pair(material)


@lru_cache(maxsize=256)
def _labeled(label: str) -> bytes:
    return op(_PREFIX + label.encode("ascii"))


# --- public key encryption ----------------------------------------------------------------------------------
class HpkeCiphertext(NamedTuple):
    """What `encrypt_with_label` returns.

    Attributes:
        kem_output: the encapsulation.
        ciphertext: 16 bytes longer than the plaintext.

    Spec: RFC 9420 section 7.6.
    """

    kem_output: bytes
    ciphertext: bytes


def encrypt_with_label(
    suite: Suite, public_key: bytes, *, label: str, context: bytes, plaintext: bytes, entropy: Entropy
) -> HpkeCiphertext:
    """Encrypt to the holder of a key for one purpose.

    Raises:
        UntrustedError: the public key cannot be admitted.

    Spec: RFC 9420 section 5.1.3.
    """
    shared_secret, kem_output = suite.kem.encapsulate(public_key, entropy)
    sealed = suite.sealing.context(shared_secret, _labeled(label) + op(context)).seal(b"", plaintext)
    return HpkeCiphertext(kem_output, sealed)


def decrypt_with_label(
    suite: Suite, private_key: bytes, *, label: str, context: bytes, encrypted: HpkeCiphertext
) -> bytes:
    """Decrypt what `encrypt_with_label` made.

    Raises:
        UntrustedError: another key, purpose or context, or changed bytes.

    Spec: RFC 9420 section 5.1.3.
    """
    shared_secret = suite.kem.decapsulate(private_key, encrypted.kem_output)
    opened = suite.sealing.context(shared_secret, _labeled(label) + op(context))
    return opened.open(b"", encrypted.ciphertext)


def export_encapsulate(suite: Suite, external_public: bytes, entropy: Entropy) -> tuple[bytes, bytes]:
    """Return a `kem_output` and the init secret of `hash_bytes` that it brings to a group.

    Raises:
        UntrustedError: the public key cannot be admitted.

    Spec: RFC 9420 section 8.3.
    """
    shared_secret, kem_output = suite.kem.encapsulate(external_public, entropy)
    return kem_output, suite.sealing.context(shared_secret, b"").export(_EXTERNAL_INIT, suite.hash_bytes)


def export_decapsulate(suite: Suite, external_private: bytes, kem_output: bytes) -> bytes:
    """Return the init secret that a `kem_output` brings.

    Raises:
        UntrustedError: not an encapsulation.

    Spec: RFC 9420 section 8.3.
    """
    shared_secret = suite.kem.decapsulate(external_private, kem_output)
    return suite.sealing.context(shared_secret, b"").export(_EXTERNAL_INIT, suite.hash_bytes)


PRODUCT_SUITE = Suite(
    number=0xF0E2,
    name="MLS_128_MLKEM768X25519_AES256GCM_SHA384_Ed25519",
    kem=XWing(),
    signature=Ed25519(),
    kdf=KDF.HKDF_SHA384,
    aead=AEAD.AES_256_GCM,
)
"""The one suite of the product, under a private number until the registry has one.

Spec: draft-ietf-mls-pq-ciphersuites.
"""
