# SPDX-License-Identifier: Apache-2.0
"""A network in memory that drops, delays, repeats, reorders, cuts one way and answers nonsense, by a seed."""

import asyncio
import random
from collections import Counter
from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from typing import Any, Protocol

from globe_node.delivery.link import Answer, Operation, PeerAddress, PeerIdentity, RequestHandler
from globe_node.errors import PeerUnreachableError
from protocol.errors import ReasonCode
from tests.support.delivery import identity_of

Note = Callable[..., None]
Spawn = Callable[[Coroutine[Any, Any, None]], object]
Leaves = Callable[[str, Operation, bytes], None]
"""Told what a node gives to the line."""


@dataclass(frozen=True, slots=True)
class Weather:
    """How likely each fault is for one request, and how long things take."""

    lost_request: float = 0.0
    lost_answer: float = 0.0
    repeated: float = 0.0
    nonsense: float = 0.0
    refused: float = 0.0
    slowest_seconds: float = 0.05

    @staticmethod
    def drawn(dice: random.Random) -> "Weather":
        """Weather of a bad day: some seeds are worse than others."""
        worst = dice.choice((0.05, 0.2, 0.4))
        return Weather(
            lost_request=dice.uniform(0, worst),
            lost_answer=dice.uniform(0, worst),
            repeated=dice.uniform(0, worst),
            nonsense=dice.uniform(0, worst / 2),
            refused=dice.uniform(0, worst / 2),
            slowest_seconds=dice.choice((0.1, 2.0, 20.0)),
        )


class Host(Protocol):
    """One running process, as the network sees it."""

    @property
    def alive(self) -> bool:
        """Whether it runs."""

    @property
    def handler(self) -> RequestHandler:
        """What answers its requests."""

    def spawn(self, work: Coroutine[Any, Any, None]) -> object:
        """Run work that dies with the process."""


class Network:
    """All lines of a world.

    Attributes:
        weather: faults of single requests.
        cuts: directions in which nothing arrives, as (from, to).
        faults: how often each fault was injected.
        attempts: requests with envelopes or receipts, by (from, to).
    """

    def __init__(self, dice: random.Random, note: Note, spawn: Spawn, leaves: Leaves) -> None:
        self.weather = Weather()
        self.cuts: set[tuple[str, str]] = set()
        self.hosts: dict[str, Host] = {}
        self.faults: Counter[str] = Counter()
        self.attempts: Counter[tuple[str, str]] = Counter()
        self._dice = dice
        self._note = note
        self._spawn = spawn
        self._leaves = leaves
        self._old: dict[tuple[str, str, Operation], list[bytes]] = {}

    def line_of(self, name: str) -> "Line":
        """The transport of one process."""
        return Line(self, name)

    async def carry(
        self, source: str, to: str, operation: Operation, *, body: bytes, seconds: float
    ) -> Answer:
        """Bring one request and its answer, or lose either."""
        if operation in (Operation.ENVELOPES, Operation.RECEIPTS):
            self.attempts[source, to] += 1
        self._leaves(source, operation, body)
        self._note("request", source, to, operation.value, len(body))
        try:
            async with asyncio.timeout(seconds):
                answer = await self._there_and_back(source, to, operation, body)
        except TimeoutError:
            raise PeerUnreachableError("no answer in time") from None
        self._note("answer", source, to, operation.value, answer.code, len(answer.body))
        return answer

    async def _there_and_back(self, source: str, to: str, operation: Operation, body: bytes) -> Answer:
        if self._cut(source, to) or self._happens("lost_request", self.weather.lost_request):
            await self._lose()
        await self._travel()
        if self._happens("repeated", self.weather.repeated):
            self._spawn(self._repeat(source, to, operation, body))
        answer = await self._serve(source, to, operation, body)
        if self._cut(to, source) or self._happens("lost_answer", self.weather.lost_answer):
            await self._lose()
        await self._travel()
        return self._spoilt(answer, (source, to, operation))

    async def _serve(self, source: str, to: str, operation: Operation, body: bytes) -> Answer:
        host = self.hosts.get(to)
        if host is None or not host.alive:
            self.faults["down"] += 1
            raise PeerUnreachableError("down")
        done: asyncio.Future[Answer] = asyncio.get_running_loop().create_future()
        host.spawn(_handle(host, identity_of(source), operation, body=body, done=done))
        return await done

    async def _repeat(self, source: str, to: str, operation: Operation, body: bytes) -> None:
        """Bring the same octets once more, some time later, to whoever is there then."""
        await asyncio.sleep(self._dice.choice((0.0, 1.0, 60.0, 1200.0)) * self._dice.random())
        try:
            await self._serve(source, to, operation, body)
        except PeerUnreachableError:
            return

    def _cut(self, source: str, to: str) -> bool:
        if (source, to) in self.cuts:
            self.faults["cut"] += 1
            return True
        return False

    async def _lose(self) -> None:
        """Let the other side notice at once, or only when its patience ends."""
        await asyncio.sleep(3_600.0 if self._dice.random() < 0.3 else 0.01)
        raise PeerUnreachableError("lost")

    async def _travel(self) -> None:
        await asyncio.sleep(self.weather.slowest_seconds * self._dice.random() ** 3)

    def _happens(self, name: str, likelihood: float) -> bool:
        happens = self._dice.random() < likelihood
        self.faults[name] += happens
        return happens

    def _spoilt(self, answer: Answer, line: tuple[str, str, Operation]) -> Answer:
        """Return the answer, or something else in its place."""
        if self._happens("refused", self.weather.refused):
            code = self._dice.choice((ReasonCode.BUSY, ReasonCode.RATE_LIMITED, ReasonCode.REFUSED))
            return Answer(code, b"", retry_after=self._dice.choice((None, 5.0, 600.0)))
        old = self._old.setdefault(line, [])
        if self._happens("nonsense", self.weather.nonsense):
            nonsense = (b"", b"<html>", answer.body[: len(answer.body) // 2], *old[-2:])
            return Answer(None, self._dice.choice(nonsense))
        if answer.code is None:
            old.append(answer.body)
        return answer


async def _handle(
    host: Host, peer: PeerIdentity, operation: Operation, *, body: bytes, done: "asyncio.Future[Answer]"
) -> None:
    try:
        answer = await host.handler.handle(peer, operation, body)
        if host.alive and not done.done():
            done.set_result(answer)
    finally:
        if not done.done():
            done.set_exception(PeerUnreachableError("the peer died"))


class Line:
    """Implements `Transport` for one process."""

    def __init__(self, network: Network, source: str) -> None:
        self._network = network
        self._source = source

    async def request(
        self, peer: PeerAddress, operation: Operation, *, body: bytes, deadline_seconds: float
    ) -> Answer:
        return await self._network.carry(
            self._source, peer.authority, operation, body=body, seconds=deadline_seconds
        )
