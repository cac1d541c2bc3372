# SPDX-License-Identifier: Apache-2.0
"""Entries: what shows, what hides, and what no longer fits when a byte changes."""

import base64
import hashlib
import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from protocol.audit.events import FIELDS, AuditEvent, EventKind
from protocol.audit.leaf import (
    build_entry,
    disclosure_digest,
    disclosures,
    parse_disclosure,
    parse_leaf,
    period_in,
    period_of,
    reconciliation_value,
    verify_disclosures,
    verify_entry,
)
from protocol.errors import LocalProtocolError, MalformedError, RemoteProtocolError, UntrustedError
from tests.protocol.audit.test_events import AT, FULL
from tests.support.vectors import vector_json

EK = bytes(range(32))
START = datetime(2020, 1, 1, tzinfo=UTC)
SMALL = AuditEvent(kind=EventKind.NODE_STARTED, at=AT)
words = st.from_regex(r"[A-Za-z0-9 ._:/@+,=~-]{0,40}", fullmatch=True)
events = st.builds(
    AuditEvent,
    kind=st.sampled_from(EventKind),
    at=st.integers(0, 2_000_000_000_000).map(lambda ms: START + timedelta(milliseconds=ms)),
    peer=words,
    case=words,
    msg=words,
    digest=words,
    officer=words,
    size=words,
    attachments=st.none() | st.integers(0, 2**53 - 1),
    dir_size=st.none() | st.integers(0, 2**53 - 1),
    key=words,
    result=words,
    rc=st.just(b"") | st.binary(min_size=32, max_size=32),
)


def test_the_leaf_is_what_the_design_shows() -> None:
    entry = build_entry(FULL, EK)
    value = json.loads(entry.leaf)
    assert list(value) == ["_sd", "_sd_alg", "iat", "kt", "rc", "v"]
    assert entry.leaf == json.dumps(value, separators=(",", ":")).encode()
    assert (value["_sd_alg"], value["iat"], value["kt"], value["v"]) == (
        "sha-256",
        int(AT.timestamp()),
        "2026-11-23/a",
        1,
    )
    assert base64.urlsafe_b64decode(value["rc"] + "=") == FULL.rc
    assert value["_sd"] == sorted(set(value["_sd"]))
    assert len(value["_sd"]) == 16
    assert entry.leaf_hash == hashlib.sha256(b"\x00" + entry.leaf).digest()


def test_salts_and_digests_are_those_of_the_standard() -> None:
    """Written out again from the words of RFC 9901, slowly."""
    stream = hashlib.shake_256(b"salts/v1" + EK).digest(16 * 18 + 32)
    expected = []
    values = FULL.values()
    for slot in range(16):
        salt = base64.urlsafe_b64encode(stream[18 * slot : 18 * slot + 18]).decode()
        if slot < len(FIELDS) and values[slot] is not None:
            shown = json.dumps([salt, FIELDS[slot], values[slot]], separators=(",", ":")).encode()
            text = base64.urlsafe_b64encode(shown).rstrip(b"=")
        else:
            text = salt.encode()
        expected.append(base64.urlsafe_b64encode(hashlib.sha256(text).digest()).decode().rstrip("="))
    assert list(parse_leaf(build_entry(FULL, EK).leaf).digests) == sorted(expected)


@pytest.mark.vectors
def test_the_digest_printed_in_the_standard() -> None:
    vectors = vector_json("translog/sd-jwt/disclosures.json")
    for case in vectors["object_property"]:
        assert disclosure_digest(case["disclosure"]) == case["sha256_digest"]
        _, name, value = json.loads(case["json"])
        assert parse_disclosure(case["disclosure"]) == (name, value)
    for case in vectors["array_element"]:
        with pytest.raises(MalformedError):
            parse_disclosure(case["disclosure"])


@given(events, st.binary(min_size=32, max_size=32))
def test_every_entry_opens_with_its_secret(event: AuditEvent, ek: bytes) -> None:
    entry = build_entry(event, ek)
    assert verify_entry(entry.leaf, entry.secret) == event
    leaf = parse_leaf(entry.leaf)
    assert leaf.at_seconds == int(event.at.timestamp())
    assert leaf.period == entry.period == period_of(event.at)
    shown = disclosures(entry.secret)
    fields = verify_disclosures(entry.leaf, list(shown.values()))
    assert fields == {name: v for name, v in zip(FIELDS, event.values(), strict=True) if v is not None}


@given(st.data())
def test_any_changed_byte_is_noticed(data: st.DataObject) -> None:
    entry = build_entry(FULL, EK)
    leaf, secret = bytearray(entry.leaf), bytearray(entry.secret)
    target = data.draw(st.sampled_from([leaf, secret]))
    target[data.draw(st.integers(0, len(target) - 1))] ^= data.draw(st.integers(1, 255))
    with pytest.raises(RemoteProtocolError):
        verify_entry(bytes(leaf), bytes(secret))


def test_the_secret_of_another_entry_does_not_fit() -> None:
    one, other = build_entry(FULL, EK), build_entry(replace(FULL, result="busy"), EK)
    with pytest.raises(UntrustedError):
        verify_entry(one.leaf, other.secret)
    with pytest.raises(UntrustedError):
        verify_entry(one.leaf, build_entry(FULL, bytes(32)).secret)


def test_two_entries_of_one_act_share_nothing_but_the_clear_members() -> None:
    one, other = build_entry(SMALL, EK), build_entry(SMALL, bytes(32))
    assert not set(parse_leaf(one.leaf).digests) & set(parse_leaf(other.leaf).digests)
    assert parse_leaf(one.leaf).rc != parse_leaf(other.leaf).rc
    assert len(one.leaf) == len(build_entry(FULL, EK).leaf)


def test_showing_some_fields_shows_no_others() -> None:
    entry = build_entry(FULL, EK)
    shown = disclosures(entry.secret)
    assert verify_disclosures(entry.leaf, [shown["kind"], shown["t"]]) == {
        "kind": "RECEIVED",
        "t": "2026-11-24T09:30:01.250Z",
    }
    assert verify_disclosures(entry.leaf, []) == {}


def test_a_disclosure_that_nothing_refers_to_is_refused() -> None:
    entry, other = build_entry(FULL, EK), build_entry(FULL, bytes(32))
    shown, foreign = disclosures(entry.secret), disclosures(other.secret)
    with pytest.raises(UntrustedError):
        verify_disclosures(entry.leaf, [shown["kind"], foreign["peer"]])
    with pytest.raises(UntrustedError):
        verify_disclosures(entry.leaf, [shown["kind"], shown["kind"]])
    decoy_free = shown["kind"][:-1]
    with pytest.raises(RemoteProtocolError):
        verify_disclosures(entry.leaf, [decoy_free])


@given(st.binary(max_size=300))
def test_any_bytes_are_a_leaf_or_malformed(data: bytes) -> None:
    with pytest.raises(MalformedError):
        parse_leaf(data)
    with pytest.raises(RemoteProtocolError):
        verify_entry(build_entry(SMALL, EK).leaf, data)


@given(st.text(max_size=60))
def test_any_text_is_a_disclosure_or_malformed(text: str) -> None:
    with pytest.raises(MalformedError):
        parse_disclosure(text)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ('"v":1', '"v":2'),
        ('"v":1', '"v":true'),
        ("sha-256", "sha-512"),
        ('"kt"', '"ku"'),
        ('"iat":', '"iat":true,"x":'),
        ('"iat":1', '"iat":"1'),
        ("]", ',"x"]'),
        ('"_sd":["', '"_sd":["A'),
        ("{", "{ "),
    ],
)
def test_a_leaf_of_another_form_is_malformed(old: str, new: str) -> None:
    leaf = build_entry(FULL, EK).leaf.decode()
    with pytest.raises(MalformedError):
        parse_leaf(leaf.replace(old, new, 1).encode())


def test_unsorted_or_doubled_digests_are_malformed() -> None:
    value = json.loads(build_entry(FULL, EK).leaf)
    first, second, *rest = value["_sd"]
    for digests in ([second, first, *rest], [first, first, *rest], [*rest]):
        changed = json.dumps({**value, "_sd": digests}, separators=(",", ":")).encode()
        with pytest.raises(MalformedError):
            parse_leaf(changed)


def test_a_period_is_the_week_in_utc() -> None:
    sunday_night = datetime(2026, 11, 29, 23, 30, tzinfo=timezone(timedelta(hours=-3)))
    assert period_of(sunday_night) == "2026-11-30/a"
    assert period_of(AT) == "2026-11-23/a"


def test_the_period_in_a_leaf_is_found_without_reading_the_rest() -> None:
    leaf = build_entry(FULL, EK).leaf
    assert period_in(leaf) == parse_leaf(leaf).period
    for bad in (b"", b'{"kt":"2026-11-23/a"}', leaf.replace(b"2026", b"202x")):
        with pytest.raises(MalformedError):
            period_in(bad)


def test_both_ends_compute_one_reconciliation_value() -> None:
    value = reconciliation_value(EK, hashlib.sha256(b"envelope").digest())
    assert value == hashlib.sha256(b"rc/v1\x00" + EK + hashlib.sha256(b"envelope").digest()).digest()


def test_a_secret_of_another_length_is_refused() -> None:
    with pytest.raises(LocalProtocolError):
        build_entry(FULL, EK[:-1])
