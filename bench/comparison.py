# SPDX-License-Identifier: Apache-2.0
"""`python -m bench.comparison [name …]`: measure other systems here, in one table with our figures.

1. The scripts lie in `../shared/bench`, or in the folder that `BENCH_SCRIPTS` names, and are run in a copy of
   it. Without it nothing is measured.
2. Each needs programs and Python packages that this project does not install. One that lacks something is
   named with what it lacks, and passed over. `BENCH_PYTHON` names the Python that runs the scripts; others
   have a variable of their own.
3. Only figures of one sitting can be compared: measure ours right before, with `make bench`.
"""

import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bench import figures
from bench.figures import tell
from bench.machine import ROOT

SCRIPTS = Path(os.environ.get("BENCH_SCRIPTS") or ROOT.parent / "shared" / "bench")
MAX_SECONDS = 1_800
_HEAD = ("system", "messages/s", "p50 ms", "p99 ms", "1,000 queued s", "idle MiB each", "ready s")


@dataclass(frozen=True, slots=True)
class Script:
    """A script that measures other systems.

    Attributes:
        words: its arguments.
        python: the variable that names its Python.
        packages: what that Python must have.
        programs: what must be installed.
        variables: of the environment, that the script needs; its own text explains them.
    """

    words: tuple[str, ...] = ()
    python: str = "BENCH_PYTHON"
    packages: tuple[str, ...] = ()
    programs: tuple[str, ...] = ()
    variables: tuple[str, ...] = ()

    @property
    def interpreter(self) -> str:
        """The Python that runs it."""
        return os.environ.get(self.python) or os.environ.get("BENCH_PYTHON") or sys.executable

    def lacks(self) -> list[str]:
        """Return what is missing on this machine."""
        packages = [f"package {name}" for name in self.packages if not self._has(name)]
        places = os.pathsep.join((str(Path(self.interpreter).parent), os.environ.get("PATH", os.defpath)))
        programs = [f"program {name}" for name in self.programs if shutil.which(name, path=places) is None]
        variables = [f"variable {name}" for name in self.variables if not os.environ.get(name)]
        return packages + programs + variables

    def _has(self, package: str) -> bool:
        look = "import importlib.metadata, sys; importlib.metadata.version(sys.argv[1])"
        done = subprocess.run([self.interpreter, "-c", look, package], capture_output=True, check=False)
        return done.returncode == 0


PEERS: Mapping[str, Script] = {
    "floor_pipeline": Script(packages=("aiohttp", "cryptography", "pynacl", "orjson")),
    "peer_prosody": Script(
        words=("plain", "omemo"),
        python="XMPP_PYTHON",
        packages=("slixmpp", "slixmpp-omemo", "cryptography"),
        programs=("prosody", "prosodyctl"),
    ),
    "peer_mail": Script(packages=("cryptography",), programs=("postfix", "gpg")),
    "peer_synapse": Script(
        words=("sqlite",),
        python="NIO_PYTHON",
        packages=("matrix-nio", "vodozemac", "cryptography"),
        variables=("SYNAPSE_PYTHON",),
    ),
    "peer_nats": Script(
        python="MISC_PYTHON", packages=("nats-py", "cryptography"), programs=("nats-server",)
    ),
    "peer_acapy": Script(packages=("aiohttp", "cryptography"), variables=("ACAPY_PYTHON",)),
}


def main(words: Sequence[str]) -> int:
    """Run all scripts, or those that are named, and print the table."""
    if not SCRIPTS.is_dir():
        tell(f"nothing to compare with: there is no folder {SCRIPTS}")
        return 0
    unknown = [word for word in words if word not in PEERS]
    if unknown:
        tell(f"no script {unknown[0]}; there are {', '.join(PEERS)}")
        return 2
    rows = [_own_row(figures.read())]
    with tempfile.TemporaryDirectory(prefix="bench-") as scratch:
        copy = Path(scratch) / "bench"
        shutil.copytree(SCRIPTS, copy, ignore=shutil.ignore_patterns("results", "__pycache__"))
        for name in words or PEERS:
            rows += _run(name, PEERS[name], copy)
    for line in table(rows):
        print(line)
    return 0


def _run(name: str, script: Script, folder: Path) -> list[tuple[str, ...]]:
    """Run one script and return its rows; none if it can't run or fails."""
    lacking = script.lacks()
    if lacking:
        tell(f"{name}: not run, {', '.join(lacking)} missing")
        return []
    tell(f"{name}: running")
    command = [script.interpreter, f"{name}.py", *script.words]
    try:
        subprocess.run(command, cwd=folder, stdout=sys.stderr, check=True, timeout=MAX_SECONDS)
        found = json.loads((folder / "results" / f"{name}.json").read_text("utf-8"))
    except (OSError, ValueError, subprocess.SubprocessError) as error:
        tell(f"{name}: failed, {error}")
        return []
    return _ROWS[name](found)


def table(rows: Sequence[Sequence[str]]) -> list[str]:
    """Set rows under the head of the table."""
    lines = [_HEAD, *rows]
    widths = [max(len(line[column]) for line in lines) for column in range(len(_HEAD))]
    return [
        "  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip()
        for line in lines
    ]


def _own_row(document: Mapping[str, Any]) -> tuple[str, ...]:
    deliver, node = document.get("deliver", {}), document.get("node", {})
    names = ("sustained_per_s", "p50_ms", "p99_ms", "backlog_1000_s")
    at = deliver.get("circumstances", {}).get("at", "not measured")
    own = [*(deliver.get(name) for name in names), node.get("idle_mib"), node.get("ready_s")]
    return (f"GlobE node ({at})", *map(_number, own))


def _row(name: str, found: Mapping[str, Any], prefix: str = "") -> tuple[str, ...]:
    """Return the row of a pair of servers, from the form that all peer scripts write."""
    latency = found.get(f"{prefix}latency_ms") or found.get(f"{prefix}latency_ms_with_new_connection") or {}
    idle = found.get("rss_idle_mib") or {}
    values = (
        _median(found.get(f"{prefix}throughput_msgs_s")),
        latency.get("p50"),
        latency.get("p99"),
        (found.get("peer_down") or {}).get("catch_up_s"),
        sum(idle.values()) / len(idle) if idle else None,
        _median(found.get("start_up_s")),
    )
    return (name, *map(_number, values))


def _floor_rows(found: Mapping[str, Any]) -> list[tuple[str, ...]]:
    return [
        (f"bare pipeline, {case}", *map(_number, (one["median"], one["p50"], one["p99"], None, None, None)))
        for case, one in found["results"].items()
        if case.startswith("mlkem768_x25519")
    ]


_ROWS: Mapping[str, Callable[[Mapping[str, Any]], list[tuple[str, ...]]]] = {
    "floor_pipeline": _floor_rows,
    "peer_prosody": lambda found: [_row("Prosody", found), _row("… with OMEMO", found, "omemo_")],
    "peer_mail": lambda found: [_row("Postfix", found), _row("… with GnuPG", found, "gpg_")],
    "peer_synapse": lambda found: [
        _row("Synapse", found["sqlite"]),
        _row("… with Megolm", found["sqlite"], "e2ee_"),
    ],
    "peer_nats": lambda found: [
        _row(f"NATS, {case}", one) for case, one in found.items() if case.startswith("sync")
    ],
    "peer_acapy": lambda found: [_row("ACA-Py", found)],
}


def _median(found: Mapping[str, Any] | None) -> float | None:
    return found["median"] if found else None


def _number(value: object) -> str:
    if not isinstance(value, int | float):
        return "-"
    return f"{value:,.0f}" if value >= 1_000 else f"{value:.4g}"


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
