# SPDX-License-Identifier: Apache-2.0
from collections.abc import Iterator, Sequence
from hashlib import sha256

import pytest
from sqlalchemy import Connection

from globe_node.delivery.journal import MAX_ALARMS_AN_HOUR, Journal
from globe_node.store.door import Transaction
from protocol.audit.events import AuditEvent, EventKind
from protocol.errors import ReasonCode
from protocol.identifiers import AuthorityId, Digest
from tests.globe_node.delivery.envelopes import envelope_id
from tests.support.clock import FixedClock
from tests.support.store import memory_database

A, B = AuthorityId("xa-acc"), AuthorityId("xb-acc")


class Entries:
    """Implements `Appender` in memory."""

    def __init__(self) -> None:
        self.events: list[AuditEvent] = []
        self.calls = 0

    def append(self, tx: Transaction, events: Sequence[AuditEvent]) -> Sequence[int]:
        self.calls += 1
        self.events.extend(events)
        return []


@pytest.fixture
def tx() -> Iterator[Connection]:
    database = memory_database()
    yield database.writer
    database.close()


def digests(count: int) -> list[Digest]:
    return [Digest(sha256(str(number).encode()).hexdigest()) for number in range(count)]


def test_a_peer_that_claims_falsely_by_the_thousand_fills_no_log(tx: Connection) -> None:
    entries, clock = Entries(), FixedClock()
    journal = Journal(entries, clock)
    for _ in range(10):
        journal.alarm(tx, A, dict.fromkeys(digests(50), ReasonCode.ACK_UNKNOWN))
        journal.conflicts(tx, A, {envelope_id(number): digests(1)[0] for number in range(1, 51)})
    assert len(entries.events) == MAX_ALARMS_AN_HOUR
    journal.alarm(tx, B, dict.fromkeys(digests(1), ReasonCode.ACK_UNKNOWN))
    assert entries.events[-1].peer == B
    clock.advance(3_600)
    journal.alarm(tx, A, dict.fromkeys(digests(1), ReasonCode.EVIDENCE_INVALID))
    assert (entries.events[-1].peer, entries.events[-1].result) == (A, "evidence_invalid")


def test_nothing_that_happened_writes_nothing(tx: Connection) -> None:
    entries = Entries()
    journal = Journal(entries, FixedClock())
    journal.received(tx, A, [])
    journal.rejected(tx, A, [])
    journal.conflicts(tx, A, {})
    journal.undeliverable(tx, [], ReasonCode.EXPIRED)
    journal.alarm(tx, A, {})
    assert entries.calls == 0


def test_a_conflict_names_the_envelope_that_came_second(tx: Connection) -> None:
    entries = Entries()
    Journal(entries, FixedClock()).conflicts(tx, A, {envelope_id(1): digests(1)[0]})
    (event,) = entries.events
    assert (event.kind, event.peer, event.digest) == (EventKind.ID_CONFLICT, A, digests(1)[0])
