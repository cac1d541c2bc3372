# SPDX-License-Identifier: Apache-2.0
"""Continued statements and histories; the refusals stand with their octets in `continued.json`."""

from dataclasses import replace
from functools import partial

import pytest
from hypothesis import given
from hypothesis import strategies as st

from protocol.errors import LocalProtocolError, ReasonCode
from protocol.groups.testimony.continued import (
    Continued,
    read_history,
    sign_continued,
    verify_history,
    with_history,
)
from protocol.octets import Reader, Writer
from tests.support.clock import START
from tests.support.directory import certified_node_keys, sample_network
from tests.support.refusals import refused, value_or_reason
from tests.support.testimonies import GROUP, continued

SIGNER = certified_node_keys("xb-ibu").signing
STATE = sample_network().state
FOUNDED = continued().extension


@pytest.mark.parametrize(
    "statement",
    [
        continued(continues=bytes(31)),
        continued(group_id=GROUP),
        continued(epoch=-1),
        continued(authenticator="x"),
        continued(extension=replace(FOUNDED, hub=FOUNDED.hub._replace(authority=FOUNDED.roster[0]))),
        continued(extension=replace(FOUNDED, policy_version=1)),
    ],
)
def test_nothing_is_signed_that_nobody_would_take(statement: Continued) -> None:
    with pytest.raises(LocalProtocolError):
        sign_continued(SIGNER, statement)


def test_a_history_is_read_from_the_oldest_to_the_newest() -> None:
    first = continued()
    later = replace(FOUNDED, policy_version=3)
    second = continued(continues=first.group_id, group_id=bytes(32), extension=later)
    signed = [sign_continued(SIGNER, one) for one in (first, second)]
    assert verify_history(signed, STATE, START) == (first, second)
    assert verify_history([], STATE, START) == ()
    refused(partial(verify_history, signed[::-1], STATE, START), ReasonCode.REFUSED)
    refused(partial(verify_history, [signed[0]] * 2, STATE, START), ReasonCode.REFUSED)


@given(st.binary(max_size=60))
def test_any_octets(data: bytes) -> None:
    reader = Reader(data)
    found = value_or_reason(lambda: read_history(reader))
    if not isinstance(found, ReasonCode):
        assert with_history(Writer(), found).to_bytes() == data[: reader.position]
