# SPDX-License-Identifier: Apache-2.0
"""The stage: home folders, the product's own commands, and nodes as processes of their own on loopback."""

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

from demo.narrator import Narrator

PATIENCE_SECONDS = 30.0
PROGRAM = Path(sys.executable).with_name("globe-node")


class StageError(Exception):
    """A step of the story did not go as told."""


@dataclass(slots=True)
class Actor:
    """One authority of the story: its home folder and, while it is up, its node."""

    authority: str
    country: str
    kind: str
    name: str
    home: Path
    port: int
    process: "subprocess.Popen[bytes] | None" = field(default=None, repr=False)

    @property
    def short(self) -> str:
        """The name by which the story calls it."""
        return self.authority

    @property
    def endpoint(self) -> str:
        """Where its node is reached."""
        return f"https://127.0.0.1:{self.port}"


class Stage:
    """Runs the commands of the story and shows them."""

    def __init__(self, folder: Path, narrator: Narrator) -> None:
        self.folder = folder
        self.narrator = narrator
        self.passphrase_file = folder / "passphrase"
        self.passphrase_file.write_text("sample passphrase, for the demonstration only\n", "utf-8")
        self.passphrase_file.chmod(0o600)

    def run(
        self,
        who: str,
        *words: str,
        show: bool = True,
        expect: int = 0,
        only: str = "",
        last: int = 0,
        whole: bool = False,
    ) -> str:
        """Run one command, show it with what it answered (see `Narrator.answer`), and return its output.

        Raises:
            StageError: it ended with another exit code than the story needs.
        """
        if show:
            self.narrator.command(who, ("globe-node", *_shown(words, self.folder)))
        done = subprocess.run(
            [PROGRAM, *words],
            capture_output=True,
            text=True,
            env=self._environment(),
            timeout=120,
            check=False,
        )
        if show:
            told = done.stdout + (done.stderr if done.returncode else "")
            self.narrator.answer(told, only=only, last=last, whole=whole)
        if done.returncode != expect:
            raise StageError(
                f"globe-node {' '.join(words)}\nended with {done.returncode}, not {expect}:\n"
                f"{done.stdout}{done.stderr}"
            )
        return done.stdout

    def together(self, commands: Sequence[Sequence[str]]) -> None:
        """Run quiet commands side by side: set-up that nobody wants to watch."""
        running = [
            subprocess.Popen(
                [PROGRAM, *words], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, env=self._environment()
            )
            for words in commands
        ]
        for words, process in zip(commands, running, strict=True):
            output = process.communicate(timeout=120)[0].decode()
            if process.returncode:
                raise StageError(f"globe-node {' '.join(words)}\nended with {process.returncode}:\n{output}")

    def document(self, who: str, *words: str, shown: bool = False) -> dict[str, Any]:
        """Run a command for its JSON document; show the command if asked to."""
        if shown:
            self.narrator.command(who, ("globe-node", *_shown(words, self.folder)))
        document: dict[str, Any] = json.loads(self.run(who, *words, "--json", show=False))
        return document

    def document_of(self, actor: Actor, *words: str, shown: bool = False) -> dict[str, Any]:
        """Run a command on an actor's home for its JSON document."""
        return self.document(actor.short, "--home", str(actor.home), *words, shown=shown)

    def act(
        self,
        actor: Actor,
        *words: str,
        expect: int = 0,
        only: str = "",
        last: int = 0,
        whole: bool = False,
    ) -> str:
        """Run a command on an actor's home, for everybody to see."""
        home = ("--home", str(actor.home))
        return self.run(actor.short, *home, *words, expect=expect, only=only, last=last, whole=whole)

    def start(self, *actors: Actor) -> None:
        """Start nodes and wait until they answer."""
        for actor in actors:
            with (actor.home / "node.log").open("ab") as log:
                actor.process = subprocess.Popen(
                    [PROGRAM, "--home", str(actor.home), "run"],
                    stdout=log,
                    stderr=log,
                    stdin=subprocess.DEVNULL,
                    env=self._environment(),
                    start_new_session=True,
                )
        for actor in actors:
            self.wait_for(partial(self._answers, actor), f"{actor.short} to start")

    def stop(self, *actors: Actor) -> None:
        """Stop nodes in order, and wait until they are gone."""
        for actor in actors:
            if actor.process is not None:
                actor.process.send_signal(signal.SIGTERM)
        for actor in actors:
            if actor.process is not None:
                actor.process.wait(timeout=PATIENCE_SECONDS)
                actor.process = None

    def lose(self, actor: Actor) -> None:
        """End a node without a word, and take its home away."""
        if actor.process is not None:
            actor.process.kill()
            actor.process.wait(timeout=PATIENCE_SECONDS)
            actor.process = None
        shutil.rmtree(actor.home)

    def wait_for(self, condition: Callable[[], bool], what: str) -> None:
        """Wait until something holds."""
        started = time.monotonic()
        while not condition():
            if time.monotonic() - started > PATIENCE_SECONDS:
                raise StageError(f"waited in vain for {what}")
            time.sleep(0.1)

    def _answers(self, actor: Actor) -> bool:
        if actor.process is not None and actor.process.poll() is not None:
            raise StageError(f"{actor.short} ended: {(actor.home / 'node.log').read_text('utf-8')[-2000:]}")
        try:
            with socket.socket(socket.AF_UNIX) as line:
                line.connect(str(actor.home / "node.sock"))
        except OSError:
            return False
        return True

    def _environment(self) -> dict[str, str]:
        return {
            **os.environ,
            "GLOBE_NODE_PASSPHRASE_FILE": str(self.passphrase_file),
            "GLOBE_NODE_AUDIT__CHECKPOINT_SECONDS": "5",
        }


def free_port() -> int:
    """Return a loopback port that nobody uses now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _shown(words: Sequence[str], folder: Path) -> list[str]:
    """The words as a person would type them: folders of the stage by their last parts."""
    return [word.removeprefix(f"{folder}/") for word in words]
