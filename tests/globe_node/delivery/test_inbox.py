# SPDX-License-Identifier: Apache-2.0
from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import Connection

from globe_node.delivery import inbox, records
from globe_node.delivery.inbox import DEFAULT_QUOTA, Accepted, DayBook, Quota
from globe_node.delivery.link import PeerIdentity
from globe_node.delivery.records import HeldState, ReceiptRow
from globe_node.store.driver import driver_of
from protocol import limits
from protocol.envelope import EnvelopeClass, envelope_hash, routing_id_of
from protocol.errors import ReasonCode
from protocol.identifiers import AuthorityId, NodeId
from tests.globe_node.delivery.envelopes import HOUR, NOW, envelope, envelope_id
from tests.support.store import memory_database

A, B = AuthorityId("xa-acc"), AuthorityId("xb-acc")
PEER = PeerIdentity(A, NodeId("main"))


@pytest.fixture
def tx() -> Iterator[Connection]:
    database = memory_database()
    yield database.writer
    database.close()


def accept(
    tx: Connection, *items: bytes, quota: Quota = DEFAULT_QUOTA, now_ms: int = NOW, peer: PeerIdentity = PEER
) -> Accepted:
    return inbox.accept(tx, inbox.read_batch(peer, items, now_ms), now_ms=now_ms, quota=quota)


def finish(tx: Connection, *positions: int, state: HeldState = HeldState.DONE) -> None:
    number = records.add_receipt(tx, ReceiptRow(f"r{positions[0]}", B, A, b"receipt"), NOW)
    inbox.finish(tx, positions, state=state, receipt=number)


def take(tx: Connection, now_ms: int = NOW) -> list[int]:
    return [held.position for held in inbox.take_due(tx, now_ms, limit=100, max_bytes=1 << 20)]


def test_a_new_envelope_is_held_with_its_octets(tx: Connection) -> None:
    accepted = accept(tx, envelope())
    assert [arrival.envelope_id for arrival in accepted.held] == [envelope_id()]
    (held,) = inbox.take_due(tx, NOW, limit=9, max_bytes=1)
    assert held.octets == envelope()
    assert (held.sender, held.node, held.tries, held.received_ms) == (A, "main", 0, NOW)
    assert held.envelope_hash == envelope_hash(envelope())
    assert held.routing_id == routing_id_of(b"one")


def test_a_repeat_that_is_not_decided_is_pending_and_not_stored_again(tx: Connection) -> None:
    accept(tx, envelope())
    accepted = accept(tx, envelope())
    assert accepted.pending == [envelope_id()]
    assert accepted.held == []
    assert len(take(tx)) == 1


def test_a_repeat_that_is_decided_gets_the_stored_receipt_even_after_its_time(tx: Connection) -> None:
    accept(tx, envelope())
    finish(tx, *take(tx))
    accepted = accept(tx, envelope(), now_ms=NOW + 2 * HOUR)
    assert accepted.receipts == {envelope_id(): b"receipt"}
    assert take(tx) == []


def test_an_id_with_other_octets_is_a_conflict_and_the_first_stands(tx: Connection) -> None:
    accept(tx, envelope())
    other = envelope(sealed=b"other")
    accepted = accept(tx, other)
    assert accepted.refused == {envelope_id(): ReasonCode.ID_CONFLICT}
    assert accepted.conflicts == {envelope_id(): envelope_hash(other)}
    (held,) = inbox.take_due(tx, NOW, limit=9, max_bytes=1)
    assert held.octets == envelope()


def test_an_id_twice_in_one_batch_counts_once(tx: Connection) -> None:
    accepted = accept(tx, envelope(), envelope(), envelope(sealed=b"other"))
    assert len(accepted.held) == 1
    assert accepted.refused == {envelope_id(): ReasonCode.ID_CONFLICT}


def test_the_same_id_of_another_sender_is_another_envelope(tx: Connection) -> None:
    accept(tx, envelope())
    other = envelope(authority="xb-acc")
    accepted = accept(tx, other, peer=PeerIdentity(B, NodeId("main")))
    assert len(accepted.held) == 1


@pytest.mark.parametrize("claim", [{"authority": "xb-acc"}, {"node": "second"}])
def test_a_frame_of_somebody_else_is_refused(tx: Connection, claim: dict[str, str]) -> None:
    accepted = accept(tx, envelope(**claim))  # type: ignore[arg-type]  # two of its texts
    assert accepted.refused == {envelope_id(): ReasonCode.REFUSED}
    assert take(tx) == []


@pytest.mark.parametrize(
    ("item", "reason"),
    [
        (envelope(created_ms=NOW - 2 * HOUR, expires_ms=NOW), ReasonCode.EXPIRED),
        (envelope(expires_ms=NOW + limits.MAX_LIFETIME_SECONDS * 1000 + 1), ReasonCode.BAD_FIELD),
        (envelope(envelope_class=EnvelopeClass.CONTROL), ReasonCode.BAD_FIELD),
    ],
)
def test_what_can_never_be_taken_is_stored_to_be_rejected(
    tx: Connection, item: bytes, reason: ReasonCode
) -> None:
    accepted = accept(tx, item)
    ((_, arrival),) = accepted.unacceptable
    assert arrival.fault is reason
    assert accepted.held == []
    assert driver_of(tx).execute("SELECT count(*) FROM inbox_body").fetchone() == (0,)


def test_what_may_be_taken_later_is_refused_for_now(tx: Connection) -> None:
    early = envelope(created_ms=NOW + limits.CLOCK_TOLERANCE_SECONDS * 1000 + 1)
    assert accept(tx, early).refused == {envelope_id(): ReasonCode.NOT_YET_VALID}
    assert len(accept(tx, early, now_ms=NOW + 2).held) == 1


def test_one_bad_item_spoils_only_itself(tx: Connection) -> None:
    batch = inbox.read_batch(PEER, [envelope(1), b"\xff", envelope(2)], NOW)
    assert batch.unreadable == [ReasonCode.BAD_CONTENT]
    assert len(inbox.accept(tx, batch, now_ms=NOW, quota=DEFAULT_QUOTA).held) == 2


@pytest.mark.parametrize("quota", [Quota(envelopes=2), Quota(octets=2 * len(envelope()))])
def test_one_peer_may_have_only_so_much_held(tx: Connection, quota: Quota) -> None:
    accepted = accept(tx, *(envelope(number) for number in (1, 2, 3)), quota=quota)
    assert accepted.refused == {envelope_id(3): ReasonCode.QUOTA_EXCEEDED}
    again = accept(tx, envelope(2), envelope(4), quota=quota)
    assert again.refused == {envelope_id(4): ReasonCode.QUOTA_EXCEEDED}
    assert again.pending == [envelope_id(2)]
    finish(tx, *take(tx))
    assert len(accept(tx, envelope(4), quota=quota).held) == 1


def test_one_peer_may_have_only_so_much_stored_in_a_day(tx: Connection) -> None:
    book = DayBook(Quota(envelopes_a_day=2))
    for numbers, refused in (((1, 2), set()), ((2, 3), {envelope_id(3)})):
        batch = inbox.read_batch(PEER, [envelope(number) for number in numbers], NOW)
        accepted = inbox.accept(tx, batch, now_ms=NOW, quota=book.left(A, NOW))
        book.note(A, accepted.stored)
        assert set(accepted.refused) == refused
        if held := take(tx):
            finish(tx, *held)
    assert book.left(B, NOW).envelopes_a_day == 2
    assert book.left(A, NOW + 86_400_000).envelopes_a_day == 2


def test_a_day_counts_octets_too() -> None:
    book = DayBook(Quota(octets_a_day=500))
    assert book.left(A, NOW).octets_a_day == 500
    batch = inbox.read_batch(PEER, [envelope()], NOW)
    book.note(A, batch.arrivals.values())
    assert book.left(A, NOW).octets_a_day == 500 - len(envelope())


def test_intake_gets_what_came_in_order_and_within_its_bounds(tx: Connection) -> None:
    accept(tx, *(envelope(number) for number in (3, 1, 2)))
    assert take(tx) == [1, 2, 3]
    assert len(inbox.take_due(tx, NOW, limit=2, max_bytes=1 << 20)) == 2
    assert len(inbox.take_due(tx, NOW, limit=9, max_bytes=1)) == 1
    assert inbox.take_due(tx, NOW - 1, limit=9, max_bytes=1) == []


def test_a_flood_of_one_sender_does_not_delay_another(tx: Connection) -> None:
    accept(tx, *(envelope(number) for number in range(1, 61)))
    accept(tx, envelope(1, authority="xb-acc"), now_ms=NOW + 1, peer=PeerIdentity(B, NodeId("main")))
    taken = inbox.take_due(tx, NOW + 1, limit=20, max_bytes=1 << 20)
    assert [held.sender for held in taken] == [A] * 10 + [B]
    small = inbox.take_due(tx, NOW + 1, limit=20, max_bytes=2)
    assert [held.sender for held in small] == [A, B]


def test_what_waits_is_due_later_or_when_it_is_released(tx: Connection) -> None:
    accept(tx, envelope(1), envelope(2))
    inbox.postpone(tx, [1], NOW + 500)
    assert take(tx) == [2]
    assert inbox.next_due_ms(tx) == NOW
    assert inbox.release(tx, B, [routing_id_of(b"one")], NOW) == 0
    assert inbox.release(tx, A, [routing_id_of(b"two")], NOW) == 0
    assert inbox.release(tx, A, [routing_id_of(b"one")], NOW) == 1
    assert take(tx) == [1, 2]


def test_tries_are_counted(tx: Connection) -> None:
    accept(tx, envelope())
    assert [inbox.count_try(tx, 1, NOW + 5) for _ in range(3)] == [1, 2, 3]
    assert take(tx) == []


def test_decided_octets_are_let_go_and_those_in_quarantine_are_kept(tx: Connection) -> None:
    accept(tx, envelope(1), envelope(2))
    finish(tx, 1)
    finish(tx, 2, state=HeldState.QUARANTINED)
    assert driver_of(tx).execute("SELECT position FROM inbox_body").fetchall() == [(2,)]
    assert inbox.counts(tx) == {(A, HeldState.DONE): 1, (A, HeldState.QUARANTINED): 1}
    assert inbox.next_due_ms(tx) is None


def test_issued_receipts_are_found_by_envelope(tx: Connection) -> None:
    accept(tx, envelope(1), envelope(2))
    finish(tx, 1)
    found = inbox.issued(tx, A, [envelope_id(1), envelope_id(2), envelope_id(3)])
    assert found == {envelope_id(1): b"receipt"}


@given(st.lists(st.binary(max_size=300), max_size=4))
def test_any_octets_are_read_without_an_exception(items: list[bytes]) -> None:
    batch = inbox.read_batch(PEER, items, NOW)
    assert len(batch.unreadable) + len(batch.arrivals) + len(batch.refused) >= min(1, len(items))
