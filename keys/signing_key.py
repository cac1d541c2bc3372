# SPDX-License-Identifier: Apache-2.0
"""A composite signing key: ML-DSA-65 and Ed25519, held and used together. Verifying is in `protocol.signing`.

1. The secret is two independent seeds of 32 bytes; each half's key is derived from its own seed.
2. Signing names a purpose; what both halves sign is built by `protocol.signing.composite` alone.
3. The ML-DSA half is randomised by its library: two signatures over one message differ and both hold.
"""

from cryptography.hazmat.primitives.asymmetric.mldsa import MLDSA65PrivateKey
from nacl.signing import SigningKey

from keys.secret import SecretBytes
from protocol.identifiers import KeyId
from protocol.interfaces import Entropy
from protocol.signing import composite

SEED_BYTES = 32
SECRET_BYTES = 2 * SEED_BYTES


class CompositeSigningKey:
    """Signs for a node, an authority root or an officer; implements `protocol.interfaces.Signer`."""

    __slots__ = ("_ed25519", "_mldsa", "_public_key", "_secret")

    def __init__(self, secret: SecretBytes) -> None:
        """Expand the seeds.

        Args:
            secret: ML-DSA-65 seed (32 bytes), then Ed25519 seed (32 bytes).
        """
        if len(secret) != SECRET_BYTES:
            raise ValueError("a composite signing key has two seeds of 32 bytes")
        seeds = secret.reveal()
        self._secret = secret
        self._mldsa = MLDSA65PrivateKey.from_seed_bytes(seeds[:SEED_BYTES])
        self._ed25519 = SigningKey(seeds[SEED_BYTES:])
        mldsa_public = self._mldsa.public_key().public_bytes_raw()
        self._public_key = composite.parse_public_key(mldsa_public + bytes(self._ed25519.verify_key))

    @classmethod
    def generate(cls, entropy: Entropy) -> "CompositeSigningKey":
        """Make a new key; each seed is drawn apart."""
        return cls(SecretBytes(entropy.random_bytes(SEED_BYTES) + entropy.random_bytes(SEED_BYTES)))

    @property
    def secret(self) -> SecretBytes:
        """The two seeds, as the key file keeps them."""
        return self._secret

    @property
    def key_id(self) -> KeyId:
        """Typed hash of the public key."""
        return self._public_key.key_id

    @property
    def public_key(self) -> bytes:
        """Raw composite public key, 1984 bytes."""
        return self._public_key.raw

    @property
    def admitted(self) -> composite.PublicKey:
        """The public key as a value that `verify` takes."""
        return self._public_key

    def sign(self, label: str, message: bytes) -> bytes:
        """Sign for one purpose; see `protocol.interfaces.Signer`.

        Raises:
            LocalProtocolError: the label is none of `protocol.signing.labels`.

        Spec: draft-ietf-lamps-pq-composite-sigs-19 section 3.2; PROTOCOL.md section 4.
        """
        representative = composite.message_representative(label, message)
        mldsa_half = self._mldsa.sign(representative, composite.MLDSA_CONTEXT)
        return mldsa_half + self._ed25519.sign(representative).signature

    def __repr__(self) -> str:
        return f"CompositeSigningKey({self.key_id})"
