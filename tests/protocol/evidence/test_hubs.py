# SPDX-License-Identifier: Apache-2.0
"""A hub that gave one place twice is convicted off line; what does not prove that convicts nobody."""

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from protocol.directory.statements import CompromisedKey, RetireKey
from protocol.evidence.report import Finding, Report
from protocol.evidence.verify import verify_evidence
from protocol.groups.testimony.hub_receipt import parse_equivocation, parse_hub_receipt
from protocol.identifiers import AuthorityId, ConsultationId, NodeName
from protocol.receipts import Issuer
from protocol.record import record_hash
from tests.support.clock import START
from tests.support.directory import SampleNetwork, sample_network, updated
from tests.support.evidence import (
    A,
    B,
    CaseFile,
    accused_bundle,
    consulted,
    hand,
    hub_receipt_of,
    paired,
)

C = AuthorityId("xc-aco")
ANOTHER = record_hash(b"another commit")
DAY = timedelta(days=1)
Make = Callable[[ConsultationId], bytes]


def judged(other: Make, one: Make = hub_receipt_of, network: SampleNetwork | None = None) -> Report:
    """Read a sound bundle with two hub receipts in the form of a proof."""
    case = consulted(CaseFile(network or sample_network((A, B, C))))
    proof = paired(one(case.consultation), other(case.consultation))
    return verify_evidence(case.bundle(equivocations=(proof,)).to_bytes(), case.network.fingerprint)


def after(*operations: Any) -> SampleNetwork:
    """The network after one more statement of the hub."""
    base = sample_network((A, B, C))
    statement = updated(base.state, A, *operations)
    return replace(base, statements=(*base.statements, statement), state=base.state.apply(statement))


def other_commit(consultation: ConsultationId) -> bytes:
    return hub_receipt_of(consultation, commit=ANOTHER)


def test_a_hub_that_gave_one_place_twice_is_named_with_both_commits() -> None:
    report = verify_evidence(accused_bundle(), sample_network((A, B)).fingerprint)
    assert report.ok
    (found,) = report.equivocations
    assert (found.part, found.hub, found.epoch) == ("equivocation 1", NodeName(A, hand(A).node), 3)
    assert {commit for commit, _, _ in found.given} == {record_hash(b"a commit"), ANOTHER}
    names = [check.name for check in report.checks if check.part == found.part]
    assert names == ["equivocation 1: signature", "equivocation 1: place"]


def test_two_outcomes_of_one_commit_convict_as_well() -> None:
    report = judged(lambda case: hub_receipt_of(case, authenticator=ANOTHER))
    assert report.ok
    assert len(report.equivocations) == 1


def test_a_retired_key_keeps_what_it_signed() -> None:
    network = after(RetireKey(key=hand(A).signing.key_id))
    assert len(judged(other_commit, network=network).equivocations) == 1


@pytest.mark.parametrize(
    ("other", "name"),
    [
        pytest.param(lambda case: hub_receipt_of(case, created=START), "place", id="the same commit twice"),
        pytest.param(
            lambda case: hub_receipt_of(case, commit=ANOTHER, group_id=bytes(32)), "place", id="another group"
        ),
        pytest.param(lambda case: hub_receipt_of(case, commit=ANOTHER, epoch=4), "place", id="another epoch"),
        pytest.param(
            lambda case: hub_receipt_of(
                case, by=hand(B), commit=ANOTHER, issuer=Issuer(B, hand(B).node, hand(B).signing.key_id)
            ),
            "place",
            id="another hub",
        ),
        pytest.param(
            lambda _case: other_commit(ConsultationId("019f1d03-8dc1-7000-8000-000000000001")),
            "place",
            id="another consultation",
        ),
        pytest.param(
            lambda case: hub_receipt_of(case, label_key=hand(B).signing, commit=ANOTHER),
            "signature",
            id="signed by somebody else",
        ),
        pytest.param(
            lambda case: hub_receipt_of(case, by=hand(B), commit=ANOTHER),
            "signature",
            id="with a key of another authority",
        ),
        pytest.param(
            lambda case: hub_receipt_of(case, by=hand(A, called="second"), commit=ANOTHER),
            "signature",
            id="with the key of another node",
        ),
        pytest.param(
            lambda case: hub_receipt_of(case, commit=ANOTHER, created=START - DAY),
            "signature",
            id="before its key",
        ),
        pytest.param(
            lambda case: hub_receipt_of(case, commit=ANOTHER, created=START + 9999 * DAY),
            "signature",
            id="after its key",
        ),
    ],
)
def test_what_does_not_prove_it_fails_and_convicts_nobody(other: Make, name: str) -> None:
    report = judged(other)
    assert (report.failed[0].name, report.failed[0].finding) == (f"equivocation 1: {name}", Finding.FAILS)
    assert {check.part for check in report.failed} == {"equivocation 1"}
    assert report.equivocations == ()


def test_a_proof_about_another_consultation_is_not_about_this_one() -> None:
    elsewhere = ConsultationId("019f1d03-8dc1-7000-8000-000000000001")
    report = judged(lambda _case: other_commit(elsewhere), one=lambda _case: hub_receipt_of(elsewhere))
    assert [check.name for check in report.failed] == ["equivocation 1: place"]


def test_who_takes_no_part_can_accuse_only_itself_and_not_here() -> None:
    """Two receipts of a node that never was the hub: it could sign whatever it likes."""
    stranger = hand(C)
    issuer = Issuer(C, stranger.node, stranger.signing.key_id)
    report = judged(
        lambda case: hub_receipt_of(case, by=stranger, issuer=issuer, commit=ANOTHER),
        one=lambda case: hub_receipt_of(case, by=stranger, issuer=issuer),
    )
    assert [check.name for check in report.failed] == ["equivocation 1: place"]


def test_a_key_that_somebody_else_may_have_had_convicts_nobody() -> None:
    compromise = CompromisedKey(key=hand(A).signing.key_id, since=START + DAY)
    report = judged(other_commit, network=after(compromise))
    found = [check for check in report.failed if check.part == "equivocation 1"]
    assert [(check.name, check.finding) for check in found] == [
        ("equivocation 1: signature", Finding.DISPUTED)
    ]
    assert report.equivocations == ()


def test_each_place_has_one_proof_and_all_are_judged() -> None:
    case = consulted(CaseFile(sample_network((A, B))))

    def proof(epoch: int, **changes: Any) -> bytes:
        one = hub_receipt_of(case.consultation, epoch=epoch)
        return paired(one, hub_receipt_of(case.consultation, epoch=epoch, commit=ANOTHER, **changes))

    bundle = case.bundle(equivocations=(proof(5), proof(3), proof(4, created=START - DAY)))
    report = verify_evidence(bundle.to_bytes(), case.network.fingerprint)
    assert [found.epoch for found in report.equivocations] == [3, 5]
    assert [check.part for check in report.failed] == ["equivocation 2"]
    first = parse_equivocation(bundle.equivocations[1]).first
    assert parse_hub_receipt(first).epoch == 3
