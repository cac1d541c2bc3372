# SPDX-License-Identifier: Apache-2.0
import json
from pathlib import Path

import pytest

from bench import mls, mls_trials
from bench.primitives import primitives
from tests.support import vectors


def test_each_step_stands_beside_its_primitives() -> None:
    samples = mls.samples_of(2, 2, 1)
    assert {name: len(values) for name, values in samples.items()} == {
        "encrypt_us": 2,
        "decrypt_us": 2,
        "commit_create_us": 2,
        "commit_process_us": 2,
        "join_20_us": 19,
        "keys_of_joiner": 19,
    }
    cost = primitives()
    figures = mls.figures_of(samples, cost)
    assert {name for name in figures if name.endswith("_ratio")} == {f"{step}_ratio" for step in mls.STEPS}
    assert all(value > 0 for value in figures.values())
    for needed in mls.counts(2.0).values():
        assert set(needed) <= set(cost)


@pytest.fixture(name="folder")
def _folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("GLOBE_VECTORS", str(tmp_path))
    for folder in (*mls_trials.FOLDERS, *mls_trials.DATA_FOLDERS):
        (tmp_path / folder).mkdir(exist_ok=True)
    for name in ("good", "bad", "unread"):
        (tmp_path / f"mls-implementations/{name}.json").write_text(json.dumps([{}, {}]))
    return tmp_path


def test_cases_count_if_all_their_tests_pass(folder: Path) -> None:
    readings = mls_trials.Readings()
    for test, name in (("first", "good"), ("second", "bad"), ("third", "bad")):
        readings.pytest_runtest_logstart(test)
        path = readings.vector_path(f"mls-implementations/{name}.json")
        assert path == vectors.vectors_folder() / f"mls-implementations/{name}.json"
    readings.failed.add("third")
    assert mls_trials.count(readings) == {
        "vectors_passed": 2,
        "vectors_failed": 4,
        "vectors_failed_in": ["mls-implementations/bad.json", "mls-implementations/unread.json"],
    }
    assert folder.exists()


def test_data_files_count_if_all_their_tests_pass(folder: Path) -> None:
    readings = mls_trials.Readings()
    for test, name in (("first", "cctv/good.txt"), ("second", "xwing/bad.json"), ("third", "xwing/bad.json")):
        (folder / name).write_text("data")
        readings.pytest_runtest_logstart(test)
        readings.vector_path(name)
    readings.failed.add("third")
    assert mls_trials.count_files(readings) == {
        "data_files_passed": 1,
        "data_files_failed": 1,
        "data_files_failed_in": ["xwing/bad.json"],
    }


def test_a_trial_that_fails_is_counted() -> None:
    trials = mls_trials.Readings()
    for test in (f"{mls_trials.MUTATIONS}/a", f"{mls_trials.MUTATIONS}/b", mls_trials.RANDOM_GROUPS):
        trials.pytest_runtest_logstart(test)
    trials.failed.add(f"{mls_trials.MUTATIONS}/b")
    counted = mls_trials.count_trials(trials)
    assert counted.pop("changed_messages") >= 20_000
    assert counted == {"changed_messages_failed": 1, "random_groups": 1, "random_groups_failed": 0}
