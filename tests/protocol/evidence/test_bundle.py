# SPDX-License-Identifier: Apache-2.0
"""The file: one form, exact inverse, every defect named by its part."""

from collections.abc import Callable
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from protocol.errors import LocalProtocolError, MalformedError, ReasonCode
from protocol.evidence.bundle import EvidenceBundle, RecordEvidence, parse_evidence
from protocol.groups.testimony.hub_receipt import EquivocationProof, parse_equivocation
from protocol.octets import base64_text
from tests.support.directory import sample_network
from tests.support.evidence import A, B, CaseFile, accused_bundle, consulted, sample_bundle
from tests.support.refusals import value_or_reason

STATEMENTS = len(sample_network((A, B)).statements)


def test_a_bundle_reads_back_as_it_was_written() -> None:
    data = sample_bundle()
    assert parse_evidence(data).to_bytes() == data
    assert [len(record.attachments) for record in parse_evidence(data).records] == [1, 0, 0, 0, 0, 2]


def test_records_and_receipts_are_put_in_their_order() -> None:
    bundle = consulted(CaseFile(sample_network((A, B)))).bundle()
    turned = replace(bundle, records=bundle.records[::-1], receipts=bundle.receipts[::-1])
    assert turned.to_bytes() == bundle.to_bytes()


def test_attachments_may_be_left_out() -> None:
    case = consulted(CaseFile(sample_network((A, B))))
    lean = tuple(RecordEvidence.of(signed, with_attachments=False) for signed in case.signed)
    data = case.bundle(records=lean).to_bytes()
    assert all(not record.attachments for record in parse_evidence(data).records)


def test_receipts_for_nothing_in_it_are_left_out() -> None:
    case = consulted(CaseFile(sample_network((A, B))))
    alone = case.bundle(records=(RecordEvidence.of(case.signed[0]),))
    assert len(parse_evidence(alone.to_bytes()).receipts) == 2


@given(st.binary(max_size=100))
def test_any_bytes_are_a_bundle_or_invalid_evidence(data: bytes) -> None:
    result = value_or_reason(lambda: parse_evidence(data))
    assert isinstance(result, EvidenceBundle) or result is ReasonCode.EVIDENCE_INVALID


Lines = list[bytes]


def no_change(lines: Lines) -> Lines:
    return lines


def in_line(number: int, old: bytes, new: bytes) -> Callable[[Lines], Lines]:
    def change(lines: Lines) -> Lines:
        assert old in lines[number]
        changed = list(lines)
        changed[number] = lines[number].replace(old, new, 1)
        return changed

    return change


@pytest.mark.parametrize(
    ("change", "part"),
    [
        (lambda lines: lines[:-1], "bundle"),
        (lambda lines: [*lines, b"{}"], "bundle"),
        (in_line(0, b"bundle/1", b"bundle/2"), "head"),
        (in_line(0, b"{", b"{ "), "head"),
        (in_line(0, b'"records":6', b'"records":-1'), "head"),
        (in_line(0, b'"records":6', b'"records":true'), "head"),
        (in_line(0, b'"consultation":"', b'"consultation":"x'), "head"),
        (in_line(0, b'"network":"', b'"network":"X'), "head"),
        (in_line(2, b"{", b"{ "), "statement 2"),
        (in_line(STATEMENTS + 1, b'{"attachments"', b'{"a":1,"attachments"'), "record 1"),
        (in_line(STATEMENTS + 1, b'"record":"', b'"record":"!'), "record 1"),
        (in_line(STATEMENTS + 2, b'"attachments":{}', b'"attachments":[]'), "record 2"),
        (in_line(STATEMENTS + 1, b'"a1":"', b'"a1":"='), "record 1"),
        (in_line(STATEMENTS + 1, b'"signature":"', b'"signature":"' + b"A" * 4000), "record 1"),
        (in_line(-1, b'{"receipt":"', b'{"receipt":["A"],"x":"'), "receipt 4"),
        (lambda lines: [*lines[:-1], b'{"receipt":7}'], "receipt 4"),
        (in_line(-1, b'{"receipt"', b'{"recepit"'), "receipt 4"),
        (in_line(-1, b'{"receipt":"', b'{"receipt":"A'), "receipt 4"),
        (lambda lines: [*lines[:-2], lines[-1], lines[-2]], "receipts"),
        (lambda lines: [*lines[:-1], lines[-2]], "receipts"),
        (in_line(0, b'"equivocations":0', b'"equivocations":101'), "head"),
        (in_line(0, b'"equivocations":0,', b""), "head"),
        (lambda lines: [*lines[:6], lines[7], lines[6], *lines[8:]], "records"),
    ],
)
def test_every_defect_names_its_part(change: Callable[[Lines], Lines], part: str) -> None:
    lines = sample_bundle()[:-1].split(b"\n")
    with pytest.raises(MalformedError) as caught:
        parse_evidence(b"\n".join(change(lines)) + b"\n")
    assert str(caught.value).startswith(f"{part}: ")
    assert caught.value.code is ReasonCode.EVIDENCE_INVALID


def test_a_bundle_with_a_proof_against_a_hub_reads_back_as_it_was_written() -> None:
    data = accused_bundle()
    assert parse_evidence(data).to_bytes() == data
    assert len(parse_evidence(data).equivocations) == 1


def test_a_proof_against_a_hub_has_one_form_and_its_place() -> None:
    data = accused_bundle()
    *before, line = data[:-1].split(b"\n")
    proof = parse_equivocation(parse_evidence(data).equivocations[0])
    turned = EquivocationProof(proof.second, proof.first).to_bytes()
    broken = (
        line.replace(b'"equivocation"', b'"receipt"'),
        line[:-1] + b',"x":1}',
        b'{"equivocation":"' + base64_text(turned).encode() + b'"}',
        b'{"equivocation":"' + base64_text(proof.first).encode() + b'"}',
    )
    for one in broken:
        with pytest.raises(MalformedError, match=r"^equivocation 1: "):
            parse_evidence(b"\n".join((*before, one)) + b"\n")
    twice = b"\n".join((*before, line, line)).replace(b'"equivocations":1', b'"equivocations":2', 1)
    with pytest.raises(MalformedError, match=r"^equivocations: "):
        parse_evidence(twice + b"\n")


def test_a_file_over_its_size_is_not_read(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("protocol.evidence.bundle.MAX_EVIDENCE_BYTES", 1000)
    with pytest.raises(MalformedError, match="bundle: too large"):
        parse_evidence(sample_bundle())


def test_a_file_that_is_cut_off_is_no_bundle() -> None:
    with pytest.raises(MalformedError, match="cut off"):
        parse_evidence(sample_bundle()[:-1])


def test_what_is_no_record_or_no_receipt_is_not_written() -> None:
    bundle = consulted(CaseFile(sample_network((A, B)))).bundle()
    for changes in (
        {"records": (RecordEvidence(b"{}", b"", {}),)},
        {"receipts": (b"x",)},
        {"statements": (b"[]",)},
        {"records": bundle.records + bundle.records[:1]},
    ):
        with pytest.raises(LocalProtocolError):
            replace(bundle, **changes).to_bytes()


def test_no_content_shows_in_a_repr() -> None:
    assert "question" not in repr(parse_evidence(sample_bundle()))
