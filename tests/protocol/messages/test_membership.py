# SPDX-License-Identifier: Apache-2.0
"""The rules of a change of the members."""

from typing import Any

import pytest

from protocol.codes.message_types import MessageType
from protocol.errors import ReasonCode
from protocol.messages.membership import Members
from protocol.messages.parse import body_of, parse_body
from tests.support.bodies import FULL, LEAN, lean_request
from tests.support.refusals import refused

ADDING: dict[str, Any] = {
    "added": ["xb-ibu"],
    "roster": ["xa-acc", "xb-ibu"],
    "reason": "x",
    "request": lean_request(),
}
REMOVING: dict[str, Any] = {"removed": ["xc-aco"], "roster": ["xa-acc", "xb-ibu"], "reason": "x"}
MANY = [f"x-{number:02}" for number in range(21)]


@pytest.mark.parametrize("body", [ADDING, REMOVING, FULL[MessageType.MEMBERS], LEAN[MessageType.MEMBERS]])
def test_a_change_is_read_and_written(body: dict[str, Any]) -> None:
    members = parse_body(MessageType.MEMBERS, body)
    assert isinstance(members, Members)
    assert body_of(members) == body


def test_only_what_opens_a_consultation_for_somebody_replies_to_nothing() -> None:
    assert [one for one in MessageType if one.opens] == [MessageType.CONSULT_REQUEST, MessageType.MEMBERS]


@pytest.mark.parametrize(
    "body",
    [
        {"roster": ["xa-acc", "xb-ibu"], "reason": "x"},
        {**ADDING, "request": {}},
        {name: value for name, value in ADDING.items() if name != "request"},
        {**REMOVING, "request": lean_request()},
        {name: value for name, value in REMOVING.items() if name != "reason"},
        {**REMOVING, "reason": " "},
        {**ADDING, "added": ["xc-aco"]},
        {**REMOVING, "removed": ["xb-ibu"]},
        {**REMOVING, "removed": ["xd-acc", "xc-aco"]},
        {**REMOVING, "removed": ["xc-aco", "xc-aco"]},
        {**REMOVING, "removed": ["XC"]},
        {**REMOVING, "roster": ["xb-ibu", "xa-acc"]},
        {**REMOVING, "roster": ["xa-acc"]},
        {**REMOVING, "roster": MANY},
        {**REMOVING, "roster": ["xa-acc", "xa-acc"]},
        {**ADDING, "added": ["xa-acc", "xb-ibu", "xb-ibu"]},
    ],
)
def test_a_change_that_does_not_say_who_stays_who_joins_and_why_is_refused(body: dict[str, Any]) -> None:
    refused(lambda: parse_body(MessageType.MEMBERS, body), ReasonCode.BAD_FIELD)


def test_twenty_members_are_taken() -> None:
    parse_body(MessageType.MEMBERS, {**REMOVING, "roster": MANY[:20]})
