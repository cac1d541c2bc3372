# SPDX-License-Identifier: Apache-2.0
"""Evidence of consultations whose members come and go: of each of them, and what does not fit."""

from datetime import timedelta
from typing import Any

import pytest

from protocol.codes.message_types import MessageType
from protocol.evidence.bundle import RecordEvidence
from protocol.evidence.report import Finding, Report
from protocol.evidence.verify import verify_evidence
from protocol.identifiers import AuthorityId, Digest
from protocol.record import SignedRecord, record_hash
from tests.support.bodies import LEAN, lean_request
from tests.support.clock import START
from tests.support.directory import SampleNetwork, sample_network
from tests.support.evidence import A, B, CaseFile

C = AuthorityId("xc-aco")
MINUTE = timedelta(minutes=1)
CHAIN_A, CHAIN_B, CHAIN_C = (f"chain {name} 00000000: order" for name in (A, B, C))


def network() -> SampleNetwork:
    return sample_network((A, B, C))


def report_of(case: CaseFile, *left_out: SignedRecord) -> Report:
    """The report on a bundle, perhaps without some records."""
    kept = tuple(RecordEvidence.of(signed) for signed in case.signed if signed not in left_out)
    return verify_evidence(case.bundle(records=kept).to_bytes(), network().fingerprint)


def found(report: Report, finding: Finding = Finding.FAILS) -> list[str]:
    return [check.name for check in report.checks if check.finding is finding]


def say(case: CaseFile, author: AuthorityId, kind: MessageType, to: str, **changes: Any) -> SignedRecord:
    """Say something to some authorities, by the letters of their names."""
    names = tuple({"a": A, "b": B, "c": C}[letter] for letter in to)
    body = lean_request() if kind is MessageType.CONSULT_REQUEST else LEAN[kind]
    return case.say(author, kind, changes.pop("body", body), recipients=names, **changes)


def change(case: CaseFile, to: str, **body: Any) -> SignedRecord:
    """Let A change the members."""
    body = {"roster": [A, B, C], "reason": "x", **body}
    if "added" in body:
        body["request"] = lean_request()
    return say(case, A, MessageType.MEMBERS, to, body=body, in_reply_to="")


def seen(**records: SignedRecord) -> dict[AuthorityId, Digest]:
    return {{"a": A, "b": B, "c": C}[name]: record_hash(one.record) for name, one in records.items()}


class Story:
    """A asks B, adds C, and removes B; B writes once more before it knows."""

    def __init__(self) -> None:
        self.case = case = CaseFile(network())
        self.request = say(case, A, MessageType.CONSULT_REQUEST, "b")
        self.ack = say(case, B, MessageType.ACK, "a")
        self.added = change(case, "bc", added=[C])
        self.question = say(case, B, MessageType.CLARIFICATION_REQUEST, "ac")
        self.explained = say(case, A, MessageType.CLARIFICATION, "bc")
        self.answer_c = say(case, C, MessageType.ANSWER, "ab", seen=seen(a=self.explained, b=self.question))
        self.removed = change(case, "bc", removed=[B], roster=[A, C])
        self.answer_b = say(case, B, MessageType.ANSWER, "ac", seen=seen(a=self.explained, c=self.answer_c))
        self.closed = say(case, A, MessageType.CLOSE, "c", seen=seen(b=self.answer_b, c=self.answer_c))
        case.receipt(C, self.added, self.closed, at=START + 30 * MINUTE, to=A)
        case.receipt(B, self.removed, at=START + 31 * MINUTE, to=A)
        case.receipt(C, self.question, at=START + 32 * MINUTE, to=B)


def test_of_the_requester_it_holds_without_a_note() -> None:
    report = report_of(Story().case)
    assert found(report, Finding.NOTED) == []
    assert report.ok
    details = {check.detail for check in report.checks if check.subject == "parties"}
    assert details == {
        "the requester, to all 2 members",
        "the requester, to all 3 members",
        "a member, to all others",
    }


def test_of_who_was_added_it_holds_and_what_was_before_is_noted() -> None:
    story = Story()
    report = report_of(story.case, story.request, story.ack)
    assert report.ok
    assert found(report, Finding.NOTED) == ["record 1: seen", CHAIN_A, CHAIN_B]


def test_of_who_was_removed_it_holds_without_what_came_after() -> None:
    story = Story()
    report = report_of(story.case, story.closed)
    assert report.ok
    without = report_of(story.case, story.closed, story.answer_b, story.answer_c)
    assert without.ok
    assert found(without, Finding.NOTED) == ["record 4: seen"]


def test_of_who_stayed_it_holds_without_what_the_removed_one_said_too_late() -> None:
    story = Story()
    report = report_of(story.case, story.answer_b)
    assert report.ok
    assert found(report, Finding.NOTED) == ["record 5: seen", "record 5: reply"]


@pytest.mark.parametrize("name", ["explained", "removed"])
def test_a_gap_in_the_middle_is_missed_in_every_bundle(name: str) -> None:
    story = Story()
    left_out = getattr(story, name)
    for others in ((), (story.request, story.ack)):
        report = report_of(story.case, left_out, *others)
        assert CHAIN_A in found(report, Finding.INCOMPLETE), others


def test_what_its_author_must_have_had_is_missed() -> None:
    story = Story()
    assert not report_of(story.case, story.answer_c).ok
    assert not report_of(story.case, story.added).ok
    assert not report_of(story.case, story.question).ok


def test_who_was_removed_and_comes_back_is_named() -> None:
    case = CaseFile(network())
    say(case, A, MessageType.CONSULT_REQUEST, "bc")
    change(case, "bc", removed=[C], roster=[A, B])
    change(case, "bc", added=[C])
    assert found(report_of(case)) == ["record 3: parties"]


def test_what_crossed_a_change_is_between_the_members_of_then() -> None:
    case = CaseFile(network())
    request = say(case, A, MessageType.CONSULT_REQUEST, "b")
    change(case, "bc", added=[C])
    say(case, B, MessageType.ACK, "a", seen=seen(a=request))
    assert found(report_of(case), Finding.NOTED) == []
    assert report_of(case).ok


def test_who_wrote_to_the_members_of_another_moment_is_noted() -> None:
    case = CaseFile(network())
    say(case, A, MessageType.CONSULT_REQUEST, "b")
    change(case, "bc", added=[C])
    say(case, B, MessageType.ACK, "a")
    assert found(report_of(case), Finding.NOTED) == ["record 3: parties"]


def test_who_was_never_a_member_or_leaves_somebody_out_is_named() -> None:
    case = CaseFile(network())
    say(case, A, MessageType.CONSULT_REQUEST, "b")
    say(case, C, MessageType.ACK, "ab")
    assert found(report_of(case)) == ["record 2: parties"]
    change(case, "bc", added=[C])
    say(case, B, MessageType.ACK, "c")
    assert found(report_of(case)) == ["record 3: parties"]


def test_a_requester_that_leaves_somebody_out_without_a_word_is_named() -> None:
    case = CaseFile(network())
    say(case, A, MessageType.CONSULT_REQUEST, "bc")
    say(case, A, MessageType.WITHDRAWAL, "b")
    assert found(report_of(case)) == ["record 2: parties"]


@pytest.mark.parametrize(
    ("to", "body"),
    [
        ("bc", {"added": [B], "roster": [A, B, C]}),
        ("b", {"removed": [C], "roster": [A, B]}),
        ("bc", {"removed": [C], "roster": [A, B, C]}),
        ("bc", {"roster": [A, B, C]}),
        ("bc", {"removed": ["xd-acc"], "roster": [A, B, C]}),
    ],
)
def test_a_change_that_does_not_fit_the_members_is_named(to: str, body: dict[str, Any]) -> None:
    case = CaseFile(network())
    say(case, A, MessageType.CONSULT_REQUEST, "bc")
    change(case, to, **body)
    assert found(report_of(case)) == ["record 2: parties"]


@pytest.mark.parametrize("kind", [MessageType.CONSULT_REQUEST, MessageType.MEMBERS])
def test_only_whose_consultation_it_is_opens_it_for_somebody(kind: MessageType) -> None:
    case = CaseFile(network())
    say(case, A, MessageType.CONSULT_REQUEST, "bc")
    body = (
        lean_request()
        if kind is MessageType.CONSULT_REQUEST
        else {"removed": [C], "roster": [A, B], "reason": "x"}
    )
    say(case, B, kind, "ac", body=body, in_reply_to="")
    assert found(report_of(case)) == ["record 2: parties"]


def test_without_a_record_of_the_requester_nobody_knows_who_takes_part() -> None:
    case = CaseFile(network())
    request = say(case, A, MessageType.CONSULT_REQUEST, "b")
    say(case, B, MessageType.ACK, "a")
    assert found(report_of(case, request), Finding.INCOMPLETE) == [
        "record 1: parties",
        "record 1: seen",
        "record 1: reply",
    ]
