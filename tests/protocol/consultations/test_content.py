# SPDX-License-Identifier: Apache-2.0
"""What record and body, request and reply owe to each other."""

from functools import partial
from typing import Any

import pytest

from protocol.codes.message_types import MessageType
from protocol.consultations.content import Effect, effect_of, verify_content, verify_reply
from protocol.errors import ReasonCode
from protocol.identifiers import AuthorityId
from protocol.messages.parse import parse_body
from protocol.messages.procedure import ClarificationRequest
from protocol.messages.request import ConsultRequest
from tests.support.bodies import CAVEATS, FULL, LEAN, help_item, lean_request
from tests.support.records import sample_attachment, sample_id, sample_record
from tests.support.refusals import refused, value_or_reason

REPLY = sample_id(3)


def request(*items: dict[str, Any]) -> ConsultRequest:
    body = parse_body(MessageType.CONSULT_REQUEST, lean_request(help_items=list(items)))
    assert isinstance(body, ConsultRequest)
    return body


@pytest.mark.parametrize(
    ("kind", "body", "effect"),
    [
        (MessageType.ANSWER, FULL[MessageType.ANSWER], Effect(final=False)),
        (MessageType.ANSWER, LEAN[MessageType.ANSWER], Effect(final=True)),
        (MessageType.REFUSAL, FULL[MessageType.REFUSAL], Effect(final=False)),
        (MessageType.REFUSAL, LEAN[MessageType.REFUSAL], Effect(final=True)),
        (
            MessageType.REFUSAL,
            {"total": True, "postponement": True, "grounds": [{"reason": "P01", "explanation": "x"}]},
            Effect(final=True, postponed=True),
        ),
        (MessageType.ACK, LEAN[MessageType.ACK], Effect()),
    ],
)
def test_what_a_body_says_about_its_move(kind: MessageType, body: dict[str, Any], effect: Effect) -> None:
    assert effect_of(parse_body(kind, body)) == effect


@pytest.mark.parametrize("kind", list(MessageType))
@pytest.mark.parametrize("samples", [FULL, LEAN])
def test_sample_bodies_fit_their_records(
    kind: MessageType, samples: dict[MessageType, dict[str, Any]]
) -> None:
    record = sample_record(type=kind, body=samples[kind], in_reply_to="" if kind.opens else REPLY)
    verify_content(record, parse_body(kind, record.body))


@pytest.mark.parametrize(
    "kind",
    [MessageType.CONSULT_REQUEST, MessageType.CLARIFICATION, MessageType.ANSWER, MessageType.MEMBERS],
)
def test_an_attachment_that_is_named_is_there(kind: MessageType) -> None:
    record = sample_record(
        type=kind, body=FULL[kind], attachments=(), in_reply_to="" if kind.opens else REPLY
    )
    refused(lambda: verify_content(record, parse_body(kind, record.body)), ReasonCode.BAD_FIELD)


@pytest.mark.parametrize(
    ("recipients", "body"),
    [
        (("xb-aca",), {}),
        (("xb-aca", "xc-fiu", "xd-acc"), {}),
        (("xc-fiu",), {"removed": ["xb-aca"]}),
        (("xb-aca", "xc-fiu"), {"roster": ["xc-fiu", "xd-acc"]}),
    ],
)
def test_a_change_of_the_members_goes_to_all_and_its_author_stays(
    recipients: tuple[str, ...], body: dict[str, Any]
) -> None:
    names = tuple(AuthorityId(name) for name in recipients)
    record = sample_record(type=MessageType.MEMBERS, recipients=names, in_reply_to="")
    members = parse_body(record.type, {**LEAN[MessageType.MEMBERS], **body})
    refused(lambda: verify_content(record, members), ReasonCode.BAD_FIELD)


@pytest.mark.parametrize(("code", "words"), [("H3", "restriction"), ("EYES", "eyes_only")])
@pytest.mark.parametrize("where", ["record", "attachment", "item"])
def test_codes_that_need_words_have_them(code: str, words: str, where: str) -> None:
    item = {"item": "h1", "result": "NOT_HELD", "handling": [code] if where == "item" else []}
    record = sample_record(
        type=MessageType.ANSWER,
        handling=(code,) if where == "record" else (),
        attachments=(sample_attachment(handling=(code,) if where == "attachment" else ()),),
    )
    body: dict[str, Any] = {"final": True, "items": [item]}
    refused(lambda: verify_content(record, parse_body(record.type, body)), ReasonCode.BAD_FIELD)
    other = {name: text for name, text in CAVEATS.items() if name != words}
    refused(
        lambda: verify_content(record, parse_body(record.type, {**body, "caveats": other})),
        ReasonCode.BAD_FIELD,
    )
    verify_content(record, parse_body(record.type, {**body, "caveats": CAVEATS}))


@pytest.mark.parametrize("kind", list(MessageType))
def test_only_what_opens_a_consultation_replies_to_nothing(kind: MessageType) -> None:
    record = sample_record(type=kind, in_reply_to=REPLY if kind.opens else "")
    body = parse_body(kind, LEAN[kind])
    refused(lambda: verify_content(record, body), ReasonCode.BAD_FIELD)


def test_replies_to_the_full_request_fit_it() -> None:
    asked = parse_body(MessageType.CONSULT_REQUEST, FULL[MessageType.CONSULT_REQUEST])
    question = parse_body(MessageType.CLARIFICATION_REQUEST, FULL[MessageType.CLARIFICATION_REQUEST])
    assert isinstance(asked, ConsultRequest)
    assert isinstance(question, ClarificationRequest)
    for kind in MessageType:
        verify_reply(parse_body(kind, FULL[kind]), asked, question)


@pytest.mark.parametrize(
    ("kind", "body"),
    [
        (MessageType.ANSWER, {"final": True, "items": [{"item": "h9", "result": "NOT_HELD"}]}),
        (
            MessageType.REFUSAL,
            {"total": False, "grounds": [{"items": ["h9"], "reason": "R01", "explanation": "x"}]},
        ),
        (MessageType.CLARIFICATION_REQUEST, {"questions": [{"id": "q1", "item": "h9", "text": "x"}]}),
    ],
)
def test_an_item_that_was_not_asked_is_not_answered(kind: MessageType, body: dict[str, Any]) -> None:
    asked = request(help_item("COMPANY"))
    refused(lambda: verify_reply(parse_body(kind, body), asked), ReasonCode.BAD_FIELD)


def test_a_question_that_was_not_asked_is_not_clarified() -> None:
    asked = request(help_item("COMPANY"))
    body = parse_body(MessageType.CLARIFICATION, {"answers": [{"question": "q9", "text": "x"}]})
    question = parse_body(MessageType.CLARIFICATION_REQUEST, {"questions": [{"id": "q1", "text": "x"}]})
    assert isinstance(question, ClarificationRequest)
    refused(lambda: verify_reply(body, asked, question), ReasonCode.BAD_FIELD)
    refused(lambda: verify_reply(body, asked), ReasonCode.BAD_FIELD)


NO_OFFENCE_WHOLE: dict[str, Any] = {"total": True, "grounds": [{"reason": "R10", "explanation": "x"}]}
NO_OFFENCE_ITEM: dict[str, Any] = {
    "total": False,
    "grounds": [{"items": ["h1"], "reason": "R10", "explanation": "x"}],
}
NO_OFFENCE_ANSWER: dict[str, Any] = {
    "final": True,
    "items": [{"item": "h1", "result": "REFUSED", "reason": "R10", "text": "x"}],
}


@pytest.mark.parametrize(
    ("items", "whole", "one"),
    [
        ([help_item("COMPANY")], False, False),
        ([help_item("BANK_DETAIL")], True, True),
        ([help_item("BENEF_OWNER")], True, True),
        ([help_item("TRANSFER_PROC")], True, True),
        ([help_item("COMPANY", coercive=True)], True, True),
        ([help_item("BANK_DETAIL"), help_item("COMPANY", id="h2")], False, True),
        ([help_item("COMPANY"), help_item("BANK_DETAIL", id="h2")], False, False),
    ],
)
def test_no_offence_here_is_a_reason_against_coercion_only(
    items: list[dict[str, Any]], whole: bool, one: bool
) -> None:
    asked = request(*items)
    tried: list[tuple[MessageType, dict[str, Any], bool]] = [
        (MessageType.REFUSAL, NO_OFFENCE_WHOLE, whole),
        (MessageType.REFUSAL, NO_OFFENCE_ITEM, one),
        (MessageType.ANSWER, NO_OFFENCE_ANSWER, one),
    ]
    for kind, body, holds in tried:
        reason = None if holds else ReasonCode.BAD_FIELD
        assert value_or_reason(partial(verify_reply, parse_body(kind, body), asked)) is reason
