# SPDX-License-Identifier: Apache-2.0
"""When keys are renewed, when silence counts, how often somebody comes back."""

from dataclasses import replace
from datetime import timedelta

from protocol.errors import ReasonCode
from protocol.groups.upkeep import (
    OwnKeys,
    is_new_leaf_key_due,
    is_renewal_due,
    is_renewal_near,
    is_silence_over,
    verify_resync_pace,
)
from tests.support.clock import START
from tests.support.leaves import leaf_certificate
from tests.support.refusals import refused

FRESH = OwnKeys(renewed=START, messages=0, certificate=leaf_certificate())
DAY, TICK = timedelta(days=1), timedelta(milliseconds=1)


def test_keys_are_renewed_after_a_day_or_a_hundred_messages_or_a_resync() -> None:
    assert not is_renewal_due(FRESH, START + DAY - TICK)
    assert is_renewal_due(FRESH, START + DAY)
    assert not is_renewal_due(replace(FRESH, messages=99), START)
    assert is_renewal_due(replace(FRESH, messages=100), START)
    assert is_renewal_due(replace(FRESH, resynced=True), START)


def test_a_renewal_may_be_asked_for_sixteen_messages_before_it_is_due() -> None:
    assert not is_renewal_near(replace(FRESH, messages=83))
    assert is_renewal_near(replace(FRESH, messages=84))


def test_a_leaf_key_is_renewed_in_the_last_week_of_its_certificate() -> None:
    last_week = FRESH.certificate.not_after - 7 * DAY
    assert not is_new_leaf_key_due(FRESH, last_week - TICK)
    assert is_new_leaf_key_due(FRESH, last_week)
    assert is_renewal_due(replace(FRESH, renewed=last_week), last_week)


def test_silence_ends() -> None:
    assert not is_silence_over(START, START + 90 * DAY - TICK)
    assert is_silence_over(START, START + 90 * DAY)


def test_one_resync_a_day() -> None:
    verify_resync_pace(None, START)
    verify_resync_pace(START, START + DAY)
    refused(lambda: verify_resync_pace(START, START + DAY - TICK), ReasonCode.RATE_LIMITED)
