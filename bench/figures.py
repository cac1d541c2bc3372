# SPDX-License-Identifier: Apache-2.0
"""Numbers of repeated runs, and the one JSON document they end in. Never a verdict."""

import json
import statistics
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

LATEST = Path(__file__).resolve().parent / "latest.json"
RUNS = 5
"""Counted runs of every measurement; figures are their medians."""

Figure = float | int | str | Mapping[str, "Figure"] | Sequence["Figure"]


def repeated(measure: Callable[[], float], runs: int = RUNS) -> dict[str, Figure]:
    """Run a measurement several times; return its median, minimum and maximum."""
    return summary([measure() for _ in range(runs)])


def summary(values: Sequence[float]) -> dict[str, Figure]:
    """Median, minimum and maximum of values, rounded to what can be read."""
    return {
        "median": rounded(statistics.median(values)),
        "min": rounded(min(values)),
        "max": rounded(max(values)),
    }


def percentile(values: Sequence[float], share: float) -> float:
    """The value below which `share` (0 to 1) of all values lie, by nearest rank."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, max(0, round(share * len(ordered)) - 1))]


def rounded(value: float) -> float:
    """Four significant digits."""
    return float(f"{value:.4g}")


def write(parts: Mapping[str, Figure]) -> None:
    """Merge new parts into the document of the last runs and print it."""
    known: dict[str, Figure] = json.loads(LATEST.read_text("utf-8")) if LATEST.exists() else {}
    known.update(parts)
    text = json.dumps(known, indent=2, sort_keys=True)
    LATEST.write_text(text + "\n", "utf-8")
    print(text)
