# SPDX-License-Identifier: Apache-2.0
"""Rows open under the key they were sealed with, in their place, until that key is destroyed."""

import errno
import os
from pathlib import Path

import pytest

from globe_node.errors import StoreError
from globe_node.groups import day_keys as module
from globe_node.groups.day_keys import DAY_MS, DayKeys, FileOfKeys, KeyFile, SealedRow
from keys.errors import RowDamagedError
from keys.storage_key import StorageKey
from protocol.errors import ReasonCode
from tests.support.entropy import SeededEntropy
from tests.support.key_files import MemoryKeyFile

NOW = 1_764_000_000_000
LIFE = "0123456789abcdef"
STORAGE = StorageKey.generate(SeededEntropy("storage"))


def day_keys(file: KeyFile, life: str = LIFE, seed: str = "keys") -> DayKeys:
    return DayKeys(file, STORAGE, life, SeededEntropy(seed))


def sealed(keys_: DayKeys, now_ms: int = NOW, text: bytes = b"secret") -> SealedRow:
    return keys_.seal("group_core", b"group", b"rev", text, now_ms=now_ms)


def opened(keys_: DayKeys, row: SealedRow) -> bytes:
    return keys_.open_sealed("group_core", b"group", b"rev", row)


def test_a_row_opens_after_a_restart() -> None:
    file = MemoryKeyFile()
    row = sealed(day_keys(file))
    again = day_keys(file, seed="another start")
    assert not again.foreign
    assert opened(again, row) == b"secret"
    assert file.writings == 1


def test_a_row_opens_in_its_place_and_revision_only() -> None:
    keys_ = day_keys(MemoryKeyFile())
    row = sealed(keys_)
    places = [
        ("group_ratchet", b"group", b"rev"),
        ("group_core", b"other", b"rev"),
        ("group_core", b"group", b"old"),
        ("group_core", b"groupr", b"ev"),
    ]
    for table, row_id, revision in places:
        with pytest.raises(RowDamagedError):
            keys_.open_sealed(table, row_id, revision, row)


def test_every_day_has_its_key_also_when_the_clock_was_set_back() -> None:
    keys_ = day_keys(MemoryKeyFile())
    first = keys_.today(NOW)
    assert keys_.today(NOW + DAY_MS - 1) is first
    assert keys_.today(NOW - 3_600_000) is first
    second = keys_.today(NOW + DAY_MS)
    assert second.number != first.number
    assert keys_.today(NOW - 2 * DAY_MS).number not in (first.number, second.number)


def test_a_spent_key_is_destroyed_and_its_rows_open_no_more_even_from_the_file() -> None:
    file = MemoryKeyFile()
    keys_ = day_keys(file)
    old = sealed(keys_)
    new = sealed(keys_, NOW + DAY_MS)
    assert keys_.spent({old.day_key, new.day_key}, NOW + DAY_MS) == []
    spent = keys_.spent({new.day_key}, NOW + DAY_MS)
    assert spent == [old.day_key]
    keys_.destroy(spent)
    for one in (keys_, day_keys(file)):
        assert not one.knows(old.day_key)
        assert opened(one, new) == b"secret"
        with pytest.raises(RowDamagedError, match="is gone"):
            opened(one, old)


def test_the_key_of_today_is_never_destroyed() -> None:
    keys_ = day_keys(MemoryKeyFile())
    row = sealed(keys_)
    assert keys_.spent((), NOW) == []
    keys_.destroy([row.day_key, 17])
    assert opened(keys_, row) == b"secret"


def test_the_file_of_another_life_is_not_used() -> None:
    file = MemoryKeyFile()
    row = sealed(day_keys(file))
    other = day_keys(file, life="f" * 16, seed="other")
    assert other.foreign
    with pytest.raises(RowDamagedError):
        opened(other, row)
    assert opened(other, sealed(other)) == b"secret"
    assert day_keys(file).foreign


def test_keys_are_durable_before_they_are_used() -> None:
    class FullDisk(MemoryKeyFile):
        def replace(self, data: bytes) -> None:
            raise StoreError("full", code=ReasonCode.STORAGE_FULL)

    keys_ = day_keys(FullDisk())
    for _ in range(2):
        with pytest.raises(StoreError):
            sealed(keys_)


def test_a_ring_that_only_grows_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MAX_DAY_KEYS", 2)
    keys_ = day_keys(MemoryKeyFile())
    sealed(keys_)
    sealed(keys_, NOW + DAY_MS)
    with pytest.raises(StoreError, match="too many keys"):
        sealed(keys_, NOW + 2 * DAY_MS)


# --- the file -------------------------------------------------------------------------------------------
def test_the_file_is_private_and_replaced_whole(tmp_path: Path) -> None:
    path = tmp_path / "group-keys.sealed"
    file = FileOfKeys(path)
    assert file.read() is None
    file.replace(b"one")
    file.replace(b"second")
    assert file.read() == b"second"
    assert path.stat().st_mode & 0o777 == 0o600
    assert [one.name for one in tmp_path.iterdir()] == ["group-keys.sealed"]


def test_what_was_in_the_file_is_overwritten(tmp_path: Path) -> None:
    path = tmp_path / "group-keys.sealed"
    FileOfKeys(path).replace(b"old secret")
    with path.open("rb") as before:  # holds the octets of the old file after its name is gone
        FileOfKeys(path).replace(b"new")
        assert before.read() == bytes(10)


def test_a_disk_that_refuses_is_a_fault_of_the_store(tmp_path: Path) -> None:
    (tmp_path / "folder").mkdir()
    with pytest.raises(StoreError) as caught:
        FileOfKeys(tmp_path / "folder").read()
    assert caught.value.code is ReasonCode.STORAGE_FAILED
    with pytest.raises(StoreError, match="written"):
        FileOfKeys(tmp_path / "missing" / "file").replace(b"x")


def test_a_full_disk_passes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = FileOfKeys(tmp_path / "group-keys.sealed")
    file.replace(b"old")

    def refuse(*_arguments: object) -> int:
        raise OSError(errno.ENOSPC, "full")

    with monkeypatch.context() as patch:
        patch.setattr(os, "write", refuse)
        with pytest.raises(StoreError) as caught:
            file.replace(b"new")
    assert caught.value.is_passing
    assert file.read() == b"old"
