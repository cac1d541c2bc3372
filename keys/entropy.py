# SPDX-License-Identifier: Apache-2.0
"""The one source of chance of a running node. Tests bring their own."""

import os


class SystemEntropy:
    """The operating system's generator; implements `protocol.interfaces.Entropy`."""

    __slots__ = ()

    def random_bytes(self, size: int) -> bytes:
        """Return `size` unpredictable bytes.

        Raises:
            ValueError: a negative size.
        """
        return os.urandom(size)
