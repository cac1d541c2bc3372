# SPDX-License-Identifier: Apache-2.0
"""The composition root: tasks stand and fall together, and a stop loses nothing."""

import asyncio
from typing import NoReturn

import pytest

from globe_node.consultations.drafting.drafts import Submitted
from globe_node.node import TaskBook
from protocol.audit.events import EventKind
from tests.simulation.loop import run_virtual
from tests.support.nodes import A, B, Town, in_town, request


@in_town
async def test_a_start_and_a_stop_are_in_the_log(town: Town) -> None:
    await town.stop(A)
    await town.start(A)
    kinds = [event.kind for event in await town.entries(A, EventKind.NODE_STARTED, EventKind.NODE_STOPPED)]
    assert kinds == [EventKind.NODE_STARTED, EventKind.NODE_STOPPED, EventKind.NODE_STARTED]


@in_town
async def test_a_stop_stores_what_was_accepted(town: Town) -> None:
    await town.stop(B)
    desk = town.nodes[A].desk
    waiting = asyncio.get_running_loop().create_task(desk.submit_many([request() for _ in range(300)]))
    await asyncio.sleep(0)
    await town.stop(A)
    outcomes = await waiting
    assert all(isinstance(outcome, Submitted) for outcome in outcomes)
    await town.start(A)
    assert len(await town.submitted(A)) == 300
    assert await town.waiting(A) >= 300  # and invitations to some of the groups


@in_town
async def test_a_task_that_fails_stops_the_node_with_its_reason(town: Town) -> None:
    node = town.nodes[A]
    town.exchange.handlers.pop(A)
    task, _stop = town._running.pop(A)

    async def fail() -> NoReturn:
        raise ZeroDivisionError

    node._tasks.spawn(fail())
    with pytest.raises(BaseExceptionGroup) as caught:
        await task
    assert caught.group_contains(ZeroDivisionError)


def test_a_task_that_comes_while_the_node_stops_is_never_begun() -> None:
    begun = False

    async def work() -> None:
        nonlocal begun
        begun = True

    async def main() -> None:
        tasks = TaskBook()
        assert tasks.spawn(work()) is None
        async with asyncio.TaskGroup() as group:
            tasks.open(group)
            tasks.end()
            assert tasks.spawn(work()) is None

    run_virtual(main())
    assert not begun
