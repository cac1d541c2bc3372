# SPDX-License-Identifier: Apache-2.0
"""Makes a backup of a home folder, and a home folder of a backup. Not a copy of files: see rule 1.

1. A database in use is copied by the database (`VACUUM INTO`), in one view; the copy is checked before it is
   kept. Copying its files would give a mixture of moments.
2. The instance file is never in a backup: it is what shows that a database is an old copy.
3. What must not live on in a copy, such as keys that are spent when they were used, is deleted from the copy
   before it is sealed.
4. A restored node is another life of it: it takes a new incarnation, before it can send anything.
5. Restoring goes into a folder beside the home and is moved there when all of it is checked; an existing home
   is moved aside, never overwritten.
"""

import os
import shutil
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from sqlalchemy.exc import DBAPIError

from globe_node.errors import ConflictError, StoreError
from globe_node.store import driver
from globe_node.store.archive import Manifest, is_archive_name, read_archive, write_archive
from globe_node.store.database import end_connection, set_incarnation, take_lock
from globe_node.store.door import Transaction
from globe_node.store.instance import Instance, InstanceFile, new_incarnation, sync_folder
from globe_node.store.migrate import migrate
from keys.at_rest.passphrase_hash import HashCost
from keys.secret import SecretBytes
from protocol.errors import ReasonCode
from protocol.interfaces import Entropy

Check = Callable[[Transaction, Path], None]
"""Looks at a database and the home folder it belongs to, and raises if something is wrong."""
LeaveOut = Callable[[Transaction], None]
"""Deletes from a copy of a database what may not be in a backup."""
FirstAct = Callable[[Transaction, Path, str], None]
"""Records that a home was restored; is given its database, its folder and the new incarnation."""
DATABASE = "node.db"
INSTANCE = "high-water"
LOCK = "node.lock"


@dataclass(frozen=True, slots=True)
class Sealing:
    """With what a backup is sealed.

    Attributes:
        passphrase: of the person who makes it.
        cost: of hashing it.
        entropy: 16 bytes for the salt are drawn.
    """

    passphrase: SecretBytes
    cost: HashCost
    entropy: Entropy


def write_backup(
    home: Path,
    target: Path,
    *,
    sealing: Sealing,
    about: dict[str, str],
    check: Check,
    leave_out: LeaveOut,
) -> Manifest:
    """Back up a home folder, beside a running node or a stopped one.

    Args:
        home: the folder.
        target: the file to make; it must not exist.
        sealing: with what it is sealed.
        about: facts for people who look at the backup later.
        check: run on the copy, so that a damaged database does not become the backup.
        leave_out: run on the copy after the check; nothing of what it deletes is in the backup.

    Raises:
        ConflictError: the target exists.
        StoreError: the database or a file can't be read, the check failed, or the disk is full.
    """
    if target.exists():
        raise ConflictError(f"{target} exists", hint="name a new file; backups are never overwritten")
    with _wrapped_errors(), _scratch(home / ".backup") as scratch:
        copy = scratch / DATABASE
        _copy_database(home / DATABASE, copy)
        _verify(copy, home, check)
        _thin(copy, leave_out)
        files = {name: home / name for name in _files_of(home)} | {DATABASE: copy}
        return _write_whole(target, files, about, sealing)


def restore_backup(
    archive: Path,
    home: Path,
    *,
    passphrase: SecretBytes,
    entropy: Entropy,
    check: Check,
    first_act: FirstAct,
    replace: bool = False,
) -> tuple[Manifest, Path | None]:
    """Make a home folder of a backup.

    Args:
        archive: the backup.
        home: the folder to make; it must not exist or be empty, unless `replace`.
        passphrase: that the backup was sealed with.
        entropy: 8 bytes for the new incarnation are drawn.
        check: run on the database before anything is changed in it.
        first_act: run in a transaction under the new incarnation.
        replace: move an existing home aside.

    Returns:
        What was in the backup, and where the former home is now, if there was one.

    Raises:
        ConflictError: the home is not empty, or in use.
        StoreError: the backup can't be read or opened, or its database is damaged or of a newer version.
    """
    present = home.exists() and any(home.iterdir())
    if present and not replace:
        raise ConflictError(
            f"{home} is not empty", hint="restore into an empty folder, or say that it is to be replaced"
        )
    with _wrapped_errors(), _scratch(home.with_name(home.name + ".restoring")) as scratch:
        with archive.open("rb") as source:
            manifest = read_archive(source, passphrase, scratch)
        if DATABASE not in manifest.files:
            raise StoreError("the backup holds no database", code=ReasonCode.STORE_CORRUPT)
        _verify(scratch / DATABASE, scratch, check)
        _begin_new_life(scratch, new_incarnation(entropy), first_act)
        aside = _move_aside(home) if present else None
        if home.exists():
            home.rmdir()
        scratch.rename(home)
        sync_folder(home.parent)
    return manifest, aside


def _verify(path: Path, folder: Path, check: Check) -> None:
    """Check a database that nobody writes to: its structure by the database, its content by the caller."""
    connection = driver.connect_reader(path)
    try:
        found = driver.driver_of(connection).execute("PRAGMA integrity_check(1)").fetchone()
        if found != ("ok",):
            raise StoreError("the copy of the database is damaged", code=ReasonCode.STORE_CORRUPT)
        check(connection, folder)
    finally:
        end_connection(connection)


def _copy_database(source: Path, target: Path) -> None:
    if not source.exists():
        raise StoreError(
            "there is no database to copy",
            hint="a node that has never run has nothing but its keys: keep a copy of its folder keystore",
            code=ReasonCode.NOT_FOUND,
        )
    os.close(os.open(target, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600))
    driver.copy_database(source, target)
    with target.open("rb") as file:
        os.fsync(file.fileno())


def _thin(copy: Path, leave_out: LeaveOut) -> None:
    """Delete rows of a copy; `secure_delete` writes zeros in their place."""
    connection = driver.connect_writer(copy)
    raw = driver.driver_of(connection)
    try:
        raw.execute("BEGIN IMMEDIATE")
        leave_out(connection)
        raw.execute("COMMIT")
        raw.execute("PRAGMA journal_mode = DELETE").fetchall()  # nothing may stay beside the file
    finally:
        end_connection(connection)


def _files_of(home: Path) -> list[str]:
    names = [path.name for path in home.iterdir() if path.is_file() and not path.is_symlink()]
    keystore = home / "keystore"
    if keystore.is_dir():
        names += [f"keystore/{path.name}" for path in keystore.iterdir() if path.is_file()]
    return [name for name in names if is_archive_name(name)]


def _write_whole(target: Path, files: dict[str, Path], about: dict[str, str], sealing: Sealing) -> Manifest:
    """Write beside the target, then give it its name: a backup that has one is whole."""
    unfinished = target.with_name(target.name + ".part")
    flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW | os.O_CLOEXEC
    try:
        with os.fdopen(os.open(unfinished, flags, 0o600), "wb") as out:
            manifest = write_archive(
                out,
                files,
                about,
                passphrase=sealing.passphrase,
                cost=sealing.cost,
                entropy=sealing.entropy,
            )
            out.flush()
            os.fsync(out.fileno())
        unfinished.rename(target)
        sync_folder(target.absolute().parent)
    finally:
        unfinished.unlink(missing_ok=True)
    return manifest


def _begin_new_life(folder: Path, incarnation: str, first_act: FirstAct) -> None:
    connection = driver.connect_writer(folder / DATABASE)
    raw = driver.driver_of(connection)
    try:
        migrate(connection)
        raw.execute("BEGIN IMMEDIATE")
        set_incarnation(connection, incarnation)
        first_act(connection, folder, incarnation)
        raw.execute("COMMIT")
        raw.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
    finally:
        end_connection(connection)
    InstanceFile(folder / INSTANCE).write(Instance(incarnation, ready=True, marks={}))


def _move_aside(home: Path) -> Path:
    lock = take_lock(home / LOCK)
    try:
        for number in range(1, 1000):
            aside = home.with_name(f"{home.name}.before-restore-{number}")
            if not aside.exists():
                home.rename(aside)
                return aside
    finally:
        os.close(lock)
    raise ConflictError("too many former homes", hint="move those that are no longer needed away")


@contextmanager
def _scratch(folder: Path) -> Iterator[Path]:
    """Make a private folder for the work; what is left of it at the end, or of an earlier try, goes."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(mode=0o700)
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@contextmanager
def _wrapped_errors() -> Iterator[None]:
    try:
        yield
    except (sqlite3.Error, DBAPIError) as error:
        raise driver.store_error(error) or StoreError("the database can't be copied") from None
    except OSError as error:
        raise StoreError(
            f"a file can't be read or written: {error.strerror}",
            hint="check that the paths are right and that there is room on the disk",
        ) from None
