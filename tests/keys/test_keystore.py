# SPDX-License-Identifier: Apache-2.0
import os
import stat
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from keys import keystore
from keys.at_rest import sealed_file
from keys.at_rest.contents import Bundle
from keys.at_rest.passphrase_hash import CHEAPEST, HashCost, key_from, passphrase_of
from keys.at_rest.sealed_file import MAX_FILE_BYTES, FileKind
from keys.errors import (
    KeyFileDamagedError,
    KeyFileExistsError,
    KeyFilePermissionsError,
    KeyFileWriteError,
    KeystoreError,
    MissingKeyFileError,
    WeakPassphraseError,
    WrongPassphraseError,
)
from keys.secret import SecretBytes
from tests.house.source import ROOT
from tests.support.entropy import SeededEntropy
from tests.support.identities import authority_root, node_keys, officer_key

PASSPHRASE = passphrase_of("five words by chance here")
OTHER = passphrase_of("five other words by chance")


@pytest.fixture(scope="module", autouse=True)
def _hash_once() -> Iterator[None]:
    """Compute each passphrase hash once: salts repeat here, and the hash is slow on purpose."""
    known: dict[tuple[bytes, bytes, HashCost], SecretBytes] = {}

    def remembered(passphrase: SecretBytes, salt: bytes, cost: HashCost) -> SecretBytes:
        asked = (passphrase.reveal(), salt, cost)
        if asked not in known:
            known[asked] = key_from(passphrase, salt, cost)
        return known[asked]

    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(sealed_file, "key_from", remembered)
        yield


def _create(path: Path, bundle: Bundle) -> None:
    keystore.create(path, bundle, PASSPHRASE, entropy=SeededEntropy(path.name), cost=CHEAPEST)


@pytest.fixture(scope="module")
def sealed(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    path = tmp_path_factory.mktemp("made") / "keystore" / "root.sealed"
    _create(path, authority_root())
    return path.read_bytes()


@pytest.fixture
def root_file(tmp_path: Path, sealed: bytes) -> Path:
    folder = tmp_path / "keystore"
    folder.mkdir(mode=0o700)
    path = folder / "root.sealed"
    path.write_bytes(sealed)
    path.chmod(0o600)
    return path


def _names(path: Path) -> list[str]:
    return sorted(entry.name for entry in path.parent.iterdir())


# --- making and opening -----------------------------------------------------------------------------------
def test_each_kind_of_keys_comes_back_from_its_file(tmp_path: Path) -> None:
    folder = tmp_path / "keystore"
    _create(folder / "node.sealed", node_keys())
    _create(folder / "root.sealed", authority_root())
    _create(folder / "officer.sealed", officer_key())
    node = keystore.open_node(folder / "node.sealed", PASSPHRASE)
    assert node.signing.key_id == node_keys().signing.key_id
    root = keystore.open_root(folder / "root.sealed", PASSPHRASE)
    assert root.signing.key_id == authority_root().signing.key_id
    officer = keystore.open_officer(folder / "officer.sealed", PASSPHRASE)
    assert officer.signing.key_id == officer_key().signing.key_id
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert {stat.S_IMODE(path.stat().st_mode) for path in folder.iterdir()} == {0o600}
    assert _names(folder / "x") == ["node.sealed", "officer.sealed", "root.sealed"]


def test_the_mode_does_not_depend_on_the_umask(tmp_path: Path) -> None:
    before = os.umask(0)
    try:
        _create(tmp_path / "keystore" / "officer.sealed", officer_key())
    finally:
        os.umask(before)
    keystore.read_sealed(tmp_path / "keystore" / "officer.sealed")


def test_no_secret_stands_in_the_file(sealed: bytes) -> None:
    secret = authority_root().signing.secret.reveal()
    assert secret[:32] not in sealed
    assert secret[:16].hex().encode() not in sealed


def test_a_wrong_passphrase_opens_nothing(root_file: Path, sealed: bytes) -> None:
    with pytest.raises(WrongPassphraseError):
        keystore.open_root(root_file, OTHER)
    assert root_file.read_bytes() == sealed


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    for path in (tmp_path / "none" / "node.sealed", tmp_path / "node.sealed"):
        tmp_path.chmod(0o700)
        with pytest.raises(MissingKeyFileError, match=r"node\.sealed"):
            keystore.open_node(path, PASSPHRASE)


# --- nothing is overwritten -------------------------------------------------------------------------------
@pytest.mark.parametrize("what", ["file", "folder", "link to nowhere"])
def test_create_refuses_whatever_is_there(root_file: Path, what: str) -> None:
    path = root_file.with_name("new.sealed")
    if what == "file":
        path.write_bytes(b"mine")
    elif what == "folder":
        path.mkdir()
    else:
        path.symlink_to("nowhere")
    with pytest.raises(KeyFileExistsError):
        _create(path, officer_key())
    assert what != "file" or path.read_bytes() == b"mine"
    assert _names(root_file) == ["new.sealed", "root.sealed"]


def test_create_refuses_a_file_that_appears_while_it_works(
    root_file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = root_file.with_name("new.sealed")
    monkeypatch.setattr(keystore, "make_private_folder", lambda _folder: path.write_bytes(b"mine"))
    with pytest.raises(KeyFileExistsError):
        _create(path, officer_key())
    assert path.read_bytes() == b"mine"
    assert _names(root_file) == ["new.sealed", "root.sealed"]


def test_create_refuses_a_short_passphrase(tmp_path: Path) -> None:
    with pytest.raises(WeakPassphraseError):
        keystore.create(tmp_path / "k" / "n", officer_key(), passphrase_of("short"), entropy=SeededEntropy())
    assert list(tmp_path.iterdir()) == []


def test_replace_needs_the_passphrase_of_the_old_file(root_file: Path, sealed: bytes) -> None:
    with pytest.raises(WrongPassphraseError):
        keystore.replace(root_file, authority_root("xb-acc"), OTHER, entropy=SeededEntropy())
    assert root_file.read_bytes() == sealed


def test_replace_keeps_the_kind(root_file: Path, sealed: bytes) -> None:
    with pytest.raises(KeyFileDamagedError, match="root key, not a officer key"):
        keystore.replace(root_file, officer_key(), PASSPHRASE, entropy=SeededEntropy())
    assert root_file.read_bytes() == sealed


def test_replace_puts_the_new_keys_in_place(root_file: Path) -> None:
    keystore.replace(root_file, authority_root("xb-acc"), PASSPHRASE, entropy=SeededEntropy(), cost=CHEAPEST)
    assert keystore.open_root(root_file, PASSPHRASE).authority == "xb-acc"
    assert _names(root_file) == ["root.sealed"]


def test_another_passphrase_opens_the_same_keys(root_file: Path) -> None:
    entropy = SeededEntropy("change")
    keystore.change_passphrase(root_file, FileKind.ROOT, PASSPHRASE, OTHER, entropy=entropy, cost=CHEAPEST)
    assert keystore.open_root(root_file, OTHER).signing.key_id == authority_root().signing.key_id
    with pytest.raises(WrongPassphraseError):
        keystore.open_root(root_file, PASSPHRASE)


@pytest.mark.parametrize(
    ("old", "new", "error"),
    [(OTHER, OTHER, WrongPassphraseError), (PASSPHRASE, passphrase_of("short"), WeakPassphraseError)],
)
def test_a_passphrase_is_not_changed_by_who_does_not_know_it_or_to_a_short_one(
    old: SecretBytes, new: SecretBytes, error: type[KeystoreError], root_file: Path, sealed: bytes
) -> None:
    with pytest.raises(error):
        keystore.change_passphrase(root_file, FileKind.ROOT, old, new, entropy=SeededEntropy())
    assert root_file.read_bytes() == sealed


def test_replace_makes_no_file_where_none_was(root_file: Path) -> None:
    with pytest.raises(MissingKeyFileError):
        keystore.replace(root_file.with_name("none"), authority_root(), PASSPHRASE, entropy=SeededEntropy())
    assert _names(root_file) == ["root.sealed"]


# --- power loss and bad disks -----------------------------------------------------------------------------
class PowerLoss(BaseException):
    """Ends everything at once."""


def _failing_at(call: int, error: BaseException, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the nth call to the operating system that changes the disk fail before it acts."""
    count = 0

    def failing(real: Callable[..., object]) -> Callable[..., object]:
        def act(*arguments: object, **options: object) -> object:
            nonlocal count
            count += 1
            if count == call:
                raise error
            return real(*arguments, **options)

        return act

    for name in ("fsync", "replace", "link", "unlink"):
        monkeypatch.setattr(os, name, failing(getattr(os, name)))


@pytest.mark.parametrize("call", range(1, 5))
@pytest.mark.parametrize("error", [PowerLoss(), OSError(28, "no space"), OSError("nameless")], ids=repr)
def test_a_rotation_that_is_cut_leaves_the_old_keys_or_the_new(
    call: int, error: BaseException, root_file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patched:
        _failing_at(call, error, patched)
        try:
            keystore.replace(
                root_file, authority_root("xb-acc"), PASSPHRASE, entropy=SeededEntropy(), cost=CHEAPEST
            )
            finished = True
        except (PowerLoss, KeyFileWriteError):
            finished = False
    found = keystore.open_root(root_file, PASSPHRASE).authority
    assert found in (("xb-acc",) if finished else ("xa-acc", "xb-acc"))
    assert call > 2 or found == "xa-acc"


DYING = """
import os, sys
from pathlib import Path
from keys import keystore
from keys.at_rest.passphrase_hash import CHEAPEST, passphrase_of
from tests.support.entropy import SeededEntropy
from tests.support.identities import authority_root
step, left, path = sys.argv[1], int(sys.argv[2]), Path(sys.argv[3])
real = getattr(os, step)
def dying(*arguments, **options):
    global left
    left -= 1
    if left == 0:
        os._exit(9)
    return real(*arguments, **options)
setattr(os, step, dying)
words = passphrase_of("five words by chance here")
keystore.replace(path, authority_root("xb-acc"), words, entropy=SeededEntropy("new"), cost=CHEAPEST)
"""


@pytest.mark.parametrize(
    ("step", "nth", "found"),
    [("fsync", 1, "xa-acc"), ("replace", 1, "xa-acc"), ("unlink", 1, "xb-acc"), ("fsync", 2, "xb-acc")],
)
def test_a_process_that_dies_while_it_rotates_leaves_the_old_keys_or_the_new(
    step: str, nth: int, found: str, root_file: Path
) -> None:
    done = subprocess.run(
        [sys.executable, "-c", DYING, step, str(nth), str(root_file)], cwd=ROOT, check=False
    )
    assert done.returncode == 9
    assert keystore.open_root(root_file, PASSPHRASE).authority == found
    keystore.replace(
        root_file, authority_root("xc-acc"), PASSPHRASE, entropy=SeededEntropy("after"), cost=CHEAPEST
    )
    assert keystore.open_root(root_file, PASSPHRASE).authority == "xc-acc"


@pytest.mark.parametrize("call", [1, 2])
def test_a_file_that_was_not_made_is_not_there(
    call: int, root_file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = root_file.with_name("new.sealed")
    with monkeypatch.context() as patched:
        _failing_at(call, OSError(28, "no space"), patched)
        with pytest.raises(KeyFileWriteError) as caught:
            _create(path, officer_key())
    assert caught.value.hint
    assert _names(root_file) == ["root.sealed"]


def test_a_disk_that_stores_something_else_is_noticed(
    root_file: Path, sealed: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(keystore, "_sealed", lambda *_: _Shifting(b"new keys"))
    with pytest.raises(KeyFileWriteError):
        keystore.replace(root_file, authority_root(), PASSPHRASE, entropy=SeededEntropy())
    assert root_file.read_bytes() == sealed
    assert _names(root_file) == ["root.sealed"]


class _Shifting(bytes):
    """Bytes that no file gives back."""

    def __eq__(self, other: object) -> bool:
        return False

    def __ne__(self, other: object) -> bool:
        return True

    __hash__ = bytes.__hash__


def test_a_folder_that_can_not_be_made_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(KeystoreError) as caught:
        _create(tmp_path / "file" / "keystore" / "node.sealed", officer_key())
    assert caught.value.hint


# --- who may touch it -------------------------------------------------------------------------------------
@pytest.mark.parametrize("mode", [0o640, 0o604, 0o620, 0o602, 0o610, 0o644, 0o666])
def test_a_file_that_others_may_touch_is_refused(root_file: Path, mode: int) -> None:
    root_file.chmod(mode)
    with pytest.raises(KeyFilePermissionsError, match="others") as caught:
        keystore.open_root(root_file, PASSPHRASE)
    assert "chmod 600" in caught.value.hint
    assert stat.S_IMODE(root_file.stat().st_mode) == mode


@pytest.mark.parametrize("mode", [0o750, 0o705, 0o770, 0o711, 0o777, 0o1777])
def test_a_folder_that_others_may_enter_is_refused(root_file: Path, mode: int) -> None:
    root_file.parent.chmod(mode)
    with pytest.raises(KeyFilePermissionsError, match="others") as caught:
        keystore.open_root(root_file, PASSPHRASE)
    assert "chmod 700" in caught.value.hint
    with pytest.raises(KeyFilePermissionsError):
        _create(root_file.with_name("new.sealed"), officer_key())
    assert _names(root_file) == ["root.sealed"]


def test_a_link_is_refused(root_file: Path) -> None:
    link = root_file.with_name("link.sealed")
    link.symlink_to(root_file)
    with pytest.raises(KeyFilePermissionsError, match="link"):
        keystore.open_root(link, PASSPHRASE)


def test_a_file_that_may_not_be_read_is_named(root_file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def closed(*_: object, **__: object) -> int:
        raise PermissionError(13, "permission denied")

    with monkeypatch.context() as patched:
        patched.setattr(os, "open", closed)
        with pytest.raises(KeyFilePermissionsError, match="may not read"):
            keystore.open_root(root_file, PASSPHRASE)


def test_a_pipe_and_a_folder_are_refused(root_file: Path) -> None:
    pipe, folder = root_file.with_name("pipe"), root_file.with_name("folder")
    os.mkfifo(pipe, 0o600)
    folder.mkdir(mode=0o700)
    for path in (pipe, folder):
        with pytest.raises(KeyFilePermissionsError, match="plain file"):
            keystore.open_root(path, PASSPHRASE)


def test_a_file_of_somebody_else_is_refused(root_file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: root_file.stat().st_uid + 1)
    with pytest.raises(KeyFilePermissionsError, match="of this user"):
        keystore.open_root(root_file, PASSPHRASE)


def test_a_disk_that_does_not_give_it_back_is_named(root_file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(_descriptor: int) -> os.stat_result:
        raise OSError(5, "input or output error")

    with monkeypatch.context() as patched:
        patched.setattr(os, "fstat", broken)
        with pytest.raises(KeyFileDamagedError, match="give back"):
            keystore.open_root(root_file, PASSPHRASE)


def test_a_file_without_bound_is_not_read(root_file: Path) -> None:
    root_file.write_bytes(b"x" * (MAX_FILE_BYTES + 1))
    with pytest.raises(KeyFileDamagedError, match="too large"):
        keystore.open_root(root_file, PASSPHRASE)
