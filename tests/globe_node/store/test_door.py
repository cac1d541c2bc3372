# SPDX-License-Identifier: Apache-2.0
"""The writer door, in both forms."""

import asyncio
import sqlite3
import subprocess
import sys
import threading
import time
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest
from sqlalchemy import text
from sqlalchemy.exc import IntegrityError, OperationalError

from globe_node.errors import StoreError
from globe_node.faults import FaultPoints, NoFaults
from globe_node.store.database import open_database
from globe_node.store.door import InlineDoor, Store, ThreadDoor, Transaction
from globe_node.store.driver import store_error
from protocol.errors import ReasonCode
from tests.support.entropy import SeededEntropy
from tests.support.loops import run_inline
from tests.support.store import folder_store, memory_store, store_files

Forms = ["thread", "inline"]


def thread_store(folder: Path, faults: FaultPoints | None = None) -> ThreadDoor:
    database = open_database(store_files(folder), SeededEntropy(1))
    return ThreadDoor(database, faults=faults or NoFaults(), monotonic=time.monotonic)


class SlowDisk:
    """Holds a commit in the door's thread until it is let go."""

    def __init__(self) -> None:
        self.commits = 0
        self.reached = threading.Event()
        self._go = threading.Event()
        self._go.set()

    def point(self, name: str) -> None:
        if name == "store.commit.before":
            self.commits += 1
            self.reached.set()
            assert self._go.wait(20)

    def hold(self) -> None:
        self.reached.clear()
        self._go.clear()

    def let_go(self) -> None:
        self._go.set()


@pytest.fixture(params=Forms)
async def store(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Store]:
    door: Store = thread_store(tmp_path) if request.param == "thread" else folder_store(tmp_path)
    await door.write(make_table)
    yield door
    await door.close()


def put(number: int) -> Callable[[Transaction], int]:
    def function(tx: Transaction) -> int:
        tx.execute(text("INSERT INTO t (n) VALUES (:n)"), {"n": number})
        return number

    return function


def make_table(tx: Transaction) -> None:
    tx.execute(text("CREATE TABLE t (n INTEGER PRIMARY KEY) STRICT"))


def statement(words: str) -> Callable[[Transaction], None]:
    def function(tx: Transaction) -> None:
        tx.exec_driver_sql(words)

    return function


def numbers(tx: Transaction) -> list[int]:
    return list(tx.execute(text("SELECT n FROM t ORDER BY n")).scalars())


def put_then_raise(number: int, error: BaseException) -> Callable[[Transaction], int]:
    def function(tx: Transaction) -> int:
        put(number)(tx)
        raise error

    return function


async def test_what_is_written_is_read(store: Store) -> None:
    assert await store.write(put(7)) == 7
    assert await store.read(numbers) == [7]


async def test_a_function_that_raises_loses_its_own_changes_alone(store: Store) -> None:
    results = await asyncio.gather(
        store.write(put(1)),
        store.write(put_then_raise(2, ValueError("two"))),
        store.write(put(1)),
        store.write(put_then_raise(3, StopIteration())),
        store.write(put(4)),
        return_exceptions=True,
    )
    assert results[0] == 1
    assert isinstance(results[1], ValueError)
    assert isinstance(results[2], IntegrityError)
    assert isinstance(results[3], RuntimeError | StopIteration)
    assert results[4] == 4
    assert await store.read(numbers) == [1, 4]


async def test_reading_can_not_write_in_the_thread_form(tmp_path: Path) -> None:
    door = thread_store(tmp_path)
    try:
        with pytest.raises(StoreError):
            await door.read(statement("DELETE FROM meta"))
        assert await door.write(lambda tx: tx.exec_driver_sql("SELECT count(*) FROM meta").scalar()) == 1
    finally:
        await door.close()


async def test_a_function_that_commits_by_itself_stops_the_writer(store: Store) -> None:
    with pytest.raises(StoreError):
        await store.write(lambda tx: tx.commit())
    with pytest.raises(StoreError) as caught:
        await store.write(put(1))
    assert caught.value.code is ReasonCode.STORAGE_FAILED


async def test_a_cancelled_caller_does_not_halve_a_transaction(tmp_path: Path) -> None:
    slow = SlowDisk()
    door = thread_store(tmp_path, slow)
    await door.write(make_table)
    slow.hold()
    first = asyncio.create_task(door.write(put(4)))
    await asyncio.to_thread(slow.reached.wait, 10)
    second = asyncio.create_task(door.write(put(5)))
    await asyncio.sleep(0)
    for task in (first, second):
        task.cancel()
    slow.let_go()
    for task in (first, second):
        with pytest.raises(asyncio.CancelledError):
            await task
    assert await door.write(numbers) == [4, 5]
    await door.close()


async def test_waiting_functions_share_one_commit(tmp_path: Path) -> None:
    slow = SlowDisk()
    door = thread_store(tmp_path, slow)
    await door.write(make_table)
    slow.hold()
    first = asyncio.create_task(door.write(put(1_000)))
    await asyncio.to_thread(slow.reached.wait, 10)
    many = [asyncio.create_task(door.write(put(number))) for number in range(600)]
    await asyncio.sleep(0)
    assert await door.read(numbers) == []  # the loop goes on, and sees what was committed
    before = slow.commits
    slow.let_go()
    assert await asyncio.gather(first, *many) == [1_000, *range(600)]
    assert 3 <= slow.commits - before <= 60
    await door.close()


async def test_behind_a_slow_disk_only_so_much_may_wait(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("globe_node.store.door.MAX_WAITING", 3)
    slow = SlowDisk()
    door = thread_store(tmp_path, slow)
    await door.write(make_table)
    slow.hold()
    waiting = [asyncio.create_task(door.write(put(0)))]
    await asyncio.to_thread(slow.reached.wait, 10)
    waiting += [asyncio.create_task(door.write(put(number))) for number in range(1, 4)]
    await asyncio.sleep(0)
    with pytest.raises(StoreError) as caught:
        await door.write(put(9))
    assert caught.value.code is ReasonCode.BUSY
    slow.let_go()
    assert await asyncio.gather(*waiting) == [0, 1, 2, 3]
    assert await door.write(put(9)) == 9
    await door.close()


async def test_a_look_sees_what_was_committed_and_nothing_else(tmp_path: Path) -> None:
    slow = SlowDisk()
    door = thread_store(tmp_path, slow)
    await door.write(make_table)
    slow.hold()
    waiting = asyncio.create_task(door.write(put(1)))
    await asyncio.to_thread(slow.reached.wait, 10)
    assert await door.look(numbers) == []
    slow.let_go()
    await waiting
    assert await door.look(numbers) == [1]
    await door.close()


async def test_whoever_watches_is_told_of_the_failure(tmp_path: Path) -> None:
    door = thread_store(tmp_path)
    watching = asyncio.create_task(door.watch())
    await door.write(make_table)
    assert not watching.done()
    with pytest.raises(StoreError):
        await door.write(put_then_raise(1, disk_error("SQLITE_IOERR_READ")))
    with pytest.raises(StoreError) as caught:
        await watching
    assert caught.value.code is ReasonCode.STORAGE_FAILED
    await door.close()


async def test_close_finishes_what_was_given_in(tmp_path: Path) -> None:
    door = thread_store(tmp_path)
    await door.write(make_table)
    many = [asyncio.create_task(door.write(put(number))) for number in range(20)]
    await asyncio.sleep(0)
    await door.close()
    await door.close()
    assert await asyncio.gather(*many) == list(range(20))
    with pytest.raises(StoreError):
        await door.write(put(99))
    again = folder_store(tmp_path)
    assert await again.read(numbers) == list(range(20))
    await again.close()


async def test_a_closed_inline_door_refuses() -> None:
    door = memory_store()
    await door.close()
    await door.close()
    for call in (door.write, door.read):
        with pytest.raises(StoreError):
            await call(numbers)


def disk_error(name: str) -> OperationalError:
    cause = sqlite3.OperationalError("disk")
    cause.sqlite_errorname = name
    return OperationalError("COMMIT", None, cause)


@pytest.mark.parametrize("name", ["SQLITE_IOERR_FSYNC", "SQLITE_IOERR_WRITE", "SQLITE_READONLY_DBMOVED"])
async def test_the_first_disk_failure_stops_the_writer_for_everybody(store: Store, name: str) -> None:
    results = await asyncio.gather(
        store.write(put(1)), store.write(put_then_raise(2, disk_error(name))), return_exceptions=True
    )
    assert isinstance(results[1], StoreError)
    assert results[1].code is ReasonCode.STORAGE_FAILED
    for _ in range(2):
        with pytest.raises(StoreError) as caught:
            await store.write(put(3))
        assert caught.value.code is ReasonCode.STORAGE_FAILED
    assert 3 not in await store.read(numbers)


@pytest.mark.parametrize(
    ("name", "code"),
    [("SQLITE_FULL", ReasonCode.STORAGE_FULL), ("SQLITE_BUSY", ReasonCode.BUSY)],
)
async def test_a_full_disk_or_a_foreign_lock_passes(store: Store, name: str, code: ReasonCode) -> None:
    with pytest.raises(StoreError) as caught:
        await store.write(put_then_raise(1, disk_error(name)))
    assert caught.value.code is code
    assert await store.write(put(2)) == 2
    assert await store.read(numbers) == [2]


async def test_a_really_full_database_is_refused_and_recovers(store: Store) -> None:
    def shrink(tx: Transaction) -> None:
        pages = tx.exec_driver_sql("PRAGMA page_count").scalar()
        tx.exec_driver_sql(f"PRAGMA max_page_count = {pages}")

    def fill(tx: Transaction) -> None:
        for number in range(5_000):
            put(number)(tx)

    await store.write(shrink)
    with pytest.raises(StoreError) as caught:
        await store.write(fill)
    assert caught.value.code is ReasonCode.STORAGE_FULL
    await store.write(statement("PRAGMA max_page_count = 1000000"))
    assert await store.write(put(1)) == 1
    assert await store.read(numbers) == [1]


async def test_a_failure_that_a_function_swallows_still_stops_the_writer(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = store_error

    def pretend(error: BaseException) -> StoreError | None:
        return StoreError("disk") if "no such table" in str(error) else real(error)

    def swallow(tx: Transaction) -> int:
        try:
            tx.execute(text("SELECT * FROM absent"))
        except OperationalError:
            return 1
        return 0

    monkeypatch.setattr("globe_node.store.door.store_error", pretend)
    for function in (swallow, put(1)):
        with pytest.raises(StoreError) as caught:
            await store.write(function)
        assert caught.value.code is ReasonCode.STORAGE_FAILED


async def test_a_database_taken_away_stops_the_writer(store: Store, tmp_path: Path) -> None:
    (tmp_path / "node.db").rename(tmp_path / "elsewhere.db")
    with pytest.raises(StoreError) as caught:
        await store.write(put(1))
    assert caught.value.code is ReasonCode.STORAGE_FAILED
    assert not (tmp_path / "node.db").exists()
    (tmp_path / "elsewhere.db").rename(tmp_path / "node.db")


async def test_a_foreign_lock_is_answered_busy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("globe_node.store.driver._COMMON", ("busy_timeout = 1",))
    door: InlineDoor = folder_store(tmp_path)
    foreign = sqlite3.connect(tmp_path / "node.db", isolation_level=None)
    foreign.execute("BEGIN IMMEDIATE")
    with pytest.raises(StoreError) as caught:
        await door.write(lambda tx: None)
    assert caught.value.code is ReasonCode.BUSY
    foreign.execute("ROLLBACK")
    foreign.close()
    await door.write(lambda tx: None)
    await door.close()


def test_a_limit_of_file_size_stops_the_writer_and_not_the_process(tmp_path: Path) -> None:
    code = (
        "import asyncio, resource, sys\n"
        "from pathlib import Path\n"
        "from globe_node.errors import StoreError\n"
        "from tests.globe_node.store.test_door import make_table, numbers, put, thread_store\n"
        "async def main():\n"
        "    door = thread_store(Path(sys.argv[1]))\n"
        "    await door.write(make_table)\n"
        "    await door.write(put(1))\n"
        "    resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000))\n"
        "    fill = lambda tx: tx.exec_driver_sql('CREATE TABLE b AS SELECT zeroblob(200000)')\n"
        "    for function in (fill, put(2)):\n"
        "        try:\n"
        "            await door.write(function)\n"
        "        except StoreError as error:\n"
        "            print(error.code)\n"
        "    print(await door.read(numbers))\n"
        "    await door.close()\n"
        "asyncio.run(main())\n"
    )
    result = subprocess.run(
        [sys.executable, "-c", code, str(tmp_path)], capture_output=True, text=True, check=True
    )
    assert result.stdout.split("\n") == ["storage_failed", "storage_failed", "[1]", ""]
    door = folder_store(tmp_path)
    assert run_inline(door.read(numbers)) == [1]
    run_inline(door.close())


class StopHere:
    """A fault point that fails at one place."""

    def __init__(self, name: str, error: BaseException) -> None:
        self._name, self._error, self.armed = name, error, True

    def point(self, name: str) -> None:
        if self.armed and name == self._name:
            raise self._error


async def test_a_fault_before_the_commit_leaves_nothing(tmp_path: Path) -> None:
    fault = StopHere("store.commit.before", KeyboardInterrupt())
    fault.armed = False
    door = folder_store(tmp_path, fault)
    await door.write(make_table)
    fault.armed = True
    with pytest.raises(KeyboardInterrupt):
        await door.write(put(1))
    fault.armed = False
    assert await door.read(numbers) == []
    await door.close()


async def test_nobody_waits_for_ever_when_the_writer_dies(tmp_path: Path) -> None:
    fault = StopHere("store.commit.before", RuntimeError("fault"))
    database = open_database(store_files(tmp_path), SeededEntropy(1))
    door = ThreadDoor(database, faults=fault, monotonic=time.monotonic)
    results = await asyncio.gather(*(door.write(lambda tx: 1) for _ in range(3)), return_exceptions=True)
    assert {type(result) for result in results} == {StoreError}
    assert door.failure is not None
    await door.close()
