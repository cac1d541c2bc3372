# SPDX-License-Identifier: Apache-2.0
"""A second database file for what can be derived again: an index. Never a place for anything else.

1. Whatever is wrong with the file, it is thrown away and made anew: nothing in it is authority for anything.
2. It is in no backup, and no transaction of the node depends on it.
3. It is opened when it is first used, by one thread of its own, so that no question holds up the node; one
   in memory, for simulations and tests, runs in the caller.
4. The file belongs to who holds the node's lock; the mode is 0600 as of all files there.
"""

import asyncio
import os
import sqlite3
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from typing import TypeVar

from sqlalchemy import Connection
from sqlalchemy.exc import DatabaseError

from globe_node.errors import StoreError
from globe_node.store import driver
from globe_node.store.database import end_connection

T = TypeVar("T")
_SUFFIXES = ("", "-wal", "-shm", "-journal")


class DerivedStore:
    """Runs functions on a database that may be thrown away.

    Args:
        path: the file, or None for one in memory.
        schema: makes the tables in an empty database.
        version: of the schema and of what is derived by it; a file of another version is made anew.
    """

    def __init__(self, path: Path | None, schema: Callable[[Connection], None], version: int) -> None:
        self._path = path
        self._schema = schema
        self._version = version
        self._connection: Connection | None = None
        self._thread: ThreadPoolExecutor | None = None

    async def run(self, function: Callable[[Connection], T]) -> T:
        """Run a function in one transaction, in the thread of the file; once more on a new file if it breaks.

        Raises:
            StoreError: neither the old file nor a new one can be used.
            Exception: whatever the function raised; its changes are taken back.
        """
        if self._path is None:
            return self.run_here(function)
        if self._thread is None:
            self._thread = ThreadPoolExecutor(1, thread_name_prefix="store-derived")
        return await asyncio.get_running_loop().run_in_executor(self._thread, self.run_here, function)

    def run_here(self, function: Callable[[Connection], T]) -> T:
        """Do what `run` does in the caller's own thread; not beside `run`."""
        try:
            return self._run(function)
        except (sqlite3.DatabaseError, DatabaseError):
            self._throw_away()
        try:
            return self._run(function)
        except (sqlite3.DatabaseError, DatabaseError) as error:
            raise driver.store_error(error) or StoreError("derived data can't be kept") from None

    async def close(self) -> None:
        """Let go of the file."""
        thread, self._thread = self._thread, None
        if thread is not None:
            await asyncio.get_running_loop().run_in_executor(thread, self._close)
            thread.shutdown(wait=True)
        self._close()

    def _run(self, function: Callable[[Connection], T]) -> T:
        connection = self._opened()
        raw = driver.driver_of(connection)
        raw.execute("BEGIN")
        try:
            value = function(connection)
            raw.execute("COMMIT")
        finally:
            raw.rollback()
        return value

    def _opened(self) -> Connection:
        if self._connection is None:
            connection = self._connect()
            if _version_of(connection) != self._version:
                end_connection(connection)
                self._remove()
                connection = self._connect()
                self._make(connection)
            self._connection = connection
        return self._connection

    def _connect(self) -> Connection:
        if self._path is None:
            return driver.connect_memory()
        with suppress(FileExistsError):
            os.close(os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600))
        return driver.connect_derived(self._path)

    def _make(self, connection: Connection) -> None:
        raw = driver.driver_of(connection)
        raw.execute("BEGIN IMMEDIATE")
        try:
            self._schema(connection)
            raw.execute("CREATE TABLE derived (version INTEGER NOT NULL) STRICT")
            raw.execute("INSERT INTO derived VALUES (?)", (self._version,))
            raw.execute("COMMIT")
        finally:
            raw.rollback()

    def _throw_away(self) -> None:
        self._close()
        self._remove()

    def _remove(self) -> None:
        if self._path is not None:
            for suffix in _SUFFIXES:
                self._path.with_name(self._path.name + suffix).unlink(missing_ok=True)

    def _close(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            with suppress(sqlite3.Error):
                end_connection(connection)


def _version_of(connection: Connection) -> int | None:
    """Return what version a file says it is of; None if it says nothing."""
    try:
        row = driver.driver_of(connection).execute("SELECT version FROM derived").fetchone()
    except sqlite3.OperationalError:
        return None
    return None if row is None else int(row[0])
