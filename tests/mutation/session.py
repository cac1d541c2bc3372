# SPDX-License-Identifier: Apache-2.0
"""Runs the tests once as they are, then for every defect those that reach its function, in a child process.

1. A defect is put into the code object of the live function, so every importer has it, and a child process
   that ends takes it away again.
2. A defect is noticed if a test fails. If the tests take ten times as long, that is counted apart.
3. Tests are collected once; the fastest that reach the function come first, and the first failure ends. After
   `TEST_SECONDS` of tests the slower ones are left out: a defect that only they notice counts as missed.
"""

import importlib
import os
import resource
import signal
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from types import CodeType, FrameType, FunctionType, ModuleType
from typing import Any

import pytest

from tests.house.source import ROOT
from tests.mutation.operators import Mutant, mutants

POLL_SECONDS = 0.005
TEST_SECONDS = 30.0
CHILD_BYTES = 3 * 1024**3
"""Memory of a child: a defect can make a loop that gathers without end."""


@dataclass(frozen=True, slots=True)
class Planted:
    """One defect in one file.

    Attributes:
        path: of the module, from the root of the repository.
        mutant: the defect.
        function: the live function it goes into.
    """

    path: str
    mutant: Mutant
    function: FunctionType

    @property
    def place(self) -> tuple[str, str]:
        """Where a test has to come by."""
        return self.path, self.mutant.function


@dataclass(slots=True)
class Outcome:
    """What became of the defects.

    Attributes:
        noticed: a test failed.
        slow: the tests did not end in time; noticed too, but worth a look.
        missed: all tests passed, or none comes by.
        left: not planted any more.
        broken: tests that fail without any defect.
    """

    noticed: list[Planted] = field(default_factory=list)
    slow: list[Planted] = field(default_factory=list)
    missed: list[Planted] = field(default_factory=list)
    left: list[Planted] = field(default_factory=list)
    broken: list[str] = field(default_factory=list)


class MutationSession:
    """A plugin of pytest that takes over the running of the collected tests.

    Args:
        paths: modules to plant defects in, from the root of the repository.
        seconds: after this time no further defect is planted.
        processes: how many children work at once.
    """

    def __init__(self, paths: Sequence[str], seconds: float, processes: int) -> None:
        self._paths = paths
        self._seconds = seconds
        self._processes = processes
        self._reached: dict[tuple[str, str], list[tuple[float, int]]] = {}
        self._failed = False
        self.outcome = Outcome()

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Remember that a test failed."""
        self._failed = self._failed or report.failed

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtestloop(self, session: pytest.Session) -> bool:
        """Run everything once, then the defects."""
        started = time.monotonic()
        for index, item in enumerate(session.items):
            self._run_watched(item, index)
            if self._failed:
                self.outcome.broken.append(item.nodeid)
                return True
        session.config.pluginmanager.unregister(name="terminalreporter")
        self._run_planted(session, [one for path in self._paths for one in planted(path)], started)
        return True

    def _run_watched(self, item: pytest.Item, index: int) -> None:
        """Run a test, and remember which functions of the modules it came by, and how long it took."""
        files = {str(ROOT / path): path for path in self._paths}
        places: set[tuple[str, str]] = set()

        def watch(frame: FrameType, event: str, _: Any) -> None:
            if event == "call" and frame.f_code.co_filename in files:
                places.add((files[frame.f_code.co_filename], frame.f_code.co_qualname.split(".<locals>")[0]))

        before = time.monotonic()
        sys.setprofile(watch)
        try:
            _run(item)
        finally:
            sys.setprofile(None)
        for place in places:
            self._reached.setdefault(place, []).append((time.monotonic() - before, index))

    def _run_planted(self, session: pytest.Session, waiting: list[Planted], started: float) -> None:
        running: dict[int, tuple[Planted, float]] = {}
        while waiting or running:
            over = time.monotonic() - started > self._seconds
            while waiting and not over and len(running) < self._processes:
                one = waiting.pop(0)
                chosen, seconds = self._chosen(one)
                if not chosen:
                    self.outcome.missed.append(one)
                    continue
                running[self._child(session, one, chosen)] = one, time.monotonic() + 3 + 10 * seconds
            self._gather(running)
            if over:
                self.outcome.left += waiting
                waiting = []

    def _chosen(self, one: Planted) -> tuple[list[int], float]:
        """Return the tests to run for a defect, and how long they took without it."""
        chosen: list[int] = []
        total = 0.0
        for seconds, index in sorted(self._reached.get(one.place, ())):
            if chosen and total + seconds > TEST_SECONDS:
                break
            chosen.append(index)
            total += seconds
        return chosen, total

    def _gather(self, running: dict[int, tuple[Planted, float]]) -> None:
        """Take the verdict of children that ended; end those whose time is over."""
        for process, (one, deadline) in list(running.items()):
            ended, status = os.waitpid(process, os.WNOHANG)
            if not ended and time.monotonic() > deadline:
                os.kill(process, signal.SIGKILL)
                ended, status = os.waitpid(process, 0)
                self.outcome.slow.append(one)
            elif ended:
                (self.outcome.noticed if status else self.outcome.missed).append(one)
            if ended:
                del running[process]
        time.sleep(POLL_SECONDS)

    def _child(self, session: pytest.Session, one: Planted, chosen: list[int]) -> int:
        process = os.fork()
        if process:
            return process
        status = 1
        try:
            resource.setrlimit(resource.RLIMIT_AS, (CHILD_BYTES, CHILD_BYTES))
            plant(one)
            for index in chosen:
                _run(session.items[index])
                if self._failed:
                    break
            else:
                status = 0
        finally:
            os._exit(status)


def _run(item: pytest.Item) -> None:
    item.config.hook.pytest_runtest_protocol(item=item, nextitem=None)


def planted(path: str) -> Iterator[Planted]:
    """Yield every defect of a module, with the live function it goes into."""
    module = importlib.import_module(path.removesuffix(".py").replace("/", "."))
    for mutant in mutants((ROOT / path).read_text("utf-8")):
        yield Planted(path, mutant, live_function(module, mutant.function))


def plant(one: Planted) -> None:
    """Put a defect into its live function."""
    compiled = compile(one.mutant.tree, str(ROOT / one.path), "exec")
    one.function.__code__ = next(_codes(compiled, one.mutant.function, one.function.__code__.co_firstlineno))


def _codes(code: CodeType, name: str, line: int) -> Iterator[CodeType]:
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            if (constant.co_qualname, constant.co_firstlineno) == (name, line):
                yield constant
            yield from _codes(constant, name, line)


def live_function(module: ModuleType, name: str) -> FunctionType:
    """Find a function or method by its qualified name, below decorators and properties."""
    found: Any = module
    for part in name.split("."):
        found = vars(found)[part]
    if isinstance(found, property):
        found = found.fget
    found = getattr(found, "__func__", found)
    while hasattr(found, "__wrapped__"):
        found = found.__wrapped__
    if not isinstance(found, FunctionType):
        raise TypeError(f"{name} is no function of Python")
    return found
