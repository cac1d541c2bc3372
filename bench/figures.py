# SPDX-License-Identifier: Apache-2.0
"""Numbers of repeated runs, and the one JSON document they end in. Never a verdict."""

import json
import re
import statistics
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

LATEST = Path(__file__).resolve().parent / "latest.json"
RUNS = 5
"""Counted runs of every measurement; figures are their medians."""

_WIDTH = 120
_LIST = re.compile(r"\[[^][{}]*\]")
_OBJECT = re.compile(r"\{[^{}]*\}")

Figure = float | int | str | Mapping[str, "Figure"] | Sequence["Figure"]


def summary(values: Sequence[float]) -> dict[str, Figure]:
    """Median, minimum, maximum and number of values, and the values as they came, rounded."""
    return {
        "median": median(values),
        "min": rounded(min(values)),
        "max": rounded(max(values)),
        "runs": [rounded(value) for value in values],
    }


def median(values: Sequence[float]) -> float:
    """The median of values, rounded to what can be read."""
    return rounded(statistics.median(values))


def percentile(values: Sequence[float], share: float) -> float:
    """The value below which `share` (0 to 1) of all values lie, by nearest rank."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, max(0, round(share * len(ordered)) - 1))]


def rounded(value: float) -> float:
    """Four significant digits."""
    return float(f"{value:.4g}")


def read() -> dict[str, Figure]:
    """Return the document of the last runs; empty if there is none."""
    known: dict[str, Figure] = json.loads(LATEST.read_text("utf-8")) if LATEST.exists() else {}
    return known


def keep(parts: Mapping[str, Figure]) -> None:
    """Put new parts into the document of the last runs."""
    text = json.dumps({**read(), **parts}, indent=2, sort_keys=True)
    for innermost in (_LIST, _OBJECT):
        text = innermost.sub(_one_line, text)
    LATEST.write_text(text + "\n", "utf-8")


def _one_line(found: re.Match[str]) -> str:
    line = " ".join(found[0].split())
    return line if len(line) <= _WIDTH else found[0]


def tell(text: str) -> None:
    """Say how far the measurement is, on standard error."""
    print(text, file=sys.stderr, flush=True)
