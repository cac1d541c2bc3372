# SPDX-License-Identifier: Apache-2.0
"""The rules of answers and refusals: results, reasons in code and words, postponement."""

from typing import Any

import pytest

from protocol.codes.message_types import MessageType
from protocol.codes.reasons import Reason
from protocol.errors import ReasonCode
from protocol.messages.answer import Refusal
from protocol.messages.parse import parse_body
from tests.support.refusals import refused

FORMAL = {"requirements": "A court order."}


def answer(*items: dict[str, Any], final: bool = True) -> dict[str, Any]:
    return {"final": final, "items": list(items)}


@pytest.mark.parametrize(
    "item",
    [
        {"result": "FOUND", "text": "Yes."},
        {"result": "FOUND", "data": [{"name": "Director", "value": "X"}]},
        {"result": "FOUND", "attachments": ["a1"]},
        {"result": "NOT_FOUND"},
        {"result": "NOT_HELD"},
        {"result": "PARTIAL", "text": "Half of it.", "reason": "R11"},
        {"result": "NEEDS_MLA", "formal": FORMAL},
        {"result": "REFUSED", "reason": "R07", "text": "It would warn the suspect."},
    ],
)
def test_results_with_what_they_need(item: dict[str, Any]) -> None:
    parse_body(MessageType.ANSWER, answer({"item": "h1", **item}))


@pytest.mark.parametrize(
    "item",
    [
        {"result": "FOUND"},
        {"result": "PARTIAL"},
        {"result": "REFUSED"},
        {"result": "REFUSED", "reason": "R07"},
        {"result": "REFUSED", "text": "No."},
        {"result": "REFUSED", "reason": "P01", "text": "Later."},
        {"result": "REFUSED", "reason": "INVALID", "text": "Bank secrecy."},
        {"result": "FOUND", "text": "Yes.", "reason": "R01"},
        {"result": "NEEDS_MLA"},
        {"result": "PENDING"},
        {"result": "UNKNOWN"},
        {"result": "FOUND", "text": "Yes.", "handling": ["H2", "H1"]},
        {"result": "FOUND", "text": "Yes.", "as_of": "June"},
        {"result": "FOUND", "text": "Yes.", "evaluation": {"source": "D", "information": "1"}},
        {"result": "FOUND", "text": "Yes.", "evaluation": {"source": "A", "information": 1}},
    ],
)
def test_results_without_what_they_need(item: dict[str, Any]) -> None:
    refused(lambda: parse_body(MessageType.ANSWER, answer({"item": "h1", **item})), ReasonCode.BAD_FIELD)


@pytest.mark.parametrize(("reason", "taken"), [("P01", True), ("P02", True), ("R01", False)])
def test_what_is_pending_is_put_off_not_refused(reason: str, taken: bool) -> None:
    body = answer({"item": "h1", "result": "PENDING", "reason": reason}, final=False)
    if taken:
        parse_body(MessageType.ANSWER, body)
    else:
        refused(lambda: parse_body(MessageType.ANSWER, body), ReasonCode.BAD_FIELD)


def test_an_item_is_answered_once_and_there_is_one() -> None:
    twice = answer({"item": "h1", "result": "NOT_HELD"}, {"item": "h1", "result": "NOT_FOUND"})
    refused(lambda: parse_body(MessageType.ANSWER, twice), ReasonCode.BAD_FIELD)
    refused(lambda: parse_body(MessageType.ANSWER, answer()), ReasonCode.BAD_FIELD)
    refused(lambda: parse_body(MessageType.ANSWER, {"items": twice["items"][:1]}), ReasonCode.BAD_FIELD)


def ground(reason: str, *items: str) -> dict[str, Any]:
    return {"reason": reason, "explanation": "In words.", "items": list(items)}


def refusal(*grounds: dict[str, Any], **changes: Any) -> dict[str, Any]:
    return {"total": True, "grounds": list(grounds), **changes}


@pytest.mark.parametrize("reason", list(Reason))
def test_every_reason_stands_in_its_kind_of_refusal(reason: Reason) -> None:
    changes: dict[str, Any] = {"competent": "Sample ministry"} if reason is Reason.NOT_COMPETENT else {}
    body = refusal(ground(reason.value), postponement=reason.postpones, **changes)
    read = parse_body(MessageType.REFUSAL, body)
    assert isinstance(read, Refusal)
    assert read.grounds[0].reason is reason
    other = refusal(ground(reason.value), postponement=not reason.postpones, **changes)
    refused(lambda: parse_body(MessageType.REFUSAL, other), ReasonCode.BAD_FIELD)


@pytest.mark.parametrize(
    "body",
    [
        refusal(),
        refusal(ground("INVALID")),
        refusal(ground("R24")),
        refusal({"reason": "R01"}),
        refusal({"reason": "R01", "explanation": ""}),
        refusal(ground("R20")),
        refusal(ground("R01"), competent="Sample ministry"),
        refusal(ground("R01"), ground("P01")),
        refusal(ground("P01"), ground("R01"), postponement=True),
        refusal(ground("R01"), until="2026-09-01"),
        refusal(ground("R01"), total=False),
        refusal(ground("R01", "h1"), ground("R01"), total=False),
        refusal(ground("R01", "h1", "h1"), total=False),
        {"grounds": [ground("R01")]},
    ],
)
def test_refusals_outside_their_rule(body: dict[str, Any]) -> None:
    refused(lambda: parse_body(MessageType.REFUSAL, body), ReasonCode.BAD_FIELD)


def test_a_postponement_may_have_an_end() -> None:
    parse_body(MessageType.REFUSAL, refusal(ground("P02"), postponement=True, until="2026-09-01"))
