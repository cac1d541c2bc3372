# SPDX-License-Identifier: Apache-2.0
"""Whatever a peer sends, an answer with a listed code comes back, and one bad part spoils only itself."""

from collections.abc import Callable, Mapping

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from globe_node.delivery import wire
from globe_node.delivery.link import Answer, Operation
from globe_node.errors import StoreError
from protocol.audit.events import EventKind
from protocol.errors import ReasonCode
from protocol.identifiers import EnvelopeId
from protocol.receipts import DeliveryState, ReceiptStatus, parse_signed_receipt
from tests.globe_node.delivery.pair import A, B, Pair, in_pair, text
from tests.support.delivery import Text, identity_of, outgoing
from tests.support.entropy import SeededEntropy


def made(pair: Pair, number: int = 1, word: str = "take", **more: float) -> tuple[EnvelopeId, bytes]:
    """An envelope of A that its outbox knows nothing of."""
    entropy = SeededEntropy(f"{number} {word} {more}")
    item = outgoing(text(number, word, **more), sender=A, now_ms=pair.stations[B].now_ms(), entropy=entropy)
    return item.envelope_id, item.octets


async def ask(pair: Pair, *octets: bytes, operation: Operation = Operation.ENVELOPES) -> Answer:
    return await pair.stations[B].reception.handle(identity_of(A), operation, wire.write_items(octets))


def read(answer: Answer) -> wire.EnvelopesAnswer:
    assert answer.code is None
    return wire.parse_envelopes_answer(answer.body)


def statuses(answer: wire.EnvelopesAnswer) -> list[ReceiptStatus]:
    receipts = [parse_signed_receipt(octets) for octets in answer.receipts]
    return [entry.status for receipt in receipts for entry in receipt.content.entries]


@in_pair
async def test_a_batch_is_answered_with_one_receipt_for_all(pair: Pair) -> None:
    answer = read(await ask(pair, *(made(pair, number)[1] for number in (1, 2, 3))))
    assert len(answer.receipts) == 1
    assert statuses(answer) == [ReceiptStatus.RECEIVED] * 3
    assert (answer.pending, answer.refused) == ((), {})


@in_pair
async def test_a_repeat_gets_the_same_octets_and_is_not_shown_twice(pair: Pair) -> None:
    _, octets = made(pair)
    first, again = await ask(pair, octets), await ask(pair, octets)
    assert first.body == again.body
    assert await pair.visible() == [("one", 1)]
    assert [event.kind for event in await pair.entries(B)] == [EventKind.RECEIVED]


@in_pair
async def test_a_repeat_of_what_was_rejected_gets_the_same_rejection(pair: Pair) -> None:
    _, octets = made(pair, word="reject")
    first, again = await ask(pair, octets), await ask(pair, octets)
    assert first.body == again.body
    assert statuses(read(again)) == [ReceiptStatus.REJECTED]


@in_pair
async def test_one_bad_envelope_in_a_batch_does_not_stop_the_others(pair: Pair) -> None:
    envelopes = [made(pair, number)[1] for number in range(1, 50)]
    bad_id, bad = made(pair, 1, "reject")
    answer = read(await ask(pair, *envelopes[:25], b"\xff" * 40, bad, *envelopes[25:]))
    assert statuses(answer).count(ReceiptStatus.RECEIVED) == 49
    assert statuses(answer).count(ReceiptStatus.REJECTED) == 1
    assert bad_id not in answer.refused


@in_pair
async def test_what_we_fail_on_is_put_in_quarantine_and_its_sender_told(pair: Pair) -> None:
    poison, healthy = made(pair, 1, "poison"), made(pair, 1)
    answer = read(await ask(pair, poison[1], healthy[1]))
    assert sorted(statuses(answer)) == [ReceiptStatus.RECEIVED, ReceiptStatus.REJECTED]
    receipts = [parse_signed_receipt(octets).content for octets in answer.receipts]
    reasons = {entry.reason for receipt in receipts for entry in receipt.entries}
    assert reasons == {None, ReasonCode.QUARANTINED}


@in_pair
async def test_an_envelope_after_its_time_is_rejected_with_a_signature(pair: Pair) -> None:
    _, octets = made(pair, lifetime_seconds=5.0)
    await pair.pass_time(6)
    (receipt,) = read(await ask(pair, octets)).receipts
    (entry,) = parse_signed_receipt(receipt).content.entries
    assert (entry.status, entry.reason) == (ReceiptStatus.REJECTED, ReasonCode.EXPIRED)
    kinds = [event.kind for event in await pair.entries(B)]
    assert kinds == [EventKind.RECEIVED, EventKind.REJECTED]


@in_pair
async def test_an_id_used_twice_is_refused_and_noted_and_the_first_stands(pair: Pair) -> None:
    envelope_id, octets = made(pair)
    await ask(pair, octets)
    other = octets.replace(b"one 1 take", b"one 9 take")
    answer = read(await ask(pair, other))
    assert answer.refused == {envelope_id: ReasonCode.ID_CONFLICT}
    assert await pair.visible() == [("one", 1)]
    assert (await pair.entries(B))[-1].kind is EventKind.ID_CONFLICT


@in_pair
async def test_our_own_message_sent_back_to_us_is_refused(pair: Pair) -> None:
    sent = await pair.stations[A].submit(text())
    await pair.pass_time(2)
    request = pair.exchange.requests[0]
    answer = await pair.stations[A].reception.handle(identity_of(B), request.operation, request.body)
    assert read(answer).refused == {sent: ReasonCode.REFUSED}
    assert await pair.visible(A) == []


@in_pair
async def test_what_is_not_decided_in_time_is_pending_and_its_receipt_is_posted(pair: Pair) -> None:
    sent = await pair.stations[A].submit(Text(to=B, route="gap", number=2))
    await pair.pass_time(4)
    assert await pair.state(sent) is DeliveryState.QUEUED
    await pair.pass_time(400)
    assert await pair.state(sent) is DeliveryState.RECEIVED
    assert await pair.visible() == [("gap", 2)]


@in_pair
async def test_a_receipt_of_somebody_else_is_refused_by_its_id(pair: Pair) -> None:
    (receipt,) = read(await ask(pair, made(pair)[1])).receipts
    answer = await ask(pair, receipt, operation=Operation.RECEIPTS)
    assert answer.code is None
    assert list(wire.parse_refusals(answer.body).values()) == [ReasonCode.REFUSED]


@in_pair
async def test_a_receipt_for_what_was_never_sent_is_an_alarm(pair: Pair) -> None:
    (receipt,) = read(await ask(pair, made(pair)[1])).receipts
    body = wire.write_items([receipt])
    answer = await pair.stations[A].reception.handle(identity_of(B), Operation.RECEIPTS, body)
    assert answer.body == wire.write_refusals({})
    (alarm,) = await pair.entries(A)
    assert (alarm.kind, alarm.result) == (EventKind.ALARM, ReasonCode.ACK_UNKNOWN.value)


@pytest.mark.parametrize(
    ("operation", "body", "code"),
    [
        (Operation.ENVELOPES, b"", ReasonCode.BAD_CONTENT),
        (Operation.ENVELOPES, b"\x02", ReasonCode.BAD_VERSION),
        (Operation.ENVELOPES, wire.write_items([]), ReasonCode.BAD_CONTENT),
        (Operation.ENVELOPES, wire.write_items([b"x"] * 101), ReasonCode.TOO_LARGE),
        (Operation.ENVELOPES, wire.write_items([b"\0" * 9]), ReasonCode.BAD_CONTENT),
        (Operation.ENVELOPES, wire.write_items([b"x" * 1_600_001]), ReasonCode.TOO_LARGE),
        (Operation.RECEIPTS, b"", ReasonCode.BAD_CONTENT),
        (Operation.RECEIPTS, wire.write_items([b"x"]), ReasonCode.BAD_VERSION),
        (Operation.RECEIPTS, wire.write_items([b"\x01"]), ReasonCode.BAD_CONTENT),
        (Operation.RECEIPTS, wire.write_items([b"x"] * 101), ReasonCode.TOO_LARGE),
    ],
)
def test_a_request_that_is_none_gets_its_code(operation: Operation, body: bytes, code: ReasonCode) -> None:
    @in_pair
    async def run(pair: Pair) -> None:
        answer = await pair.stations[B].reception.handle(identity_of(A), operation, body)
        assert answer == Answer(code, b"")
        assert await pair.entries(B) == []

    run()


@settings(max_examples=40, deadline=None)
@given(st.sampled_from(Operation), st.binary(max_size=200), st.lists(st.binary(max_size=60), max_size=3))
def test_any_request_gets_an_answer(operation: Operation, junk: bytes, items: list[bytes]) -> None:
    @in_pair
    async def run(pair: Pair) -> None:
        for body in (junk, wire.write_items(items)):
            answer = await pair.stations[B].reception.handle(identity_of(A), operation, body)
            assert isinstance(answer, Answer)

    run()


@pytest.mark.parametrize("code", [ReasonCode.STORAGE_FULL, ReasonCode.STORAGE_FAILED, ReasonCode.BUSY])
def test_a_store_that_takes_nothing_acknowledges_nothing(code: ReasonCode) -> None:
    @in_pair
    async def run(pair: Pair) -> None:
        async def fail(_function: Callable[[object], object]) -> object:
            raise StoreError("no", code=code)

        store = pair.stations[B].machine.store
        write, store.write = store.write, fail  # type: ignore[method-assign,assignment]  # a disk that fails
        answer = await ask(pair, made(pair)[1])
        store.write = write  # type: ignore[method-assign]
        assert (answer.code, answer.body) == (code, b"")
        assert answer.retry_after
        assert await pair.visible() == []

    run()


@in_pair
async def test_questions_of_other_rooms_are_handed_on(pair: Pair) -> None:
    answers: Mapping[Operation, Answer] = {
        operation: await pair.stations[B].reception.handle(identity_of(A), operation, b"{}")
        for operation in (
            Operation.GREETING,
            Operation.STATEMENTS,
            Operation.KEY_PACKAGES,
            Operation.COMMITS,
            Operation.GROUP_INFO,
            Operation.HUB_RECEIPTS,
        )
    }
    assert {answer.body for answer in answers.values()} == {b"{}"}
