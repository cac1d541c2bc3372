# SPDX-License-Identifier: Apache-2.0
"""`python -m demo.samples FILE`: write a directory bundle of invented authorities, for a node to import."""

import argparse
import sys
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

from demo.samples.generator import sample_authorities
from demo.samples.network import sign_network
from globe_node.clock import SystemClock
from protocol.directory.bundle import bundle_to_bytes
from protocol.directory.dsse import parse_signed_statement
from protocol.directory.judgement import network_fingerprint


def main(words: Sequence[str]) -> int:
    """Write the bundle; say its fingerprint and how to import it."""
    parser = argparse.ArgumentParser(prog="python -m demo.samples", description=__doc__)
    parser.add_argument("file", type=Path, help="where to write the bundle")
    parser.add_argument("--authorities", type=int, default=250)
    parser.add_argument("--contacts", type=int, default=2_500)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--day", type=datetime.fromisoformat, help="YYYY-MM-DD; without it, today")
    asked = parser.parse_args(words)
    issued = (asked.day or SystemClock().now()).replace(hour=0, minute=0, second=0, microsecond=0, tzinfo=UTC)
    samples = sample_authorities(asked.authorities, asked.contacts, seed=asked.seed, day=issued.date())
    statements = list(sign_network(samples, seed=asked.seed, issued=issued))
    network = network_fingerprint(parse_signed_statement(statements[0]).payload)
    asked.file.write_bytes(bundle_to_bytes(network, statements))
    print(f"{asked.file}: {len(statements)} statements of a sample network")
    print(f"globe-node directory import {asked.file} --root {network}")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
