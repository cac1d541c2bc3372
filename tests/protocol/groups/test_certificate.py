# SPDX-License-Identifier: Apache-2.0
"""Leaf certificates: their form, their chain, and when a leaf enters, stands and falls."""

from dataclasses import replace
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from globe_node.directory.publish import suspend_authority
from protocol import canonical
from protocol.canonical import JSONValue
from protocol.directory.replay import DirectoryState
from protocol.directory.statements import (
    CompromisedKey,
    Operation,
    RetireKey,
    Suspension,
    SuspensionReason,
)
from protocol.errors import LocalProtocolError, ReasonCode, RemoteProtocolError, UntrustedError
from protocol.groups.certificate import (
    LEAF_GRACE,
    MAX_LEAF_CERTIFICATE_BYTES,
    LeafCertificate,
    issue_leaf_certificate,
    leaf_certificate_hash,
    leaf_validity,
    parse_leaf_certificate,
    verify_leaf_certificate,
    verify_standing_leaf,
)
from protocol.groups.errors import UnknownIssuerError
from protocol.identifiers import AuthorityId, NodeId
from protocol.octets import Writer, base64_text
from protocol.signing import labels
from tests.support.clock import START
from tests.support.directory import certified_node_keys, officers, sample_network, updated
from tests.support.leaves import issued, leaf_certificate, leaf_key, two_node_network
from tests.support.refusals import refused, value_or_reason

STATE = sample_network().state
NODE = certified_node_keys("xa-acc").signing
CERTIFICATE = leaf_certificate()
ISSUED = issued(CERTIFICATE)
MEMBERS = dict(canonical.parse_object(CERTIFICATE.to_bytes(), 4096))
DAY, TICK = timedelta(days=1), timedelta(milliseconds=1)


def signed_anyway(members: dict[str, JSONValue], label: str = labels.LEAF_CERTIFICATE) -> bytes:
    """Sign what `issue_leaf_certificate` would refuse."""
    body = canonical.to_bytes(members)
    return Writer().u8(1).op(body).op(NODE.sign(label, body)).to_bytes()


def after(*operations: Operation, state: DirectoryState = STATE) -> DirectoryState:
    return state.apply(updated(state, "xa-acc", *operations))


def test_round_trip() -> None:
    assert verify_leaf_certificate(ISSUED, STATE, START) == CERTIFICATE
    parsed = parse_leaf_certificate(ISSUED)
    assert parsed.certificate == CERTIFICATE
    assert parsed.certificate.to_bytes() == parsed.signed.body
    assert str(CERTIFICATE.name) == "xa-acc/main"
    assert len(ISSUED) < MAX_LEAF_CERTIFICATE_BYTES
    assert len(leaf_certificate_hash(ISSUED)) == 32


def test_a_leaf_enters_in_the_time_of_its_certificate_only() -> None:
    for at in (CERTIFICATE.not_before, CERTIFICATE.not_after - TICK):
        verify_leaf_certificate(ISSUED, STATE, at)
    refused(lambda: verify_leaf_certificate(ISSUED, STATE, CERTIFICATE.not_after), ReasonCode.EXPIRED)
    refused(lambda: verify_leaf_certificate(ISSUED, STATE, START - TICK), ReasonCode.NOT_YET_VALID)


def test_a_leaf_stands_sixty_days_more() -> None:
    for at in (CERTIFICATE.not_before, CERTIFICATE.not_after, CERTIFICATE.not_after + LEAF_GRACE - TICK):
        assert verify_standing_leaf(ISSUED, STATE, at) == CERTIFICATE
    refused(
        lambda: verify_standing_leaf(ISSUED, STATE, CERTIFICATE.not_after + LEAF_GRACE), ReasonCode.EXPIRED
    )
    refused(lambda: verify_standing_leaf(ISSUED, STATE, START - TICK), ReasonCode.NOT_YET_VALID)


def test_under_a_retired_key_nothing_enters_and_what_is_in_stands() -> None:
    state = after(RetireKey(key=NODE.key_id))
    refused(lambda: verify_leaf_certificate(ISSUED, state, START), ReasonCode.REFUSED)
    verify_standing_leaf(ISSUED, state, START)


def test_under_a_compromised_key_nothing_enters_and_nothing_stands() -> None:
    state = after(CompromisedKey(key=NODE.key_id, since=START + DAY))
    refused(lambda: verify_leaf_certificate(ISSUED, state, START), ReasonCode.REFUSED)
    refused(lambda: verify_standing_leaf(ISSUED, state, START), ReasonCode.REFUSED)


def test_of_a_stopped_authority_nothing_enters_and_nothing_stands() -> None:
    suspension = Suspension(by="officers", reason=SuspensionReason.MISUSE)
    signers = [officers()[0].signing]
    state = STATE.apply(
        suspend_authority(STATE, AuthorityId("xa-acc"), suspension, signers=signers, issued=START)
    )
    refused(lambda: verify_leaf_certificate(ISSUED, state, START), ReasonCode.REFUSED)
    refused(lambda: verify_standing_leaf(ISSUED, state, START), ReasonCode.REFUSED)


def test_a_key_that_the_directory_does_not_list_is_asked_for() -> None:
    stranger = issued(leaf_certificate(node="second"))
    with pytest.raises(UnknownIssuerError):
        verify_leaf_certificate(stranger, STATE, START)
    verify_leaf_certificate(stranger, two_node_network(), START)
    nobody = leaf_certificate(authority="xz-none")
    with pytest.raises(UnknownIssuerError):
        verify_leaf_certificate(issued(nobody), STATE, START)


@pytest.mark.parametrize(
    "certificate",
    [
        pytest.param(leaf_certificate(node="other", issuer=NODE.key_id), id="another node"),
        pytest.param(
            leaf_certificate(not_before=START - 2 * DAY, not_after=START + DAY), id="begins before its issuer"
        ),
        pytest.param(
            leaf_certificate(not_before=START + 364 * DAY, not_after=START + 366 * DAY),
            id="ends after its issuer",
        ),
        pytest.param(leaf_certificate(key=NODE.public_key[-32:]), id="the key of its issuer"),
        pytest.param(
            leaf_certificate(key=certified_node_keys("xb-ibu").signing.public_key[-32:]),
            id="the key of somebody else",
        ),
    ],
)
def test_a_certificate_that_is_well_formed_and_does_not_chain(certificate: LeafCertificate) -> None:
    data = issue_leaf_certificate(NODE, certificate)
    refused(lambda: verify_leaf_certificate(data, STATE, certificate.not_before), ReasonCode.REFUSED)
    refused(lambda: verify_standing_leaf(data, STATE, certificate.not_before), ReasonCode.REFUSED)


def test_a_node_cannot_issue_in_the_name_of_another() -> None:
    other = certified_node_keys("xb-ibu").signing
    with pytest.raises(LocalProtocolError):
        issue_leaf_certificate(other, CERTIFICATE)
    body = CERTIFICATE.to_bytes()
    forged = Writer().u8(1).op(body).op(other.sign(labels.LEAF_CERTIFICATE, body)).to_bytes()
    with pytest.raises(UntrustedError):
        verify_leaf_certificate(forged, STATE, START)
    with pytest.raises(UntrustedError):
        verify_standing_leaf(forged, STATE, START)


@pytest.mark.parametrize("label", sorted(labels.ALL - {labels.LEAF_CERTIFICATE}))
def test_a_signature_of_another_label_is_refused(label: str) -> None:
    refused(lambda: verify_leaf_certificate(signed_anyway(MEMBERS, label), STATE, START), ReasonCode.REFUSED)


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"extra": "x"}, ReasonCode.UNKNOWN_FIELD),
        ({"node": 7}, ReasonCode.BAD_FIELD),
        ({"node": "Node"}, ReasonCode.BAD_FIELD),
        ({"authority": ""}, ReasonCode.BAD_FIELD),
        ({"serial": "1"}, ReasonCode.BAD_FIELD),
        ({"issuer": "AB" * 32}, ReasonCode.BAD_FIELD),
        ({"not_before": "2026-03-02"}, ReasonCode.BAD_FIELD),
        ({"not_after": MEMBERS["not_before"]}, ReasonCode.BAD_FIELD),
        ({"not_after": "2026-04-01T09:00:00.001Z"}, ReasonCode.BAD_FIELD),
        ({"key": "not base64"}, ReasonCode.BAD_FIELD),
        ({"key": base64_text(bytes(32))}, ReasonCode.REFUSED),
        ({"key": base64_text(b"\1" + bytes(31))}, ReasonCode.REFUSED),
        ({"key": base64_text(b"\xee" + b"\xff" * 30 + b"\x7f")}, ReasonCode.REFUSED),
        ({"key": base64_text(leaf_key("x")[:-1])}, ReasonCode.REFUSED),
        ({"key": base64_text(leaf_key("x") + b"\0")}, ReasonCode.REFUSED),
        ({"v": 2}, ReasonCode.BAD_VERSION),
        ({"v": True}, ReasonCode.BAD_VERSION),
    ],
)
def test_a_member_outside_its_rule_is_refused(change: dict[str, JSONValue], code: ReasonCode) -> None:
    refused(lambda: verify_leaf_certificate(signed_anyway({**MEMBERS, **change}), STATE, START), code)


@pytest.mark.parametrize("name", sorted(MEMBERS))
def test_a_member_that_is_missing_is_refused(name: str) -> None:
    fewer = {other: value for other, value in MEMBERS.items() if other != name}
    code = ReasonCode.BAD_VERSION if name == "v" else ReasonCode.BAD_FIELD
    refused(lambda: verify_leaf_certificate(signed_anyway(fewer), STATE, START), code)


@given(st.integers(min_value=0, max_value=len(ISSUED) * 8 - 1))
def test_every_changed_bit_is_refused(bit: int) -> None:
    data = bytearray(ISSUED)
    data[bit // 8] ^= 1 << bit % 8
    with pytest.raises(RemoteProtocolError):
        verify_leaf_certificate(bytes(data), STATE, START)


@given(st.binary(max_size=200))
def test_any_bytes_are_refused(data: bytes) -> None:
    assert isinstance(value_or_reason(lambda: parse_leaf_certificate(data)), ReasonCode)


@pytest.mark.parametrize(
    "certificate",
    [
        leaf_certificate(serial="1"),
        replace(CERTIFICATE, authority=AuthorityId("XA")),
        leaf_certificate(not_after=START),
        leaf_certificate(not_after=START + 30 * DAY + TICK),
        leaf_certificate(key=bytes(32)),
    ],
)
def test_nothing_is_issued_that_nobody_would_take(certificate: LeafCertificate) -> None:
    with pytest.raises(LocalProtocolError) as refusal:
        issue_leaf_certificate(NODE, certificate)
    assert refusal.value.code is ReasonCode.BAD_FIELD


def test_the_longest_time_lies_within_that_of_the_issuer() -> None:
    node = STATE.node_with_key(AuthorityId("xa-acc"), NODE.key_id)
    five_minutes = timedelta(minutes=5)
    assert leaf_validity(node, START) == (START - five_minutes, START - five_minutes + 30 * DAY)
    assert leaf_validity(node, node.not_before) == (node.not_before, node.not_before + 30 * DAY)
    last = node.not_after - TICK
    assert leaf_validity(node, last) == (last - five_minutes, node.not_after)
    with pytest.raises(LocalProtocolError) as refusal:
        leaf_validity(node, node.not_after)
    assert refusal.value.code is ReasonCode.NO_KEY


def test_what_the_rules_say_may_be_issued_enters() -> None:
    node = STATE.node_with_key(AuthorityId("xa-acc"), NODE.key_id)
    not_before, not_after = leaf_validity(node, START)
    data = issued(leaf_certificate(not_before=not_before, not_after=not_after, node=NodeId("main")))
    verify_leaf_certificate(data, STATE, START)


def test_a_certificate_may_end_with_that_of_its_issuer() -> None:
    node = STATE.node_with_key(AuthorityId("xa-acc"), NODE.key_id)
    late = node.not_after - DAY
    not_before, not_after = leaf_validity(node, late)
    assert not_after == node.not_after
    verify_leaf_certificate(issued(leaf_certificate(not_before=not_before, not_after=not_after)), STATE, late)
