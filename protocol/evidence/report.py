# SPDX-License-Identifier: Apache-2.0
"""What the reading of a bundle found: one check a part, and what became of each record. Values only."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from protocol.codes.message_types import MessageType
from protocol.errors import ReasonCode, UntrustedError
from protocol.identifiers import AuthorityId, ConsultationId, Digest, NodeName
from protocol.receipts import DeliveryState


class Finding(StrEnum):
    """What one check found. Spec: PROTOCOL.md section 14.2."""

    HOLDS = "holds"
    NOTED = "noted"
    """Something is not here that the exporter need not have had: somebody was added later, or removed."""
    INCOMPLETE = "incomplete"
    """Something that must exist is not in the bundle."""
    DISPUTED = "disputed"
    """Signed by a key that somebody else may have held, with no proof that it is older than that."""
    FAILS = "fails"


@dataclass(frozen=True, slots=True)
class Check:
    """One check of one part.

    Attributes:
        part: which part of the bundle: `directory`, `record 2`, `chain xa-acc`.
        subject: what was checked: `form`, `signature`, `key`.
        finding: what came of it.
        detail: why, in words; never content.
    """

    part: str
    subject: str
    finding: Finding
    detail: str

    @property
    def name(self) -> str:
        """Part and subject."""
        return f"{self.part}: {self.subject}"

    @property
    def ok(self) -> bool:
        """Whether it holds, perhaps with a note."""
        return self.finding in (Finding.HOLDS, Finding.NOTED)


@dataclass(frozen=True, slots=True)
class Delivery:
    """What the receipts say of one record for one recipient.

    Attributes:
        recipient: who it was for.
        state: what became of it.
        reason: why it was not taken.
        at: when, as the one who signed says; None while there is no receipt.
    """

    recipient: AuthorityId
    state: DeliveryState
    reason: ReasonCode | None
    at: datetime | None


@dataclass(frozen=True, slots=True)
class RecordFinding:
    """One record of the bundle.

    Attributes:
        part: its name in the checks.
        record: its hash.
        type: the message type.
        author: who made it.
        author_seq: its place in the chain of its author.
        created: when, as its author says.
        deliveries: one for each recipient.
    """

    part: str
    record: Digest
    type: MessageType
    author: AuthorityId
    author_seq: int
    created: datetime
    deliveries: tuple[Delivery, ...]


@dataclass(frozen=True, slots=True)
class HubFinding:
    """A hub that gave one place of a group of the consultation to two commits: its own receipts prove it.

    Attributes:
        part: its name in the checks.
        hub: which node.
        group: id of the group, 64 hex digits.
        epoch: the epoch that both commits end.
        given: hash of the commit, hash of the authenticator after it, and when; for each of the two.
    """

    part: str
    hub: NodeName
    group: str
    epoch: int
    given: tuple[tuple[Digest, Digest, datetime], ...]


@dataclass(frozen=True, slots=True)
class Report:
    """All that was found.

    Attributes:
        consultation: which one, if the head could be read.
        checks: in the order of the bundle.
        records: in the order of the bundle; empty when reading ended before them.
        equivocations: hubs that are convicted. That is no fault of the bundle: it holds all the same.
    """

    consultation: ConsultationId | None
    checks: tuple[Check, ...]
    records: tuple[RecordFinding, ...] = ()
    equivocations: tuple[HubFinding, ...] = ()

    @property
    def ok(self) -> bool:
        """Whether every check holds."""
        return all(check.ok for check in self.checks)

    @property
    def notes(self) -> tuple[Check, ...]:
        """The checks that hold with a note."""
        return tuple(check for check in self.checks if check.finding is Finding.NOTED)

    @property
    def failed(self) -> tuple[Check, ...]:
        """The checks that do not hold."""
        return tuple(check for check in self.checks if not check.ok)

    def require_ok(self) -> None:
        """Pass if every check holds.

        Raises:
            UntrustedError: names the first part that does not (`evidence_invalid`).
        """
        for check in self.failed:
            raise UntrustedError(
                f"{check.name}: {check.finding}: {check.detail}", code=ReasonCode.EVIDENCE_INVALID
            )
