# SPDX-License-Identifier: Apache-2.0
"""Bad lines and restarts: what was accepted is delivered or ends with evidence; nothing comes twice."""

import asyncio

from globe_node.delivery.link import Answer, Operation
from globe_node.errors import PeerUnreachableError
from protocol.audit.events import EventKind
from protocol.codes.message_types import MessageType
from protocol.consultations.table import State
from tests.support.delivery import identity_of
from tests.support.lines import Request
from tests.support.nodes import A, B, Town, in_town, line, reply, request, stages


@in_town
async def test_a_peer_that_was_away_gets_everything_when_it_returns(town: Town) -> None:
    await town.stop(B)
    sent = [await town.nodes[A].desk.submit(request()) for _ in range(3)]
    await asyncio.sleep(600)
    (record,) = (await town.show(A, sent[0].consultation)).records
    assert stages(record) == ["submitted", "waiting"]
    waiting = line(record, "waiting")
    assert waiting.attempts >= 1
    assert waiting.next_attempt_at is not None
    await town.start(B)
    await asyncio.sleep(60)
    assert await town.waiting(A) == 0
    for one in sent:
        assert len((await town.show(B, one.consultation)).records) == 1


@in_town
async def test_what_was_accepted_survives_a_kill(town: Town) -> None:
    await town.stop(B)
    sent = await town.nodes[A].desk.submit(request())
    await town.kill(A)
    await town.start(B)
    await town.start(A)
    await asyncio.sleep(60)
    assert stages((await town.show(A, sent.consultation)).records[0]) == ["submitted", "received"]
    assert len((await town.show(B, sent.consultation)).records) == 1


@in_town
async def test_a_deadline_ends_with_evidence_of_our_own(town: Town) -> None:
    await town.stop(B)
    sent = await town.nodes[A].desk.submit(request(deadline_seconds=3600))
    await asyncio.sleep(2 * 3600)
    (record,) = (await town.show(A, sent.consultation)).records
    ended = line(record, "undeliverable")
    assert ended.signed_by == "xa-acc/main"
    assert ended.reason == "peer_unreachable"
    assert len(await town.entries(A, EventKind.UNDELIVERABLE)) == 1
    await town.start(B)
    await asyncio.sleep(3600)
    assert await town.opened(B) == []
    assert [event.result for event in await town.entries(B, EventKind.OPENED)] == ["welcome"]


@in_town
async def test_lost_answers_lead_to_repeats_and_one_visible_message(town: Town) -> None:
    lost = 3

    async def lose(asked: Request) -> Answer | None:
        nonlocal lost
        if asked.to != B or asked.operation is not Operation.ENVELOPES or not lost:
            return None
        lost -= 1
        town.exchange.intercept = None
        await town.exchange.handlers[B].handle(identity_of(asked.source), asked.operation, asked.body)
        town.exchange.intercept = lose
        raise PeerUnreachableError("the line broke")

    town.exchange.intercept = lose
    sent = await town.nodes[A].desk.submit(request())
    await asyncio.sleep(60)
    assert lost == 0
    assert stages((await town.show(A, sent.consultation)).records[0]) == ["submitted", "received"]
    assert len((await town.show(B, sent.consultation)).records) == 1
    assert len(await town.opened(B)) == 1


@in_town
async def test_an_answer_crosses_a_withdrawal(town: Town) -> None:
    sent = await town.nodes[A].desk.submit(request())
    await asyncio.sleep(2)
    town.exchange.down |= {A, B}
    answer = {"final": True, "items": [{"item": "h1", "result": "NOT_FOUND"}]}
    await town.nodes[B].desk.submit(reply(sent, MessageType.ANSWER, answer))
    await town.nodes[A].desk.submit(reply(sent, MessageType.WITHDRAWAL, {}))
    await asyncio.sleep(5)
    town.exchange.down.clear()
    await asyncio.sleep(3600)
    for name in (A, B):
        view = await town.show(name, sent.consultation)
        assert view.summary.state is State.WITHDRAWN
        assert len(view.records) == 3
        assert all("rejected" not in stages(record) for record in view.records)


@in_town
async def test_reading_is_told_once_and_logged_each_time(town: Town) -> None:
    sent = await town.nodes[A].desk.submit(request())
    await asyncio.sleep(2)
    opener = town.nodes[B].reading
    first = await opener.open(sent.record_id, justification="CASE_WORK", officer="p-7")
    again = await opener.open(sent.record_id, justification="SUPERVISION")
    assert (first.first, again.first) == (True, False)
    assert first.signed.content.record_id == sent.record_id
    await asyncio.sleep(5)
    assert stages((await town.show(A, sent.consultation)).records[0]) == ["submitted", "received", "read"]
    read = await town.entries(B, EventKind.READ)
    assert [(event.result, event.officer) for event in read] == [("CASE_WORK", "p-7"), ("SUPERVISION", "")]
    assert (await town.show(B, sent.consultation)).summary.unread == 0
    own = await town.nodes[A].reading.open(sent.record_id, justification="CASE_WORK")
    assert not own.first
