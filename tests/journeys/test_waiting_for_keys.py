# SPDX-License-Identifier: Apache-2.0
"""Nodes that hold no keys of each other: what was written waits, is seen to wait, and goes out by itself."""

import asyncio

import pytest

from globe_node.consultations.casefile import CaseView
from globe_node.errors import NotPermittedError
from globe_node.groups.links import GroupStatus
from protocol.codes.message_types import MessageType
from protocol.errors import ReasonCode
from tests.support.nodes import A, B, Town, among_strangers, line, reply, request, stages


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
