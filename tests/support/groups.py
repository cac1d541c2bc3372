# SPDX-License-Identifier: Apache-2.0
"""One node's room of groups without the rest of the node; a restart forgets what is in memory."""

import io
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TypeVar

from globe_node.audit.log import AuditLog, LogName
from globe_node.audit.vault import DerivedPeriodKeys, Vault
from globe_node.directory.register import Register
from globe_node.faults import FaultPoints, NoFaults
from globe_node.groups.day_keys import DayKeys
from globe_node.groups.workbench import Workbench
from globe_node.logs import open_log
from globe_node.store.database import Database
from globe_node.store.door import InlineDoor, Transaction
from keys.storage_key import StorageKey
from protocol.directory.replay import DirectoryState
from protocol.identifiers import AuthorityId, NodeId, NodeName
from protocol.interfaces import Signer
from protocol.mls.founding import LeafDraft, found_group
from protocol.mls.group import Group
from protocol.mls.structures.extensions import BasicCredential
from protocol.mls.structures.nodes import Capabilities, Lifetime
from protocol.mls.suites import PRODUCT_SUITE
from tests.support.clock import FixedClock
from tests.support.directory import certified_node_keys, sample_network
from tests.support.entropy import SeededEntropy
from tests.support.key_files import MemoryKeyFile
from tests.support.loops import run_inline
from tests.support.store import INCARNATION, memory_database

T = TypeVar("T")


class Crash(BaseException):
    """The process ends here."""


@dataclass
class CrashAt:
    """A fault point that ends the process, once."""

    name: str

    def point(self, name: str) -> None:
        if name == self.name:
            self.name = ""
            raise Crash


@dataclass
class GroupHouse:
    """The parts of one node that outlive its process, and a workbench on them.

    Attributes:
        bench: what the room works with since the last restart.
    """

    authority: str = "xa-acc"
    database: Database = field(default_factory=memory_database)
    file: MemoryKeyFile = field(default_factory=MemoryKeyFile)
    clock: FixedClock = field(default_factory=FixedClock)
    log: io.StringIO = field(default_factory=io.StringIO)
    pool_size: int = 8
    directory: DirectoryState = field(default_factory=lambda: sample_network().state)
    signer: Callable[[], Signer] | None = None
    starts: int = 0

    def __post_init__(self) -> None:
        self.restart()

    @property
    def name(self) -> NodeName:
        return NodeName(AuthorityId(self.authority), NodeId("main"))

    def restart(self, faults: FaultPoints | None = None) -> None:
        self.starts += 1
        entropy = SeededEntropy(f"{self.authority} start {self.starts}")
        storage = StorageKey.generate(SeededEntropy(f"{self.authority} storage"))
        self.bench = Workbench(
            name=self.name,
            store=InlineDoor(self.database, NoFaults()),
            register=self._register(),
            audit=AuditLog(
                LogName(self.name.authority, self.name.node, INCARNATION),
                Vault(DerivedPeriodKeys(storage)),
                entropy,
            ),
            signer=self.signer or (lambda: certified_node_keys(self.authority).signing),
            day_keys=DayKeys(self.file, storage, INCARNATION, entropy),
            clock=self.clock,
            entropy=entropy,
            faults=faults or NoFaults(),
            log=open_log(self.log, self.clock.now, strict=True),
            pool_size=self.pool_size,
        )

    def write(self, function: Callable[[Transaction], T]) -> T:
        return run_inline(self.bench.store.write(function))

    def read(self, function: Callable[[Transaction], T]) -> T:
        return run_inline(self.bench.store.read(function))

    def _register(self) -> Register:
        register = Register(InlineDoor(self.database, NoFaults()), self.clock)
        register._state = self.directory
        return register


def lone_group(group_id: bytes) -> Group:
    """A group with one member, which says nothing."""
    draft = LeafDraft(
        signature=PRODUCT_SUITE.signature.key_pair(bytes(32)),
        credential=BasicCredential(b"sample"),
        capabilities=Capabilities(cipher_suites=(PRODUCT_SUITE.number,), credentials=(1,)),
        lifetime=Lifetime(0, 1 << 40),
    )
    return found_group(PRODUCT_SUITE, group_id, draft, entropy=SeededEntropy(group_id.hex()))
