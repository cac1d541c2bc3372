# SPDX-License-Identifier: Apache-2.0
"""When to try again: pure arithmetic over attempts, a given time and a given fraction. No timers, no queues.

1. The first attempt is made at once; after failures the pause is drawn evenly between nothing and a bound
   that doubles with each failure in a row (full jitter), at most `limits.MAX_BACKOFF_SECONDS`.
2. A peer that names a pause gets at least that pause, as far as `MAX_RETRY_AFTER_SECONDS`; the drawn pause is
   added, so that all who were told the same number don't come back in the same second.
3. Nothing here ends a message: only its deadline or a signed receipt does.
"""

import math

from protocol import limits
from protocol.interfaces import Entropy

FIRST_BACKOFF_SECONDS = 1.0
"""The bound of the pause after the first failure."""
MIN_PAUSE_SECONDS = 0.05
"""The shortest pause after a failure, so that a row of small draws is no busy loop."""
MAX_RETRY_AFTER_SECONDS = 3600.0
"""A peer may ask us to stay away for an hour, not for a year."""
_DOUBLINGS = 40
"""Beyond this many failures the bound can't grow; keeps the power small."""


def backoff_bound(failures: int) -> float:
    """Return the longest pause in seconds after `failures` failures in a row; 0 for none.

    Spec: PROTOCOL.md section 11.
    """
    if failures <= 0:
        return 0.0
    doubled: float = FIRST_BACKOFF_SECONDS * 2.0 ** min(failures - 1, _DOUBLINGS)
    return min(float(limits.MAX_BACKOFF_SECONDS), doubled)


def pause_seconds(failures: int, fraction: float, retry_after: float | None = None) -> float:
    """Return how long to wait before the next attempt.

    Args:
        failures: failed attempts in a row; 0 means that none was made or the last one succeeded.
        fraction: an even draw from [0, 1].
        retry_after: seconds that the peer asked for, or None. Untrusted: negative and undefined numbers
            count as none, large ones as the cap.

    Returns:
        Seconds, 0 for the first attempt.

    Spec: PROTOCOL.md section 11.
    """
    if not 0.0 <= fraction <= 1.0:
        raise ValueError("a fraction lies between 0 and 1")
    drawn = backoff_bound(failures) * fraction
    if failures > 0:
        drawn = max(MIN_PAUSE_SECONDS, drawn)
    return drawn + _honoured(retry_after)


def next_attempt_at_ms(
    failures: int, now_ms: int, *, fraction: float, retry_after: float | None = None
) -> int:
    """Return the Unix time in milliseconds of the next attempt; `now_ms` itself for the first.

    Spec: PROTOCOL.md section 11.
    """
    return now_ms + math.ceil(pause_seconds(failures, fraction, retry_after) * 1000)


def even_fraction(entropy: Entropy) -> float:
    """Draw evenly from [0, 1)."""
    return int.from_bytes(entropy.random_bytes(6), "big") / float(1 << 48)


def _honoured(retry_after: float | None) -> float:
    if retry_after is None or math.isnan(retry_after):
        return 0.0
    return min(max(retry_after, 0.0), MAX_RETRY_AFTER_SECONDS)
