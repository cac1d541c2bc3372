# SPDX-License-Identifier: Apache-2.0
"""Greetings: one form, and nothing is believed that the line has not authenticated."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from globe_node.neighbours.greeting import MAX_GREETING_BYTES, Greeting, parse_greeting
from protocol.canonical import to_bytes
from protocol.errors import ReasonCode
from protocol.identifiers import DirectoryView
from tests.support.clock import START
from tests.support.delivery import identity_of
from tests.support.records import sample_digest
from tests.support.refusals import refused, value_or_reason

PEER = identity_of("xa-acc")
MEMBERS: dict[str, Any] = {
    "authority": "xa-acc",
    "node": "main",
    "versions": [1],
    "time": "2026-03-02T09:00:00.000Z",
    "directory": {"size": 5, "root": sample_digest(1)},
}


@pytest.mark.parametrize("view", [DirectoryView(5, sample_digest(1)), None])
def test_a_greeting_comes_back_as_it_went(view: DirectoryView | None) -> None:
    greeting = Greeting(PEER, START, view)
    assert parse_greeting(greeting.to_bytes(), PEER) == greeting


def test_newer_versions_beside_ours_are_fine() -> None:
    parse_greeting(to_bytes({**MEMBERS, "versions": [1, 2]}), PEER)


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"authority": "xb-ibu"}, ReasonCode.REFUSED),
        ({"node": "other"}, ReasonCode.REFUSED),
        ({"versions": [2]}, ReasonCode.BAD_VERSION),
        ({"versions": []}, ReasonCode.BAD_FIELD),
        ({"versions": [True]}, ReasonCode.BAD_FIELD),
        ({"versions": list(range(17))}, ReasonCode.BAD_FIELD),
        ({"time": "now"}, ReasonCode.BAD_FIELD),
        ({"time": 1}, ReasonCode.BAD_FIELD),
        ({"directory": {"size": 5}}, ReasonCode.BAD_FIELD),
        ({"directory": {"size": -1, "root": sample_digest(1)}}, ReasonCode.BAD_FIELD),
        ({"directory": {"size": True, "root": sample_digest(1)}}, ReasonCode.BAD_FIELD),
        ({"directory": {"size": 5, "root": "no"}}, ReasonCode.BAD_FIELD),
        ({"directory": []}, ReasonCode.BAD_FIELD),
        ({"surprise": 1}, ReasonCode.UNKNOWN_FIELD),
        ({"authority": "x" * MAX_GREETING_BYTES}, ReasonCode.TOO_LARGE),
    ],
)
def test_any_other_greeting_is_refused(changes: dict[str, Any], code: ReasonCode) -> None:
    refused(lambda: parse_greeting(to_bytes({**MEMBERS, **changes}), PEER), code)


@given(st.binary(max_size=200))
def test_any_bytes_are_a_greeting_or_a_reason(body: bytes) -> None:
    assert value_or_reason(lambda: parse_greeting(body, PEER)) is not None
