# SPDX-License-Identifier: Apache-2.0
"""OPERATIONS.md names every setting, every field of the log and every exit code."""

import re

from globe_node.config import Section, Settings
from globe_node.errors import ExitCode
from globe_node.logs import ALLOWED_FIELDS
from tests.house.source import ROOT

OPERATIONS = (ROOT / "docs" / "OPERATIONS.md").read_text("utf-8")


def _settings() -> set[str]:
    names = set()
    for name, field in Settings.model_fields.items():
        kind = field.annotation
        if isinstance(kind, type) and issubclass(kind, Section):
            names |= {f"{name}.{inner}" for inner in kind.model_fields}
        else:
            names.add(name)
    return names


def _section(number: int) -> str:
    return OPERATIONS.split(f"\n## {number}. ", 1)[1].split("\n## ", 1)[0]


def test_every_setting_is_explained() -> None:
    assert set(re.findall(r"^\| `([a-z_.]+)` \|", _section(4), re.MULTILINE)) == _settings()


def test_every_field_of_the_log_is_explained() -> None:
    explained = set(re.findall(r"`([a-z_]+)`", _section(5)))
    assert explained - ALLOWED_FIELDS <= {"time", "level", "event", "error", "raised_at", "refused_fields"}
    assert set(ALLOWED_FIELDS) - explained == set()


def test_every_exit_code_is_explained() -> None:
    assert re.findall(r"^\| ([0-9]) \|", _section(6), re.MULTILINE) == [str(int(code)) for code in ExitCode]
