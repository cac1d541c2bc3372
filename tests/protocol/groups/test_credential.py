# SPDX-License-Identifier: Apache-2.0
"""The identity in a leaf: one form, names that are names, the hash of one certificate."""

from hashlib import sha256

import pytest
from hypothesis import given
from hypothesis import strategies as st

from protocol.errors import LocalProtocolError, MalformedError, ReasonCode
from protocol.groups.credential import MAX_IDENTITY_BYTES, LeafIdentity, identity_of, parse_identity
from protocol.identifiers import AuthorityId, NodeId, NodeName
from tests.support.leaves import issued, leaf_certificate
from tests.support.refusals import refused, value_or_reason

NAME = NodeName(AuthorityId("xa-acc"), NodeId("main"))
IDENTITY = LeafIdentity(NAME, bytes(range(32)))
WRITTEN = b"anp1\x06xa-acc\x04main" + bytes(range(32))
LABELS = st.from_regex(r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?", fullmatch=True)


def test_its_form_is_frozen() -> None:
    assert IDENTITY.to_bytes() == WRITTEN
    assert parse_identity(WRITTEN) == IDENTITY


def test_it_names_the_whole_certificate() -> None:
    certificate = issued(leaf_certificate())
    assert identity_of(certificate) == LeafIdentity(NAME, sha256(certificate).digest())


@given(LABELS, LABELS, st.binary(min_size=32, max_size=32))
def test_round_trip(authority: str, node: str, digest: bytes) -> None:
    identity = LeafIdentity(NodeName(AuthorityId(authority), NodeId(node)), digest)
    written = identity.to_bytes()
    assert len(written) <= MAX_IDENTITY_BYTES
    assert parse_identity(written) == identity


@pytest.mark.parametrize(
    ("data", "code"),
    [
        pytest.param(WRITTEN[:-1], ReasonCode.BAD_CONTENT, id="cut off"),
        pytest.param(WRITTEN + b"\0", ReasonCode.BAD_CONTENT, id="an octet more"),
        pytest.param(b"anp2" + WRITTEN[4:], ReasonCode.BAD_CONTENT, id="another kind"),
        pytest.param(b"", ReasonCode.BAD_CONTENT, id="nothing"),
        pytest.param(b"anp1\x40\x06xa-acc\x04main" + bytes(32), ReasonCode.BAD_CONTENT, id="a longer length"),
        pytest.param(b"anp1\x06XA-ACC\x04main" + bytes(32), ReasonCode.BAD_FIELD, id="capitals"),
        pytest.param(b"anp1\x00\x04main" + bytes(32), ReasonCode.BAD_FIELD, id="no authority"),
        pytest.param(b"anp1\x06xa-acc\x00" + bytes(32), ReasonCode.BAD_FIELD, id="no node"),
        pytest.param(b"anp1\x06xa-acc\x04ma/n" + bytes(32), ReasonCode.BAD_FIELD, id="a slash"),
        pytest.param(b"anp1\x06xa-acc\x04m\xc3\xa4n" + bytes(32), ReasonCode.BAD_FIELD, id="not ASCII"),
        pytest.param(
            b"anp1\x40\x40" + b"a" * 64 + b"\x04main" + bytes(32), ReasonCode.TOO_LARGE, id="a long name"
        ),
    ],
)
def test_what_is_no_identity(data: bytes, code: ReasonCode) -> None:
    refused(lambda: parse_identity(data), code)


@pytest.mark.parametrize(
    "identity",
    [
        LeafIdentity(NAME, bytes(31)),
        LeafIdentity(NAME, bytes(33)),
        LeafIdentity(NodeName(AuthorityId("Xa"), NodeId("main")), bytes(32)),
        LeafIdentity(NodeName(AuthorityId("xa"), NodeId("\u00e9")), bytes(32)),
    ],
)
def test_nothing_is_written_that_nobody_would_take(identity: LeafIdentity) -> None:
    with pytest.raises(LocalProtocolError):
        identity.to_bytes()


def test_an_identity_of_what_is_no_certificate() -> None:
    with pytest.raises(MalformedError):
        identity_of(b"\1")


@given(st.binary(max_size=200))
def test_any_bytes(data: bytes) -> None:
    found = value_or_reason(lambda: parse_identity(data))
    assert isinstance(found, ReasonCode) or found.to_bytes() == data


@given(st.binary(max_size=100))
def test_any_bytes_of_this_kind(data: bytes) -> None:
    found = value_or_reason(lambda: parse_identity(b"anp1" + data))
    assert isinstance(found, ReasonCode) or found.to_bytes() == b"anp1" + data
