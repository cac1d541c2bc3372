# SPDX-License-Identifier: Apache-2.0
"""An X-Wing decapsulation key: opens what others sealed to this node. The arithmetic is in `protocol.hpke`.

1. The secret is one seed of 32 bytes; both halves are expanded from it.
2. A garbled encapsulation of the right length gives some other secret, not an error; the cipher decides.
"""

from keys.secret import SecretBytes
from protocol import hpke
from protocol.identifiers import KeyId
from protocol.interfaces import Entropy


class XWingKey:
    """Opens for a node; implements `protocol.interfaces.Decapsulator`."""

    __slots__ = ("_expanded", "_public_key", "_secret")

    def __init__(self, secret: SecretBytes) -> None:
        """Expand the seed of 32 bytes."""
        if len(secret) != hpke.XWING_SEED_BYTES:
            raise ValueError("an X-Wing key has a seed of 32 bytes")
        self._secret = secret
        self._expanded = hpke.expand_xwing_seed(secret.reveal())
        self._public_key = hpke.parse_xwing_public_key(self._expanded.public_key)

    @classmethod
    def generate(cls, entropy: Entropy) -> "XWingKey":
        """Make a new key."""
        return cls(SecretBytes(entropy.random_bytes(hpke.XWING_SEED_BYTES)))

    @property
    def secret(self) -> SecretBytes:
        """The seed, as the key file keeps it."""
        return self._secret

    @property
    def key_id(self) -> KeyId:
        """Typed hash of the public key."""
        return self._public_key.key_id

    @property
    def public_key(self) -> bytes:
        """Raw X-Wing public key, 1216 bytes."""
        return self._public_key.raw

    def decapsulate(self, encapsulated: bytes) -> bytes:
        """Return the shared secret; see `protocol.interfaces.Decapsulator`.

        Raises:
            UntrustedError: wrong length, or a low-order point.

        Spec: draft-connolly-cfrg-xwing-kem section 5.5.
        """
        return hpke.xwing_decapsulate(self._expanded, encapsulated)

    def __repr__(self) -> str:
        return f"XWingKey({self.key_id})"
