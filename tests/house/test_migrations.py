# SPDX-License-Identifier: Apache-2.0
"""Steps of the store follow each other in one line, and each file is named by its step."""

import re
from pathlib import Path

STEPS = Path(__file__).resolve().parents[2] / "globe_node" / "store" / "migrations" / "versions"


def named(text: str, name: str) -> str:
    found = re.search(rf'^{name} = (?:"(\d{{4}})"|None)$', text, re.MULTILINE)
    assert found is not None, name
    return found[1] or ""


def test_each_step_follows_the_one_before_it() -> None:
    steps = sorted(STEPS.glob("v*.py"))
    numbers = [f"{number:04}" for number in range(1, len(steps) + 1)]
    texts = [step.read_text("utf-8") for step in steps]
    assert [step.name[1:5] for step in steps] == numbers
    assert [named(text, "revision") for text in texts] == numbers
    assert [named(text, "down_revision") for text in texts] == ["", *numbers[:-1]]
