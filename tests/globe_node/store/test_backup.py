# SPDX-License-Identifier: Apache-2.0
"""Backup and restore of a home folder."""

from pathlib import Path

import pytest

from globe_node.errors import ConflictError, StoreError
from globe_node.faults import NoFaults
from globe_node.home import Home
from globe_node.store import archive, backup
from globe_node.store.backup import Sealing, restore_backup, write_backup
from globe_node.store.database import open_database
from globe_node.store.door import InlineDoor, Transaction
from globe_node.store.driver import driver_of
from globe_node.store.instance import InstanceFile
from keys.at_rest.passphrase_hash import CHEAPEST, HashCost
from keys.secret import SecretBytes
from protocol.errors import ReasonCode
from tests.support.entropy import SeededEntropy
from tests.support.loops import run_inline
from tests.support.store import folder_store, store_files

PASSPHRASE = SecretBytes(b"correct horse battery staple")
SEALING = Sealing(PASSPHRASE, CHEAPEST, SeededEntropy("backup"))


@pytest.fixture(autouse=True)
def quick_hash(monkeypatch: pytest.MonkeyPatch) -> None:
    def stand_in(passphrase: SecretBytes, salt: bytes, cost: HashCost) -> SecretBytes:
        return SecretBytes((passphrase.reveal() * 32)[:16] + salt)

    monkeypatch.setattr(archive, "key_from", stand_in)


def nothing_wrong(_tx: Transaction, _folder: Path) -> None:
    return None


def all_stays(_tx: Transaction) -> None:
    return None


def no_act(_tx: Transaction, _folder: Path, _incarnation: str) -> None:
    return None


def count(tx: Transaction) -> int:
    return int(driver_of(tx).execute("SELECT count(*) FROM t").fetchone()[0])


def execute(door: InlineDoor, statement: str) -> None:
    run_inline(door.write(lambda tx: driver_of(tx).execute(statement)))


def make_home(folder: Path) -> InlineDoor:
    door = folder_store(folder)
    (folder / "config.toml").write_text("listen = 1\n")
    (folder / "keystore").mkdir(mode=0o700)
    (folder / "keystore" / "node.sealed").write_text("sealed keys")
    (folder / "keystore" / "notes.txt").write_text("not ours")
    (folder / "node.sock").write_text("")
    execute(door, "CREATE TABLE t (n INTEGER PRIMARY KEY) STRICT")
    execute(door, "INSERT INTO t VALUES (1), (2)")
    return door


def back_up(home: Path, target: Path) -> archive.Manifest:
    return write_backup(
        home, target, sealing=SEALING, about={"made": "now"}, check=nothing_wrong, leave_out=all_stays
    )


def restore(target: Path, home: Path, *, replace: bool = False) -> Path | None:
    _, aside = restore_backup(
        target,
        home,
        passphrase=PASSPHRASE,
        entropy=SeededEntropy("restore"),
        check=nothing_wrong,
        first_act=no_act,
        replace=replace,
    )
    return aside


def test_a_running_node_is_backed_up_and_restored_as_another_life(tmp_path: Path) -> None:
    home, target = tmp_path / "home", tmp_path / "b.backup"
    door = make_home(home)
    manifest = back_up(home, target)
    assert sorted(manifest.files) == ["config.toml", "keystore/node.sealed", "node.db"]
    assert target.stat().st_mode & 0o777 == 0o600
    assert not (home / ".backup").exists()
    execute(door, "INSERT INTO t VALUES (3)")
    assert run_inline(door.read(count)) == 3
    before = InstanceFile(home / "high-water").read()
    run_inline(door.close())

    assert restore(target, tmp_path / "again") is None
    found = InstanceFile(tmp_path / "again" / "high-water").read()
    assert found.incarnation != before.incarnation
    assert found.ready
    assert not found.marks
    assert (tmp_path / "again" / "keystore" / "node.sealed").read_text() == "sealed keys"
    assert sorted(path.name for path in (tmp_path / "again").iterdir()) == [
        "config.toml",
        "high-water",
        "keystore",
        "node.db",
    ]
    again = InlineDoor(open_database(store_files(tmp_path / "again"), SeededEntropy(9)), NoFaults())
    assert run_inline(again.read(count)) == 2
    assert again._database.incarnation == found.incarnation
    run_inline(again.close())


def test_the_first_act_of_the_new_life_is_in_the_database(tmp_path: Path) -> None:
    door = make_home(tmp_path / "home")
    run_inline(door.close())
    back_up(tmp_path / "home", tmp_path / "b")
    seen: list[str] = []

    def act(tx: Transaction, folder: Path, incarnation: str) -> None:
        seen.append(incarnation)
        assert (folder / "keystore" / "node.sealed").exists()
        driver_of(tx).execute("INSERT INTO t VALUES (77)")

    restore_backup(
        tmp_path / "b",
        tmp_path / "again",
        passphrase=PASSPHRASE,
        entropy=SeededEntropy("restore"),
        check=nothing_wrong,
        first_act=act,
    )
    again = folder_store(tmp_path / "again")
    assert run_inline(again.read(count)) == 3
    assert again._database.incarnation == seen[0]
    run_inline(again.close())


def test_a_database_copied_back_by_hand_does_not_start(tmp_path: Path) -> None:
    """What `restore` is for: the copy is of a former life."""
    home = tmp_path / "home"
    run_inline(make_home(home).close())
    back_up(home, tmp_path / "b")
    restore(tmp_path / "b", tmp_path / "again")
    (home / "node.db").replace(tmp_path / "again" / "node.db")
    with pytest.raises(StoreError) as caught:
        folder_store(tmp_path / "again")
    assert caught.value.code is ReasonCode.RESTORE_DETECTED


def test_nothing_is_overwritten(tmp_path: Path) -> None:
    home, target = tmp_path / "home", tmp_path / "b"
    door = make_home(home)
    back_up(home, target)
    with pytest.raises(ConflictError):
        back_up(home, target)
    with pytest.raises(ConflictError):
        restore(target, home)
    with pytest.raises(StoreError) as caught:
        restore(target, home, replace=True)
    assert caught.value.code is ReasonCode.LOCKED_ELSEWHERE
    assert run_inline(door.read(count)) == 2
    run_inline(door.close())
    aside = restore(target, home, replace=True)
    assert aside == tmp_path / "home.before-restore-1"
    assert (aside / "node.db").exists()
    assert restore(target, home, replace=True) == tmp_path / "home.before-restore-2"
    (tmp_path / "empty").mkdir()
    assert restore(target, tmp_path / "empty") is None
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        "b",
        "empty",
        "home",
        "home.before-restore-1",
        "home.before-restore-2",
    ]


def test_a_damaged_database_becomes_no_backup(tmp_path: Path) -> None:
    home = tmp_path / "home"
    run_inline(make_home(home).close())

    def wrong(_tx: Transaction, _folder: Path) -> None:
        raise StoreError("the audit log is not whole", code=ReasonCode.LOG_INCONSISTENT)

    with pytest.raises(StoreError):
        write_backup(home, tmp_path / "b", sealing=SEALING, about={}, check=wrong, leave_out=all_stays)
    (home / "node.db").write_bytes(b"no database" * 1000)
    with pytest.raises(StoreError):
        back_up(home, tmp_path / "b")
    (home / "node.db").unlink()
    with pytest.raises(StoreError):
        back_up(home, tmp_path / "b")
    assert not (home / "node.db").exists()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["home"]


def test_a_restore_that_fails_leaves_everything_as_it_was(tmp_path: Path) -> None:
    home, target = tmp_path / "home", tmp_path / "b"
    run_inline(make_home(home).close())
    back_up(home, target)
    data = target.read_bytes()
    target.write_bytes(data[:-1] + bytes([data[-1] ^ 1]))
    before = {path.name for path in home.iterdir()}
    for replace in (True, False):
        with pytest.raises(StoreError):
            restore(target, home if replace else tmp_path / "new", replace=replace)
    with pytest.raises(StoreError):
        restore(tmp_path / "absent", tmp_path / "new")
    assert {path.name for path in home.iterdir()} == before
    assert sorted(path.name for path in tmp_path.iterdir()) == ["b", "home"]


def test_a_backup_of_a_newer_program_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    home = tmp_path / "home"
    run_inline(make_home(home).close())
    back_up(home, tmp_path / "b")
    monkeypatch.setattr("globe_node.store.migrate.newest_step", lambda: 1)
    with pytest.raises(StoreError) as caught:
        restore(tmp_path / "b", tmp_path / "new")
    assert caught.value.code is ReasonCode.BAD_VERSION


def test_a_backup_without_database_is_refused(tmp_path: Path) -> None:
    (tmp_path / "config.toml").write_text("x")
    with (tmp_path / "b").open("wb") as out:
        archive.write_archive(
            out,
            {"config.toml": tmp_path / "config.toml"},
            {},
            passphrase=PASSPHRASE,
            cost=CHEAPEST,
            entropy=SeededEntropy(1),
        )
    with pytest.raises(StoreError):
        restore(tmp_path / "b", tmp_path / "new")
    assert not (tmp_path / "new").exists()


def test_the_names_are_those_of_the_home() -> None:
    home = Home(Path("/h"))
    names = (backup.DATABASE, backup.INSTANCE, backup.LOCK)
    assert [Path("/h") / name for name in names] == [home.database, home.high_water, home.lock]
    for path in (home.settings, home.node_keys, home.root_key, home.admission_request):
        assert archive.is_archive_name(path.relative_to("/h").as_posix())


def test_what_is_left_out_is_not_in_the_file_either(tmp_path: Path) -> None:
    """Not as a row, and not as octets in a page that was given back."""
    door = make_home(tmp_path / "home")
    planted = b"planted secret of some length " * 200
    execute(door, "CREATE TABLE secret (octets BLOB) STRICT")
    run_inline(
        door.write(lambda tx: driver_of(tx).execute("INSERT INTO secret (octets) VALUES (?)", (planted,)))
    )

    def leave_out(tx: Transaction) -> None:
        driver_of(tx).execute("DELETE FROM secret")

    write_backup(
        tmp_path / "home",
        tmp_path / "b",
        sealing=SEALING,
        about={},
        check=nothing_wrong,
        leave_out=leave_out,
    )
    run_inline(door.close())
    restore(tmp_path / "b", tmp_path / "again")
    found = [path.read_bytes() for path in (tmp_path / "again").rglob("*") if path.is_file()]
    assert not any(b"planted secret" in octets for octets in found)
    again = folder_store(tmp_path / "again")
    assert run_inline(again.read(count)) == 2
    run_inline(again.close())
