# SPDX-License-Identifier: Apache-2.0
"""The rules of a request: banks, other help, urgency, references between its parts, subjects."""

from typing import Any

import pytest

from protocol.codes.help import HELP_KINDS, Coercion, HelpType
from protocol.codes.message_types import MessageType
from protocol.codes.subjects import SubjectCategory
from protocol.errors import ReasonCode
from protocol.messages.parse import parse_body
from protocol.messages.request import ConsultRequest, wants_dual_criminality_question
from tests.support.bodies import BANK, CAVEATS, asset, entity, help_item, lean_request, person
from tests.support.refusals import refused


def read(**changes: Any) -> ConsultRequest:
    body = parse_body(MessageType.CONSULT_REQUEST, lean_request(**changes))
    assert isinstance(body, ConsultRequest)
    return body


def not_taken(code: ReasonCode = ReasonCode.BAD_FIELD, **changes: Any) -> None:
    refused(lambda: parse_body(MessageType.CONSULT_REQUEST, lean_request(**changes)), code)


@pytest.mark.parametrize("kind", list(HelpType))
def test_every_kind_of_help_can_be_asked(kind: HelpType) -> None:
    item = read(help_items=[help_item(kind.value)]).item("h1")
    assert item is not None
    assert item.help_type is kind
    assert item.may_be_coercive is (HELP_KINDS[kind].coercion is not Coercion.NO)


@pytest.mark.parametrize("kind", ["BANK_EXIST", "BANK_DETAIL"])
@pytest.mark.parametrize("field", list(BANK))
def test_questions_about_banks_need_all_four_fields(kind: str, field: str) -> None:
    less = {name: value for name, value in BANK.items() if name != field}
    not_taken(help_items=[help_item(kind, bank=less)])
    if isinstance(BANK[field], str):
        not_taken(help_items=[help_item(kind, bank={**BANK, field: " "})])


@pytest.mark.parametrize("kind", ["BANK_EXIST", "BANK_DETAIL"])
def test_questions_about_banks_need_their_fields_at_all(kind: str) -> None:
    not_taken(help_items=[{"id": "h1", "help_type": kind, "question": "Which accounts?"}])


def test_that_no_bank_is_known_is_said_by_an_empty_list() -> None:
    read(help_items=[help_item("BANK_EXIST", bank={**BANK, "banks_or_accounts_specified": []})])


def test_other_questions_have_no_bank_fields() -> None:
    not_taken(help_items=[help_item("COMPANY", bank=BANK)])


def test_help_of_another_kind_says_why() -> None:
    not_taken(help_items=[{"id": "h1", "help_type": "OTHER", "question": "What?"}])
    not_taken(help_items=[help_item("COMPANY", other_reason="None fits.")])


def test_the_asking_side_may_take_help_as_coercive() -> None:
    item = read(help_items=[help_item("COMPANY", coercive=True)]).item("h1")
    assert item is not None
    assert item.may_be_coercive


@pytest.mark.parametrize("level", ["URGENT_DIRECT", "URGENT_INDIRECT"])
def test_what_is_urgent_needs_criterion_and_reason(level: str) -> None:
    read(urgency={"level": level, "criterion": "a", "reason": "A threat."})
    not_taken(urgency={"level": level})
    not_taken(urgency={"level": level, "criterion": "a"})
    not_taken(urgency={"level": level, "reason": "A threat."})
    not_taken(urgency={"level": level, "criterion": "e", "reason": "A threat."})


def test_what_is_not_urgent_has_no_criterion() -> None:
    read(urgency={"level": "NORMAL"})
    not_taken(urgency={"level": "NORMAL", "criterion": "a", "reason": "A threat."})
    not_taken(urgency={"level": "NORMAL", "event_on": "2026-07-03"})


@pytest.mark.parametrize(
    "changes",
    [
        {"help_items": []},
        {"help_items": [help_item("COMPANY")] * 2},
        {"help_items": [help_item("COMPANY", id=f"h{n}") for n in range(101)]},
        {"help_items": [help_item("COMPANY", subjects=["s1"])]},
        {"help_items": [help_item("COMPANY", assets=["as1"])]},
        {"help_items": [help_item("BANKRUPTCY")]},
        {"subjects": [person(), person()]},
        {"assets": [asset()]},
        {"assets": [asset(subjects=[]), asset(subjects=[])]},
        {"assets": [asset(subjects=["s1", "s1"])], "subjects": [person()]},
        {"undertakings": ["FEEDBACK", "FEEDBACK"]},
        {"undertakings": ["SECRECY"]},
        {"reply_by": "2026-07-02"},
        {"reply_by": "2026-07-02T12:00:00.000+02:00"},
        {"offences": [{"uncac": "30"}]},
        {"offences": [{"uncac": "17", "since": "2019-13"}]},
        {"offences": [{"uncac": "17", "limitation_on": "2026-02-30"}]},
        {"purpose": {"text": "To know.", "use": "CURIOSITY"}},
        {"facts": {"text": "x" * 20_001, "language": "en"}},
        {"title": "two\nlines"},
        {"case": {"reference": "X", "stage": "APPEAL"}},
        {"case": {"reference": "X", "stage": "TRIAL", "related": ["not-an-id"]}},
    ],
)
def test_values_outside_their_rule(changes: dict[str, Any]) -> None:
    not_taken(**changes)


@pytest.mark.parametrize("category", list(SubjectCategory))
def test_every_category_is_taken_also_an_unclear_one(category: SubjectCategory) -> None:
    make = entity if category is SubjectCategory.LEGAL_ENTITY else person
    subject = read(subjects=[make(category=category.value)]).subjects[0]
    assert subject.category is category


@pytest.mark.parametrize(
    "subject",
    [
        {name: value for name, value in person().items() if name != "category"},
        person(category="RELATIVE"),
        person(category="LEGAL_ENTITY"),
        person(names=[]),
        person(names=[{"name": "X", "script": "cyrl"}]),
        person(seat="Port Sample"),
        person(directors=["X"]),
        person(lei="529900SAMPLE00000017"),
        person(nationalities=["xa"]),
        person(birth_date="03.1971"),
        person(documents=[{"type": "passport", "number": "X\u202e1"}]),
        entity(birth_date="1971"),
        entity(pep=False),
        entity(nationalities=["XA"]),
        entity(lei="x"),
        entity(lei="529900SAMPLE00000017\n"),
    ],
)
def test_subjects_outside_their_rule(subject: dict[str, Any]) -> None:
    not_taken(subjects=[subject])


@pytest.mark.parametrize(
    "change",
    [
        {"kind": "SHIP"},
        {"country": "Sample"},
        {"value": {"amount": "1.5e3", "currency": "USD"}},
        {"value": {"amount": "01", "currency": "USD"}},
        {"value": {"amount": "-1", "currency": "USD"}},
        {"value": {"amount": "1.234", "currency": "USD"}},
        {"value": {"amount": "1", "currency": "usd"}},
        {"value": {"amount": 1, "currency": "USD"}},
        {"measure": {"kind": "TOTAL"}},
    ],
)
def test_assets_outside_their_rule(change: dict[str, Any]) -> None:
    not_taken(assets=[asset(subjects=[], **change)])


def test_high_confidentiality_has_a_reason() -> None:
    read(caveats=CAVEATS)
    not_taken(caveats={"confidentiality": "HIGH"})
    not_taken(caveats={"confidentiality": "TOP"})


def test_when_a_question_on_dual_criminality_belongs_to_it() -> None:
    assert wants_dual_criminality_question(read(offences=[{"uncac": "20"}]))
    assert not wants_dual_criminality_question(read(offences=[{"uncac": "17"}]))
    assert not wants_dual_criminality_question(read())
    asked = read(offences=[{"uncac": "20"}], help_items=[help_item("DUAL_CRIM")])
    assert not wants_dual_criminality_question(asked)


def test_an_item_that_is_not_there() -> None:
    assert read().item("h2") is None
