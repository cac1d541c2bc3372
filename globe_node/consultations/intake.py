# SPDX-License-Identifier: Apache-2.0
"""From the inbox to the case file: takes what is held, decides on each, and answers with signed receipts.

Not the reception of envelopes (`delivery.reception`), and no rule of its own: those are in `examine`,
`placement` and in `protocol`.

1. One transaction opens a batch and stores records, states, receipts and audit entries of all of it together:
   a key that was used is gone with the record that it opened. A batch is small, so that nothing waits long.
2. Receipts leave after the commit.
3. An envelope on which we fail ourselves does not stop the others: it is tried three times, then it is put
   into quarantine, and its sender gets a signed rejection.
4. What came before the record it follows waits for it, for a while.
5. A node without a key in use can sign no receipt, so it decides nothing until it has one.
"""

import asyncio
import contextlib
from collections.abc import Callable, Sequence

from globe_node.consultations.arrivals import Arrivals
from globe_node.consultations.office import Office
from globe_node.consultations.opening.examine import Examination, Examiner, Faulty, Step
from globe_node.consultations.opening.placement import IntakeTransaction, Placed
from globe_node.delivery import inbox
from globe_node.delivery.inbox import HeldEnvelope
from globe_node.delivery.settlement import Settlement
from globe_node.errors import NotPermittedError, StoreError
from globe_node.store.door import Transaction
from protocol.identifiers import AuthorityId

BATCH_ENVELOPES = 64
BATCH_BYTES = 4 * 1024 * 1024
REFUSED_SECONDS = 5.0
"""Pause after the store took nothing: a full disk, a foreign lock."""
IDLE_SECONDS = 60.0
"""Longest pause between two looks at the inbox."""


class Intake:
    """The one task that empties the inbox.

    Args:
        office: the shared parts.
        settlement: makes receipts of verdicts.
        refresh: called with authorities whose view of the directory is newer than ours.
        regrouped: called when the epoch or the members of a group have changed.
        asked: called when members have asked for something to be sent again.

    Attributes:
        arrivals: says what was taken in.
    """

    def __init__(
        self,
        office: Office,
        settlement: Settlement,
        *,
        refresh: Callable[[Sequence[AuthorityId]], None],
        regrouped: Callable[[], None],
        asked: Callable[[], None],
    ) -> None:
        self._office = office
        self._settlement = settlement
        self._refresh = refresh
        self._regrouped = regrouped
        self._asked = asked
        self._examiner = Examiner(office)
        self.arrivals = Arrivals()
        self._arrived = asyncio.Event()

    def wake(self) -> None:
        """Say that something is held, or that the directory has changed; from the event loop."""
        self._arrived.set()

    async def run(self) -> None:
        """Work for ever; look at once, since something may have been left from before."""
        while True:
            self._arrived.clear()
            try:
                while await self.work():
                    pass
                await self._pause()
            except StoreError as error:
                if not error.is_passing:
                    raise
                await self._office.clock.sleep(REFUSED_SECONDS)

    async def work(self) -> int:
        """Decide on one batch of what is due; return how many there were."""
        office = self._office
        if not office.can_sign():
            return 0
        held = await office.store.look(self._take)
        if not held:
            return 0
        try:
            placed = await self._place(held)
        except StoreError:
            raise
        except NotPermittedError:  # our key went out of use meanwhile
            return 0
        except Exception as error:  # one of them is at fault: find it by taking each alone
            self._report("a batch of envelopes could not be stored", error, len(held))
            for one in held:
                await self._place_alone(one)
            return len(held)
        self._announce(placed)
        return len(held)

    def _take(self, tx: Transaction) -> list[HeldEnvelope]:
        return inbox.take_due(tx, self._office.now_ms(), limit=BATCH_ENVELOPES, max_bytes=BATCH_BYTES)

    def _transaction(self, tx: Transaction, held: Sequence[HeldEnvelope]) -> IntakeTransaction:
        return IntakeTransaction(self._office, self._settlement, self._examine, tx, held)

    async def _place(self, held: Sequence[HeldEnvelope]) -> Placed:
        return await self._office.store.write(lambda tx: self._transaction(tx, held).run())

    async def _place_alone(self, one: HeldEnvelope) -> None:
        """Store one envelope by itself; if that fails too, count it against the envelope."""
        try:
            placed = await self._place([one])
        except StoreError:
            raise
        except NotPermittedError:  # our key went out of use meanwhile: the envelope is not to blame
            return
        except Exception as error:  # this is the one
            self._report("an envelope could not be stored", error, 1)
            placed = await self._office.store.write(lambda tx: self._transaction(tx, [one]).give_up())
        self._announce(placed)

    def _examine(self, opened: Sequence[Examination]) -> None:
        """Bring what was opened to its verdict; all go through one step before the next begins."""
        for step in self._examiner.steps:
            for one in opened:
                if one.verdict is None:
                    self._advance(step, one)

    def _advance(self, step: Step, one: Examination) -> None:
        try:
            self._examiner.advance(step, one)
        except Exception as error:  # a fault of ours must not stop the others
            self._report("an envelope could not be examined", error, 1)
            one.verdict = Faulty(one.held)

    def _announce(self, placed: Placed) -> None:
        """Let out what was decided, after the commit."""
        if placed.stale:
            self._refresh(placed.stale)
        self._settlement.announce(placed.settled)
        self.arrivals.announce()
        if placed.regrouped:
            self._regrouped()
        if placed.asked:
            self._asked()

    async def _pause(self) -> None:
        """Wait until something is held, or something that waits is due."""
        due_ms = await self._office.store.look(inbox.next_due_ms)
        pause = IDLE_SECONDS
        if due_ms is not None and self._office.can_sign():
            pause = min(max(due_ms - self._office.now_ms(), 1) / 1000, IDLE_SECONDS)
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(pause):
                await self._arrived.wait()

    def _report(self, event: str, error: Exception, count: int) -> None:
        self._office.log.error(event, error=error, count=count)
