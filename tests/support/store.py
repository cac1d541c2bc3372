# SPDX-License-Identifier: Apache-2.0
"""Stores for tests: in memory for speed, in a folder where files matter."""

from collections.abc import Sequence
from functools import cache
from pathlib import Path

from sqlalchemy import Connection, Table

from globe_node.faults import FaultPoints, NoFaults
from globe_node.store import driver
from globe_node.store.database import Database, StoreFiles, open_database, open_memory
from globe_node.store.door import InlineDoor
from tests.support.entropy import SeededEntropy

INCARNATION = "00112233445566ff"


@cache
def _template() -> bytes:
    database = open_memory(INCARNATION)
    image = driver.driver_of(database.writer).serialize()
    database.close()
    return image


def memory_database(incarnation: str = INCARNATION) -> Database:
    """A migrated database in memory, copied from one that was migrated once."""
    writer = driver.connect_memory()
    raw = driver.driver_of(writer)
    raw.deserialize(_template())
    raw.execute("UPDATE meta SET value = ? WHERE name = 'incarnation'", (incarnation,))
    return Database(writer, incarnation=incarnation, files=None, lock=-1)


def memory_store(faults: FaultPoints | None = None) -> InlineDoor:
    """A store in memory that runs every function at once."""
    return InlineDoor(memory_database(), faults or NoFaults())


def store_files(folder: Path) -> StoreFiles:
    """The places of a store in a private folder that exists afterwards."""
    folder.mkdir(mode=0o700, exist_ok=True)
    folder.chmod(0o700)
    return StoreFiles(folder / "node.db", folder / "node.lock", folder / "high-water")


def folder_store(folder: Path, faults: FaultPoints | None = None) -> InlineDoor:
    """A store in files that runs every function at once."""
    return InlineDoor(open_database(store_files(folder), SeededEntropy(1)), faults or NoFaults())


def column_names(connection: Connection, table: str) -> list[str]:
    """The columns a table has in the database."""
    rows = driver.driver_of(connection).execute(f"PRAGMA table_info({table})").fetchall()
    return [str(row[1]) for row in rows]


def differing_tables(connection: Connection, tables: Sequence[Table]) -> list[str]:
    """Names of the tables whose columns in the code are not those in the database; should be empty."""
    return [
        table.name
        for table in tables
        if column_names(connection, table.name) != [column.name for column in table.columns]
    ]
