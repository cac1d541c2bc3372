# SPDX-License-Identifier: Apache-2.0
"""What every command is given: the home folder, the time and chance; and how it asks for a passphrase.

1. A command never reads the clock, the environment or chance by itself.
2. A person is asked only at a terminal; a passphrase is never an argument.
"""

import os
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

import click

from globe_node.home import Home
from keys.entropy import SystemEntropy
from protocol.interfaces import Entropy

if TYPE_CHECKING:
    from globe_node.config import Settings
    from keys.secret import SecretBytes


def _system_now() -> datetime:
    from globe_node.clock import SystemClock  # noqa: PLC0415 -- asyncio is slow to load and help needs no time

    return SystemClock().now()


@dataclass(frozen=True, slots=True)
class Invocation:
    """One call of the command line.

    Attributes:
        home: the node it is about.
        entropy: chance.
        now: the time of day.
        environment: variables of the process.
    """

    home: Home
    entropy: Entropy = field(default_factory=SystemEntropy)
    now: Callable[[], datetime] = _system_now
    environment: Mapping[str, str] = field(default_factory=lambda: os.environ, repr=False)

    def settings(self) -> "Settings":
        """Read the settings of the home folder, or raise `ConfigError`."""
        from globe_node.config import load_settings  # noqa: PLC0415 -- pydantic is slow to load

        return load_settings(self.home)

    def passphrase(self, file: Path | None, *, of: str) -> "SecretBytes":
        """Get a passphrase: from a file, the settings' file, a service credential or the terminal.

        Args:
            file: what `--passphrase-file` named.
            of: whose passphrase, for the question at the terminal: `node keys`.

        Raises:
            KeystoreError: nobody gave one.
        """
        if file is None and self.home.settings.exists():
            named = self.settings().passphrase_file
            file = Path(named) if named else None
        credentials = self.environment.get("CREDENTIALS_DIRECTORY")
        return self._read(file, Path(credentials) if credentials else None, of=of, new=False)

    def new_passphrase(self, file: Path | None, *, of: str) -> "SecretBytes":
        """Get a passphrase for a new file: from a file, or asked twice at the terminal.

        Raises:
            KeystoreError: nobody gave one.
        """
        return self._read(file, None, of=of, new=True)

    def other_passphrase(self, file: Path | None, *, of: str) -> "SecretBytes":
        """Get the passphrase of a key file that is not this node's: from a file, or asked at the terminal.

        Raises:
            KeystoreError: nobody gave one.
        """
        return self._read(file, None, of=of, new=False)

    def _read(self, file: Path | None, credentials: Path | None, *, of: str, new: bool) -> "SecretBytes":
        from keys.keystore import PassphraseSources, read_passphrase  # noqa: PLC0415 -- slow to load

        ask = (lambda: _ask(of, new=new)) if is_asked() else None
        return read_passphrase(PassphraseSources(file=file, credentials_folder=credentials, ask=ask))


pass_invocation = click.make_pass_decorator(Invocation)
"""Gives a command its `Invocation` as first argument."""

passphrase_option = click.option(
    "--passphrase-file",
    type=click.Path(path_type=Path, dir_okay=False),
    help="File whose first line is the passphrase; mode 0600.",
)
json_option = click.option("--json", "as_json", is_flag=True, help="Write one JSON document.")


def is_asked() -> bool:
    """Whether a person sits at the terminal who can be asked."""
    return sys.stdin is not None and sys.stdin.isatty()


def _ask(of: str, *, new: bool) -> str:
    answer: str = click.prompt(
        f"{'New passphrase' if new else 'Passphrase'} of the {of}",
        hide_input=True,
        confirmation_prompt=new,
        err=True,
    )
    return answer
