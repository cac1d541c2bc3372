# SPDX-License-Identifier: Apache-2.0
"""No octet of a bundle can change unnoticed. `EVERY_OCTET=1` tries them all; else some of every line."""

import os

import pytest

from protocol.evidence.verify import verify_evidence
from tests.support.directory import sample_network
from tests.support.entropy import SeededEntropy
from tests.support.evidence import A, B, accused_bundle, sample_bundle

FLIPS = (0x01, 0x20, 0x80)
SAMPLES_PER_LINE = 8


def lines_of(data: bytes) -> list[range]:
    """The place of every line, its end included."""
    ranges, start = [], 0
    while start < len(data):
        end = data.index(b"\n", start) + 1
        ranges.append(range(start, end))
        start = end
    return ranges


def places_of(line: range) -> list[int]:
    if os.environ.get("EVERY_OCTET"):
        return list(line)
    drawn = SeededEntropy(line.start).random_bytes(4 * SAMPLES_PER_LINE)
    within = [line[int.from_bytes(drawn[at : at + 4], "big") % len(line)] for at in range(0, len(drawn), 4)]
    return sorted({line[0], line[-1], *within})


NAMES = ("head", "statement", "record", "receipt", "equivocation", "chain", "bundle")


@pytest.mark.timeout(0 if os.environ.get("EVERY_OCTET") else 120)
@pytest.mark.parametrize("number", range(len(lines_of(sample_bundle()))))
def test_any_changed_octet_makes_it_fail_and_names_the_part(number: int) -> None:
    data, root = sample_bundle(), sample_network((A, B)).fingerprint
    line = lines_of(data)[number]
    for place in places_of(line):
        changed = bytearray(data)
        changed[place] ^= FLIPS[place % len(FLIPS)]
        report = verify_evidence(bytes(changed), root)
        assert not report.ok, place
        assert report.failed[0].part.startswith(NAMES)


def test_any_changed_octet_of_a_proof_against_a_hub_makes_it_fail() -> None:
    data, root = accused_bundle(), sample_network((A, B)).fingerprint
    for place in places_of(lines_of(data)[-1]):
        changed = bytearray(data)
        changed[place] ^= FLIPS[place % len(FLIPS)]
        report = verify_evidence(bytes(changed), root)
        assert not report.ok, place
        assert report.failed[0].part.startswith(("equivocation", "bundle"))
        assert report.equivocations == ()


def test_the_sample_holds_as_it_is() -> None:
    assert verify_evidence(sample_bundle(), sample_network((A, B)).fingerprint).ok
