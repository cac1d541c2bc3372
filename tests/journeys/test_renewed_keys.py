# SPDX-License-Identifier: Apache-2.0
"""Whoever speaks in a group renews its keys first, a day or 100 messages after; no hub holds up anybody."""

import asyncio

import pytest

from globe_node.delivery.link import Answer, Operation
from globe_node.errors import PeerUnreachableError
from globe_node.groups import records
from globe_node.store.driver import driver_of
from protocol.audit.events import EventKind
from protocol.codes.message_types import MessageType
from protocol.errors import ReasonCode
from protocol.identifiers import ConsultationId
from tests.simulation.loop import run_virtual
from tests.support.bodies import OFFICE
from tests.support.groups import CrashAt
from tests.support.lines import Request
from tests.support.nodes import A, B, Town, in_town, reply, request, town

ACK = {"handler": OFFICE, "update_every_days": 5}
QUESTION = {"questions": [{"id": "q1", "text": "Which year?"}]}
PART = {"final": False, "items": [{"item": "h1", "result": "PARTIAL", "text": "Two directors."}]}
EXPLAINED = {"answers": [{"question": "q1", "text": "2019."}]}


async def pass_a_day(nodes: Town, name: str) -> None:
    """Let the keys of a node be a day older than they are."""
    node = nodes.nodes[name]
    sql = "UPDATE group_leaf SET since_ms = since_ms - 24 * 3600 * 1000"
    await node.parts.store.write(lambda tx: driver_of(tx).execute(sql))
    node.office.known.renewals._own.clear()


async def epochs(nodes: Town, consultation: ConsultationId) -> list[int]:
    groups = [(await nodes.show(name, consultation)).summary.group for name in (A, B)]
    return [group.epoch for group in groups if group is not None]


async def said(nodes: Town, consultation: ConsultationId) -> list[int]:
    """How many records A and B show."""
    return [len((await nodes.show(name, consultation)).records) for name in (A, B)]


def asked_for_places(nodes: Town) -> list[Request]:
    return [one for one in nodes.exchange.requests if one.operation is Operation.COMMITS]


@in_town
async def test_who_speaks_after_a_day_renews_its_keys_first(nodes: Town) -> None:
    asked = await nodes.nodes[A].desk.submit(request(B))
    await asyncio.sleep(60)
    await nodes.nodes[B].desk.submit(reply(asked, MessageType.ACK, ACK))
    await asyncio.sleep(60)
    assert await epochs(nodes, asked.consultation) == [1, 1]
    for name in (A, B):
        await pass_a_day(nodes, name)
    await nodes.nodes[B].desk.submit(reply(asked, MessageType.CLARIFICATION_REQUEST, QUESTION))
    await asyncio.sleep(5)
    assert await epochs(nodes, asked.consultation) == [2, 2]
    await nodes.nodes[A].desk.submit(reply(asked, MessageType.CLARIFICATION, EXPLAINED))
    await asyncio.sleep(5)
    assert await epochs(nodes, asked.consultation) == [3, 3]
    await nodes.nodes[A].desk.submit(reply(asked, MessageType.WITHDRAWAL, {}))
    await asyncio.sleep(60)
    assert await epochs(nodes, asked.consultation) == [3, 3]
    assert await said(nodes, asked.consultation) == [5, 5]
    assert len(asked_for_places(nodes)) == 1


@in_town
async def test_who_says_a_hundred_messages_renews_its_keys_and_none_of_them_waits(nodes: Town) -> None:
    asked = await nodes.nodes[A].desk.submit(request(B))
    await asyncio.sleep(60)
    for count, after in ((83, 1), (1, 2), (84, 2), (1, 3)):  # it has said that it joined, too
        await nodes.nodes[B].desk.submit_many([reply(asked, MessageType.ANSWER, PART)] * count)
        await asyncio.sleep(5)
        assert await epochs(nodes, asked.consultation) == [after, after]
    submitted = await nodes.entries(B, EventKind.SUBMITTED)
    assert ReasonCode.AWAITING_KEYS not in {event.result for event in submitted}
    assert await said(nodes, asked.consultation) == [170, 170]


@in_town
async def test_a_hub_that_gives_no_place_holds_up_nobody(nodes: Town) -> None:
    async def away(one: Request) -> Answer | None:
        if one.operation is Operation.COMMITS:
            raise PeerUnreachableError("away")
        return None

    async def silent(one: Request) -> Answer | None:
        if one.operation is Operation.COMMITS:
            await asyncio.sleep(1_000)
            raise PeerUnreachableError("silent")
        return None

    asked = await nodes.nodes[A].desk.submit(request(B))
    await asyncio.sleep(60)
    await pass_a_day(nodes, B)
    nodes.exchange.intercept = away
    await nodes.nodes[B].desk.submit(reply(asked, MessageType.ACK, ACK))
    await asyncio.sleep(1)
    assert await said(nodes, asked.consultation) == [2, 2]
    await asyncio.sleep(1_000)
    nodes.exchange.intercept = silent
    await nodes.nodes[B].desk.submit(reply(asked, MessageType.CLARIFICATION_REQUEST, QUESTION))
    await asyncio.sleep(1)
    assert await said(nodes, asked.consultation) == [2, 3]
    await asyncio.sleep(14)
    assert await said(nodes, asked.consultation) == [3, 3]
    nodes.exchange.intercept = None
    await asyncio.sleep(3_000)
    assert await epochs(nodes, asked.consultation) == [2, 2]
    assert len({one.body for one in asked_for_places(nodes)}) == 1


@pytest.mark.parametrize("where", ["groups.commits.made", "answer", "groups.commits.installed"])
def test_a_commit_that_was_on_its_way_outlives_a_kill(where: str) -> None:
    async def main() -> None:
        async with town() as nodes:
            asked = await nodes.nodes[A].desk.submit(request(B))
            await asyncio.sleep(60)
            await nodes.kill(B)
            nodes.faults[B] = CrashAt(where)
            await nodes.start(B)
            await pass_a_day(nodes, B)

            async def lose(one: Request) -> Answer | None:
                if one.operation is Operation.COMMITS:
                    await nodes.nodes[A].reception.handle(nodes.nodes[B].identity, one.operation, one.body)
                    await asyncio.sleep(1_000)
                return None

            nodes.exchange.intercept = lose if where == "answer" else None
            await nodes.nodes[B].desk.submit(reply(asked, MessageType.ACK, ACK))
            await asyncio.sleep(5)
            if where == "answer":
                await nodes.kill(B)
            else:
                with pytest.raises(BaseExceptionGroup):
                    await nodes.kill(B)
            nodes.exchange.intercept = None
            await nodes.start(B)
            await asyncio.sleep(60)
            assert await said(nodes, asked.consultation) == [2, 2]
            assert await epochs(nodes, asked.consultation) == [2, 2]
            assert len({one.body for one in asked_for_places(nodes)}) <= 1
            assert await nodes.look(B, records.pending_groups) == []
            await nodes.nodes[A].desk.submit(reply(asked, MessageType.WITHDRAWAL, {}))
            await asyncio.sleep(60)
            assert await said(nodes, asked.consultation) == [3, 3]

    run_virtual(main())
