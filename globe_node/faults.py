# SPDX-License-Identifier: Apache-2.0
"""Named places where a test may make the node stop, fail or die. In a running node they do nothing.

1. A name is `room.act.moment`, for example `store.commit.before`; it is written out where it is passed, so
   that a search for the name finds the place.
2. A fault point raises or ends the process; it never returns a value that the code would have to obey.
"""

from typing import Protocol


class FaultPoints(Protocol):
    """Asked at each named place."""

    def point(self, name: str) -> None:
        """Return to go on, or raise to fail here.

        Args:
            name: `room.act.moment`.
        """
        ...


class NoFaults:
    """Goes on at every place."""

    def point(self, name: str) -> None:
        """Do nothing."""
