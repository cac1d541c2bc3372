# SPDX-License-Identifier: Apache-2.0
"""Canonical bytes: one written form, read strictly."""

import json
import unicodedata
from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from protocol import canonical, limits
from protocol.errors import LocalProtocolError, MalformedError, ReasonCode
from tests.support.refusals import value_or_reason
from tests.support.vectors import vector_path

TEXT = st.text(max_size=20).map(lambda text: unicodedata.normalize("NFC", text.replace("\0", "")))
NAMES = st.text(st.characters(min_codepoint=0x20, max_codepoint=0x7E), min_size=1, max_size=64)
SAFE = st.integers(-limits.MAX_SAFE_INTEGER, limits.MAX_SAFE_INTEGER)
VALUES = st.recursive(
    TEXT | SAFE | st.booleans(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(NAMES, inner, max_size=4),
    max_leaves=12,
)
MOMENTS = st.integers(0, 199 * 365 * 86_400_000_000).map(
    lambda microseconds: datetime(2000, 1, 1, tzinfo=UTC) + timedelta(microseconds=microseconds)
)


@given(VALUES)
def test_the_written_form_reads_back_to_the_same_value(value: canonical.JSONValue) -> None:
    assert canonical.parse(canonical.to_bytes(value), 1 << 20) == value


@given(st.binary(max_size=60) | st.text(max_size=60).map(lambda text: text.encode("utf-8", "surrogatepass")))
def test_any_bytes_are_a_value_or_a_listed_reason(data: bytes) -> None:
    value = value_or_reason(lambda: canonical.parse(data, 1 << 16))
    if isinstance(value, ReasonCode):
        assert value is ReasonCode.BAD_JSON
    else:
        assert canonical.to_bytes(value) == data


@pytest.mark.parametrize(
    "data",
    [
        b'{"a":1,"a":2}',
        b'{"x":{"a":1,"a":1}}',
        b"NaN",
        b"[Infinity]",
        b"-Infinity",
        b"1e999",
        b"1.0",
        b"1E2",
        b"-0",
        b"9007199254740992",
        b"-9007199254740992",
        b"1" * 5000,
        b"01",
        b"null",
        b"[null]",
        b"[" * 33 + b"]" * 33,
        b"[" * 100_000 + b"]" * 100_000,
        b'{"":1}',
        b'{"' + b"k" * 65 + b'":1}',
        '{"é":1}'.encode(),
        b'{"a\\nb":1}',
        b'{"a":1,"b":{"c\\nd":2}}',
        b'{"a":1,"b":{"":2}}',
        b"\xef\xbb\xbf{}",
        b'"\xff"',
        b'"\xc0\xaf"',
        b'"\xed\xa0\x80"',
        b'"\\ud800"',
        b'"\\u0000"',
        b'"\0"',
        b"{} ",
        b"{}{}",
        b"",
        b' {"a":1}',
        b'{"a": 1}',
        b'{"b":1,"a":2}',
        b'"\\u0041"',
        b'"\\/"',
        b'"\\u000A"',
        '"\N{LATIN SMALL LETTER E}\N{COMBINING ACUTE ACCENT}"'.encode(),
        b"[1,]",
        b"{'a':1}",
    ],
)
def test_what_is_not_canonical_is_refused(data: bytes) -> None:
    with pytest.raises(MalformedError) as caught:
        canonical.parse(data, 1 << 20)
    assert caught.value.code is ReasonCode.BAD_JSON


@pytest.mark.vectors
@pytest.mark.parametrize("name", ["arrays", "french", "structures", "unicode", "values", "weird"])
def test_what_rfc_8785_has_beyond_our_restricted_form_is_refused(name: str) -> None:
    """All official cases have null, a fraction, a name that is empty or not ASCII, or text that is no NFC."""
    for folder in ("input", "output"):
        data = vector_path(f"translog/jcs/{folder}/{name}.json").read_bytes()
        with pytest.raises(MalformedError):
            canonical.parse(data, 1 << 20)
        with pytest.raises(MalformedError):
            canonical.read_json(data, 1 << 20)


def test_more_bytes_than_allowed_are_refused_before_they_are_read() -> None:
    with pytest.raises(MalformedError) as caught:
        canonical.parse(b"[" * 1000, 999)
    assert caught.value.code is ReasonCode.TOO_LARGE


def test_a_top_value_that_is_no_object_is_refused() -> None:
    with pytest.raises(MalformedError):
        canonical.parse_object(b"[]", 10)
    assert canonical.parse_object(b"{}", 10) == {}


def test_what_nobody_signed_may_have_any_white_space_and_order_but_no_member_twice() -> None:
    assert canonical.read_json(b' {"b": 1,\n "a": "\\u0041"} ', 100) == {"a": "A", "b": 1}
    with pytest.raises(MalformedError):
        canonical.read_json(b'{"a":1,"a":1}', 100)
    with pytest.raises(MalformedError):
        canonical.read_json(b"1.5", 100)


@pytest.mark.parametrize(
    "value",
    [
        1.5,
        None,
        b"x",
        2**53,
        "\0",
        "\ud800",
        "e\N{COMBINING ACUTE ACCENT}",
        {"é": 1},
        {"a\nb": 1},
        {1: 1},
        {"a": None},
    ],
)
def test_what_has_no_written_form_is_refused_on_our_side(value: canonical.JSONValue) -> None:
    with pytest.raises(LocalProtocolError) as caught:
        canonical.to_bytes(value)
    assert caught.value.code is ReasonCode.BAD_FIELD


def test_texts_of_errors_do_not_quote_the_input() -> None:
    for data in (b'{"secret":1,"secret":2}', b'["secret"] ', b'"secret', b'{"secret":1.5}'):
        with pytest.raises(MalformedError) as caught:
            canonical.parse(data, 1 << 10)
        assert "secret" not in str(caught.value)


@given(MOMENTS)
def test_a_moment_reads_back_to_the_millisecond(at: datetime) -> None:
    text = canonical.moment_text(at)
    assert canonical.parse_moment(text) == at.replace(microsecond=at.microsecond // 1000 * 1000)
    assert canonical.moment_text(canonical.parse_moment(text)) == text


def test_a_moment_of_another_zone_is_written_in_utc() -> None:
    at = datetime(2026, 7, 1, 12, 0, tzinfo=timezone(timedelta(hours=2)))
    assert canonical.moment_text(at) == "2026-07-01T10:00:00.000Z"


@pytest.mark.parametrize(
    "text",
    [
        "2026-07-01T10:00:00.000",
        "2026-07-01T10:00:00.000+00:00",
        "2026-07-01T10:00:00.000+14:00",
        "2026-07-01T10:00:00Z",
        "2026-07-01T10:00:00.000000Z",
        "2026-07-01 10:00:00.000Z",
        "2026-07-01t10:00:00.000z",
        "9999-12-31T23:59:59.000Z",
        "1999-12-31T23:59:59.999Z",
        "2016-12-31T23:59:60.000Z",
        "2026-02-29T10:00:00.000Z",
        "2026-13-01T10:00:00.000Z",
        "1e18",
        "",
        "2026-07-01T10:00:00.000Z\n",
        "\uff12026-07-01T10:00:00.000Z",
    ],
)
def test_other_forms_of_a_moment_are_refused(text: str) -> None:
    with pytest.raises(MalformedError) as caught:
        canonical.parse_moment(text)
    assert caught.value.code is ReasonCode.BAD_FIELD


NAIVE = datetime(2026, 7, 1, tzinfo=UTC).replace(tzinfo=None)


@pytest.mark.parametrize("at", [NAIVE, datetime(9999, 1, 1, tzinfo=UTC), datetime(1999, 1, 1, tzinfo=UTC)])
def test_a_moment_that_cannot_be_written_is_refused(at: datetime) -> None:
    with pytest.raises(LocalProtocolError):
        canonical.moment_text(at)


@pytest.mark.parametrize("bomb", [json.dumps(["x"] * 1_000_000).encode(), b"[" + b"[]," * 300_000 + b"[]]"])
def test_a_million_items_stay_within_the_size_bound(bomb: bytes) -> None:
    with pytest.raises(MalformedError):
        canonical.parse(bomb, limits.MAX_RECORD_BYTES)
