# SPDX-License-Identifier: Apache-2.0
"""Reading evidence: a sound bundle holds, every defect is found and named, keys are judged in time."""

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from globe_node.directory.publish import key_addition
from protocol.codes.message_types import MessageType
from protocol.directory.statements import CompromisedKey, RetireKey
from protocol.errors import ReasonCode, UntrustedError
from protocol.evidence.bundle import EvidenceBundle, RecordEvidence
from protocol.evidence.report import Finding, Report
from protocol.evidence.verify import verify_evidence
from protocol.identifiers import AuthorityId, ConsultationId, Digest, KeyId
from protocol.receipts import DeliveryState, ReceiptStatus
from tests.support.bodies import LEAN, lean_request
from tests.support.clock import START
from tests.support.directory import (
    SampleNetwork,
    certified_node_keys,
    sample_network,
    updated,
)
from tests.support.evidence import A, B, CaseFile, consulted, hand, sample_bundle

C = AuthorityId("xc-aco")
MINUTE = timedelta(minutes=1)


def network(*authorities: AuthorityId) -> SampleNetwork:
    return sample_network(authorities or (A, B))


def report_of(bundle: EvidenceBundle, root: Digest | None = None) -> Report:
    return verify_evidence(bundle.to_bytes(), root or network().fingerprint)


def failed(report: Report) -> list[tuple[str, Finding]]:
    return [(check.name, check.finding) for check in report.failed]


def after(base: SampleNetwork, authority: AuthorityId, *operations: Any) -> SampleNetwork:
    """The network after one more statement of an authority."""
    statement = updated(base.state, authority, *operations)
    return replace(base, statements=(*base.statements, statement), state=base.state.apply(statement))


def test_a_whole_consultation_holds() -> None:
    report = verify_evidence(sample_bundle(), network().fingerprint)
    assert failed(report) == []
    assert report.ok
    report.require_ok()
    assert [(found.author, found.author_seq, found.type.value) for found in report.records] == [
        (A, 1, "CONSULT_REQUEST"),
        (A, 2, "CLARIFICATION"),
        (A, 3, "CLOSE"),
        (B, 1, "ACK"),
        (B, 2, "CLARIFICATION_REQUEST"),
        (B, 3, "ANSWER"),
    ]
    request = report.records[0].deliveries[0]
    assert (request.recipient, request.state, request.at) == (B, DeliveryState.READ, START + 12 * MINUTE)
    assert {check.part for check in report.checks} >= {
        "statements",
        "record 6",
        "chain xa-acc 00000000",
        "receipt 4",
    }


def test_it_holds_without_attachments_and_says_how_many_were_left_out() -> None:
    case = consulted(CaseFile(network()))
    lean = tuple(RecordEvidence.of(signed, with_attachments=False) for signed in case.signed)
    report = report_of(case.bundle(records=lean))
    assert report.ok
    assert [check.detail for check in report.checks if check.name == "record 6: attachments"] == [
        "0 given, 2 left out"
    ]


def test_the_fingerprint_is_the_readers_own() -> None:
    report = verify_evidence(sample_bundle(), Digest("0" * 64))
    assert failed(report) == [("head: network", Finding.FAILS)]
    renamed = consulted(CaseFile(network())).bundle(network=Digest("0" * 64))
    assert failed(report_of(renamed)) == [("head: network", Finding.FAILS)]
    assert failed(report_of(renamed, Digest("0" * 64))) == [("statement 1: directory", Finding.FAILS)]


def test_bytes_that_are_no_bundle() -> None:
    report = verify_evidence(b"", Digest("0" * 64))
    assert failed(report) == [("bundle: form", Finding.FAILS)]
    with pytest.raises(UntrustedError) as caught:
        report.require_ok()
    assert caught.value.code is ReasonCode.EVIDENCE_INVALID
    assert "bundle" in str(caught.value)


def longer_signature(statement: bytes) -> bytes:
    return statement.replace(b'"sig":"', b'"sig":"AAAA', 1)


@pytest.mark.parametrize(
    ("statements", "name"),
    [
        (lambda rows: (), "statements: directory"),
        (lambda rows: rows[1:], "statement 1: directory"),
        (lambda rows: (rows[0], *rows[2:]), "statement 2: directory"),
        (lambda rows: (*rows, rows[1]), "statement 6: directory"),
        (
            lambda rows: (*rows[:2], rows[2].replace(b'"sig":"', b'"sig":"AAAA', 1), *rows[3:]),
            "statement 3: directory",
        ),
    ],
)
def test_a_directory_that_does_not_hold_is_named(
    statements: Callable[[tuple[bytes, ...]], tuple[bytes, ...]], name: str
) -> None:
    rows = statements(network().statements)
    report = report_of(consulted(CaseFile(network())).bundle(statements=rows))
    assert failed(report) == [(name, Finding.FAILS)]


def opened(**changes: Any) -> CaseFile:
    """A consultation of one record that differs in something before it was signed."""
    case = CaseFile(network())
    case.say(A, MessageType.CONSULT_REQUEST, lean_request(), **changes)
    return case


def test_one_record_without_receipt_holds() -> None:
    report = report_of(opened().bundle())
    assert report.ok
    assert report.records[0].deliveries[0].state is DeliveryState.QUEUED


OTHER_ID = ConsultationId("01900000-0000-7000-8000-000000000000")


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"consultation": OTHER_ID}, ("record 1: consultation", Finding.FAILS)),
        ({"seen": {B: Digest("0" * 64)}}, ("record 1: seen", Finding.INCOMPLETE)),
        ({"in_reply_to": OTHER_ID}, ("record 1: reply", Finding.INCOMPLETE)),
        ({"author_seq": 2, "prev": "0" * 64}, ("chain xa-acc 00000000: order", Finding.INCOMPLETE)),
        ({"by": hand(B)}, ("record 1: signature", Finding.FAILS)),
        (
            {"by": hand(A, called="other")},
            ("record 1: signature", Finding.FAILS),
        ),
        ({"by": hand(A, "unknown")}, ("record 1: signature", Finding.FAILS)),
        ({"created": START - timedelta(days=2)}, ("record 1: key", Finding.FAILS)),
        ({"created": START + timedelta(days=366)}, ("record 1: key", Finding.FAILS)),
    ],
)
def test_a_record_that_does_not_hold_is_named(changes: dict[str, Any], expected: tuple[str, Finding]) -> None:
    assert failed(report_of(opened(**changes).bundle())) == [expected]


def test_an_author_that_is_not_in_the_directory_is_named() -> None:
    case = CaseFile(network())
    case.say(A, MessageType.CONSULT_REQUEST, lean_request(), recipients=(B, C))
    case.say(C, MessageType.ACK, LEAN[MessageType.ACK], recipients=(A, B))
    assert failed(report_of(case.bundle())) == [("record 2: signature", Finding.FAILS)]


def test_a_signature_for_another_record_or_purpose_is_named() -> None:
    case = consulted(CaseFile(network()))
    first, second, *others = (RecordEvidence.of(signed) for signed in case.signed)
    swapped = (replace(first, signature=second.signature), second, *others)
    assert failed(report_of(case.bundle(records=swapped))) == [("record 1: signature", Finding.FAILS)]


@pytest.mark.parametrize("left_out", range(6))
def test_a_record_that_is_left_out_is_missed(left_out: int) -> None:
    case = consulted(CaseFile(network()))
    rest = tuple(RecordEvidence.of(signed) for number, signed in enumerate(case.signed) if number != left_out)
    report = report_of(case.bundle(records=rest))
    if left_out == 5:
        assert [name for name, _ in failed(report)] == []  # nobody refers to the last; nobody can tell
    else:
        assert not report.ok
        assert {finding for _, finding in failed(report)} <= {Finding.INCOMPLETE, Finding.FAILS}


def test_a_bundle_without_records_proves_nothing() -> None:
    assert failed(report_of(CaseFile(network()).bundle())) == [("records: completeness", Finding.INCOMPLETE)]


def test_records_that_follow_another_record_are_named() -> None:
    case = opened()
    case.say(A, MessageType.CLOSE, {}, prev="1" * 64)
    assert failed(report_of(case.bundle())) == [("chain xa-acc 00000000: order", Finding.FAILS)]


def test_two_records_with_one_id_are_named() -> None:
    case = opened()
    case.say(A, MessageType.CLOSE, {}, record_id=case.signed[0].content.record_id, in_reply_to="")
    assert failed(report_of(case.bundle())) == [("record 2: id", Finding.FAILS)]


def test_what_was_seen_is_of_the_authority_it_is_said_to_be_of() -> None:
    case = consulted(CaseFile(network(A, B, C)))
    digest = case.signed[0].content.seen
    assert not digest
    own = case.signed[1].content.seen[A]
    case.say(A, MessageType.CLOSE, {}, seen={C: own})
    report = verify_evidence(case.bundle().to_bytes(), network(A, B, C).fingerprint)
    assert failed(report) == [("record 4: seen", Finding.FAILS)]


def test_a_new_incarnation_begins_a_chain_of_its_own() -> None:
    case = opened()
    case.say(A, MessageType.CLOSE, {}, incarnation="1" * 16)
    report = report_of(case.bundle())
    assert report.ok
    assert [check.part for check in report.checks if check.part.startswith("chain")] == [
        "chain xa-acc 00000000",
        "chain xa-acc 11111111",
    ]


@pytest.mark.parametrize(
    ("attachments", "expected"),
    [
        ({"a1": b"other"}, [("record 1: attachments", Finding.FAILS)]),
        ({"a2": b"x"}, [("record 1: attachments", Finding.FAILS)]),
    ],
)
def test_attachments_other_than_the_listed_are_named(
    attachments: dict[str, bytes], expected: list[tuple[str, Finding]]
) -> None:
    case = consulted(CaseFile(network()))
    first, *others = (RecordEvidence.of(signed) for signed in case.signed)
    changed = (replace(first, attachments=attachments), *others)
    assert failed(report_of(case.bundle(records=changed))) == expected


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"to": C}, "receipt 1: scope"),
        ({"by": hand(A)}, "receipt 1: signature"),
        ({"by": hand(B, called="other")}, "receipt 1: signature"),
        ({"at": START - timedelta(days=2)}, "receipt 1: signature"),
        ({"status": ReceiptStatus.UNDELIVERABLE}, "receipt 1: scope"),
    ],
)
def test_a_receipt_that_does_not_hold_is_named(changes: dict[str, Any], expected: str) -> None:
    case = opened()
    case.receipt(B, case.signed[0], **{"at": START + MINUTE, **changes})
    report = report_of(case.bundle())
    assert failed(report) == [(expected, Finding.FAILS)]
    assert report.records[0].deliveries[0].state is DeliveryState.QUEUED


def test_a_receipt_for_nothing_in_the_bundle_is_named() -> None:
    head, *lines = sample_bundle()[:-1].split(b"\n")
    count = len(network().statements)
    head = head.replace(b'"records":6', b'"records":1')
    data = b"\n".join((head, *lines[: count + 1], *lines[count + 6 :])) + b"\n"
    report = verify_evidence(data, network().fingerprint)
    assert {(check.subject, check.finding) for check in report.failed} == {("scope", Finding.FAILS)}
    assert len(report.failed) == 2


def test_a_receipt_that_says_the_same_again_changes_nothing() -> None:
    case = opened()
    for minutes in (1, 2):
        case.receipt(B, case.signed[0], at=START + minutes * MINUTE)
    report = report_of(case.bundle())
    assert report.ok
    assert report.records[0].deliveries[0].at == START + MINUTE


def test_an_author_does_not_receipt_itself() -> None:
    case = opened(recipients=(B, C))
    case.receipt(A, case.signed[0], at=START + MINUTE, to=B)
    assert failed(report_of(case.bundle())) == [("receipt 1: scope", Finding.FAILS)]


def test_receipts_that_contradict_each_other_are_named() -> None:
    case = opened()
    case.receipt(B, case.signed[0], at=START + MINUTE)
    case.receipt(B, case.signed[0], at=START + 2 * MINUTE, status=ReceiptStatus.REJECTED)
    (check,) = report_of(case.bundle()).failed
    assert (check.subject, check.finding) == ("consistency", Finding.FAILS)


def test_the_senders_own_word_stands_behind_the_recipients() -> None:
    case = opened()
    case.receipt(A, case.signed[0], at=START + MINUTE, status=ReceiptStatus.UNDELIVERABLE, to=B)
    (told,) = report_of(case.bundle()).records[0].deliveries
    assert (told.state, told.reason) == (DeliveryState.UNDELIVERABLE, ReasonCode.EXPIRED)
    case.receipt(B, case.signed[0], at=START + 2 * MINUTE)
    report = report_of(case.bundle())
    assert report.ok
    assert report.records[0].deliveries[0].state is DeliveryState.RECEIVED


# --- keys that were retired or compromised ------------------------------------------------------------------


def key_of(authority: AuthorityId) -> KeyId:
    return certified_node_keys(authority).signing.key_id


def test_a_retired_key_keeps_what_it_signed() -> None:
    case = consulted(CaseFile(network()))
    later = after(network(), A, RetireKey(key=key_of(A)))
    report = report_of(case.bundle(statements=later.statements))
    assert report.ok
    assert "retired key" in next(check.detail for check in report.checks if check.name == "record 1: key")


def test_a_chain_goes_on_under_a_new_key() -> None:
    spare = certified_node_keys(A, "spare")
    grown = after(network(), A, key_addition(network().fingerprint, spare), RetireKey(key=key_of(A)))
    case = CaseFile(grown)
    case.say(A, MessageType.CONSULT_REQUEST, lean_request())
    case.say(A, MessageType.WITHDRAWAL, {}, by=hand(A, "spare"))
    assert report_of(case.bundle()).ok


def compromised(minutes: int, authority: AuthorityId = A) -> tuple[bytes, ...]:
    operation = CompromisedKey(key=key_of(authority), since=START + minutes * MINUTE)
    return after(network(), authority, operation).statements


def test_a_record_receipted_before_the_compromise_holds() -> None:
    case = consulted(CaseFile(network()))
    report = report_of(case.bundle(statements=compromised(20)))
    assert [check.subject for check in report.failed] == ["signature"]
    assert report.failed[0].part.startswith("receipt"), "only its own receipts prove nothing any more"
    assert [check.ok for check in report.checks if check.subject == "key"] == [True] * 6


def test_records_receipted_after_the_compromise_or_never_are_disputed() -> None:
    case = CaseFile(network())
    first = case.say(A, MessageType.CONSULT_REQUEST, lean_request())
    second = case.say(A, MessageType.WITHDRAWAL, {})
    case.say(A, MessageType.CLOSE, {})
    case.receipt(B, first, at=START + 10 * MINUTE)
    case.receipt(B, second, at=START + 20 * MINUTE)
    report = report_of(case.bundle(statements=compromised(20)))
    assert failed(report) == [("record 2: key", Finding.DISPUTED), ("record 3: key", Finding.DISPUTED)]
    with pytest.raises(UntrustedError, match=r"record 2: key: disputed"):
        report.require_ok()


def test_a_receipt_for_a_later_record_covers_those_before_it() -> None:
    case = CaseFile(network())
    case.say(A, MessageType.CONSULT_REQUEST, lean_request())
    second = case.say(A, MessageType.WITHDRAWAL, {})
    third = case.say(A, MessageType.CLOSE, {})
    case.receipt(B, second, at=START + 10 * MINUTE)
    case.receipt(B, third, at=START + 30 * MINUTE)
    report = report_of(case.bundle(statements=compromised(20)))
    assert failed(report) == [("record 3: key", Finding.DISPUTED)]


def test_across_a_gap_a_later_receipt_proves_nothing() -> None:
    case = CaseFile(network())
    for kind, body in ((MessageType.CONSULT_REQUEST, lean_request()), (MessageType.WITHDRAWAL, {})):
        case.say(A, kind, body)
    third = case.say(A, MessageType.CLOSE, {}, in_reply_to=case.signed[0].content.record_id)
    case.receipt(B, third, at=START + 10 * MINUTE)
    gapped = tuple(RecordEvidence.of(signed) for signed in (case.signed[0], third))
    report = report_of(case.bundle(statements=compromised(20), records=gapped))
    assert failed(report) == [
        ("record 1: key", Finding.DISPUTED),
        ("chain xa-acc 00000000: order", Finding.INCOMPLETE),
    ]


def test_a_rejection_also_shows_that_the_record_was_there() -> None:
    case = opened()
    case.receipt(B, case.signed[0], at=START + 10 * MINUTE, status=ReceiptStatus.REJECTED)
    assert report_of(case.bundle(statements=compromised(20))).ok


def test_the_authors_own_word_proves_nothing() -> None:
    case = opened()
    case.receipt(A, case.signed[0], at=START + MINUTE, status=ReceiptStatus.UNDELIVERABLE, to=B)
    report = report_of(case.bundle(statements=compromised(20)))
    assert ("record 1: key", Finding.DISPUTED) in failed(report)


def test_a_receipt_by_a_compromised_key_proves_nothing() -> None:
    case = opened()
    case.receipt(B, case.signed[0], at=START + MINUTE)
    base = after(network(), B, CompromisedKey(key=key_of(B), since=START + 50 * MINUTE))
    both = after(base, A, CompromisedKey(key=key_of(A), since=START + 20 * MINUTE))
    assert failed(report_of(case.bundle(statements=base.statements))) == [
        ("receipt 1: signature", Finding.DISPUTED)
    ]
    assert failed(report_of(case.bundle(statements=both.statements))) == [
        ("record 1: key", Finding.DISPUTED),
        ("receipt 1: signature", Finding.DISPUTED),
    ]


def test_nobody_gets_rid_of_its_words_by_forking_its_chain() -> None:
    case = consulted(CaseFile(network()))
    one = updated(network().state, B, RetireKey(key=key_of(B)))
    other = updated(network().state, B, RetireKey(key=key_of(B)), issued=START + MINUTE)
    assert one != other
    report = report_of(case.bundle(statements=(*network().statements, one, other)))
    assert report.ok
    details = [check.detail for check in report.checks if check.part == "record 4"]
    assert any("disputed by now" in detail for detail in details)


def test_details_and_names_hold_no_content() -> None:
    body = {**lean_request(), "title": "SECRET matter"}
    case = CaseFile(network())
    case.say(A, MessageType.CONSULT_REQUEST, body, attachments=(b"SECRET",))
    case.say(B, MessageType.ACK, LEAN[MessageType.ACK], prev="0" * 64, author_seq=2)
    report = report_of(case.bundle())
    assert "SECRET" not in repr(report)
