# SPDX-License-Identifier: Apache-2.0
"""Reads a country guide from a file that somebody made: CSV or JSON of the same members. It stores nothing.

1. Everything holds or nothing is taken; an error names the row and the column, and quotes nothing.
2. CSV is UTF-8 with the columns of `guide.COLUMNS` in the first row, in that order; rows count from 1 there.
"""

import unicodedata
from collections.abc import Iterator

from globe_node.errors import UsageError
from globe_node.lookup.csv_text import rows_of
from protocol import canonical
from protocol.canonical import JSONObject
from protocol.errors import ProtocolError, ReasonCode
from protocol.lookup.guide import COLUMNS, GuideFact, Key, key_of, parse_fact, require_new

MAX_FILE_BYTES = 8 * 1024 * 1024
MAX_FACTS = 20_000
_HINT = f"The columns are {', '.join(COLUMNS)}; see docs/OPERATIONS.md."


def parse_guide(data: bytes, source: str) -> list[GuideFact]:
    """Read all facts of a file; JSON if it begins with a bracket, else CSV.

    Args:
        data: what stands in the file.
        source: what the person calls the file.

    Raises:
        UsageError: too large, not CSV or JSON, or a row breaks a rule: it names row and column.
    """
    facts: list[GuideFact] = []
    known: set[Key] = set()
    for number, row in _rows(data, source):
        try:
            fact = parse_fact(row)
            require_new(known, fact)
        except ProtocolError as error:
            raise UsageError(f"{source}: row {number}: {error}", hint=_HINT, code=error.code) from None
        known.add(key_of(fact))
        facts.append(fact)
        if len(facts) > MAX_FACTS:
            raise _unreadable(source, f"more than {MAX_FACTS:,} rows")
    if not facts:
        raise _unreadable(source, "no facts in it")
    return facts


def _rows(data: bytes, source: str) -> Iterator[tuple[int, JSONObject]]:
    if len(data) > MAX_FILE_BYTES:
        raise _unreadable(source, "too large")
    try:
        text = unicodedata.normalize("NFC", data.decode("utf-8-sig"))
    except UnicodeDecodeError:
        raise _unreadable(source, "not text in UTF-8") from None
    yield from _json_rows(text, source) if text.lstrip().startswith("[") else _csv_rows(text, source)


def _csv_rows(text: str, source: str) -> Iterator[tuple[int, JSONObject]]:
    for number, cells in enumerate(rows_of(text), 1):
        if cells is None:
            raise _unreadable(source, f"row {number}: not CSV")
        if number == 1:
            if tuple(cells) != COLUMNS:
                raise _unreadable(source, "row 1: not the names of the columns")
        elif len(cells) != len(COLUMNS):
            raise _unreadable(source, f"row {number}: {len(cells)} columns instead of {len(COLUMNS)}")
        else:
            yield number, dict(zip(COLUMNS, cells, strict=True))


def _json_rows(text: str, source: str) -> Iterator[tuple[int, JSONObject]]:
    try:
        value = canonical.read_json(text.encode(), 4 * MAX_FILE_BYTES)
    except ProtocolError as error:
        raise UsageError(f"{source}: {error}", hint=_HINT, code=error.code) from None
    for number, row in enumerate(value if isinstance(value, list) else [], 1):
        if not isinstance(row, dict) or not all(isinstance(cell, str) for cell in row.values()):
            raise _unreadable(source, f"row {number}: must be an object whose members are text")
        yield number, row


def _unreadable(source: str, what: str) -> UsageError:
    return UsageError(f"{source}: {what}", hint=_HINT, code=ReasonCode.BAD_FIELD)
