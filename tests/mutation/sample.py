# SPDX-License-Identifier: Apache-2.0
"""A few functions to plant defects in."""

from functools import cache


@cache
def doubled(value: int) -> int:
    """Return twice a small value."""
    return value * 2


class Bound:
    """A bound that something may reach but not pass."""

    def __init__(self, most: int) -> None:
        self._most = most

    @property
    def most(self) -> int:
        """The bound."""
        return self._most

    def require(self, value: int) -> None:
        """Refuse what is beyond the bound."""
        if value > self._most:
            raise ValueError("beyond the bound")
