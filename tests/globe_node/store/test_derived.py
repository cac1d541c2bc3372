# SPDX-License-Identifier: Apache-2.0
"""A file of derived data is made, kept, and thrown away whenever something is wrong with it."""

import sqlite3
from pathlib import Path

import pytest
from sqlalchemy import Connection

from globe_node.errors import StoreError
from globe_node.store.derived import DerivedStore
from globe_node.store.driver import driver_of


def make(connection: Connection) -> None:
    driver_of(connection).execute("CREATE TABLE word (text TEXT NOT NULL) STRICT")


def add(connection: Connection) -> None:
    driver_of(connection).execute("INSERT INTO word VALUES ('x')")


def count(connection: Connection) -> int:
    return int(driver_of(connection).execute("SELECT count(*) FROM word").fetchone()[0])


async def words(path: Path | None, version: int = 1) -> int:
    store = DerivedStore(path, make, version)
    try:
        return await store.run(count)
    finally:
        await store.close()


async def test_what_is_kept_is_there_again(tmp_path: Path) -> None:
    path = tmp_path / "lookup.db"
    store = DerivedStore(path, make, 1)
    await store.run(add)
    await store.close()
    assert path.stat().st_mode & 0o777 == 0o600
    assert await words(path) == 1
    assert await words(None) == 0


async def test_another_version_begins_anew(tmp_path: Path) -> None:
    path = tmp_path / "lookup.db"
    store = DerivedStore(path, make, 1)
    await store.run(add)
    await store.close()
    assert await words(path, version=2) == 0
    assert await words(path, version=1) == 0


@pytest.mark.parametrize("content", [b"not a database at all" * 100, b"SQLite format 3\x00" + b"\xff" * 4000])
async def test_what_is_no_database_is_thrown_away(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "lookup.db"
    path.write_bytes(content)
    assert await words(path) == 0


async def test_a_file_that_breaks_while_it_is_open_is_made_anew(tmp_path: Path) -> None:
    path = tmp_path / "lookup.db"
    store = DerivedStore(path, make, 1)
    await store.run(add)
    await store.run(lambda connection: driver_of(connection).execute("DROP TABLE word"))
    assert await store.run(count) == 0
    await store.close()


async def test_who_raises_changes_nothing(tmp_path: Path) -> None:
    store = DerivedStore(tmp_path / "lookup.db", make, 1)

    def broken(connection: Connection) -> None:
        add(connection)
        raise LookupError

    with pytest.raises(LookupError):
        await store.run(broken)
    assert await store.run(count) == 0
    await store.close()


async def test_a_file_that_can_not_be_made_is_an_error_of_the_store(tmp_path: Path) -> None:
    def never(connection: Connection) -> None:
        raise sqlite3.OperationalError("no such module: fts5")

    store = DerivedStore(tmp_path / "lookup.db", never, 1)
    with pytest.raises(StoreError):
        await store.run(count)
    await store.close()
