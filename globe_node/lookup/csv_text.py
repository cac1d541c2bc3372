# SPDX-License-Identifier: Apache-2.0
"""Divides CSV into rows of cells, strictly after RFC 4180. It knows no columns.

1. Rows end with LF or CRLF; a cell in quotes may hold commas and doubled quotes, and no line end.
2. A quote inside a cell that is not in quotes, or text behind the closing quote, is an error, not a guess.
"""

import re
from collections.abc import Iterator

_CELL = re.compile(r'(?:"((?:[^"]|"")*)"|([^",]*))(,|$)')


def rows_of(text: str) -> Iterator[list[str] | None]:
    """Yield the cells of each row, or None for a row that is no CSV; empty rows at the end do not count."""
    for line in text.replace("\r\n", "\n").rstrip("\n").split("\n") if text.strip() else ():
        yield _cells(line)


def _cells(line: str) -> list[str] | None:
    cells: list[str] = []
    place = 0
    while True:
        match = _CELL.match(line, place)
        if match is None:
            return None
        quoted, plain, end = match.groups()
        cells.append(quoted.replace('""', '"') if quoted is not None else plain)
        place = match.end()
        if not end:
            return cells
