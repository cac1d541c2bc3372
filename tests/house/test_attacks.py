# SPDX-License-Identifier: Apache-2.0
"""ATTACKS.md holds every row of the attack and fault matrix once, and every test that it names exists."""

import ast
import re
from functools import cache

from tests.house.source import ROOT, tree_of

TEXT = (ROOT / "docs" / "ATTACKS.md").read_text("utf-8")
ROWS = re.findall(r"^\| ([A-G]\d\d) \| (.+) \| (.+) \| (.+) \|$", TEXT, re.MULTILINE)
SIZES = {"A": 15, "B": 20, "C": 25, "D": 16, "E": 18, "F": 64, "G": 22}
MISSING = ("not reachable yet", "not yet")


@cache
def functions_of(path: str) -> frozenset[str]:
    file = ROOT / "tests" / path
    if not file.is_file():
        return frozenset()
    functions = ast.FunctionDef | ast.AsyncFunctionDef
    return frozenset(node.name for node in tree_of(file).body if isinstance(node, functions))


def test_every_row_is_there_once_and_in_order() -> None:
    expected = [f"{group}{number:02}" for group, size in SIZES.items() for number in range(1, size + 1)]
    assert [row for row, *_ in ROWS] == expected


def test_every_row_is_tried_or_says_what_is_missing() -> None:
    for row, _attack, answer, tried in ROWS:
        assert (tried == "-") is answer.startswith(MISSING), row
        if tried == "-":
            assert ":" in answer or ";" in answer or row.startswith("F"), row


def test_every_test_that_is_named_exists() -> None:
    named = [(row, test) for row, _, _, tried in ROWS for test in re.findall(r"`([^`]+)`", tried)]
    gone = []
    for row, test in named:
        path, _, function = test.partition("::")
        if function not in functions_of(path):
            gone.append(f"{row}: {test}")
    assert gone == []


def test_what_is_reachable_and_touches_input_is_tried() -> None:
    """Groups A to D and G are input of line, messages, directory and groups: few rows wait for more."""
    waiting = {row for row, _, answer, _ in ROWS if answer.startswith(MISSING) and row[0] in "ABCDG"}
    assert waiting == {"B11", "B13", "D02"}
