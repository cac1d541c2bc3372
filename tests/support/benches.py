# SPDX-License-Identifier: Apache-2.0
"""The nodes of a bench in the test's own event loop: as quick to start as houses are."""

import asyncio
import contextlib
import json
import os
import time
from collections.abc import AsyncIterator, Mapping
from pathlib import Path

from bench.pair import Pair
from bench.process import BenchError, NodeProcess
from bench.side import Side
from globe_node.cli.backend import SocketBackend
from globe_node.errors import NodeError
from globe_node.home import Home
from protocol.canonical import JSONObject, to_bytes
from protocol.identifiers import AuthorityId
from protocol.octets import base64_text
from tests.support.directory import sample_network
from tests.support.houses import House, free_ports, house

SENDER, RECEIVER = "xa-acc", "xb-ibu"


class HouseNode(NodeProcess):
    """A node of a bench that is a house."""

    def __init__(self, folder: Path, authority: str, port: int) -> None:
        super().__init__(Home(folder))
        self.authority = authority
        self._port = port
        self._house: contextlib.AbstractAsyncContextManager[House] | None = None

    @property
    def process_id(self) -> int:
        return os.getpid() if self._house is not None else 0

    async def start(self) -> float:
        started = time.perf_counter()
        self._house = house(self.home.folder, self.authority, self._port)
        await self._house.__aenter__()
        return time.perf_counter() - started

    async def stop(self) -> None:
        entered, self._house = self._house, None
        if entered is not None:
            await entered.__aexit__(None, None, None)

    async def call_raw(self, operation: str, arguments: "Mapping[str, object] | bytes" = b"{}") -> bytes:
        asked: JSONObject = json.loads(arguments if isinstance(arguments, bytes) else json.dumps(arguments))
        try:
            answer = await asyncio.to_thread(SocketBackend(self.home.socket).call, operation, asked)
        except NodeError as error:
            raise BenchError(str(error)) from error
        return to_bytes(answer)


@contextlib.asynccontextmanager
async def house_pair(folder: Path) -> AsyncIterator[Pair]:
    """Run a sender and a receiver who know each other while the block runs."""
    ports = free_ports(2)
    network = sample_network((SENDER, RECEIVER), tuple(f"https://127.0.0.1:{port}" for port in ports))
    arguments = {
        "network": network.fingerprint,
        "statements": [base64_text(statement) for statement in network.statements],
    }
    sides = [
        Side(HouseNode(folder / name, name, port), AuthorityId(name))
        for name, port in zip((SENDER, RECEIVER), ports, strict=True)
    ]
    try:
        for side in sides:
            await side.node.start()
            await side.node.call("directory.import", arguments)
        yield Pair(sides[0], sides[1])
    finally:
        for side in sides:
            await side.node.stop()
