# SPDX-License-Identifier: Apache-2.0
"""Chance that repeats itself."""

import hashlib


class SeededEntropy:
    """The same bytes for the same seed: SHAKE-256 of the seed, a counter and nothing else."""

    def __init__(self, seed: int | str = 0) -> None:
        self._seed = str(seed)
        self._draws = 0

    def random_bytes(self, size: int) -> bytes:
        self._draws += 1
        return hashlib.shake_256(f"{self._seed}:{self._draws}".encode()).digest(size)
