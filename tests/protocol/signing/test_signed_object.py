# SPDX-License-Identifier: Apache-2.0
"""Signed objects of any kind: one form, exactly their members, one label."""

from datetime import UTC, datetime
from functools import partial

import pytest
from hypothesis import given
from hypothesis import strategies as st

from protocol import canonical
from protocol.canonical import JSONValue
from protocol.errors import LocalProtocolError, ReasonCode
from protocol.octets import Writer
from protocol.signing import labels
from protocol.signing.signed_object import Kind, Members, parse_signed, read_body, sign_object, verify_signed
from tests.support.refusals import refused, value_or_reason
from tests.support.signers import seeded_signer

SIGNER, OTHER = seeded_signer("node"), seeded_signer("other")
KIND = Kind("a sample", labels.CONTROL, frozenset(("text", "count", "items")), 200)
SAME_FORM = Kind("another sample", labels.JOINED, KIND.members, 200)
VERSIONS: tuple[JSONValue, ...] = (2, 0, True, "1")
ITEM = frozenset(("at", "octets"))
VALUES: dict[str, JSONValue] = {
    "v": 1,
    "text": "a",
    "count": 3,
    "items": [{"at": "2026-07-01T09:30:00.000Z", "octets": "AAE="}],
}
BODY = canonical.to_bytes(VALUES)
SIGNED = sign_object(KIND, SIGNER, BODY, lambda members: members.text("text"))


def members(**changes: JSONValue) -> Members:
    return read_body(KIND, canonical.to_bytes({**VALUES, **changes}))


def test_round_trip() -> None:
    signed = parse_signed(KIND, SIGNED)
    assert signed.body == BODY
    verify_signed(KIND, signed, SIGNER.admitted)
    assert (signed.members.text("text"), signed.members.count("count")) == ("a", 3)
    assert signed.members.value("count") == 3
    (item,) = signed.members.objects("items", ITEM)
    assert item.moment("at") == datetime(2026, 7, 1, 9, 30, tzinfo=UTC)
    assert item.octets("octets") == b"\0\1"


def test_another_key_or_kind_does_not_verify() -> None:
    signed = parse_signed(KIND, SIGNED)
    refused(lambda: verify_signed(KIND, signed, OTHER.admitted), ReasonCode.REFUSED)
    refused(lambda: verify_signed(SAME_FORM, signed, SIGNER.admitted), ReasonCode.REFUSED)


def test_another_form_of_the_whole_is_refused() -> None:
    signature = SIGNED[-3373:]
    for data, code in (
        (b"\2" + SIGNED[1:], ReasonCode.BAD_VERSION),
        (SIGNED[:-1], ReasonCode.BAD_CONTENT),
        (SIGNED + b"\0", ReasonCode.BAD_CONTENT),
        (b"", ReasonCode.BAD_CONTENT),
        (bytes(KIND.max_bytes + 1), ReasonCode.TOO_LARGE),
        (Writer().u8(1).op(BODY).op(signature[1:]).to_bytes(), ReasonCode.BAD_CONTENT),
        (Writer().u8(1).op(b" " + BODY).op(signature).to_bytes(), ReasonCode.BAD_JSON),
        (Writer().u8(1).op(bytes(201)).op(signature).to_bytes(), ReasonCode.TOO_LARGE),
    ):
        refused(partial(parse_signed, KIND, data), code)


def test_exactly_the_members_of_the_kind() -> None:
    refused(lambda: members(extra=1), ReasonCode.UNKNOWN_FIELD)
    for name, code in (("v", ReasonCode.BAD_VERSION), ("text", ReasonCode.BAD_FIELD)):
        fewer = canonical.to_bytes({other: value for other, value in VALUES.items() if other != name})
        refused(partial(read_body, KIND, fewer), code)
    for version in VERSIONS:
        refused(partial(members, v=version), ReasonCode.BAD_VERSION)
    refused(lambda: read_body(KIND, b"[]"), ReasonCode.BAD_JSON)


@pytest.mark.parametrize("value", ["3", True, -1, {}, []])
def test_a_count_is_an_integer(value: JSONValue) -> None:
    refused(lambda: members(count=value).count("count"), ReasonCode.BAD_FIELD)


def test_a_count_may_begin_later() -> None:
    assert members(count=0).count("count") == 0
    refused(lambda: members(count=0).count("count", 1), ReasonCode.BAD_FIELD)


@pytest.mark.parametrize("value", [1, False, {}, []])
def test_a_text_is_a_string(value: JSONValue) -> None:
    refused(lambda: members(text=value).text("text"), ReasonCode.BAD_FIELD)
    refused(lambda: members(text=value).moment("text"), ReasonCode.BAD_FIELD)
    refused(lambda: members(text=value).octets("text"), ReasonCode.BAD_FIELD)


@pytest.mark.parametrize("value", ["", 1, {}, [1], [{"at": ""}], [[]], [""] * 3])
def test_items_are_objects_with_their_members(value: JSONValue) -> None:
    refused(lambda: members(items=value).objects("items", ITEM), ReasonCode.BAD_FIELD)


def test_an_object_with_its_members() -> None:
    value = {"at": "2026-07-01T09:30:00.000Z", "octets": ""}
    assert members(items=value).object("items", ITEM).octets("octets") == b""
    refused(lambda: members().object("items", ITEM), ReasonCode.BAD_FIELD)
    refused(lambda: members(items={}).object("items", ITEM), ReasonCode.BAD_FIELD)
    refused(lambda: members(items={**value, "more": 1}).object("items", ITEM), ReasonCode.UNKNOWN_FIELD)


def test_a_list_of_objects_is_bounded() -> None:
    kind = Kind("a sample", labels.CONTROL, KIND.members, 10_000)
    body = canonical.to_bytes({**VALUES, "items": [{}] * 101})
    refused(lambda: read_body(kind, body).objects("items", frozenset()), ReasonCode.BAD_FIELD)
    refused(lambda: members(items=[{"more": 1}]).objects("items", ITEM), ReasonCode.UNKNOWN_FIELD)


def test_nothing_is_signed_that_nobody_would_take() -> None:
    for body in (b"{}", BODY + b" "):
        with pytest.raises(LocalProtocolError) as refusal:
            sign_object(KIND, SIGNER, body, lambda _: None)
        assert refusal.value.code is ReasonCode.BAD_FIELD
    with pytest.raises(LocalProtocolError):
        sign_object(KIND, SIGNER, BODY, lambda read: read.text("count"))


@given(st.binary(max_size=100))
def test_any_bytes_are_refused(data: bytes) -> None:
    assert isinstance(value_or_reason(lambda: parse_signed(KIND, data)), ReasonCode)
    assert isinstance(value_or_reason(lambda: read_body(KIND, data)), ReasonCode)
