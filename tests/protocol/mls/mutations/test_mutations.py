# SPDX-License-Identifier: Apache-2.0
"""Messages that were changed: none is taken for something else, changes a state, or raises what none expects.

`make fuzz` tries many more (`MUTATIONS=600000`); the same number makes the same changes. With
`MUTATION_SUITE=1` the messages themselves are the same, too, and a failure repeats itself.
"""

import os
from collections.abc import Callable

import pytest

from protocol.errors import RemoteProtocolError
from tests.protocol.mls.mutations.changes import changed
from tests.protocol.mls.mutations.insiders import INSIDERS, inner_corpus
from tests.protocol.mls.mutations.outsiders import OUTSIDERS, Target, corpus

TOTAL = int(os.environ.get("MUTATIONS", "20000"))
PARTS = 3
ATTEMPTS = -(-TOTAL // ((len(OUTSIDERS) + len(INSIDERS)) * PARTS))
"""For each part of each target, so that all together are not fewer than `TOTAL`."""
MAKERS: dict[str, Callable[[], Target]] = {**OUTSIDERS, **INSIDERS}


def try_changes(target: Target, name: str, part: int) -> None:
    before = target.state()
    pieces = corpus() if name in OUTSIDERS else inner_corpus()
    for number in range(ATTEMPTS):
        seed = f"{name}:{part}:{number}"
        octets = changed(target.octets, pieces, seed)
        try:
            understood = target.take(octets)
        except RemoteProtocolError:
            continue
        finally:
            assert target.state() == before, f"{seed} changed what it must not: {octets.hex()}"
        assert target.loose or understood == target.same, f"{seed} was taken: {octets.hex()}"


@pytest.mark.parametrize("part", range(PARTS))
@pytest.mark.parametrize("name", OUTSIDERS)
def test_nothing_changed_on_the_way_is_taken(name: str, part: int) -> None:
    target = MAKERS[name]()
    assert not target.loose
    meant = target.take(target.octets)
    try_changes(target, name, part)
    assert target.take(target.octets) == meant


@pytest.mark.parametrize("part", range(PARTS))
@pytest.mark.parametrize("name", INSIDERS)
def test_nothing_a_member_makes_by_hand_does_harm(name: str, part: int) -> None:
    target = MAKERS[name]()
    meant = target.take(target.octets)
    try_changes(target, name, part)
    assert target.take(target.octets) == meant
