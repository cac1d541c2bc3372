# SPDX-License-Identifier: Apache-2.0
"""`python -m bench.mls_trials`: run the tests that try group encryption, and count what they tried.

1. Official vectors: a file passes if a test reads it and every test that reads it passes; then all its cases
   pass, else none. The other data files, of the primitives, count by file in the same way.
2. Changed messages and random groups: the tests with the numbers of their own settings (`MUTATIONS`,
   `MLS_SEEDS`). A failed test counts once, whatever it found.
3. Printed is one JSON object; what pytest says goes to standard error.
"""

import contextlib
import json
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from tests.protocol.mls.mutations.test_mutations import ATTEMPTS, MAKERS, PARTS
from tests.support import vectors

FOLDERS = ("mls-implementations", "mls-implementations/interop-passive")
DATA_FOLDERS = ("wycheproof", "cctv", "xwing", "hpke-pq", "hpke-rfc9180", "argon2")
WITH_DATA = ("tests/protocol", "tests/keys")
MUTATIONS = "tests/protocol/mls/mutations"
RANDOM_GROUPS = "tests/protocol/mls/test_random_groups.py"


class Readings:
    """A plugin of pytest: which tests read which files, which tests ran, and which of them failed."""

    def __init__(self) -> None:
        self._find = vectors.vector_path
        self._test = ""
        self.readers: dict[str, set[str]] = {}
        self.failed: set[str] = set()
        self.ran: set[str] = set()

    def vector_path(self, name: str) -> Path:
        """Stand in for the function of the same name; remember who asks."""
        self.readers.setdefault(name, set()).add(self._test)
        return self._find(name)

    def pytest_runtest_logstart(self, nodeid: str) -> None:
        """Remember which test runs."""
        self._test = nodeid
        self.ran.add(nodeid)

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Remember which tests did not pass."""
        if report.outcome != "passed":
            self.failed.add(report.nodeid)


def main() -> int:
    """Count; return 0 if nothing failed."""
    readings, trials = Readings(), Readings()
    vectors.vector_path = readings.vector_path
    with contextlib.redirect_stdout(sys.stderr):
        pytest.main(["-q", "-m", "vectors", *WITH_DATA], plugins=[readings])
        pytest.main(["-q", MUTATIONS, RANDOM_GROUPS], plugins=[trials])
    print(json.dumps({**count(readings), **count_files(readings), **count_trials(trials)}))
    return 1 if readings.failed or trials.failed else 0


def count(readings: Readings) -> dict[str, Any]:
    """Put the cases of all official files together."""
    passed, failed = 0, 0
    wrong: list[str] = []
    for name, good in _verdicts(readings, FOLDERS, ".json"):
        cases = len(json.JSONDecoder().decode((vectors.vectors_folder() / name).read_text("utf-8")))
        if good:
            passed += cases
        else:
            failed += cases
            wrong.append(name)
    return {"vectors_passed": passed, "vectors_failed": failed, "vectors_failed_in": wrong}


def count_files(readings: Readings) -> dict[str, Any]:
    """Put the files about primitives together."""
    verdicts = dict(_verdicts(readings, DATA_FOLDERS, ""))
    wrong = [name for name, good in verdicts.items() if not good]
    return {
        "data_files_passed": len(verdicts) - len(wrong),
        "data_files_failed": len(wrong),
        "data_files_failed_in": wrong,
    }


def count_trials(trials: Readings) -> dict[str, Any]:
    """Count changed messages and stories of random groups, and the tests that did not pass."""
    mutations = {name for name in trials.ran if name.startswith(MUTATIONS)}
    groups = trials.ran - mutations
    return {
        "changed_messages": ATTEMPTS * PARTS * len(MAKERS) if mutations else 0,
        "changed_messages_failed": len(mutations & trials.failed),
        "random_groups": len(groups),
        "random_groups_failed": len(groups & trials.failed),
    }


def _verdicts(readings: Readings, folders: Sequence[str], suffix: str) -> Iterator[tuple[str, bool]]:
    """Yield each file of some folders, and whether it was read and all tests that read it passed."""
    for folder in folders:
        for path in sorted((vectors.vectors_folder() / folder).glob("*")):
            name = f"{folder}/{path.name}"
            if path.is_file() and name.endswith(suffix):
                readers = readings.readers.get(name, set())
                yield name, bool(readers) and not readers & readings.failed


if __name__ == "__main__":
    sys.exit(main())
