# SPDX-License-Identifier: Apache-2.0
"""What a lane does with every kind of answer a peer may give, honest, broken or hostile."""

from collections.abc import Awaitable, Callable

import pytest

from globe_node.delivery import outbox, wire
from globe_node.delivery.lanes import LaneStatus, Pace
from globe_node.delivery.link import Answer, Operation
from globe_node.delivery.outbox import DueRow
from globe_node.store.door import Transaction
from protocol import limits
from protocol.audit.events import AuditEvent, EventKind
from protocol.errors import ReasonCode
from protocol.identifiers import AuthorityId, EnvelopeId
from protocol.receipts import DeliveryState
from tests.globe_node.delivery.pair import A, B, Pair, in_pair, text
from tests.support.delivery import Text, identity_of
from tests.support.lines import Request

Say = Callable[[Pair, Request], Awaitable[Answer | None]]


async def real(pair: Pair, request: Request) -> Answer:
    return await pair.stations[B].reception.handle(identity_of(A), request.operation, request.body)


def status(pair: Pair) -> LaneStatus:
    (found,) = pair.stations[A].courier.status()
    return found


def answering(pair: Pair, *answers: Answer) -> None:
    """Let B answer with these, one after the other, and from then on as it is."""
    left = list(answers)

    async def intercept(request: Request) -> Answer | None:
        return left.pop(0) if left and request.source == A else None

    pair.exchange.intercept = intercept


async def alarms(pair: Pair) -> list[AuditEvent]:
    return [event for event in await pair.entries(A) if event.kind is EventKind.ALARM]


@pytest.mark.parametrize("code", list(ReasonCode))
def test_no_unsigned_answer_ends_a_message(code: ReasonCode) -> None:
    @in_pair
    async def run(pair: Pair) -> None:
        answering(pair, *[Answer(code, b"")] * 3)
        sent = await pair.stations[A].submit(text())
        await pair.pass_time(0.01)
        assert await pair.state(sent) is DeliveryState.QUEUED
        assert status(pair).reason is code
        await pair.pass_time(1200)
        assert await pair.state(sent) is DeliveryState.RECEIVED
        assert status(pair) == LaneStatus(AuthorityId(B), 0, None, 0)

    run()


@pytest.mark.parametrize(("asked", "least", "most"), [(600.0, 600, 602), (1e9, 3600, 3602), (-5.0, 0, 2)])
def test_a_pause_that_the_peer_asks_for_is_kept_up_to_an_hour(asked: float, least: int, most: int) -> None:
    @in_pair
    async def run(pair: Pair) -> None:
        answering(pair, Answer(ReasonCode.RATE_LIMITED, b"", retry_after=asked))
        sent = await pair.stations[A].submit(text())
        await pair.pass_time(max(least - 5, 0.01))
        pair.stations[A].courier.heard(AuthorityId(B))  # a sign of life does not shorten it
        await pair.pass_time(0.001)
        assert len(pair.exchange.requests) == 1
        await pair.pass_time(most + 5 - least)
        assert await pair.state(sent) is DeliveryState.RECEIVED

    run()


NOTHING = wire.EnvelopesAnswer().to_bytes()


@pytest.mark.parametrize(
    "body",
    [b"", b"<html>", b"{}", NOTHING, NOTHING[:-1], b"\xff" * 100, b"[" * 10_000],
    ids=["empty", "html", "object", "nothing", "cut", "octets", "deep"],
)
def test_an_answer_that_is_none_is_a_failure_and_an_alarm_after_three(body: bytes) -> None:
    @in_pair
    async def run(pair: Pair) -> None:
        answering(pair, *[Answer(None, body)] * 5)
        sent = await pair.stations[A].submit(text())
        await pair.pass_time(3600)
        assert await pair.state(sent) is DeliveryState.RECEIVED
        (alarm,) = await alarms(pair)
        assert alarm.result == ReasonCode.EVIDENCE_INVALID.value

    run()


@in_pair
async def test_two_answers_that_are_none_are_no_alarm(pair: Pair) -> None:
    answering(pair, *[Answer(None, b"")] * 2)
    await pair.stations[A].submit(text())
    await pair.pass_time(3600)
    assert await alarms(pair) == []


@in_pair
async def test_an_old_receipt_in_place_of_the_right_one_moves_nothing(pair: Pair) -> None:
    await pair.stations[A].submit(text(1))
    await pair.pass_time(2)
    old = await real(pair, pair.exchange.requests[0])
    answering(pair, *[Answer(None, old.body)] * 3)
    sent = await pair.stations[A].submit(text(2))
    await pair.pass_time(0.01)
    assert await pair.state(sent) is DeliveryState.QUEUED
    await pair.pass_time(1200)
    assert await pair.state(sent) is DeliveryState.RECEIVED


@in_pair
async def test_a_forged_receipt_among_good_ones_spoils_only_itself(pair: Pair) -> None:
    async def forge(request: Request) -> Answer | None:
        answer = wire.parse_envelopes_answer((await real(pair, request)).body)
        (octets,) = answer.receipts
        forged = octets[:-1] + bytes([octets[-1] ^ 1])
        return Answer(None, wire.EnvelopesAnswer((forged, octets)).to_bytes())

    pair.exchange.intercept = forge
    for number in range(1, 5):
        sent = await pair.stations[A].submit(text(number))
        await pair.pass_time(2)
        assert await pair.state(sent) is DeliveryState.RECEIVED
    assert len(await alarms(pair)) == 1
    assert status(pair).failures == 0


@in_pair
async def test_what_the_peer_holds_undecided_is_asked_for_again_soon(pair: Pair) -> None:
    undecided: list[EnvelopeId] = []

    async def later(request: Request) -> Answer | None:
        if len(pair.exchange.requests) > 3:
            return None
        return Answer(None, wire.EnvelopesAnswer(pending=tuple(undecided)).to_bytes())

    pair.exchange.intercept = later
    undecided.append(await pair.stations[A].submit(text()))
    await pair.pass_time(6)
    assert await pair.state(undecided[0]) is DeliveryState.RECEIVED
    assert len(pair.exchange.requests) == 4
    assert (await pair.row(undecided[0])).attempts == 3


@in_pair
async def test_one_refused_envelope_lets_others_pass_but_not_those_behind_it(pair: Pair) -> None:
    refuse: list[EnvelopeId] = []

    async def intercept(request: Request) -> Answer | None:
        if len(pair.exchange.requests) > 1:
            return None
        codes = dict.fromkeys(refuse, ReasonCode.NOT_YET_VALID)
        return Answer(None, wire.EnvelopesAnswer(refused=codes).to_bytes())

    pair.exchange.intercept = intercept
    refuse.append(await pair.stations[A].submit(text(1)))
    await pair.pass_time(0.01)
    await pair.stations[A].submit(text(2))
    await pair.stations[A].submit(Text(to=B, route="two", number=1))
    await pair.pass_time(1200)
    assert [number for route, number in await pair.visible() if route == "one"] == [1, 2]
    assert status(pair).failures == 0


@pytest.mark.parametrize(
    "code", [ReasonCode.QUOTA_EXCEEDED, ReasonCode.STORAGE_FULL, ReasonCode.BUSY, ReasonCode.RATE_LIMITED]
)
def test_a_peer_that_wants_less_of_everything_is_left_alone(code: ReasonCode) -> None:
    @in_pair
    async def run(pair: Pair) -> None:
        refused: dict[EnvelopeId, ReasonCode] = {}

        async def intercept(request: Request) -> Answer | None:
            return Answer(None, wire.EnvelopesAnswer(refused=refused).to_bytes())

        pair.exchange.intercept = intercept
        refused[await pair.stations[A].submit(text())] = code
        await pair.pass_time(0.01)
        assert (status(pair).failures, status(pair).reason) == (1, code)

    run()


@pytest.mark.parametrize("code", [ReasonCode.BAD_CONTENT, ReasonCode.TOO_LARGE, ReasonCode.BAD_REQUEST])
def test_an_envelope_that_spoils_a_request_does_not_stop_the_others(code: ReasonCode) -> None:
    @in_pair
    async def run(pair: Pair) -> None:
        poison = await pair.stations[A].submit(Text(to=B, route="poisoned", number=1))

        async def intercept(request: Request) -> Answer | None:
            items = wire.parse_items(request.body, max_items=100, max_item_bytes=limits.MAX_ENVELOPE_BYTES)
            spoiled = any(b"poisoned" in item for item in items)
            return Answer(code, b"") if spoiled else None

        pair.exchange.intercept = intercept
        for number in range(1, 6):
            await pair.stations[A].submit(text(number))
        await pair.pass_time(3 * 3600)
        assert await pair.visible() == [("one", number) for number in range(1, 6)]
        assert await pair.state(poison) is DeliveryState.QUEUED

    run()


@pytest.mark.parametrize(
    "reason", [ReasonCode.SUSPENDED, ReasonCode.NO_KEY, ReasonCode.UNKNOWN_AUTHORITY, ReasonCode.DISPUTED]
)
def test_a_peer_that_the_directory_bars_is_held_with_the_reason_until_it_changes(reason: ReasonCode) -> None:
    @in_pair
    async def run(pair: Pair) -> None:
        peers = pair.stations[A].peers
        peers.barred[AuthorityId(B)] = reason
        sent = await pair.stations[A].submit(text())
        await pair.pass_time(7200)
        assert pair.exchange.requests == []
        assert (status(pair).reason, status(pair).failures) == (reason, 0)
        peers.barred.clear()
        pair.stations[A].courier.directory_changed()
        await pair.pass_time(1)
        assert await pair.state(sent) is DeliveryState.RECEIVED
        assert status(pair).reason is None

    run()


@in_pair
async def test_a_peer_whose_bar_ends_by_time_is_looked_at_again(pair: Pair) -> None:
    pair.stations[A].peers.barred[AuthorityId(B)] = ReasonCode.NO_KEY
    sent = await pair.stations[A].submit(text())
    await pair.pass_time(100)
    pair.stations[A].peers.barred.clear()  # as when a certificate begins: nobody says so
    await pair.pass_time(limits.MAX_BACKOFF_SECONDS)
    assert await pair.state(sent) is DeliveryState.RECEIVED


@in_pair
async def test_a_peer_barred_until_the_deadline_ends_undeliverable_with_that_reason(pair: Pair) -> None:
    pair.stations[A].peers.barred[AuthorityId(B)] = ReasonCode.SUSPENDED
    sent = await pair.stations[A].submit(text(lifetime_seconds=60.0))
    await pair.pass_time(61)
    row = await pair.row(sent)
    assert (row.state, row.reason) == (DeliveryState.UNDELIVERABLE, "suspended")


@in_pair
async def test_a_backlog_goes_in_full_requests_and_keeps_each_route_in_order(
    pair: Pair,
) -> None:
    under_way = 0
    most = 0

    async def slow(request: Request) -> Answer | None:
        nonlocal under_way, most
        under_way += 1
        most = max(most, under_way)
        await pair.pass_time(0.2)
        under_way -= 1
        return None

    await pair.stop(B)
    pair.stations[A].peers.barred[AuthorityId(B)] = ReasonCode.SUSPENDED
    for number in range(1, 251):
        for route in ("one", "two"):
            await pair.stations[A].submit(Text(to=B, route=route, number=number))
    pair.start(B)
    pair.exchange.intercept = slow
    pair.stations[A].peers.barred.clear()
    pair.stations[A].courier.directory_changed()
    await pair.pass_time(60)
    shown = await pair.visible()
    assert len(shown) == 500
    for route in ("one", "two"):
        assert [number for name, number in shown if name == route] == list(range(1, 251))
    assert most <= 2
    assert len(pair.exchange.requests) <= 8


@in_pair
async def test_many_routes_use_both_requests(pair: Pair) -> None:
    under_way: list[int] = [0]

    async def slow(request: Request) -> Answer | None:
        under_way.append(under_way[-1] + 1)
        await pair.pass_time(0.2)
        under_way.append(under_way[-1] - 1)
        return None

    pair.exchange.intercept = slow
    for number in range(300):
        await pair.stations[A].submit(Text(to=B, route=f"route{number}", number=1))
    await pair.pass_time(10)
    assert max(under_way) == 2
    assert len(await pair.visible()) == 300


@in_pair
async def test_envelopes_and_receipts_take_turns(pair: Pair) -> None:
    for number in range(1, 4):
        await pair.stations[B].submit(Text(to=A, route="back", number=number))
    await pair.pass_time(2)
    await pair.stop(A)
    for envelope in await pair.envelopes(A):
        await pair.stations[B].read(A, envelope)
    for number in range(1, 4):
        await pair.stations[B].submit(Text(to=A, route="more", number=number))
    pair.exchange.requests.clear()
    pair.start(A)
    await pair.pass_time(1200)
    operations = {request.operation for request in pair.exchange.requests if request.source == B}
    assert operations == {Operation.ENVELOPES, Operation.RECEIPTS}
    assert len(await pair.visible(A)) == 6


@in_pair
async def test_a_receipt_that_the_peer_refuses_is_posted_again(pair: Pair) -> None:
    await pair.stations[A].submit(text())
    await pair.pass_time(2)
    refusals = [ReasonCode.REFUSED] * 2

    def due(tx: Transaction) -> list[DueRow]:
        return outbox.due(tx, AuthorityId(A), Operation.RECEIPTS, now_ms=1 << 60, limit=9)

    async def refuse(request: Request) -> Answer | None:
        if request.operation is not Operation.RECEIPTS or not refusals:
            return None
        (row,) = await pair.look(B, due)
        return Answer(None, wire.write_refusals({row.envelope_id: refusals.pop()}))

    pair.exchange.intercept = refuse
    (envelope,) = await pair.envelopes()
    await pair.stations[B].read(A, envelope)
    await pair.pass_time(60)
    assert refusals == []
    posted = [request for request in pair.exchange.requests if request.operation is Operation.RECEIPTS]
    assert len(posted) == 3


def test_a_request_carries_no_more_than_the_operator_allows() -> None:
    @in_pair
    async def run(pair: Pair) -> None:
        await pair.stop(A)
        pair.start(A, Pace(batch_envelopes=3))
        pair.stations[A].peers.barred[AuthorityId(B)] = ReasonCode.SUSPENDED
        for number in range(1, 11):
            await pair.stations[A].submit(text(number))
        await pair.pass_time(1)
        pair.stations[A].peers.barred.clear()
        pair.stations[A].courier.directory_changed()
        await pair.pass_time(5)
        counts = [int.from_bytes(request.body[1:3], "big") for request in pair.exchange.requests]
        assert max(counts) == 3
        assert sum(counts) == 10

    run()
