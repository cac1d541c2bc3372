# SPDX-License-Identifier: Apache-2.0
"""Keeps the lanes: starts one for each peer that something waits for, and ends what is past its deadline.

1. At the start everything that was queued goes on by itself; nobody has to send anything new.
2. The start is spread over a moment, so that nodes that get their power back together don't knock together.
3. At its deadline a message ends as undeliverable, with evidence signed by this node: it proves that we
   tried, and why we did not succeed. A receipt that comes later is kept beside it. Without a key in use
   nothing can be signed, so nothing ends until there is one; nor does anything end while the disk is full.
4. Every task runs in the task group of the node.
"""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from globe_node.delivery import outbox, records
from globe_node.delivery.lanes import Lane, LaneStatus, LaneTools
from globe_node.delivery.outbox import CONTROL_CLASS, LaneRow, Queued, SentRow
from globe_node.delivery.records import ReceiptRow
from globe_node.errors import NotPermittedError, StoreError
from globe_node.store.door import Transaction
from protocol import delivery
from protocol.errors import ReasonCode
from protocol.identifiers import AuthorityId
from protocol.receipts import ReceiptEntry, ReceiptStatus

START_SECONDS = 1.0
"""Over how long the first attempts after a start are spread."""
GREETING_SPACING_SECONDS = 0.02
"""How much longer the greetings of a start take for each peer of the network."""
SWEEP_SECONDS = 60.0
"""How often deadlines are compared with the clock, which somebody may have moved."""
_SWEEP_ROWS = 250

Greet = Callable[[AuthorityId], Awaitable[None]]
"""Greets one peer; failures are its own business."""


@dataclass(frozen=True, slots=True)
class _Overdue:
    """What ended in one sweep."""

    ended: int
    next_ms: int | None


class Courier:
    """Delivers what the outbox holds.

    Args:
        tools: shared by all lanes.
        greet: tells a peer after the start that this node is there, or None to greet nobody.
    """

    def __init__(self, tools: LaneTools, greet: Greet | None = None) -> None:
        self._tools = tools
        self._greet = greet
        self._lanes: dict[AuthorityId, Lane] = {}
        self._remembered: dict[AuthorityId, LaneRow] = {}
        self._started = False
        self._sooner = asyncio.Event()
        self._next_deadline_ms: int | None = None

    async def run(self) -> None:
        """Start the lanes of everything that waits, then watch deadlines until cancelled."""
        peers, lanes = await self._tools.store.look(lambda tx: (outbox.waiting_peers(tx), outbox.lanes(tx)))
        self._remembered = {row.peer: row for row in lanes}
        self._started = True
        waiting = dict.fromkeys([*peers, *self._lanes])
        for peer in waiting:
            self._lane(peer).delay(self._drawn(START_SECONDS))
            self._start(peer)
        self._hail()
        while True:
            await self._watch()

    def wake(self, queued: Queued) -> None:
        """Send what was queued; call it after the commit."""
        for peer in sorted(queued.peers):
            self._lane(peer).wake()
            self._start(peer)
        if self._next_deadline_ms is None or queued.first_deadline_ms < self._next_deadline_ms:
            self._next_deadline_ms = queued.first_deadline_ms
            self._sooner.set()

    def heard(self, peer: AuthorityId) -> None:
        """A peer has shown itself by a request of its own."""
        lane = self._lanes.get(peer)
        if lane is not None:
            lane.heard()

    def directory_changed(self) -> None:
        """Look again at peers that the directory held back."""
        for lane in self._lanes.values():
            lane.directory_changed()

    def status(self) -> list[LaneStatus]:
        """How things stand with every peer that this node has sent something to since its start."""
        return [self._lanes[peer].status for peer in sorted(self._lanes)]

    # --- lanes ------------------------------------------------------------------------------------------

    def _lane(self, peer: AuthorityId) -> Lane:
        lane = self._lanes.get(peer)
        if lane is None:
            lane = self._lanes[peer] = Lane(peer, self._tools, self._remembered.get(peer))
        return lane

    def _start(self, peer: AuthorityId) -> None:
        lane = self._lane(peer)
        if self._started and not lane.running:
            lane.running = True
            self._tools.spawn(lane.run())

    def _hail(self) -> None:
        if self._greet is None:
            return
        peers = self._tools.peers.others()
        longest = START_SECONDS + GREETING_SPACING_SECONDS * len(peers)
        for peer in peers:
            self._tools.spawn(self._hail_one(peer, self._drawn(longest)))

    async def _hail_one(self, peer: AuthorityId, seconds: float) -> None:
        await self._tools.clock.sleep(seconds)
        if self._greet is not None:
            await self._greet(peer)

    def _drawn(self, longest: float) -> float:
        return longest * delivery.even_fraction(self._tools.entropy)

    # --- deadlines --------------------------------------------------------------------------------------

    async def _watch(self) -> None:
        """End what is overdue, then wait for the next deadline."""
        self._sooner.clear()
        now_ms = self._tools.clerk.now_ms()
        self._next_deadline_ms = await self._tools.store.look(outbox.next_deadline_ms)
        if self._next_deadline_ms is None:
            await self._sooner.wait()
            return
        ahead = (self._next_deadline_ms - now_ms) / 1000
        if ahead <= 0 and self._tools.clerk.can_sign() and await self._sweep(now_ms):
            return
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(min(ahead, SWEEP_SECONDS) if ahead > 0 else SWEEP_SECONDS):
                await self._sooner.wait()

    async def _sweep(self, now_ms: int) -> bool:
        """End some of what is overdue; False if it has to wait: for a key in use, or for room on the disk."""
        try:
            await self._tools.store.write(lambda tx: self._end_overdue(tx, now_ms))
        except NotPermittedError:
            return False
        except StoreError as error:
            if not error.is_passing:
                raise
            return False
        return True

    def _end_overdue(self, tx: Transaction, now_ms: int) -> None:
        rows = outbox.overdue(tx, now_ms, _SWEEP_ROWS)
        control = [row.position for row in rows if row.envelope_class == CONTROL_CLASS]
        outbox.end_undeliverable(tx, control, reason=ReasonCode.EXPIRED, receipt=0, now_ms=now_ms)
        messages: dict[AuthorityId, list[SentRow]] = {}
        for row in rows:
            if row.envelope_class != CONTROL_CLASS:
                messages.setdefault(row.peer, []).append(row)
        if messages:
            self._end_messages(tx, messages, now_ms)
        self._tools.faults.point("deadline.before_commit")

    def _end_messages(self, tx: Transaction, messages: dict[AuthorityId, list[SentRow]], now_ms: int) -> None:
        """Sign that messages were tried in vain, and end them."""
        reasons = {row.position: self._reason(row) for rows in messages.values() for row in rows}
        entries = {
            peer: [_evidence_entry(row, reasons[row.position]) for row in rows]
            for peer, rows in messages.items()
        }
        for signed in self._tools.clerk.sign(entries):
            content = signed.content
            row = ReceiptRow(content.receipt_id, content.issuer.authority, content.to, signed.to_bytes())
            number = records.add_receipt(tx, row, now_ms)
            covered = {entry.envelope for entry in content.entries}
            ended = [row for row in messages[content.to] if row.envelope_hash in covered]
            for reason in dict.fromkeys(reasons[one.position] for one in ended):
                some = [one for one in ended if reasons[one.position] is reason]
                positions = [one.position for one in some]
                outbox.end_undeliverable(tx, positions, reason=reason, receipt=number, now_ms=now_ms)
                self._tools.journal.undeliverable(tx, some, reason)

    def _reason(self, row: SentRow) -> ReasonCode:
        """Return why a message did not reach its recipient: what held it, or the last failure of its lane."""
        if row.reason:
            return ReasonCode(row.reason)
        lane = self._lanes.get(row.peer)
        return (lane.status.reason if lane else None) or ReasonCode.EXPIRED


def _evidence_entry(row: SentRow, reason: ReasonCode) -> ReceiptEntry:
    return ReceiptEntry(row.envelope_hash, row.record_hash, ReceiptStatus.UNDELIVERABLE, reason)
