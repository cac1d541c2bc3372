# SPDX-License-Identifier: Apache-2.0
"""Real backups of the nodes of a town, and real restores: files and checks as the commands have them."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from unittest import mock

from globe_node.audit import fsck
from globe_node.audit.log import AuditLog, LogName
from globe_node.audit.vault import DerivedPeriodKeys, Vault
from globe_node.groups.keeping import leave_out_secrets
from globe_node.store import archive
from globe_node.store.backup import Sealing, restore_backup, write_backup
from globe_node.store.database import Database, open_database, recorded_incarnation
from globe_node.store.door import Transaction
from keys.at_rest.passphrase_hash import CHEAPEST, HashCost
from keys.secret import SecretBytes
from protocol.audit.events import AuditEvent, EventKind
from tests.support.directory import certified_node_keys
from tests.support.entropy import SeededEntropy
from tests.support.key_files import MemoryKeyFile
from tests.support.nodes import Town
from tests.support.store import store_files

_PASSPHRASE = SecretBytes(b"correct horse battery staple")


class Homes:
    """Homes in a folder for nodes of a town."""

    def __init__(self, town: Town, folder: Path) -> None:
        self._town = town
        self._folder = folder
        self._lives: dict[str, int] = {}

    async def settle(self, name: str) -> None:
        """Start a node whose store is in files; its town has not started it yet."""
        self._town.databases[name] = self._open(name)
        await self._town.start(name)

    def back_up(self, name: str) -> Path:
        """Make a backup beside the running node."""
        target = self._folder / f"{name}.{len(list(self._folder.iterdir()))}.backup"
        with _quick_hash():
            write_backup(
                self._home(name),
                target,
                sealing=Sealing(_PASSPHRASE, CHEAPEST, SeededEntropy(target.name)),
                about={},
                check=lambda tx, _folder: self._check(name, tx),
                leave_out=leave_out_secrets,
            )
        return target

    async def end(self, name: str) -> None:
        """End a node without a word; its home is lost."""
        await self._town.kill(name)
        self._town.databases[name].close()

    async def restore(self, name: str, backup: Path) -> None:
        """Let a node that has ended begin another life from a backup."""
        self._town.key_files[name] = MemoryKeyFile()
        self._lives[name] = self._lives.get(name, 0) + 1

        def first_act(tx: Transaction, _folder: Path, incarnation: str) -> None:
            leave_out_secrets(tx)
            event = AuditEvent(kind=EventKind.RESTORE, at=self._town.clock.now(), result="ok")
            _log(name, incarnation).append(tx, [event])

        with _quick_hash():
            restore_backup(
                backup,
                self._home(name),
                passphrase=_PASSPHRASE,
                entropy=SeededEntropy(f"{name} life {self._lives[name]}"),
                check=lambda tx, _folder: self._check(name, tx),
                first_act=first_act,
            )
        self._town.databases[name] = self._open(name)
        await self._town.start(name)

    def _home(self, name: str) -> Path:
        return self._folder / f"{name}-{self._lives.get(name, 0)}"

    def _open(self, name: str) -> Database:
        return open_database(store_files(self._home(name)), SeededEntropy(f"{name} home"))

    @staticmethod
    def _check(name: str, tx: Transaction) -> None:
        verify_log(name, recorded_incarnation(tx), tx)


def verify_log(name: str, incarnation: str, tx: Transaction) -> None:
    """See that the audit log of a node is whole."""
    log = _log(name, incarnation)
    signer = certified_node_keys(name).log
    assert fsck.verify(tx, vault=log.vault, name=log.name, signer=signer, marks=None).problems == []


def _log(name: str, incarnation: str) -> AuditLog:
    node_keys = certified_node_keys(name)
    vault = Vault(DerivedPeriodKeys(node_keys.storage))
    log_name = LogName(node_keys.authority, node_keys.node, incarnation)
    return AuditLog(log_name, vault, SeededEntropy(f"{name} {incarnation} log"))


@contextmanager
def _quick_hash() -> Iterator[None]:
    """The passphrase is hashed without the memory that this takes."""

    def stand_in(passphrase: SecretBytes, salt: bytes, _cost: HashCost) -> SecretBytes:
        return SecretBytes((passphrase.reveal() * 32)[:16] + salt)

    with mock.patch.object(archive, "key_from", stand_in):
        yield
