# SPDX-License-Identifier: Apache-2.0
"""A composite signing key from a seed, for tests of the rules alone; the real one is in `keys`."""

from functools import lru_cache

from cryptography.hazmat.primitives.asymmetric.mldsa import MLDSA65PrivateKey
from nacl.signing import SigningKey

from protocol.identifiers import KeyId, key_id_of
from protocol.signing.composite import (
    ALGORITHM,
    MLDSA_CONTEXT,
    PublicKey,
    message_representative,
    parse_public_key,
)
from tests.support.entropy import SeededEntropy


class SeededSigner:
    """Implements `protocol.interfaces.Signer`."""

    def __init__(self, seed: int | str) -> None:
        entropy = SeededEntropy(seed)
        self._mldsa = MLDSA65PrivateKey.from_seed_bytes(entropy.random_bytes(32))
        self._ed25519 = SigningKey(entropy.random_bytes(32))

    @property
    def key_id(self) -> KeyId:
        return key_id_of(ALGORITHM, self.public_key)

    @property
    def public_key(self) -> bytes:
        return self._mldsa.public_key().public_bytes_raw() + bytes(self._ed25519.verify_key)

    @property
    def admitted(self) -> PublicKey:
        return parse_public_key(self.public_key)

    def sign(self, label: str, message: bytes) -> bytes:
        representative = message_representative(label, message)
        halves = self.halves(representative)
        return halves[0] + halves[1]

    def halves(self, representative: bytes) -> tuple[bytes, bytes]:
        signed: bytes = self._ed25519.sign(representative).signature
        return self._mldsa.sign(representative, MLDSA_CONTEXT), signed


@lru_cache(maxsize=64)
def seeded_signer(seed: int | str) -> SeededSigner:
    return SeededSigner(seed)
