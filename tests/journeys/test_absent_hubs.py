# SPDX-License-Identifier: Apache-2.0
"""The authority that opened a consultation is away for days, and the others go on without it."""

import asyncio

import pytest

from globe_node.delivery.link import Answer
from globe_node.directory.publish import suspend_authority
from globe_node.errors import NotPermittedError, PeerUnreachableError
from globe_node.groups.keeping import leave_out_secrets
from globe_node.groups.links import GroupStatus
from globe_node.groups.views import GroupView
from globe_node.store.driver import driver_of
from protocol.audit.events import EventKind
from protocol.codes.message_types import MessageType
from protocol.directory.statements import Suspension, SuspensionReason
from protocol.errors import ReasonCode
from protocol.identifiers import AuthorityId, ConsultationId
from tests.journeys.test_renewed_keys import pass_a_day
from tests.support.bodies import OFFICE
from tests.support.clock import START
from tests.support.directory import officers
from tests.support.groups import CrashAt
from tests.support.lines import Request
from tests.support.nodes import A, B, C, Town, among_three, reply, request

ACK = {"handler": OFFICE, "update_every_days": 5}
QUESTION = {"questions": [{"id": "q1", "text": "Which year?"}]}
EXPLAINED = {"answers": [{"question": "q1", "text": "2019."}]}
CHANGE = {"roster": [A, B], "removed": [C], "reason": "It belongs to another unit."}
HOUR = 3_600
ALL_GROUPS = "SELECT status FROM group_link"


async def group(nodes: Town, name: str, consultation: ConsultationId) -> GroupView:
    found = (await nodes.show(name, consultation)).summary.group
    assert found is not None
    return found


async def hubs(nodes: Town, consultation: ConsultationId, *names: str) -> list[tuple[GroupStatus, str]]:
    views = [await group(nodes, name, consultation) for name in names]
    return [(view.status, view.hub) for view in views]


async def said(nodes: Town, consultation: ConsultationId, *names: str) -> list[int]:
    return [len((await nodes.show(name, consultation)).records) for name in names]


async def pass_three_days(nodes: Town, *names: str) -> None:
    """Let nodes look at a hub that does not answer, and think that it has been so for three days."""
    await asyncio.sleep(2 * HOUR + 60)
    sql = "UPDATE hub_silence SET since_ms = since_ms - 72 * 3600 * 1000, tries = tries + 24"
    for name in names:
        await nodes.nodes[name].parts.store.write(lambda tx: driver_of(tx).execute(sql))


async def waits(nodes: Town, name: str) -> None:
    """Let a node have something to say that wants its keys renewed first."""
    await pass_a_day(nodes, name)


def cut(nodes: Town, *names: str) -> None:
    """Cut the lines of some nodes, in both directions."""

    async def intercept(one: Request) -> Answer | None:
        if one.source in names or one.to in names:
            raise PeerUnreachableError("cut")
        return None

    nodes.exchange.intercept = intercept


@among_three
async def test_a_successor_continues_and_gives_back(nodes: Town) -> None:
    asked = await nodes.nodes[A].desk.submit(request(B, C))
    consultation = asked.consultation
    await asyncio.sleep(60)
    await nodes.nodes[B].desk.submit(reply(asked, MessageType.ACK, ACK))
    await asyncio.sleep(60)
    await nodes.stop(A)
    await waits(nodes, C)
    await nodes.nodes[C].desk.submit(reply(asked, MessageType.ACK, ACK))
    await pass_three_days(nodes, C)
    await asyncio.sleep(2 * HOUR)
    assert await said(nodes, consultation, B, C) == [3, 3]
    assert await hubs(nodes, consultation, B, C) == [(GroupStatus.OPEN, f"{A}/main")] * 2  # B hears it still
    await pass_three_days(nodes, B)
    await asyncio.sleep(2 * HOUR)
    assert await hubs(nodes, consultation, B, C) == [(GroupStatus.OPEN, f"{C}/main")] * 2
    view = await group(nodes, B, consultation)
    assert view.members == (A, B, C)
    assert [one.by for one in view.continued] == [f"{C}/main"]
    await nodes.nodes[B].desk.submit(reply(asked, MessageType.CLARIFICATION_REQUEST, QUESTION))
    await asyncio.sleep(60)
    assert await said(nodes, consultation, B, C) == [4, 4]

    await nodes.start(A)
    await asyncio.sleep(10)
    await asyncio.sleep(HOUR)
    assert await hubs(nodes, consultation, A, B, C) == [(GroupStatus.OPEN, f"{A}/main")] * 3
    assert [(await group(nodes, name, consultation)).confirmed for name in (A, B, C)] == [True] * 3
    await nodes.nodes[A].desk.submit(reply(asked, MessageType.CLARIFICATION, EXPLAINED))
    await asyncio.sleep(60)
    assert await said(nodes, consultation, A, B, C) == [5, 5, 5]
    await nodes.nodes[A].desk.submit(reply(asked, MessageType.MEMBERS, CHANGE))
    await asyncio.sleep(60)
    assert await said(nodes, consultation, A, B, C) == [6, 6, 6]
    assert (await group(nodes, C, consultation)).status is GroupStatus.LEFT
    for name in (A, B, C):
        (alarm,) = await nodes.entries(name, EventKind.ALARM)
        assert (alarm.peer, alarm.case, alarm.result) == (f"{C}/main", consultation, "continued")
        assert await nodes.waiting(name) == 0


@among_three
async def test_a_node_whose_own_line_is_down_continues_nothing(nodes: Town) -> None:
    asked = await nodes.nodes[A].desk.submit(request(B, C))
    await asyncio.sleep(60)
    cut(nodes, B)
    await waits(nodes, B)
    await nodes.nodes[B].desk.submit(reply(asked, MessageType.ACK, ACK))
    await pass_three_days(nodes, B)
    await asyncio.sleep(3 * HOUR)
    assert await hubs(nodes, asked.consultation, B, C) == [(GroupStatus.OPEN, f"{A}/main")] * 2
    nodes.exchange.intercept = None
    await asyncio.sleep(2 * HOUR)
    assert await said(nodes, asked.consultation, A, B, C) == [2, 2, 2]
    assert await nodes.look(B, lambda tx: driver_of(tx).execute("SELECT * FROM hub_silence").fetchall()) == []


@among_three
async def test_a_hub_that_changed_the_members_meanwhile_keeps_its_group(nodes: Town) -> None:
    asked = await nodes.nodes[A].desk.submit(request(B, C))
    consultation = asked.consultation
    await asyncio.sleep(60)
    cut(nodes, A)
    await waits(nodes, B)
    await nodes.nodes[B].desk.submit(reply(asked, MessageType.ACK, ACK))
    await pass_three_days(nodes, B, C)
    await asyncio.sleep(HOUR)
    assert await hubs(nodes, consultation, B, C) == [(GroupStatus.OPEN, f"{B}/main")] * 2
    await nodes.nodes[B].desk.submit(reply(asked, MessageType.CLARIFICATION_REQUEST, QUESTION))
    await nodes.nodes[A].desk.submit(reply(asked, MessageType.MEMBERS, CHANGE))
    await asyncio.sleep(60)
    assert await said(nodes, consultation, B, C) == [3, 3]
    nodes.exchange.intercept = None
    await asyncio.sleep(2 * HOUR)
    assert await hubs(nodes, consultation, A, B) == [(GroupStatus.OPEN, f"{A}/main")] * 2
    assert (await group(nodes, C, consultation)).status is GroupStatus.LEFT
    assert (await group(nodes, A, consultation)).members == (A, B)
    assert await said(nodes, consultation, A, B) == [4, 4]
    await nodes.nodes[A].desk.submit(reply(asked, MessageType.CLARIFICATION, EXPLAINED))
    await asyncio.sleep(60)
    assert await said(nodes, consultation, A, B) == [5, 5]


@among_three
async def test_who_has_lost_the_group_comes_into_the_new_one_from_outside(nodes: Town) -> None:
    asked = await nodes.nodes[A].desk.submit(request(B, C))
    consultation = asked.consultation
    await asyncio.sleep(60)
    await nodes.stop(A)
    await nodes.nodes[C].member._bench.store.write(leave_out_secrets)
    await nodes.kill(C)
    await nodes.start(C)
    await waits(nodes, B)
    await nodes.nodes[B].desk.submit(reply(asked, MessageType.ACK, ACK))
    await pass_three_days(nodes, B, C)
    await asyncio.sleep(3 * HOUR)
    assert await hubs(nodes, consultation, B, C) == [(GroupStatus.OPEN, f"{B}/main")] * 2
    assert await said(nodes, consultation, B, C) == [2, 2]
    await nodes.nodes[C].desk.submit(reply(asked, MessageType.ACK, ACK))
    await nodes.start(A)
    await asyncio.sleep(HOUR)
    assert await hubs(nodes, consultation, A, B, C) == [(GroupStatus.OPEN, f"{A}/main")] * 3
    assert await said(nodes, consultation, A, B, C) == [3, 3, 3]


@among_three
async def test_a_hub_that_the_directory_has_stopped_is_followed_at_once(nodes: Town) -> None:
    asked = await nodes.nodes[A].desk.submit(request(B, C))
    consultation = asked.consultation
    await asyncio.sleep(60)
    stop = suspend_authority(
        nodes.network.state,
        AuthorityId(A),
        Suspension(by="officers", reason=SuspensionReason.MISUSE),
        signers=[officers()[0].signing],
        issued=START,
    )
    for name in (B, C):
        await nodes.nodes[name].register.admit([stop], source="file")
    await asyncio.sleep(3 * HOUR)
    found = await hubs(nodes, consultation, B, C)
    assert found[0] == found[1] != (GroupStatus.OPEN, f"{A}/main")
    view = await group(nodes, B, consultation)
    assert (view.members, view.absent, view.fallen) == ((A, B, C), (A,), ())


@among_three
async def test_who_was_away_changes_no_members_before_it_is_the_hub_again(nodes: Town) -> None:
    asked = await nodes.nodes[A].desk.submit(request(B, C))
    await asyncio.sleep(60)
    await nodes.stop(A)
    await waits(nodes, B)
    await nodes.nodes[B].desk.submit(reply(asked, MessageType.ACK, ACK))
    await pass_three_days(nodes, B, C)
    await asyncio.sleep(2 * HOUR)
    await nodes.start(A)
    await asyncio.sleep(60)
    assert await hubs(nodes, asked.consultation, A) == [(GroupStatus.OPEN, f"{B}/main")]
    with pytest.raises(NotPermittedError) as refused:
        await nodes.nodes[A].desk.submit(reply(asked, MessageType.MEMBERS, CHANGE))
    assert refused.value.code is ReasonCode.ILLEGAL_MOVE
    await asyncio.sleep(HOUR)
    await nodes.nodes[A].desk.submit(reply(asked, MessageType.MEMBERS, CHANGE))
    await asyncio.sleep(60)
    assert (await group(nodes, B, asked.consultation)).members == (A, B)


@pytest.mark.parametrize("where", ["groups.succession.before_commit", "groups.succession.founded"])
def test_a_successor_that_crashes_continues_once(where: str) -> None:
    @among_three
    async def story(nodes: Town) -> None:
        asked = await nodes.nodes[A].desk.submit(request(B, C))
        await asyncio.sleep(60)
        await nodes.stop(A)
        await nodes.kill(B)
        nodes.faults[B] = CrashAt(where)
        await nodes.start(B)
        await waits(nodes, B)
        await nodes.nodes[B].desk.submit(reply(asked, MessageType.ACK, ACK))
        await pass_three_days(nodes, B, C)
        await asyncio.sleep(2 * HOUR)
        with pytest.raises(BaseExceptionGroup):
            await nodes.kill(B)
        await nodes.start(B)
        await asyncio.sleep(3 * HOUR)
        assert await hubs(nodes, asked.consultation, B, C) == [(GroupStatus.OPEN, f"{B}/main")] * 2
        assert await said(nodes, asked.consultation, B, C) == [2, 2]
        for name in (B, C):
            groups = await nodes.look(name, lambda tx: driver_of(tx).execute(ALL_GROUPS).fetchall())
            assert sorted(groups) == [("continued",), ("open",)]

    story()
