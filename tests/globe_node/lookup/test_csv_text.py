# SPDX-License-Identifier: Apache-2.0
"""CSV divided into cells, or refused."""

import csv
import io

import pytest
from hypothesis import given
from hypothesis import strategies as st

from globe_node.lookup.csv_text import rows_of

CELLS = st.text(st.characters(codec="utf-8", exclude_characters="\r\n\0"), max_size=8)


@pytest.mark.parametrize(
    ("text", "rows"),
    [
        ("", []),
        ("a,b\r\nc,d\r\n", [["a", "b"], ["c", "d"]]),
        ('"a,b","c""d",', [["a,b", 'c"d', ""]]),
        ("a\n\nb", [["a"], [""], ["b"]]),
        ('a"b', [None]),
        ('"a"b', [None]),
        ('"a', [None]),
    ],
)
def test_rows_and_what_is_none(text: str, rows: list[list[str] | None]) -> None:
    assert list(rows_of(text)) == rows


@given(st.lists(st.lists(CELLS, min_size=2, max_size=4), min_size=1, max_size=4))
def test_what_others_write_is_read(rows: list[list[str]]) -> None:
    written = io.StringIO()
    csv.writer(written).writerows([["x", *row, "y"] for row in rows])
    assert list(rows_of(written.getvalue())) == [["x", *row, "y"] for row in rows]
