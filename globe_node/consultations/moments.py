# SPDX-License-Identifier: Apache-2.0
"""Moments as the store keeps them: whole milliseconds of Unix time. It asks no clock."""

from datetime import UTC, datetime, timedelta

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MILLISECOND = timedelta(milliseconds=1)


def unix_milliseconds(at: datetime) -> int:
    """Return a moment as milliseconds of Unix time, cut, never rounded up."""
    return (at - _EPOCH) // _MILLISECOND


def moment_of(milliseconds: int) -> datetime:
    """Return milliseconds of Unix time as a moment, aware, UTC."""
    return _EPOCH + milliseconds * _MILLISECOND
