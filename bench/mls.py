# SPDX-License-Identifier: Apache-2.0
"""What group encryption costs, beside the sum of the primitives that it can't do without, in the same run.

1. All times are microseconds of processor time, with the suite of the product, and medians; the message is
   2 KiB. Every measured step is done once with its keys, as in a running group.
2. Nothing is written to a disk, and the policy of the application asks nothing.
3. Primitives are those of `bench.primitives`. The counts are those of RFC 9420; a joiner of 20 derives as
   many keys as there are nodes above it that it shares with the founder.
4. Public keys that were admitted are remembered by the product. Before each joining they are forgotten, as if
   all members were new.
"""

import asyncio
import json
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import TypeVar

from bench.figures import Figure, median, rounded, tell
from bench.groups import ENTROPY, NOW_MS, POLICY, committed, installed, invited
from bench.primitives import DATA, primitives
from bench.runs import repeat
from protocol import hpke
from protocol.mls.processing import process
from protocol.mls.sending import protect
from protocol.signing import ed25519

MESSAGES = 300
COMMITS = 60
MEMBERS = 20
JOINED_GROUPS = 2
STEPS = ("encrypt_us", "decrypt_us", "commit_create_us", "commit_process_us", "join_20_us")
ROOT = Path(__file__).resolve().parents[1]

T = TypeVar("T")
Samples = Mapping[str, list[float]]


def measure(_: Path) -> dict[str, Figure]:
    """Measure messages, commits and joining, then run what tries the encryption."""
    tell("mls: messages, commits of two, joining a group of 20")
    made = asyncio.run(repeat({"mls": _once}, list))["mls"]
    ratios = {step: made.median(f"{step}_ratio") for step in STEPS}
    return {
        **{step: made.median(step) for step in STEPS},
        "primitive_ratio": max(ratios.values()),
        "ratios": ratios,
        "detail": made.detail(),
        **trials(),
    }


async def _once() -> Mapping[str, float]:
    """Measure steps and primitives close to each other, so that what disturbs meets both."""
    before = primitives()
    samples = samples_of(MESSAGES, COMMITS, JOINED_GROUPS)
    after = primitives()
    return figures_of(samples, {name: (before[name] + after[name]) / 2 for name in before})


def figures_of(samples: Samples, cost: Mapping[str, float]) -> dict[str, float]:
    """Put measured steps beside what their primitives cost: medians, ratios, and each primitive."""
    medians = {step: median(samples[step]) for step in STEPS}
    needed = sums(cost, keys_of_joiner=statistics.mean(samples["keys_of_joiner"]))
    return {
        **medians,
        **{f"{step}_ratio": rounded(medians[step] / needed[step]) for step in STEPS},
        **{f"{step}_sum": rounded(needed[step]) for step in STEPS},
        **{f"primitive_{name}_us": rounded(value) for name, value in cost.items()},
    }


# --- steps --------------------------------------------------------------------------------------------------
def samples_of(messages: int, commits: int, joined_groups: int) -> Samples:
    """Do every step some times; return what each took, and how many keys each joiner derived."""
    found: Samples = {name: [] for name in (*STEPS, "keys_of_joiner")}
    first, invitations = invited(2)
    second = invitations[0].accept()
    for _ in range(messages):
        say = partial(protect, first, DATA, authenticated_data=bytes(32), padding=0, entropy=ENTROPY)
        first, message = _timed(found["encrypt_us"], say)
        heard = _timed(found["decrypt_us"], partial(process, second, message, POLICY, NOW_MS))
        second = heard.group or second
    for _ in range(commits):
        pending = _timed(found["commit_create_us"], partial(committed, first))
        follow = partial(process, second, pending.message, POLICY, NOW_MS)
        followed = _timed(found["commit_process_us"], follow)
        first, second = followed.group or second, installed(first, pending)
    for _ in range(joined_groups):
        for invitation in invited(MEMBERS)[1]:
            hpke.parse_xwing_public_key.cache_clear()
            ed25519.require_public_key.cache_clear()
            joined = _timed(found["join_20_us"], invitation.accept)
            found["keys_of_joiner"].append(len(joined.node_keys.by_node) - 1.0)
    return found


def _timed(into: list[float], step: Callable[[], T]) -> T:
    """Do a step, and note its microseconds of processor time."""
    before = time.process_time()
    done = step()
    into.append((time.process_time() - before) * 1e6)
    return done


# --- what each step needs ---------------------------------------------------------------------------------
def counts(keys_of_joiner: float) -> Mapping[str, Mapping[str, float]]:
    """How often each step needs each primitive; a signature key and a key of a parent are admitted once.

    A message: ratchet and sender data are five tags. A commit: two key pairs of its maker, one in common; the
    key schedule, two of HPKE and the new secret tree are 30 tags. Joining: every leaf and the group
    information are verified, and the secrets of the Welcome are opened.
    """
    message = {"cipher": 2, "tag": 5}
    commit = {"cipher": 3, "tag": 30, "digest": 6}
    opening = {"decapsulate": 1, "cipher": 2, "tag": 30, "digest": 2 * MEMBERS}
    admission = {"admit_edwards": MEMBERS, "admit_lattice": MEMBERS}
    return {
        "encrypt_us": {**message, "sign": 1},
        "decrypt_us": {**message, "verify": 1},
        "commit_create_us": {**commit, "sign": 2, "key_pair": 2, "encapsulate": 1},
        "commit_process_us": {**commit, "verify": 2, "key_pair": 1, "decapsulate": 1, "admit_lattice": 1},
        "join_20_us": {**opening, **admission, "verify": MEMBERS + 1, "key_pair": keys_of_joiner},
    }


def sums(cost: Mapping[str, float], keys_of_joiner: float) -> dict[str, float]:
    """Return what the primitives of each step take; microseconds."""
    return {
        step: sum(cost[primitive] * times for primitive, times in needed.items())
        for step, needed in counts(keys_of_joiner).items()
    }


# --- trials ---------------------------------------------------------------------------------------
def trials() -> dict[str, Figure]:
    """Run the tests that try group encryption in a process of their own; return what they count."""
    tell("mls: official vectors, changed messages, random groups")
    command = [sys.executable, "-m", "bench.mls_trials"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, check=False)
    counted: dict[str, Figure] = json.JSONDecoder().decode(done.stdout.decode())
    return counted
