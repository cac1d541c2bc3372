# SPDX-License-Identifier: Apache-2.0
from globe_node.delivery.link import Operation
from protocol.errors import ReasonCode
from protocol.receipts import DeliveryState
from tests.globe_node.delivery.pair import A, B, Pair, in_pair, text


@in_pair
async def test_a_message_arrives_and_its_receipt_comes_back(pair: Pair) -> None:
    sent = await pair.stations[A].submit(text())
    await pair.pass_time(1.5)
    assert await pair.visible() == [("one", 1)]
    assert await pair.state(sent) is DeliveryState.RECEIVED
    (receipt,) = await pair.receipts(sent)
    assert receipt.content.issuer.authority == B


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
async def test_a_rejection_is_signed_and_final(pair: Pair) -> None:
    sent = await pair.stations[A].submit(text(word="reject"))
    await pair.pass_time(2)
    row = await pair.row(sent)
    assert row.state is DeliveryState.REJECTED
    assert row.reason == ReasonCode.BAD_CONTENT.value
    assert await pair.visible() == []


@in_pair
async def test_at_its_deadline_a_message_ends_with_our_own_evidence(pair: Pair) -> None:
    await pair.stop(B)
    sent = await pair.stations[A].submit(text(lifetime_seconds=3600.0))
    await pair.pass_time(3700)
    row = await pair.row(sent)
    assert row.state is DeliveryState.UNDELIVERABLE
    assert row.reason == ReasonCode.PEER_UNREACHABLE.value
    (receipt,) = await pair.receipts(sent)
    assert receipt.content.issuer.authority == A
    assert receipt.content.to == B


@in_pair
async def test_receipts_are_never_answered_with_receipts(pair: Pair) -> None:
    sent = await pair.stations[A].submit(text())
    await pair.pass_time(2)
    (envelope,) = await pair.envelopes()
    await pair.stations[B].read(A, envelope)
    await pair.pass_time(10)
    assert await pair.state(sent) is DeliveryState.READ
    operations = [request.operation for request in pair.exchange.requests]
    assert operations == [Operation.ENVELOPES, Operation.RECEIPTS]
