# SPDX-License-Identifier: Apache-2.0
"""A court verifies a bundle on a machine without network, node or home: an empty network namespace."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.directory import sample_network
from tests.support.evidence import A, B, sample_bundle

PROGRAM = Path(sys.executable).with_name("globe-node")
ROOM = ("unshare", "--net") if os.geteuid() == 0 else ("unshare", "--map-root-user", "--net")


def in_a_closed_room(tmp_path: Path, data: bytes) -> "subprocess.CompletedProcess[str]":
    """Verify a bundle where there is no line to anywhere and nothing in the environment."""
    file = tmp_path / "evidence.anp1"
    file.write_bytes(data)
    words = [str(PROGRAM), "evidence", "verify", str(file), "--root", sample_network((A, B)).fingerprint]
    environment = {"PATH": os.environ["PATH"], "HOME": str(tmp_path / "nowhere")}
    return subprocess.run(
        [*ROOM, *words], capture_output=True, text=True, env=environment, check=False, timeout=60
    )


@pytest.fixture(autouse=True)
def _closed_rooms_can_be_made() -> None:
    try:
        done = subprocess.run([*ROOM, "true"], capture_output=True, check=False)
    except FileNotFoundError:
        done = None
    if done is None or done.returncode:
        if os.environ.get("CI"):
            pytest.fail("this machine can make no network namespace; continuous integration needs one")
        pytest.skip("this user can make no network namespace here")


def test_evidence_verifies_without_any_network(tmp_path: Path) -> None:
    done = in_a_closed_room(tmp_path, sample_bundle())
    assert done.returncode == 0, done.stdout + done.stderr
    assert not (tmp_path / "nowhere").exists()


def test_a_changed_octet_is_named_there_too(tmp_path: Path) -> None:
    data = sample_bundle()
    place = data.index(b"\n", len(data) // 2) - 5
    changed = data[:place] + bytes([data[place] ^ 1]) + data[place + 1 :]
    done = in_a_closed_room(tmp_path, changed)
    assert done.returncode == 1
    assert "FAILS  statement " in done.stdout
    assert "Traceback" not in done.stderr
