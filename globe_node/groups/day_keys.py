# SPDX-License-Identifier: Apache-2.0
"""Seals rows of this room under the key of the day, and destroys keys that no row needs. It reads no table.

1. A row is sealed under the key of today, bound to its table, its primary key and its revision, so that an
   older copy of a row does not open in its place.
2. A key is durable before anything that is sealed under it can be.
3. A key that no row uses is destroyed, and with it, in effect, every old copy of a row in logs, pages and
   snapshots.
4. The file of the keys is replaced as a whole, and the old content overwritten before its place is given
   back. On a disk that writes elsewhere each time that erases nothing: THREAT_MODEL.md says what remains.
5. It is never in a backup. Without it, or with that of another life, no row opens: groups
   are joined again, which costs messages on the way and no record.
"""

import os
from collections.abc import Collection
from pathlib import Path
from typing import Protocol

from globe_node.errors import StoreError
from globe_node.store.instance import file_error, replace_file
from keys.at_rest.day_keys import MAX_DAY_KEYS, DayKey, new_day_key, open_ring, seal_ring
from keys.errors import RowDamagedError
from keys.storage_key import StorageKey
from protocol.interfaces import Entropy
from protocol.octets import op

_MAX_FILE_BYTES = 512 * 1024
_DISK_HINT = "check the disk, then start the node again"
DAY_MS = 86_400_000
"""How long one key is the key of today."""


class KeyFile(Protocol):
    """A place for the sealed ring of keys, outside the database and outside every backup."""

    def read(self) -> bytes | None:
        """Return what is there, or None."""
        ...

    def replace(self, data: bytes) -> None:
        """Put new content in place of the old, durable before the call returns, and wipe the old.

        Raises:
            StoreError: the disk does not take it; what was there is still there.
        """
        ...


class SealedRow:
    """What sealing a row gave: the number of its key, and the octets."""

    __slots__ = ("day_key", "octets")

    def __init__(self, day_key: int, octets: bytes) -> None:
        self.day_key = day_key
        self.octets = octets


class DayKeys:
    """The keys of one life of a node. Used from the event loop, also inside transactions.

    Args:
        file: where they are kept.
        storage: seals the file.
        incarnation: this life.
        entropy: draws keys and nonces.

    Attributes:
        foreign: there was a file, and it was damaged or of another life; it was not used.
    """

    def __init__(self, file: KeyFile, storage: StorageKey, incarnation: str, entropy: Entropy) -> None:
        self._file = file
        self._storage = storage
        self._incarnation = incarnation
        self._entropy = entropy
        self._ring, self.foreign = self._load()

    def seal(self, table: str, row_id: bytes, revision: bytes, plaintext: bytes, *, now_ms: int) -> SealedRow:
        """Seal the secret part of a row under the key of today.

        Args:
            table: name of the table.
            row_id: its primary key as octets.
            revision: what changes with each writing of the row; empty for rows that are written once.
            plaintext: the secret part.
            now_ms: Unix time in milliseconds.

        Raises:
            StoreError: today's key can't be made durable.
        """
        today = self.today(now_ms)
        octets = today.key.seal(table, _bound(row_id, revision), plaintext, self._entropy)
        return SealedRow(today.number, octets)

    def open_sealed(self, table: str, row_id: bytes, revision: bytes, sealed: SealedRow) -> bytes:
        """Open what `seal` made for the same row and revision.

        Raises:
            RowDamagedError: changed or moved, or its key is gone.
        """
        found = self._ring.get(sealed.day_key)
        if found is None:
            raise RowDamagedError(
                f"the key of a row of {table} is gone",
                hint="The group is joined again by itself; its records are safe.",
            )
        return found.key.open_sealed(table, _bound(row_id, revision), sealed.octets)

    def knows(self, day_key: int) -> bool:
        """Say whether rows under this key can be opened."""
        return day_key in self._ring

    def is_tidy(self, used: Collection[int], now_ms: int) -> bool:
        """Say whether today's key is the only one, here and in use; without rows no key is needed."""
        newest = self._newest()
        if newest is None:
            return not used
        return _is_of_today(newest, now_ms) and {newest.number, *used, *self._ring} == {newest.number}

    def today(self, now_ms: int) -> DayKey:
        """Return the key of today; a new one if the last was made a day ago, or later than now.

        Raises:
            StoreError: a new key can't be made durable, or too many could not be destroyed.
        """
        newest = self._newest()
        if newest is not None and _is_of_today(newest, now_ms):
            return newest
        if len(self._ring) >= MAX_DAY_KEYS:
            raise StoreError(
                "too many keys of groups are in use", hint="See why old rows are not sealed anew: `doctor`."
            )
        made = new_day_key(now_ms, self._entropy)
        self._keep({**self._ring, made.number: made})
        return made

    def spent(self, used: Collection[int], now_ms: int) -> list[int]:
        """Return the keys that are not today's and not among the used ones."""
        today = self.today(now_ms).number
        return [number for number in self._ring if number != today and number not in used]

    def destroy(self, numbers: Collection[int]) -> None:
        """Destroy keys; today's stays in any case.

        Raises:
            StoreError: the disk does not take the new file; the keys are still there.
        """
        newest = self._newest()
        left = {number: one for number, one in self._ring.items() if number not in numbers or one is newest}
        if len(left) < len(self._ring):
            self._keep(left)

    def _newest(self) -> DayKey | None:
        return next(reversed(self._ring.values()), None)

    def _keep(self, ring: dict[int, DayKey]) -> None:
        sealed = seal_ring(tuple(ring.values()), self._storage, self._incarnation, self._entropy)
        self._file.replace(sealed)
        self._ring = ring

    def _load(self) -> tuple[dict[int, DayKey], bool]:
        sealed = self._file.read()
        if sealed is None:
            return {}, False
        try:
            return {one.number: one for one in open_ring(sealed, self._storage, self._incarnation)}, False
        except RowDamagedError:
            return {}, True


def _is_of_today(key: DayKey, now_ms: int) -> bool:
    return abs(now_ms - key.made_ms) < DAY_MS


def _bound(row_id: bytes, revision: bytes) -> bytes:
    return op(row_id) + op(revision)


# --- the file -------------------------------------------------------------------------------------------
class FileOfKeys:
    """Implements `KeyFile` on a disk: readable by its owner alone."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def read(self) -> bytes | None:
        """Return what is there, or None.

        Raises:
            StoreError: it can't be read.
        """
        try:
            with self._path.open("rb") as file:
                return file.read(_MAX_FILE_BYTES)
        except FileNotFoundError:
            return None
        except OSError:
            raise StoreError("the file with the keys of groups can't be read", hint=_DISK_HINT) from None

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
                error, "the file with the keys of groups can't be written", hint=_DISK_HINT
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
