# SPDX-License-Identifier: Apache-2.0
"""`python -m tests.mutation [--seconds 900] [path ...]`: plant defects, print the share that was noticed.

Printed is one JSON object, with every defect that no test noticed. Ends with 1 if the share of a module is
under the mark, if tests fail without any defect, or if time ran out.
"""

import argparse
import contextlib
import json
import os
import sys
import time

import pytest

from tests.mutation.session import MutationSession, Outcome

MARK = 0.85
"""Share of defects that has to be noticed in each module."""
TARGETS = (
    "protocol/mls/framing.py",
    "protocol/mls/joining.py",
    "protocol/mls/processing.py",
    "protocol/mls/changes/applying.py",
    "protocol/mls/changes/rules.py",
    "protocol/mls/changes/taking.py",
    "protocol/mls/tree/checks.py",
    "protocol/mls/tree/leaves.py",
)
"""Modules where a check that nobody misses would be a hole."""
TESTS = "tests/protocol/mls"
_ARGUMENTS = ("-q", "-p", "no:randomly", "-p", "no:xdist", "--ignore", "tests/protocol/mls/oracles")
"""Other implementations have threads of their own, which a child process would wait for in vain."""


def main() -> int:
    """Run, print, and return 0 if every share is reached."""
    options = _options()
    started = time.monotonic()
    os.environ["MUTATION"] = "1"
    paths = options.paths or TARGETS
    session = MutationSession(paths, options.seconds, options.processes)
    with contextlib.redirect_stdout(sys.stderr):
        pytest.main([*_ARGUMENTS, options.tests], plugins=[session])
    outcome = session.outcome
    modules = {path: _of_module(outcome, path) for path in paths}
    report = {
        "modules": modules,
        "failing_tests": outcome.broken,
        "left_for_want_of_time": len(outcome.left),
        "wall_seconds": round(time.monotonic() - started, 1),
    }
    sys.stdout.write(json.dumps(report, indent=2) + "\n")
    reached = all(float(str(one["share"])) >= MARK for one in modules.values())
    return 0 if reached and not outcome.broken and not outcome.left else 1


def _of_module(outcome: Outcome, path: str) -> dict[str, object]:
    slow = sum(one.path == path for one in outcome.slow)
    noticed = slow + sum(one.path == path for one in outcome.noticed)
    missed = sorted((one.mutant for one in outcome.missed if one.path == path), key=lambda one: one.line)
    defects = noticed + len(missed)
    return {
        "defects": defects,
        "noticed": noticed,
        "noticed_by_time": slow,
        "share": round(noticed / defects, 3) if defects else 0.0,
        "missed": [f"line {one.line}, {one.function}: {one.text}" for one in missed],
    }


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.mutation", description=__doc__)
    parser.add_argument("--seconds", type=float, default=1800, help="when to stop planting")
    parser.add_argument("--processes", type=int, default=2)
    parser.add_argument("--tests", default=TESTS, help="the folder of the tests that have to notice")
    parser.add_argument("paths", nargs="*", help="modules, from the root; all if none is named")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
