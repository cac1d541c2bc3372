# SPDX-License-Identifier: Apache-2.0
"""What the process does to itself. It can't erase memory; THREAT_MODEL says so.

1. Files it makes are its own: umask 077.
2. No core dump, and no reading of its memory by other processes of the same user, where the system can.
3. What a long-lived process needs from its start on is not looked through for garbage again and again.
"""

import contextlib
import ctypes
import gc
import os
import resource
import sys

YOUNG_OBJECTS = 10_000
"""New objects after which the young ones are looked through; Python's own 700 are two messages."""
_PR_SET_DUMPABLE = 4


def guard_process() -> None:
    """Close the process to other users and to dumps; what a system can't do is left out."""
    os.umask(0o077)
    with contextlib.suppress(OSError, ValueError):
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    if sys.platform == "linux":
        with contextlib.suppress(OSError, AttributeError):
            ctypes.CDLL(None).prctl(_PR_SET_DUMPABLE, 0, 0, 0, 0)


def settle() -> None:
    """Collect the garbage of the start, and leave what is left out of every later collection.

    Looking through all modules takes the event loop fifty milliseconds each time. A message makes hundreds of
    objects and no cycles, so the collections of the young are made rarer too.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(YOUNG_OBJECTS)
