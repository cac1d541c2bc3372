# SPDX-License-Identifier: Apache-2.0
"""A few kills in the default suite; `python -m tests.simulation.kill_loop` kills two hundred times."""

import random
from pathlib import Path

from tests.simulation.kill_loop import KillLoop


def test_killed_nodes_lose_double_and_invent_nothing(tmp_path: Path) -> None:
    report = KillLoop(tmp_path, random.Random(7)).run(kills=3, messages=40)  # noqa: S311 -- when to kill
    assert report["problems"] == []
    assert (report["kills"], report["messages"]) == (3, 40)
