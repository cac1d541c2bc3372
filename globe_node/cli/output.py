# SPDX-License-Identifier: Apache-2.0
"""What a command prints. Results go to standard output, all else to standard error.

1. Text that may come from elsewhere is shown, never obeyed: control, direction and invisible characters are
   written as `<U+202E>`, in every form of output; JSON is pure ASCII.
2. Colour and frames only on a terminal, and not when `NO_COLOR` is set; elsewhere plain lines.
3. An error is two lines: `globe-node: error: …` and `hint: …`.
"""

import json
import os
import sys
import unicodedata
from collections.abc import Mapping, Sequence

import click

from protocol.canonical import JSONValue

_UNSEEN = frozenset({"Cc", "Cf", "Cn", "Co", "Cs", "Zl", "Zp"})
_JOINERS = frozenset("\u200c\u200d")
"""Needed to write Persian and Indic scripts; they can't change the order of a line."""


def shown(text: str) -> str:
    """Make a text harmless for one line of a terminal; what is visible stays as it is."""
    if text.isascii() and text.isprintable():
        return text
    return "".join(_visible(character) for character in text)


def shown_lines(text: str) -> str:
    """Make a text of several lines harmless; its line feeds stay."""
    return "\n".join(shown(line) for line in text.split("\n"))


def print_json(value: JSONValue) -> None:
    """Print one JSON document."""
    click.echo(json.dumps(value, ensure_ascii=True, indent=2))


def print_text(text: str) -> None:
    """Print lines of text."""
    click.echo(shown_lines(text))


def print_fields(fields: Mapping[str, str]) -> None:
    """Print names and values, one pair a line, values in a column."""
    width = max((len(name) for name in fields), default=0)
    for name, value in fields.items():
        click.echo(f"{shown(name):<{width}}  {shown(value)}".rstrip())


def print_table(headings: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """Print a table: with rich on a terminal, else columns divided by two spaces."""
    cells = [[shown(cell) for cell in row] for row in rows]
    if is_fancy():
        _print_rich_table(headings, cells)
        return
    widths = [max(map(len, column)) for column in zip(headings, *cells, strict=True)]
    for row in (headings, *cells):
        line = "  ".join(f"{cell:<{width}}" for cell, width in zip(row, widths, strict=True))
        click.echo(line.rstrip())


def note(text: str) -> None:
    """Print a remark on standard error."""
    click.echo(shown_lines(text), err=True)


def print_error(message: str, hint: str = "") -> None:
    """Print an error and what to do about it, on standard error."""
    click.echo(f"globe-node: error: {shown(message)}", err=True)
    if hint:
        click.echo(f"hint: {shown(hint)}", err=True)


def is_fancy() -> bool:
    """Whether standard output is a terminal that may get colour."""
    return sys.stdout.isatty() and not os.environ.get("NO_COLOR")


def _print_rich_table(headings: Sequence[str], cells: Sequence[Sequence[str]]) -> None:
    from rich import box  # noqa: PLC0415 -- only a terminal needs it
    from rich.console import Console  # noqa: PLC0415
    from rich.table import Table  # noqa: PLC0415
    from rich.text import Text  # noqa: PLC0415

    table = Table(box=box.SIMPLE_HEAD)
    for heading in headings:
        table.add_column(Text(heading))
    for row in cells:
        table.add_row(*(Text(cell) for cell in row))
    Console().print(table)


def _visible(character: str) -> str:
    hidden = unicodedata.category(character) in _UNSEEN and character not in _JOINERS
    return f"<U+{ord(character):04X}>" if hidden else character
