# SPDX-License-Identifier: Apache-2.0
"""Bodies: full and lean ones read back, and anything else is one listed reason that quotes nothing."""

import unicodedata
from collections.abc import Iterator
from copy import deepcopy
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from protocol import canonical
from protocol.codes.message_types import MessageType
from protocol.errors import MalformedError, ReasonCode
from protocol.messages.parse import MODELS, Body, body_of, parse_body
from tests.support.bodies import FULL, LEAN
from tests.support.refusals import value_or_reason

Path = tuple[str | int, ...]


def test_every_type_has_a_model() -> None:
    assert set(MODELS) == set(MessageType) == set(FULL) == set(LEAN)


@pytest.mark.parametrize("samples", [FULL, LEAN])
@pytest.mark.parametrize("kind", list(MessageType))
def test_a_body_reads_back_as_it_was_written(
    kind: MessageType, samples: dict[MessageType, dict[str, Any]]
) -> None:
    body = parse_body(kind, samples[kind])
    assert type(body) is MODELS[kind]
    assert body_of(body) == samples[kind]
    assert parse_body(kind, canonical.parse_object(canonical.to_bytes(body_of(body)), 1 << 18)) == body


def places(value: Any, path: Path = ()) -> Iterator[Path]:
    """Every place in a body, the body itself first."""
    yield path
    if isinstance(value, dict):
        for name, member in value.items():
            yield from places(member, (*path, name))
    elif isinstance(value, list):
        for index, item in enumerate(value):
            yield from places(item, (*path, index))


def changed(value: Any, path: Path, change: Any) -> Any:
    copy = deepcopy(value)
    place = copy
    for step in path[:-1]:
        place = place[step]
    place[path[-1]] = change
    return copy


def at(value: Any, path: Path) -> Any:
    for step in path:
        value = value[step]
    return value


def reading(kind: MessageType, body: dict[str, Any]) -> Body | ReasonCode:
    return value_or_reason(lambda: parse_body(kind, body))


ALL_PLACES = [(kind, path) for kind in MessageType for path in places(FULL[kind])]


@pytest.mark.parametrize("kind", list(MessageType))
def test_a_member_too_many_is_refused_wherever_it_is(kind: MessageType) -> None:
    for path in places(FULL[kind]):
        if isinstance(at(FULL[kind], path), dict):
            body = deepcopy(FULL[kind])
            at(body, path)["surplus"] = "x"
            with pytest.raises(MalformedError) as caught:
                parse_body(kind, body)
            assert caught.value.code is ReasonCode.UNKNOWN_FIELD
            assert "surplus" not in str(caught.value)


@pytest.mark.parametrize("kind", list(MessageType))
def test_a_value_of_another_type_is_refused_wherever_it_is(kind: MessageType) -> None:
    for path in places(FULL[kind]):
        if not path:
            continue
        now = at(FULL[kind], path)
        others: list[Any] = [{"a": 1}, 7, True, "x", ["x"], [], "1", "", "NULL", "a\0b", "A\u030a"]
        for other in others:
            if isinstance(other, type(now)) and not (isinstance(other, bool) ^ isinstance(now, bool)):
                continue
            result = reading(kind, changed(FULL[kind], path, other))
            assert result in (ReasonCode.BAD_FIELD, ReasonCode.UNKNOWN_FIELD), (path, other)


@given(st.sampled_from(ALL_PLACES), st.sampled_from([0, 1, -1, True, "", "x", "H1", [], ["x"], {}, {"a": 1}]))
def test_any_change_is_a_body_or_a_listed_reason(place: tuple[MessageType, Path], change: Any) -> None:
    kind, path = place
    body = changed(FULL[kind], path, change) if path else {"x": change}
    result = reading(kind, body)
    if isinstance(result, ReasonCode):
        assert result in (ReasonCode.BAD_FIELD, ReasonCode.UNKNOWN_FIELD)
    else:
        assert parse_body(kind, body_of(result)) == result


@given(st.sampled_from(list(MessageType)), st.dictionaries(st.text(max_size=5), st.text(max_size=5)))
def test_any_object_is_a_body_or_a_listed_reason(kind: MessageType, body: dict[str, str]) -> None:
    assert isinstance(reading(kind, body), ReasonCode | Body)


TEXT_PLACES = [
    (kind, path)
    for kind, path in ALL_PLACES
    if path and isinstance(at(FULL[kind], path), str) and path[-1] in ("text", "note", "nexus", "explanation")
]


@given(st.sampled_from(TEXT_PLACES), st.text(min_size=1, max_size=30))
def test_free_text_is_kept_as_it_is(place: tuple[MessageType, Path], text: str) -> None:
    kind, path = place
    result = reading(kind, changed(FULL[kind], path, text))
    plain = "\0" not in text and not text.isspace() and unicodedata.is_normalized("NFC", text)
    if isinstance(result, ReasonCode):
        assert not plain
    else:
        assert at(body_of(result), path) == text


@pytest.mark.parametrize("mark", ["\u202e", "\u2066", "\U000e0041", "\u200b"])
def test_direction_and_tag_characters_stay_in_free_text_and_not_in_references(mark: str) -> None:
    kind = MessageType.CONSULT_REQUEST
    parse_body(kind, changed(LEAN[kind], ("facts", "text"), f"a{mark}b"))
    for place in (("case", "reference"), ("help_items", 0, "id"), ("facts", "language")):
        body = changed(LEAN[kind], place, f"a{mark}b")
        assert reading(kind, body) is ReasonCode.BAD_FIELD


def test_errors_name_the_place_and_the_rule_and_quote_nothing() -> None:
    body = changed(LEAN[MessageType.CONSULT_REQUEST], ("help_items", 0, "help_type"), "SECRET")
    with pytest.raises(MalformedError) as caught:
        parse_body(MessageType.CONSULT_REQUEST, body)
    assert str(caught.value) == "body.help_items.0.help_type: enum"
    body = changed(LEAN[MessageType.CONSULT_REQUEST], ("case",), {"reference": "x"})
    with pytest.raises(MalformedError) as caught:
        parse_body(MessageType.CONSULT_REQUEST, body)
    assert str(caught.value) == "body.case.stage: missing"


def test_no_content_shows_in_a_repr() -> None:
    for kind in MessageType:
        body = parse_body(kind, FULL[kind])
        assert "ample" not in repr(body)
        assert "ample" not in f"{body}"
