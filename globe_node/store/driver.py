# SPDX-License-Identifier: Apache-2.0
"""Opens connections of the database driver and says what its errors mean. No transactions, no tables.

1. Every connection is in the driver's autocommit mode: BEGIN and COMMIT are written where they happen.
2. Durable means `synchronous=FULL` in WAL mode; less loses acknowledged messages when the power fails.
3. Only the writer moves the write-ahead log into the database; readers never write.
"""

import sqlite3
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import cast

from sqlalchemy import Connection, Engine, create_engine
from sqlalchemy.exc import DBAPIError
from sqlalchemy.pool import NullPool

from globe_node.errors import StoreError
from protocol.errors import ReasonCode

BUSY_TIMEOUT_MILLISECONDS = 250
"""How long a foreign lock is waited for; the lock file keeps other nodes out, so this is seldom."""
_MAX_LOG_BYTES = 64 * 1024 * 1024
_LOG_PAGES = 4_000
"""Pages that gather in the write-ahead log before they move on: a full group of drafts writes 700."""
_CACHE_KIBIBYTES = 16_384
_COMMON = (
    "foreign_keys = ON",
    "trusted_schema = OFF",
    "cell_size_check = ON",
    f"busy_timeout = {BUSY_TIMEOUT_MILLISECONDS}",
    "temp_store = MEMORY",
    "mmap_size = 0",
)
_WRITER = (
    "journal_mode = WAL",
    "synchronous = FULL",
    "secure_delete = ON",
    f"wal_autocheckpoint = {_LOG_PAGES}",
    f"journal_size_limit = {_MAX_LOG_BYTES}",
    f"cache_size = -{_CACHE_KIBIBYTES}",
)
_DERIVED = ("journal_mode = WAL", "synchronous = NORMAL", f"cache_size = -{4 * _CACHE_KIBIBYTES}")
"""For what can be derived again: a power cut may take the last changes, and does not damage the file."""
_READER = ("wal_autocheckpoint = 0", "query_only = ON")
_LIMITS = (
    (sqlite3.SQLITE_LIMIT_SQL_LENGTH, 100_000),
    (sqlite3.SQLITE_LIMIT_VARIABLE_NUMBER, 4_000),
    (sqlite3.SQLITE_LIMIT_EXPR_DEPTH, 100),
    (sqlite3.SQLITE_LIMIT_ATTACHED, 0),
)


def connect_writer(path: Path) -> Connection:
    """Open the writer's connection to an existing file."""
    return _open(lambda: _connect(f"file:{_quoted(path)}?mode=rw", (*_COMMON, *_WRITER)))


def connect_reader(path: Path) -> Connection:
    """Open a connection that can only read."""
    return _open(lambda: _connect(f"file:{_quoted(path)}?mode=ro", (*_COMMON, *_READER)))


def connect_derived(path: Path) -> Connection:
    """Open a connection to an existing file of derived data."""
    return _open(lambda: _connect(f"file:{_quoted(path)}?mode=rw", (*_COMMON, *_DERIVED)))


def copy_database(source: Path, target: Path) -> None:
    """Copy a database, in use or not, in one view of it, into an empty file.

    Raises:
        sqlite3.Error: it can't be read, or the target not written.
    """
    driver = sqlite3.connect(f"file:{_quoted(source)}?mode=ro", uri=True, isolation_level=None)
    try:
        driver.execute("VACUUM INTO ?", (str(target),))
    finally:
        driver.close()


def connect_memory() -> Connection:
    """Open a database that lives as long as its connection."""
    return _open(lambda: _connect(":memory:", _COMMON))


def driver_of(connection: Connection) -> sqlite3.Connection:
    """Return the driver's connection underneath, for statements where the layer above costs too much."""
    return cast(sqlite3.Connection, connection.connection.dbapi_connection)


def store_error(error: BaseException) -> StoreError | None:
    """Say what a failure means for the store, or None if it is the caller's own.

    Returns:
        `storage_full` and `busy` pass; `storage_failed` and `store_corrupt` do not: the connection that met
        them must not be used for writing again.
    """
    cause = error.orig if isinstance(error, DBAPIError) else error
    name = getattr(cause, "sqlite_errorname", None) if isinstance(cause, sqlite3.Error) else None
    for start, code, message, hint in _MEANINGS:
        if name is not None and name.startswith(start):
            return StoreError(message, hint=hint, code=code)
    return None


_MEANINGS = (
    (
        "SQLITE_FULL",
        ReasonCode.STORAGE_FULL,
        "the disk is full",
        "make room on the disk; the node goes on by itself",
    ),
    ("SQLITE_BUSY", ReasonCode.BUSY, "the database is held by another process", "end the other process"),
    (
        "SQLITE_CORRUPT",
        ReasonCode.STORE_CORRUPT,
        "the database is damaged",
        "stop the node, keep the files, and restore the last verified backup",
    ),
    (
        "SQLITE_NOTADB",
        ReasonCode.STORE_CORRUPT,
        "the file is not a database",
        "stop the node, keep the files, and restore the last verified backup",
    ),
    *(
        (
            start,
            ReasonCode.STORAGE_FAILED,
            "the disk failed to read or write",
            "check the disk, then start the node again; nothing was acknowledged after the failure",
        )
        for start in ("SQLITE_IOERR", "SQLITE_READONLY", "SQLITE_CANTOPEN", "SQLITE_PROTOCOL")
    ),
)


def _quoted(path: Path) -> str:
    return path.resolve().as_uri().removeprefix("file:")


def _open(connect: Callable[[], sqlite3.Connection]) -> Connection:
    engine: Engine = create_engine("sqlite+pysqlite://", creator=connect, poolclass=NullPool)
    connection = engine.connect()
    connection.begin()
    return connection


def _connect(address: str, pragmas: tuple[str, ...]) -> sqlite3.Connection:
    driver = sqlite3.connect(
        address,
        uri=True,
        isolation_level=None,
        check_same_thread=False,
        cached_statements=512,
        timeout=BUSY_TIMEOUT_MILLISECONDS / 1000,
    )
    with ExitStack() as undo:
        undo.callback(driver.close)
        for pragma in pragmas:
            driver.execute(f"PRAGMA {pragma}").fetchall()
        for category, bound in _LIMITS:
            driver.setlimit(category, bound)
        undo.pop_all()
    return driver
