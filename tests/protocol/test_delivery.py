# SPDX-License-Identifier: Apache-2.0
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from protocol import limits
from protocol.delivery import (
    MAX_RETRY_AFTER_SECONDS,
    MIN_PAUSE_SECONDS,
    backoff_bound,
    even_fraction,
    next_attempt_at_ms,
    pause_seconds,
)

fractions = st.floats(0.0, 1.0)


class Bytes:
    def __init__(self, value: bytes) -> None:
        self._value = value

    def random_bytes(self, size: int) -> bytes:
        return self._value * size


@given(fractions)
def test_the_first_attempt_is_made_at_once(fraction: float) -> None:
    assert pause_seconds(0, fraction) == 0.0
    assert next_attempt_at_ms(0, 1_000, fraction=fraction) == 1_000


@given(st.integers(1, 10_000), fractions)
def test_a_pause_is_never_longer_than_the_cap_and_never_nothing(failures: int, fraction: float) -> None:
    pause = pause_seconds(failures, fraction)
    assert MIN_PAUSE_SECONDS <= pause <= limits.MAX_BACKOFF_SECONDS


def test_the_bound_doubles_up_to_the_cap() -> None:
    bounds = [backoff_bound(failures) for failures in range(13)]
    assert bounds[:5] == [0.0, 1.0, 2.0, 4.0, 8.0]
    assert bounds[10:] == [512.0, 900.0, 900.0]


@given(st.integers(1, 100))
def test_the_jitter_is_full(failures: int) -> None:
    assert pause_seconds(failures, 0.0) == MIN_PAUSE_SECONDS
    assert pause_seconds(failures, 1.0) == backoff_bound(failures)


@given(st.integers(0, 100), fractions, st.floats(0, 3600))
def test_a_wish_of_the_peer_is_honoured_and_spread(failures: int, fraction: float, wish: float) -> None:
    assert pause_seconds(failures, fraction, wish) == pytest.approx(pause_seconds(failures, fraction) + wish)


@pytest.mark.parametrize("wish", [3601.0, 1e9, math.inf])
def test_a_wish_beyond_an_hour_counts_as_an_hour(wish: float) -> None:
    assert pause_seconds(0, 0.5, wish) == MAX_RETRY_AFTER_SECONDS


@pytest.mark.parametrize("wish", [-1.0, -math.inf, math.nan])
def test_a_wish_that_is_no_duration_counts_as_none(wish: float) -> None:
    assert pause_seconds(0, 0.5, wish) == 0.0


@pytest.mark.parametrize("fraction", [-0.1, 1.1, math.nan])
def test_a_fraction_outside_its_range_is_a_mistake_of_ours(fraction: float) -> None:
    with pytest.raises(ValueError, match="between 0 and 1"):
        pause_seconds(1, fraction)


def test_the_time_is_rounded_up_so_that_no_attempt_comes_early() -> None:
    assert next_attempt_at_ms(1, 0, fraction=0.1234567) == 124


@pytest.mark.parametrize(("byte", "expected"), [(b"\0", 0.0), (b"\x80", 0.50196)])
def test_a_draw_lies_below_one(byte: bytes, expected: float) -> None:
    assert even_fraction(Bytes(byte)) == pytest.approx(expected, abs=1e-4)
    assert even_fraction(Bytes(b"\xff")) < 1.0
