# SPDX-License-Identifier: Apache-2.0
"""`python -m tests.simulation --seeds 300`: many worlds, then the planted defects; prints one JSON object."""

import argparse
import json
import sys
import time
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context

from tests.simulation.planted import PLANTS
from tests.simulation.seeds import Outcome, Summary, find_planted, run_seed
from tests.simulation.world import FAULT_POINTS


def main() -> int:
    """Run, print, and return 0 if every seed holds and every planted defect is found."""
    options = _options()
    started = time.monotonic()
    summary = Summary()
    seeds = range(options.first, options.first + options.seeds)
    with ProcessPoolExecutor(options.processes, get_context("spawn")) as pool:
        for outcome in pool.map(run_seed, seeds, chunksize=4):
            summary.add(outcome)
            _tell(outcome)
        found = dict(
            zip(
                (plant.__name__ for plant in PLANTS),
                pool.map(find_planted, range(len(PLANTS) if options.planted else 0)),
                strict=False,
            )
        )
    report = _report(summary, found)
    report["wall_seconds"] = round(time.monotonic() - started, 1)
    sys.stdout.write(json.dumps(report, indent=2) + "\n")
    return 1 if summary.failing or None in found.values() else 0


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.simulation", description=__doc__)
    parser.add_argument("--seeds", type=int, default=300, help="how many worlds")
    parser.add_argument("--first", type=int, default=0, help="the first seed")
    parser.add_argument("--processes", type=int, default=2)
    parser.add_argument("--no-planted", dest="planted", action="store_false", help="leave the defects out")
    return parser.parse_args()


def _tell(outcome: Outcome) -> None:
    for problem in outcome.problems:
        sys.stderr.write(f"seed {outcome.seed}: {problem}\n")


def _report(summary: Summary, found: dict[str, int | None]) -> dict[str, object]:
    return {
        "seeds": summary.seeds,
        "messages": summary.messages,
        "faults": dict(sorted(summary.faults.items())),
        "deaths": dict(sorted(summary.crashes.items())),
        "fault_points_hit": summary.points_hit(),
        "fault_points": len(FAULT_POINTS),
        "failing_seeds": sorted(summary.failing),
        "planted_found": sum(1 for seed in found.values() if seed is not None),
        "planted": len(found),
        "planted_by_seed": found,
    }


if __name__ == "__main__":
    sys.exit(main())
