# SPDX-License-Identifier: Apache-2.0
"""Opening the database: once, the right one, never a new one in place of a lost one."""

import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest

from globe_node.errors import StoreError
from globe_node.store.database import open_database, open_memory
from globe_node.store.driver import driver_of
from globe_node.store.instance import InstanceFile
from protocol.errors import ReasonCode
from tests.support.entropy import SeededEntropy
from tests.support.store import store_files


def refused(folder: Path) -> ReasonCode:
    with pytest.raises(StoreError) as caught:
        open_database(store_files(folder), SeededEntropy(2))
    assert caught.value.hint
    return caught.value.code


def make(folder: Path) -> str:
    database = open_database(store_files(folder), SeededEntropy(1))
    database.close()
    return database.incarnation


def test_a_new_store_takes_an_incarnation_and_keeps_it(tmp_path: Path) -> None:
    first = make(tmp_path)
    assert len(first) == 16
    assert make(tmp_path) == first
    assert InstanceFile(store_files(tmp_path).instance).read().incarnation == first


def test_files_are_private_and_durable(tmp_path: Path) -> None:
    database = open_database(store_files(tmp_path), SeededEntropy(1))
    raw = driver_of(database.writer)
    pragma = {
        name: raw.execute(f"PRAGMA {name}").fetchone()[0]
        for name in ("journal_mode", "synchronous", "foreign_keys", "trusted_schema", "secure_delete")
    }
    assert pragma == {
        "journal_mode": "wal",
        "synchronous": 2,
        "foreign_keys": 1,
        "trusted_schema": 0,
        "secure_delete": 1,
    }
    raw.execute("UPDATE meta SET value = value")
    reader = database.reader()
    with pytest.raises(sqlite3.OperationalError):
        driver_of(reader).execute("DELETE FROM meta")
    modes = {path.name: path.stat().st_mode & 0o777 for path in tmp_path.iterdir()}
    assert set(modes.values()) == {0o600}
    assert {"node.db", "node.db-wal", "node.lock", "high-water"} <= set(modes)
    reader.invalidate()
    reader.close()
    database.close()


def test_a_folder_open_to_others_is_refused(tmp_path: Path) -> None:
    files = store_files(tmp_path)
    tmp_path.chmod(0o750)
    with pytest.raises(StoreError) as caught:
        open_database(files, SeededEntropy(1))
    assert caught.value.code is ReasonCode.FORBIDDEN
    absent = store_files(tmp_path / "absent")
    absent.database.parent.rmdir()
    with pytest.raises(StoreError):
        open_database(absent, SeededEntropy(1))


def test_a_second_process_is_turned_away(tmp_path: Path) -> None:
    database = open_database(store_files(tmp_path), SeededEntropy(1))
    code = (
        "import sys\nfrom pathlib import Path\n"
        "from tests.support.store import folder_store\n"
        "from globe_node.errors import StoreError\n"
        "try:\n    folder_store(Path(sys.argv[1]))\n"
        "except StoreError as error:\n    print(error.code)\n"
    )
    result = subprocess.run(
        [sys.executable, "-c", code, str(tmp_path)], capture_output=True, text=True, check=True
    )
    assert result.stdout.strip() == "locked_elsewhere"
    assert refused(tmp_path) is ReasonCode.LOCKED_ELSEWHERE
    driver_of(database.writer).execute("UPDATE meta SET value = value")
    database.close()


def test_a_lost_database_is_not_replaced_by_a_new_one(tmp_path: Path) -> None:
    make(tmp_path)
    (tmp_path / "node.db").unlink()
    assert refused(tmp_path) is ReasonCode.STORE_CORRUPT
    assert not (tmp_path / "node.db").exists()


def test_a_database_without_its_instance_file_is_an_unknown_copy(tmp_path: Path) -> None:
    make(tmp_path)
    (tmp_path / "high-water").unlink()
    assert refused(tmp_path) is ReasonCode.RESTORE_DETECTED


def test_a_database_of_another_life_is_refused(tmp_path: Path) -> None:
    make(tmp_path / "a")
    other = open_database(store_files(tmp_path / "b"), SeededEntropy("other"))
    other.close()
    (tmp_path / "b" / "node.db").replace(tmp_path / "a" / "node.db")
    assert refused(tmp_path / "a") is ReasonCode.RESTORE_DETECTED


@pytest.mark.parametrize(
    "content", [b"", b"{}", b"[]", b"no", b'{"incarnation":"x","marks":{},"ready":true,"v":1}']
)
def test_a_damaged_instance_file_is_refused(tmp_path: Path, content: bytes) -> None:
    make(tmp_path)
    (tmp_path / "high-water").write_bytes(content)
    assert refused(tmp_path) is ReasonCode.STORE_CORRUPT


def test_a_start_cut_short_while_making_begins_again(tmp_path: Path) -> None:
    make(tmp_path)
    marker = tmp_path / "high-water"
    marker.write_bytes(marker.read_bytes().replace(b'"ready":true', b'"ready":false'))
    (tmp_path / "node.db").write_bytes(b"half")
    incarnation = make(tmp_path)
    assert InstanceFile(marker).read().incarnation == incarnation


def test_a_file_that_is_no_database_is_refused(tmp_path: Path) -> None:
    make(tmp_path)
    (tmp_path / "node.db").write_bytes(b"not a database, but long enough to be looked at" * 100)
    assert refused(tmp_path) is ReasonCode.STORE_CORRUPT
    (tmp_path / "node.db").write_bytes(b"")
    assert refused(tmp_path) is ReasonCode.RESTORE_DETECTED


def test_memory_has_no_files() -> None:
    database = open_memory("0" * 16)
    database.verify_present()
    assert database.reader() is database.writer
    database.close()
