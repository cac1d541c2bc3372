# SPDX-License-Identifier: Apache-2.0
"""One lane for each peer: takes what is due for it, sends it, and notes what the answer proves.

1. A lane waits for its own peer only: dead, slow or hostile peers delay nobody else.
2. Oldest first; what belongs together (one routing id) is never in two requests at a time. With a backlog of
   more than a batch two requests are under way, otherwise one.
3. After a failure the peer is left alone for the pause of `protocol.delivery`, then asked with one small
   batch. The pause is remembered over a restart, and new messages don't shorten it. Only a sign of life from
   the peer or a change of the directory does, and each such shortcut that fails makes the next one longer.
4. Nothing unsigned ends a message. Whatever an answer says, what it proves is applied in one transaction and
   the rest is tried again until its deadline.
5. A lane without work ends; the courier starts it again.
"""

import asyncio
import contextlib
from collections.abc import Callable, Coroutine, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from globe_node.clock import Clock
from globe_node.delivery import outbox, wire
from globe_node.delivery.clerk import Clerk
from globe_node.delivery.journal import Journal, apply_receipts
from globe_node.delivery.link import Answer, Operation, PeerAddress, Transport
from globe_node.delivery.outbox import DueRow, LaneRow
from globe_node.delivery.peers import PeerBook
from globe_node.errors import PeerUnreachableError, StoreError
from globe_node.faults import FaultPoints
from globe_node.store.door import Store, Transaction
from protocol import delivery, limits
from protocol.envelope import envelope_hash
from protocol.errors import ProtocolError, ReasonCode, RemoteProtocolError
from protocol.identifiers import AuthorityId, EnvelopeId
from protocol.interfaces import Entropy
from protocol.receipts import SignedReceipt, parse_signed_receipt

PROBE_ENVELOPES = 4
"""Envelopes in the request that asks a failing peer again."""
PROBE_BYTES = 64 * 1024
"""Octets in that request, if more than one envelope."""
PENDING_SECONDS = 0.5
"""First pause before asking again for envelopes that the peer holds undecided; doubles, up to the longest
pause of all: what the peer decides later it tells by itself."""
MAX_PENDING_SECONDS = float(limits.MAX_BACKOFF_SECONDS)
SHORTCUT_SECONDS = 1.0
"""First pause between a failure and the attempt after a sign of life; doubles with each that fails."""
ALARM_AFTER = 3
"""Answers in a row that are no answers, after which the audit log says so."""
_LOOK_AHEAD = 3 * limits.MAX_BATCH_ENVELOPES
_WHOLE_PEER = frozenset(
    {ReasonCode.QUOTA_EXCEEDED, ReasonCode.STORAGE_FULL, ReasonCode.BUSY, ReasonCode.RATE_LIMITED}
)
"""Refusals of one envelope that mean the peer wants less of everything."""
_ABOUT_THE_REQUEST = frozenset(
    {
        ReasonCode.BAD_CONTENT,
        ReasonCode.BAD_FIELD,
        ReasonCode.BAD_REQUEST,
        ReasonCode.BAD_VERSION,
        ReasonCode.TOO_LARGE,
    }
)
"""Refusals that one of the envelopes may be the cause of: others are tried before it."""
_BY_THE_DIRECTORY = frozenset(
    {
        ReasonCode.UNKNOWN_AUTHORITY,
        ReasonCode.SUSPENDED,
        ReasonCode.DISPUTED,
        ReasonCode.NO_KEY,
        ReasonCode.REVOKED_KEY,
        ReasonCode.ENDPOINT_FORBIDDEN,
    }
)
"""Reasons that only a change of the directory ends."""

Spawn = Callable[[Coroutine[Any, Any, None]], object]
"""Starts a task in the task group of the node."""


@dataclass(frozen=True, slots=True)
class Pace:
    """What an operator may set.

    Attributes:
        batch_envelopes: envelopes in one request.
        request_seconds: how long one request may take, answer included.
        receipt_wait_seconds: how long an answer to envelopes waits for their receipts.
        key_packages: how many key packages are kept for each peer, and held of each.
    """

    batch_envelopes: int = limits.MAX_BATCH_ENVELOPES
    request_seconds: float = 30.0
    receipt_wait_seconds: float = 2.0
    key_packages: int = limits.KEY_PACKAGE_POOL


DEFAULT_PACE = Pace()


@dataclass(frozen=True, slots=True)
class LaneTools:
    """What all lanes of a node share."""

    store: Store
    transport: Transport
    peers: PeerBook
    clerk: Clerk
    journal: Journal
    clock: Clock
    entropy: Entropy
    faults: FaultPoints
    spawn: Spawn
    pace: Pace = DEFAULT_PACE


@dataclass(frozen=True, slots=True)
class LaneStatus:
    """How things stand with one peer.

    Attributes:
        peer: whom the lane serves.
        failures: failed attempts in a row.
        reason: code of the last failure, or None.
        next_attempt_ms: Unix time of the next attempt; 0 if nothing holds it back.
    """

    peer: AuthorityId
    failures: int
    reason: ReasonCode | None
    next_attempt_ms: int


@dataclass(frozen=True, slots=True)
class _Parcel:
    """What one request carries."""

    address: PeerAddress
    operation: Operation
    rows: Sequence[DueRow]
    octets: Sequence[bytes] = field(repr=False)


class Lane:
    """Brings everything that waits for one peer."""

    def __init__(self, peer: AuthorityId, tools: LaneTools, remembered: LaneRow | None = None) -> None:
        self.peer = peer
        self.running = False
        self._tools = tools
        self._wanted = asyncio.Event()
        self._picking = asyncio.Lock()
        self._under_way: dict[int, bytes] = {}
        self._helping = False
        self._receipts_first = False
        self._failures = 0
        self._reason: ReasonCode | None = None
        self._garbage = 0
        self._not_before = 0.0
        self._earliest = 0.0
        self._last_attempt = 0.0
        self._shortcut = SHORTCUT_SECONDS
        if remembered is not None:
            self._remember(remembered)

    @property
    def status(self) -> LaneStatus:
        """How things stand."""
        return LaneStatus(self.peer, self._failures, self._reason, self._next_attempt_ms())

    def wake(self) -> None:
        """Look for work: something was queued."""
        self._wanted.set()

    def delay(self, seconds: float) -> None:
        """Do not send before so many seconds from now; for the start of the node."""
        self._not_before = max(self._not_before, self._tools.clock.monotonic() + seconds)

    def heard(self) -> None:
        """The peer has shown itself: try it soon if it was failing, but no earlier than it asked for."""
        if self._failures:
            soon = self._last_attempt + self._shortcut
            self._not_before = min(self._not_before, max(soon, self._earliest))
            self._shortcut = min(2 * self._shortcut, float(limits.MAX_BACKOFF_SECONDS))
            self._wanted.set()

    def directory_changed(self) -> None:
        """The directory may allow now what it forbade."""
        if self._reason in _BY_THE_DIRECTORY:
            self._not_before = self._earliest = 0.0
            self._wanted.set()

    async def run(self) -> None:
        """Work until nothing is open for this peer."""
        self.running = True
        try:
            while await self._step():
                pass
        finally:
            self.running = False

    async def _step(self) -> bool:
        """Do one thing or wait for one; False when there is nothing left to wait for."""
        self._wanted.clear()
        pause = self._not_before - self._tools.clock.monotonic()
        if pause > 0:
            await self._rest(pause)
            return True
        parcel, more, next_ms = await self._pick()
        if parcel is not None:
            if more and not self._helping and not self._failures:
                self._helping = True
                self._tools.spawn(self._help())
            await self._carry(parcel)
            return True
        busy = self._helping or bool(self._under_way)
        if next_ms is None and not busy:
            return self._wanted.is_set()
        ahead = None if next_ms is None else (next_ms - self._tools.clerk.now_ms()) / 1000
        if busy and (ahead is None or ahead <= 0):  # whoever is busy says when something changes
            await self._rest(None)
        elif ahead is not None and ahead > 0:
            await self._rest(ahead)
        return True

    async def _help(self) -> None:
        """Keep a second request under way while there is a backlog and the peer takes it."""
        try:
            more = True
            while more and not self._failures:
                parcel, more, _next_ms = await self._pick()
                if parcel is None:
                    break
                await self._carry(parcel)
        finally:
            self._helping = False
            self._wanted.set()

    async def _rest(self, seconds: float | None) -> None:
        """Wait until something is wanted, at most for a time."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._wanted.wait()

    # --- choosing ---------------------------------------------------------------------------------------

    async def _pick(self) -> tuple[_Parcel | None, bool, int | None]:
        """Choose what to send now.

        Returns:
            The parcel or None, whether more waits behind it, and when something is due if there is none.
        """
        async with self._picking:
            operations = [Operation.ENVELOPES, Operation.RECEIPTS]
            if self._receipts_first:
                operations.reverse()
            now_ms = self._tools.clerk.now_ms()
            found = await self._tools.store.look(lambda tx: self._look(tx, operations, now_ms))
            if isinstance(found, int) or found is None:
                return None, False, found
            operation, rows, octets, more = found
            try:
                address = self._tools.peers.address_of(self.peer)
            except ProtocolError as error:
                await self._hold(error.code)
                return None, False, now_ms
            self._receipts_first = operation is Operation.ENVELOPES
            self._under_way.update((row.position, row.routing_id) for row in rows)
            return _Parcel(address, operation, rows, octets), more, None

    def _look(
        self, tx: Transaction, operations: Sequence[Operation], now_ms: int
    ) -> tuple[Operation, list[DueRow], list[bytes], bool] | int | None:
        for operation in operations:
            rows = outbox.due(tx, self.peer, operation, now_ms=now_ms, limit=_LOOK_AHEAD)
            chosen, more = self._choose(rows, ordered=operation is Operation.ENVELOPES)
            if chosen:
                octets = outbox.octets(tx, chosen)
                return operation, chosen, [octets[row.body] for row in chosen], more
        return outbox.next_attempt_ms(tx, self.peer, besides=tuple(self._under_way))

    def _choose(self, rows: Sequence[DueRow], *, ordered: bool) -> tuple[list[DueRow], bool]:
        routes = set(self._under_way.values()) if ordered else set()
        free = [row for row in rows if row.position not in self._under_way and row.routing_id not in routes]
        failing, batch = self._failures > 0, self._tools.pace.batch_envelopes
        count = wire.take_fitting(
            [row.size for row in free],
            max_items=min(PROBE_ENVELOPES, batch) if failing else batch,
            max_bytes=PROBE_BYTES if failing else limits.MAX_BATCH_BYTES,
        )
        return free[:count], count < len(free)

    # --- sending ----------------------------------------------------------------------------------------

    async def _carry(self, parcel: _Parcel) -> None:
        try:
            self._last_attempt = self._tools.clock.monotonic()
            answer = await self._ask(parcel)
            try:
                await self._take(parcel, answer)
            except StoreError as error:
                if not error.is_passing:
                    raise
                self._set_failure(error.code, None)
        finally:
            for row in parcel.rows:
                self._under_way.pop(row.position, None)

    async def _ask(self, parcel: _Parcel) -> Answer:
        self._tools.faults.point("outbox.before_send")
        try:
            answer = await self._tools.transport.request(
                parcel.address,
                parcel.operation,
                body=wire.write_items(parcel.octets),
                deadline_seconds=self._tools.pace.request_seconds,
            )
        except PeerUnreachableError as error:
            answer = Answer(error.code, b"")
        self._tools.faults.point("outbox.after_answer")
        return answer

    async def _take(self, parcel: _Parcel, answer: Answer) -> None:
        if answer.code is not None:
            if answer.code in _ABOUT_THE_REQUEST:
                await self._tools.store.write(lambda tx: self._put_off(tx, parcel.rows, set()))
            await self._fail(answer.code, answer.retry_after)
            return
        try:
            if parcel.operation is Operation.ENVELOPES:
                await self._take_receipts(parcel, wire.parse_envelopes_answer(answer.body))
            else:
                await self._take_refusals(parcel, wire.parse_refusals(answer.body))
        except RemoteProtocolError:
            await self._alarm(answer.body)
            await self._fail(ReasonCode.EVIDENCE_INVALID, None)

    async def _take_receipts(self, parcel: _Parcel, answer: wire.EnvelopesAnswer) -> None:
        verified = await self._verified(answer.receipts)
        covered = {entry.envelope for signed, _ in verified for entry in signed.content.entries}
        silent = all(row.envelope_hash not in covered for row in parcel.rows)
        if silent and not answer.pending and not answer.refused:
            raise RemoteProtocolError("an answer that proves nothing of what was sent")
        whole = next((code for code in answer.refused.values() if code in _WHOLE_PEER), None)

        def apply(tx: Transaction) -> None:
            settled = apply_receipts(tx, self._tools.journal, verified, self._tools.clerk.now_ms())
            left = [row for row in parcel.rows if row.envelope_hash not in settled]
            self._put_off(tx, left, set(answer.pending))
            self._forget_failures(tx)
            self._tools.faults.point("receipt.before_commit")

        await self._tools.store.write(apply)
        self._tools.faults.point("receipt.after_commit")
        self._succeed()
        if len(verified) == len(answer.receipts):
            self._garbage = 0
        if whole is not None:
            await self._fail(whole, None)

    async def _verified(self, receipts: Sequence[bytes]) -> list[tuple[SignedReceipt, bytes]]:
        """Return the receipts that hold; one that does not spoils only itself."""
        verified = []
        for octets in receipts:
            try:
                signed = parse_signed_receipt(octets)
                self._tools.clerk.verify(signed, self.peer)
            except RemoteProtocolError:
                await self._alarm(octets)
            else:
                verified.append((signed, octets))
        return verified

    async def _take_refusals(self, parcel: _Parcel, refused: Mapping[EnvelopeId, ReasonCode]) -> None:
        taken = [row.position for row in parcel.rows if row.envelope_id not in refused]
        left = [row for row in parcel.rows if row.envelope_id in refused]

        def apply(tx: Transaction) -> None:
            outbox.end_posted(tx, taken, self._tools.clerk.now_ms())
            self._put_off(tx, left, set())
            self._forget_failures(tx)

        await self._tools.store.write(apply)
        self._succeed()

    async def _alarm(self, octets: bytes) -> None:
        """Count what a peer gave us for an answer or a receipt and is none."""
        self._garbage += 1
        if self._garbage == ALARM_AFTER:
            alarm = {envelope_hash(octets): ReasonCode.EVIDENCE_INVALID}
            await self._tools.store.write(lambda tx: self._tools.journal.alarm(tx, self.peer, alarm))

    def _put_off(self, tx: Transaction, rows: Sequence[DueRow], pending: set[EnvelopeId]) -> None:
        """Say when rows without a verdict are sent again, and keep the order behind refused ones."""
        now_ms = self._tools.clerk.now_ms()
        until: dict[int, int] = {}
        routes: dict[bytes, int] = {}
        for row in rows:
            if row.envelope_id in pending:
                pause = min(PENDING_SECONDS * 2.0 ** min(row.attempts, 20), MAX_PENDING_SECONDS)
                until[row.position] = now_ms + int(pause * 1000)
            else:
                fraction = delivery.even_fraction(self._tools.entropy)
                moment = delivery.next_attempt_at_ms(row.attempts + 1, now_ms, fraction=fraction)
                until[row.position] = moment
                routes[row.routing_id] = max(moment, routes.get(row.routing_id, 0))
        outbox.postpone(tx, until)
        if routes:
            outbox.hold_routes(tx, self.peer, routes)

    def _forget_failures(self, tx: Transaction) -> None:
        if self._reason is not None:
            outbox.save_lane(tx, LaneRow(self.peer, 0, 0, ""))

    # --- success and failure ----------------------------------------------------------------------------

    def _succeed(self) -> None:
        self._failures = 0
        self._reason = None
        self._not_before = self._earliest = 0.0
        self._shortcut = SHORTCUT_SECONDS

    async def _hold(self, code: ReasonCode) -> None:
        """Wait for the directory: nothing was tried, so nothing failed."""
        self._reason = code
        self._not_before = self._tools.clock.monotonic() + limits.MAX_BACKOFF_SECONDS
        await self._save()

    async def _fail(self, code: ReasonCode, retry_after: float | None) -> None:
        self._set_failure(code, retry_after)
        await self._save()

    async def _save(self) -> None:
        reason = self._reason.value if self._reason else ""
        row = LaneRow(self.peer, self._failures, self._next_attempt_ms(), reason)
        try:
            await self._tools.store.write(lambda tx: outbox.save_lane(tx, row))
        except StoreError as error:
            if not error.is_passing:
                raise

    def _set_failure(self, code: ReasonCode, retry_after: float | None) -> None:
        self._failures += 1
        self._reason = code
        fraction = delivery.even_fraction(self._tools.entropy)
        now = self._tools.clock.monotonic()
        self._earliest = now + delivery.pause_seconds(0, fraction, retry_after)
        self._not_before = now + delivery.pause_seconds(self._failures, fraction, retry_after)

    def _next_attempt_ms(self) -> int:
        pause = self._not_before - self._tools.clock.monotonic()
        return self._tools.clerk.now_ms() + int(pause * 1000) if pause > 0 else 0

    def _remember(self, row: LaneRow) -> None:
        self._failures = row.failures
        self._reason = ReasonCode(row.reason) if row.reason else None
        if self._reason in _BY_THE_DIRECTORY:  # it may have changed since
            return
        pause = (row.next_attempt_ms - self._tools.clerk.now_ms()) / 1000
        longest = delivery.MAX_RETRY_AFTER_SECONDS + limits.MAX_BACKOFF_SECONDS
        self.delay(min(max(pause, 0.0), longest))
