# SPDX-License-Identifier: Apache-2.0
"""E16: no dependency older than the release that mended what is known, every one pinned by its hash.

The list is kept by hand: a tool that compares with public lists says "nothing known" of what it skips, too.
"""

import re
import tomllib

import pytest

from globe_node.peering.application import VERSION_FLOORS
from tests.house.source import ROOT

FLOORS = {
    "aiohttp": (3, 14, 5),
    "alembic": (1, 20),
    "babel": (2, 18),
    "click": (8, 5),
    "cryptography": (50, 0, 2),
    "holidays": (0, 108),
    "pydantic": (2, 14),
    "pydantic-settings": (2, 16),
    "pynacl": (1, 6, 2),
    "rich": (15,),
    "segno": (1, 6, 6),
    "sqlalchemy": (2, 1, 9),
    "structlog": (26, 1),
    "tzdata": (2026, 1),
}
"""Oldest releases that this node may run with."""
PARSES_FOREIGN_BYTES = {"aiohttp", "cryptography", "pynacl"}
"""These are checked again when the node starts."""
FILES = ("runtime.txt", "dev.txt")


def numbers(text: str) -> tuple[int, ...]:
    return tuple(int(part) for part in re.findall(r"\d+", text))


def pinned(file: str) -> dict[str, tuple[str, int]]:
    """Version and number of hashes by name."""
    text = (ROOT / "requirements" / file).read_text("utf-8").replace("\\\n", " ")
    found = {}
    for line in text.splitlines():
        match = re.match(r"([a-z0-9._-]+)(?:\[[a-z,-]+\])?==(\S+)", line)
        if match:
            found[match[1]] = match[2], line.count("--hash=sha256:")
    return found


def test_the_project_asks_for_no_less_than_its_floors() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    asked = dict(requirement.split(">=") for requirement in project["dependencies"])
    assert {name: numbers(version) for name, version in asked.items()} == FLOORS


@pytest.mark.parametrize("file", FILES)
def test_what_is_pinned_is_no_older_than_its_floor(file: str) -> None:
    versions = {name: numbers(version) for name, (version, _) in pinned(file).items()}
    assert {name: versions[name] for name in FLOORS if versions[name] < FLOORS[name]} == {}


@pytest.mark.parametrize("file", FILES)
def test_every_line_is_one_version_with_its_hashes_and_no_address(file: str) -> None:
    text = (ROOT / "requirements" / file).read_text("utf-8").replace("\\\n", " ")
    lines = [line for line in text.splitlines() if line.strip() and not line.startswith("#")]
    listed = pinned(file)
    assert len(lines) == len(listed)
    assert [name for name, (_, hashes) in listed.items() if hashes == 0] == []
    assert not re.search(r"https?://|--(?:extra-)?index-url|--find-links|@ ", text)


def test_what_is_pinned_twice_is_the_same() -> None:
    runtime, dev = (pinned(file) for file in FILES)
    assert {name: dev.get(name) for name in runtime if dev.get(name) != runtime[name]} == {}


def test_installation_checks_hashes() -> None:
    assert "--require-hashes -r requirements/dev.txt" in (ROOT / "Makefile").read_text("utf-8")


def test_what_parses_foreign_bytes_is_checked_again_at_the_start() -> None:
    assert {name: FLOORS[name] for name in PARSES_FOREIGN_BYTES} == VERSION_FLOORS
