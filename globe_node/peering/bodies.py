# SPDX-License-Identifier: Apache-2.0
"""Reads the body of a request within bounds of size, rate and memory. It does not look into it.

1. The length is known before a byte is read; more than the operation allows is refused unread.
2. A body may be slow for a few seconds, then it must keep a mean rate, and it has an end in any case: a body
   that drips is cut when it falls behind.
3. All bodies in memory share one budget; over it, the peer is asked to come back.
"""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager

from aiohttp import StreamReader, web

from globe_node.peering.answers import RefusalError
from globe_node.peering.settings import SiteLimits
from protocol.errors import ReasonCode


class BodyReader:
    """Reads bodies for one site.

    Attributes:
        held_bytes: what the bodies in work take of the budget now.
    """

    def __init__(self, limits: SiteLimits) -> None:
        self._limits = limits
        self.held_bytes = 0

    @contextmanager
    def hold(self, length: int) -> Iterator[None]:
        """Take `length` bytes of the budget.

        Raises:
            RefusalError: the budget is used up (`busy`).
        """
        if self.held_bytes + length > self._limits.max_body_bytes:
            raise RefusalError(ReasonCode.BUSY, retry_after=1.0)
        self.held_bytes += length
        try:
            yield
        finally:
            self.held_bytes -= length

    async def read(self, content: StreamReader, length: int) -> bytes:
        """Read the whole body.

        Args:
            content: where it comes from.
            length: how many bytes it has.

        Raises:
            RefusalError: too slow (`too_slow`), or it ends early (`bad_request`).

        Spec: PROTOCOL.md section 11.2.
        """
        try:
            body = content.read_nowait() if content.is_eof() else await self._read_slowly(content)
        except TimeoutError:
            raise RefusalError(ReasonCode.TOO_SLOW) from None
        except (web.RequestPayloadError, OSError):
            raise RefusalError(ReasonCode.BAD_REQUEST) from None
        if len(body) != length:
            raise RefusalError(ReasonCode.BAD_REQUEST)
        return body

    async def _read_slowly(self, content: StreamReader) -> bytes:
        start = asyncio.get_running_loop().time()
        pieces: list[bytes] = []
        received = 0
        while not content.at_eof():
            async with asyncio.timeout_at(start + self._seconds_for(received)):
                piece = await content.readany()
            pieces.append(piece)
            received += len(piece)
        return b"".join(pieces)

    def _seconds_for(self, received: int) -> float:
        """Return until when, from the start, more than `received` bytes must have come."""
        allowed = self._limits.body_grace_seconds + received / self._limits.body_floor_bytes_per_second
        return min(allowed, self._limits.body_seconds)
