# SPDX-License-Identifier: Apache-2.0
import ast

import pytest

from tests.house.source import ROOT
from tests.mutation import sample
from tests.mutation.operators import mutants
from tests.mutation.session import live_function, plant, planted

SAMPLE = "tests/mutation/sample.py"


def texts(source: str) -> list[str]:
    return [one.text for one in mutants(source)]


def test_every_defect_of_a_module() -> None:
    assert texts((ROOT / SAMPLE).read_text("utf-8")) == [
        "return value * 2  ->  return None",
        "value * 2  ->  value // 2",
        "2  ->  3",
        "return self._most  ->  return None",
        "value > self._most  ->  value >= self._most",
        "value > self._most  ->  value <= self._most",
        "value > self._most  ->  True",
        "raise ValueError('beyond the bound')  ->  pass",
    ]


@pytest.mark.parametrize(
    ("statement", "expected"),
    [
        ("check(a)", ["check(a)  ->  pass"]),
        ("x = a or b", ["a or b  ->  a and b"]),
        ("x = not a", ["not a  ->  a"]),
        ("x = [y for y in z if y]", ["y  ->  True"]),
        ("x = b'ab'", ["b'ab'  ->  b'aba'"]),
        ("x = 'key', 'MLS 1.0 '", ["'key'  ->  'keyk'", "'MLS 1.0 '  ->  'MLS 1.0 M'"]),
        ("return 'what is wrong'", ["return 'what is wrong'  ->  return None"]),
        ("x = any(a)", ["any(a)  ->  all(a)"]),
        ("x: 'int' = True", ["True  ->  False"]),
        ("raise Error('text', 5)", ["raise Error('text', 5)  ->  pass"]),
        ("x = a is not None", ["a is not None  ->  a is None"]),
        ("x = y if a else z", ["a  ->  True", "a  ->  False"]),
    ],
)
def test_what_becomes_of_a_statement(statement: str, expected: list[str]) -> None:
    assert texts(f"def f():\n    {statement}\n") == expected


def test_a_defect_changes_one_place() -> None:
    source = (ROOT / SAMPLE).read_text("utf-8")
    whole = ast.unparse(ast.parse(source)).splitlines()
    for one in mutants(source):
        lines = ast.unparse(one.tree).splitlines()
        assert sum(first != second for first, second in zip(whole, lines, strict=True)) == 1


def test_a_planted_defect_is_in_the_live_function(monkeypatch: pytest.MonkeyPatch) -> None:
    """Functions below decorators and methods of classes are changed for whoever has imported them."""
    for path in planted(SAMPLE):
        monkeypatch.setattr(path.function, "__code__", path.function.__code__)
    defects = {one.mutant.text: one for one in planted(SAMPLE)}
    plant(defects["2  ->  3"])
    assert sample.doubled(5) == 15
    plant(defects["return self._most  ->  return None"])
    assert sample.Bound(3).most is None
    plant(defects["raise ValueError('beyond the bound')  ->  pass"])
    sample.Bound(3).require(4)


def test_only_functions_of_python_are_changed() -> None:
    with pytest.raises(TypeError, match="no function"):
        live_function(sample, "Bound")
