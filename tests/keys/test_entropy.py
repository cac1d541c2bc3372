# SPDX-License-Identifier: Apache-2.0
import pytest

from keys.entropy import SystemEntropy
from protocol.interfaces import Entropy


def test_it_gives_as_many_bytes_as_asked_and_never_the_same() -> None:
    entropy: Entropy = SystemEntropy()
    draws = {entropy.random_bytes(32) for _ in range(100)}
    assert len(draws) == 100
    assert {len(draw) for draw in draws} == {32}
    assert entropy.random_bytes(0) == b""


def test_a_negative_size_is_refused() -> None:
    with pytest.raises(ValueError, match="negative"):
        SystemEntropy().random_bytes(-1)
