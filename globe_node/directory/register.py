# SPDX-License-Identifier: Apache-2.0
"""The current directory of this node, in memory, and the one way to change it. It asks no peer.

1. What is in memory is what replaying the kept statements gives; nothing is kept before it was judged.
2. Memory changes after the commit, then listeners are told, once for each group of statements.
3. Statements come in small groups, so that judging signatures does not hold up everything else.
4. Each statement kept leaves an entry in the audit log, in the same transaction; a dispute is an alarm too.
5. A statement that does not hold is reported with its reason and stops nothing; the rest goes on.
6. What peers bring lets one chain grow by so much in a day, so that no member fills the disks of all; what
   takes trust away is never held up by that. Files and our own statements have no such bound.
"""

import asyncio
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from functools import partial

from globe_node.audit.log import AuditLog
from globe_node.clock import Clock
from globe_node.directory import records
from globe_node.directory.records import StatementRow
from globe_node.errors import ConfigError, ConflictError, StoreError
from globe_node.store.door import Store, Transaction
from protocol.audit.events import AuditEvent, EventKind
from protocol.directory.judgement import Holdings, Outcome, Verdict, begin, judge
from protocol.directory.replay import DirectoryState, state_of
from protocol.errors import ReasonCode, RemoteProtocolError
from protocol.identifiers import Digest

GROUP = 8
"""Statements judged and written at a time: some fifteen milliseconds of signatures."""

MAX_A_DAY = 100
"""Statements of one chain that are taken from peers in a day."""

Listener = Callable[[DirectoryState], None]
Progress = Callable[[int, int], None]


@dataclass(frozen=True, slots=True)
class Refused:
    """A statement that does not hold.

    Attributes:
        index: its place in what was given, from 0.
        code: why.
        rule: the rule it breaks, in words; quotes nothing.
    """

    index: int
    code: ReasonCode
    rule: str


@dataclass(frozen=True, slots=True)
class Report:
    """What became of a row of statements.

    Attributes:
        counts: how many were admitted, known, pending or opened a dispute.
        refused: those that do not hold.
    """

    counts: Counter[Outcome]
    refused: tuple[Refused, ...]

    @property
    def changed(self) -> bool:
        """Whether the directory is another one now."""
        return any(count for outcome, count in self.counts.items() if outcome is not Outcome.KNOWN)


@dataclass(frozen=True, slots=True)
class _Judged:
    """A group after judgement: what to keep, and what is held then."""

    held: Holdings | None
    rows: tuple[StatementRow, ...]
    outcomes: tuple[Outcome, ...]
    refused: tuple[Refused, ...]
    events: tuple[AuditEvent, ...]


class _Growth:
    """Counts by how much each chain grew today by what peers brought; a restart begins anew."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._day = 0
        self._kept: Counter[str] = Counter()

    def today(self) -> Counter[str]:
        """Return the counts of today, to count on."""
        day = self._clock.now().toordinal()
        if day != self._day:
            self._day = day
            self._kept.clear()
        return Counter(self._kept)

    def note(self, rows: Sequence[StatementRow]) -> None:
        """Count what was kept."""
        self._kept.update(row.chain for row in rows if _is_peer(row.source))


class Register:
    """Holds the directory of this node.

    Args:
        store: where the statements are kept.
        clock: says when they arrived.
        audit: the log of this node; None only where there is no node yet.
    """

    def __init__(self, store: Store, clock: Clock, audit: AuditLog | None = None) -> None:
        self._store = store
        self._clock = clock
        self._audit = audit
        self._fingerprint: Digest | None = None
        self._held: Holdings | None = None
        self._state: DirectoryState | None = None
        self._position = 0
        self._changing = asyncio.Lock()
        self._listeners: list[Listener] = []
        self._growth = _Growth(clock)

    @property
    def fingerprint(self) -> Digest | None:
        """The network this node belongs to, or None before it was pinned."""
        return self._fingerprint

    @property
    def is_empty(self) -> bool:
        """Whether there is no directory yet."""
        return self._state is None

    @property
    def state(self) -> DirectoryState:
        """The current directory.

        Raises:
            ConfigError: there is none yet.
        """
        if self._state is None:
            raise ConfigError(
                "this node has no directory yet",
                hint="Import the bundle of the network: globe-node directory import FILE --root FINGERPRINT",
                code=ReasonCode.STALE_DIRECTORY,
            )
        return self._state

    def subscribe(self, listener: Listener) -> None:
        """Have a function called with each new state; it must be quick and must not raise."""
        self._listeners.append(listener)

    async def load(self) -> None:
        """Replay what is kept; once at the start.

        Raises:
            StoreError: the store can't be read, or a kept statement does not hold (`store_corrupt`).
        """
        self._fingerprint = await self._store.read(records.pinned_network)
        await self._catch_up()

    async def pin(self, fingerprint: Digest) -> None:
        """Join a network by the fingerprint that came on a second way.

        Raises:
            ConflictError: this node belongs to another network.
        """
        now_ms = _milliseconds(self._clock.now())

        def join(tx: Transaction) -> Digest:
            present = records.pinned_network(tx)
            if present is None:
                records.pin_network(tx, fingerprint, now_ms)
            return present or fingerprint

        pinned = await self._store.write(join)
        self._fingerprint = pinned
        if pinned != fingerprint:
            raise ConflictError(
                "this node belongs to another network",
                hint="One node serves one network; make another home for another network.",
            )

    async def admit(
        self, statements: Sequence[bytes], *, source: str, progress: Progress | None = None
    ) -> Report:
        """Judge statements one after another and keep those that hold.

        Args:
            statements: as they arrived, untrusted.
            source: `file`, `own`, or `authority/node` of the peer they came from.
            progress: told how many of how many are done.

        Raises:
            ConfigError: no network is pinned.
            StoreError: nothing of the current group was kept.
        """
        counts: Counter[Outcome] = Counter()
        refused: list[Refused] = []
        for start in range(0, len(statements), GROUP):
            group = statements[start : start + GROUP]
            if start:  # where nothing is kept, nothing else would let others run
                await self._clock.sleep(0)
            async with self._changing:
                judged = await self._take(group, start, source)
            counts.update(judged.outcomes)
            refused.extend(judged.refused)
            if progress is not None:
                progress(start + len(group), len(statements))
        return Report(counts=counts, refused=tuple(refused))

    async def export(self) -> list[bytes]:
        """Return all statements in an order in which they can be replayed."""
        rows = await self._store.read(lambda tx: records.statements_after(tx, 0))
        return [statement for _, statement in rows]

    async def _take(self, group: Sequence[bytes], start: int, source: str) -> _Judged:
        """Judge and keep one group; again, if something else was kept meanwhile."""
        while True:
            judged = self._judge(group, start, source)
            position, rows = self._position, judged.rows

            keep = partial(self._keep, judged=judged, position=position)
            kept = await self._store.write(keep) if rows else position
            if kept is not None:
                self._position = kept
                if rows:
                    self._growth.note(rows)
                    self._show(judged.held)
                return judged
            await self._catch_up()

    def _keep(self, tx: Transaction, *, judged: _Judged, position: int) -> int | None:
        """Keep a group and record it, unless something else came after `position`."""
        if records.last_position(tx) != position:
            return None
        records.add_statements(tx, judged.rows)
        if self._audit is not None:
            self._audit.append(tx, judged.events)
        return records.last_position(tx)

    async def _catch_up(self) -> None:
        """Replay what was kept since; also what a cancelled caller had kept and not seen."""
        after = self._position
        rows = await self._store.read(lambda tx: records.statements_after(tx, after))
        held = self._held
        for position, statement in rows:
            try:
                held = self._next(held, statement).holdings
            except RemoteProtocolError as error:
                raise StoreError(
                    f"directory statement {position} in the store does not hold: {error}",
                    hint="Another hand changed the store: keep it as it is, and restore the last backup.",
                    code=ReasonCode.STORE_CORRUPT,
                ) from None
        if rows:
            self._position = rows[-1][0]
            self._show(held)

    def _judge(self, group: Sequence[bytes], start: int, source: str) -> _Judged:
        held, now = self._held, self._clock.now()
        rows: list[StatementRow] = []
        outcomes: list[Outcome] = []
        refused: list[Refused] = []
        events: list[AuditEvent] = []
        grown = self._growth.today()
        for index, statement in enumerate(group, start):
            try:
                verdict = self._next(held, statement)
                _require_measure(verdict, source, grown)
            except RemoteProtocolError as error:
                refused.append(Refused(index=index, code=error.code, rule=str(error)))
                continue
            held = verdict.holdings
            outcomes.append(verdict.outcome)
            if verdict.outcome is not Outcome.KNOWN:
                rows.append(_row_of(verdict, statement, source, now))
                events.extend(_events_of(verdict, now, self._position + len(rows)))
        return _Judged(held, tuple(rows), tuple(outcomes), tuple(refused), tuple(events))

    def _next(self, held: Holdings | None, statement: bytes) -> Verdict:
        if held is not None:
            return judge(held, statement)
        if self._fingerprint is None:
            raise ConfigError(
                "this node belongs to no network yet",
                hint="Name the network's fingerprint: globe-node directory import FILE --root FINGERPRINT",
            )
        return begin(self._fingerprint, statement)

    def _show(self, held: Holdings | None) -> None:
        if held is None or held is self._held:
            return
        self._held = held
        self._state = state_of(held)
        for listener in self._listeners:
            listener(self._state)


def _is_peer(source: str) -> bool:
    return "/" in source


def _require_measure(verdict: Verdict, source: str, grown: Counter[str]) -> None:
    """Check that a chain may grow by one more statement today, and count it.

    Raises:
        RemoteProtocolError: it may not (`quota_exceeded`); it may tomorrow.
    """
    statement = verdict.statement
    if verdict.outcome is not Outcome.ADMITTED or statement.is_restrictive or not _is_peer(source):
        return
    if grown[statement.chain] >= MAX_A_DAY:
        raise RemoteProtocolError("this chain has grown enough today", code=ReasonCode.QUOTA_EXCEEDED)
    grown[statement.chain] += 1


def _row_of(verdict: Verdict, statement: bytes, source: str, now: datetime) -> StatementRow:
    return StatementRow(
        statement_id=verdict.statement_id,
        chain=verdict.statement.chain,
        seq=verdict.statement.seq,
        statement=statement,
        source=source,
        received_ms=_milliseconds(now),
    )


def _events_of(verdict: Verdict, now: datetime, size: int) -> list[AuditEvent]:
    """Return what the audit log keeps of a statement: about whom, which one, and what became of it."""
    change = AuditEvent(
        kind=EventKind.DIRECTORY_CHANGE,
        at=now,
        peer=verdict.statement.authority,
        digest=verdict.statement_id,
        dir_size=size,
        result=f"{verdict.statement.kind.name.lower()} {verdict.outcome}",
    )
    if verdict.outcome is not Outcome.DISPUTE:
        return [change]
    return [change, replace(change, kind=EventKind.ALARM, result=ReasonCode.DISPUTED)]


def _milliseconds(at: datetime) -> int:
    return int(at.timestamp() * 1000)
