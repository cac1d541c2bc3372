# SPDX-License-Identifier: Apache-2.0
"""Opening a record as a practitioner: an act that is logged, and that its author is told of once.

1. Every opening has an entry in the audit log, with its justification.
2. The first opening of a record of the other side sends one signed receipt for reading; later ones send none.
3. What is shown is read from the store in the same transaction that logs the act.
"""

from collections.abc import Callable
from dataclasses import dataclass

from globe_node.consultations import records
from globe_node.consultations.moments import moment_of
from globe_node.consultations.office import Office, no_such_record
from globe_node.consultations.records import Direction, RecordRow
from globe_node.delivery.outbox import Queued
from globe_node.delivery.settlement import Settlement
from globe_node.store.door import Transaction
from protocol.audit.events import AuditEvent, EventKind
from protocol.identifiers import RecordId
from protocol.record import SignedRecord, parse_signed_record


@dataclass(frozen=True, slots=True)
class Reading:
    """What a practitioner opened.

    Attributes:
        signed: record, signature and attachments.
        first: nobody here had opened it before, and it came from the other side.
    """

    signed: SignedRecord
    first: bool


class ReadingRoom:
    """Opens records for practitioners.

    Args:
        office: the shared parts.
        settlement: makes the receipts.
        wake: tells the courier that something was queued.
    """

    def __init__(self, office: Office, settlement: Settlement, wake: Callable[[Queued], None]) -> None:
        self._office = office
        self._settlement = settlement
        self._wake = wake

    async def open(self, record_id: RecordId, *, justification: str, officer: str = "") -> Reading:
        """Open one record.

        Args:
            record_id: which.
            justification: code of the reason why it is opened.
            officer: pseudonym of whoever opens it, known inside the authority alone.

        Raises:
            NotFoundError: there is no such record here.
            RowDamagedError: its row is damaged.
        """
        reading, queued = await self._office.store.write(
            lambda tx: self._open(tx, record_id, justification, officer)
        )
        if queued is not None:
            self._wake(queued)
        return reading

    def _open(
        self, tx: Transaction, record_id: RecordId, justification: str, officer: str
    ) -> tuple[Reading, Queued | None]:
        office = self._office
        row = records.record(tx, record_id)
        if row is None:
            raise no_such_record()
        signed = parse_signed_record(office.open_record(record_id, row.application_data))
        now_ms = office.now_ms()
        theirs = row.direction == Direction.IN
        first = theirs and records.mark_read(tx, record_id, now_ms)
        queued = None
        if first:
            queued = self._settlement.read(tx, row.author, [(row.envelope_hash, row.record_hash)])
        office.audit.append(tx, [_event(row, now_ms, justification, officer)])
        return Reading(signed, first), queued


def _event(row: RecordRow, now_ms: int, justification: str, officer: str) -> AuditEvent:
    return AuditEvent(
        kind=EventKind.READ,
        at=moment_of(now_ms),
        peer=row.author,
        case=row.consultation,
        msg=row.record_id,
        digest=row.record_hash,
        officer=officer,
        result=justification,
    )
