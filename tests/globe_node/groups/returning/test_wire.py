# SPDX-License-Identifier: Apache-2.0
"""What members and hubs say about commits and returns: inverses, bounds, any bytes."""

from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from globe_node.delivery.link import MAX_ANSWER_BYTES, MAX_REQUEST_BYTES, Operation
from globe_node.groups.returning.wire import (
    MAX_COMMITS,
    CommitAnswer,
    CommitRequest,
    InfoAnswer,
    InfoRequest,
    LaterRequest,
    Place,
    parse_commit_answer,
    parse_commit_request,
    parse_info_answer,
    parse_info_request,
)
from protocol import limits
from protocol.errors import MalformedError, ReasonCode, RemoteProtocolError
from protocol.groups.certificate import MAX_LEAF_CERTIFICATE_BYTES

some = st.binary(min_size=1, max_size=40)
group_ids = st.binary(min_size=32, max_size=32)
certificates = st.lists(some, max_size=3).map(tuple)
ordered = st.builds(CommitAnswer, some)
places = st.lists(st.builds(Place, some, some), max_size=3).map(tuple)
behind = st.builds(CommitAnswer, st.just(b""), places, certificates)
PARSERS: tuple[Callable[[bytes], object], ...] = (
    parse_commit_request,
    parse_commit_answer,
    parse_info_request,
    parse_info_answer,
)


@given(
    st.builds(CommitRequest, group_ids, some, some | st.just(b""))
    | st.builds(LaterRequest, group_ids, st.integers(0, 2**64 - 1)),
    ordered | behind,
)
def test_what_is_said_about_commits_is_read_as_it_was_written(
    request: CommitRequest | LaterRequest, answer: CommitAnswer
) -> None:
    assert parse_commit_request(request.to_bytes()) == request
    assert parse_commit_answer(answer.to_bytes()) == answer


@given(st.builds(InfoRequest, group_ids), st.builds(InfoAnswer, some, certificates))
def test_what_is_said_about_returns_is_read_as_it_was_written(
    request: InfoRequest, answer: InfoAnswer
) -> None:
    assert parse_info_request(request.to_bytes()) == request
    assert parse_info_answer(answer.to_bytes()) == answer


@pytest.mark.parametrize("parse", PARSERS)
@given(st.binary(max_size=200))
def test_any_bytes(parse: Callable[[bytes], object], data: bytes) -> None:
    try:
        value = parse(data)
    except RemoteProtocolError:
        return
    assert value.to_bytes() == data  # type: ignore[attr-defined]  # each of them has it


@pytest.mark.parametrize(
    ("parse", "body", "code"),
    [
        (parse_commit_request, b"\2", ReasonCode.BAD_VERSION),
        (parse_info_answer, b"\2", ReasonCode.BAD_VERSION),
        (parse_commit_answer, b"\1\3", ReasonCode.BAD_FIELD),
        (parse_commit_request, b"\1" + bytes(32) + b"\3", ReasonCode.BAD_FIELD),
        (parse_commit_answer, bytes((1, 2, MAX_COMMITS + 1)), ReasonCode.TOO_LARGE),
        (
            parse_info_answer,
            InfoAnswer(b"x", (b"y",) * (limits.MAX_GROUP_MEMBERS + 1)).to_bytes(),
            ReasonCode.TOO_LARGE,
        ),
    ],
)
def test_what_is_outside_its_bounds_is_refused(
    parse: Callable[[bytes], object], body: bytes, code: ReasonCode
) -> None:
    with pytest.raises(RemoteProtocolError) as caught:
        parse(body)
    assert caught.value.code is code


@pytest.mark.parametrize(
    "body",
    [
        CommitRequest(bytes(32), b"x" * (limits.MAX_COMMIT_BYTES + 1)).to_bytes(),
        CommitRequest(bytes(32), b"").to_bytes(),
        CommitRequest(bytes(32), b"x", b"y" * (MAX_LEAF_CERTIFICATE_BYTES + 1)).to_bytes(),
    ],
)
def test_a_commit_that_is_none_or_too_long_is_refused(body: bytes) -> None:
    with pytest.raises(MalformedError):
        parse_commit_request(body)


def test_the_longest_bodies_go_over_the_line() -> None:
    commit, certificate = b"x" * limits.MAX_COMMIT_BYTES, b"y" * MAX_LEAF_CERTIFICATE_BYTES
    request = CommitRequest(bytes(32), commit, certificate).to_bytes()
    assert len(request) <= MAX_REQUEST_BYTES[Operation.COMMITS]
    assert len(InfoRequest(bytes(32)).to_bytes()) <= MAX_REQUEST_BYTES[Operation.GROUP_INFO]
    shown = InfoAnswer(b"x" * limits.MAX_WELCOME_BYTES, (certificate,) * limits.MAX_GROUP_MEMBERS)
    assert len(shown.to_bytes()) <= MAX_ANSWER_BYTES[Operation.GROUP_INFO]
