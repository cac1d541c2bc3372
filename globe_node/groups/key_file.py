# SPDX-License-Identifier: Apache-2.0
"""The file of the day keys beside the database. What is in it is `day_keys`.

1. It is replaced as a whole: after a crash the old file or the new one is there.
2. It is readable by its owner alone.
3. The old content is overwritten before its place is given back. On a disk that writes elsewhere each time
   that erases nothing: THREAT_MODEL.md says what remains then.
"""

import os
from pathlib import Path

from globe_node.errors import StoreError
from globe_node.store.instance import file_error, replace_file

MAX_BYTES = 512 * 1024


class FileOfKeys:
    """Implements `globe_node.groups.day_keys.KeyFile`."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def read(self) -> bytes | None:
        """Return what is there, or None.

        Raises:
            StoreError: it can't be read.
        """
        try:
            with self._path.open("rb") as file:
                return file.read(MAX_BYTES)
        except FileNotFoundError:
            return None
        except OSError:
            raise StoreError(
                "the file with the keys of groups can't be read",
                hint="check the disk, then start the node again",
            ) from None

    def replace(self, data: bytes) -> None:
        """See `KeyFile.replace`."""
        try:
            old = self._open()
            try:
                replace_file(self._path, data)
                _overwrite(old)
            finally:
                if old is not None:
                    os.close(old)
        except OSError as error:
            raise file_error(
                error,
                "the file with the keys of groups can't be written",
                hint="check the disk, then start the node again",
            ) from None

    def _open(self) -> int | None:
        try:
            return os.open(self._path, os.O_WRONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
        except FileNotFoundError:
            return None


def _overwrite(descriptor: int | None) -> None:
    if descriptor is None:
        return
    os.pwrite(descriptor, bytes(os.fstat(descriptor).st_size), 0)
    os.fsync(descriptor)
