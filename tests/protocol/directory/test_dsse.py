# SPDX-License-Identifier: Apache-2.0
"""Covers of statements: one written form, and thresholds that nobody meets twice with one key."""

import base64
import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from protocol import canonical, limits
from protocol.directory import dsse
from protocol.directory.dsse import (
    PAYLOAD_TYPE,
    SignedStatement,
    countersign,
    pae,
    parse_signed_statement,
    sign_statement,
    statement_id_of,
    verified_signers,
    verify_threshold,
)
from protocol.errors import LocalProtocolError, ReasonCode, UntrustedError
from protocol.signing import labels
from tests.support.directory import officers
from tests.support.identities import officer_key
from tests.support.refusals import refused, value_or_reason
from tests.support.vectors import vector_json

PAYLOAD = b'{"a":1}'
ONE, TWO, THREE = (officer.signing for officer in officers())
PUBLIC = [signer.admitted for signer in (ONE, TWO, THREE)]


def cover(**changes: Any) -> bytes:
    value = json.loads(sign_statement(PAYLOAD, [ONE, TWO]).to_bytes())
    value.update(changes)
    return canonical.to_bytes({name: item for name, item in value.items() if item is not None})


def test_the_encoding_that_is_signed() -> None:
    assert pae(b"hello") == b"DSSEv1 35 application/vnd.anp1.directory+json 5 hello"
    assert len(PAYLOAD_TYPE) == 35


@pytest.mark.vectors
def test_the_encoding_of_the_official_example(monkeypatch: pytest.MonkeyPatch) -> None:
    case = vector_json("translog/dsse/example.json")
    monkeypatch.setattr(dsse, "PAYLOAD_TYPE", case["payloadType"])
    assert pae(case["body"].encode()) == case["pae"].encode()


def test_bytes_and_value_are_inverse() -> None:
    signed = sign_statement(PAYLOAD, [TWO, ONE, THREE])
    assert parse_signed_statement(signed.to_bytes()) == signed
    verify_threshold(signed, PUBLIC, 3)


def test_the_id_does_not_depend_on_who_signed_or_in_what_order() -> None:
    one, other = sign_statement(PAYLOAD, [ONE]), sign_statement(PAYLOAD, [TWO, ONE])
    assert one.statement_id == other.statement_id == statement_id_of(PAYLOAD)
    names = [signature.key_id for signature in other.signatures]
    assert names == sorted(names)
    assert countersign(one, TWO).statement_id == one.statement_id


@given(st.binary(max_size=300) | st.binary(max_size=60).map(lambda data: cover(payload=data.hex())))
def test_any_bytes_give_a_value_or_a_reason(data: bytes) -> None:
    value_or_reason(lambda: parse_signed_statement(data))


@given(st.integers(min_value=0, max_value=9300), st.integers(min_value=1, max_value=255))
@settings(max_examples=60)
def test_one_changed_byte_never_passes(place: int, mask: int) -> None:
    raw = bytearray(sign_statement(PAYLOAD, [ONE, TWO]).to_bytes())
    raw[place % len(raw)] ^= mask
    value = value_or_reason(lambda: parse_signed_statement(bytes(raw)))
    if isinstance(value, SignedStatement):
        value_or_reason(lambda: verify_threshold(value, PUBLIC, 2))
        with pytest.raises(UntrustedError):
            verify_threshold(value, PUBLIC, 2)


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"extra": 1}, ReasonCode.UNKNOWN_FIELD),
        ({"payload": None}, ReasonCode.BAD_FIELD),
        ({"payload": 5}, ReasonCode.BAD_FIELD),
        ({"payload": "e30"}, ReasonCode.BAD_FIELD),
        ({"payload": "e31="}, ReasonCode.BAD_FIELD),
        ({"payloadType": "application/json"}, ReasonCode.BAD_FIELD),
        ({"signatures": []}, ReasonCode.BAD_FIELD),
        ({"signatures": "none"}, ReasonCode.BAD_FIELD),
        ({"signatures": ["none"]}, ReasonCode.BAD_FIELD),
        ({"signatures": [{"keyid": "0" * 64}]}, ReasonCode.BAD_FIELD),
        ({"signatures": [{"keyid": "0" * 64, "sig": "AA==", "cert": ""}]}, ReasonCode.UNKNOWN_FIELD),
        ({"signatures": [{"keyid": "0" * 64, "sig": "AA=="}]}, ReasonCode.BAD_FIELD),
        ({"signatures": [{"keyid": 7, "sig": "AA=="}]}, ReasonCode.BAD_FIELD),
        (
            {"signatures": [{"keyid": "G" * 64, "sig": base64.b64encode(bytes(3373)).decode()}]},
            ReasonCode.BAD_FIELD,
        ),
    ],
)
def test_what_is_not_a_cover_is_refused(changes: dict[str, Any], code: ReasonCode) -> None:
    refused(lambda: parse_signed_statement(cover(**changes)), code)


def test_signatures_out_of_order_and_twice_are_refused() -> None:
    listed = json.loads(cover())["signatures"]
    refused(lambda: parse_signed_statement(cover(signatures=listed[::-1])), ReasonCode.BAD_FIELD)
    twice = [listed[0], listed[0]]
    refused(lambda: parse_signed_statement(cover(signatures=twice)), ReasonCode.DIR_THRESHOLD)


def test_more_signatures_than_a_statement_can_have_are_refused() -> None:
    listed = [{"keyid": f"{place:064x}", "sig": "AA=="} for place in range(17)]
    refused(lambda: parse_signed_statement(cover(signatures=listed)), ReasonCode.BAD_FIELD)


@pytest.mark.parametrize("data", [b"", b"{}", b"[1]", b"null", b'{"a":1,"a":2}', b"\xff", b"{" * 5000])
def test_malformed_before_any_signature_is_looked_at(data: bytes) -> None:
    assert value_or_reason(lambda: parse_signed_statement(data)) in (
        ReasonCode.BAD_JSON,
        ReasonCode.BAD_FIELD,
    )


def test_spaces_and_duplicate_names_are_not_canonical() -> None:
    raw = cover()
    refused(lambda: parse_signed_statement(raw + b" "), ReasonCode.BAD_JSON)
    refused(lambda: parse_signed_statement(raw.replace(b"{", b"{ ", 1)), ReasonCode.BAD_JSON)
    doubled = raw.replace(b'{"payload"', b'{"payload":"AA==","payload"', 1)
    refused(lambda: parse_signed_statement(doubled), ReasonCode.BAD_JSON)


def test_a_statement_that_is_too_large_is_neither_written_nor_read() -> None:
    with pytest.raises(LocalProtocolError) as caught:
        sign_statement(b"a" * limits.MAX_STATEMENT_BYTES, [ONE])
    assert caught.value.code is ReasonCode.TOO_LARGE
    refused(lambda: parse_signed_statement(b" " * (limits.MAX_STATEMENT_BYTES + 1)), ReasonCode.TOO_LARGE)


@pytest.mark.parametrize("threshold", [0, -1, 4, 2**53])
def test_a_threshold_that_means_nothing_is_refused(threshold: int) -> None:
    signed = sign_statement(PAYLOAD, [ONE, TWO, THREE])
    refused(lambda: verify_threshold(signed, PUBLIC, threshold), ReasonCode.DIR_THRESHOLD)


def test_too_few_signatures_are_refused() -> None:
    signed = sign_statement(PAYLOAD, [ONE])
    refused(lambda: verify_threshold(signed, PUBLIC, 2), ReasonCode.DIR_THRESHOLD)
    verify_threshold(signed, PUBLIC, 1)


def test_a_key_listed_twice_counts_once() -> None:
    signed = sign_statement(PAYLOAD, [ONE])
    twice = [PUBLIC[0], PUBLIC[0]]
    refused(lambda: verify_threshold(signed, twice, 2), ReasonCode.DIR_THRESHOLD)


def test_a_signature_counted_twice_is_refused_even_in_a_value_made_by_hand() -> None:
    signed = sign_statement(PAYLOAD, [ONE])
    doubled = SignedStatement(PAYLOAD, signed.signatures * 2)
    refused(lambda: verify_threshold(doubled, PUBLIC, 2), ReasonCode.DIR_THRESHOLD)


def test_a_signature_by_a_stranger_spoils_the_statement() -> None:
    stranger = officer_key("stranger").signing
    signed = sign_statement(PAYLOAD, [ONE, TWO, stranger])
    refused(lambda: verify_threshold(signed, PUBLIC, 2), ReasonCode.REFUSED)


def test_a_signature_that_does_not_hold_spoils_the_statement() -> None:
    signed = sign_statement(PAYLOAD, [ONE, TWO])
    other = SignedStatement(b'{"a":2}', signed.signatures)
    refused(lambda: verify_threshold(other, PUBLIC, 1), ReasonCode.REFUSED)


def test_a_signature_for_another_purpose_does_not_count() -> None:
    signed = sign_statement(PAYLOAD, [ONE])
    value = ONE.sign(labels.POSSESSION, pae(PAYLOAD))
    forged = SignedStatement(PAYLOAD, (type(signed.signatures[0])(ONE.key_id, value),))
    refused(lambda: verified_signers(forged, PUBLIC), ReasonCode.REFUSED)


def test_signing_twice_or_by_nobody_is_refused_on_our_side() -> None:
    for signers in ([ONE, ONE], []):
        with pytest.raises(LocalProtocolError) as caught:
            sign_statement(PAYLOAD, signers)
        assert caught.value.code is ReasonCode.DIR_THRESHOLD
