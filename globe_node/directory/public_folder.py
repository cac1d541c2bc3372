# SPDX-License-Identifier: Apache-2.0
"""The folder of files that anybody may see: written as a whole, and read back without trust.

1. A new folder is written beside the old one and takes its place when it is complete: whoever serves it never
   serves half of it, and nothing of an older one stays. Between the two renames there is a moment without
   any; what a crash left there is put back or removed by the next run.
2. What is replaced is a folder of this kind, or an empty one. Anything else is left alone.
3. The files are for everybody to read (0644); nothing else of a node is.
4. Who reads takes plain files of the forms that a manifest may name; links and devices are refused, and no
   more is read of a file than the manifest says.
"""

import contextlib
import os
import shutil
from collections.abc import Iterator, Mapping
from pathlib import Path

from globe_node.errors import ConfigError
from protocol.errors import UntrustedError
from protocol.identifiers import Digest
from protocol.lookup.publication import (
    MAX_FILE_BYTES,
    MAX_FILES,
    MAX_MANIFEST_BYTES,
    STATEMENTS,
    Manifest,
    require_same_files,
    verify_manifest,
)
from protocol.signing import composite

MANIFEST = "manifest.json"
SIGNATURE = "manifest.sig"
_DEEPEST = 2


def write_public(folder: Path, manifest: bytes, signature: bytes, files: Mapping[str, bytes]) -> None:
    """Put these files in the place of the folder.

    Args:
        folder: where; made if it is not there.
        manifest: as it was signed.
        signature: over it.
        files: by path, of the forms that a manifest may name.

    Raises:
        ConfigError: something else is there, or the disk does not take it. What was there is still there.
    """
    folder = folder.absolute()
    _require_ours(folder)
    written, replaced = (folder.with_name(f".{folder.name}.{word}") for word in ("new", "old"))
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        if replaced.is_dir() and not folder.exists():
            replaced.rename(folder)
        for rest in (written, replaced):
            _remove(rest)
        _make_folder(written)
        paths = [*files, MANIFEST, SIGNATURE]
        for path, data in zip(paths, (*files.values(), manifest, signature), strict=True):
            _write(written / path, data)
        for place in (*paths, *(one.name for one in written.iterdir() if one.is_dir()), "."):
            _flush(written / place)
        _exchange(folder, written, replaced)
        _flush(folder.parent)
    except OSError as error:
        raise ConfigError(
            f"{folder} was not written: {error.strerror}", hint="Make room, or name another folder."
        ) from None
    finally:
        for rest in (written, replaced) if folder.exists() else (written,):
            with contextlib.suppress(OSError):
                _remove(rest)


def verify_public(folder: Path, network: Digest) -> Manifest:
    """Verify everything in a folder with nothing but the fingerprint of its network.

    Raises:
        ConfigError: manifest, signature or statements can't be read.
        RemoteProtocolError: something does not hold; see `verify_manifest`. A file is missing, is another
            one, or one is there that nobody signed for.
    """
    data = _read(folder / MANIFEST, MAX_MANIFEST_BYTES)
    signature = _read(folder / SIGNATURE, composite.SIGNATURE_BYTES)
    manifest = verify_manifest(network, data, signature, _read(folder / STATEMENTS, MAX_FILE_BYTES))
    require_same_files(manifest, [path for path in _paths(folder) if path not in (MANIFEST, SIGNATURE)])
    for file in manifest.files:
        file.verify(_read(folder / file.path, file.size))
    return manifest


def claimed_manifest(folder: Path) -> bytes:
    """Return the manifest of a folder, unverified.

    Raises:
        ConfigError: it can't be read.
    """
    return _read(folder / MANIFEST, MAX_MANIFEST_BYTES)


def _require_ours(folder: Path) -> None:
    """Refuse to replace what somebody else put there.

    Raises:
        ConfigError: there is something that is no public directory.
    """
    try:
        is_ours = not folder.is_symlink() and (
            not folder.exists()
            or (folder.is_dir() and ((folder / SIGNATURE).is_file() or not any(folder.iterdir())))
        )
    except OSError:
        is_ours = False
    if not is_ours:
        raise ConfigError(
            f"{folder} holds something else; it was not touched",
            hint="Name a folder that is not there yet, or one that this command made.",
        )


def _exchange(folder: Path, written: Path, replaced: Path) -> None:
    """Put the new folder in the place of the old one, or leave the old one there."""
    if not folder.exists():
        written.rename(folder)
        return
    folder.rename(replaced)
    try:
        written.rename(folder)
    except OSError:
        replaced.rename(folder)
        raise


def _make_folder(folder: Path) -> None:
    if not folder.exists():
        folder.mkdir()
        folder.chmod(0o755)


def _write(path: Path, data: bytes) -> None:
    _make_folder(path.parent)
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
    with os.fdopen(os.open(path, flags, 0o644), "wb") as file:
        os.fchmod(file.fileno(), 0o644)
        file.write(data)


def _flush(path: Path) -> None:
    """Have the disk keep a file or a folder; quicker when all were written before."""
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _remove(folder: Path) -> None:
    """Remove what an earlier run left; a link is removed, not followed."""
    if folder.is_symlink():
        folder.unlink()
    elif folder.exists():
        shutil.rmtree(folder)


def _paths(folder: Path) -> Iterator[str]:
    """Yield the paths of all that is in a folder and is no folder itself.

    Raises:
        UntrustedError: a link, a device, a folder in a folder, or more than a manifest can name.
    """
    found = 0
    waiting = [(folder, 1)]
    while waiting:
        place, depth = waiting.pop()
        for one in sorted(_entries(place)):
            found += 1
            if found > 2 * MAX_FILES:
                raise UntrustedError("more files than a manifest can name")
            if one.is_symlink() or not (one.is_file() or (one.is_dir() and depth < _DEEPEST)):
                raise UntrustedError("something that is no plain file")
            if one.is_dir():
                waiting.append((one, depth + 1))
            else:
                yield one.relative_to(folder).as_posix()


def _entries(folder: Path) -> list[Path]:
    try:
        return list(folder.iterdir())
    except OSError as error:
        raise ConfigError(
            f"{folder} can't be read: {error.strerror}", hint="Name the right folder."
        ) from None


def _read(path: Path, most: int) -> bytes:
    """Read a plain file, up to one octet more than it may have."""
    try:
        flags = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
        with os.fdopen(os.open(path, flags), "rb") as file:
            return file.read(most + 1)
    except OSError as error:
        raise ConfigError(f"{path} can't be read: {error.strerror}", hint="Name the right folder.") from None
