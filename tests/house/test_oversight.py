# SPDX-License-Identifier: Apache-2.0
"""Every act is written by the product; OVERSIGHT.md and PROTOCOL.md name every act and every field."""

import ast
import re

from protocol.audit.events import FIELDS, EventKind
from tests.house.source import ROOT, product_modules, tree_of

OVERSIGHT = (ROOT / "docs" / "OVERSIGHT.md").read_text("utf-8")
PROTOCOL = (ROOT / "docs" / "PROTOCOL.md").read_text("utf-8")


def test_every_act_is_written_somewhere() -> None:
    parts = (node for path in product_modules() for node in ast.walk(tree_of(path)))
    named = {ast.unparse(node) for node in parts if isinstance(node, ast.Attribute)}
    assert [kind.name for kind in EventKind if f"EventKind.{kind.name}" not in named] == []


def test_every_act_is_explained_to_overseers() -> None:
    table = OVERSIGHT.split("\n## 3. ", 1)[1].split("\n## 4. ", 1)[0]
    rows = [line.split("|")[1] for line in table.splitlines() if line.startswith("| `")]
    named = {name for row in rows for name in re.findall(r"`([A-Z_]+)`", row)}
    assert named == {kind.value for kind in EventKind}


def test_every_field_is_explained_to_overseers() -> None:
    table = OVERSIGHT.split("\n## 2. ", 1)[1].split("\n## 3. ", 1)[0]
    assert set(re.findall(r"^\| `([a-z_]+)` \|", table, re.MULTILINE)) | {"t"} == set(FIELDS)


def test_the_protocol_lists_acts_and_fields_in_their_order() -> None:
    section = PROTOCOL.split("\n## 13. Audit log\n", 1)[1].split("\n## 14. ", 1)[0]
    kinds = section.split("### 13.2", 1)[1].split("The fields of an act", 1)[0]
    assert re.findall(r"`([A-Z_]+)`", kinds) == [kind.value for kind in EventKind]
    assert re.findall(r"^\| ([0-9]+) \| `([a-z_]+)` \|", section, re.MULTILINE) == [
        (str(slot), name) for slot, name in enumerate(FIELDS)
    ]
