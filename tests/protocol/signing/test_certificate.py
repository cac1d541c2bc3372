# SPDX-License-Identifier: Apache-2.0
"""Node certificates: what a root said, in one form, and nothing that another key or label said."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from protocol import canonical
from protocol.canonical import JSONValue
from protocol.errors import (
    LocalProtocolError,
    MalformedError,
    ReasonCode,
    RemoteProtocolError,
    UnsupportedVersionError,
    UntrustedError,
)
from protocol.identifiers import AuthorityId, NodeId
from protocol.octets import Writer, base64_text
from protocol.signing import labels
from protocol.signing.certificate import (
    MAX_CERTIFICATE_BYTES,
    NodeCertificate,
    issue,
    parse_certificate,
    verify_certificate,
)
from tests.support.signers import seeded_signer

ROOT, NODE, OTHER = seeded_signer("root"), seeded_signer("node"), seeded_signer("other root")
START = datetime(2026, 7, 1, tzinfo=UTC)
CERTIFICATE = NodeCertificate(
    serial="0" * 31 + "1",
    authority=AuthorityId("xa-acc"),
    node=NodeId("node-1"),
    key=NODE.admitted,
    not_before=START,
    not_after=START + timedelta(days=365),
    issuer=ROOT.key_id,
)
ISSUED = issue(ROOT, CERTIFICATE)
MEMBERS = dict(canonical.parse_object(CERTIFICATE.to_bytes(), 4096))


def signed_anyway(members: dict[str, JSONValue], label: str = labels.NODE_CERTIFICATE) -> bytes:
    """Sign what `issue` would refuse."""
    body = canonical.to_bytes(members)
    return Writer().u8(1).op(body).op(ROOT.sign(label, body)).to_bytes()


def test_round_trip() -> None:
    assert verify_certificate(ISSUED, ROOT.admitted) == CERTIFICATE
    parsed = parse_certificate(ISSUED)
    assert parsed.certificate == CERTIFICATE
    assert parsed.certificate.to_bytes() == parsed.signed.body
    assert len(ISSUED) < MAX_CERTIFICATE_BYTES


def test_it_covers_its_time_only() -> None:
    assert CERTIFICATE.covers(CERTIFICATE.not_before)
    assert CERTIFICATE.covers(CERTIFICATE.not_after - timedelta(milliseconds=1))
    assert not CERTIFICATE.covers(CERTIFICATE.not_after)
    assert not CERTIFICATE.covers(CERTIFICATE.not_before - timedelta(milliseconds=1))


def test_another_root_is_refused() -> None:
    with pytest.raises(UntrustedError):
        verify_certificate(ISSUED, OTHER.admitted)


def test_a_root_cannot_issue_in_the_name_of_another() -> None:
    with pytest.raises(LocalProtocolError):
        issue(OTHER, CERTIFICATE)
    body = CERTIFICATE.to_bytes()
    forged = Writer().u8(1).op(body).op(OTHER.sign(labels.NODE_CERTIFICATE, body)).to_bytes()
    with pytest.raises(UntrustedError):
        verify_certificate(forged, ROOT.admitted)
    with pytest.raises(UntrustedError):
        verify_certificate(forged, OTHER.admitted)


@pytest.mark.parametrize("label", sorted(labels.ALL - {labels.NODE_CERTIFICATE}))
def test_a_signature_of_another_label_is_refused(label: str) -> None:
    with pytest.raises(UntrustedError):
        verify_certificate(signed_anyway(MEMBERS, label), ROOT.admitted)


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"extra": "x"}, ReasonCode.UNKNOWN_FIELD),
        ({"node": 7}, ReasonCode.BAD_FIELD),
        ({"node": "Node"}, ReasonCode.BAD_FIELD),
        ({"authority": ""}, ReasonCode.BAD_FIELD),
        ({"serial": "1"}, ReasonCode.BAD_FIELD),
        ({"serial": "0" * 32 + "\n"}, ReasonCode.BAD_FIELD),
        ({"issuer": "AB" * 32}, ReasonCode.BAD_FIELD),
        ({"not_before": "2026-07-01"}, ReasonCode.BAD_FIELD),
        ({"not_after": MEMBERS["not_before"]}, ReasonCode.BAD_FIELD),
        ({"key": "not base64"}, ReasonCode.BAD_FIELD),
        ({"key": base64_text(bytes(1984))}, ReasonCode.REFUSED),
        ({"key": base64_text(NODE.public_key[:-1])}, ReasonCode.REFUSED),
        ({"key": base64_text(ROOT.public_key)}, ReasonCode.REFUSED),
        ({"v": 2}, ReasonCode.BAD_VERSION),
        ({"v": True}, ReasonCode.BAD_VERSION),
        ({"v": "1"}, ReasonCode.BAD_VERSION),
    ],
)
def test_a_member_outside_its_rule_is_refused(change: dict[str, JSONValue], code: ReasonCode) -> None:
    with pytest.raises(RemoteProtocolError) as refused:
        verify_certificate(signed_anyway({**MEMBERS, **change}), ROOT.admitted)
    assert refused.value.code == code


@pytest.mark.parametrize("name", sorted(MEMBERS))
def test_a_member_that_is_missing_is_refused(name: str) -> None:
    fewer = {other: value for other, value in MEMBERS.items() if other != name}
    with pytest.raises(RemoteProtocolError):
        verify_certificate(signed_anyway(fewer), ROOT.admitted)


def test_a_body_that_is_not_canonical_is_refused() -> None:
    body = CERTIFICATE.to_bytes().replace(b'"v":1', b'"v": 1')
    data = Writer().u8(1).op(body).op(ROOT.sign(labels.NODE_CERTIFICATE, body)).to_bytes()
    with pytest.raises(MalformedError):
        verify_certificate(data, ROOT.admitted)


def test_another_form_of_the_whole_is_refused() -> None:
    with pytest.raises(UnsupportedVersionError):
        parse_certificate(b"\2" + ISSUED[1:])
    for data in (ISSUED[:-1], ISSUED + b"\0", b"", bytes(MAX_CERTIFICATE_BYTES + 1)):
        with pytest.raises(RemoteProtocolError):
            parse_certificate(data)


@given(st.integers(min_value=0, max_value=len(ISSUED) * 8 - 1))
def test_every_changed_bit_is_refused(bit: int) -> None:
    data = bytearray(ISSUED)
    data[bit // 8] ^= 1 << bit % 8
    with pytest.raises(RemoteProtocolError):
        verify_certificate(bytes(data), ROOT.admitted)


@given(st.binary(max_size=200))
def test_any_bytes_are_refused(data: bytes) -> None:
    with pytest.raises(RemoteProtocolError):
        parse_certificate(data)


@pytest.mark.parametrize(
    "certificate",
    [
        replace(CERTIFICATE, serial="1"),
        replace(CERTIFICATE, authority=AuthorityId("XA")),
        replace(CERTIFICATE, not_after=START),
        replace(CERTIFICATE, not_after=datetime(2027, 7, 1)),  # noqa: DTZ001 -- naive on purpose
        replace(CERTIFICATE, key=ROOT.admitted),
    ],
)
def test_nothing_is_issued_that_nobody_would_take(certificate: NodeCertificate) -> None:
    with pytest.raises(LocalProtocolError):
        issue(ROOT, certificate)
