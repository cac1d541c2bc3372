# SPDX-License-Identifier: Apache-2.0
"""Key files on disk, and where the passphrase comes from: the one module of `keys` that opens files.

1. A key file is a plain file of ours with mode 0600 in a folder of ours with mode 0700; anything else is
   refused, on reading and on writing.
2. A file appears whole or not at all: written beside its place, flushed, read back, moved, folder flushed.
3. `create` never replaces a file. After any error every file is as it was before.
4. The passphrase comes from a file, a service credential or the terminal, in this order; never from an
   argument or an environment variable.
"""

import errno
import os
import stat
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from keys.at_rest import contents, sealed_file
from keys.at_rest.contents import Bundle
from keys.at_rest.passphrase_hash import (
    EVERY_START,
    MAX_PASSPHRASE_BYTES,
    SELDOM,
    HashCost,
    passphrase_of,
    require_strong,
)
from keys.at_rest.sealed_file import MAX_FILE_BYTES, FileKind
from keys.errors import (
    KeyFileDamagedError,
    KeyFileExistsError,
    KeyFilePermissionsError,
    KeyFileWriteError,
    MissingKeyFileError,
    NoPassphraseError,
)
from keys.node_keys import AuthorityRoot, NodeKeys, OfficerKey
from keys.secret import SecretBytes
from protocol.interfaces import Entropy

FILE_MODE: Final = 0o600
FOLDER_MODE: Final = 0o700
CREDENTIAL_NAME: Final = "globe-node-passphrase"
_COST: Final = {FileKind.NODE: EVERY_START, FileKind.ROOT: SELDOM, FileKind.OFFICER: SELDOM}


# --- where the passphrase comes from ----------------------------------------------------------------------
@dataclass(frozen=True, slots=True)
class PassphraseSources:
    """Where a passphrase may be, in order; the first that is named is the only one that is asked.

    Attributes:
        file: a file that the operator named; its first line.
        credentials_folder: `$CREDENTIALS_DIRECTORY` of a service manager.
        ask: asks the person at the terminal; None when there is no terminal.
    """

    file: Path | None = None
    credentials_folder: Path | None = None
    ask: Callable[[], str] | None = None


def read_passphrase(sources: PassphraseSources) -> SecretBytes:
    """Get the passphrase.

    Raises:
        NoPassphraseError: no source has one, or a file is missing, unreadable or not text.
        KeyFilePermissionsError: others may read the file that the operator named.
        WeakPassphraseError: it is empty or far too long.
    """
    if sources.file is not None:
        return passphrase_of(_first_line(sources.file, private=True))
    if sources.credentials_folder is not None and (sources.credentials_folder / CREDENTIAL_NAME).exists():
        return passphrase_of(_first_line(sources.credentials_folder / CREDENTIAL_NAME, private=False))
    if sources.ask is not None:
        return passphrase_of(sources.ask())
    raise NoPassphraseError(
        "no passphrase: there is no terminal to ask at",
        hint=f"Name a file with --passphrase-file, or give the service a credential {CREDENTIAL_NAME}.",
    )


def _first_line(path: Path, *, private: bool) -> str:
    try:
        with path.open("rb") as file:
            if private and stat.S_IMODE(os.fstat(file.fileno()).st_mode) & 0o077:
                raise KeyFilePermissionsError(
                    f"others may read the passphrase file {path}", hint=f"Run: chmod 600 {path}"
                )
            line = file.read(MAX_PASSPHRASE_BYTES + 2)
        return line.split(b"\n", 1)[0].removesuffix(b"\r").decode("utf-8")
    except (OSError, UnicodeDecodeError):
        raise NoPassphraseError(
            f"the passphrase file {path} can't be read",
            hint="It must be a text file in UTF-8 that this user may read; its first line is the passphrase.",
        ) from None


# --- opening ----------------------------------------------------------------------------------------------
def open_node(path: Path, passphrase: SecretBytes) -> NodeKeys:
    """Open the keys of a node; see `read_sealed` and `open_sealed` for what may be raised."""
    return contents.parse_node(sealed_file.open_sealed(FileKind.NODE, read_sealed(path), passphrase))


def open_root(path: Path, passphrase: SecretBytes) -> AuthorityRoot:
    """Open the root key of an authority."""
    return contents.parse_root(sealed_file.open_sealed(FileKind.ROOT, read_sealed(path), passphrase))


def open_officer(path: Path, passphrase: SecretBytes) -> OfficerKey:
    """Open the key of a network officer."""
    return contents.parse_officer(sealed_file.open_sealed(FileKind.OFFICER, read_sealed(path), passphrase))


def read_sealed(path: Path) -> bytes:
    """Read a key file without opening its seal.

    Raises:
        MissingKeyFileError: there is none.
        KeyFilePermissionsError: others may touch it or its folder, it is not ours, or not a plain file.
        KeyFileDamagedError: it is too large to be one, or the disk does not give it back.
    """
    try:
        _require_private_folder(path.parent)
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK)
    except FileNotFoundError:
        raise MissingKeyFileError(
            f"no key file {path}", hint="Name the right home folder, or restore the file from a copy."
        ) from None
    except OSError as error:
        raise _no_access(path, error) from None
    try:
        _require_private_file(path, os.fstat(descriptor))
        with open(descriptor, "rb", closefd=False) as file:
            data = file.read(MAX_FILE_BYTES + 1)
    except OSError:
        raise KeyFileDamagedError(
            f"the disk does not give back {path}", hint="Restore the file from a copy."
        ) from None
    finally:
        os.close(descriptor)
    if len(data) > MAX_FILE_BYTES:
        raise KeyFileDamagedError(f"{path} is too large to be a key file", hint="Name the right file.")
    return data


# --- writing ----------------------------------------------------------------------------------------------
def create(
    path: Path, bundle: Bundle, passphrase: SecretBytes, *, entropy: Entropy, cost: HashCost | None = None
) -> None:
    """Write a new key file; the folder is made if it is missing.

    Args:
        path: where; nothing may be there.
        bundle: the keys.
        passphrase: at least 12 characters.
        entropy: for salt and nonce, and the name of the file while it is written.
        cost: of the passphrase hash; None for what suits the kind of keys.

    Raises:
        KeyFileExistsError: something is there.
        WeakPassphraseError: the passphrase is too short.
        KeyFilePermissionsError: others may touch the folder.
        KeyFileWriteError: the disk did not take it.
    """
    require_strong(passphrase)
    if os.path.lexists(path):
        raise _exists(path)
    data = _sealed(bundle, passphrase, entropy, cost)
    make_private_folder(path.parent)
    with _written_beside(path, data, entropy) as written:
        try:
            os.link(written, path, follow_symlinks=False)
        except FileExistsError:
            raise _exists(path) from None


def replace(
    path: Path, bundle: Bundle, passphrase: SecretBytes, *, entropy: Entropy, cost: HashCost | None = None
) -> None:
    """Put new keys in the place of a key file of the same kind that this passphrase opens.

    Power loss at any moment leaves the old file or the new one, whole.

    Raises:
        KeystoreError: the file that is there can't be opened by this passphrase, or as in `create`.
    """
    kind = contents.kind_of(bundle)
    sealed_file.open_sealed(kind, read_sealed(path), passphrase)
    with _written_beside(path, _sealed(bundle, passphrase, entropy, cost), entropy) as written:
        os.replace(written, path)  # noqa: PTH105 -- the name is the promise


def change_passphrase(
    path: Path,
    kind: FileKind,
    passphrase: SecretBytes,
    new_passphrase: SecretBytes,
    *,
    entropy: Entropy,
    cost: HashCost | None = None,
) -> None:
    """Seal the keys of a file under another passphrase; older copies still open with the old one.

    Raises:
        KeystoreError: as in `replace` and `create`.
    """
    require_strong(new_passphrase)
    secrets = sealed_file.open_sealed(kind, read_sealed(path), passphrase)
    chosen = cost or _COST[kind]
    data = sealed_file.seal(kind, secrets, passphrase=new_passphrase, cost=chosen, entropy=entropy)
    with _written_beside(path, data, entropy) as written:
        os.replace(written, path)  # noqa: PTH105 -- the name is the promise


def make_private_folder(folder: Path) -> None:
    """Make a folder with mode 0700, or check that it has it.

    Raises:
        KeyFilePermissionsError: it is there and others may touch it.
        KeyFileWriteError: it can't be made.
    """
    try:
        folder.mkdir(mode=FOLDER_MODE)
    except FileExistsError:
        pass
    except OSError as error:
        raise _not_written(folder, error) from None
    _require_private_folder(folder)


@contextmanager
def _written_beside(path: Path, data: bytes, entropy: Entropy) -> Iterator[Path]:
    """Give the path of a flushed copy of the data in the same folder; flush the folder after the move."""
    written = path.with_name(f".{path.name}.{entropy.random_bytes(8).hex()}")
    try:
        _require_private_folder(path.parent)
        _write_whole(written, data)
        yield written
    except OSError as error:
        raise _not_written(path, error) from None
    finally:
        with suppress(OSError):
            written.unlink(missing_ok=True)
    try:
        _flush_folder(path.parent)
    except OSError:
        raise KeyFileWriteError(
            f"{path} was written, but the disk did not confirm it",
            hint="Check the disk, then open the file to see whether it holds the new keys or the old ones.",
        ) from None


def _write_whole(path: Path, data: bytes) -> None:
    flags = os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
    with os.fdopen(os.open(path, flags, FILE_MODE), "w+b") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())
        file.seek(0)
        if file.read() != data:
            raise OSError(errno.EIO, "the file reads back otherwise than it was written")


def _flush_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _sealed(bundle: Bundle, passphrase: SecretBytes, entropy: Entropy, cost: HashCost | None) -> bytes:
    kind = contents.kind_of(bundle)
    chosen = cost or _COST[kind]
    return sealed_file.seal(
        kind, contents.members_of(bundle), passphrase=passphrase, cost=chosen, entropy=entropy
    )


# --- who may touch it -------------------------------------------------------------------------------------
def _require_private_folder(folder: Path) -> None:
    found = folder.stat()
    if not stat.S_ISDIR(found.st_mode) or found.st_uid != os.geteuid():
        raise KeyFilePermissionsError(
            f"{folder} is not a folder of this user", hint=f"Run this as the owner of {folder}."
        )
    if stat.S_IMODE(found.st_mode) & 0o077:
        raise KeyFilePermissionsError(
            f"others may enter the folder {folder}", hint=f"Run: chmod 700 {folder}"
        )


def _require_private_file(path: Path, found: os.stat_result) -> None:
    if not stat.S_ISREG(found.st_mode) or found.st_uid != os.geteuid():
        raise KeyFilePermissionsError(
            f"{path} is not a plain file of this user", hint=f"Run this as the owner of {path}."
        )
    if stat.S_IMODE(found.st_mode) & 0o077:
        raise KeyFilePermissionsError(f"others may touch the key file {path}", hint=f"Run: chmod 600 {path}")


def _exists(path: Path) -> KeyFileExistsError:
    return KeyFileExistsError(
        f"there is something at {path} already; it was not touched",
        hint="Name another place, or move the file that is there to a safe one first.",
    )


def _no_access(path: Path, error: OSError) -> KeyFilePermissionsError:
    if error.errno == errno.ELOOP:
        return KeyFilePermissionsError(f"{path} is a link", hint="Put the file itself in its place.")
    return KeyFilePermissionsError(
        f"this user may not read {path}", hint="Run this as the owner of the file."
    )


def _not_written(path: Path, error: OSError) -> KeyFileWriteError:
    reason = os.strerror(error.errno) if error.errno else "input or output failed"
    return KeyFileWriteError(
        f"{path} was not written: {reason}", hint="Nothing was changed. Make room or name another folder."
    )
