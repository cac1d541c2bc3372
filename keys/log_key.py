# SPDX-License-Identifier: Apache-2.0
"""The key that signs checkpoints of a node's audit log: Ed25519 and ML-DSA-44. Not for records or receipts.

1. The secret is two independent seeds of 32 bytes.
2. The two halves sign each their own line of a note; a reader may trust one kind or both.
3. How the lines and the verifier keys are written is `protocol.tlog.note`; here are the bare signatures.
"""

from cryptography.hazmat.primitives.asymmetric.mldsa import MLDSA44PrivateKey
from nacl.signing import SigningKey

from keys.secret import SecretBytes
from protocol.interfaces import Entropy

SEED_BYTES = 32
SECRET_BYTES = 2 * SEED_BYTES


class LogKey:
    """Signs for one audit log."""

    __slots__ = ("_ed25519", "_mldsa", "_secret")

    def __init__(self, secret: SecretBytes) -> None:
        """Expand the seeds.

        Args:
            secret: Ed25519 seed (32 bytes), then ML-DSA-44 seed (32 bytes).
        """
        if len(secret) != SECRET_BYTES:
            raise ValueError("a log key has two seeds of 32 bytes")
        seeds = secret.reveal()
        self._secret = secret
        self._ed25519 = SigningKey(seeds[:SEED_BYTES])
        self._mldsa = MLDSA44PrivateKey.from_seed_bytes(seeds[SEED_BYTES:])

    @classmethod
    def generate(cls, entropy: Entropy) -> "LogKey":
        """Make a new key; each seed is drawn apart."""
        return cls(SecretBytes(entropy.random_bytes(SEED_BYTES) + entropy.random_bytes(SEED_BYTES)))

    @property
    def secret(self) -> SecretBytes:
        """The two seeds, as the key file keeps them."""
        return self._secret

    @property
    def ed25519_public_key(self) -> bytes:
        """Raw Ed25519 public key, 32 bytes."""
        return bytes(self._ed25519.verify_key)

    @property
    def mldsa44_public_key(self) -> bytes:
        """Raw ML-DSA-44 public key, 1312 bytes."""
        return self._mldsa.public_key().public_bytes_raw()

    def sign_ed25519(self, message: bytes) -> bytes:
        """Sign the message itself; 64 bytes.

        Spec: RFC 8032 section 5.1.6.
        """
        return self._ed25519.sign(message).signature

    def sign_mldsa44(self, message: bytes) -> bytes:
        """Sign the message itself with an empty context; 2420 bytes.

        Spec: FIPS 204 section 5.2.
        """
        return self._mldsa.sign(message)

    def __repr__(self) -> str:
        return f"LogKey({self.ed25519_public_key.hex()[:16]})"
