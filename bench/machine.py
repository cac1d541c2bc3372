# SPDX-License-Identifier: Apache-2.0
"""What Linux says: memory and processor time of processes, what others took, which disk it is."""

import os
import platform
import shutil
import sqlite3
import ssl
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterable
from pathlib import Path

from bench.figures import Figure

ROOT = Path(__file__).resolve().parents[1]
_TICKS = os.sysconf("SC_CLK_TCK")
_IN_MEMORY = frozenset({"tmpfs", "ramfs"})
_QUIET = 0.25
_QUIET_SECONDS = 2.0


def proportional_set_mib(process_id: int) -> float:
    """Memory of a process in MiB, shared pages divided by their users (PSS).

    A node closes itself to other processes of its user, so the kernel tells this to root alone; others get
    the resident memory, which is more.
    """
    try:
        text = Path(f"/proc/{process_id}/smaps_rollup").read_text("ascii")
    except PermissionError:
        return resident_mib(process_id)
    for line in text.splitlines():
        if line.startswith("Pss:"):
            return int(line.split()[1]) / 1024
    raise RuntimeError("the kernel gives no proportional set size")


def resident_mib(process_id: int) -> float:
    """Resident memory of a process in MiB (RSS)."""
    pages = int(Path(f"/proc/{process_id}/statm").read_text("ascii").split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 1024 / 1024


def processor_seconds(process_id: int, *, ended_children: bool = False) -> float:
    """User and system time that a process has used so far; with that of its ended children if asked for."""
    fields = Path(f"/proc/{process_id}/stat").read_text("ascii").rpartition(")")[2].split()
    return sum(int(field) for field in fields[11 : 15 if ended_children else 13]) / _TICKS


def load_average() -> float:
    """Runnable processes of the last minute: how disturbed the machine was."""
    return os.getloadavg()[0]


class OtherWork:
    """How much of the machine others take, from a moment on.

    Args:
        process_ids: returns the running processes that belong to the measurement, besides this one.
    """

    def __init__(self, process_ids: Callable[[], Iterable[int]]) -> None:
        self._process_ids = process_ids
        self._busy, self._total = _busy_and_total()
        self._own = self._own_seconds()

    def share(self) -> float:
        """Return the share, from 0 to 1, of all processor time since then that others used."""
        busy, total = _busy_and_total()
        others = (busy - self._busy) - (self._own_seconds() - self._own)
        return min(1.0, max(0.0, others / max(total - self._total, 1e-9)))

    def _own_seconds(self) -> float:
        nodes = sum(processor_seconds(process_id) for process_id in self._process_ids())
        return nodes + processor_seconds(os.getpid(), ended_children=True)


def wait_until_quiet() -> None:
    """Wait a little for a moment in which the machine has nothing else to do."""
    deadline = time.monotonic() + _QUIET_SECONDS
    while time.monotonic() < deadline:
        busy, total = _busy_and_total()
        time.sleep(0.2)
        later_busy, later_total = _busy_and_total()
        if later_busy - busy < _QUIET * (later_total - total):
            return


def scratch_folder() -> Path:
    """Make a temporary folder on a disk: durable rows in memory would be no measurement.

    Its path is short enough for the sockets in the homes below it.
    """
    places = [os.environ.get("TMPDIR", ""), "/var/tmp", "/tmp"]  # noqa: S108 -- mkdtemp makes it private
    usable = [place for place in places if place and os.access(place, os.W_OK)]
    on_disk = [place for place in usable if file_system_of(Path(place)) not in _IN_MEMORY]
    return Path(tempfile.mkdtemp(prefix="bench-", dir=(on_disk or usable)[0]))


def connections_to(port: int) -> int:
    """Return how many TCP connections over IPv4 are open at a local port."""
    lines = Path("/proc/self/net/tcp").read_text("ascii").splitlines()[1:]
    fields = [line.split() for line in lines]
    return sum(each[3] == "01" and int(each[1].partition(":")[2], 16) == port for each in fields)


def free_gib(folder: Path) -> float:
    """Return how much room a folder's disk has."""
    return shutil.disk_usage(folder).free / (1 << 30)


def file_system_of(path: Path) -> str:
    """Return the kind of file system that a path is on."""
    best, kind = "", "unknown"
    for line in Path("/proc/self/mounts").read_text("utf-8").splitlines():
        mounted, name = line.split()[1:3]
        inside = path.resolve().is_relative_to(mounted)
        if inside and len(mounted) >= len(best):
            best, kind = mounted, name
    return kind


def description(folder: Path) -> dict[str, Figure]:
    """Say what was measured on, and which state of the program."""
    models = [line for line in Path("/proc/cpuinfo").read_text("utf-8").splitlines() if "model name" in line]
    return {
        "processor": models[0].partition(":")[2].strip() if models else "unknown",
        "cores": os.cpu_count() or 0,
        "kernel": platform.release(),
        "file_system": file_system_of(folder),
        "python": platform.python_version(),
        "openssl": ssl.OPENSSL_VERSION,
        "sqlite": sqlite3.sqlite_version,
        "commit": _commit(),
    }


def _busy_and_total() -> tuple[float, float]:
    """Return seconds of all processors since the start: at work (also for other machines), and in all."""
    numbers = Path("/proc/stat").read_text("ascii").splitlines()[0].split()[1:9]
    total = sum(int(number) for number in numbers)
    idle = int(numbers[3]) + int(numbers[4])
    return (total - idle) / _TICKS, total / _TICKS


def _commit() -> str:
    try:
        found = subprocess.run(
            ["git", "describe", "--always", "--dirty"], cwd=ROOT, capture_output=True, text=True, check=True
        )
    except (OSError, subprocess.CalledProcessError):
        return "unknown"
    return found.stdout.strip()
