# SPDX-License-Identifier: Apache-2.0
"""Controls: what may be asked for, in one form."""

from dataclasses import replace
from functools import partial

import pytest
from hypothesis import given
from hypothesis import strategies as st

from protocol.errors import LocalProtocolError, ReasonCode
from protocol.groups.testimony.control import (
    ALL_THAT_FOLLOW,
    MAX_CONTROL_BYTES,
    Control,
    SequenceRange,
    parse_control,
    sign_control,
)
from protocol.identifiers import AuthorityId, EnvelopeId
from tests.support.directory import certified_node_keys
from tests.support.refusals import refused
from tests.support.testimonies import control_id, nack, places, resend

SIGNER = certified_node_keys("xb-ibu").signing
OTHER_CHAIN = "0" * 15 + "1"


@pytest.mark.parametrize(
    "control",
    [
        nack(),
        nack(reason=ReasonCode.EXPIRED),
        resend(),
        resend(places(1, ALL_THAT_FOLLOW)),
        resend(places(1, 1, incarnation="")),
        resend(places(1, 1), places(3, ALL_THAT_FOLLOW, "xb-ibu")),
        resend(places(5, 9), places(1, 1, incarnation=OTHER_CHAIN), places(1, 2, "xc-aco")),
    ],
)
def test_round_trip(control: Control) -> None:
    assert parse_control(sign_control(SIGNER, control)) == control


def test_the_largest_fits() -> None:
    name = "x" * 60
    ranges = [places(10**15, 10**15 + 1, f"{name}{number:03}") for number in range(100)]
    data = sign_control(SIGNER, resend(*ranges))
    assert len(data) < MAX_CONTROL_BYTES
    with pytest.raises(LocalProtocolError):
        sign_control(SIGNER, resend(*ranges, places(1, 1, "z")))


@pytest.mark.parametrize(
    "control",
    [
        pytest.param(nack(envelope=None), id="nack without envelope"),
        pytest.param(nack(reason=None), id="nack without reason"),
        pytest.param(nack(ranges=(places(1, 1),)), id="nack with ranges"),
        pytest.param(replace(resend(), envelope=EnvelopeId(bytes(16))), id="resend with an envelope"),
        pytest.param(replace(resend(), reason=ReasonCode.REFUSED), id="resend with a reason"),
        pytest.param(replace(resend(), ranges=()), id="resend of nothing"),
        pytest.param(nack(envelope=EnvelopeId(bytes(15))), id="a short envelope id"),
        pytest.param(nack(control_id=control_id("xa-acc")), id="an id of somebody else"),
        pytest.param(resend(places(0, 1)), id="place 0"),
        pytest.param(resend(places(2, 1)), id="backwards"),
        pytest.param(resend(places(1, ALL_THAT_FOLLOW + 1)), id="beyond all"),
        pytest.param(resend(places(1, 2), places(2, 3)), id="overlapping"),
        pytest.param(resend(places(1, 2), places(3, 4)), id="touching"),
        pytest.param(resend(places(5, 6), places(1, 2)), id="not sorted"),
        pytest.param(resend(places(1, 1, "xc-aco"), places(1, 1)), id="authors not sorted"),
        pytest.param(resend(places(1, 1), places(1, 1)), id="twice"),
        pytest.param(resend(places(1, 1, incarnation="0")), id="no incarnation"),
        pytest.param(resend(places(1, 1, "XA")), id="of nobody"),
    ],
)
def test_nothing_is_signed_that_nobody_would_take(control: Control) -> None:
    with pytest.raises(LocalProtocolError) as refusal:
        sign_control(SIGNER, control)
    assert refusal.value.code is ReasonCode.BAD_FIELD


def test_other_words() -> None:
    data = sign_control(SIGNER, nack())
    refused(partial(parse_control, data.replace(b'"nack"', b'"nick"')), ReasonCode.BAD_FIELD)
    refused(partial(parse_control, data.replace(b'"refused"', b'"refuted"')), ReasonCode.BAD_FIELD)


@given(st.sets(st.integers(1, 60), min_size=1), st.sets(st.integers(1, 60)))
def test_a_set_of_places_has_one_form(of_a: set[int], of_c: set[int]) -> None:
    control = resend(*ranges_of("xa-acc", of_a), *ranges_of("xc-aco", of_c))
    read = parse_control(sign_control(SIGNER, control))
    assert read == control
    for name, wanted in (("xa-acc", of_a), ("xc-aco", of_c)):
        asked = {
            place
            for one in read.ranges
            if one.authority == AuthorityId(name)
            for place in range(one.first, one.last + 1)
        }
        assert asked == wanted


def ranges_of(authority: str, wanted: set[int]) -> list[SequenceRange]:
    firsts = [place for place in sorted(wanted) if place - 1 not in wanted]
    lasts = [place for place in sorted(wanted) if place + 1 not in wanted]
    return [places(first, last, authority) for first, last in zip(firsts, lasts, strict=True)]
