# SPDX-License-Identifier: Apache-2.0
"""Two nodes of one sample network, as processes on loopback, and messages from the one to the other.

1. Everything is real: `globe-node run`, mutual TLS 1.3, SQLite with synchronous=FULL, composite signatures,
   X-Wing, audit entries on both sides, signed receipts.
2. Nothing is measured here but time; what arrived is compared with what was submitted, outside of that time.
3. Each message opens a consultation of its own: the dearest case.
"""

import asyncio
import contextlib
import json
import os
import sqlite3
import time
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from dataclasses import dataclass

from bench.machine import processor_seconds
from bench.network import Member, Network
from bench.process import BenchError, NodeProcess
from protocol.identifiers import AuthorityId

TEXT_BYTES = 2_048
DRAFTS_PER_CALL = 100
CALLS_IN_FLIGHT = 4
ARRIVALS_PER_CALL = 500
PATIENCE_SECONDS = 300.0
_LOOK_SECONDS = 0.01


@dataclass(frozen=True, slots=True)
class Delivered:
    """How long a batch of messages took.

    Attributes:
        first_seconds: until the first was readable at the receiver.
        arrived_seconds: until all were.
        receipted_seconds: until the sender had verified and stored the receipts of all, too.
        processor_seconds: used meanwhile by sender, receiver and bench.
    """

    first_seconds: float
    arrived_seconds: float
    receipted_seconds: float
    processor_seconds: Mapping[str, float]


class Pair:
    """A sender and a receiver."""

    def __init__(self, sender: NodeProcess, receiver: NodeProcess, to: AuthorityId) -> None:
        self.sender = sender
        self.receiver = receiver
        self._to = to
        self._position = 0
        self._number = 0

    def process_ids(self) -> list[int]:
        """Return the ids of the running nodes."""
        return [node.process_id for node in (self.sender, self.receiver) if node.process_id]

    def meter(self) -> Callable[[], Mapping[str, float]]:
        """Start to measure processor time; the result tells the seconds of sender, receiver and bench."""
        processes = {
            "sender": self.sender.process_id,
            "receiver": self.receiver.process_id,
            "bench": os.getpid(),
        }
        before = {name: processor_seconds(process_id) for name, process_id in processes.items()}
        return lambda: {
            name: processor_seconds(process_id) - before[name] for name, process_id in processes.items()
        }

    async def deliver(self, count: int) -> Delivered:
        """Submit messages with several calls in flight and wait until all have arrived and are receipted.

        Raises:
            BenchError: not exactly what was submitted arrived, or not all of it was receipted.
        """
        calls = self._calls(count)
        await self._all_decided()
        before = await self._received()
        used = self.meter()
        started = time.perf_counter()
        submitting = asyncio.create_task(self._submit(calls))
        arriving = asyncio.create_task(self._arrivals(count))
        try:
            answers, (arrived, first, last) = await asyncio.gather(submitting, arriving)
        finally:
            submitting.cancel()
            arriving.cancel()
        await self._all_decided()
        receipted = time.perf_counter()
        delivered = Delivered(first - started, last - started, receipted - started, used())
        self._compare(answers, arrived)
        if await self._received() != before + count:
            raise BenchError("the sender does not hold a receipt for every message")
        return delivered

    async def deliver_one(self) -> float:
        """Submit one message; return seconds from the call at the sender to the news at the receiver."""
        call = self._calls(1)[0]
        listening = asyncio.create_task(self._arrivals(1))
        try:
            await asyncio.sleep(0.02)
            started = time.perf_counter()
            answer = await self.sender.call_raw("consult.submit", call)
            arrived, _first, last = await listening
        finally:
            listening.cancel()
        self._compare([answer], arrived)
        return last - started

    async def deliver_backlog(self, count: int) -> Delivered:
        """Submit messages while the receiver is down; return seconds since it answered again."""
        calls = self._calls(count)
        await self._all_decided()
        before = await self._received()
        await self.receiver.stop()
        answers = await self._submit(calls)
        await self.receiver.start()
        used = self.meter()
        started = time.perf_counter()
        arrived, first, last = await self._arrivals(count)
        await self._all_decided()
        receipted = time.perf_counter()
        delivered = Delivered(first - started, last - started, receipted - started, used())
        self._compare(answers, arrived)
        if await self._received() != before + count:
            raise BenchError("the sender does not hold a receipt for every message")
        return delivered

    def pass_over_arrivals(self) -> None:
        """Take everything that is at the receiver as seen; for rows that did not come by a line."""
        path = self.receiver.home.database
        with contextlib.closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True)) as database:
            self._position = database.execute("SELECT max(position) FROM record").fetchone()[0]

    async def meet(self) -> None:
        """Wait until the nodes have greeted each other."""
        await self.sender.call("peers.greet", {"authority": self._to})

    # --- inside -----------------------------------------------------------------------------------------

    def _calls(self, count: int) -> list[bytes]:
        """Write the submit calls for so many messages, each with a text of its own."""
        drafts = []
        for _ in range(count):
            self._number += 1
            drafts.append(draft(self._to, self._number))
        return [
            json.dumps({"drafts": drafts[at : at + DRAFTS_PER_CALL]}).encode()
            for at in range(0, count, DRAFTS_PER_CALL)
        ]

    async def _submit(self, calls: Sequence[bytes]) -> list[bytes]:
        waiting = iter(calls)
        answers: list[bytes] = []

        async def work() -> None:
            for call in waiting:
                answer = await self.sender.call_raw("consult.submit", call)
                answers.append(answer)

        async with asyncio.TaskGroup() as group:
            for _ in range(min(CALLS_IN_FLIGHT, len(calls))):
                group.create_task(work())
        return answers

    async def _arrivals(self, count: int) -> tuple[list[str], float, float]:
        """Wait for so many records at the receiver; return their ids, and when the first and last came."""
        arrived: list[str] = []
        first = 0.0
        async with asyncio.timeout(PATIENCE_SECONDS):
            while len(arrived) < count:
                asked = {"after": self._position, "limit": ARRIVALS_PER_CALL, "wait_seconds": 20}
                news = await self.receiver.call("consult.arrivals", asked)
                if news["arrivals"] and not first:
                    first = time.perf_counter()
                arrived += [one["record_id"] for one in news["arrivals"]]
                self._position = news["next"]
        return arrived, first, time.perf_counter()

    async def _all_decided(self) -> None:
        """Wait until the sender has nothing on its way."""
        async with asyncio.timeout(PATIENCE_SECONDS):
            while (await self.sender.call("health"))["waiting"]:  # noqa: ASYNC110 -- another process
                await asyncio.sleep(_LOOK_SECONDS)

    async def _received(self) -> int:
        """Count what the sender holds a receipt for."""
        sent = (await self.sender.call("delivery.sums"))["sent"].get(self._to, {})
        return int(sent.get("received", 0))

    def _compare(self, answers: Sequence[bytes], arrived: Sequence[str]) -> None:
        outcomes = [outcome for answer in answers for outcome in json.loads(answer)["outcomes"]]
        failed = [outcome for outcome in outcomes if "record_id" not in outcome]
        if failed:
            raise BenchError(f"{len(failed)} drafts were refused, the first: {failed[0]}")
        if sorted(outcome["record_id"] for outcome in outcomes) != sorted(arrived):
            raise BenchError("what arrived is not what was submitted")


def draft(to: str, number: int) -> dict[str, object]:
    """Return a request with 2 KiB of text."""
    text = f"Sample facts, number {number}: a road contract was won by bribes. ".ljust(TEXT_BYTES, "x")
    return {
        "type": "CONSULT_REQUEST",
        "to": [to],
        "body": {
            "practitioner": {"office": "Duty desk"},
            "case": {"reference": f"BENCH-{number}", "stage": "INVESTIGATION"},
            "facts": {"text": text, "language": "en"},
            "help_items": [{"id": "h1", "help_type": "COMPANY", "question": "Who are the directors?"}],
            "purpose": {"text": "To decide on a formal request.", "use": "PREPARE_MLA"},
        },
    }


@contextlib.asynccontextmanager
async def running_pair(network: Network, sender: Member, receiver: Member) -> AsyncIterator[Pair]:
    """Make the homes of two members of a network and run their nodes while the block runs."""
    nodes = [NodeProcess(network.make_home(member)) for member in (sender, receiver)]
    pair = Pair(nodes[0], nodes[1], receiver.authority)
    try:
        for node in nodes:
            await node.start()
            await node.call("directory.import", network.as_import())
        await pair.meet()
        yield pair
    finally:
        for node in nodes:
            await node.stop()
