# SPDX-License-Identifier: Apache-2.0
# ruff: noqa: RUF001
"""Names that look alike have one shape; names that do not, do not."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from protocol.directory.names import LOOKALIKES, skeleton
from tests.house.source import ROOT

NAME = "Anti-Corruption Commission"


@pytest.mark.parametrize(
    "other",
    [
        "anti-corruption commission",
        "ANTI CORRUPTION COMMISSION",
        "Anti\u2010Corruption  Commission",
        "Аnti-Corruption Commission",  # Cyrillic A
        "Αnti-Corruption Commission",  # Greek Alpha
        "Anti-Cоrruptiоn Cоmmissiоn",  # Cyrillic o
        "Anti-Corruption Commissiοn",  # Greek omicron
        "Ａｎｔｉ－Ｃｏｒｒｕｐｔｉｏｎ　Ｃｏｍｍｉｓｓｉｏｎ",  # full width
        "Anti-Corruption\u200b Commission",
        "Anti-Corruption\u202e Commission",
        "Ant\u0131-Corrupt\u0131on Comm\u0131ss\u0131on",
        "Antí-Cörruption Commission",
        "Ant1-C0rruption Commission",
        "Antl-Corruption Commission",
        "Anti-Corruption Commission.",
    ],
)
def test_confusable_names_have_one_skeleton(other: str) -> None:
    assert skeleton(other) == skeleton(NAME)


@pytest.mark.parametrize(
    "other", ["Anti-Corruption Bureau", "Anti-Corruption Commission of Beta", "Комиссия", ""]
)
def test_other_names_have_others(other: str) -> None:
    assert skeleton(other) != skeleton(NAME)


def test_names_of_other_scripts_keep_a_shape() -> None:
    assert (
        len({skeleton(name) for name in ("هيئة مكافحة الفساد", "廉政公署", "भ्रष्टाचार निरोधक ब्यूरो", "")}) == 4
    )


@given(st.text(max_size=40))
def test_a_skeleton_is_its_own_skeleton(name: str) -> None:
    once = skeleton(name)
    assert skeleton(once) == once


def test_the_table_is_the_one_that_is_written_down() -> None:
    text = (ROOT / "docs" / "PROTOCOL.md").read_text("utf-8")
    rows = re.findall(r"^\| (\w) \| (U\+[0-9A-F]{4}(?: U\+[0-9A-F]{4})*) \|$", text, re.MULTILINE)
    written = {int(code[2:], 16): becomes for becomes, codes in rows for code in codes.split()}
    assert written == LOOKALIKES
