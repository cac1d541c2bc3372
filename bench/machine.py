# SPDX-License-Identifier: Apache-2.0
"""What the operating system says of a process: memory and processor time. Linux only."""

import os
from pathlib import Path


def proportional_set_mib(process_id: int) -> float:
    """Memory of a process in MiB, shared pages divided by their users (PSS)."""
    for line in Path(f"/proc/{process_id}/smaps_rollup").read_text("ascii").splitlines():
        if line.startswith("Pss:"):
            return int(line.split()[1]) / 1024
    raise RuntimeError("the kernel gives no proportional set size")


def resident_mib(process_id: int) -> float:
    """Resident memory of a process in MiB (RSS)."""
    pages = int(Path(f"/proc/{process_id}/statm").read_text("ascii").split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 1024 / 1024


def processor_seconds(process_id: int) -> float:
    """User and system time that a process has used so far."""
    fields = Path(f"/proc/{process_id}/stat").read_text("ascii").rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def load_average() -> float:
    """Runnable processes of the last minute: how disturbed the machine was."""
    return os.getloadavg()[0]
