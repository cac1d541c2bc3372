# SPDX-License-Identifier: Apache-2.0
"""A file of day keys that lives as long as its holder, as a file outlives a process."""


class MemoryKeyFile:
    """Implements `globe_node.groups.day_keys.KeyFile`."""

    def __init__(self, data: bytes | None = None) -> None:
        self.data = data
        self.writings = 0

    def read(self) -> bytes | None:
        return self.data

    def replace(self, data: bytes) -> None:
        self.data = data
        self.writings += 1
