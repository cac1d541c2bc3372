# SPDX-License-Identifier: Apache-2.0
"""A small file beside the database that remembers how far the node had got. Never part of a backup.

1. It says that a database was made here: if the database is gone, the node does not start as a new one.
2. It holds the incarnation; a database with another one is a copy of another life of the node.
3. It holds marks, (size, root) of a log; a database that is behind its mark is an old copy.
4. A mark moves by compare-and-swap, and is on the disk before the call returns.
"""

import errno
import fcntl
import os
from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path

from globe_node.errors import StoreError
from protocol import canonical
from protocol.canonical import JSONObject
from protocol.errors import MalformedError, ReasonCode
from protocol.interfaces import Entropy

_MAX_BYTES = 64 * 1024
_FULL = {errno.ENOSPC, errno.EDQUOT}
_ROOM = "make room on the disk; the node goes on by itself"
_HINT = "stop the node, keep the files, and restore the last verified backup"


@dataclass(frozen=True, slots=True)
class Mark:
    """How far a log had got: its size and its root, 64 hex digits."""

    size: int
    root: str


@dataclass(frozen=True, slots=True)
class Instance:
    """What the file says.

    Attributes:
        incarnation: 16 hex digits; one life of this node, from its making or its last restore.
        ready: False from before the database is made until it is whole.
        marks: the marks by the name of the log.
    """

    incarnation: str
    ready: bool
    marks: Mapping[str, Mark]


def new_incarnation(entropy: Entropy) -> str:
    """Draw the name of a new life: 16 hex digits."""
    return entropy.random_bytes(8).hex()


class InstanceFile:
    """The file, read afresh at every call: another process may be the one that moved it."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def exists(self) -> bool:
        """Say whether a node was ever made here."""
        return self._path.exists()

    def read(self) -> Instance:
        """Read the file.

        Raises:
            StoreError: it is missing (`restore_detected`) or damaged (`store_corrupt`).
        """
        try:
            data = self._path.read_bytes()
        except FileNotFoundError:
            raise StoreError(
                f"the file {self._path.name} beside the database is gone",
                hint="it shows that the database is not an old copy; use `restore` if you put a copy here",
                code=ReasonCode.RESTORE_DETECTED,
            ) from None
        except OSError:
            raise StoreError(f"the file {self._path.name} can't be read", hint=_HINT) from None
        try:
            return _parse(canonical.parse_object(data, _MAX_BYTES))
        except (MalformedError, KeyError, TypeError):
            raise StoreError(
                f"the file {self._path.name} is damaged", hint=_HINT, code=ReasonCode.STORE_CORRUPT
            ) from None

    def write(self, instance: Instance) -> None:
        """Replace the file and wait until the disk has it.

        Raises:
            StoreError: the disk is full (`storage_full`) or refused (`storage_failed`); the old file stands.
        """
        value: JSONObject = {
            "v": 1,
            "incarnation": instance.incarnation,
            "ready": instance.ready,
            "marks": {name: [mark.size, mark.root] for name, mark in instance.marks.items()},
        }
        try:
            replace_file(self._path, canonical.to_bytes(value))
        except OSError as error:
            raise self._unwritten(error) from None

    def advance(self, name: str, expected: Mark | None, new: Mark) -> None:
        """Move one mark, if it still stands where the caller saw it.

        Raises:
            StoreError: it stands elsewhere (`restore_detected`): another copy of this node is at work; or as
                `write`.
        """
        with ExitStack() as stack:
            try:
                stack.enter_context(_exclusive(self._path.with_suffix(".guard")))
            except OSError as error:
                raise self._unwritten(error) from None
            instance = self.read()
            if instance.marks.get(name) != expected:
                raise StoreError(
                    f"the mark of the log {name} is not where this node left it",
                    hint="another copy of this node may be running; stop both and compare",
                    code=ReasonCode.RESTORE_DETECTED,
                )
            self.write(replace(instance, marks={**instance.marks, name: new}))

    def _unwritten(self, error: OSError) -> StoreError:
        return file_error(error, f"the file {self._path.name} can't be written", hint="check the disk")


def file_error(error: OSError, message: str, *, hint: str) -> StoreError:
    """Say what a file that can't be written means: a full disk passes (`storage_full`), all else does not."""
    if error.errno in _FULL:
        return StoreError(f"{message}: the disk is full", hint=_ROOM, code=ReasonCode.STORAGE_FULL)
    return StoreError(message, hint=hint)


def replace_file(path: Path, data: bytes) -> None:
    """Put new content in place of the old, so that after a crash one of the two is there, whole.

    The file is readable by its owner alone.
    """
    temporary = path.with_name(path.name + ".new")
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
    try:
        view = memoryview(data)
        while view:
            view = view[os.write(descriptor, view) :]
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
    temporary.replace(path)
    sync_folder(path.parent)


def sync_folder(folder: Path) -> None:
    """Wait until the disk has the names in a folder."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


class _exclusive:  # noqa: N801  # reads as a verb phrase in `with`
    def __init__(self, path: Path) -> None:
        self._path = path
        self._descriptor = -1

    def __enter__(self) -> None:
        self._descriptor = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        fcntl.flock(self._descriptor, fcntl.LOCK_EX)

    def __exit__(self, *_: object) -> None:
        os.close(self._descriptor)


def _parse(value: JSONObject) -> Instance:
    marks = value["marks"]
    incarnation, ready = value["incarnation"], value["ready"]
    if value["v"] != 1 or not isinstance(marks, Mapping):
        raise TypeError
    if not isinstance(incarnation, str) or len(incarnation) != 16 or not isinstance(ready, bool):
        raise TypeError
    return Instance(incarnation, ready, {name: _mark(mark) for name, mark in marks.items()})


def _mark(value: object) -> Mark:
    if not isinstance(value, list) or len(value) != 2:
        raise TypeError
    size, root = value
    if not isinstance(size, int) or isinstance(size, bool) or not isinstance(root, str) or len(root) != 64:
        raise TypeError
    return Mark(size, root)
