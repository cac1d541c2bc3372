# SPDX-License-Identifier: Apache-2.0
"""What delivery writes into the audit log, each time in the transaction of the act itself. No content.

1. Every envelope that comes in, every receipt that moves a message, every end without the other side and
   every alarm has an entry.
2. An alarm is a claim of a peer that does not hold: an envelope of somebody else, a receipt for what was
   never sent or under an id used before, a receipt that contradicts what is known, an answer that is none.
3. A peer that makes false claims by the thousand fills no log: a number of alarms in an hour shows it, and no
   more are written.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime
from functools import partial
from typing import Protocol
from uuid import UUID

from globe_node.clock import Clock
from globe_node.delivery import outbox
from globe_node.delivery.inbox import Arrival
from globe_node.delivery.outbox import SentRow
from globe_node.store.door import Transaction
from protocol.audit.events import AuditEvent, EventKind, size_bucket
from protocol.errors import ReasonCode
from protocol.identifiers import AuthorityId, Digest, EnvelopeId
from protocol.receipts import DeliveryState, SignedReceipt, receipt_hash

MAX_ALARMS_AN_HOUR = 100
"""Alarms about one peer that are written down."""
LATE = "late"
"""The result of a receipt that changes nothing any more."""
_HOUR_SECONDS = 3_600.0


class Appender(Protocol):
    """The audit log, as far as delivery writes to it."""

    def append(self, tx: Transaction, events: Sequence[AuditEvent]) -> Sequence[int]:
        """Add entries and return their indexes."""
        ...


class Journal:
    """Writes entries; all arguments are facts that the transaction makes true."""

    def __init__(self, log: Appender, clock: Clock) -> None:
        self._log = log
        self._clock = clock
        self._alarms: dict[AuthorityId, tuple[float, int]] = {}

    def received(self, tx: Transaction, sender: AuthorityId, arrivals: Sequence[Arrival]) -> None:
        """Envelopes were stored, none of them opened yet."""
        stored = partial(_of_arrival, EventKind.RECEIVED, self._clock.now(), sender)
        self._append(tx, [stored(one, size=size_bucket(len(one.envelope.raw))) for one in arrivals])

    def rejected(self, tx: Transaction, sender: AuthorityId, arrivals: Sequence[Arrival]) -> None:
        """Envelopes with a fault of their own were rejected without being opened."""
        rejected = partial(_of_arrival, EventKind.REJECTED, self._clock.now(), sender)
        self._append(tx, [rejected(one, result=one.fault.value if one.fault else "") for one in arrivals])

    def conflicts(self, tx: Transaction, sender: AuthorityId, digests: Mapping[EnvelopeId, Digest]) -> None:
        """An id came again with other octets; the first one stands."""
        now = self._clock.now()
        written = list(digests.items())[: self._allowed(sender, len(digests))]
        self._append(
            tx,
            [
                AuditEvent(
                    kind=EventKind.ID_CONFLICT, at=now, peer=sender, msg=_text(envelope_id), digest=digest
                )
                for envelope_id, digest in written
            ],
        )

    def answered(
        self, tx: Transaction, signed: SignedReceipt, moved: Sequence[tuple[SentRow, DeliveryState]]
    ) -> None:
        """A verified receipt moved messages."""
        by = partial(_of_sent, EventKind.RECEIPT, self._clock.now(), key=signed.content.issuer.key)
        size = signed.content.directory.size
        self._append(tx, [by(row, result=state.value, dir_size=size) for row, state in moved])

    def late(self, tx: Transaction, signed: SignedReceipt, rows: Sequence[SentRow]) -> None:
        """A verified receipt came for messages that had ended at their deadline; it is kept beside that."""
        by = partial(_of_sent, EventKind.RECEIPT, self._clock.now(), key=signed.content.issuer.key)
        self._append(tx, [by(row, result=LATE) for row in rows])

    def undeliverable(self, tx: Transaction, rows: Sequence[SentRow], reason: ReasonCode) -> None:
        """Messages ended at their deadline."""
        ended = partial(_of_sent, EventKind.UNDELIVERABLE, self._clock.now())
        self._append(tx, [ended(row, result=reason.value) for row in rows])

    def alarm(self, tx: Transaction, peer: AuthorityId, alarms: Mapping[Digest, ReasonCode]) -> None:
        """A peer claimed what does not hold; by hash of the envelope or octets that the claim is about."""
        now = self._clock.now()
        written = list(alarms.items())[: self._allowed(peer, len(alarms))]
        self._append(
            tx,
            [
                AuditEvent(kind=EventKind.ALARM, at=now, peer=peer, digest=digest, result=code.value)
                for digest, code in written
            ],
        )

    def _allowed(self, peer: AuthorityId, wanted: int) -> int:
        """Return how many more alarms about a peer are written in this hour, and count them."""
        now = self._clock.monotonic()
        since, count = self._alarms.get(peer, (now, 0))
        if now - since >= _HOUR_SECONDS:
            since, count = now, 0
        allowed = min(wanted, MAX_ALARMS_AN_HOUR - count)
        self._alarms[peer] = since, count + allowed
        return allowed

    def _append(self, tx: Transaction, events: Sequence[AuditEvent]) -> None:
        if events:
            self._log.append(tx, events)


def apply_receipts(
    tx: Transaction, journal: Journal, receipts: Sequence[tuple[SignedReceipt, bytes]], now_ms: int
) -> set[Digest]:
    """Move what verified receipts of a peer cover, and write down what moved and what did not fit.

    Args:
        tx: the transaction.
        journal: where it is written down.
        receipts: each as values and as the octets that came.
        now_ms: Unix time.

    Returns:
        Hashes of the envelopes that they count for.
    """
    settled: set[Digest] = set()
    for signed, octets in receipts:
        applied = outbox.apply_receipt(tx, signed.content, octets, now_ms)
        journal.answered(tx, signed, applied.moved)
        alarms = {entry.envelope: code for entry, code in applied.alarms}
        journal.late(tx, signed, applied.late)
        if applied.beside:
            alarms[receipt_hash(signed.receipt)] = ReasonCode.ILLEGAL_MOVE
        journal.alarm(tx, signed.content.issuer.authority, alarms)
        settled |= applied.settled
    return settled


def _of_arrival(
    kind: EventKind, at: datetime, sender: AuthorityId, arrival: Arrival, *, size: str = "", result: str = ""
) -> AuditEvent:
    return AuditEvent(
        kind=kind,
        at=at,
        peer=sender,
        msg=_text(arrival.envelope_id),
        digest=arrival.digest,
        size=size,
        result=result,
    )


def _of_sent(
    kind: EventKind, at: datetime, row: SentRow, *, result: str, key: str = "", dir_size: int | None = None
) -> AuditEvent:
    return AuditEvent(
        kind=kind,
        at=at,
        peer=row.peer,
        msg=_text(row.envelope_id),
        digest=row.record_hash,
        dir_size=dir_size,
        key=key,
        result=result,
    )


def _text(envelope_id: EnvelopeId) -> str:
    return str(UUID(bytes=envelope_id))
