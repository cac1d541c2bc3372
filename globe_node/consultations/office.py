# SPDX-License-Identifier: Apache-2.0
"""What every act of this room works with, and the few facts about ourselves. It does nothing by itself."""

from collections.abc import Collection
from dataclasses import dataclass

from globe_node.audit.log import AuditLog
from globe_node.clock import Clock
from globe_node.consultations.casebook import KnownRequests
from globe_node.consultations.moments import unix_milliseconds
from globe_node.directory.register import Register
from globe_node.errors import NodeError, NotFoundError, NotPermittedError
from globe_node.faults import FaultPoints
from globe_node.groups.book import GroupBook
from globe_node.groups.known import KnownGroups
from globe_node.groups.workbench import Workbench
from globe_node.logs import EventLog
from globe_node.store.door import Store, Transaction
from keys.node_keys import NodeKeys
from keys.signing_key import CompositeSigningKey
from protocol.directory.entries import STATUS_CODES, NodeState
from protocol.directory.replay import DirectoryState
from protocol.errors import ReasonCode
from protocol.identifiers import ConsultationId, RecordId
from protocol.interfaces import Entropy


@dataclass(frozen=True, slots=True)
class Office:
    """The parts that submitting, intake and reading share.

    Attributes:
        node_keys: who we are, and our secrets.
        incarnation: 16 hex digits, another after every restore.
        bench: what the room of groups works with.
        known: groups that are held in memory.
        requests: requests that are held in memory.
    """

    store: Store
    register: Register
    audit: AuditLog
    node_keys: NodeKeys
    incarnation: str
    clock: Clock
    entropy: Entropy
    faults: FaultPoints
    log: EventLog
    bench: Workbench
    known: KnownGroups
    requests: KnownRequests

    def book(
        self,
        tx: Transaction,
        *,
        consultations: Collection[ConsultationId] = (),
        routes: Collection[bytes] = (),
    ) -> GroupBook:
        """Return the groups of one transaction; those that it is about are looked up at once."""
        return GroupBook(self.bench, self.known, tx, consultations=consultations, routes=routes)

    def signer(self, directory: DirectoryState) -> CompositeSigningKey:
        """Return the signing key that the directory names for this node, current or former.

        Raises:
            NotPermittedError: the directory names none of ours, or its certificate ran out.
        """
        authority = self.node_keys.authority
        entry, now = directory.authority(authority), self.clock.now()
        for node in reversed(entry.nodes if entry else ()):
            key = self.node_keys.signing_key(node.signing.key_id)
            if key is not None and node.state is NodeState.ACTIVE and node.covers(now):
                return key
        raise NotPermittedError(
            "this node is not in the directory with a key in use",
            hint="Have the authority admitted, and publish the key with `directory publish`;"
            " `keys rotate` renews a certificate that ran out.",
            code=ReasonCode.NO_KEY,
        )

    def require_standing(self, directory: DirectoryState) -> None:
        """Check that others take messages of this authority now.

        Raises:
            NotPermittedError: it is `suspended`, `disputed`, or its admission is `expired`.
        """
        entry = directory.authority(self.node_keys.authority)
        code = STATUS_CODES.get(entry.status_at(self.clock.now())) if entry is not None else None
        if code is not None:
            raise NotPermittedError(
                f"in the directory this authority is {code}: nobody would take its messages",
                hint="Ask the network's officers; use another channel meanwhile.",
                code=code,
            )

    def can_sign(self) -> bool:
        """Say whether the directory names a key of this node that is in use."""
        try:
            self.signer(self.register.state)
        except NodeError:
            return False
        return True

    def seal_record(self, record_id: RecordId, application_data: bytes) -> bytes:
        """Seal a record at rest, bound to its row."""
        return self.node_keys.storage.seal(
            "record", record_id.encode("ascii"), application_data, self.entropy
        )

    def open_record(self, record_id: RecordId, sealed: bytes) -> bytes:
        """Open a record that was sealed at rest.

        Raises:
            RowDamagedError: the row is damaged.
        """
        return self.node_keys.storage.open_sealed("record", record_id.encode("ascii"), sealed)

    def now_ms(self) -> int:
        """Return the time of day in milliseconds of Unix time."""
        return unix_milliseconds(self.clock.now())


def no_such_consultation() -> NotFoundError:
    """Return the error for a consultation that is not here."""
    return NotFoundError("there is no such consultation here", hint="`consult list` shows what there is.")


def no_such_record() -> NotFoundError:
    """Return the error for a record that is not here."""
    return NotFoundError("there is no such record here", hint="`consult show` lists the records.")
