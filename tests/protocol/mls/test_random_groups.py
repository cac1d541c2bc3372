# SPDX-License-Identifier: Apache-2.0
"""Random groups: whatever happens, all members agree, nothing is read twice, and nothing said is lost.

`MLS_SEEDS=200` tells more stories.
"""

import os

import pytest

from protocol.mls.suites import PRODUCT_SUITE, Suite
from tests.support.mls_suites import SUITES
from tests.support.mls_world import World

STEPS = 50
SEEDS = int(os.environ.get("MLS_SEEDS", "4"))


def live(suite: Suite, seed: int, steps: int = STEPS) -> World:
    world = World(suite, seed)
    for _ in range(steps):
        world.step()
    for said in world.on_the_way:
        for name in sorted(said.waiting):
            world.deliver_late(name, said)
    world.verify_keys()
    return world


@pytest.mark.parametrize("seed", range(SEEDS))
def test_all_members_agree(seed: int) -> None:
    world = live(PRODUCT_SUITE, seed)
    assert next(iter(world.views.values())).epoch > 3


@pytest.mark.parametrize("suite", SUITES.values(), ids=lambda suite: suite.name)
def test_all_members_agree_in_other_suites(suite: Suite) -> None:
    live(suite, 0, steps=30)


def test_a_seed_is_one_story() -> None:
    one, other = live(PRODUCT_SUITE, 77, 25), live(PRODUCT_SUITE, 77, 25)
    assert one.log == other.log
    assert sorted(one.views) == sorted(other.views)
