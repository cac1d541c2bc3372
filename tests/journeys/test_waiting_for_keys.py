# SPDX-License-Identifier: Apache-2.0
"""Nodes that hold no keys of each other: what was written waits, is seen to wait, and goes out by itself."""

import asyncio
from collections.abc import Awaitable, Callable

import pytest

from globe_node.consultations.casefile import CaseView
from globe_node.consultations.drafting.drafts import Draft, Submitted
from globe_node.consultations.drafting.membership import Change, draft_of
from globe_node.errors import NotPermittedError
from globe_node.groups.keeping import leave_out_secrets
from globe_node.groups.links import GroupStatus
from protocol.codes.message_types import MessageType
from protocol.errors import ReasonCode
from protocol.identifiers import AuthorityId
from tests.simulation.loop import run_virtual
from tests.support.bodies import LEAN
from tests.support.nodes import A, B, C, Town, among_strangers, line, reply, request, stages, town


def status(view: CaseView) -> GroupStatus | None:
    """How the group of a consultation stands."""
    return None if view.summary.group is None else view.summary.group.status


@among_strangers
async def test_a_first_message_goes_out_as_soon_as_there_are_keys(town: Town) -> None:
    await town.stop(B)
    sent = await town.nodes[A].desk.submit(request())
    withdrawn = await town.nodes[A].desk.submit(reply(sent, MessageType.WITHDRAWAL, {}))
    await asyncio.sleep(600)
    view = await town.show(A, sent.consultation)
    assert status(view) is GroupStatus.AWAITING_KEYS
    for record in view.records:
        assert stages(record) == ["submitted", "waiting"]
        assert line(record, "waiting").reason == ReasonCode.AWAITING_KEYS
    await town.start(B)
    await asyncio.sleep(600)
    ours, theirs = await town.show(A, sent.consultation), await town.show(B, sent.consultation)
    assert status(ours) is status(theirs) is GroupStatus.OPEN
    assert [record.record_id for record in theirs.records] == [sent.record_id, withdrawn.record_id]
    assert all("received" in stages(record) for record in ours.records)


@among_strangers
async def test_what_waited_for_keys_outlives_a_kill(town: Town) -> None:
    await town.stop(B)
    sent = await town.nodes[A].desk.submit(request())
    await town.kill(A)
    await town.start(B)
    await town.start(A)
    await asyncio.sleep(600)
    assert len((await town.show(B, sent.consultation)).records) == 1


@among_strangers
async def test_a_consultation_that_nobody_heard_of_in_time_ends_with_evidence(town: Town) -> None:
    await town.stop(B)
    sent = await town.nodes[A].desk.submit(request(deadline_seconds=3600))
    await asyncio.sleep(2 * 3600)
    view = await town.show(A, sent.consultation)
    (record,) = view.records
    ended = line(record, "undeliverable")
    assert (ended.signed_by, ended.reason) == ("xa-acc/main", ReasonCode.AWAITING_KEYS)
    assert status(view) is GroupStatus.EXPIRED
    with pytest.raises(NotPermittedError) as refused:
        await town.nodes[A].desk.submit(reply(sent, MessageType.WITHDRAWAL, {}))
    assert refused.value.code is ReasonCode.AWAITING_KEYS
    await town.start(B)
    await asyncio.sleep(3600)
    assert await town.opened(B) == []


@among_strangers
async def test_who_lost_the_keys_of_its_invitation_is_invited_again(town: Town) -> None:
    """B lost its memory while A opened a consultation with a key package of before."""
    await town.acquaint()
    await town.nodes[B].supply._bench.store.write(leave_out_secrets)
    await town.stop(B)
    sent = await town.nodes[A].desk.submit(request())
    await town.start(B)
    await asyncio.sleep(1_200)
    ours, theirs = await town.show(A, sent.consultation), await town.show(B, sent.consultation)
    assert [record.record_id for record in theirs.records] == [sent.record_id]
    assert ours.summary.group is not None
    assert ours.summary.group.confirmed
    assert "received" in stages(ours.records[0])
    answered = await town.nodes[B].desk.submit(reply(sent, MessageType.ACK, LEAN[MessageType.ACK]))
    await asyncio.sleep(60)
    assert answered.record_id in [
        record.record_id for record in (await town.show(A, sent.consultation)).records
    ]


async def adding(town: Town, sent: Submitted) -> Draft:
    change = Change(sent.consultation, (AuthorityId(C),), (), "The account is kept there.")
    storage = town.nodes[A].parts.node_keys.storage
    return await town.look(A, lambda tx: draft_of(tx, storage, AuthorityId(A), change))


def of_three(test: Callable[[Town], Awaitable[None]]) -> Callable[[], None]:
    """Run a test with A, B and C that hold no keys of each other; lines to C are down at first."""

    def run() -> None:
        async def main() -> None:
            async with town(A, B, C, acquainted=False) as nodes:
                nodes.exchange.down.add(C)
                await test(nodes)

        run_virtual(main())

    run.__name__ = test.__name__
    return run


@of_three
async def test_who_can_not_be_added_at_once_holds_nobody_up(nodes: Town) -> None:
    sent = await nodes.nodes[A].desk.submit(request())
    await asyncio.sleep(60)
    with pytest.raises(NotPermittedError, match=C) as refused:
        await nodes.nodes[A].desk.submit(await adding(nodes, sent))
    assert refused.value.code is ReasonCode.AWAITING_KEYS
    withdrawn = await nodes.nodes[A].desk.submit(reply(sent, MessageType.WITHDRAWAL, {}))
    await asyncio.sleep(60)
    assert (await nodes.show(B, sent.consultation)).records[-1].record_id == withdrawn.record_id


@of_three
async def test_who_was_asked_for_keys_is_added_a_minute_later(nodes: Town) -> None:
    sent = await nodes.nodes[A].desk.submit(request())
    await asyncio.sleep(60)
    with pytest.raises(NotPermittedError):
        await nodes.nodes[A].desk.submit(await adding(nodes, sent))
    nodes.exchange.down.clear()
    await asyncio.sleep(60)
    await nodes.nodes[A].desk.submit(await adding(nodes, sent))
    await asyncio.sleep(60)
    assert [record.message_type for record in (await nodes.show(C, sent.consultation)).records] == ["MEMBERS"]


@of_three
async def test_nobody_is_added_to_what_has_not_gone_out(nodes: Town) -> None:
    nodes.exchange.down |= {B}
    sent = await nodes.nodes[A].desk.submit(request())
    with pytest.raises(NotPermittedError, match="not gone out") as refused:
        await nodes.nodes[A].desk.submit(await adding(nodes, sent))
    assert refused.value.code is ReasonCode.AWAITING_KEYS
