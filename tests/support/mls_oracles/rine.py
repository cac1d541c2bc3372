# SPDX-License-Identifier: Apache-2.0
"""mls-rs 0.55.2 by the wheel `rine-mls`: external commits and re-joining.

It keeps its state in files of its own and tells no exporter. What two sides must have in common is therefore
looked for in its files. It puts one octet before application messages.
"""

from pathlib import Path
from types import ModuleType
from typing import Any

from tests.support.mls_oracles.member import SUITE, Change, oracle_module, refusals


class RineMember:
    """One client of rine and its group.

    Args:
        folder: where it may keep its files.
        seed: what its signature key comes of; two members with one seed are one person.
    """

    def __init__(self, folder: Path, seed: int) -> None:
        self._library: ModuleType = oracle_module("rine_mls")
        self._folder = folder
        self._client = self._library.MlsClient(str(folder), bytes((seed,)) * 32, SUITE)
        self._tag = bytes((self._library.APP_MESSAGE_TAG,))
        self._group: Any = None

    def key_package(self) -> bytes:
        """Return a new key package."""
        return bytes(self._client.generate_key_package())

    def found(self) -> None:
        """Begin a group of one's own."""
        self._group = self._client.create_group(b"a group of rine")

    def join(self, welcome: bytes) -> None:
        """Join by the Welcome for one of the key packages; the tree is expected inside it."""
        with refusals(self._library.RineMlsError):
            self._group = self._client.join_from_welcome(welcome)

    def join_externally(self, group_info: bytes) -> Change:
        """Join by an external commit."""
        with refusals(self._library.RineMlsError):
            self._group = self._client.join_by_external_commit(group_info)
        return _change(self._group.last_commit())

    def join_again(self, group_info: bytes, stale_leaf: int) -> Change:
        """Join by an external commit that removes the member's own earlier leaf."""
        with refusals(self._library.RineMlsError):
            self._group = self._client.resync_by_external_commit(group_info, stale_leaf)
        return _change(self._group.last_commit())

    def add(self, key_package: bytes) -> Change:
        """Commit an Add."""
        with refusals(self._library.RineMlsError):
            return _change(self._group.add_member(key_package))

    def remove(self, leaf: int) -> Change:
        """Commit a Remove."""
        with refusals(self._library.RineMlsError):
            return _change(self._group.remove_member(leaf))

    def group_info(self) -> bytes:
        """Return a GroupInfo with the tree and the external key."""
        return bytes(self._group.group_info())

    def encrypt(self, data: bytes) -> bytes:
        """Protect application data."""
        return bytes(self._group.encrypt_application_message(data)).removeprefix(self._tag)

    def decrypt(self, message: bytes) -> bytes:
        """Read an application message."""
        with refusals(self._library.RineMlsError):
            return bytes(self._group.decrypt_application_message(self._tag + message).envelope)

    def apply(self, commit: bytes) -> None:
        """Process a commit of another member."""
        with refusals(self._library.RineMlsError):
            self._group.apply_commit(commit)

    @property
    def epoch(self) -> int:
        """The number of the current epoch."""
        return int(self._group.epoch())

    @property
    def active(self) -> bool:
        """Whether the member is still one."""
        return bool(self._group.is_active())

    def leaves(self) -> dict[int, bytes]:
        """Return the identity of every occupied leaf."""
        return {one.index: bytes(one.identity) for one in self._group.member_identities()}

    def holds(self, secret: bytes) -> bool:
        """Return whether the state of the current epoch, as it lies in its files, has this secret."""
        self._group.save()
        return any(secret in path.read_bytes() for path in self._folder.rglob("state.bin"))


def _change(bundle: Any) -> Change:
    welcomes = [bytes(welcome) for welcome in bundle.welcomes]
    return Change(bytes(bundle.commit), welcomes[0] if welcomes else None)
