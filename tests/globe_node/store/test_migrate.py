# SPDX-License-Identifier: Apache-2.0
"""The schema: one line of steps, whole or not at all, never downwards."""

import re
import sqlite3
from pathlib import Path

import pytest
from alembic.config import Config
from alembic.script import ScriptDirectory

from globe_node.errors import StoreError
from globe_node.store import driver, migrate
from globe_node.store.database import open_database, open_memory
from globe_node.store.driver import driver_of
from protocol.errors import ReasonCode
from tests.house.source import ROOT
from tests.support.entropy import SeededEntropy
from tests.support.store import store_files

STEPS = ROOT / "globe_node" / "store" / "migrations"


def test_steps_are_one_line_and_named_after_their_number() -> None:
    config = Config()
    config.set_main_option("script_location", str(STEPS))
    config.set_main_option("path_separator", "os")
    script = ScriptDirectory.from_config(config)
    steps = list(script.walk_revisions())
    assert script.get_current_head() == f"{migrate.newest_step():04}"
    assert [step.revision for step in steps] == [f"{n:04}" for n in range(len(steps), 0, -1)]
    for step in steps:
        assert re.fullmatch(rf"v{step.revision}_[a-z_]+\.py", Path(step.path).name)


def test_every_table_is_strict() -> None:
    database = open_memory("0" * 16)
    rows = driver_of(database.writer).execute("PRAGMA table_list").fetchall()
    loose = [row[1] for row in rows if row[2] == "table" and not row[5]]
    assert [name for name in loose if not name.startswith("sqlite_")] == ["alembic_version"]
    database.close()


def test_nothing_is_done_twice() -> None:
    connection = driver.connect_memory()
    assert migrate.migrate(connection)
    assert not migrate.migrate(connection)
    raw = driver_of(connection)
    assert raw.execute("PRAGMA application_id").fetchone() == (migrate.APPLICATION_ID,)
    assert raw.execute("PRAGMA user_version").fetchone() == (migrate.newest_step(),)


def test_a_step_that_fails_leaves_the_old_schema(monkeypatch: pytest.MonkeyPatch) -> None:
    connection = driver.connect_memory()
    real = migrate._upgrade

    def fail_late(connection_: object) -> None:
        real(connection)
        raise RuntimeError("power")

    monkeypatch.setattr(migrate, "_upgrade", fail_late)
    with pytest.raises(RuntimeError):
        migrate.migrate(connection)
    raw = driver_of(connection)
    assert raw.execute("SELECT count(*) FROM sqlite_master").fetchone() == (0,)
    assert raw.execute("PRAGMA user_version").fetchone() == (0,)
    monkeypatch.setattr(migrate, "_upgrade", real)
    assert migrate.migrate(connection)


@pytest.mark.parametrize(
    ("pragma", "code"),
    [
        ("user_version = 9999", ReasonCode.BAD_VERSION),
        ("application_id = 7", ReasonCode.STORE_CORRUPT),
        ("user_version = 0", ReasonCode.STORE_CORRUPT),
    ],
)
def test_a_newer_or_foreign_database_is_refused(tmp_path: Path, pragma: str, code: ReasonCode) -> None:
    files = store_files(tmp_path)
    open_database(files, SeededEntropy(1)).close()
    raw = sqlite3.connect(files.database)
    raw.execute(f"PRAGMA {pragma}")
    raw.close()
    before = files.database.read_bytes()
    with pytest.raises(StoreError) as caught:
        open_database(files, SeededEntropy(1))
    assert caught.value.code is code
    assert caught.value.hint
    assert files.database.read_bytes() == before
