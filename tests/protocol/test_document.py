# SPDX-License-Identifier: Apache-2.0
"""PROTOCOL.md says what the software does: members, codes, the state table, reasons, and its example."""

import re
from enum import StrEnum
from pathlib import Path

import pytest
from pydantic import BaseModel

from protocol.codes import assets, case, subjects
from protocol.codes.help import HELP_KINDS
from protocol.codes.message_types import MessageType
from protocol.codes.offences import OFFENCE_KINDS
from protocol.codes.reasons import Reason
from protocol.consultations.table import CROSSINGS, MOVES, Move, State
from protocol.errors import ReasonCode
from protocol.messages import answer, parts, procedure, request
from protocol.messages.parse import MODELS
from protocol.record import parse_record, record_hash

DOCUMENT = (Path(__file__).parents[2] / "docs" / "PROTOCOL.md").read_text("utf-8")


def section(title: str) -> str:
    found = re.search(rf"^#+ {re.escape(title)}.*?(?=^#+ \d|\Z)", DOCUMENT, re.MULTILINE | re.DOTALL)
    assert found is not None, title
    return found.group()


def rows(text: str) -> dict[str, list[str]]:
    """The rows of all tables, by their first cell."""
    cells = [
        [cell.strip() for cell in line.strip("|").split(" | ")]
        for line in text.split("\n")
        if line[:1] == "|"
    ]
    return {row[0].strip("| `"): [cell.strip("| ") for cell in row[1:]] for row in cells}


PARTS: dict[str, type[BaseModel]] = {
    "practitioner": parts.Practitioner,
    "evaluation": parts.Evaluation,
    "caveats": parts.Caveats,
    "prose": parts.Prose,
    "name": parts.SubjectName,
    "document": parts.IdentityDocument,
    "subject": parts.Subject,
    "money": parts.Money,
    "measure": parts.Measure,
    "asset": parts.Asset,
    "asked": request.OtherAsked,
    "case": request.Case,
    "offence": request.OffenceSuspected,
    "bank": request.BankGrounds,
    "item": request.HelpItem,
    "purpose": request.Purpose,
    "urgency": request.UrgencyClaim,
    "datum": answer.Datum,
    "formal": answer.FormalAdvice,
    "answered": answer.AnsweredItem,
    "ground": answer.Ground,
    "question": procedure.Question,
    "explanation": procedure.Explanation,
}
BODIES: dict[str, type[BaseModel]] = {kind.value: model for kind, model in MODELS.items()}


@pytest.mark.parametrize("name", [*PARTS, *BODIES])
def test_every_member_of_a_body_is_written_down(name: str) -> None:
    (cell,) = rows(section("8.4"))[name]
    model = {**PARTS, **BODIES}[name]
    named = set(re.findall(r"`(\w+)`", cell))
    mandatory = set(re.findall(r"\*\*`(\w+)`\*\*", cell))
    common = set(parts.Message.model_fields) if name in BODIES else set()
    fields = {
        field
        for field in model.model_fields
        if field not in common or model.model_fields[field].is_required()
    }
    assert named == fields
    assert mandatory == {field for field in fields if model.model_fields[field].is_required()}


def test_all_types_and_only_they_have_a_body() -> None:
    assert set(BODIES) == set(MessageType)
    assert set(PARTS) | set(BODIES) <= set(rows(section("8.4")))


LISTS: dict[str, type[StrEnum]] = {
    "stage": case.CaseStage,
    "use": case.IntendedUse,
    "urgency": case.Urgency,
    "criterion": case.UrgencyCriterion,
    "undertaking": case.Undertaking,
    "confidentiality": case.Confidentiality,
    "classification": case.Classification,
    "evidence use": case.EvidenceUse,
    "source": case.SourceGrade,
    "information": case.InformationGrade,
    "origin": case.TextOrigin,
    "result": case.Result,
    "subject kind": subjects.SubjectKind,
    "category": subjects.SubjectCategory,
    "asset kind": assets.AssetKind,
    "measure": assets.MeasureKind,
}


def test_every_code_is_written_down() -> None:
    written = rows(section("8.5"))
    for name, codes in LISTS.items():
        assert re.findall(r"`([\w.]+)`", written[name][0]) == [code.value for code in codes], name
    for kind, facts in HELP_KINDS.items():
        assert written[kind.value][1:] == [
            facts.coercion.lower(),
            ", ".join(facts.anchors),
            ", ".join(facts.purposes),
        ]
    for offence, law in OFFENCE_KINDS.items():
        assert written[offence.value][1:] == [
            law.duty.lower().replace("_", " "),
            law.risk.lower().replace("_", " "),
        ]
    assert {reason.value for reason in Reason} <= set(written)


WORDS = {
    Move.REQUEST: "request",
    Move.ACKNOWLEDGE: "acknowledge",
    Move.ASK_BACK: "ask back",
    Move.CLARIFY: "clarify",
    Move.ANSWER_PART: "answer in part",
    Move.ANSWER_ALL: "answer",
    Move.REFUSE_PART: "refuse in part",
    Move.REFUSE_ALL: "refuse",
    Move.POSTPONE: "postpone",
    Move.WITHDRAW: "withdraw",
    Move.CLOSE: "close",
    Move.CHANGE_MEMBERS: "change members",
}


@pytest.mark.parametrize("state", list(State))
def test_the_course_of_a_consultation_is_written_down(state: State) -> None:
    for cell, table in zip(
        rows(section("8.6"))[state.value], (MOVES[state], CROSSINGS.get(state, {})), strict=True
    ):
        written = {
            (word.strip(), after.strip("`"))
            for group in cell.split("; ")
            if group != "-"
            for words, after in [group.split(" \u2192 ")]
            for word in words.split(",")
        }
        assert written == {(WORDS[move], after.value) for move, after in table.items()}


def test_every_reason_code_is_written_down_and_no_other() -> None:
    written = set(re.findall(r"^\| `([a-z_]+)` \|", section("12. Reason codes"), re.MULTILINE))
    assert written == {code.value for code in ReasonCode}


def test_the_example_of_a_record_is_one() -> None:
    found = re.search(r"```json\n(.*?)\n```\n\nIts hash is `(\w+)`", section("8.1"))
    assert found is not None
    data = found.group(1).encode()
    assert parse_record(data).to_bytes() == data
    assert record_hash(data) == found.group(2)
