# SPDX-License-Identifier: Apache-2.0
"""Ends what the inbox holds: one verdict for an envelope becomes one entry of a signed receipt, for ever.

1. `settle` runs in the transaction that makes the verdicts true; `announce` runs after its commit. Between
   the two no octet of a receipt leaves.
2. A receipt that no request waits for is queued to be posted, in the same transaction.
3. A receipt for reading is posted the same way. No receipt is ever made for a receipt.
4. A request that waits names its envelopes before they are stored, so that no receipt can pass it by. What
   nobody waits for is not kept in memory: it is in the store.
"""

import asyncio
import contextlib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from uuid import UUID

from globe_node.delivery import inbox, outbox, records
from globe_node.delivery.clerk import Clerk
from globe_node.delivery.outbox import CONTROL_CLASS, Outgoing, Queued
from globe_node.delivery.records import HeldState, ReceiptRow
from globe_node.faults import FaultPoints
from globe_node.store.door import Transaction
from protocol import limits
from protocol.envelope import ROUTING_ID_BYTES, envelope_hash
from protocol.errors import ReasonCode
from protocol.identifiers import AuthorityId, Digest, EnvelopeId
from protocol.receipts import ReceiptEntry, ReceiptStatus, SignedReceipt

_NO_ROUTE = bytes(ROUTING_ID_BYTES)
EnvelopeKey = tuple[AuthorityId, EnvelopeId]
"""Sender and id: another sender's envelope with the same id is another envelope."""


class Waiting:
    """The receipts that one request waits for.

    Attributes:
        receipts: what has come so far, by envelope.
    """

    def __init__(self, names: Iterable[EnvelopeKey]) -> None:
        self._open = set(names)
        self._complete = asyncio.Event()
        self.receipts: dict[EnvelopeKey, bytes] = {}

    async def complete(self, names: Iterable[EnvelopeKey], seconds: float) -> None:
        """Wait until every one of these envelopes has its receipt, but not longer than `seconds`."""
        self._open.intersection_update(names)
        if not self._open:
            return
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._complete.wait()

    def take(self, key: EnvelopeKey, receipt: bytes) -> None:
        """Note one receipt."""
        self.receipts[key] = receipt
        self._open.discard(key)
        if not self._open:
            self._complete.set()


class ReceiptBoard:
    """Brings receipts to the requests that wait for them."""

    def __init__(self) -> None:
        self._waiting: dict[EnvelopeKey, list[Waiting]] = {}

    def is_awaited(self, key: EnvelopeKey) -> bool:
        """Say whether a request waits for this envelope; may be asked from the store's thread."""
        return key in self._waiting

    @contextlib.contextmanager
    def expect(self, names: Iterable[EnvelopeKey]) -> Iterator[Waiting]:
        """Wait for receipts from here on, until the block is left."""
        listed = set(names)
        waiting = Waiting(listed)
        for key in listed:
            self._waiting.setdefault(key, []).append(waiting)
        try:
            yield waiting
        finally:
            for key in listed:
                others = self._waiting[key]
                others.remove(waiting)
                if not others:
                    del self._waiting[key]

    def post(self, receipts: Mapping[EnvelopeKey, bytes]) -> None:
        """Hand out receipts that are committed."""
        for key, receipt in receipts.items():
            for waiting in self._waiting.get(key, ()):
                waiting.take(key, receipt)


@dataclass(frozen=True, slots=True)
class Verdict:
    """What intake decided about one held envelope.

    Attributes:
        position: where it stands in the inbox.
        sender: who sent it, and gets the receipt.
        envelope_id: its id.
        envelope_hash: its hash.
        record_hash: hash of the record in it; empty if it was not opened.
        reason: why it was rejected, or None if it was received.
        quarantined: rejected because we failed on it; its octets are kept.
    """

    position: int
    sender: AuthorityId
    envelope_id: EnvelopeId
    envelope_hash: Digest
    record_hash: str = ""
    reason: ReasonCode | None = None
    quarantined: bool = False

    def entry(self) -> ReceiptEntry:
        """Return what the receipt says about it."""
        status = ReceiptStatus.REJECTED if self.reason else ReceiptStatus.RECEIVED
        return ReceiptEntry(self.envelope_hash, self.record_hash, status, self.reason)


@dataclass(frozen=True, slots=True)
class Settled:
    """What must be announced after the commit.

    Attributes:
        receipts: the signed receipt of each envelope.
        queued: receipts to be posted, or None.
    """

    receipts: Mapping[EnvelopeKey, bytes] = field(default_factory=dict, repr=False)
    queued: Queued | None = None


class Settlement:
    """Makes receipts for verdicts and brings them to whoever waits.

    Args:
        clerk: signs.
        board: where requests wait.
        wake: tells the courier that something was queued.
        faults: asked at `settle.before_commit` and `settle.after_commit`.
    """

    def __init__(
        self, clerk: Clerk, board: ReceiptBoard, *, wake: Callable[[Queued], None], faults: FaultPoints
    ) -> None:
        self._clerk = clerk
        self._board = board
        self._wake = wake
        self._faults = faults

    def settle(self, tx: Transaction, verdicts: Sequence[Verdict]) -> Settled:
        """Sign and store the receipts of held envelopes; call `announce` with the result after the commit."""
        by_hash = {(verdict.sender, verdict.envelope_hash): verdict for verdict in verdicts}
        entries: dict[AuthorityId, list[ReceiptEntry]] = {}
        for verdict in verdicts:
            entries.setdefault(verdict.sender, []).append(verdict.entry())
        receipts: dict[EnvelopeKey, bytes] = {}
        late: list[SignedReceipt] = []
        for signed in self._clerk.sign(entries) if entries else ():
            to = signed.content.to
            covered = [by_hash[to, entry.envelope] for entry in signed.content.entries]
            octets = self._store(tx, signed, covered)
            names = [(to, verdict.envelope_id) for verdict in covered]
            receipts.update(dict.fromkeys(names, octets))
            if not all(self._board.is_awaited(key) for key in names):
                late.append(signed)
        settled = Settled(receipts, self._queue(tx, late))
        self._faults.point("settle.before_commit")
        return settled

    def read(self, tx: Transaction, sender: AuthorityId, entries: Sequence[tuple[Digest, Digest]]) -> Queued:
        """Sign receipts for reading and queue them; wake the courier with the result after the commit.

        Args:
            tx: the transaction that notes the reading.
            sender: who sent the envelopes.
            entries: hash of the envelope and hash of the record, for each message that was read.
        """
        listed = [ReceiptEntry(envelope, record, ReceiptStatus.READ) for envelope, record in entries]
        signed = self._clerk.sign({sender: listed}) if listed else []
        for receipt in signed:
            self._store(tx, receipt, ())
        queued = self._queue(tx, signed)
        return queued or Queued(frozenset(), self._clerk.now_ms())

    def announce(self, settled: Settled) -> None:
        """Hand the receipts of a committed transaction to whoever waits, or to the courier."""
        self._faults.point("settle.after_commit")
        self._board.post(settled.receipts)
        if settled.queued is not None:
            self._wake(settled.queued)

    def _store(self, tx: Transaction, signed: SignedReceipt, covered: Sequence[Verdict]) -> bytes:
        content = signed.content
        octets = signed.to_bytes()
        row = ReceiptRow(content.receipt_id, content.issuer.authority, content.to, octets)
        number = records.add_receipt(tx, row, self._clerk.now_ms())
        for state in HeldState.DONE, HeldState.QUARANTINED:
            quarantined = state is HeldState.QUARANTINED
            positions = [verdict.position for verdict in covered if verdict.quarantined is quarantined]
            if positions:
                inbox.finish(tx, positions, state=state, receipt=number)
        return octets

    def _queue(self, tx: Transaction, receipts: Sequence[SignedReceipt]) -> Queued | None:
        if not receipts:
            return None
        now_ms = self._clerk.now_ms()
        deadline_ms = now_ms + limits.DEFAULT_DEADLINE_SECONDS * 1000
        return outbox.enqueue(tx, [_outgoing(signed, deadline_ms) for signed in receipts], now_ms)


def _outgoing(signed: SignedReceipt, deadline_ms: int) -> Outgoing:
    octets = signed.to_bytes()
    return Outgoing(
        envelope_id=EnvelopeId(UUID(signed.content.receipt_id).bytes),
        envelope_class=CONTROL_CLASS,
        routing_id=_NO_ROUTE,
        octets=octets,
        envelope_hash=envelope_hash(octets),
        record_hash="",
        peers=(signed.content.to,),
        deadline_ms=deadline_ms,
    )
