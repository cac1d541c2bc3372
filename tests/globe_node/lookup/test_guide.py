# SPDX-License-Identifier: Apache-2.0
"""The country guide: files that hold as a whole or not at all, kept in place of what was known before."""

import json
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from globe_node.errors import UsageError
from globe_node.lookup import guide_records
from globe_node.lookup.guide_file import MAX_FILE_BYTES, parse_guide
from globe_node.store.door import Transaction
from protocol.codes.help import HelpType
from protocol.lookup.guide import COLUMNS
from tests.house.source import ROOT
from tests.support.store import differing_tables, memory_database, memory_store

HEAD = ",".join(COLUMNS)
ROW = "XB,LAND,DOCUMENT,Certified copy,Act 12,2026-03-01"


def test_the_example_for_operators_holds() -> None:
    text = (ROOT / "docs" / "OPERATIONS.md").read_text("utf-8")
    (example,) = re.findall(r"```csv\n(.*?)```", text, re.DOTALL)
    facts = parse_guide(example.encode(), "guide.csv")
    assert [fact.field for fact in facts] == ["POSSIBLE", "DOCUMENT", "TRACK_LINK"]
    rows = [dict(zip(COLUMNS, row, strict=True)) for row in ([ROW.split(",")] * 1)]
    assert parse_guide(json.dumps(rows, indent=2).encode(), "x")[0].value == "Certified copy"


def test_a_spreadsheet_may_write_a_mark_and_other_line_ends() -> None:
    assert len(parse_guide(f"\ufeff{HEAD}\r\n{ROW}\r\n".encode(), "x")) == 1


@pytest.mark.parametrize(
    ("text", "part"),
    [
        ("", "no facts"),
        (HEAD, "no facts"),
        ("a,b\n", "row 1: not the names"),
        (f"{HEAD}\n{ROW}\nXB,LAND\n", "row 3: 2 columns instead of 6"),
        (f"{HEAD}\n{ROW}\n{ROW}\n", "row 3: value: told in another row"),
        (f"{HEAD}\n{ROW.replace('2026-03-01', 'soon')}", "row 2: as_of: not a day"),
        (f"{HEAD}\n{ROW.replace('Certified', '=cmd|x')}", "row 2: value: begins like a formula"),
        (f"{HEAD}\n{ROW.replace('LAND', 'SEA')}", "row 2: help: must be"),
        (f'{HEAD}\nXB,LAND,DOCUMENT,"a"b,c,2026-03-01', "row 2: not CSV"),
        (
            f"{HEAD}\nXB,LAND,ANSWER_DAYS,3,x,2026-03-01\nXB,LAND,ANSWER_DAYS,4,x,2026-03-01",
            "row 3: field: may be told once",
        ),
        ('[{"country": 1}]', "row 1: must be an object whose members are text"),
        ("[1]", "row 1: must be an object"),
        ('[{"country": "XB"}]', "row 1:"),
        ("[", "x: "),
    ],
)
def test_what_breaks_a_rule_is_named_by_row_and_column(text: str, part: str) -> None:
    with pytest.raises(UsageError) as caught:
        parse_guide(text.encode(), "x")
    assert part in str(caught.value)
    assert "cmd" not in str(caught.value)


def test_a_file_is_bounded_text() -> None:
    for data in (b"x" * (MAX_FILE_BYTES + 1), b"\xff\xfe"):
        with pytest.raises(UsageError):
            parse_guide(data, "x")


@given(st.binary(max_size=200))
def test_any_octets_are_facts_or_a_usage_error(data: bytes) -> None:
    try:
        parse_guide(HEAD.encode() + b"\n" + data, "x")
    except UsageError as error:
        assert str(error).startswith("x: ")  # noqa: PT017 -- either outcome is right


async def test_an_import_takes_the_place_of_its_countries_only() -> None:
    def story(tx: Transaction) -> None:
        def keep(*rows: str) -> None:
            facts = parse_guide("\n".join((HEAD, *rows)).encode(), "x")
            guide_records.replace_countries(tx, facts)

        def all_of(country: str, help_type: HelpType | None = None) -> list[str]:
            return [fact.value for fact in guide_records.facts_of(tx, country, help_type)]

        keep(ROW, ROW.replace("XB", "XC"), ROW.replace("LAND", "VEHICLE"))
        keep(ROW.replace("Certified", "Plain"))
        assert all_of("XB") == ["Plain copy"]
        assert all_of("XC", HelpType.LAND) == ["Certified copy"]
        assert all_of("XC", HelpType.VEHICLE) == []

    await memory_store().write(story)


def test_the_table_is_that_of_the_migration() -> None:
    assert differing_tables(memory_database().writer, guide_records.TABLES) == []
