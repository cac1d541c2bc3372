# SPDX-License-Identifier: Apache-2.0
"""The table of reason codes in PROTOCOL.md section 12."""

import re
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from protocol.errors import ReasonCode

PROTOCOL = Path(__file__).resolve().parents[2] / "docs" / "PROTOCOL.md"
_ROW = re.compile(r"^\| `([a-z_]+)` \| (.+) \| (first|peer|here) \| (.+) \| (.+) \|$", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Row:
    """One code as it is documented."""

    code: str
    means: str
    seen: str
    status: str
    what_to_do: str


@cache
def rows() -> tuple[Row, ...]:
    """The rows in their order."""
    text = PROTOCOL.read_text("utf-8").split("\n## 12. ", 1)[1].split("\n## ", 1)[0]
    return tuple(Row(*found) for found in _ROW.findall(text))


@cache
def peer_codes() -> frozenset[ReasonCode]:
    """The codes that a peer may see."""
    return frozenset(ReasonCode(row.code) for row in rows() if row.seen != "here")
