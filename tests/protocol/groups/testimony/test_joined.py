# SPDX-License-Identifier: Apache-2.0
"""Joined statements: what they say, and when they confirm a group."""

from functools import partial
from typing import Any

import pytest

from protocol.errors import LocalProtocolError, ReasonCode
from protocol.groups.testimony.form import authenticator_hash
from protocol.groups.testimony.joined import Joined, JoinedBy, confirms, parse_joined, sign_joined
from protocol.identifiers import ConsultationId
from tests.support.directory import certified_node_keys
from tests.support.refusals import refused
from tests.support.testimonies import AUTHENTICATOR, GROUP, OPENING, joined

OURS: dict[str, Any] = {
    "group_id": GROUP,
    "epoch": 1,
    "authenticator": authenticator_hash(AUTHENTICATOR),
    "opening": OPENING,
}
SIGNER = certified_node_keys("xb-ibu").signing


def test_it_confirms_the_group_that_we_have_and_no_other() -> None:
    assert confirms(joined(), **OURS)
    for change in (
        {"group_id": bytes(32)},
        {"epoch": 2},
        {"authenticator": authenticator_hash(b"another")},
        {"opening": "00" * 32},
    ):
        assert not confirms(joined(), **{**OURS, **change})


def test_how_somebody_came_is_told() -> None:
    back = joined(by=JoinedBy.RESYNC)
    assert parse_joined(sign_joined(SIGNER, back)) == back


@pytest.mark.parametrize(
    "statement",
    [
        joined(group_id=bytes(33)),
        joined(epoch=-1),
        joined(epoch=True),
        joined(authenticator="x"),
        joined(opening=OPENING[:-1]),
        joined(consultation=ConsultationId("x")),
    ],
)
def test_nothing_is_signed_that_nobody_would_take(statement: Joined) -> None:
    with pytest.raises(LocalProtocolError):
        sign_joined(SIGNER, statement)


def test_a_way_that_does_not_exist() -> None:
    data = sign_joined(SIGNER, joined())
    refused(partial(parse_joined, data.replace(b'"welcome"', b'"weltome"')), ReasonCode.BAD_FIELD)
