# SPDX-License-Identifier: Apache-2.0
"""A node's home folder: where things are in it, and how private files get there. It knows no contents.

1. Everything of a node is in one folder of mode 0700; what is in it has mode 0600.
2. Key files are not written here but by `keys.keystore`, with more care.
"""

import contextlib
import os
from dataclasses import dataclass
from pathlib import Path

from globe_node.errors import ConfigError


@dataclass(frozen=True, slots=True)
class Home:
    """The places in a node's home folder."""

    folder: Path

    @property
    def settings(self) -> Path:
        """The settings, for people to edit."""
        return self.folder / "config.toml"

    @property
    def keystore(self) -> Path:
        """The folder of the sealed key files."""
        return self.folder / "keystore"

    @property
    def node_keys(self) -> Path:
        """The sealed file of the running node's keys."""
        return self.keystore / "node.sealed"

    @property
    def root_key(self) -> Path:
        """The sealed file of the authority's root key; kept off line where possible."""
        return self.keystore / "root.sealed"

    @property
    def database(self) -> Path:
        """The one database."""
        return self.folder / "node.db"

    @property
    def lock(self) -> Path:
        """Held by the running node."""
        return self.folder / "node.lock"

    @property
    def high_water(self) -> Path:
        """How far the audit log had got; outside the database, to notice an old copy."""
        return self.folder / "high-water"

    @property
    def group_keys(self) -> Path:
        """The sealed keys of the secrets of groups; never copied and never in a backup."""
        return self.folder / "group-keys.sealed"

    @property
    def lookup_index(self) -> Path:
        """What is derived from the directory to search it; may be deleted at any time; in no backup."""
        return self.folder / "lookup.db"

    @property
    def socket(self) -> Path:
        """Where the command line talks to the running node."""
        return self.folder / "node.sock"

    @property
    def admission_request(self) -> Path:
        """What the network's officers need in order to admit this authority."""
        return self.folder / "admission-request.json"


def require_empty(home: Home) -> None:
    """Refuse a home folder that has anything in it.

    Raises:
        ConfigError: it has, or it is no folder.
    """
    try:
        taken = home.folder.exists() and any(home.folder.iterdir())
    except OSError:
        taken = True
    if taken:
        raise ConfigError(
            f"{home.folder} is not empty; it was not touched",
            hint="Name another folder with --home. An unfinished or old node has to be moved away first.",
        )


def make_home(home: Home) -> None:
    """Make an empty home folder; one that is there must be empty and becomes private.

    Raises:
        ConfigError: there is something in it, or it can't be made. Nothing was changed.
    """
    try:
        home.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        require_empty(home)
        home.folder.chmod(0o700)
    except OSError as error:
        raise ConfigError(
            f"the folder {home.folder} can't be made: {error.strerror}",
            hint="Name a folder that this user may write to.",
        ) from None


def read_bounded(path: Path, most: int) -> bytes:
    """Read a file that a person named, up to one octet more than it may have.

    Raises:
        ConfigError: it can't be read.
    """
    try:
        with path.open("rb") as file:
            return file.read(most + 1)
    except OSError as error:
        raise ConfigError(f"{path} can't be read: {error.strerror}", hint="Name the right file.") from None


def write_private(path: Path, data: bytes) -> None:
    """Write a new file that only this user may read, flushed to the disk.

    Raises:
        ConfigError: it is there already, or the disk does not take it.
    """
    try:
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
        with os.fdopen(os.open(path, flags, 0o600), "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
    except OSError as error:
        raise ConfigError(
            f"{path} was not written: {error.strerror}", hint="Make room, or name another folder."
        ) from None


def replace_private(path: Path, data: bytes) -> None:
    """Write a private file in the place of whatever is there; it appears whole or not at all.

    Raises:
        ConfigError: the disk does not take it. What was there is still there.
    """
    written = path.with_name(f".{path.name}.new")
    with contextlib.suppress(OSError):
        written.unlink(missing_ok=True)
    write_private(written, data)
    try:
        written.replace(path)
    except OSError as error:
        raise ConfigError(
            f"{path} was not written: {error.strerror}", hint="Make room, or name another folder."
        ) from None
    finally:
        with contextlib.suppress(OSError):
            written.unlink(missing_ok=True)
