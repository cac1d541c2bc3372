# SPDX-License-Identifier: Apache-2.0
"""Which key packages are used, and until when a Welcome for one is taken."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any

import pytest

from protocol.errors import ReasonCode
from protocol.groups.credential import identity_of
from protocol.groups.key_packages import (
    LAST_RESORT,
    is_last_resort,
    is_last_resort_due,
    key_marks,
    private_keys_end,
    verify_usable,
    verify_welcome_in_time,
)
from protocol.groups.profile import capabilities, leaf_lifetime
from protocol.mls.structures.extensions import BasicCredential, Extension
from protocol.mls.structures.key_packages import KeyPackage
from protocol.mls.structures.nodes import LeafNode, LeafNodeSource, Lifetime
from tests.support.clock import START
from tests.support.entropy import SeededEntropy
from tests.support.leaves import issued, leaf_certificate
from tests.support.refusals import refused

CERTIFICATE = leaf_certificate()
SECONDS, MONTH = int(START.timestamp()), 30 * 24 * 3600
DAY, SECOND = timedelta(days=1), timedelta(seconds=1)
END = START + 30 * DAY


def package(number: int = 1, lifetime: Lifetime | None = None, **changes: Any) -> KeyPackage:
    """A key package as to what is judged here; its signatures are none."""
    leaf = LeafNode(
        encryption_key=b"leaf %d" % number,
        signature_key=CERTIFICATE.key,
        credential=BasicCredential(identity_of(issued(CERTIFICATE)).to_bytes()),
        capabilities=capabilities(SeededEntropy(number)),
        source=LeafNodeSource.KEY_PACKAGE,
        lifetime=lifetime or leaf_lifetime(CERTIFICATE),
    )
    return replace(KeyPackage(cipher_suite=0xF0E2, init_key=b"init %d" % number, leaf_node=leaf), **changes)


ONE, TWO = package(1), package(2, Lifetime(SECONDS, SECONDS + 60))
RESORT = package(9, extensions=(LAST_RESORT,))


def test_a_package_is_used_in_its_lifetime() -> None:
    for at in (START, END - SECOND):
        verify_usable(ONE, at)
    refused(lambda: verify_usable(ONE, START - SECOND), ReasonCode.NOT_YET_VALID)
    refused(lambda: verify_usable(ONE, END), ReasonCode.EXPIRED)
    verify_usable(package(lifetime=Lifetime(SECONDS, SECONDS + MONTH)), START)
    verify_usable(package(lifetime=Lifetime(SECONDS, SECONDS)), START)


@pytest.mark.parametrize(
    ("wrong", "code"),
    [
        pytest.param(package(cipher_suite=1), ReasonCode.BAD_VERSION, id="another suite"),
        pytest.param(
            package(lifetime=Lifetime(SECONDS, SECONDS + MONTH + 1)), ReasonCode.BAD_CONTENT, id="too long"
        ),
        pytest.param(package(lifetime=Lifetime(0, 2**64 - 1)), ReasonCode.BAD_CONTENT, id="for ever"),
        pytest.param(
            package(lifetime=Lifetime(SECONDS, SECONDS - 1)), ReasonCode.BAD_CONTENT, id="backwards"
        ),
        pytest.param(package(init_key=b"leaf 1"), ReasonCode.BAD_CONTENT, id="init key is leaf key"),
        pytest.param(
            package(init_key=CERTIFICATE.key), ReasonCode.BAD_CONTENT, id="init key is signature key"
        ),
        pytest.param(
            package(leaf_node=replace(ONE.leaf_node, encryption_key=CERTIFICATE.key)),
            ReasonCode.BAD_CONTENT,
            id="leaf key is signature key",
        ),
        pytest.param(
            package(leaf_node=replace(ONE.leaf_node, source=LeafNodeSource.UPDATE, lifetime=None)),
            ReasonCode.BAD_CONTENT,
            id="no lifetime",
        ),
    ],
)
def test_a_package_outside_its_rules(wrong: KeyPackage, code: ReasonCode) -> None:
    refused(lambda: verify_usable(wrong, START), code)


def test_each_key_has_its_mark() -> None:
    assert len({*key_marks(ONE), *key_marks(TWO)}) == 4


def test_the_last_resort_is_marked() -> None:
    assert is_last_resort(RESORT)
    assert not is_last_resort(ONE)
    assert not is_last_resort(package(extensions=(Extension(0x0A0A, b""), Extension(0x000A, b"x"))))


def test_a_welcome_is_taken_for_fourteen_days_more() -> None:
    last = END + 14 * DAY - SECOND
    assert private_keys_end(ONE) == END + 14 * DAY
    verify_welcome_in_time(ONE, last)
    refused(lambda: verify_welcome_in_time(ONE, last + SECOND), ReasonCode.EXPIRED)


def test_a_lifetime_that_ends_at_no_moment() -> None:
    for end in (2**64 - 1, 253_402_300_799):
        endless = package(lifetime=Lifetime(0, end))
        refused(partial(verify_welcome_in_time, endless, START), ReasonCode.BAD_CONTENT)


def test_the_last_resort_is_made_anew_each_week() -> None:
    assert is_last_resort_due(None, START)
    assert is_last_resort_due(START, START + 7 * DAY)
    assert not is_last_resort_due(START, START + 7 * DAY - SECOND)
    assert private_keys_end(RESORT) > datetime(2026, 1, 1, tzinfo=UTC)
