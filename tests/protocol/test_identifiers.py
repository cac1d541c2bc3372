# SPDX-License-Identifier: Apache-2.0
"""Names and ids: their forms, and whose an id is."""

from collections.abc import Callable
from functools import partial

import pytest
from hypothesis import given
from hypothesis import strategies as st

from protocol.errors import ReasonCode
from protocol.identifiers import (
    AuthorityId,
    NodeId,
    NodeName,
    RecordId,
    owned_uuid7,
    parse_authority_id,
    parse_consultation_id,
    parse_digest,
    parse_key_id,
    parse_node_id,
    parse_node_name,
    parse_record_id,
    require_owned,
    uuid7,
)
from tests.support.refusals import refused, value_or_reason

A, B = AuthorityId("xa-acc"), AuthorityId("xb-ibu")
PARSERS = (
    parse_authority_id,
    parse_node_id,
    parse_consultation_id,
    parse_record_id,
    parse_key_id,
    parse_digest,
)
MILLISECONDS = st.integers(0, 2**48 - 1)
RANDOMNESS = st.binary(min_size=10, max_size=10)


@given(MILLISECONDS, RANDOMNESS)
def test_an_id_has_the_form_of_a_uuid7_and_begins_with_its_time(now: int, randomness: bytes) -> None:
    for made in (uuid7(now, randomness), owned_uuid7(now, randomness, A)):
        assert made.version == 7
        assert made.bytes[:6] == now.to_bytes(6, "big")
        assert parse_record_id(str(made)) == str(made)


@given(MILLISECONDS, RANDOMNESS)
def test_an_id_belongs_to_who_made_it_alone(now: int, randomness: bytes) -> None:
    made = RecordId(str(owned_uuid7(now, randomness, A)))
    require_owned(made, A)
    refused(lambda: require_owned(made, B), ReasonCode.BAD_FIELD)


def test_an_id_is_frozen() -> None:
    made = owned_uuid7(1_782_896_400_000, bytes(range(10)), A)
    assert str(made) == "019f1ce8-1680-7001-8203-040550e08a2a"


@pytest.mark.parametrize("bad", [(-1, bytes(10)), (2**48, bytes(10)), (0, bytes(9))])
def test_what_makes_no_id(bad: tuple[int, bytes]) -> None:
    with pytest.raises(ValueError, match="UUIDv7"):
        uuid7(*bad)


@pytest.mark.parametrize("parse", PARSERS)
@given(text=st.text(max_size=80))
def test_any_text_is_a_name_or_refused(parse: Callable[[str], str], text: str) -> None:
    assert value_or_reason(lambda: parse(text)) in (text, ReasonCode.BAD_FIELD)


@pytest.mark.parametrize(
    "name",
    [
        pytest.param("", id="empty"),
        pytest.param("-xa", id="begins with a hyphen"),
        pytest.param("xa-", id="ends with a hyphen"),
        pytest.param("Xa", id="capital"),
        pytest.param("x" * 64, id="64 characters"),
        pytest.param("xa/main", id="slash"),
        pytest.param("xa acc", id="space"),
        pytest.param("xa\n", id="line feed at the end"),
        pytest.param("x\u0430-acc", id="Cyrillic a"),
        pytest.param("\uff58a", id="full width"),
        pytest.param("xa\u200b", id="zero width"),
        pytest.param("xa\u202e", id="direction override"),
        pytest.param("x\u0661", id="another digit"),
    ],
)
def test_b09_what_is_no_name_of_a_machine(name: str) -> None:
    refused(lambda: parse_authority_id(name), ReasonCode.BAD_FIELD)
    refused(lambda: parse_node_id(name), ReasonCode.BAD_FIELD)


@pytest.mark.parametrize(
    "text",
    [
        pytest.param("019f1ce3-dc80-4001-8203-040506070809", id="version 4"),
        pytest.param("019f1ce3-dc80-7001-c203-040506070809", id="another variant"),
        pytest.param("019F1CE3-DC80-7001-8203-040506070809", id="capitals"),
        pytest.param("019f1ce3dc8070018203040506070809", id="no hyphens"),
        pytest.param("{019f1ce3-dc80-7001-8203-040506070809}", id="braces"),
        pytest.param("../../../../etc/passwd", id="a path"),
    ],
)
def test_what_is_no_id(text: str) -> None:
    refused(lambda: parse_record_id(text), ReasonCode.BAD_FIELD)
    refused(lambda: parse_consultation_id(text), ReasonCode.BAD_FIELD)


def test_the_full_name_of_a_node() -> None:
    name = parse_node_name(b"xa-acc/main")
    assert name == NodeName(AuthorityId("xa-acc"), NodeId("main"))
    assert str(name) == "xa-acc/main"
    for data in (
        b"xa-acc",
        b"xa-acc/",
        b"/main",
        b"xa-acc/main/1",
        b"xa-acc/m\xc3\xa4in",
        b"xa-acc\\main",
        b"",
    ):
        refused(partial(parse_node_name, data), ReasonCode.BAD_FIELD)
