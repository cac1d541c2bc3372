# SPDX-License-Identifier: Apache-2.0
"""What every act of this room works with. It does nothing by itself."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from globe_node.audit.log import AuditLog
from globe_node.clock import Clock
from globe_node.delivery.clerk import unix_ms
from globe_node.directory.register import Register
from globe_node.faults import FaultPoints
from globe_node.groups.day_keys import DayKeys
from globe_node.logs import EventLog
from globe_node.store.door import Store
from protocol import limits
from protocol.identifiers import NodeName
from protocol.interfaces import Entropy, Signer


@dataclass(frozen=True, slots=True)
class Workbench:
    """The parts that keeping, key packages and groups share.

    Attributes:
        name: this node.
        signer: gives the signing key that the directory names for this node, or raises `NodeError`.
        day_keys: seal what is secret.
        pool_size: how many key packages this node keeps for each peer, and holds of each peer.
    """

    name: NodeName
    store: Store
    register: Register
    audit: AuditLog
    signer: Callable[[], Signer]
    day_keys: DayKeys
    clock: Clock
    entropy: Entropy
    faults: FaultPoints
    log: EventLog
    pool_size: int = limits.KEY_PACKAGE_POOL

    def now_ms(self) -> int:
        """Return the time of day in milliseconds of Unix time."""
        return unix_ms(self.clock.now())


def moment_at(milliseconds: int) -> datetime:
    """Return milliseconds of Unix time as a moment, aware, UTC."""
    return _EPOCH + timedelta(milliseconds=milliseconds)


_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
