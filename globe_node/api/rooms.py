# SPDX-License-Identifier: Apache-2.0
"""What operations are given: the rooms of a node, for reading and for acting. It does nothing by itself."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from globe_node.audit.log import AuditLog
from globe_node.clock import Clock
from globe_node.consultations.arrivals import Arrivals
from globe_node.consultations.export import Exporter
from globe_node.consultations.reading import ReadingRoom
from globe_node.consultations.submit import Desk
from globe_node.delivery.courier import Courier
from globe_node.directory.register import Register
from globe_node.groups.packages.supply import Supply
from globe_node.groups.upkeep.caretaker import Caretaker
from globe_node.lookup.desk import LookupDesk
from globe_node.neighbours.book import DirectoryBook
from globe_node.neighbours.rounds import Rounds
from globe_node.store.door import Store
from globe_node.store.instance import Mark
from keys.node_keys import NodeKeys
from protocol.identifiers import AuthorityId


class Finding(Protocol):
    """The result of one step of an examination."""

    @property
    def step(self) -> str:
        """What was looked at."""
        ...

    @property
    def ok(self) -> bool:
        """Whether it is as it should be."""
        ...

    @property
    def sentence(self) -> str:
        """What was found."""
        ...

    @property
    def action(self) -> str:
        """What to do; empty when it is good."""
        ...


Examine = Callable[[AuthorityId], Awaitable[Sequence[Finding]]]
"""Tests the line to one authority's node; raises `ProtocolError` if the directory has no way to it."""


@dataclass(frozen=True, slots=True)
class ReadingRooms:
    """What reading needs; there whether the node runs or not.

    Attributes:
        lookup: searches the directory.
        marks: how far the audit log had got, as noted outside the database; None if nobody knows.
    """

    store: Store
    register: Register
    lookup: LookupDesk
    audit: AuditLog
    node_keys: NodeKeys
    clock: Clock
    marks: Callable[[], Mapping[str, Mark]] | None

    @property
    def me(self) -> AuthorityId:
        """This authority."""
        return self.node_keys.authority


@dataclass(frozen=True, slots=True)
class RunningRooms:
    """What acting needs: the rooms of the running node.

    Attributes:
        examine: tests the line to one peer, step by step.
    """

    reading: ReadingRooms
    arrivals: Arrivals
    desk: Desk
    opener: ReadingRoom
    exporter: Exporter
    courier: Courier
    book: DirectoryBook
    rounds: Rounds
    supply: Supply
    caretaker: Caretaker
    examine: Examine
