# SPDX-License-Identifier: Apache-2.0
"""What holds for every test: the same examples at every run, judged by what they do, not by how fast.

`EXPLORE=1 make test` draws new examples; what it finds becomes a named test.

A run of all tests also fails if there is a reason code that no test produced through the product and looked
for.
"""

import os
from typing import Any

import pytest
from hypothesis import HealthCheck, settings

from protocol.errors import ReasonCode
from tests.support.produced import Watch, unproduced

settings.register_profile(
    "house", deadline=None, derandomize=True, suppress_health_check=[HealthCheck.too_slow]
)
settings.register_profile("explore", parent=settings.get_profile("house"), derandomize=False)
settings.load_profile("explore" if os.environ.get("EXPLORE") else "house")

WATCH = Watch()
WATCH.begin()
UNPRODUCED = pytest.StashKey[list[str]]()


@pytest.hookimpl(optionalhook=True)
def pytest_testnodedown(node: Any) -> None:
    """Take what one process of several saw."""
    WATCH.pairs |= {(ReasonCode(code), module) for code, module in node.workeroutput.get("produced", ())}


def pytest_sessionfinish(session: pytest.Session, exitstatus: int) -> None:
    """Hand on what this process saw; or judge, at the end of a whole run that is otherwise good."""
    if hasattr(session.config, "workeroutput"):
        session.config.workeroutput["produced"] = sorted((str(code), name) for code, name in WATCH.pairs)
    elif exitstatus == pytest.ExitCode.OK and _is_whole(session.config):
        missing = [code.value for code in unproduced(WATCH.pairs)]
        session.config.stash[UNPRODUCED] = missing
        if missing:
            session.exitstatus = pytest.ExitCode.TESTS_FAILED


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Say which codes nobody produced."""
    for code in terminalreporter.config.stash.get(UNPRODUCED, []):
        terminalreporter.write_line(
            f"FAILED reason code {code}: no test produces it and looks for it", red=True
        )


def _is_whole(config: pytest.Config) -> bool:
    chosen = ("keyword", "markexpr", "deselect", "lf", "failedfirst", "maxfail", "collectonly", "stepwise")
    named = config.args_source is pytest.Config.ArgsSource.TESTPATHS
    return named and not any(config.getoption(option, default=None) for option in chosen)
