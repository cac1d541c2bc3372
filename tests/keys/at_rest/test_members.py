# SPDX-License-Identifier: Apache-2.0
from collections.abc import Callable
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from keys.at_rest import members
from protocol.canonical import JSONObject
from protocol.errors import MalformedError

GOOD: JSONObject = {"text": "t", "whole": 5, "octets": "AAEC", "object": {"a": 1}, "objects": [{"a": 1}, {}]}


def test_each_kind_is_taken() -> None:
    members.require_names(GOOD, frozenset(GOOD))
    assert members.text(GOOD, "text") == "t"
    assert members.whole(GOOD, "whole") == 5
    assert members.octets(GOOD, "octets") == b"\0\1\2"
    assert members.one_object(GOOD, "object") == {"a": 1}
    assert members.objects(GOOD, "objects") == ({"a": 1}, {})


@pytest.mark.parametrize(
    ("take", "value"),
    [
        (members.text, 1),
        (members.text, ["t"]),
        (members.whole, "1"),
        (members.whole, True),
        (members.octets, "AAE"),
        (members.octets, "AA EC"),
        (members.octets, 1),
        (members.one_object, "text"),
        (members.one_object, [{"a": 1}]),
        (members.objects, "text"),
        (members.objects, {"a": 1}),
        (members.objects, [1]),
        (members.objects, ["text"]),
        (members.objects, [[1]]),
        (members.moment, -1),
        (members.moment, 1 << 45),
        (members.moment, "1"),
    ],
)
def test_another_type_is_refused(take: Callable[[JSONObject, str], object], value: object) -> None:
    with pytest.raises(MalformedError):
        take({"member": value}, "member")  # type: ignore[dict-item]  # any value at all
    with pytest.raises(MalformedError):
        take({}, "member")


@pytest.mark.parametrize("names", [{"text"}, {*GOOD, "more"}, set()])
def test_members_missing_or_left_over_are_refused(names: set[str]) -> None:
    with pytest.raises(MalformedError):
        members.require_names(GOOD, frozenset(names))


@given(st.integers(min_value=0, max_value=(1 << 45) - 1))
def test_a_time_comes_back_to_the_millisecond(milliseconds: int) -> None:
    at = members.moment({"at": milliseconds}, "at")
    assert members.milliseconds_of(at) == milliseconds
    assert at.tzinfo is UTC


def test_a_known_time() -> None:
    assert members.milliseconds_of(datetime(2026, 3, 2, 9, tzinfo=UTC)) == 1_772_442_000_000
