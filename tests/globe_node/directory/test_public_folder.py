# SPDX-License-Identifier: Apache-2.0
"""The public folder: replaced as a whole, and verified by somebody who trusts nothing in it."""

import os
import stat
from collections.abc import Callable
from pathlib import Path

import pytest

from globe_node.directory import public_folder
from globe_node.directory.public_folder import MANIFEST, SIGNATURE, verify_public, write_public
from globe_node.errors import ConfigError
from protocol.errors import RemoteProtocolError, UntrustedError
from protocol.identifiers import Digest
from protocol.lookup.publication import INDEX, STATEMENTS
from tests.support.directory import sample_network
from tests.support.publications import Publication, published

NETWORK = sample_network()
PUBLISHED = published()
FEWER = published(sample_network(("xa-acc",)))


def put(folder: Path, one: Publication = PUBLISHED) -> Path:
    write_public(folder, one.signed, one.signature, one.files)
    return folder


def listed(folder: Path) -> set[str]:
    return {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return put(tmp_path / "public")


def test_what_was_written_is_verified(folder: Path) -> None:
    assert verify_public(folder, NETWORK.fingerprint) == PUBLISHED.manifest
    assert listed(folder) == {*PUBLISHED.files, MANIFEST, SIGNATURE}


def test_nothing_of_an_older_folder_stays(folder: Path) -> None:
    put(folder, FEWER)
    assert listed(folder) == {*FEWER.files, MANIFEST, SIGNATURE}
    assert list(folder.parent.iterdir()) == [folder]
    assert verify_public(folder, NETWORK.fingerprint) == FEWER.manifest


def test_an_empty_folder_is_taken_and_any_other_is_left_alone(tmp_path: Path) -> None:
    empty, mine, link = tmp_path / "empty", tmp_path / "mine", tmp_path / "link"
    empty.mkdir()
    put(empty)
    mine.mkdir()
    (mine / "letter").write_text("keep me")
    link.symlink_to(empty)
    for other in (mine, mine / "letter", link):
        with pytest.raises(ConfigError):
            put(other)
    assert (mine / "letter").read_text() == "keep me"
    assert verify_public(empty, NETWORK.fingerprint) == PUBLISHED.manifest


def test_everybody_may_read_it_whatever_the_process_hides(tmp_path: Path) -> None:
    before = os.umask(0o077)
    try:
        folder = put(tmp_path / "public")
    finally:
        os.umask(before)
    assert {stat.S_IMODE(path.stat().st_mode) for path in folder.rglob("*") if path.is_file()} == {0o644}
    folders = [folder, *(path for path in folder.rglob("*") if path.is_dir())]
    assert {stat.S_IMODE(path.stat().st_mode) for path in folders} == {0o755}


def test_what_a_crash_left_is_put_back_or_removed(folder: Path) -> None:
    old, new = folder.with_name(".public.old"), folder.with_name(".public.new")
    folder.rename(old)
    new.mkdir()
    (new / "half").write_text("")
    put(folder)
    assert list(folder.parent.iterdir()) == [folder]
    assert verify_public(folder, NETWORK.fingerprint) == PUBLISHED.manifest


def test_a_full_disk_leaves_the_old_folder(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(_path: Path, _data: bytes) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(public_folder, "_write", full)
    with pytest.raises(ConfigError, match="No space"):
        put(folder, FEWER)
    assert list(folder.parent.iterdir()) == [folder]
    assert verify_public(folder, NETWORK.fingerprint) == PUBLISHED.manifest


def _append(path: str) -> Callable[[Path], None]:
    def change(folder: Path) -> None:
        (folder / path).write_bytes((folder / path).read_bytes() + b" ")

    return change


def _add(folder: Path) -> None:
    (folder / "authorities/xz-more.json").write_bytes(b"{}")


def _link(folder: Path) -> None:
    (folder / INDEX).rename(folder.parent / "elsewhere")
    (folder / INDEX).symlink_to(folder.parent / "elsewhere")


def _pipe(folder: Path) -> None:
    (folder / INDEX).unlink()
    os.mkfifo(folder / INDEX)


CHANGES: dict[str, Callable[[Path], None]] = {
    "an authority": _append("authorities/xb-ibu.json"),
    "a country": _append("countries/XB.json"),
    "the index": _append(INDEX),
    "the statements": _append(STATEMENTS),
    "the manifest": _append(MANIFEST),
    "the signature": _append(SIGNATURE),
    "a file is missing": lambda folder: (folder / "authorities/xb-ibu.json").unlink(),
    "a file more": _add,
    "a folder more": lambda folder: (folder / "authorities" / "deep").mkdir(),
    "a link": _link,
    "a pipe": _pipe,
}


@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES.keys())
def test_every_change_is_found(folder: Path, change: Callable[[Path], None]) -> None:
    change(folder)
    with pytest.raises(RemoteProtocolError):
        verify_public(folder, NETWORK.fingerprint)


def test_another_network_and_no_folder_are_refused(folder: Path) -> None:
    with pytest.raises(UntrustedError):
        verify_public(folder, Digest("0" * 64))
    with pytest.raises(ConfigError):
        verify_public(folder / "none", NETWORK.fingerprint)
    (folder / SIGNATURE).unlink()
    with pytest.raises(ConfigError):
        verify_public(folder, NETWORK.fingerprint)
