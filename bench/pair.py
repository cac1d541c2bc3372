# SPDX-License-Identifier: Apache-2.0
"""Two nodes of one sample network, as processes on loopback, and messages from the one to the other.

1. Everything is real: `globe-node run`, mutual TLS 1.3, SQLite with synchronous=FULL, composite signatures,
   groups with X-Wing, audit entries on both sides, signed receipts.
2. The receiver asks: it opens consultations, is their hub, and holds the key packages. What is delivered are
   partial answers of the sender in these consultations, one consultation after the other.
3. Nothing is measured here but time; what arrived is compared with what was submitted, outside of that time.
"""

import asyncio
import contextlib
import json
import os
import time
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import cycle, islice

from bench.machine import processor_seconds
from bench.network import Member, Network
from bench.process import BenchError, NodeProcess
from bench.side import Side

TEXT_BYTES = 2_048
DRAFTS_PER_CALL = 100
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
    """An authority that answers, and one that has asked.

    Attributes:
        sender: the node that answers.
        receiver: the node that has asked.
        consultations: those that run, all confirmed.
    """

    def __init__(self, sender: Side, receiver: Side) -> None:
        self._sending = sender
        self._receiving = receiver
        self.consultations: list[str] = []
        self._number = 0

    @property
    def sender(self) -> NodeProcess:
        """Return the node that answers."""
        return self._sending.node

    @property
    def receiver(self) -> NodeProcess:
        """Return the node that has asked."""
        return self._receiving.node

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

    async def meet(self) -> None:
        """Wait until the nodes have greeted each other."""
        await self.sender.call("peers.greet", {"authority": self._receiving.authority})

    async def open(self, count: int) -> Delivered:
        """Open consultations; they run when the receiver holds the word of the sender that it came in.

        The receiver has a key package for each before the clock starts.

        Raises:
            BenchError: not exactly these were opened, or the members of one are not confirmed.
        """
        calls = self._calls(count, lambda number: request(self._sending.authority, number))
        await self._restock(count)
        await self._decided(self._receiving, self._sending)
        used = self.meter()
        started = time.perf_counter()
        answers, (arrived, first, last) = await self._exchange(self._receiving, self._sending, calls, count)
        await self._decided(self._receiving, self._sending)
        settled = time.perf_counter()
        opened = Delivered(first - started, last - started, settled - started, used())
        _compare(answers, arrived)
        outcomes = [outcome for answer in answers for outcome in json.loads(answer)["outcomes"]]
        opening = [str(outcome["consultation"]) for outcome in outcomes]
        await self._require_confirmed(opening)
        self.consultations += opening
        return opened

    async def deliver(self, count: int) -> Delivered:
        """Submit messages with several calls in flight and wait until all have arrived and are receipted.

        Raises:
            BenchError: not exactly what was submitted arrived, or not all of it was receipted.
        """
        calls = self._answers(count)
        await self._decided(self._sending)
        before = await self._received()
        used = self.meter()
        started = time.perf_counter()
        answers, (arrived, first, last) = await self._exchange(self._sending, self._receiving, calls, count)
        await self._decided(self._sending)
        receipted = time.perf_counter()
        delivered = Delivered(first - started, last - started, receipted - started, used())
        await self._require_all(answers, arrived, before + count)
        return delivered

    async def deliver_one(self) -> float:
        """Submit one message; return seconds from the call at the sender to the news at the receiver."""
        call = self._answers(1)[0]
        listening = asyncio.create_task(self._receiving.arrivals(1))
        try:
            await asyncio.sleep(0.02)
            started = time.perf_counter()
            answer = await self.sender.call_raw("consult.submit", call)
            arrived, _first, last = await listening
        finally:
            listening.cancel()
        _compare([answer], arrived)
        return last - started

    async def deliver_backlog(self, count: int) -> Delivered:
        """Submit messages while the receiver is down; return seconds since it answered again."""
        calls = self._answers(count)
        await self._decided(self._sending)
        before = await self._received()
        await self.receiver.stop()
        answers = await self._sending.submit(calls)
        await self.receiver.start()
        used = self.meter()
        started = time.perf_counter()
        arrived, first, last = await self._receiving.arrivals(count)
        await self._decided(self._sending)
        receipted = time.perf_counter()
        delivered = Delivered(first - started, last - started, receipted - started, used())
        await self._require_all(answers, arrived, before + count)
        return delivered

    def pass_over_arrivals(self) -> None:
        """Take everything that is at the receiver as seen; for rows that did not come by a line."""
        self._receiving.pass_over_arrivals()

    # --- inside -----------------------------------------------------------------------------------------

    def _calls(self, count: int, draft: Callable[[int], Mapping[str, object]]) -> list[bytes]:
        """Write the submit calls for so many messages, each with a text of its own."""
        drafts = []
        for _ in range(count):
            self._number += 1
            drafts.append(draft(self._number))
        return [
            json.dumps({"drafts": drafts[at : at + DRAFTS_PER_CALL]}).encode()
            for at in range(0, count, DRAFTS_PER_CALL)
        ]

    def _answers(self, count: int) -> list[bytes]:
        """Write the submit calls for so many answers; each begins where the one before ended."""
        if not self.consultations:
            raise BenchError("no consultation runs")
        begin = self._number % len(self.consultations)
        chosen = islice(cycle(self.consultations), begin, None)
        return self._calls(count, lambda number: answer_in(next(chosen), number))

    async def _exchange(
        self, sender: Side, receiver: Side, calls: Sequence[bytes], count: int
    ) -> tuple[list[bytes], tuple[list[str], float, float]]:
        """Submit at one side and wait for the arrivals at the other."""
        submitting = asyncio.create_task(sender.submit(calls))
        arriving = asyncio.create_task(receiver.arrivals(count))
        try:
            return await asyncio.gather(submitting, arriving)
        finally:
            submitting.cancel()
            arriving.cancel()

    async def _restock(self, count: int) -> None:
        """Let the receiver ask for key packages, as it does when few are left, until there are enough."""
        await self.receiver.call("peers.greet", {"authority": self._sending.authority})
        async with asyncio.timeout(PATIENCE_SECONDS):
            while self._receiving.key_packages() < count:  # noqa: ASYNC110 -- another process
                await asyncio.sleep(_LOOK_SECONDS)

    async def _decided(self, *sides: Side) -> None:
        """Wait until these have nothing on its way."""
        async with asyncio.timeout(PATIENCE_SECONDS):
            for side in sides:
                while (await side.node.call("health"))["waiting"]:  # noqa: ASYNC110 -- another process
                    await asyncio.sleep(_LOOK_SECONDS)

    async def _received(self) -> int:
        """Count what the sender holds a receipt for."""
        sent = (await self.sender.call("delivery.sums"))["sent"].get(self._receiving.authority, {})
        return int(sent.get("received", 0))

    async def _require_all(self, answers: Sequence[bytes], arrived: Sequence[str], receipts: int) -> None:
        _compare(answers, arrived)
        if await self._received() != receipts:
            raise BenchError("the sender does not hold a receipt for every message")

    async def _require_confirmed(self, opened: Sequence[str]) -> None:
        listed = await self.receiver.call("consult.list", {"limit": len(opened)})
        confirmed = {one["consultation"] for one in listed["consultations"] if one["group"]["confirmed"]}
        if not confirmed.issuperset(opened):
            raise BenchError("the members of a consultation are not confirmed")


def _compare(answers: Sequence[bytes], arrived: Sequence[str]) -> None:
    outcomes = [outcome for answer in answers for outcome in json.loads(answer)["outcomes"]]
    failed = [outcome for outcome in outcomes if "record_id" not in outcome]
    if failed:
        raise BenchError(f"{len(failed)} drafts were refused, the first: {failed[0]}")
    if sorted(outcome["record_id"] for outcome in outcomes) != sorted(arrived):
        raise BenchError("what arrived is not what was submitted")


def request(to: str, number: int) -> dict[str, object]:
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


def answer_in(consultation: str, number: int) -> dict[str, object]:
    """Return a partial answer with 2 KiB of text; more of them may follow."""
    text = f"Sample extract, number {number}: two directors since 2019. ".ljust(TEXT_BYTES, "x")
    item = {"item": "h1", "result": "PARTIAL", "text": text, "found_in": "Register of companies"}
    return {
        "type": "ANSWER",
        "consultation": consultation,
        "body": {"final": False, "items": [item]},
    }


@contextlib.asynccontextmanager
async def running_pair(network: Network, sender: Member, receiver: Member) -> AsyncIterator[Pair]:
    """Make the homes of two members of a network and run their nodes while the block runs."""
    sides = [Side(NodeProcess(network.make_home(member)), member.authority) for member in (sender, receiver)]
    pair = Pair(sides[0], sides[1])
    try:
        for side in sides:
            await side.node.start()
            await side.node.call("directory.import", network.as_import())
        await pair.meet()
        yield pair
    finally:
        for side in sides:
            await side.node.stop()
