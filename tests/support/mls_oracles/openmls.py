# SPDX-License-Identifier: Apache-2.0
"""OpenMLS 0.8.1 by the wheel `gbp-stack`.

Its handshake is PrivateMessages in both directions, external commits aside. It gives out key packages without
the header of an MLSMessage and applies a commit in two steps. It judges application messages of others but
does not tell what is in them, and writes none itself. Exporter and epoch authenticator are read from the
state it exports. It takes a key package only from the second after its lifetime has begun.
"""

import json
import re
from dataclasses import dataclass
from types import ModuleType

from tests.support.mls_oracles.member import KEY_PACKAGE_FORMAT, MLS10, Change, oracle_module, refusals

_HEADER = MLS10 + KEY_PACKAGE_FORMAT


@dataclass(frozen=True, slots=True)
class EpochSecrets:
    """What two members of one epoch must have in common."""

    exporter_secret: bytes
    epoch_authenticator: bytes


class OpenMlsMember:
    """One context of gbp-stack, which always has a group; a Welcome replaces it."""

    def __init__(self, name: str) -> None:
        self._library: ModuleType = oracle_module("gbp_stack")
        self._context = self._library.MlsContext.create(name)

    def key_package(self) -> bytes:
        """Return the key package."""
        return _HEADER + bytes(self._context.export_key_package())

    def join(self, welcome: bytes) -> None:
        """Join by the Welcome for the key package; the tree is expected inside it."""
        with refusals(OSError):
            self._context.accept_welcome(welcome)

    def add(self, key_package: bytes) -> Change:
        """Commit an Add."""
        with refusals(OSError):
            commit, welcome = self._context.invite_full(key_package.removeprefix(_HEADER))
        self._context.finalize_commit()
        return Change(bytes(commit), bytes(welcome))

    def remove(self, leaf: int) -> Change:
        """Commit a Remove."""
        with refusals(OSError):
            commit = self._context.remove_member(leaf)
        self._context.finalize_commit()
        return Change(bytes(commit))

    def receive(self, message: bytes) -> str:
        """Process what another member sent; return its kind: commit, application, proposal or external."""
        with refusals(OSError):
            kind = str(self._context.process_message(message))
            if kind == "commit":
                self._context.finalize_commit()
        return kind

    @property
    def epoch(self) -> int:
        """The number of the current epoch."""
        return int(self._context.epoch)

    def secrets(self) -> EpochSecrets:
        """Return the secrets of the current epoch.

        The state is a list of names and JSON values; a name is a kind and the JSON of the group's id.
        """
        name = _json({"value": {"vec": list(self._context.group_id)}})
        state = bytes(self._context.export_state())
        (found,) = re.finditer(re.escape(b"EpochSecrets" + name) + rb"\x00\x01....", state, re.DOTALL)
        size = int.from_bytes(state[found.end() - 4 : found.end()], "little")
        secrets = json.loads(state[found.end() : found.end() + size])
        return EpochSecrets(
            exporter_secret=bytes(secrets["exporter_secret"]["secret"]["value"]["vec"]),
            epoch_authenticator=bytes(secrets["epoch_authenticator"]["secret"]["value"]["vec"]),
        )


def _json(value: object) -> bytes:
    return json.dumps(value, separators=(",", ":")).encode()
