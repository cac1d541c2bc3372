# SPDX-License-Identifier: Apache-2.0
"""An X-Wing decapsulation key from a seed, for tests of the rules alone; the real one is in `keys`."""

from functools import lru_cache

from protocol.hpke import XWING_ALGORITHM, XWingSecrets, expand_xwing_seed, xwing_decapsulate
from protocol.identifiers import KeyId, key_id_of
from tests.support.entropy import SeededEntropy


class SeededDecapsulator:
    """Implements `protocol.interfaces.Decapsulator`."""

    def __init__(self, seed: int | str) -> None:
        self.seed = SeededEntropy(f"x-wing:{seed}").random_bytes(32)
        self._secrets: XWingSecrets = expand_xwing_seed(self.seed)

    @property
    def key_id(self) -> KeyId:
        return key_id_of(XWING_ALGORITHM, self.public_key)

    @property
    def public_key(self) -> bytes:
        return self._secrets.public_key

    def decapsulate(self, encapsulated: bytes) -> bytes:
        return xwing_decapsulate(self._secrets, encapsulated)


@lru_cache(maxsize=64)
def seeded_decapsulator(seed: int | str) -> SeededDecapsulator:
    return SeededDecapsulator(seed)
