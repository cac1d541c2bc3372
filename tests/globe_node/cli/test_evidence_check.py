# SPDX-License-Identifier: Apache-2.0
"""A hub that is convicted by a bundle is named, for people and programs; the bundle holds all the same."""

import json
from pathlib import Path

import pytest

from globe_node.cli.main import main
from globe_node.errors import ExitCode
from protocol.record import record_hash
from tests.support.directory import sample_network
from tests.support.evidence import A, B, CaseFile, accused_bundle, consulted, hub_receipt_of, paired

ROOT = sample_network((A, B)).fingerprint


@pytest.fixture
def file(tmp_path: Path) -> Path:
    made = tmp_path / "evidence.anp1"
    made.write_bytes(accused_bundle())
    return made


def test_people_read_which_hub_gave_one_place_twice(file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["evidence", "verify", str(file), "--root", ROOT]) == ExitCode.OK
    shown = capsys.readouterr().out
    assert "equivocation 1: the hub xa-acc/main GAVE ONE PLACE TWICE" in shown
    assert "epoch 3 of group" in shown
    assert record_hash(b"another commit") in shown


def test_programs_read_both_commits(file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["evidence", "verify", str(file), "--root", ROOT, "--json"]) == ExitCode.OK
    (found,) = json.loads(capsys.readouterr().out)["equivocations"]
    assert (found["finding"], found["hub"], found["epoch"]) == (
        "the hub gave one place twice",
        "xa-acc/main",
        3,
    )
    commits = {record_hash(b"a commit"), record_hash(b"another commit")}
    assert {one["commit"] for one in found["given"]} == commits


def test_a_false_proof_fails_and_names_no_hub(file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    case = consulted(CaseFile(sample_network((A, B))))
    one, other = (hub_receipt_of(case.consultation, epoch=epoch) for epoch in (3, 4))
    file.write_bytes(case.bundle(equivocations=(paired(one, other),)).to_bytes())
    assert main(["evidence", "verify", str(file), "--root", ROOT]) == ExitCode.FAILED
    shown = capsys.readouterr().out
    assert "FAILS  equivocation 1: place" in shown
    assert "GAVE ONE PLACE TWICE" not in shown
