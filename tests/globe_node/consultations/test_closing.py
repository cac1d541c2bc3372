# SPDX-License-Identifier: Apache-2.0
"""When a consultation is over and nothing more can come, the secrets of its group go; the records stay."""

import asyncio

from globe_node.consultations.closing import LATE_MS, Closer, Over, over
from globe_node.consultations.drafting.drafts import Submitted
from globe_node.delivery.outbox import Queued, enqueue
from globe_node.groups import hub, records
from globe_node.groups.links import GroupStatus
from globe_node.groups.members.parcels import parcel_of
from globe_node.store.door import Transaction
from globe_node.store.driver import driver_of
from protocol.codes.message_types import MessageType
from protocol.errors import ReasonCode
from protocol.identifiers import AuthorityId, ConsultationId
from tests.support.nodes import A, B, Town, in_town, reply, request


async def status(town: Town, name: str, sent: Submitted) -> GroupStatus:
    group = (await town.show(name, sent.consultation)).summary.group
    assert group is not None
    return group.status


async def closed(town: Town) -> Submitted:
    """A consultation that was withdrawn and closed, at both ends."""
    sent = await town.nodes[A].desk.submit(request())
    for move in (MessageType.WITHDRAWAL, MessageType.CLOSE):
        await asyncio.sleep(5)
        await town.nodes[A].desk.submit(reply(sent, move, {}))
    await asyncio.sleep(5)
    return sent


async def let_time_pass(town: Town, name: str, milliseconds: int) -> None:
    """Let the last movement of everything be so much earlier, and look once."""
    sql = "UPDATE consultation SET updated_ms = updated_ms - ?"
    node = town.nodes[name]
    await node.parts.store.write(lambda tx: driver_of(tx).execute(sql, (milliseconds,)))
    await Closer(node.office).work()


def secrets_of(tx: Transaction) -> int:
    driver = driver_of(tx)
    tables = ("group_core", "group_ratchet", "group_pending")
    return sum(int(driver.execute(f"SELECT count(*) FROM {one}").fetchone()[0]) for one in tables)


@in_town
async def test_secrets_go_when_nothing_more_can_come_and_records_stay(town: Town) -> None:
    sent = await closed(town)
    for name in (A, B):
        await let_time_pass(town, name, LATE_MS - 60_000)
        assert await status(town, name, sent) is GroupStatus.OPEN
        await let_time_pass(town, name, 60_000)
        assert await status(town, name, sent) is GroupStatus.CLOSED
        assert await town.look(name, secrets_of) == 0
        case = await town.show(name, sent.consultation)
        assert [one.message_type for one in case.records] == ["CONSULT_REQUEST", "WITHDRAWAL", "CLOSE"]


@in_town
async def test_what_is_not_closed_keeps_its_group(town: Town) -> None:
    sent = await town.nodes[A].desk.submit(request())
    await asyncio.sleep(5)
    await let_time_pass(town, B, 10 * LATE_MS)
    assert await status(town, B, sent) is GroupStatus.OPEN


@in_town
async def test_what_comes_for_a_closed_group_is_refused_at_once(town: Town) -> None:
    sent = await closed(town)
    await let_time_pass(town, B, LATE_MS + 1)
    office = town.nodes[A].office

    def change(tx: Transaction) -> Queued:
        book = office.book(tx)
        link = book.link_of(sent.consultation)
        assert link is not None
        commit = hub.mend(book, link, (), leaves=()).commit
        assert commit is not None
        peers, now_ms = [AuthorityId(B)], book.now_ms
        parcel = parcel_of(book.bench, tx, link, commit, peers=peers, now_ms=now_ms)
        book.write()
        return enqueue(tx, [parcel], now_ms)

    town.nodes[A].courier.wake(await office.store.write(change))
    await asyncio.sleep(60)
    sql = "SELECT DISTINCT reason FROM outbox WHERE reason <> ''"
    reasons = await town.look(A, lambda tx: driver_of(tx).execute(sql).fetchall())
    assert reasons == [(ReasonCode.KEY_GONE.value,)]
    assert await status(town, B, sent) is GroupStatus.CLOSED


@in_town
async def test_a_group_that_was_lost_is_not_looked_for_when_its_consultation_is_over(town: Town) -> None:
    sent = await closed(town)

    def lose(tx: Transaction) -> None:
        links = records.links_of(tx, [sent.consultation]).values()
        records.mark_lost(tx, [link.group_id for link in links], 1)

    await town.nodes[B].parts.store.write(lose)
    await let_time_pass(town, B, LATE_MS + 1)
    assert await status(town, B, sent) is GroupStatus.CLOSED


@in_town
async def test_nothing_is_looked_through_for_what_is_over(town: Town) -> None:
    await closed(town)

    def plans(tx: Transaction) -> list[str]:
        driver = driver_of(tx)
        seen: list[str] = []
        driver.set_trace_callback(seen.append)
        assert over(tx, Over(0, ConsultationId("")), 1) == []
        records.has_left(tx, 1)
        records.links_with(tx, GroupStatus.LOST, 1)
        driver.set_trace_callback(None)
        found = [row[3] for sql in seen for row in driver.execute(f"EXPLAIN QUERY PLAN {sql}")]
        return [one for one in found if one.startswith(("SCAN", "USE TEMP"))]

    assert await town.look(A, plans) == []
