# SPDX-License-Identifier: Apache-2.0
"""mls-rs 0.55.0 by its UniFFI wheel `agentvault-mls-rs-uniffi`.

Its commits are PublicMessages, it reads both forms. It removes by signing identity, which it tells only as
the sender of an application message, so a member has to have said something before it can be removed.
"""

from types import ModuleType
from typing import Any

from tests.support.mls_oracles.member import Change, oracle_module, refusals


class MlsRsMember:
    """One client of mls-rs and its group."""

    def __init__(self, name: str) -> None:
        self._library: ModuleType = oracle_module("mls_rs_uniffi")
        suite = self._library.CipherSuite.CURVE25519_AES128
        pair = self._library.generate_signature_keypair(suite)
        self._client = self._library.Client(name.encode(), pair, self._library.client_config_default())
        self._group: Any = None
        self._last_sender: Any = None

    def key_package(self) -> bytes:
        """Return a new key package."""
        return bytes(self._client.generate_key_package_message().to_bytes())

    def found(self) -> None:
        """Begin a group of one's own."""
        self._group = self._client.create_group(None)

    def join(self, welcome: bytes) -> None:
        """Join by the Welcome for the last key package; the tree is expected inside it."""
        with refusals(self._library.Error, self._library.InternalError):
            self._group = self._client.join_group(None, self._message(welcome)).group

    def add(self, key_package: bytes) -> Change:
        """Commit an Add."""
        with refusals(self._library.Error, self._library.InternalError):
            return self._taken_over(self._group.add_members([self._message(key_package)]))

    def commit(self) -> Change:
        """Commit nothing but new keys."""
        return self._taken_over(self._group.commit())

    def remove_last_sender(self) -> Change:
        """Commit a Remove of whoever sent the last application message."""
        return self._taken_over(self._group.remove_members([self._last_sender]))

    def propose_add(self, key_package: bytes) -> bytes:
        """Propose an Add without committing it."""
        (message,) = self._group.propose_add_members([self._message(key_package)])
        return bytes(message.to_bytes())

    def propose_removal_of_last_sender(self) -> bytes:
        """Propose a Remove without committing it."""
        (message,) = self._group.propose_remove_members([self._last_sender])
        return bytes(message.to_bytes())

    def encrypt(self, data: bytes) -> bytes:
        """Protect application data."""
        return bytes(self._group.encrypt_application_message(data).to_bytes())

    def receive(self, message: bytes) -> bytes | None:
        """Process what another member sent; return application data, or None for a commit or proposal."""
        with refusals(self._library.Error, self._library.InternalError):
            received = self._group.process_incoming_message(self._message(message))
        if not received.is_application_message():
            return None
        self._last_sender = received.sender
        return bytes(received.data)

    def export(self, label: bytes, context: bytes, size: int) -> bytes:
        """Return an exported secret of the current epoch."""
        return bytes(self._group.export_secret(label, context, size))

    def tree(self) -> bytes:
        """Return the ratchet tree as a GroupInfo extension holds it."""
        return bytes(self._group.export_tree().bytes)

    def _taken_over(self, output: Any) -> Change:
        self._group.process_incoming_message(output.commit_message)
        welcome = output.welcome_message
        return Change(bytes(output.commit_message.to_bytes()), welcome and bytes(welcome.to_bytes()))

    def _message(self, data: bytes) -> Any:
        with refusals(self._library.Error, self._library.InternalError):
            return self._library.Message.from_bytes(data)
