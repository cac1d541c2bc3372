# SPDX-License-Identifier: Apache-2.0
"""Values taken out of foreign JSON: each of its type and within its bounds, or refused by our own words."""

from collections.abc import Callable

import pytest

from protocol.canonical import JSONValue, count_of, items_of, object_of, require_members, text_of, texts_of
from protocol.errors import MalformedError, ReasonCode

Take = Callable[[JSONValue], object]


def at_most_two(value: JSONValue) -> object:
    return items_of(value, 2, "list")


def two_texts(value: JSONValue) -> object:
    return texts_of(value, 2, "texts")


@pytest.mark.parametrize(
    ("take", "value"),
    [
        (lambda value: text_of(value, "text"), "a"),
        (lambda value: count_of(value, "count"), 0),
        (lambda value: object_of(value, "object"), {"a": 1}),
        (at_most_two, [1, "a"]),
        (at_most_two, []),
        (two_texts, ("a", "b")),
    ],
)
def test_a_value_of_its_type_is_taken_as_it_is(take: Take, value: JSONValue) -> None:
    assert take(value) == value


@pytest.mark.parametrize(
    ("take", "value"),
    [
        (lambda value: text_of(value, "text"), 1),
        (lambda value: text_of(value, "text"), ["a"]),
        (lambda value: count_of(value, "count"), -1),
        (lambda value: count_of(value, "count"), True),
        (lambda value: count_of(value, "count"), "1"),
        (lambda value: object_of(value, "object"), [1]),
        (at_most_two, "ab"),
        (at_most_two, {"a": 1}),
        (at_most_two, [1, 2, 3]),
        (two_texts, ["a", 1]),
    ],
)
def test_any_other_value_is_refused(take: Take, value: JSONValue) -> None:
    with pytest.raises(MalformedError, match="outside its rule") as refused:
        take(value)
    assert refused.value.code is ReasonCode.BAD_FIELD


def test_what_is_unknown_is_named_before_what_is_missing() -> None:
    require_members({"a": 1, "b": 2}, {"a", "b"}, "thing")
    with pytest.raises(MalformedError, match="thing: a member is missing") as refused:
        require_members({"a": 1}, {"a", "b"}, "thing")
    assert refused.value.code is ReasonCode.BAD_FIELD
    with pytest.raises(MalformedError, match="thing: a member that is not known") as refused:
        require_members({"a": 1, "secret": 2}, {"a", "b"}, "thing")
    assert refused.value.code is ReasonCode.UNKNOWN_FIELD
    assert "secret" not in str(refused.value)
