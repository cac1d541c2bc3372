# SPDX-License-Identifier: Apache-2.0
"""Nodes as processes run them: files, sockets and TLS on loopback, in the test's own event loop."""

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

from globe_node.cli.backend import SocketBackend
from globe_node.cli.main import main
from globe_node.clock import SystemClock
from globe_node.config import PeeringSettings, Settings
from globe_node.faults import NoFaults
from globe_node.home import Home
from globe_node.logs import SilentLog
from globe_node.service import Place, World, serve
from keys.entropy import SystemEntropy
from protocol.canonical import JSONObject
from protocol.octets import base64_text
from tests.support.clock import START
from tests.support.directory import SampleNetwork, certified_node_keys, sample_network


class SampleDayClock(SystemClock):
    """Runs as the system's clock does, from the day on which the sample keys were made."""

    def __init__(self) -> None:
        self._started = self.monotonic()

    def now(self) -> datetime:
        return START + timedelta(seconds=self.monotonic() - self._started)


CLOCK = SampleDayClock()


def free_ports(count: int) -> list[int]:
    """Ports that nobody listens on now."""
    listeners = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    ports = [listener.getsockname()[1] for listener in listeners]
    for listener in listeners:
        listener.close()
    return ports


@dataclass(frozen=True, slots=True)
class House:
    """A running node and its home.

    Attributes:
        stop: set it to end the node in order.
    """

    home: Home
    place: Place
    stop: asyncio.Event
    task: "asyncio.Task[None]"

    async def call(self, operation: str, arguments: JSONObject | None = None) -> JSONObject:
        """Run one operation over the socket."""
        return await asyncio.to_thread(SocketBackend(self.home.socket).call, operation, arguments)

    async def run(self, *arguments: str) -> int:
        """Run a command of the command line on this home; output goes where the test's goes."""
        return await run_command(self.home, *arguments)

    async def import_network(self, network: SampleNetwork) -> JSONObject:
        """Join the network and take its statements."""
        statements = [base64_text(statement) for statement in network.statements]
        return await self.call("directory.import", {"network": network.fingerprint, "statements": statements})


@contextlib.asynccontextmanager
async def two_houses(folder: Path, authorities: tuple[str, str]) -> AsyncIterator[tuple[House, House]]:
    """Two running nodes of one sample network that know each other."""
    async with some_houses(folder, authorities) as (a, b):
        yield a, b


@contextlib.asynccontextmanager
async def some_houses(folder: Path, authorities: tuple[str, ...]) -> AsyncIterator[list[House]]:
    """Running nodes of one sample network that know each other."""
    ports = free_ports(len(authorities))
    network = sample_network(authorities, tuple(f"https://127.0.0.1:{port}" for port in ports))
    async with contextlib.AsyncExitStack() as stack:
        nodes = [
            await stack.enter_async_context(house(folder / name, name, port))
            for name, port in zip(authorities, ports, strict=True)
        ]
        for node in nodes:
            assert (await node.import_network(network))["refused"] == []
        yield nodes


@contextlib.asynccontextmanager
async def house(folder: Path, authority: str, port: int) -> AsyncIterator[House]:
    """Run the node of an authority in a folder while the block runs."""
    home = make_home(folder, authority)
    settings = Settings(
        authority=authority,
        peering=PeeringSettings(
            endpoint=f"https://127.0.0.1:{port}", listen_host="127.0.0.1", listen_port=port
        ),
    )
    ready = asyncio.Event()
    places: list[Place] = []

    def note(place: Place) -> None:
        places.append(place)
        ready.set()

    stop = asyncio.Event()
    world = World(clock=CLOCK, entropy=SystemEntropy(), faults=NoFaults(), log=SilentLog())
    task = asyncio.get_running_loop().create_task(
        serve(home, settings, certified_node_keys(authority), world=world, ready=note, stop=stop)
    )
    task.add_done_callback(lambda _task: ready.set())
    await ready.wait()
    if not places:
        await task
    try:
        yield House(home, places[0], stop, task)
    finally:
        stop.set()
        await task


def make_home(folder: Path, authority: str) -> Home:
    """Make a private folder with settings, and an empty file in place of the keystore."""
    home = Home(folder)
    home.keystore.mkdir(mode=0o700, parents=True, exist_ok=True)
    folder.chmod(0o700)
    home.settings.write_text(f'authority = "{authority}"\n')
    home.node_keys.touch(0o600)
    return home


async def run_command(home: Home, *arguments: str) -> int:
    """Run a command of the command line on a home."""
    return await asyncio.to_thread(main, ["--home", str(home.folder), *arguments])
