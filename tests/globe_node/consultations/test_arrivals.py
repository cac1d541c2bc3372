# SPDX-License-Identifier: Apache-2.0
import asyncio

from tests.support.nodes import A, B, Town, in_town, request


@in_town
async def test_what_came_in_is_named_in_order_and_once(town: Town) -> None:
    feed, store = town.nodes[B].intake.arrivals, town.nodes[B].parts.store
    first = await town.nodes[A].desk.submit(request())
    second = await town.nodes[A].desk.submit(request())
    seen = await feed.beyond(store, 0, limit=1, wait_seconds=10)
    assert [one.record_id for one in seen] == [first.record_id]
    await town.clock.sleep(5)
    rest = await feed.beyond(store, seen[-1].position, limit=10, wait_seconds=10)
    assert [one.record_id for one in rest] == [second.record_id]
    assert await feed.beyond(store, rest[-1].position, limit=10, wait_seconds=0) == []


@in_town
async def test_a_reader_that_waits_is_told_when_something_comes(town: Town) -> None:
    feed, store = town.nodes[B].intake.arrivals, town.nodes[B].parts.store
    async with asyncio.TaskGroup() as group:
        waiting = group.create_task(feed.beyond(store, 0, limit=10, wait_seconds=50))
        await town.clock.sleep(20)
        assert not waiting.done()
        sent = await town.nodes[A].desk.submit(request())
    assert [one.record_id for one in waiting.result()] == [sent.record_id]
    assert town.clock.monotonic() < 50


@in_town
async def test_what_this_node_sends_is_no_arrival(town: Town) -> None:
    await town.nodes[A].desk.submit(request())
    feed = town.nodes[A].intake.arrivals
    assert await feed.beyond(town.nodes[A].parts.store, 0, limit=10, wait_seconds=1) == []
