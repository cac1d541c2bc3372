# SPDX-License-Identifier: Apache-2.0
from collections.abc import Iterator
from datetime import UTC, datetime
from hashlib import sha256

import pytest
from sqlalchemy import Connection

from globe_node.delivery import outbox
from globe_node.delivery.link import Operation
from globe_node.delivery.outbox import Applied, Outgoing
from globe_node.store.driver import driver_of
from protocol.errors import LocalProtocolError, ReasonCode
from protocol.identifiers import AuthorityId, Digest, DirectoryView, EnvelopeId, KeyId, NodeId, RecordId
from protocol.receipts import DeliveryState, Issuer, Receipt, ReceiptEntry, ReceiptStatus
from tests.support.records import sample_id
from tests.support.store import memory_database

A, B, C = AuthorityId("xa-acc"), AuthorityId("xb-acc"), AuthorityId("xc-acc")
NOW = 1_000_000
HEX = "0" * 64


@pytest.fixture
def tx() -> Iterator[Connection]:
    database = memory_database()
    yield database.writer
    database.close()


def item(number: int, *peers: AuthorityId, route: int = 1, deadline_ms: int = NOW + 1_000) -> Outgoing:
    octets = f"envelope {number}".encode()
    return Outgoing(
        envelope_id=EnvelopeId(number.to_bytes(16, "big")),
        envelope_class=2,
        routing_id=bytes([route]) * 16,
        octets=octets,
        envelope_hash=Digest(sha256(octets).hexdigest()),
        record_hash=sha256(f"record {number}".encode()).hexdigest(),
        peers=peers or (B,),
        deadline_ms=deadline_ms,
    )


def control(number: int, peer: AuthorityId = B) -> Outgoing:
    octets = f"receipt {number}".encode()
    return Outgoing(
        envelope_id=EnvelopeId(number.to_bytes(16, "big")),
        envelope_class=outbox.CONTROL_CLASS,
        routing_id=bytes(16),
        octets=octets,
        envelope_hash=Digest(sha256(octets).hexdigest()),
        record_hash="",
        peers=(peer,),
        deadline_ms=NOW + 1_000,
    )


def entry(
    sent: Outgoing, status: ReceiptStatus = ReceiptStatus.RECEIVED, *, record: str | None = None
) -> ReceiptEntry:
    reason = ReasonCode.BAD_CONTENT if status.has_reason else None
    return ReceiptEntry(sent.envelope_hash, sent.record_hash if record is None else record, status, reason)


def receipt(*entries: ReceiptEntry, issuer: AuthorityId = B, number: int = 1) -> Receipt:
    return Receipt(
        receipt_id=RecordId(sample_id(number)),
        issuer=Issuer(issuer, NodeId("main"), KeyId(HEX)),
        to=A,
        created=datetime(2026, 3, 2, tzinfo=UTC),
        entries=entries,
        directory=DirectoryView(1, Digest(HEX)),
    )


def apply(tx: Connection, *entries: ReceiptEntry, issuer: AuthorityId = B, number: int = 1) -> Applied:
    content = receipt(*entries, issuer=issuer, number=number)
    return outbox.apply_receipt(tx, content, f"signed {number}".encode(), NOW)


def state(tx: Connection, sent: Outgoing) -> DeliveryState:
    (row,) = outbox.sent(tx, [sent.envelope_id])
    return row.state


def evidence(tx: Connection, sent: Outgoing) -> list[bytes]:
    (row,) = outbox.sent(tx, [sent.envelope_id])
    return outbox.evidence(tx, [row])[row.position]


def test_what_is_queued_is_due_in_the_order_it_came(tx: Connection) -> None:
    items = [item(9), item(3), item(7)]
    queued = outbox.enqueue(tx, items, NOW)
    rows = outbox.due(tx, B, Operation.ENVELOPES, now_ms=NOW, limit=10)
    assert queued == outbox.Queued(frozenset({B}), NOW + 1_000)
    assert [row.envelope_id for row in rows] == [one.envelope_id for one in items]
    octets = outbox.octets(tx, rows)
    assert [octets[row.body] for row in rows] == [one.octets for one in items]


def test_nothing_queued_wakes_nobody(tx: Connection) -> None:
    assert outbox.enqueue(tx, [], NOW).peers == frozenset()
    assert outbox.waiting_peers(tx) == []


def test_an_envelope_for_two_is_stored_once_and_ends_for_each_alone(tx: Connection) -> None:
    sent = item(1, B, C)
    outbox.enqueue(tx, [sent], NOW)
    assert driver_of(tx).execute("SELECT count(*) FROM outbox_body").fetchone() == (1,)
    apply(tx, entry(sent))
    assert {row.peer: row.state for row in outbox.sent(tx, [sent.envelope_id])} == {
        B: DeliveryState.RECEIVED,
        C: DeliveryState.QUEUED,
    }
    (waiting,) = outbox.due(tx, C, Operation.ENVELOPES, now_ms=NOW, limit=10)
    assert outbox.octets(tx, [waiting]) == {waiting.body: sent.octets}
    apply(tx, entry(sent), issuer=C, number=2)
    assert driver_of(tx).execute("SELECT count(*) FROM outbox_body").fetchone() == (0,)


@pytest.mark.parametrize("status", [ReceiptStatus.RECEIVED, ReceiptStatus.REJECTED])
def test_the_octets_of_what_ended_go_and_those_beside_it_stay(tx: Connection, status: ReceiptStatus) -> None:
    ended, overdue, waiting = item(1), item(2, deadline_ms=NOW), item(3, B, C)
    outbox.enqueue(tx, [ended, overdue, waiting, control(4)], NOW)
    apply(tx, entry(ended, status))
    (late,) = outbox.overdue(tx, NOW, 10)
    outbox.end_undeliverable(tx, [late.position], reason=ReasonCode.EXPIRED, receipt=0, now_ms=NOW)
    posted = outbox.due(tx, B, Operation.RECEIPTS, now_ms=NOW, limit=10)
    outbox.end_posted(tx, [row.position for row in posted], NOW)
    left = [octets for (octets,) in driver_of(tx).execute("SELECT octets FROM outbox_body")]
    assert left == [waiting.octets]


def test_messages_and_receipts_are_due_apart_and_counted_apart(tx: Connection) -> None:
    outbox.enqueue(tx, [item(1), control(2), control(3, C)], NOW)
    assert len(outbox.due(tx, B, Operation.ENVELOPES, now_ms=NOW, limit=10)) == 1
    assert len(outbox.due(tx, B, Operation.RECEIPTS, now_ms=NOW, limit=10)) == 1
    assert outbox.waiting_peers(tx) == [B, C]
    assert outbox.counts(tx) == {(B, DeliveryState.QUEUED): 1}


@pytest.mark.parametrize("octets", [b"", b"x" * 1_600_001])
def test_what_no_request_could_carry_is_refused_before_it_is_queued(tx: Connection, octets: bytes) -> None:
    too_large = Outgoing(EnvelopeId(bytes(16)), 2, bytes(16), octets, Digest(HEX), HEX, (B,), NOW)
    with pytest.raises(LocalProtocolError) as caught:
        outbox.enqueue(tx, [item(1), too_large], NOW)
    assert caught.value.code is ReasonCode.TOO_LARGE
    assert outbox.waiting_peers(tx) == []


def test_a_receipt_moves_what_it_names(tx: Connection) -> None:
    items = [item(number) for number in (1, 2, 3)]
    outbox.enqueue(tx, items, NOW)
    applied = apply(tx, entry(items[0]), entry(items[1], ReceiptStatus.REJECTED, record=""))
    assert [after for _, after in applied.moved] == [DeliveryState.RECEIVED, DeliveryState.REJECTED]
    assert [state(tx, one).value for one in items] == ["received", "rejected", "queued"]
    assert evidence(tx, items[0]) == [b"signed 1"]
    assert outbox.sent(tx, [items[1].envelope_id])[0].reason == "bad_content"
    assert [row.envelope_id for row in outbox.due(tx, B, Operation.ENVELOPES, now_ms=NOW, limit=9)] == [
        items[2].envelope_id
    ]


def test_the_same_receipt_again_changes_nothing(tx: Connection) -> None:
    sent = item(1)
    outbox.enqueue(tx, [sent], NOW)
    apply(tx, entry(sent))
    again = apply(tx, entry(sent))
    assert (again.moved, again.late, again.beside, again.alarms) == ([], [], [], [])
    assert evidence(tx, sent) == [b"signed 1"]


def test_reading_comes_after_receiving_and_both_receipts_are_kept(tx: Connection) -> None:
    sent = item(1)
    outbox.enqueue(tx, [sent], NOW)
    apply(tx, entry(sent))
    apply(tx, entry(sent, ReceiptStatus.READ), number=2)
    assert state(tx, sent) is DeliveryState.READ
    assert evidence(tx, sent) == [b"signed 1", b"signed 2"]
    apply(tx, entry(sent), number=3)
    assert state(tx, sent) is DeliveryState.READ


@pytest.mark.parametrize("negative", [ReceiptStatus.REJECTED, None])
def test_what_ended_badly_never_turns_good(tx: Connection, negative: ReceiptStatus | None) -> None:
    sent = item(1)
    outbox.enqueue(tx, [sent], NOW)
    if negative:
        apply(tx, entry(sent, negative))
    else:
        (row,) = outbox.overdue(tx, NOW + 2_000, 10)
        outbox.end_undeliverable(tx, [row.position], reason=ReasonCode.EXPIRED, receipt=0, now_ms=NOW)
    before = state(tx, sent)
    applied = apply(tx, entry(sent), number=2)
    assert state(tx, sent) is before
    assert applied.moved == []
    against = applied.beside if negative else applied.late
    assert [row.envelope_id for row in against] == [sent.envelope_id]
    assert evidence(tx, sent)[-1] == b"signed 2"


def test_a_receipt_of_another_peer_counts_for_nothing(tx: Connection) -> None:
    sent = item(1)
    outbox.enqueue(tx, [sent], NOW)
    applied = apply(tx, entry(sent), issuer=C)
    assert [code for _, code in applied.alarms] == [ReasonCode.ACK_UNKNOWN]
    assert state(tx, sent) is DeliveryState.QUEUED
    assert driver_of(tx).execute("SELECT count(*) FROM receipt").fetchone() == (0,)


@pytest.mark.parametrize(
    ("forged", "code"),
    [
        (entry(item(2)), ReasonCode.ACK_UNKNOWN),
        (entry(item(1), record=HEX), ReasonCode.EVIDENCE_INVALID),
        (entry(item(1), ReceiptStatus.REJECTED, record=HEX), ReasonCode.EVIDENCE_INVALID),
        (entry(item(1), ReceiptStatus.UNDELIVERABLE), ReasonCode.EVIDENCE_INVALID),
    ],
)
def test_an_entry_that_does_not_fit_is_an_alarm(
    tx: Connection, forged: ReceiptEntry, code: ReasonCode
) -> None:
    sent = item(1)
    outbox.enqueue(tx, [sent], NOW)
    assert [found for _, found in apply(tx, forged).alarms] == [code]
    assert state(tx, sent) is DeliveryState.QUEUED


def test_no_receipt_is_taken_for_a_receipt(tx: Connection) -> None:
    posted = control(1)
    outbox.enqueue(tx, [posted], NOW)
    assert [code for _, code in apply(tx, entry(posted, record=HEX)).alarms] == [ReasonCode.ACK_UNKNOWN]


def test_two_hashes_with_the_same_beginning_are_told_apart(tx: Connection) -> None:
    sent = item(1)
    outbox.enqueue(tx, [sent], NOW)
    alike = ReceiptEntry(Digest(sent.envelope_hash[:16] + "f" * 48), sent.record_hash, ReceiptStatus.RECEIVED)
    assert [code for _, code in apply(tx, alike).alarms] == [ReasonCode.ACK_UNKNOWN]


def test_what_is_put_off_is_due_later_and_counts_its_attempts(tx: Connection) -> None:
    outbox.enqueue(tx, [item(1), item(2)], NOW)
    first, second = outbox.due(tx, B, Operation.ENVELOPES, now_ms=NOW, limit=9)
    outbox.postpone(tx, {first.position: NOW + 500})
    assert outbox.due(tx, B, Operation.ENVELOPES, now_ms=NOW, limit=9) == [second]
    assert outbox.next_attempt_ms(tx, B) == 0
    assert outbox.next_attempt_ms(tx, B, besides={second.position}) == NOW + 500
    again, _ = outbox.due(tx, B, Operation.ENVELOPES, now_ms=NOW + 500, limit=9)
    assert again == first._replace(attempts=1)


def test_what_follows_a_refused_envelope_waits_as_long(tx: Connection) -> None:
    outbox.enqueue(tx, [item(1, route=1), item(2, route=1), item(3, route=2)], NOW)
    first, *_ = outbox.due(tx, B, Operation.ENVELOPES, now_ms=NOW, limit=9)
    outbox.postpone(tx, {first.position: NOW + 500})
    outbox.hold_routes(tx, B, {first.routing_id: NOW + 500})
    assert [row.envelope_id[-1] for row in outbox.due(tx, B, Operation.ENVELOPES, now_ms=NOW, limit=9)] == [3]
    later = outbox.due(tx, B, Operation.ENVELOPES, now_ms=NOW + 500, limit=9)
    assert [row.envelope_id[-1] for row in later] == [1, 2, 3]


def test_only_what_is_open_is_overdue_the_earliest_first(tx: Connection) -> None:
    late, sooner, done = item(1, deadline_ms=NOW + 9), item(2, deadline_ms=NOW + 5), item(3, deadline_ms=NOW)
    outbox.enqueue(tx, [late, sooner, done], NOW)
    apply(tx, entry(done))
    assert outbox.next_deadline_ms(tx) == NOW + 5
    assert [row.envelope_id for row in outbox.overdue(tx, NOW + 9, 9)] == [
        sooner.envelope_id,
        late.envelope_id,
    ]
    assert outbox.overdue(tx, NOW + 4, 9) == []


def test_a_posted_receipt_ends_without_one(tx: Connection) -> None:
    outbox.enqueue(tx, [control(1)], NOW)
    (row,) = outbox.due(tx, B, Operation.RECEIPTS, now_ms=NOW, limit=9)
    outbox.end_posted(tx, [row.position], NOW)
    assert outbox.waiting_peers(tx) == []
    assert outbox.next_deadline_ms(tx) is None


DUE = (
    "SELECT position FROM outbox WHERE peer = 'x' AND operation = 0 AND state = 'queued'"
    " AND next_attempt_ms <= 5 ORDER BY position LIMIT 9"
)
OVERDUE = (
    "SELECT position FROM outbox WHERE state = 'queued' AND deadline_ms <= 5"
    " ORDER BY deadline_ms, position LIMIT 9"
)

HELD = (
    "SELECT position, size FROM inbox WHERE sender = 'x' AND state = 0 AND due_ms <= 5"
    " ORDER BY due_ms, position LIMIT 9"
)


@pytest.mark.parametrize(
    ("sql", "index"),
    [
        (DUE, "outbox_due"),
        (OVERDUE, "outbox_overdue"),
        ("SELECT min(deadline_ms) FROM outbox WHERE state = 'queued'", "outbox_overdue"),
        (HELD, "inbox_held"),
        ("SELECT sender FROM inbox WHERE state = 0 AND sender > 'x' ORDER BY sender LIMIT 1", "inbox_held"),
        ("SELECT min(due_ms) FROM inbox WHERE state = 0", "inbox_due"),
        ("SELECT count(*), sum(size) FROM inbox WHERE sender = 'x' AND state = 0", "inbox_held"),
    ],
)
def test_what_is_open_is_found_by_a_partial_index_and_without_sorting(
    tx: Connection, sql: str, index: str
) -> None:
    plan = [row[3] for row in driver_of(tx).execute(f"EXPLAIN QUERY PLAN {sql}")]
    assert len(plan) == 1
    assert index in plan[0]
