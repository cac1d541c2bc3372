# SPDX-License-Identifier: Apache-2.0
"""`python -m bench [deliver|node|growth|mls|tlog|directory]`: measure into `bench/latest.json`, print it.

Progress goes to standard error. Each part stands beside how loaded the machine was meanwhile; a part that is
not measured now keeps its last figures.
"""

import shutil
import signal
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from bench import deliver, directory, figures, growth, idle, machine, mls, tlog
from bench.figures import Figure, rounded, tell
from globe_node.clock import SystemClock
from protocol.canonical import moment_text

PARTS: Mapping[str, Callable[[Path], dict[str, Figure]]] = {
    "deliver": deliver.measure,
    "node": idle.measure,
    "growth": growth.measure,
    "mls": mls.measure,
    "tlog": tlog.measure,
    "directory": directory.measure,
}


def main(words: Sequence[str]) -> int:
    """Measure all parts, or those that are named."""
    unknown = [word for word in words if word not in PARTS]
    if unknown:
        tell(f"no part {unknown[0]}; there are {', '.join(PARTS)}")
        return 2
    for name in words or PARTS:
        folder = machine.scratch_folder()
        try:
            figures.keep({"machine": machine.description(folder), name: _measured(PARTS[name], folder)})
        finally:
            shutil.rmtree(folder, ignore_errors=True)
    print(figures.LATEST.read_text("utf-8"), end="")
    return 0


def _measured(measure: Callable[[Path], dict[str, Figure]], folder: Path) -> dict[str, Figure]:
    started, before = time.monotonic(), machine.load_average()
    part = measure(folder)
    circumstances: dict[str, Figure] = {
        "at": moment_text(SystemClock().now()),
        "seconds": rounded(time.monotonic() - started),
        "load_before": rounded(before),
        "load_after": rounded(machine.load_average()),
    }
    return {**part, "circumstances": circumstances}


def _end_in_order() -> None:
    """Let both signals that end programs stop the nodes first, also in the background of a shell."""
    signal.signal(signal.SIGINT, signal.default_int_handler)
    signal.signal(signal.SIGTERM, lambda *_: signal.raise_signal(signal.SIGINT))


if __name__ == "__main__":
    _end_in_order()
    try:
        sys.exit(main(sys.argv[1:]))
    except KeyboardInterrupt:
        tell("stopped before the end")
        sys.exit(130)
