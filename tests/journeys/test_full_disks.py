# SPDX-License-Identifier: Apache-2.0
"""A disk that is full for a while: nothing is lost, nobody is told a lie, and no restart is needed."""

import asyncio
from collections.abc import Callable
from typing import Any

import pytest

from globe_node.errors import StoreError
from protocol.errors import ReasonCode
from tests.support.nodes import A, B, Town, in_town, request, stages


class FullDisk:
    """Refuses every write of a node's store while it is entered."""

    def __init__(self, town: Town, name: str) -> None:
        self._store: Any = town.nodes[name].parts.store
        self._genuine = self._store.write

    async def _refuse(self, function: Callable[..., object]) -> object:
        del function
        raise StoreError("the disk is full", code=ReasonCode.STORAGE_FULL)

    def __enter__(self) -> None:
        self._store.write = self._refuse

    def __exit__(self, *_: object) -> None:
        self._store.write = self._genuine


@in_town
async def test_a_full_disk_at_the_receiver_delays_and_loses_nothing(town: Town) -> None:
    with FullDisk(town, B):
        sent = await town.nodes[A].desk.submit(request())
        await asyncio.sleep(600)
        assert stages((await town.show(A, sent.consultation)).records[0]) == ["submitted", "waiting"]
    await asyncio.sleep(2000)
    assert stages((await town.show(A, sent.consultation)).records[0]) == ["submitted", "received"]


@in_town
async def test_a_full_disk_between_reception_and_intake(town: Town) -> None:
    intake = town.nodes[B].intake
    genuine = intake._take
    intake._take = lambda tx: []  # type: ignore[method-assign]
    sent = await town.nodes[A].desk.submit(request())
    await asyncio.sleep(2)
    with FullDisk(town, B):
        intake._take = genuine  # type: ignore[method-assign]  # the real one again
        intake.wake()
        await asyncio.sleep(600)
        assert await town.held(B) == 2  # the invitation to the group is one of them
    await asyncio.sleep(600)
    assert await town.held(B) == 0
    assert stages((await town.show(A, sent.consultation)).records[0]) == ["submitted", "received"]


@in_town
async def test_a_full_disk_at_the_sender_refuses_at_once(town: Town) -> None:
    with FullDisk(town, A), pytest.raises(StoreError) as caught:
        await town.nodes[A].desk.submit(request())
    assert caught.value.code is ReasonCode.STORAGE_FULL
    await town.nodes[A].desk.submit(request())
    await asyncio.sleep(60)
    assert await town.waiting(A) == 0


@in_town
async def test_a_full_disk_at_a_deadline_delays_the_end_and_stops_nothing(town: Town) -> None:
    town.exchange.down.add(B)
    sent = await town.nodes[A].desk.submit(request(deadline_seconds=60))
    with FullDisk(town, A):
        await asyncio.sleep(600)
        assert stages((await town.show(A, sent.consultation)).records[0]) == ["submitted", "waiting"]
    await asyncio.sleep(61)
    assert stages((await town.show(A, sent.consultation)).records[0]) == ["submitted", "undeliverable"]
    town.exchange.down.clear()
    await town.nodes[A].desk.submit(request())
    await asyncio.sleep(1000)
    assert await town.waiting(A) == 0
