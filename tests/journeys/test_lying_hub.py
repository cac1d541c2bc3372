# SPDX-License-Identifier: Apache-2.0
"""A hub shows its members different groups: they find out, have proof, tell their people, and say no more."""

import asyncio

import pytest

from globe_node.api.reads import EQUIVOCATION_SHOWN_MS
from globe_node.consultations.export import Exporter
from globe_node.delivery.outbox import Outgoing, enqueue
from globe_node.errors import NotPermittedError
from globe_node.groups import hub
from globe_node.groups.links import GroupStatus
from globe_node.groups.members.equivocations import found_since
from globe_node.groups.members.parcels import parcel_of
from globe_node.store.door import Transaction
from protocol.audit.events import EventKind
from protocol.codes.message_types import MessageType
from protocol.errors import ReasonCode
from protocol.evidence.verify import verify_evidence
from protocol.identifiers import AuthorityId, ConsultationId
from tests.simulation.loop import run_virtual
from tests.support.bodies import OFFICE
from tests.support.nodes import A, B, C, Town, in_town, reply, request, town

ACK = {"handler": OFFICE, "update_every_days": 5}


class TakenBackError(Exception):
    """The transaction never was."""


async def commit_apart(nodes: Town, consultation: ConsultationId, to: str = B) -> Outgoing:
    """A commit of the hub A with its place, of which A remembers nothing."""
    made: list[Outgoing] = []
    office = nodes.nodes[A].office

    def act(tx: Transaction) -> None:
        book = office.book(tx)
        link = book.link_of(consultation)
        assert link is not None
        changed = hub.mend(book, link, (), leaves=())
        assert changed.commit is not None
        made.append(
            parcel_of(book.bench, book.tx, link, changed.commit, peers=[AuthorityId(to)], now_ms=book.now_ms)
        )
        raise TakenBackError

    with pytest.raises(TakenBackError):
        await office.store.write(act)
    return made[0]


@in_town
async def test_who_gets_two_commits_for_one_place_has_proof_and_says_no_more(nodes: Town) -> None:
    asked = await nodes.nodes[A].desk.submit(request(B))
    await asyncio.sleep(60)
    node = nodes.nodes[A]
    parcels = [await commit_apart(nodes, asked.consultation) for _ in range(2)]
    node.courier.wake(
        await node.parts.store.write(lambda tx: enqueue(tx, parcels, node.office.now_ms())),
    )
    await asyncio.sleep(60)
    group = (await nodes.show(B, asked.consultation)).summary.group
    assert group is not None
    assert group.status is GroupStatus.EQUIVOCATED
    assert group.proof
    (alarm,) = await nodes.entries(B, EventKind.ALARM)
    assert (alarm.peer, alarm.result, alarm.case) == ("xa-acc/main", "equivocation", asked.consultation)
    with pytest.raises(NotPermittedError) as refused:
        await nodes.nodes[B].desk.submit(reply(asked, MessageType.ACK, ACK))
    assert refused.value.code is ReasonCode.EVIDENCE_INVALID
    now_ms = nodes.nodes[B].office.now_ms()
    told = await nodes.look(B, lambda tx: found_since(tx, now_ms - EQUIVOCATION_SHOWN_MS))
    assert told == [asked.consultation]  # what `health` names
    assert await nodes.look(B, lambda tx: found_since(tx, now_ms)) == []
    exporter = Exporter(nodes.nodes[B].office)
    bundle = await exporter.export(asked.consultation, with_attachments=True, justification="TEST")
    report = verify_evidence(bundle, nodes.network.fingerprint)
    assert report.ok
    assert [one.hub.authority for one in report.equivocations] == [A]


def test_members_to_whom_a_hub_gave_different_commits_find_it_out() -> None:
    """Neither B nor C ever gets both; they show each other what they got."""

    async def main() -> None:
        async with town(A, B, C) as nodes:
            asked = await nodes.nodes[A].desk.submit(request(B, C))
            await asyncio.sleep(60)
            node = nodes.nodes[A]
            parcels = [await commit_apart(nodes, asked.consultation, to) for to in (B, C)]
            node.courier.wake(
                await node.parts.store.write(lambda tx: enqueue(tx, parcels, node.office.now_ms()))
            )
            await asyncio.sleep(200)
            for name in (B, C):
                group = (await nodes.show(name, asked.consultation)).summary.group
                assert group is not None
                assert group.status is GroupStatus.EQUIVOCATED
                (alarm,) = await nodes.entries(name, EventKind.ALARM)
                assert (alarm.peer, alarm.result, alarm.case) == (
                    "xa-acc/main",
                    "equivocation",
                    asked.consultation,
                )
                with pytest.raises(NotPermittedError) as refused:
                    await nodes.nodes[name].desk.submit(reply(asked, MessageType.ACK, ACK))
                assert refused.value.code is ReasonCode.EVIDENCE_INVALID

    run_virtual(main())
