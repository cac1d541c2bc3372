# SPDX-License-Identifier: Apache-2.0
"""GROUP_RULES.md names tests that exist, and leaves out none that stands for a section of RFC 9420."""

import ast
import re

from tests.house.source import ROOT, tree_of

FOLDER = ROOT / "tests" / "protocol" / "mls"
TEXT = (ROOT / "docs" / "GROUP_RULES.md").read_text("utf-8")
ROWS = re.findall(r"^\| ([\d., ]+) \| (.+) \| (.+) \|$", TEXT, re.MULTILINE)
NAMED = frozenset(test for _, _, tried in ROWS for test in re.findall(r"`([^`]+)`", tried))


def functions_of(path: str) -> frozenset[str]:
    file = FOLDER / path
    if not file.is_file():
        return frozenset()
    return frozenset(node.name for node in tree_of(file).body if isinstance(node, ast.FunctionDef))


def test_every_rule_names_a_test() -> None:
    assert len(ROWS) > 60
    assert [rule for _, rule, tried in ROWS if "::" not in tried] == []


def test_every_test_that_is_named_exists() -> None:
    parted = [(test, *test.split("::")) for test in sorted(NAMED)]
    assert [test for test, path, name in parted if name not in functions_of(path)] == []


def test_every_test_of_a_section_is_on_the_page() -> None:
    missing = [
        f"negatives/{path.name}::{name}"
        for path in sorted((FOLDER / "negatives").glob("test_*.py"))
        for name in sorted(functions_of(f"negatives/{path.name}"))
        if re.match(r"test_\d", name) and f"negatives/{path.name}::{name}" not in NAMED
    ]
    assert missing == []
