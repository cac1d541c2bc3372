# SPDX-License-Identifier: Apache-2.0
"""The rules of acknowledging and clarifying."""

from typing import Any

import pytest

from protocol.codes.message_types import MessageType
from protocol.errors import ReasonCode
from protocol.messages.parse import parse_body
from tests.support.bodies import OFFICE, person
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
