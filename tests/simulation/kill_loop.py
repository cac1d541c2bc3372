# SPDX-License-Identifier: Apache-2.0
"""`python -m tests.simulation.kill_loop --kills 200 --messages 2000`: SIGKILL for real nodes under load.

Two processes with files, TLS and `synchronous=FULL` send to each other. Again and again one of them is killed
in the middle and started again. A client that got no answer asks again with the same idempotency key, as a
case system does. In the end the checkers of the simulation look at both databases.
"""

import argparse
import json
import random
import signal
import subprocess
import sys
import tempfile
import time
from collections import deque
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack, closing
from dataclasses import dataclass, field
from pathlib import Path

from globe_node.cli.backend import SocketBackend, objects, text_of
from globe_node.errors import NodeError
from globe_node.home import Home
from globe_node.store.driver import connect_reader, driver_of
from protocol.canonical import JSONObject
from protocol.identifiers import AuthorityId, RecordId
from protocol.octets import base64_text
from tests.simulation.checkers import Remains, findings
from tests.simulation.residents import Said
from tests.support.bodies import lean_request
from tests.support.directory import SampleNetwork, sample_network
from tests.support.houses import free_ports

A, B = "xa-acc", "xb-ibu"
READY_SECONDS = 60.0
SETTLE_SECONDS = 180.0
BATCH = 10
_ROOT = Path(__file__).resolve().parents[2]


@dataclass(slots=True)
class Victim:
    """One node, in the life it has now."""

    authority: str
    home: Home
    port: int
    started: float
    process: subprocess.Popen[bytes] | None = None
    lives: int = 0

    def start(self) -> None:
        """Start the next life."""
        self.lives += 1
        arguments = [str(self.home.folder), self.authority, str(self.port), str(self.started)]
        self.process = subprocess.Popen(
            [sys.executable, "-m", "tests.simulation.process", *arguments], cwd=_ROOT
        )

    def kill(self, number: int = signal.SIGKILL) -> None:
        """End this life."""
        if self.process is not None:
            self.process.send_signal(number)
            self.process.wait()

    def call(self, operation: str, arguments: JSONObject | None = None) -> JSONObject:
        """Run one operation over the socket, once it answers."""
        ends = time.monotonic() + READY_SECONDS
        while True:
            try:
                return SocketBackend(self.home.socket).call(operation, arguments)
            except (NodeError, OSError):
                if time.monotonic() > ends:
                    raise
                time.sleep(0.02)


@dataclass(slots=True)
class KillLoop:
    """Two nodes, a load and a killer."""

    folder: Path
    dice: random.Random
    said: list[Said] = field(default_factory=list)
    kills: int = 0
    _victims: dict[str, Victim] = field(default_factory=dict)

    def run(self, kills: int, messages: int) -> JSONObject:
        """Kill so many times while so many messages are sent; return what was found."""
        began = time.monotonic()
        self._start()
        try:
            self._work(kills, messages)
            settled = self._settle()
        finally:
            for victim in self._victims.values():
                victim.kill()
        problems = self._problems()
        return {
            "kills": self.kills,
            "lives": {name: victim.lives for name, victim in self._victims.items()},
            "messages": len(self.said),
            "settle_seconds": round(settled),
            "wall_seconds": round(time.monotonic() - began),
            "problems": problems,
        }

    def _start(self) -> None:
        ports = free_ports(2)
        network = sample_network((A, B), tuple(f"https://127.0.0.1:{port}" for port in ports))
        for name, port in zip((A, B), ports, strict=True):
            folder = self.folder / name
            folder.mkdir(mode=0o700)
            self._victims[name] = Victim(name, Home(folder), port, time.time())
            self._victims[name].start()
        for victim in self._victims.values():
            victim.call("directory.import", _import_of(network))

    def _work(self, kills: int, messages: int) -> None:
        """Send all the time, and kill one of the two now and then."""
        batches = deque(_batches(self.dice, messages))
        every = max(1, len(batches) // max(1, kills))
        with ThreadPoolExecutor(4) as pool:
            under_way: list[Future[None]] = []
            while batches or self.kills < kills:
                now = [batches.popleft() for _ in range(min(every, len(batches)))]
                under_way.extend(pool.submit(self._send, *batch) for batch in now)
                time.sleep(self.dice.uniform(0.0, 0.4))
                if self.kills < kills:
                    self._kill()
            for future in under_way:
                future.result()

    def _kill(self) -> None:
        self.kills += 1
        victim = self._victims[self.dice.choice((A, B))]
        victim.kill()
        victim.start()
        if self.dice.random() < 0.7:  # else the next blow falls while it starts
            victim.call("node.status")

    def _send(self, source: str, drafts: list[JSONObject]) -> None:
        answer = self._victims[source].call("consult.submit", {"drafts": drafts})
        for outcome in objects(answer["outcomes"]):
            to = AuthorityId(B if source == A else A)
            record_id, digest = RecordId(text_of(outcome, "record_id")), text_of(outcome, "record_hash")
            self.said.append(Said(record_id, digest, AuthorityId(source), (to,)))

    def _settle(self) -> float:
        """Wait until nothing is open at either node; nothing new is sent meanwhile."""
        began = time.monotonic()
        while time.monotonic() - began < SETTLE_SECONDS:
            if not any(self._open(victim) for victim in self._victims.values()):
                break
            time.sleep(0.2)
        return time.monotonic() - began

    @staticmethod
    def _open(victim: Victim) -> int:
        sql = (
            "SELECT (SELECT count(*) FROM outbox WHERE state = 'queued')"
            " + (SELECT count(*) FROM inbox WHERE state = 0)"
        )
        with closing(connect_reader(victim.home.database)) as connection:
            return int(driver_of(connection).execute(sql).fetchone()[0])

    def _problems(self) -> list[str]:
        with ExitStack() as stack:
            databases = {
                name: stack.enter_context(closing(connect_reader(victim.home.database)))
                for name, victim in self._victims.items()
            }
            sql = "SELECT value FROM meta WHERE name = 'incarnation'"
            lives = {name: driver_of(tx).execute(sql).fetchone()[0] for name, tx in databases.items()}
            return findings(Remains(databases, lives, self.said)).problems()


def _import_of(network: SampleNetwork) -> JSONObject:
    statements = [base64_text(statement) for statement in network.statements]
    return {"network": network.fingerprint, "statements": statements}


def _batches(dice: random.Random, messages: int) -> Iterator[tuple[str, list[JSONObject]]]:
    for first in range(0, messages, BATCH):
        source = dice.choices((A, B), (7, 3))[0]
        to = B if source == A else A
        yield (
            source,
            [
                {
                    "type": "CONSULT_REQUEST",
                    "to": [to],
                    "body": lean_request(),
                    "idempotency_key": f"message-{number}",
                }
                for number in range(first, min(first + BATCH, messages))
            ],
        )


def main() -> int:
    """Run and print one JSON object; 0 if nothing was lost, doubled or invented."""
    parser = argparse.ArgumentParser(prog="python -m tests.simulation.kill_loop", description=__doc__)
    parser.add_argument("--kills", type=int, default=200)
    parser.add_argument("--messages", type=int, default=2_000)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="kill-") as folder:
        loop = KillLoop(Path(folder), random.Random(options.seed))  # noqa: S311 -- when to kill, no secret
        report = loop.run(options.kills, options.messages)
    sys.stdout.write(json.dumps(report, indent=2) + "\n")
    return 1 if report["problems"] else 0


if __name__ == "__main__":
    sys.exit(main())
