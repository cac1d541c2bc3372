# SPDX-License-Identifier: Apache-2.0
"""Profile, legal frame and measures: closed fields, both ways, and what they can not say."""

import unicodedata
from functools import partial
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from protocol.codes.help import HelpType
from protocol.directory.fields import Fields, read_fields
from protocol.directory.profile.codes import Possibility, Power
from protocol.directory.profile.legal import LegalFrame, Measure
from protocol.directory.profile.organisation import Profile
from protocol.directory.statements import PutLegalFrame, PutMeasure, PutProfile, RemoveMeasure, Update
from protocol.errors import MalformedError, ReasonCode
from tests.support.clock import START
from tests.support.directory import (
    raw_statement,
    sample_legal,
    sample_measure,
    sample_network,
    sample_profile,
    sample_provenance,
    updated,
)
from tests.support.identities import authority_root
from tests.support.refusals import refused

PARTS: tuple[Fields, ...] = (sample_profile(), sample_legal(), sample_measure())
STATE = sample_network().state
A = STATE.authorities[0].authority


@pytest.mark.parametrize("part", PARTS, ids=lambda part: type(part).__name__)
def test_fields_and_object_are_inverse(part: Fields) -> None:
    assert read_fields(type(part), part.to_object()) == part


@pytest.mark.parametrize("part", PARTS, ids=lambda part: type(part).__name__)
def test_every_member_is_there_and_no_other(part: Fields) -> None:
    good = dict(part.to_object())
    refused(lambda: read_fields(type(part), {**good, "fax": "1"}), ReasonCode.UNKNOWN_FIELD)
    for name in good:
        less = {other: value for other, value in good.items() if other != name}
        refused(partial(read_fields, type(part), less), ReasonCode.BAD_FIELD)


PROFILE = dict(sample_profile().to_object())
LEGAL = dict(sample_legal().to_object())
MEASURE = dict(sample_measure().to_object())
OFFICE, SERVICE = PROFILE["office"], PROFILE["service"]
NO_LINKS = {"guide_url": "", "track_url": "", "law_links": []}
assert isinstance(OFFICE, dict)
assert isinstance(SERVICE, dict)


@pytest.mark.parametrize(
    ("model", "good", "name", "value"),
    [
        (Profile, PROFILE, "sub_jurisdiction", "KE"),
        (Profile, PROFILE, "sub_jurisdiction", "ke-01"),
        (Profile, PROFILE, "native_language", "x" * 36),
        (Profile, PROFILE, "transliterated", "a\u202eb"),
        (Profile, PROFILE, "functions", []),
        (Profile, PROFILE, "functions", ["MLA", "MLA"]),
        (Profile, PROFILE, "powers", ["ARREST"]),
        (Profile, PROFILE, "powers", ["INTERCEPT", "INTERCEPT"]),
        (Profile, PROFILE, "networks", [{"network": "globe", "role": "MEMBER"}]),
        (Profile, PROFILE, "networks", [{"network": "GLOBE", "role": "MEMBER"}] * 2),
        (Profile, PROFILE, "networks", [{"network": "GLOBE", "role": "BOSS"}]),
        (Profile, PROFILE, "languages_accepted", []),
        (Profile, PROFILE, "languages_accepted", ["en", "en"]),
        (Profile, PROFILE, "languages_spoken", ["English"]),
        (Profile, PROFILE, "office", {**OFFICE, "holidays": "Kenya"}),
        (Profile, PROFILE, "office", {**OFFICE, "working_days": ["mon", "mon"]}),
        (Profile, PROFILE, "office", {**OFFICE, "working_days": []}),
        (Profile, PROFILE, "duty", {"available": True, "how": ""}),
        (Profile, PROFILE, "duty", {"available": "yes", "how": "x"}),
        (Profile, PROFILE, "channels", [{"kind": "FAX", "address": "", "encryption": ""}]),
        (Profile, PROFILE, "service", {**SERVICE, "ack_hours": -1}),
        (Profile, PROFILE, "service", {**SERVICE, "answer_days": 3661}),
        (Profile, PROFILE, "service", {**SERVICE, "answer_days": True}),
        (Profile, PROFILE, "documents", {**NO_LINKS, "guide_url": "javascript:x"}),
        (Profile, PROFILE, "documents", {**NO_LINKS, "law_links": ["https://a.example"] * 2}),
        (Profile, PROFILE, "public", ["keys"]),
        (Profile, PROFILE, "public", ["duty", "duty"]),
        (LegalFrame, LEGAL, "treaty_needed", "MAYBE"),
        (LegalFrame, LEGAL, "evidence_threshold", "x" * 1001),
        (LegalFrame, LEGAL, "bank_secrecy", "a\tb"),
        (LegalFrame, LEGAL, "freeze_max_days", "14"),
        (LegalFrame, LEGAL, "uncac_as_basis", {"mla": "YES"}),
        (Measure, MEASURE, "help", "MAGIC"),
        (Measure, MEASURE, "possible", "YES"),
        (Measure, MEASURE, "receiving", "No Authority"),
        (Measure, MEASURE, "documents", ["Order", "Order"]),
        (Measure, MEASURE, "documents", [f"Document {number}" for number in range(21)]),
        (Measure, MEASURE, "law_links", ["https://laws.example/a b"]),
        (Measure, MEASURE, "law_links", ["https://laws.example/" + "x" * 500]),
    ],
)  # fmt: skip
def test_what_it_can_not_say(model: type[Fields], good: dict[str, Any], name: str, value: Any) -> None:
    refused(lambda: read_fields(model, {**good, name: value}), ReasonCode.BAD_FIELD)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("version", 0),
        ("version", 1_000_001),
        ("submitted_by", ""),
        ("confirmed_at", ""),
        ("next_confirmation", "2026-01-01"),
    ],
)
def test_provenance_has_rules_too(name: str, value: Any) -> None:
    provenance = {**sample_provenance().to_object(), name: value}
    refused(lambda: read_fields(Measure, {**MEASURE, "provenance": provenance}), ReasonCode.BAD_FIELD)


def test_a_note_may_have_lines() -> None:
    assert sample_legal(evidence_threshold="one\n\ntwo").evidence_threshold == "one\n\ntwo"


@given(st.text(st.characters(min_codepoint=33, exclude_categories=["Cs"]), max_size=40))
def test_whatever_stands_for_a_link_is_a_link_or_refused(text: str) -> None:
    value = {
        **PROFILE,
        "documents": {**NO_LINKS, "guide_url": unicodedata.normalize("NFC", f"https://{text}")},
    }
    try:
        profile = read_fields(Profile, value)
    except MalformedError as error:
        assert error.code is ReasonCode.BAD_FIELD  # noqa: PT017 -- either outcome is right
    else:
        assert profile.documents.guide_url.isascii()
        assert read_fields(Profile, profile.to_object()) == profile


def test_provenance_knows_when_it_is_stale() -> None:
    day = START.date()
    assert not sample_provenance().is_stale_on(day)
    old = sample_provenance(confirmed_at=day.replace(year=day.year - 1), next_confirmation=None)
    assert old.is_stale_on(day)
    assert sample_provenance(next_confirmation=sample_provenance().confirmed_at).is_stale_on(day)


def test_an_authority_describes_itself_and_changes_it() -> None:
    first = (
        PutProfile(profile=sample_profile()),
        PutLegalFrame(legal=sample_legal()),
        PutMeasure(measure=sample_measure()),
        PutMeasure(measure=sample_measure(HelpType.ASSET_LOCATE, Possibility.INFORMAL)),
    )
    state = STATE.apply(updated(STATE, A, *first))
    entry = state.authority(A)
    assert entry is not None
    assert (entry.profile, entry.legal) == (sample_profile(), sample_legal())
    assert [measure.help for measure in entry.measures] == [HelpType.ASSET_LOCATE, HelpType.BANK_DETAIL]
    second = (
        PutProfile(profile=sample_profile(powers=(Power.TAX_ACCESS,))),
        PutMeasure(measure=sample_measure(possible=Possibility.PARTIAL)),
        RemoveMeasure(help=HelpType.ASSET_LOCATE),
    )
    state = state.apply(updated(state, A, *second))
    entry = state.authority(A)
    assert entry is not None
    assert entry.profile is not None
    assert entry.profile.powers == (Power.TAX_ACCESS,)
    assert [measure.possible for measure in entry.measures] == [Possibility.PARTIAL]
    assert entry.measure(HelpType.ASSET_LOCATE) is None


@pytest.mark.parametrize(
    "operation",
    [
        RemoveMeasure(help=HelpType.COMPANY),
        PutProfile(profile=sample_profile(native_language="sw")),
    ],
    ids=["removes what is not there", "its own language has no name"],
)
def test_what_does_not_fit_the_entry_spoils_the_statement(operation: RemoveMeasure | PutProfile) -> None:
    statement = raw_statement(STATE, A, Update(ops=(operation,)), authority_root(A).signing)
    refused(lambda: STATE.apply(statement), ReasonCode.BAD_FIELD)
