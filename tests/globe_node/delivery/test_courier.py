# SPDX-License-Identifier: Apache-2.0
from unittest.mock import patch

from globe_node.delivery import courier, outbox
from globe_node.delivery.journal import LATE
from globe_node.delivery.link import Operation
from globe_node.delivery.outbox import Queued
from globe_node.errors import PeerUnreachableError
from protocol.audit.events import EventKind
from protocol.errors import ReasonCode
from protocol.identifiers import AuthorityId
from protocol.receipts import DeliveryState
from tests.globe_node.delivery.pair import A, B, Pair, in_pair, text
from tests.support.delivery import Text, identity_of
from tests.support.lines import Request


@in_pair
async def test_a_message_arrives_and_its_receipt_comes_back(pair: Pair) -> None:
    sent = await pair.stations[A].submit(text())
    await pair.pass_time(1.5)
    assert await pair.visible() == [("one", 1)]
    assert await pair.state(sent) is DeliveryState.RECEIVED
    (receipt,) = await pair.receipts(sent)
    assert receipt.content.issuer.authority == B
    kinds = [event.kind for event in await pair.entries(A)]
    assert kinds == [EventKind.RECEIPT]
    assert [event.kind for event in await pair.entries(B)] == [EventKind.RECEIVED]


@in_pair
async def test_what_waited_for_a_peer_goes_out_when_it_returns(pair: Pair) -> None:
    await pair.stop(B)
    sent = [await pair.stations[A].submit(text(number)) for number in range(1, 31)]
    await pair.pass_time(600)
    pair.start(B)
    await pair.pass_time(1800)
    assert await pair.visible() == [("one", number) for number in range(1, 31)]
    assert {await pair.state(item) for item in sent} == {DeliveryState.RECEIVED}


@in_pair
async def test_what_was_queued_before_a_restart_goes_out_by_itself(pair: Pair) -> None:
    await pair.stop(B)
    sent = await pair.stations[A].submit(text())
    await pair.pass_time(60)
    await pair.stop(A)
    pair.start(B)
    pair.start(A)
    await pair.pass_time(1800)
    assert await pair.state(sent) is DeliveryState.RECEIVED


@in_pair
async def test_a_pause_is_remembered_over_a_restart(pair: Pair) -> None:
    await pair.stop(B)
    await pair.stations[A].submit(text())
    await pair.pass_time(3600)
    (before,) = pair.stations[A].courier.status()
    await pair.stop(A)
    requests = len(pair.exchange.requests)
    pair.start(A)
    await pair.pass_time(2)
    (after,) = pair.stations[A].courier.status()
    assert after.failures >= before.failures > 8
    assert abs(after.next_attempt_ms - before.next_attempt_ms) <= 5
    assert len(pair.exchange.requests) <= requests + 1


@in_pair
async def test_a_dead_peer_costs_few_requests_however_much_waits(pair: Pair) -> None:
    await pair.stop(B)
    for number in range(1, 50):
        await pair.stations[A].submit(text(number))
        await pair.pass_time(600)
    hours = 49 * 600 / 3600
    assert len(pair.exchange.requests) <= 12 + hours * 12


@in_pair
async def test_the_first_request_to_a_failing_peer_is_small_and_the_rest_follows(pair: Pair) -> None:
    await pair.stop(B)
    for number in range(1, 151):
        await pair.stations[A].submit(text(number))
    await pair.pass_time(30)
    pair.exchange.requests.clear()
    pair.start(B)
    pair.stations[A].courier.heard(AuthorityId(B))
    await pair.pass_time(5)
    counts = [int.from_bytes(request.body[1:3], "big") for request in pair.exchange.requests]
    assert counts[0] == 4
    assert sum(counts) == 150
    assert max(counts) == 100


@in_pair
async def test_a_sign_of_life_ends_the_pause_but_each_one_in_vain_counts_less(pair: Pair) -> None:
    await pair.stop(B)
    await pair.stations[A].submit(text())
    await pair.pass_time(3600)
    pair.exchange.requests.clear()
    for _ in range(3600):
        pair.stations[A].courier.heard(AuthorityId(B))
        await pair.pass_time(1)
    assert 5 <= len(pair.exchange.requests) <= 20


@in_pair
async def test_at_its_deadline_a_message_ends_with_our_own_evidence(pair: Pair) -> None:
    await pair.stop(B)
    sent = await pair.stations[A].submit(text(lifetime_seconds=3600.0))
    await pair.pass_time(3661)
    row = await pair.row(sent)
    assert row.state is DeliveryState.UNDELIVERABLE
    assert row.reason == ReasonCode.PEER_UNREACHABLE.value
    (receipt,) = await pair.receipts(sent)
    assert receipt.content.issuer.authority == A
    assert receipt.content.to == B
    (entry,) = await pair.entries(A)
    assert (entry.kind, entry.result) == (EventKind.UNDELIVERABLE, "peer_unreachable")


@in_pair
async def test_a_deadline_that_comes_closer_is_noticed(pair: Pair) -> None:
    await pair.stop(B)
    late = await pair.stations[A].submit(text(1))
    await pair.pass_time(5)
    soon = await pair.stations[A].submit(text(2, lifetime_seconds=10.0))
    await pair.pass_time(11)
    assert await pair.state(soon) is DeliveryState.UNDELIVERABLE
    assert await pair.state(late) is DeliveryState.QUEUED


@in_pair
async def test_many_deadlines_at_once_all_end(pair: Pair) -> None:
    await pair.stop(B)
    sent = [await pair.stations[A].submit(text(n, lifetime_seconds=60.0)) for n in range(1, 301)]
    await pair.pass_time(62)
    assert {await pair.state(item) for item in sent} == {DeliveryState.UNDELIVERABLE}


@in_pair
async def test_a_late_receipt_is_kept_beside_and_the_end_stands(pair: Pair) -> None:
    async def lose(request: Request) -> None:
        if request.source == A:
            await pair.stations[B].reception.handle(identity_of(A), request.operation, request.body)
            raise PeerUnreachableError("the answer was lost")

    pair.exchange.intercept = lose
    sent = await pair.stations[A].submit(text(lifetime_seconds=10.0))
    await pair.pass_time(11)
    assert await pair.state(sent) is DeliveryState.UNDELIVERABLE
    pair.exchange.intercept = None
    (envelope,) = await pair.envelopes()
    await pair.stations[B].read(A, envelope)
    await pair.pass_time(5)
    assert await pair.state(sent) is DeliveryState.UNDELIVERABLE
    own, late = await pair.receipts(sent)
    assert (own.content.issuer.authority, late.content.issuer.authority) == (A, B)
    last = (await pair.entries(A))[-1]
    assert (last.kind, last.result) == (EventKind.RECEIPT, LATE)


@in_pair
async def test_a_receipt_for_reading_arrives_and_is_never_answered_with_one(pair: Pair) -> None:
    sent = await pair.stations[A].submit(text())
    await pair.pass_time(2)
    (envelope,) = await pair.envelopes()
    await pair.stations[B].read(A, envelope)
    await pair.pass_time(10)
    assert await pair.state(sent) is DeliveryState.READ
    operations = [request.operation for request in pair.exchange.requests]
    assert operations == [Operation.ENVELOPES, Operation.RECEIPTS]


@patch.object(courier, "SWEEP_SECONDS", 3_600.0)
@in_pair
async def test_a_receipt_that_cannot_be_posted_ends_at_its_deadline_without_evidence(pair: Pair) -> None:
    await pair.stations[A].submit(text())
    await pair.pass_time(2)
    await pair.stop(A)
    (envelope,) = await pair.envelopes()
    await pair.stations[B].read(A, envelope)
    await pair.pass_time(10 * 24 * 3600)
    assert await pair.look(B, outbox.waiting_peers) == []
    assert EventKind.UNDELIVERABLE not in [event.kind for event in await pair.entries(B)]


@in_pair
async def test_another_peer_is_served_while_one_is_slow(pair: Pair) -> None:
    async def slow(request: Request) -> None:
        if request.to == "xc-acc":
            await pair.pass_time(29)
            raise PeerUnreachableError("too slow")

    pair.exchange.intercept = slow
    pair.exchange.handlers["xc-acc"] = pair.stations[B].reception
    await pair.stations[A].submit(Text(to="xc-acc", route="slow", number=1))
    await pair.pass_time(1)
    sent = await pair.stations[A].submit(text())
    await pair.pass_time(0.5)
    assert await pair.state(sent) is DeliveryState.RECEIVED


@in_pair
async def test_nothing_queued_starts_nothing(pair: Pair) -> None:
    pair.stations[A].courier.wake(Queued(frozenset(), 0))
    await pair.pass_time(5)
    assert pair.stations[A].courier.status() == []
