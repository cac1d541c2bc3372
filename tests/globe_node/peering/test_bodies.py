# SPDX-License-Identifier: Apache-2.0
"""The bounds of one body by themselves; slowness over a real connection is in `test_application`."""

import asyncio
from unittest.mock import Mock

import pytest
from aiohttp import StreamReader, web
from aiohttp.base_protocol import BaseProtocol

from globe_node.peering.answers import RefusalError
from globe_node.peering.bodies import BodyReader
from globe_node.peering.settings import SiteLimits
from protocol.errors import ReasonCode

LIMITS = SiteLimits(
    body_grace_seconds=0.05, body_floor_bytes_per_second=10_000, body_seconds=0.2, max_body_bytes=100
)


def stream() -> StreamReader:
    return StreamReader(Mock(spec=BaseProtocol), 65_536, loop=asyncio.get_running_loop())


async def test_a_body_that_is_there_already_is_taken_whole() -> None:
    content = stream()
    for piece in (b"bo", b"dy"):
        content.feed_data(piece)
    content.feed_eof()
    assert await BodyReader(LIMITS).read(content, 4) == b"body"


async def test_a_body_in_pieces_is_put_together() -> None:
    content = stream()

    async def feed() -> None:
        for piece in (b"b", b"o", b"d", b"y"):
            content.feed_data(piece)
            await asyncio.sleep(0)
        content.feed_eof()

    feeding = asyncio.create_task(feed())
    assert await BodyReader(LIMITS).read(content, 4) == b"body"
    await feeding


async def test_a_body_of_another_length_is_refused() -> None:
    content = stream()
    content.feed_data(b"body")
    content.feed_eof()
    with pytest.raises(RefusalError) as caught:
        await BodyReader(LIMITS).read(content, 5)
    assert caught.value.code is ReasonCode.BAD_REQUEST


@pytest.mark.parametrize("error", [web.RequestPayloadError("x"), ConnectionResetError("x")])
async def test_a_body_that_breaks_off_is_refused(error: Exception) -> None:
    content = stream()
    content.feed_data(b"bo")
    content.set_exception(error)
    with pytest.raises(RefusalError) as caught:
        await BodyReader(LIMITS).read(content, 4)
    assert caught.value.code is ReasonCode.BAD_REQUEST


async def test_a_body_that_never_comes_is_too_slow() -> None:
    with pytest.raises(RefusalError) as caught:
        await BodyReader(LIMITS).read(stream(), 4)
    assert caught.value.code is ReasonCode.TOO_SLOW


def test_the_budget_is_taken_and_given_back() -> None:
    bodies = BodyReader(LIMITS)
    with bodies.hold(60):
        assert bodies.held_bytes == 60
        with pytest.raises(RefusalError) as caught, bodies.hold(41):
            pass
        assert caught.value.code is ReasonCode.BUSY
        with bodies.hold(40):
            assert bodies.held_bytes == 100
    with pytest.raises(ValueError, match="fault"), bodies.hold(60):
        raise ValueError("fault")
    assert bodies.held_bytes == 0
