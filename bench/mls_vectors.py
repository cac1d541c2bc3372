# SPDX-License-Identifier: Apache-2.0
"""`python -m bench.mls_vectors`: run the tests that read the official vectors of MLS, and count their cases.

1. A file passes if a test reads it and every test that reads it passes; then all its cases pass, else none.
2. Printed is one JSON object; what pytest says goes to standard error.
"""

import contextlib
import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from tests.support import vectors

FOLDERS = ("mls-implementations", "mls-implementations/interop-passive")
TESTS = "tests/protocol/mls"


class Readings:
    """A plugin of pytest: which tests read which files, and which of them failed."""

    def __init__(self) -> None:
        self._find = vectors.vector_path
        self._test = ""
        self.readers: dict[str, set[str]] = {}
        self.failed: set[str] = set()

    def vector_path(self, name: str) -> Path:
        """Stand in for the function of the same name; remember who asks."""
        self.readers.setdefault(name, set()).add(self._test)
        return self._find(name)

    def pytest_runtest_logstart(self, nodeid: str) -> None:
        """Remember which test runs."""
        self._test = nodeid

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Remember which tests did not pass."""
        if report.outcome != "passed":
            self.failed.add(report.nodeid)


def main(words: Sequence[str]) -> int:
    """Count; return 0 if nothing failed."""
    readings = Readings()
    vectors.vector_path = readings.vector_path
    with contextlib.redirect_stdout(sys.stderr):
        pytest.main(["-q", "-m", "vectors", *(words or [TESTS])], plugins=[readings])
    counted = count(readings)
    print(json.dumps(counted))
    return 1 if counted["vectors_failed"] else 0


def count(readings: Readings) -> dict[str, Any]:
    """Put the cases of all files together."""
    passed, failed = 0, 0
    wrong: list[str] = []
    for folder in FOLDERS:
        for path in sorted((vectors.vectors_folder() / folder).glob("*.json")):
            name = f"{folder}/{path.name}"
            cases = len(json.JSONDecoder().decode(path.read_text("utf-8")))
            readers = readings.readers.get(name, set())
            if readers and not readers & readings.failed:
                passed += cases
            else:
                failed += cases
                wrong.append(name)
    return {"vectors_passed": passed, "vectors_failed": failed, "vectors_failed_in": wrong}


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
