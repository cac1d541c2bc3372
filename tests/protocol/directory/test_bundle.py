# SPDX-License-Identifier: Apache-2.0
"""Bundles: a head and lines, nothing more."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from protocol.directory import bundle
from protocol.directory.bundle import Bundle, bundle_to_bytes, parse_bundle
from protocol.directory.replay import replay
from protocol.errors import LocalProtocolError, ReasonCode
from tests.support.directory import sample_network
from tests.support.refusals import refused, value_or_reason

NETWORK = sample_network()
RAW = bundle_to_bytes(NETWORK.fingerprint, NETWORK.statements)
HEAD = RAW.split(b"\n", 1)[0]


def test_bytes_and_value_are_inverse() -> None:
    assert parse_bundle(RAW) == Bundle(NETWORK.fingerprint, NETWORK.statements)
    assert replay(NETWORK.fingerprint, parse_bundle(RAW).statements) == NETWORK.state
    assert parse_bundle(HEAD + b"\n").statements == ()


@pytest.mark.parametrize(
    ("data", "code"),
    [
        (b"", ReasonCode.BAD_JSON),
        (b"\n", ReasonCode.BAD_JSON),
        (RAW[:-1], ReasonCode.BAD_JSON),
        (b"{}\n", ReasonCode.BAD_VERSION),
        (HEAD.replace(b"bundle/1", b"bundle/2") + b"\n", ReasonCode.BAD_VERSION),
        (HEAD.replace(b"{", b'{"a":1,', 1) + b"\n", ReasonCode.UNKNOWN_FIELD),
        (HEAD.replace(NETWORK.fingerprint.encode(), b"none") + b"\n", ReasonCode.BAD_FIELD),
        (HEAD.replace(b'"' + NETWORK.fingerprint.encode() + b'"', b"7") + b"\n", ReasonCode.BAD_FIELD),
        (HEAD.replace(b"{", b"{ ", 1) + b"\n", ReasonCode.BAD_JSON),
        (b" " * 600 + b"\n", ReasonCode.TOO_LARGE),
        (HEAD + b"\n" + b"a" * 65_536 + b"\n", ReasonCode.TOO_LARGE),
    ],
)
def test_what_is_not_a_bundle_is_refused(data: bytes, code: ReasonCode) -> None:
    refused(lambda: parse_bundle(data), code)


def test_bundles_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bundle, "MAX_BUNDLE_STATEMENTS", 6)
    refused(lambda: parse_bundle(RAW), ReasonCode.TOO_LARGE)
    monkeypatch.setattr(bundle, "MAX_BUNDLE_BYTES", 100)
    refused(lambda: parse_bundle(HEAD + b"\n"), ReasonCode.TOO_LARGE)


def test_a_statement_with_a_line_feed_is_not_written() -> None:
    with pytest.raises(LocalProtocolError):
        bundle_to_bytes(NETWORK.fingerprint, [b"{}\n"])


@given(st.binary(max_size=200) | st.binary(max_size=50).map(lambda tail: HEAD + b"\n" + tail))
def test_any_bytes_give_a_bundle_or_a_reason(data: bytes) -> None:
    value_or_reason(lambda: parse_bundle(data))
