# SPDX-License-Identifier: Apache-2.0
"""What groups look like: capabilities with numbers that mean nothing, and exactly two extensions."""

from dataclasses import replace
from datetime import timedelta

import pytest

from protocol.errors import ReasonCode
from protocol.groups.extension import CONSULTATION_EXTENSION
from protocol.groups.profile import (
    GREASE,
    REQUIRED_CAPABILITIES,
    capabilities,
    context_extensions,
    leaf_lifetime,
    parse_context_extensions,
    verify_capabilities,
)
from protocol.mls.structures.extensions import Extension, ExtensionType, parse_required_capabilities
from protocol.mls.structures.nodes import Capabilities, Lifetime
from tests.protocol.groups.test_extension import EXTENSION
from tests.support.clock import START
from tests.support.entropy import SeededEntropy
from tests.support.leaves import leaf_certificate
from tests.support.refusals import refused

OURS = capabilities(SeededEntropy(1))
REQUIRED, CONSULTATION = context_extensions(EXTENSION)
SECONDS = int(START.timestamp())


def test_grease_is_the_list_of_the_rfc() -> None:
    assert [f"{number:04X}" for number in GREASE] == [f"{digit}A{digit}A" for digit in "0123456789ABCDE"]


def test_capabilities_hold_what_is_needed_and_what_means_nothing() -> None:
    verify_capabilities(OURS)
    for numbers in (OURS.cipher_suites, OURS.extensions, OURS.proposals, OURS.credentials):
        assert len(set(numbers) & set(GREASE)) == 1
    assert set(OURS.cipher_suites) - set(GREASE) == {0xF0E2}
    assert set(OURS.extensions) - set(GREASE) == {0xF0E1, 0x000A}
    assert set(OURS.proposals) - set(GREASE) == set()
    assert set(OURS.credentials) - set(GREASE) == {1}
    assert len({capabilities(SeededEntropy(seed)) for seed in range(20)}) > 10


@pytest.mark.parametrize(
    "supported",
    [
        replace(OURS, versions=(2,)),
        replace(OURS, cipher_suites=(1, GREASE[0])),
        replace(OURS, extensions=()),
        replace(OURS, credentials=(2,)),
        Capabilities(),
    ],
)
def test_a_leaf_that_does_not_support_these_groups(supported: Capabilities) -> None:
    refused(lambda: verify_capabilities(supported), ReasonCode.BAD_CONTENT)


def test_what_is_unknown_in_capabilities_is_ignored() -> None:
    more = Capabilities(
        versions=(1, 7),
        cipher_suites=(5, 0xF0E2),
        extensions=(9, 0xF0E1),
        proposals=(99,),
        credentials=(3, 1),
    )
    verify_capabilities(more)


def test_the_context_has_exactly_two_extensions() -> None:
    assert [extension.extension_type for extension in (REQUIRED, CONSULTATION)] == [3, 0xF0E1]
    assert parse_context_extensions([REQUIRED, CONSULTATION]) == EXTENSION
    assert parse_context_extensions([CONSULTATION, REQUIRED]) == EXTENSION
    assert REQUIRED.data == bytes.fromhex("02f0e1" + "00" + "020001")
    assert parse_required_capabilities(REQUIRED_CAPABILITIES).extensions == (CONSULTATION_EXTENSION,)


@pytest.mark.parametrize(
    ("extensions", "code"),
    [
        pytest.param([], ReasonCode.BAD_CONTENT, id="none"),
        pytest.param([REQUIRED], ReasonCode.BAD_CONTENT, id="no consultation"),
        pytest.param([CONSULTATION], ReasonCode.BAD_CONTENT, id="no required capabilities"),
        pytest.param([CONSULTATION, CONSULTATION], ReasonCode.BAD_CONTENT, id="twice"),
        pytest.param([REQUIRED, CONSULTATION, CONSULTATION], ReasonCode.BAD_CONTENT, id="one twice"),
        pytest.param(
            [REQUIRED, CONSULTATION, Extension(GREASE[3], b"")], ReasonCode.BAD_CONTENT, id="an unknown one"
        ),
        pytest.param(
            [REQUIRED, CONSULTATION, Extension(ExtensionType.EXTERNAL_SENDERS, b"\0")],
            ReasonCode.BAD_CONTENT,
            id="external senders",
        ),
        pytest.param(
            [replace(REQUIRED, data=b"\0\0\0"), CONSULTATION], ReasonCode.BAD_CONTENT, id="asks for less"
        ),
        pytest.param(
            [REQUIRED, replace(CONSULTATION, data=CONSULTATION.data + b"\0")],
            ReasonCode.BAD_CONTENT,
            id="octets more",
        ),
        pytest.param([REQUIRED, replace(CONSULTATION, data=b"")], ReasonCode.BAD_CONTENT, id="empty"),
    ],
)
def test_another_context_is_refused(extensions: list[Extension], code: ReasonCode) -> None:
    refused(lambda: parse_context_extensions(extensions), code)


def test_a_lifetime_lies_within_the_certificate() -> None:
    month = 30 * 24 * 3600
    assert leaf_lifetime(leaf_certificate()) == Lifetime(SECONDS, SECONDS + month - 1)
    tick = timedelta(milliseconds=1)
    odd = leaf_certificate(not_before=START + tick, not_after=START + timedelta(days=30) + tick)
    assert leaf_lifetime(odd) == Lifetime(SECONDS + 1, SECONDS + month)
