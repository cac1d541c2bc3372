# SPDX-License-Identifier: Apache-2.0
import json
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from globe_node.directory.admission_request import (
    AdmissionRequest,
    AuthorityFacts,
    parse_admission_request,
)
from globe_node.directory.publish import admit_authority, found_network
from protocol.directory.contacts import AuthorityKind
from protocol.errors import LocalProtocolError, MalformedError, ReasonCode
from protocol.identifiers import Digest
from tests.support.clock import START
from tests.support.directory import officers, sample_root
from tests.support.identities import authority_root
from tests.support.refusals import refused, value_or_reason

FOUNDED = found_network(sample_root(), [officer.signing for officer in officers()], START)
NETWORK = FOUNDED.state.network.fingerprint
FACTS = AuthorityFacts(
    country="XA", names={"en": "Sample Commission", "fr": "Commission modèle"}, kind=AuthorityKind.ACA
)
REQUEST = AdmissionRequest.made_by(authority_root(), NETWORK, FACTS)


def _changed(**members: Any) -> bytes:
    value = json.loads(REQUEST.to_bytes())
    value.update(members)
    return json.dumps({name: member for name, member in value.items() if member is not None}).encode()


def test_a_request_comes_back() -> None:
    assert parse_admission_request(REQUEST.to_bytes()) == REQUEST
    assert parse_admission_request(_changed()) == REQUEST
    assert REQUEST.root_key_id == authority_root().signing.key_id


def test_officers_admit_what_was_asked() -> None:
    admission = REQUEST.admission(START + timedelta(days=365))
    two = [officer.signing for officer in officers()[:2]]
    raw = admit_authority(FOUNDED.state, REQUEST.authority, admission, officers=two, issued=START)
    entry = FOUNDED.state.apply(raw).authority(REQUEST.authority)
    assert entry is not None
    assert entry.names["fr"] == "Commission modèle"


def test_a_request_for_another_network_is_worth_nothing_here() -> None:
    elsewhere = AdmissionRequest.made_by(authority_root(), Digest("ab" * 32), FACTS)
    admission = elsewhere.admission(START + timedelta(days=365))
    two = [officer.signing for officer in officers()[:2]]
    with pytest.raises(LocalProtocolError):
        admit_authority(FOUNDED.state, elsewhere.authority, admission, officers=two, issued=START)


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"network": "ab" * 32}, ReasonCode.REFUSED),
        ({"authority": "xb-acc"}, ReasonCode.REFUSED),
        ({"proof": ""}, ReasonCode.REFUSED),
        ({"root_key": ""}, ReasonCode.REFUSED),
        ({"network": "AB"}, ReasonCode.BAD_FIELD),
        ({"names": {}}, ReasonCode.BAD_FIELD),
        ({"names": {"en": "two\nlines"}}, ReasonCode.BAD_FIELD),
        ({"country": "xa"}, ReasonCode.BAD_FIELD),
        ({"kind": "CLUB"}, ReasonCode.BAD_FIELD),
        ({"v": 2}, ReasonCode.BAD_FIELD),
        ({"kind": None}, ReasonCode.BAD_FIELD),
        ({"more": 1}, ReasonCode.UNKNOWN_FIELD),
    ],
)
def test_a_changed_request_is_refused(change: dict[str, Any], code: ReasonCode) -> None:
    refused(lambda: parse_admission_request(_changed(**change)), code)


@given(st.binary(max_size=200) | st.sampled_from([b"[]", b"1", b"{}", b'"text"']))
def test_any_bytes_are_refused_for_a_listed_reason(data: bytes) -> None:
    assert isinstance(value_or_reason(lambda: parse_admission_request(data)), ReasonCode)


def test_facts_are_checked_when_they_are_made() -> None:
    with pytest.raises(MalformedError):
        AuthorityFacts(country="xa", names={"en": "x"}, kind=AuthorityKind.ACA)
