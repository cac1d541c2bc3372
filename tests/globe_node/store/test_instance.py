# SPDX-License-Identifier: Apache-2.0
"""The file beside the database."""

import errno
import os
from pathlib import Path

import pytest

from globe_node.errors import StoreError
from globe_node.store.instance import Instance, InstanceFile, Mark, new_incarnation
from protocol.errors import ReasonCode
from tests.support.entropy import SeededEntropy

ROOT_A, ROOT_B = "a" * 64, "b" * 64


def instance_file(folder: Path) -> InstanceFile:
    file = InstanceFile(folder / "high-water")
    file.write(Instance(new_incarnation(SeededEntropy(1)), ready=True, marks={}))
    return file


def test_a_mark_moves_only_from_where_it_stands(tmp_path: Path) -> None:
    file = instance_file(tmp_path)
    file.advance("audit.xa/2026", None, Mark(1, ROOT_A))
    file.advance("audit.xa/2026", Mark(1, ROOT_A), Mark(2, ROOT_B))
    for expected in (None, Mark(1, ROOT_A), Mark(2, ROOT_A)):
        with pytest.raises(StoreError) as caught:
            file.advance("audit.xa/2026", expected, Mark(3, ROOT_B))
        assert caught.value.code is ReasonCode.RESTORE_DETECTED
    assert file.read().marks == {"audit.xa/2026": Mark(2, ROOT_B)}
    assert (tmp_path / "high-water").stat().st_mode & 0o777 == 0o600


def test_a_crash_while_writing_leaves_the_old_file(tmp_path: Path) -> None:
    file = instance_file(tmp_path)
    (tmp_path / "high-water.new").write_bytes(b"half")
    before = file.read()
    file.advance("log", None, Mark(1, ROOT_A))
    assert file.read() != before
    assert not (tmp_path / "high-water.new").exists()


@pytest.mark.parametrize("call", ["write", "open"])
@pytest.mark.parametrize(
    ("number", "code"),
    [
        (errno.ENOSPC, ReasonCode.STORAGE_FULL),
        (errno.EDQUOT, ReasonCode.STORAGE_FULL),
        (errno.EIO, ReasonCode.STORAGE_FAILED),
    ],
)
def test_a_full_disk_passes_and_leaves_the_mark(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, call: str, number: int, code: ReasonCode
) -> None:
    file = instance_file(tmp_path)

    def refuse(*_arguments: object) -> int:
        raise OSError(number, "refused")

    with monkeypatch.context() as patch:
        patch.setattr(os, call, refuse)
        with pytest.raises(StoreError) as caught:
            file.advance("log", None, Mark(1, ROOT_A))
    assert caught.value.code is code
    assert file.read().marks == {}
    file.advance("log", None, Mark(1, ROOT_A))


@pytest.mark.parametrize(
    "marks",
    ['{"a":1}', '{"a":[1]}', '{"a":["1","b"]}', '{"a":[true,"' + ROOT_A + '"]}', '{"a":[1,"bb"]}', "7"],
)
def test_a_damaged_mark_is_refused(tmp_path: Path, marks: str) -> None:
    file = InstanceFile(tmp_path / "high-water")
    content = '{"incarnation":"0011223344556677","marks":' + marks + ',"ready":true,"v":1}'
    (tmp_path / "high-water").write_text(content)
    with pytest.raises(StoreError) as caught:
        file.read()
    assert caught.value.code is ReasonCode.STORE_CORRUPT


def test_a_folder_in_its_place_is_an_error_with_a_hint(tmp_path: Path) -> None:
    (tmp_path / "high-water").mkdir()
    file = InstanceFile(tmp_path / "high-water")
    with pytest.raises(StoreError):
        file.read()
    with pytest.raises(StoreError):
        file.write(Instance("0" * 16, ready=True, marks={}))
