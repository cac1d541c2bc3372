# SPDX-License-Identifier: Apache-2.0
"""From a draft to a message that can't be forgotten. Not its delivery: that is the courier's work.

1. Drafts that wait at the same time are handled in one transaction: record, outbox rows and audit entries
   stand together or not at all, and one composite signature covers them all.
2. Whatever can't be sent is refused before anything is stored, with what to do about it; it does not disturb
   the drafts beside it.
3. Ids are fixed when the draft comes in. What is stored is sent unchanged, however often.
"""

import asyncio
import contextlib
from collections import deque
from collections.abc import Callable, Collection, Sequence

from globe_node.consultations.drafting.compose import (
    Composed,
    Outcome,
    SubmitTransaction,
    compose,
    read_draft,
)
from globe_node.consultations.drafting.drafts import Draft, Submitted
from globe_node.consultations.office import Office
from globe_node.delivery.outbox import Queued
from globe_node.errors import NodeError
from globe_node.store.door import Transaction
from protocol.errors import ProtocolError, ReasonCode
from protocol.identifiers import AuthorityId, ConsultationId

MAX_DRAFTS = 64
"""Drafts that one transaction handles: all else waits some thirty milliseconds for it."""
MAX_DRAFT_BYTES = 8 * 1024 * 1024
"""Attachments that one transaction handles; one draft always fits."""
MAX_WAITING = 4_096
"""Drafts that may wait; more are refused as busy."""
MAX_WAITING_BYTES = 64 * 1024 * 1024
"""Attachments that may wait."""


class Desk:
    """Takes drafts in and answers when they are stored.

    Args:
        office: the shared parts.
        deadline_seconds: how long delivery is tried when a draft names no deadline.
        wake: tells the courier after each commit what was queued.
        need: asks for key packages of authorities.
        renew: has our keys in groups renewed.
    """

    def __init__(
        self,
        office: Office,
        *,
        deadline_seconds: int,
        wake: Callable[[Queued], None],
        need: Callable[[Collection[AuthorityId]], None],
        renew: Callable[[Collection[ConsultationId]], None],
    ) -> None:
        self._office = office
        self._deadline_seconds = deadline_seconds
        self._wake = wake
        self._need = need
        self._renew = renew
        self._waiting: deque[tuple[Composed, asyncio.Future[Outcome]]] = deque()
        self._waiting_bytes = 0
        self._arrived = asyncio.Event()
        self._idle = asyncio.Event()
        self._idle.set()

    async def submit(self, draft: Draft) -> Submitted:
        """Store one message for delivery.

        Raises:
            LocalProtocolError: the draft breaks a rule; the code is the one the other side would give.
            NodeError: it can't be sent, with what to do; or the store refused.
        """
        outcome = (await self.submit_many([draft]))[0]
        if isinstance(outcome, Submitted):
            return outcome
        raise outcome

    async def submit_many(self, drafts: Sequence[Draft]) -> list[Outcome]:
        """Store several messages; each outcome is its own.

        Raises:
            NodeError: too many drafts wait already (`busy`).
        """
        self._require_room(drafts)
        loop = asyncio.get_running_loop()
        outcomes: list[asyncio.Future[Outcome]] = []
        contents = [read_draft(draft) for draft in drafts]
        for draft, content in zip(drafts, contents, strict=True):
            future: asyncio.Future[Outcome] = loop.create_future()
            outcomes.append(future)
            if isinstance(content, ProtocolError):
                future.set_result(content)
                continue
            try:
                composed = compose(self._office, draft, content, self._deadline_seconds)
            except ProtocolError as error:
                future.set_result(error)
            else:
                self._waiting.append((composed, future))
                self._waiting_bytes += composed.attachment_bytes
        self._arrived.set()
        return [await future for future in outcomes]

    async def run(self) -> None:
        """Store what waits, for ever."""
        while True:
            await self._arrived.wait()
            self._arrived.clear()
            self._idle.clear()
            while self._waiting:
                await self._store_next()
            self._idle.set()

    async def drain(self, seconds: float) -> None:
        """Wait until everything that was taken in is stored, at most for a time."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                while self._waiting:
                    await asyncio.wait([future for _, future in self._waiting])
                await self._idle.wait()

    def _require_room(self, drafts: Sequence[Draft]) -> None:
        more = sum(len(item.data) for draft in drafts for item in draft.attachments)
        crowded = len(self._waiting) + len(drafts) > MAX_WAITING
        if crowded or (self._waiting and self._waiting_bytes + more > MAX_WAITING_BYTES):
            raise NodeError(
                "too many messages wait to be stored", hint="Send fewer at a time.", code=ReasonCode.BUSY
            )

    async def _store_next(self) -> None:
        group = self._take()
        try:
            outcomes = await self._store([composed for composed, _ in group])
        except asyncio.CancelledError:
            for _, future in group:
                future.cancel()
            raise
        for (_, future), outcome in zip(group, outcomes, strict=True):
            if not future.done():
                future.set_result(outcome)

    async def _store(self, work: Sequence[Composed]) -> list[Outcome]:
        """Store a group; what spoils the whole transaction is found by storing each alone."""

        def store(tx: Transaction) -> tuple[list[Outcome], SubmitTransaction]:
            transaction = SubmitTransaction(self._office, tx, work)
            return transaction.run(), transaction

        try:
            outcomes, done = await self._office.store.write(store)
        except NodeError as error:
            return [error] * len(work)
        except ProtocolError as error:
            if len(work) == 1:
                return [error]
            return [outcome for composed in work for outcome in await self._store([composed])]
        if done.queued is not None:
            self._wake(done.queued)
        if done.missing:
            self._need(done.missing)
        if done.stale:
            self._renew(done.stale)
        return outcomes

    def _take(self) -> list[tuple[Composed, "asyncio.Future[Outcome]"]]:
        group: list[tuple[Composed, asyncio.Future[Outcome]]] = []
        size = 0
        while self._waiting and len(group) < MAX_DRAFTS:
            composed, future = self._waiting[0]
            size += composed.attachment_bytes
            if group and size > MAX_DRAFT_BYTES:
                break
            self._waiting.popleft()
            self._waiting_bytes -= composed.attachment_bytes
            if not future.cancelled():
                group.append((composed, future))
        return group
