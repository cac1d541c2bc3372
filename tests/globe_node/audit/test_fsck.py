# SPDX-License-Identifier: Apache-2.0
"""Whatever is changed in a stored log, the check says so and says where."""

import sqlite3
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from functools import cache, partial

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from globe_node.audit import records
from globe_node.audit.checkpoints import Checkpoints
from globe_node.audit.fsck import Report, verify
from globe_node.audit.high_water import MemoryHighWater
from globe_node.audit.log import AuditLog
from globe_node.faults import NoFaults
from globe_node.store import driver
from globe_node.store.database import Database
from globe_node.store.door import InlineDoor
from globe_node.store.driver import driver_of
from globe_node.store.instance import Mark
from keys.log_key import LogKey
from keys.secret import SecretBytes
from keys.storage_key import StorageKey
from protocol.tlog.merkle import Frontier, leaf_hash
from tests.support.audit import LOG_KEY, audit_log, event
from tests.support.entropy import SeededEntropy
from tests.support.loops import run_inline
from tests.support.store import INCARNATION, memory_database, memory_store

START = datetime(2026, 12, 30, 12, 0, tzinfo=UTC)
FIRST, SECOND = 31, 13
"""Entries in the log of each of the two years, with their openings."""
SIGNED = (10, 24, FIRST)
OTHER_STORAGE = StorageKey(SecretBytes(bytes(32)))


@cache
def sample() -> tuple[bytes, dict[str, Mark]]:
    """Two years of a log with four checkpoints, every entry signed: the database, and the marks."""
    store, high_water, log = memory_store(), MemoryHighWater(), audit_log()
    signing = Checkpoints(store, name=log.name, high_water=high_water, signer=LOG_KEY)

    async def make() -> None:
        for number in range(1, FIRST + SECOND - 1):
            at = START + timedelta(hours=number if number < FIRST else 24 * 7 + number)
            await store.write(partial(log.append, events=[event(at=at, msg=f"m{number}")]))
            if number + 1 in SIGNED:
                await signing.sign()
        await signing.sign()

    run_inline(make())
    return driver_of(store._database.writer).serialize(), dict(high_water.marks())


def copy_of_sample() -> InlineDoor:
    database = memory_database()
    driver_of(database.writer).deserialize(sample()[0])
    return InlineDoor(database, NoFaults())


def checked(
    change: Callable[[sqlite3.Connection], object] | None = None,
    *,
    log: AuditLog | None = None,
    marks: dict[str, Mark] | None = None,
    with_marks: bool = True,
    key: LogKey = LOG_KEY,
) -> Report:
    store = copy_of_sample()
    used = log or audit_log()
    if change is not None:
        run_inline(store.write(lambda tx: change(driver_of(tx))))
    known = (sample()[1] if marks is None else marks) if with_marks else None
    return run_inline(
        store.read(lambda tx: verify(tx, vault=used.vault, name=used.name, signer=key, marks=known))
    )


def row(shard: int, index: int) -> int:
    return records.row_id_of(shard, index)


def test_an_untouched_log_is_found_whole() -> None:
    report = checked()
    assert report.problems == []
    assert report.ok
    assert (report.entries, report.checkpoints, report.unsigned) == (FIRST + SECOND, 4, 0)
    assert [(origin, size) for origin, size, _ in report.heads] == [
        (audit_log().name.origin(2026), FIRST),
        (audit_log().name.origin(2027), SECOND),
    ]
    assert report.notes == []
    assert checked(with_marks=False).ok


@pytest.mark.parametrize("column", ["leaf", "vault"])
def test_an_edited_entry_is_named(column: str) -> None:
    def edit(db: sqlite3.Connection) -> None:
        (data,) = db.execute(f"SELECT {column} FROM audit_entry WHERE id = ?", (row(1, 17),)).fetchone()
        changed = data[:40] + bytes([data[40] ^ 1]) + data[41:]
        db.execute(f"UPDATE audit_entry SET {column} = ? WHERE id = ?", (changed, row(1, 17)))

    report = checked(edit)
    assert (report.problems[0].origin, report.problems[0].index) == (audit_log().name.origin(2026), 17)


def test_a_deleted_entry_is_named() -> None:
    report = checked(lambda db: db.execute("DELETE FROM audit_entry WHERE id = ?", (row(1, 12),)))
    assert report.problems[0].index == 12
    assert "missing" in report.problems[0].what


def test_swapped_entries_are_both_named() -> None:
    def swap(db: sqlite3.Connection) -> None:
        db.execute("UPDATE audit_entry SET id = -1 WHERE id = ?", (row(1, 3),))
        db.execute("UPDATE audit_entry SET id = ? WHERE id = ?", (row(1, 3), row(1, 9)))
        db.execute("UPDATE audit_entry SET id = ? WHERE id = -1", (row(1, 9),))

    report = checked(swap)
    assert [problem.index for problem in report.problems[:2]] == [3, 9]


def test_a_vault_taken_away_is_named() -> None:
    report = checked(lambda db: db.execute("UPDATE audit_entry SET vault = NULL WHERE id = ?", (row(2, 4),)))
    assert [(p.origin, p.index) for p in report.problems] == [(audit_log().name.origin(2027), 4)]


def test_a_cut_tail_is_named() -> None:
    report = checked(lambda db: db.execute("DELETE FROM audit_entry WHERE id >= ?", (row(2, 9),)))
    assert report.problems[0].index == 9


def cut_cleanly(db: sqlite3.Connection, shard: int, size: int) -> None:
    """Take a log back to a size with everything in the database that speaks of later: an old copy."""
    leaves = db.execute(
        "SELECT leaf FROM audit_entry WHERE id >= ? AND id < ? ORDER BY id", (row(shard, 0), row(shard, size))
    ).fetchall()
    tree = Frontier().append(leaf_hash(leaf) for (leaf,) in leaves)
    db.execute("DELETE FROM audit_entry WHERE id >= ? AND id < ?", (row(shard, size), row(shard + 1, 0)))
    db.execute("DELETE FROM audit_checkpoint WHERE id > ? AND id < ?", (row(shard, size), row(shard + 1, 0)))
    db.execute("UPDATE audit_shard SET frontier = ? WHERE shard = ?", (tree.to_bytes(), shard))


@pytest.mark.parametrize("size", [1, 5, SECOND - 1])
def test_an_old_copy_is_noticed_by_the_mark_outside(size: int) -> None:
    report = checked(lambda db: cut_cleanly(db, 2, size))
    assert [problem.index for problem in report.problems] == [size]
    assert "old copy" in report.problems[0].what
    assert checked(lambda db: cut_cleanly(db, 2, size), with_marks=False).ok


def test_a_log_taken_away_whole_is_noticed() -> None:
    def drop(db: sqlite3.Connection) -> None:
        db.execute("DELETE FROM audit_entry WHERE id >= ?", (row(2, 0),))
        db.execute("DELETE FROM audit_checkpoint WHERE id >= ?", (row(2, 0),))
        db.execute("DELETE FROM audit_shard WHERE shard = 2")

    assert [problem.origin for problem in checked(drop).problems] == ["audit/2027"]

    def drop_first(db: sqlite3.Connection) -> None:
        db.execute("DELETE FROM audit_entry WHERE id < ?", (row(2, 0),))
        db.execute("DELETE FROM audit_checkpoint WHERE id < ?", (row(2, 0),))
        db.execute("DELETE FROM audit_shard WHERE shard = 1")

    assert any(problem.index == 0 for problem in checked(drop_first, with_marks=False).problems)
    rows_only = checked(lambda db: db.execute("DELETE FROM audit_shard WHERE shard = 1"))
    assert any("entries of no log" in problem.what for problem in rows_only.problems)
    assert any("checkpoints of a log" in problem.what for problem in rows_only.problems)


def test_a_changed_checkpoint_is_noticed() -> None:
    def edit(db: sqlite3.Connection) -> None:
        db.execute(
            "UPDATE audit_checkpoint SET note = replace(note, ?, ?) WHERE id = ?",
            ("\n24\n", "\n25\n", row(1, 24)),
        )

    assert "checkpoint 24 does not verify" in checked(edit).problems[0].what
    moved = checked(
        lambda db: db.execute("UPDATE audit_checkpoint SET id = ? WHERE id = ?", (row(1, 23), row(1, 24)))
    )
    assert "another log or size" in moved.problems[0].what
    tree = checked(
        lambda db: db.execute("UPDATE audit_checkpoint SET frontier = x'00' WHERE id = ?", (row(1, 24),))
    )
    assert "another tree" in tree.problems[0].what
    beyond = checked(
        lambda db: db.execute("UPDATE audit_checkpoint SET id = ? WHERE id = ?", (row(1, 99), row(1, 24)))
    )
    assert any("signed and are missing" in problem.what for problem in beyond.problems)


def test_another_past_with_good_signatures_is_noticed() -> None:
    """Someone with the log key and the storage key writes another history; the mark outside remembers."""
    store, log = memory_store(), audit_log(seed="another")

    async def make() -> None:
        await store.write(lambda tx: log.append(tx, [event(at=START, msg="other")] * (FIRST - 1)))
        other = Checkpoints(store, name=log.name, high_water=MemoryHighWater(), signer=LOG_KEY)
        await other.sign()

    run_inline(make())
    marks = {name: mark for name, mark in sample()[1].items() if name == "audit/2026"}
    report = run_inline(
        store.read(lambda tx: verify(tx, vault=log.vault, name=log.name, signer=LOG_KEY, marks=marks))
    )
    assert [problem.what for problem in report.problems] == [
        f"the first {FIRST} entries are not those of the mark"
    ]


def test_a_missing_mark_and_a_missing_last_checkpoint() -> None:
    assert "no mark" in checked(marks={"audit/2027": sample()[1]["audit/2027"]}).problems[0].what
    report = checked(lambda db: db.execute("DELETE FROM audit_checkpoint WHERE id = ?", (row(2, SECOND),)))
    assert report.ok
    assert report.unsigned == SECOND
    assert len(report.notes) == 1


def test_another_key_and_another_life() -> None:
    stranger = checked(key=LogKey.generate(SeededEntropy("stranger")))
    assert len(stranger.problems) == 4
    other_life = checked(log=audit_log(incarnation="f" * 16), marks={})
    assert other_life.ok
    other_storage = checked(log=audit_log(storage=OTHER_STORAGE))
    assert len(other_storage.problems) == FIRST + SECOND


def test_the_list_of_problems_is_bounded() -> None:
    store, log = memory_store(), audit_log()
    run_inline(store.write(lambda tx: log.append(tx, [event()] * 300)))
    other = audit_log(storage=OTHER_STORAGE)
    report = run_inline(
        store.read(lambda tx: verify(tx, vault=other.vault, name=log.name, signer=LOG_KEY, marks={}))
    )
    assert len(report.problems) == 100
    assert report.entries == 301


def test_changed_tree_rows_are_noticed() -> None:
    store, log = memory_store(), audit_log()

    async def make(statement: str) -> Report:
        await store.write(lambda tx: driver_of(tx).execute(statement))
        return await store.read(
            lambda tx: verify(tx, vault=log.vault, name=log.name, signer=LOG_KEY, marks={})
        )

    run_inline(store.write(lambda tx: log.append(tx, [event()] * 300)))
    assert run_inline(make("SELECT 1")).ok
    assert "roots of parts" in run_inline(make("UPDATE audit_node SET hash = zeroblob(32)")).problems[0].what
    assert not run_inline(make("UPDATE audit_shard SET frontier = x'00'")).ok


TABLES = {
    "audit_entry": ("id", ["leaf", "vault"]),
    "audit_checkpoint": ("id", ["note", "frontier"]),
    "audit_shard": ("shard", ["origin", "frontier"]),
}


@settings(max_examples=50)
@given(st.data())
def test_any_tamper_is_found(data: st.DataObject) -> None:
    """Any byte changed, any row deleted, doubled or swapped, any clean cut behind a mark."""

    def tamper(db: sqlite3.Connection) -> None:
        table = data.draw(st.sampled_from(sorted(TABLES)))
        key, columns = TABLES[table]
        rows = db.execute(f"SELECT {key} FROM {table} ORDER BY {key}").fetchall()
        (chosen,) = data.draw(st.sampled_from(rows))
        act = data.draw(st.sampled_from(["byte", "delete", "swap", "move", "cut"]))
        if act == "byte":
            column = data.draw(st.sampled_from(columns))
            (value,) = db.execute(f"SELECT {column} FROM {table} WHERE {key} = ?", (chosen,)).fetchone()
            raw = bytearray(value.encode() if isinstance(value, str) else value)
            place = data.draw(st.integers(0, len(raw) - 1))
            raw[place] ^= data.draw(st.integers(1, 255))
            new = bytes(raw).decode("utf-8", "replace") if isinstance(value, str) else bytes(raw)
            db.execute(f"UPDATE {table} SET {column} = ? WHERE {key} = ?", (new, chosen))
        elif act == "delete" and table != "audit_checkpoint":
            db.execute(f"DELETE FROM {table} WHERE {key} = ?", (chosen,))
        elif act == "swap" and table != "audit_shard":
            (other,) = data.draw(st.sampled_from([item for item in rows if item[0] != chosen]))
            db.execute(f"UPDATE {table} SET {key} = -1 WHERE {key} = ?", (chosen,))
            db.execute(f"UPDATE {table} SET {key} = ? WHERE {key} = ?", (chosen, other))
            db.execute(f"UPDATE {table} SET {key} = ? WHERE {key} = -1", (other,))
        elif act == "move":
            free = data.draw(st.integers(1, 3).map(lambda shard: row(shard, 1000)))
            db.execute(f"UPDATE {table} SET {key} = ? WHERE {key} = ?", (free, chosen))
        else:
            cut_cleanly(db, 2, data.draw(st.integers(0, SECOND - 1)))

    assert not checked(tamper).ok


def test_an_empty_database_has_nothing_to_find() -> None:
    writer = driver.connect_memory()
    driver_of(writer).deserialize(driver_of(memory_database().writer).serialize())
    database = Database(writer, incarnation=INCARNATION, files=None, lock=-1)
    log = audit_log()
    report = verify(database.writer, vault=log.vault, name=log.name, signer=LOG_KEY, marks={})
    assert report.ok
    assert report.heads == []
