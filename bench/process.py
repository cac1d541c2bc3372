# SPDX-License-Identifier: Apache-2.0
"""A node as a process of its own: `globe-node run` on a home folder, asked over the socket in it."""

import asyncio
import contextlib
import json
import os
import signal
import socket
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import aiohttp

from globe_node.home import Home

PROGRAM = Path(sys.executable).with_name("globe-node")
PATIENCE_SECONDS = 120.0


class BenchError(Exception):
    """A measurement could not be made; nothing is reported then."""


class NodeProcess:
    """Starts and stops the node of one home, and asks it."""

    def __init__(self, home: Home) -> None:
        self.home = home
        self._process: asyncio.subprocess.Process | None = None
        self._client: aiohttp.ClientSession | None = None

    @property
    def process_id(self) -> int:
        """The process id of the running node; 0 if it does not run."""
        return self._process.pid if self._process is not None else 0

    async def start(self) -> float:
        """Start the node.

        Returns:
            Seconds from the start of the process until the node was ready and had answered on its socket.
        """
        with contextlib.closing(self._listener()) as listener, self._log_path.open("ab") as log:
            started = time.perf_counter()
            self._process = await asyncio.create_subprocess_exec(
                PROGRAM,
                "--home",
                self.home.folder,
                "run",
                stdin=asyncio.subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                env={**os.environ, "NOTIFY_SOCKET": str(self._ready_path)},
                start_new_session=True,
            )
            await self._wait_ready(listener)
        self._client = aiohttp.ClientSession(
            "http://localhost/v1/",
            connector=aiohttp.UnixConnector(str(self.home.socket)),
            timeout=aiohttp.ClientTimeout(total=PATIENCE_SECONDS),
        )
        await self.call("node.status")
        return time.perf_counter() - started

    async def stop(self) -> None:
        """Stop the node in order, and wait until it is gone."""
        client, self._client = self._client, None
        process, self._process = self._process, None
        if client is not None:
            await client.close()
        if process is None:
            return
        with contextlib.suppress(ProcessLookupError):
            process.send_signal(signal.SIGTERM)
        try:
            async with asyncio.timeout(PATIENCE_SECONDS):
                await process.wait()
        except TimeoutError:
            process.kill()
            await process.wait()

    async def call(self, operation: str, arguments: "Mapping[str, object] | bytes" = b"{}") -> dict[str, Any]:
        """Run one operation.

        Args:
            operation: its name.
            arguments: an object, or JSON that was written before.

        Raises:
            BenchError: the node refused it or is gone.
        """
        answer: dict[str, Any] = json.loads(await self.call_raw(operation, arguments))
        return answer

    async def call_raw(self, operation: str, arguments: "Mapping[str, object] | bytes" = b"{}") -> bytes:
        """Run one operation; return the answer as it came, to be read when nobody measures."""
        if self._client is None:
            raise BenchError("the node does not run")
        body = arguments if isinstance(arguments, bytes) else json.dumps(arguments).encode()
        try:
            async with self._client.post(operation, data=body) as response:
                answer = await response.read()
        except aiohttp.ClientError as error:
            raise BenchError(f"{operation}: {error}; {self._end_of_log()}") from error
        if response.status != 200:
            raise BenchError(f"{operation}: {answer[:500].decode(errors='replace')}")
        return answer

    @property
    def _log_path(self) -> Path:
        return self.home.folder / "node.log"

    @property
    def _ready_path(self) -> Path:
        return self.home.folder / "ready.sock"

    def _listener(self) -> socket.socket:
        """Make the socket on which the node tells its service manager that it is ready."""
        self._ready_path.unlink(missing_ok=True)
        listener = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        listener.bind(str(self._ready_path))
        listener.setblocking(False)
        return listener

    async def _wait_ready(self, listener: socket.socket) -> None:
        process = self._process
        if process is None:
            raise BenchError("the node was not started")
        told = asyncio.create_task(asyncio.get_running_loop().sock_recv(listener, 64))
        ended = asyncio.create_task(process.wait())
        try:
            await asyncio.wait((told, ended), timeout=PATIENCE_SECONDS, return_when=asyncio.FIRST_COMPLETED)
            if not told.done() or told.result() != b"READY=1":
                raise BenchError(f"the node did not start: {self._end_of_log()}")
        finally:
            for task in (told, ended):
                task.cancel()

    def _end_of_log(self) -> str:
        return self._log_path.read_text("utf-8", errors="replace")[-1_000:]
