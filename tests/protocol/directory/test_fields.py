# SPDX-License-Identifier: Apache-2.0
"""Fields take one written form of each value, and say no more than which rule was broken."""

import unicodedata
from datetime import date

import pytest
from hypothesis import given
from hypothesis import strategies as st

from protocol.directory.fields import (
    Day,
    Fields,
    KeyIdField,
    Line,
    Moment,
    Octets,
    OptionalDay,
    is_line,
    read_fields,
)
from protocol.errors import MalformedError, ReasonCode
from protocol.identifiers import KeyId
from tests.support.clock import START
from tests.support.refusals import refused, value_or_reason


class Sample(Fields):
    """One field of each kind."""

    name: Line
    at: Moment
    day: Day
    until: OptionalDay
    key: KeyIdField
    data: Octets


SAMPLE = Sample(
    name="Bureau d'intégrité", at=START, day=date(2026, 3, 2), until=None, key=KeyId("a" * 64), data=b"\0"
)
OBJECT = dict(SAMPLE.to_object())


def test_fields_and_object_are_inverse() -> None:
    assert read_fields(Sample, OBJECT) == SAMPLE
    assert OBJECT == {
        "name": "Bureau d'intégrité",
        "at": "2026-03-02T09:00:00.000Z",
        "day": "2026-03-02",
        "until": "",
        "key": "a" * 64,
        "data": "AA==",
    }


@pytest.mark.parametrize(("name", "value"), [(name, 7) for name in OBJECT] + [(name, []) for name in OBJECT])
def test_no_value_is_converted(name: str, value: int) -> None:
    refused(lambda: read_fields(Sample, {**OBJECT, name: value}), ReasonCode.BAD_FIELD)


def test_an_unknown_member_outweighs_a_wrong_one() -> None:
    refused(lambda: read_fields(Sample, {**OBJECT, "name": 7, "more": 1}), ReasonCode.UNKNOWN_FIELD)


@given(st.dictionaries(st.sampled_from(sorted(OBJECT)), st.text(max_size=30)))
def test_any_text_gives_fields_or_a_reason(changes: dict[str, str]) -> None:
    plain = {name: unicodedata.normalize("NFC", text).replace("\0", "") for name, text in changes.items()}
    value = value_or_reason(lambda: read_fields(Sample, {**OBJECT, **plain}))
    if isinstance(value, Sample):
        assert value.to_object() == {**OBJECT, **plain}


def test_an_error_does_not_quote_what_was_read() -> None:
    with pytest.raises(MalformedError) as caught:
        read_fields(Sample, {**OBJECT, "key": "secret"})
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize("text", ["a", "a b", "\u0645\u06cc\u200c\u062e\u0648\u0627\u0647\u0645", "a" * 300])
def test_lines(text: str) -> None:
    assert is_line(text)


@pytest.mark.parametrize("text", ["", " a", "a ", "a\tb", "a\u2028b", "a\u00adb", "a\ue000b", "a" * 301])
def test_not_lines(text: str) -> None:
    assert not is_line(text)
