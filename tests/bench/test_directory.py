# SPDX-License-Identifier: Apache-2.0
from pathlib import Path

import pytest

from bench import directory, runs
from bench.directory import Amounts
from demo.samples.generator import sample_authorities

TINY = Amounts(authorities=60, contacts=120, questions=24, look_ups=60, runs=1)


@pytest.fixture(autouse=True)
def hasty(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(runs, "wait_until_quiet", lambda: None)


def test_looking_up_has_its_figures(tmp_path: Path) -> None:
    found = directory.measure(tmp_path, TINY)
    figures = {name: value for name, value in found.items() if name != "detail"}
    assert set(figures) == {
        "lookup_us",
        "search_p50_ms",
        "search_p99_ms",
        "fts5_p50_ms",
        "fts5_p99_ms",
        "index_s",
        "index_mib",
    }
    assert all(isinstance(value, float) and value > 0 for value in figures.values())


def test_questions_are_the_same_for_the_same_samples() -> None:
    samples = list(sample_authorities(10, 20, seed=1, day=directory.NOW.date()))
    assert directory.questions(samples, 50) == directory.questions(samples, 50)
    assert any(question.text for question in directory.questions(samples, 50))
