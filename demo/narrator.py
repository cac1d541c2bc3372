# SPDX-License-Identifier: Apache-2.0
"""Tells the story in a terminal: chapters, commands as they are run, and what they answered."""

import os
import sys
import textwrap
import time
from collections.abc import Iterable

WIDTH = 100
MAX_LINES = 14
"""Lines that are shown of one answer."""


class Narrator:
    """Writes the story; colours only where a person reads it."""

    def __init__(self) -> None:
        self._colours = sys.stdout.isatty() and "NO_COLOR" not in os.environ
        self._started = time.monotonic()
        self._chapter = 0

    @property
    def seconds(self) -> float:
        """How long the story has been going on."""
        return time.monotonic() - self._started

    def chapter(self, title: str) -> None:
        """Begin a chapter."""
        self._chapter += 1
        clock = f"{self.seconds:4.0f} s"
        self._write(self._bold(f"\n{self._chapter}. {title}".ljust(WIDTH - len(clock)) + clock))

    def say(self, text: str) -> None:
        """Say one sentence of the story."""
        self._write(f"   {text}")

    def command(self, who: str, words: Iterable[str]) -> None:
        """Show a command as a person would type it, and who types it."""
        line = " ".join(_quoted(word) for word in words)
        text = f"   {who:>9} $ {line}"
        self._write(self._dim(text if len(text) <= WIDTH + 20 else text[: WIDTH + 17] + "..."))

    def answer(self, text: str, *, only: str = "", last: int = 0, whole: bool = False) -> None:
        """Show what a command answered.

        Args:
            text: all of it.
            only: show the lines that hold this text, or one of several texts with `|` between them.
            last: show so many lines of the end, instead of the beginning.
            whole: break long lines instead of cutting them.
        """
        chosen = only.split("|")
        wanted = (line for line in text.splitlines() if any(one in line for one in chosen))
        lines = [line.rstrip() for line in wanted if line.strip()]
        shown = lines[-last:] if last else lines[:MAX_LINES]
        left_out = (
            self._dim(f"             ({len(lines) - len(shown)} more lines)")
            if len(lines) > len(shown)
            else ""
        )
        if last and left_out:
            self._write(left_out)
        for line in shown:
            parts = textwrap.wrap(line, WIDTH + 7, subsequent_indent="    ") if whole else [line[: WIDTH + 7]]
            for part in parts:
                self._write(f"             {part}")
        if left_out and not last:
            self._write(left_out)

    def _bold(self, text: str) -> str:
        return f"\x1b[1m{text}\x1b[0m" if self._colours else text

    def _dim(self, text: str) -> str:
        return f"\x1b[2m{text}\x1b[0m" if self._colours else text

    @staticmethod
    def _write(text: str) -> None:
        print(text, flush=True)


def _quoted(word: str) -> str:
    return f'"{word}"' if " " in word else word
