# SPDX-License-Identifier: Apache-2.0
"""The one way to write: a transaction is a plain function given to the door. Not a place for SQL of any room.

1. Functions run one after another; many that wait are committed together, each in a savepoint of its own.
2. A result reaches its caller after the commit is on the disk; never before.
3. A function that raises loses its own changes alone; its caller gets the exception.
4. A caller that is cancelled does not stop its function: the change is made, whole, or was never begun.
5. After the first failed read, write or sync of the writer nothing more is acknowledged, to anybody. A full
   disk or a foreign lock refuses the waiting group, and the door goes on.
6. A function does database work and nothing else: it does not wait, does not send, keeps no cursor for later,
   and does not commit. It is short: it runs in the event loop. Waiting for the disk does not.
"""

import asyncio
import contextlib
import sqlite3
import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from queue import SimpleQueue
from typing import Any, Protocol, TypeVar, cast

from sqlalchemy import Connection, event
from sqlalchemy.engine import ExceptionContext

from globe_node.errors import StoreError
from globe_node.faults import FaultPoints
from globe_node.store.database import Database
from globe_node.store.driver import driver_of, store_error
from protocol.errors import ReasonCode

Transaction = Connection
"""What a transaction function gets: a connection inside a transaction that the door opened and will end."""

T = TypeVar("T")
MAX_GROUP = 256
"""Functions that one commit may hold."""
MAX_GROUP_SECONDS = 0.01
"""After this time no further function joins the group."""
MAX_WAITING = 16_384
"""Functions that may wait behind a slow disk; one more is refused as `busy`."""


class Store(Protocol):
    """The database as every room sees it."""

    async def write(self, function: Callable[[Transaction], T]) -> T:
        """Run a function in a transaction; return its result when the change is durable.

        Raises:
            StoreError: nothing was changed: `storage_failed`, `store_corrupt`, `storage_full` or `busy`.
            Exception: whatever the function raised; nothing was changed.
        """
        ...

    async def look(self, function: Callable[[Transaction], T]) -> T:
        """Run at once a function that reads a few rows by their keys, on one view of what was committed.

        Raises:
            StoreError: the database can't be read.
            Exception: whatever the function raised.
        """
        ...

    async def read(self, function: Callable[[Transaction], T]) -> T:
        """Run a function that only reads, in a thread, on one unchanging view of what was committed.

        For what takes longer than a few rows: lists, checks, work on what was read.

        Raises:
            StoreError: the database can't be read.
            Exception: whatever the function raised.
        """
        ...

    async def close(self) -> None:
        """Finish what was given in, then close; a later call fails."""
        ...


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of one function: its value, or why there is none."""

    value: object = None
    error: BaseException | None = None


class Writer:
    """Runs groups of functions on the writer's connection. Used from one thread at a time."""

    def __init__(self, database: Database, faults: FaultPoints) -> None:
        self._database = database
        self._connection = database.writer
        self._driver = driver_of(database.writer)
        self._faults = faults
        self.failure: StoreError | None = None
        event.listen(self._connection.engine, "handle_error", self._notice)

    def run(self, functions: Iterable[Callable[[Transaction], object]]) -> list[Outcome] | StoreError:
        """Begin a group and run its functions; `commit` must follow.

        Returns:
            One outcome for each function, or the one error that all of them share: nothing was changed then,
            and there is nothing to commit.
        """
        try:
            self._begin()
            return [self._run_one(function) for function in functions]
        except StoreError as error:
            self._abandon(error)
            return error
        except BaseException:
            self._abandon(None)
            raise

    def commit(self) -> StoreError | None:
        """Make the group durable.

        Returns:
            None, or the error that all functions of the group share: nothing was changed then.
        """
        try:
            self._faults.point("store.commit.before")
            self._execute("COMMIT")
            self._faults.point("store.commit.after")
        except StoreError as error:
            self._abandon(error)
            return self.failure or error
        except Exception:  # a fault point that fails; a caller may not wait for ever
            self._abandon(StoreError("the writer has stopped"))
            return self.failure
        except BaseException:
            self._abandon(None)
            raise
        return None

    def _begin(self) -> None:
        if self.failure is not None:
            raise self.failure
        self._database.verify_present()
        self._execute("BEGIN IMMEDIATE")

    def _run_one(self, function: Callable[[Transaction], object]) -> Outcome:
        self._execute("SAVEPOINT door")
        try:
            outcome = Outcome(value=function(self._connection))
        except Exception as error:  # the function's own; its neighbours in the group go on
            shared = self.failure or store_error(error)
            if shared is not None:
                raise shared from None
            self._require_open()
            self._execute("ROLLBACK TO door")
            outcome = Outcome(error=error)
        if self.failure is not None:
            raise self.failure
        self._require_open()
        self._execute("RELEASE door")
        return outcome

    def _require_open(self) -> None:
        if not self._driver.in_transaction or not self._connection.in_transaction():
            raise StoreError("a transaction function ended the transaction by itself")

    def _execute(self, statement: str) -> None:
        try:
            self._driver.execute(statement)
        except sqlite3.Error as error:
            raise store_error(error) or StoreError("the store does not answer as it should") from None

    def _abandon(self, error: StoreError | None) -> None:
        if error is not None and not error.is_passing:
            self.failure = self.failure or error
        try:
            self._driver.rollback()
        except sqlite3.Error:
            self.failure = self.failure or StoreError("a transaction could not be taken back")

    def _notice(self, context: ExceptionContext) -> None:
        """Mark the failure before anybody on the way up can swallow the exception."""
        error = store_error(context.original_exception)
        if error is not None and not error.is_passing:
            self.failure = self.failure or error


def read_once(connection: Connection, function: Callable[[Transaction], T]) -> T:
    """Run a function on one view of the database.

    Raises:
        StoreError: the database can't be read; a damaged page is `store_corrupt`.
    """
    raw = driver_of(connection)
    try:
        raw.execute("BEGIN")
        return function(connection)
    except Exception as error:
        shared = store_error(error)
        if shared is None:
            raise
        raise shared from None
    finally:
        raw.rollback()


class InlineDoor:
    """Runs each function at once, in the caller, in a transaction of its own: for simulations and tests."""

    def __init__(self, database: Database, faults: FaultPoints) -> None:
        self._database = database
        self._writer = Writer(database, faults)
        self._closed = False

    @property
    def failure(self) -> StoreError | None:
        """Why nothing is written any more, or None."""
        return self._writer.failure

    async def write(self, function: Callable[[Transaction], T]) -> T:
        """See `Store.write`."""
        self._require_open()
        outcomes = self._writer.run((function,))
        error = outcomes if isinstance(outcomes, StoreError) else self._writer.commit()
        if isinstance(outcomes, StoreError) or error is not None:
            raise _again(error or StoreError("the writer has stopped"))
        if outcomes[0].error is not None:
            raise outcomes[0].error
        return cast("T", outcomes[0].value)

    async def look(self, function: Callable[[Transaction], T]) -> T:
        """See `Store.look`."""
        return await self.read(function)

    async def read(self, function: Callable[[Transaction], T]) -> T:
        """See `Store.read`."""
        self._require_open()
        return read_once(self._database.writer, function)

    async def close(self) -> None:
        """See `Store.close`."""
        if not self._closed:
            self._closed = True
            self._database.close()

    def _require_open(self) -> None:
        if self._closed:
            raise StoreError("the store is closed")


@dataclass(slots=True)
class _Waiting:
    function: Callable[[Transaction], object]
    future: "asyncio.Future[Any]"


class ThreadDoor:
    """Runs the functions in groups in the event loop, and waits for the disk in a thread of its own.

    A statement of the driver lets go of the interpreter, and under load a thread waits milliseconds to get it
    back: functions that ran in a thread would pay that for every statement. The commit alone is worth it.

    Args:
        database: open; the door closes it.
        faults: asked at `store.commit.before` and `store.commit.after`, in the door's thread.
        monotonic: seconds, to bound the time of a group.
        readers: how many `read`s may run at once.
    """

    def __init__(
        self, database: Database, *, faults: FaultPoints, monotonic: Callable[[], float], readers: int = 2
    ) -> None:
        self._database = database
        self._writer = Writer(database, faults)
        self._monotonic = monotonic
        self._waiting: deque[_Waiting] = deque()
        self._busy = False
        self._idle = asyncio.Event()
        self._failed = asyncio.Event()
        self._commits: SimpleQueue[Callable[[], None] | None] = SimpleQueue()
        self._glance = database.reader()
        self._connections = [database.reader() for _ in range(readers)]
        self._readers: SimpleQueue[Connection] = SimpleQueue()
        for connection in self._connections:
            self._readers.put(connection)
        self._reading = ThreadPoolExecutor(readers, thread_name_prefix="store-reader")
        self._closed = False
        self._thread = threading.Thread(target=self._serve, name="store-commit", daemon=True)
        self._thread.start()

    @property
    def failure(self) -> StoreError | None:
        """Why nothing is written any more, or None."""
        return self._writer.failure

    async def watch(self) -> None:
        """Wait until the store has failed, then raise why; a task that ends the node.

        Raises:
            StoreError: the failure.
        """
        await self._failed.wait()
        raise _again(self._writer.failure or StoreError("the store has failed"))

    async def write(self, function: Callable[[Transaction], T]) -> T:
        """See `Store.write`."""
        self._require_open()
        if len(self._waiting) >= MAX_WAITING:
            raise StoreError("too much waits to be stored", hint="try again", code=ReasonCode.BUSY)
        loop = asyncio.get_running_loop()
        future: asyncio.Future[T] = loop.create_future()
        self._waiting.append(_Waiting(function, future))
        if not self._busy:
            self._busy = True
            self._idle.clear()
            loop.call_soon(self._run_group, loop)
        return await future

    async def look(self, function: Callable[[Transaction], T]) -> T:
        """See `Store.look`."""
        self._require_open()
        return read_once(self._glance, function)

    async def read(self, function: Callable[[Transaction], T]) -> T:
        """See `Store.read`."""
        self._require_open()
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._reading, self._read, function)

    async def close(self) -> None:
        """See `Store.close`."""
        if self._closed:
            return
        self._closed = True
        while self._busy:
            await self._idle.wait()
        self._commits.put(None)
        await asyncio.get_running_loop().run_in_executor(None, self._end)

    def _require_open(self) -> None:
        if self._closed:
            raise StoreError("the store is closed")

    def _end(self) -> None:
        self._thread.join()
        self._reading.shutdown(wait=True)
        for connection in (self._glance, *self._connections):
            self._database.close_reader(connection)
        self._database.close()

    def _read(self, function: Callable[[Transaction], T]) -> T:
        connection = self._readers.get()
        try:
            return read_once(connection, function)
        finally:
            self._readers.put(connection)

    def _run_group(self, loop: asyncio.AbstractEventLoop) -> None:
        """Run what waits, within the bounds of a group, then hand the commit to the thread."""
        group = [self._waiting.popleft()]
        outcomes: list[Outcome] | StoreError = StoreError("a transaction function ended the process")
        try:
            outcomes = self._writer.run(waiting.function for waiting in self._gather(group))
        finally:
            if isinstance(outcomes, StoreError):
                self._finish(loop, group, outcomes)
        if isinstance(outcomes, StoreError):
            return
        self._commits.put(partial(self._commit, loop, group, outcomes))

    def _gather(self, group: list[_Waiting]) -> Iterator[_Waiting]:
        """Yield the first function, then whatever waits, within the bounds of a group."""
        started = self._monotonic()
        yield group[0]
        while self._waiting and len(group) < MAX_GROUP and self._monotonic() - started < MAX_GROUP_SECONDS:
            group.append(self._waiting.popleft())
            yield group[-1]

    def _serve(self) -> None:
        while (commit := self._commits.get()) is not None:
            commit()

    def _commit(
        self, loop: asyncio.AbstractEventLoop, group: list[_Waiting], outcomes: list[Outcome]
    ) -> None:
        try:
            error = self._writer.commit()
        except BaseException:  # nobody may wait for ever
            error = self._writer.failure = StoreError("the writer has stopped")
        with contextlib.suppress(RuntimeError):  # the loop is gone, and every caller with it
            loop.call_soon_threadsafe(self._finish, loop, group, error or outcomes)

    def _finish(
        self, loop: asyncio.AbstractEventLoop, group: list[_Waiting], outcomes: list[Outcome] | StoreError
    ) -> None:
        """Tell the callers, and go on with what came meanwhile."""
        if isinstance(outcomes, StoreError):
            outcomes = [Outcome(error=_again(outcomes)) for _ in group]
        for waiting, outcome in zip(group, outcomes, strict=True):
            _resolve(waiting.future, outcome)
        if self._writer.failure is not None:
            self._failed.set()
        if self._waiting:
            loop.call_soon(self._run_group, loop)
        else:
            self._busy = False
            self._idle.set()


def _again(error: StoreError) -> StoreError:
    """Give each waiter an exception of its own: one object raised in many tasks gathers their tracebacks."""
    return StoreError(str(error), hint=error.hint, code=error.code)


def _resolve(future: "asyncio.Future[Any]", outcome: Outcome) -> None:
    if future.done():  # its caller was cancelled
        return
    if outcome.error is None:
        future.set_result(outcome.value)
    elif isinstance(outcome.error, StopIteration):
        future.set_exception(RuntimeError("a transaction function raised StopIteration"))
    else:
        future.set_exception(outcome.error)
