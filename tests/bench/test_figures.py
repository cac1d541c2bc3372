# SPDX-License-Identifier: Apache-2.0
import json
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

from bench import comparison, figures, machine, runs
from bench.__main__ import PARTS, main


def test_a_summary_keeps_every_run() -> None:
    assert figures.summary([3.0, 1.23456, 2.0]) == {
        "median": 2.0,
        "min": 1.235,
        "max": 3.0,
        "runs": [3.0, 1.235, 2.0],
    }


@pytest.mark.parametrize(("share", "value"), [(0.5, 50), (0.99, 99), (1.0, 100), (0.0, 1)])
def test_a_percentile_is_one_of_the_values(share: float, value: int) -> None:
    assert figures.percentile([float(number) for number in range(100, 0, -1)], share) == value


def test_parts_that_are_not_measured_keep_their_figures(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(figures, "LATEST", tmp_path / "latest.json")
    figures.keep({"deliver": {"p50_ms": 4.0}})
    figures.keep({"node": {"ready_s": 1.0}})
    assert figures.read() == {"deliver": {"p50_ms": 4.0}, "node": {"ready_s": 1.0}}


def test_one_part_is_measured_by_its_name(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(figures, "LATEST", tmp_path / "latest.json")
    monkeypatch.setattr(machine, "scratch_folder", lambda: tmp_path / "scratch")
    monkeypatch.setattr(machine, "description", lambda _folder: {})
    monkeypatch.setitem(PARTS, "node", lambda _folder: {"ready_s": 1.0})
    assert main(["node"]) == 0
    printed = json.loads(capsys.readouterr().out)
    assert printed["node"]["ready_s"] == 1.0
    assert "load_before" in printed["node"]["circumstances"]


def test_an_unknown_part_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["speed"]) == 2
    assert "deliver, node, growth" in capsys.readouterr().err


class _OtherWork:
    """Says in turn what others took."""

    shares: Iterator[float] = iter(())

    def __init__(self, _process_ids: object) -> None: ...

    def share(self) -> float:
        return next(self.shares)


@pytest.mark.parametrize(
    ("shares", "kept"),
    [
        ([0.0, 0.0, 0.0], [1.0, 2.0, 3.0]),
        ([0.0, 0.5, 0.02, 0.01], [1.0, 3.0, 4.0]),
        ([0.0, 0.5, 0.02, 0.6, 0.7], [1.0, 2.0, 3.0]),
        ([0.9, 0.8, 0.7], [1.0, 2.0, 3.0]),
    ],
)
async def test_the_least_disturbed_runs_are_kept(
    monkeypatch: pytest.MonkeyPatch, shares: list[float], kept: list[float]
) -> None:
    monkeypatch.setattr(runs, "wait_until_quiet", lambda: None)
    monkeypatch.setattr(runs, "OtherWork", _OtherWork)
    monkeypatch.setattr(_OtherWork, "shares", iter(shares))
    made = 0

    async def measure() -> Mapping[str, float]:
        nonlocal made
        made += 1
        return {"value": float(made)}

    found = (await runs.repeat({"part": measure}, lambda: (), runs=3))["part"]
    assert made == len(shares)
    assert found.detail()["value"] == figures.summary(kept)
    assert found.median("value") == sorted(kept)[1]


def test_own_work_is_no_disturbance() -> None:
    watch = machine.OtherWork(lambda: ())
    assert 0.0 <= watch.share() <= 1.0


def test_the_file_system_of_a_path_is_known() -> None:
    assert machine.file_system_of(Path("/proc/self")) == "proc"


def test_systems_that_are_not_installed_are_passed_over(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(figures, "LATEST", tmp_path / "latest.json")
    figures.keep({"deliver": {"sustained_per_s": 640.0}, "node": {"ready_s": 1.0}})
    monkeypatch.setattr(comparison, "SCRIPTS", tmp_path)
    script = comparison.Script(programs=("no-such-program",), variables=("NO_SUCH_VARIABLE",))
    monkeypatch.setattr(comparison, "PEERS", {"peer_nats": script})
    assert comparison.main([]) == 0
    shown = capsys.readouterr()
    assert "peer_nats: not run, program no-such-program, variable NO_SUCH_VARIABLE missing" in shown.err
    assert "640" in shown.out


def test_what_other_systems_write_becomes_rows(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(figures, "LATEST", tmp_path / "latest.json")
    found = {
        "sync_interval always": {
            "throughput_msgs_s": {"median": 1858.0},
            "latency_ms": {"p50": 2.5, "p99": 4.8},
            "peer_down": {"catch_up_s": 0.3},
            "rss_idle_mib": {"a": 12.0, "b": 13.0},
            "start_up_s": {"median": 0.01},
        },
        "versions": {},
    }
    folder = tmp_path / "scripts"
    folder.mkdir()
    (folder / "peer_nats.py").write_text(
        "import json, pathlib\npathlib.Path('results').mkdir()\n"
        f"pathlib.Path('results/peer_nats.json').write_text(json.dumps({found!r}))\n"
    )
    monkeypatch.setattr(comparison, "SCRIPTS", folder)
    monkeypatch.setattr(comparison, "PEERS", {"peer_nats": comparison.Script()})
    assert comparison.main([]) == 0
    last = capfd.readouterr().out.splitlines()[-1].split("  ")
    cells = [cell.strip() for cell in last if cell]
    assert cells == ["NATS, sync_interval always", "1,858", "2.5", "4.8", "0.3", "12.5", "0.01"]


def test_without_the_scripts_nothing_is_compared(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(comparison, "SCRIPTS", tmp_path / "absent")
    assert comparison.main([]) == 0
    assert "nothing to compare with" in capsys.readouterr().err
