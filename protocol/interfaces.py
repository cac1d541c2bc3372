# SPDX-License-Identifier: Apache-2.0
"""What the rules ask of whoever holds secrets and chance. Implemented in `keys` and in the tests.

No method here does I/O that may wait for a network: a caller may hold a database transaction open.
"""

from typing import Protocol

from protocol.identifiers import KeyId


class Entropy(Protocol):
    """The source of chance: ids, salts, nonces and jitter come from here and from nowhere else."""

    def random_bytes(self, size: int) -> bytes:
        """Return `size` unpredictable bytes."""
        ...


class Signer(Protocol):
    """Holds one composite signing key."""

    @property
    def key_id(self) -> KeyId:
        """Typed hash of the public key."""
        ...

    @property
    def public_key(self) -> bytes:
        """Raw composite public key: ML-DSA-65 (1952 bytes), then Ed25519 (32 bytes)."""
        ...

    def sign(self, label: str, message: bytes) -> bytes:
        """Sign for one purpose.

        Args:
            label: one of `protocol.signing.labels`; a signature for one purpose never passes for another.
            message: the bytes that are signed; they are hashed inside.

        Returns:
            3373 bytes: ML-DSA-65 (3309 bytes), then Ed25519 (64 bytes).
        """
        ...


class Decapsulator(Protocol):
    """Holds one X-Wing decapsulation key."""

    @property
    def key_id(self) -> KeyId:
        """Typed hash of the public key."""
        ...

    @property
    def public_key(self) -> bytes:
        """Raw X-Wing public key, 1216 bytes."""
        ...

    def decapsulate(self, encapsulated: bytes) -> bytes:
        """Return the 32-byte shared secret for a 1120-byte encapsulation.

        Raises:
            UntrustedError: the encapsulation has the wrong length or a low-order point.
        """
        ...
