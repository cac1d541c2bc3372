# SPDX-License-Identifier: Apache-2.0
"""Opens the one database of a node, once per machine. Not the way to write to it: see `door`.

1. The lock file is held for the life of the process; a second opener is turned away at once.
2. A database that is gone, or another than the one this node left here, stops the start.
3. The folder is for its owner alone (0700), and so are the files (0600).
"""

import fcntl
import os
import sqlite3
import stat
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

from sqlalchemy import Connection
from sqlalchemy.exc import DBAPIError

from globe_node.errors import StoreError
from globe_node.store import driver
from globe_node.store.instance import Instance, InstanceFile, new_incarnation
from globe_node.store.migrate import migrate
from protocol.errors import ReasonCode
from protocol.interfaces import Entropy

_KEEP = "stop, keep the files as they are, and restore the last verified backup"


@dataclass(frozen=True, slots=True)
class StoreFiles:
    """Where the store keeps its files; all in one folder on a local disk.

    Attributes:
        database: the database; its write-ahead log lies beside it.
        lock: held by the running node.
        instance: what `InstanceFile` remembers outside the database.
    """

    database: Path
    lock: Path
    instance: Path


class Database:
    """An open database: the writer's connection, and readers as they are asked for."""

    def __init__(self, writer: Connection, *, incarnation: str, files: StoreFiles | None, lock: int) -> None:
        self.writer = writer
        self.incarnation = incarnation
        self.files = files
        self._lock = lock
        self._identity = _identity(files)

    def reader(self) -> Connection:
        """Open one more connection that can only read; in memory there is only the writer's."""
        return self.writer if self.files is None else driver.connect_reader(self.files.database)

    def close_reader(self, connection: Connection) -> None:
        """Close a connection that `reader` opened."""
        if connection is not self.writer:
            end_connection(connection)

    def verify_present(self) -> None:
        """Check that the file is still the one that was opened.

        Raises:
            StoreError: it was deleted, renamed or replaced (`storage_failed`).
        """
        if self.files is not None and _identity(self.files) != self._identity:
            raise StoreError(
                "the database file was taken away while the node was running",
                hint="stop the node and put the file back, or restore the last verified backup",
            )

    def close(self) -> None:
        """Close the writer's connection, last of all, and let go of the lock."""
        raw = driver.driver_of(self.writer)
        try:
            if self.files is not None and not raw.in_transaction:
                raw.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
        except sqlite3.Error:
            pass  # the log stays beside the database and is taken up at the next start
        finally:
            end_connection(self.writer)
            if self._lock >= 0:
                os.close(self._lock)
                self._lock = -1


def open_database(files: StoreFiles, entropy: Entropy) -> Database:
    """Open or make the database, bring it to the newest schema, and keep others out.

    Raises:
        StoreError: with `locked_elsewhere`, `store_corrupt`, `restore_detected`, `bad_version` or
            `storage_failed`; nothing was changed.
    """
    _require_private(files.database.parent)
    with ExitStack() as undo:
        lock = take_lock(files.lock)
        undo.callback(os.close, lock)
        instance = _claim(files, entropy)
        writer = _connect(files.database)
        undo.callback(end_connection, writer)
        _settle(writer, files, instance)
        undo.pop_all()
    return Database(writer, incarnation=instance.incarnation, files=files, lock=lock)


def open_memory(incarnation: str) -> Database:
    """Make a database that is gone when it is closed, for simulations and tests."""
    writer = driver.connect_memory()
    migrate(writer)
    set_incarnation(writer, incarnation)
    return Database(writer, incarnation=incarnation, files=None, lock=-1)


def _claim(files: StoreFiles, entropy: Entropy) -> Instance:
    """Say which life of the node this is; if it is the first, or the first was cut short, make a file."""
    marker = InstanceFile(files.instance)
    present = files.database.exists()
    if present or marker.exists():
        instance = marker.read()
        if instance.ready and not present:
            raise StoreError("the database is gone", hint=_KEEP, code=ReasonCode.STORE_CORRUPT)
        if instance.ready:
            return instance
    else:
        instance = Instance(new_incarnation(entropy), ready=False, marks={})
        marker.write(instance)
    for suffix in ("", "-wal", "-shm"):
        files.database.with_name(files.database.name + suffix).unlink(missing_ok=True)
    os.close(os.open(files.database, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600))
    return instance


def _settle(writer: Connection, files: StoreFiles, instance: Instance) -> None:
    try:
        fresh = migrate(writer)
        if fresh and not instance.ready:
            set_incarnation(writer, instance.incarnation)
            InstanceFile(files.instance).write(Instance(instance.incarnation, ready=True, marks={}))
        recorded = recorded_incarnation(writer)
    except (sqlite3.Error, DBAPIError) as error:
        raise driver.store_error(error) or StoreError("the database can't be read", hint=_KEEP) from None
    if recorded != instance.incarnation:
        raise StoreError(
            "the database belongs to another life of this node",
            hint="use `restore` to bring back a copy, so that the node takes a new incarnation",
            code=ReasonCode.RESTORE_DETECTED,
        )


def _connect(path: Path) -> Connection:
    try:
        return driver.connect_writer(path)
    except (sqlite3.Error, DBAPIError) as error:
        raise driver.store_error(error) or StoreError("the database can't be opened", hint=_KEEP) from None


def set_incarnation(writer: Connection, incarnation: str) -> None:
    """Write down in the database which life of the node it belongs to."""
    driver.driver_of(writer).execute(
        "INSERT OR REPLACE INTO meta (name, value) VALUES ('incarnation', ?)", (incarnation,)
    )


def recorded_incarnation(writer: Connection) -> str:
    """Return which life of the node a database belongs to; empty if it does not say."""
    row = driver.driver_of(writer).execute("SELECT value FROM meta WHERE name = 'incarnation'").fetchone()
    return "" if row is None else str(row[0])


def end_connection(connection: Connection) -> None:
    """Take back what is open, and close."""
    driver.driver_of(connection).rollback()
    connection.invalidate()
    connection.close()


def _require_private(folder: Path) -> None:
    try:
        mode = stat.S_IMODE(folder.stat().st_mode)
    except OSError:
        raise StoreError("the home folder is missing", hint="make it with `init`") from None
    if mode & 0o077:
        raise StoreError(
            f"the folder {folder} can be entered by others",
            hint=f"chmod 700 {folder}",
            code=ReasonCode.FORBIDDEN,
        )


def take_lock(path: Path) -> int:
    """Take the lock of a home folder; close the descriptor to let go.

    Raises:
        StoreError: another process has it (`locked_elsewhere`), or the folder can't be written.
    """
    try:
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except OSError:
        raise StoreError("the home folder can't be written", hint="check its owner and the disk") from None
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        os.close(descriptor)
        raise StoreError(
            "another process works with this home folder",
            hint="stop it first; one node at a time may write here",
            code=ReasonCode.LOCKED_ELSEWHERE,
        ) from None
    return descriptor


def _identity(files: StoreFiles | None) -> tuple[int, int]:
    if files is None:
        return (0, 0)
    try:
        status = files.database.stat()
    except OSError:
        return (-1, -1)
    return (status.st_dev, status.st_ino)
