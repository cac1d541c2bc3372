# SPDX-License-Identifier: Apache-2.0
"""The one way to write: a transaction is a plain function given to the door. Not a place for SQL of any room.

1. Functions run one after another; many that wait are committed together, each in a savepoint of its own.
2. A result reaches its caller after the commit is on the disk; never before.
3. A function that raises loses its own changes alone; its caller gets the exception.
4. A caller that is cancelled does not stop its function: the change is made, whole, or was never begun.
5. After the first failed read, write or sync of the writer nothing more is acknowledged, to anybody. A full
   disk or a foreign lock refuses the waiting group, and the door goes on.
6. A function does database work and nothing else: it does not wait, does not send, keeps no cursor for later,
   and does not commit. With `ThreadDoor` it runs in the door's thread.
"""

import asyncio
import contextlib
import sqlite3
import threading
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from queue import Empty, SimpleQueue
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
MAX_GROUP_SECONDS = 0.05
"""After this time no further function joins the group."""
_PASSING = frozenset({ReasonCode.STORAGE_FULL, ReasonCode.BUSY})


class Store(Protocol):
    """The database as every room sees it."""

    async def write(self, function: Callable[[Transaction], T]) -> T:
        """Run a function in a transaction; return its result when the change is durable.

        Raises:
            StoreError: nothing was changed: `storage_failed`, `store_corrupt`, `storage_full` or `busy`.
            Exception: whatever the function raised; nothing was changed.
        """
        ...

    async def read(self, function: Callable[[Transaction], T]) -> T:
        """Run a function that only reads, on one unchanging view of what was committed.

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
        """Run and commit one group.

        Returns:
            One outcome for each function, or the one error that all of them share: nothing was changed then.
        """
        try:
            self._begin()
            outcomes = [self._run_one(function) for function in functions]
            self._commit()
        except StoreError as error:
            self._abandon(error)
            return error
        except BaseException:
            self._abandon(None)
            raise
        return outcomes

    def _begin(self) -> None:
        if self.failure is not None:
            raise self.failure
        self._database.verify_present()
        self._execute("BEGIN IMMEDIATE")

    def _commit(self) -> None:
        self._faults.point("store.commit.before")
        self._execute("COMMIT")
        self._faults.point("store.commit.after")

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
        if error is not None and error.code not in _PASSING:
            self.failure = self.failure or error
        try:
            self._driver.rollback()
        except sqlite3.Error:
            self.failure = self.failure or StoreError("a transaction could not be taken back")

    def _notice(self, context: ExceptionContext) -> None:
        """Mark the failure before anybody on the way up can swallow the exception."""
        error = store_error(context.original_exception)
        if error is not None and error.code not in _PASSING:
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
        if isinstance(outcomes, StoreError):
            raise _again(outcomes)
        if outcomes[0].error is not None:
            raise outcomes[0].error
        return cast("T", outcomes[0].value)

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
    loop: asyncio.AbstractEventLoop
    future: "asyncio.Future[Any]"


class ThreadDoor:
    """Runs the functions in a thread of its own, in groups; reads run in a few other threads.

    Args:
        database: open; the door closes it.
        faults: asked at `store.commit.before` and `store.commit.after`, in the door's thread.
        monotonic: seconds, to bound the time of a group.
        readers: how many reads may run at once.
    """

    def __init__(
        self, database: Database, *, faults: FaultPoints, monotonic: Callable[[], float], readers: int = 2
    ) -> None:
        self._database = database
        self._writer = Writer(database, faults)
        self._monotonic = monotonic
        self._queue: SimpleQueue[_Waiting | None] = SimpleQueue()
        self._readers: SimpleQueue[Connection] = SimpleQueue()
        self._connections = [database.reader() for _ in range(readers)]
        for connection in self._connections:
            self._readers.put(connection)
        self._reading = ThreadPoolExecutor(readers, thread_name_prefix="store-reader")
        self._closed = False
        self._thread = threading.Thread(target=self._serve, name="store-writer", daemon=True)
        self._thread.start()

    @property
    def failure(self) -> StoreError | None:
        """Why nothing is written any more, or None."""
        return self._writer.failure

    async def write(self, function: Callable[[Transaction], T]) -> T:
        """See `Store.write`."""
        self._require_open()
        loop = asyncio.get_running_loop()
        future: asyncio.Future[T] = loop.create_future()
        self._queue.put(_Waiting(function, loop, future))
        return await future

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
        self._queue.put(None)
        await asyncio.get_running_loop().run_in_executor(None, self._end)

    def _require_open(self) -> None:
        if self._closed:
            raise StoreError("the store is closed")

    def _end(self) -> None:
        self._thread.join()
        self._reading.shutdown(wait=True)
        for connection in self._connections:
            connection.invalidate()
            connection.close()
        self._database.close()

    def _read(self, function: Callable[[Transaction], T]) -> T:
        connection = self._readers.get()
        try:
            return read_once(connection, function)
        finally:
            self._readers.put(connection)

    def _serve(self) -> None:
        while (first := self._queue.get()) is not None:
            group = [first]
            try:
                outcomes = self._writer.run(waiting.function for waiting in self._gather(group))
            except BaseException:  # a fault point, or a defect of the door: nobody may wait for ever
                self._writer.failure = outcomes = StoreError("the writer has stopped")
            if isinstance(outcomes, StoreError):
                outcomes = [Outcome(error=_again(outcomes)) for _ in group]
            _tell(group, outcomes)

    def _gather(self, group: list[_Waiting]) -> Iterator[_Waiting]:
        """Yield the first function, then whatever waits meanwhile, within the bounds of a group."""
        started = self._monotonic()
        yield group[0]
        while len(group) < MAX_GROUP and self._monotonic() - started < MAX_GROUP_SECONDS:
            try:
                waiting = self._queue.get_nowait()
            except Empty:
                return
            if waiting is None:
                self._queue.put(None)
                return
            group.append(waiting)
            yield waiting


def _again(error: StoreError) -> StoreError:
    """Give each waiter an exception of its own: one object raised in many tasks gathers their tracebacks."""
    return StoreError(str(error), hint=error.hint, code=error.code)


def _tell(group: list[_Waiting], outcomes: list[Outcome]) -> None:
    for loop in {id(waiting.loop): waiting.loop for waiting in group}.values():
        mine = [(w.future, outcome) for w, outcome in zip(group, outcomes, strict=True) if w.loop is loop]
        with contextlib.suppress(RuntimeError):  # the caller's loop is gone, and the caller with it
            loop.call_soon_threadsafe(_resolve, mine)


def _resolve(pairs: list[tuple["asyncio.Future[Any]", Outcome]]) -> None:
    for future, outcome in pairs:
        if future.done():  # its caller was cancelled
            continue
        if outcome.error is None:
            future.set_result(outcome.value)
        elif isinstance(outcome.error, StopIteration):
            future.set_exception(RuntimeError("a transaction function raised StopIteration"))
        else:
            future.set_exception(outcome.error)
