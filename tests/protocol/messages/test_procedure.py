# SPDX-License-Identifier: Apache-2.0
"""The rules of acknowledging and clarifying."""

from datetime import UTC, date, datetime
from typing import Any

import pytest

from protocol.canonical import moment_text
from protocol.codes.message_types import MessageType
from protocol.errors import ReasonCode
from protocol.messages.parse import body_of, parse_body
from protocol.messages.parts import Practitioner
from protocol.messages.procedure import Ack
from tests.support.bodies import OFFICE, lean_request, person
from tests.support.refusals import refused


@pytest.mark.parametrize(
    "body",
    [
        {"handler": OFFICE},
        {"estimated_on": "2026-07-10"},
        {"handler": {}, "estimated_on": "2026-07-10"},
        {"handler": {"office": " "}, "estimated_on": "2026-07-10"},
        {"handler": {"name": "Sample Handlerova"}, "estimated_on": "2026-07-10"},
        {"handler": OFFICE, "update_every_days": 0},
        {"handler": OFFICE, "update_every_days": 91},
        {"handler": OFFICE, "update_every_days": "3"},
        {"handler": OFFICE, "update_every_days": True},
        {"handler": OFFICE, "estimated_on": "soon"},
        {"handler": OFFICE, "estimated_on": "2026-07-10T00:00:00.000Z"},
    ],
)
def test_an_acknowledgement_names_the_office_and_when(body: dict[str, Any]) -> None:
    refused(lambda: parse_body(MessageType.ACK, body), ReasonCode.BAD_FIELD)


@pytest.mark.parametrize("when", [{"estimated_on": "2026-07-10"}, {"update_every_days": 30}])
def test_one_of_both_is_enough(when: dict[str, Any]) -> None:
    parse_body(MessageType.ACK, {"handler": OFFICE, **when})


def test_days_and_moments_may_be_given_as_values() -> None:
    ack = Ack(handler=Practitioner(office="Duty desk"), estimated_on=date(2026, 7, 10))
    assert body_of(ack) == {"handler": {"office": "Duty desk"}, "estimated_on": "2026-07-10"}
    request = parse_body(MessageType.CONSULT_REQUEST, lean_request())
    at = datetime(2026, 7, 10, 12, tzinfo=UTC)
    timed = parse_body(MessageType.CONSULT_REQUEST, {**body_of(request), "reply_by": moment_text(at)})
    assert type(timed).model_validate({**dict(timed), "reply_by": at}) == timed


@pytest.mark.parametrize(
    ("kind", "body"),
    [
        (MessageType.CLARIFICATION_REQUEST, {"questions": []}),
        (MessageType.CLARIFICATION_REQUEST, {"questions": [{"id": "q1", "text": "x"}] * 2}),
        (MessageType.CLARIFICATION_REQUEST, {"questions": [{"id": "q1", "text": ""}]}),
        (MessageType.CLARIFICATION_REQUEST, {"questions": [{"id": "Q 1", "text": "x"}]}),
        (MessageType.CLARIFICATION, {"answers": []}),
        (MessageType.CLARIFICATION, {"answers": [{"question": "q1", "text": "x"}] * 2}),
        (
            MessageType.CLARIFICATION,
            {"answers": [{"question": "q1", "text": "x"}], "subjects": [person(), person()]},
        ),
        (MessageType.WITHDRAWAL, {"reason": ""}),
        (MessageType.CLOSE, {"note": "x" * 20_001}),
    ],
)
def test_other_bodies_outside_their_rule(kind: MessageType, body: dict[str, Any]) -> None:
    refused(lambda: parse_body(kind, body), ReasonCode.BAD_FIELD)
