# SPDX-License-Identifier: Apache-2.0
"""The command line within this process: what it printed and its exit code."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from globe_node.cli.main import main


@dataclass(frozen=True, slots=True)
class Printed:
    """How a command ended."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        return json.loads(self.out)


class CommandLine:
    """Runs `globe-node --home HOME …`."""

    def __init__(self, home: Path, capsys: pytest.CaptureFixture[str]) -> None:
        self.home = home
        self.capsys = capsys

    def __call__(self, *arguments: str | Path) -> Printed:
        self.capsys.readouterr()
        code = main(["--home", str(self.home), *map(str, arguments)])
        printed = self.capsys.readouterr()
        return Printed(int(code), printed.out, printed.err)
