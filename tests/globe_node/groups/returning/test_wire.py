# SPDX-License-Identifier: Apache-2.0
"""What members and hubs say about commits and returns: inverses, bounds, any bytes."""

from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from globe_node.delivery.link import MAX_ANSWER_BYTES, MAX_REQUEST_BYTES, Operation
from globe_node.groups.returning.wire import (
    MAX_COMMITS,
    MAX_SHARED,
    CommitAnswer,
    CommitRequest,
    InfoAnswer,
    InfoRequest,
    LaterRequest,
    Place,
    RollAnswer,
    RollRequest,
    SharedGroup,
    parse_absence_answer,
    parse_commit_answer,
    parse_commit_request,
    parse_info_answer,
    parse_info_request,
    parse_roll_answer,
)
from protocol import limits
from protocol.errors import MalformedError, ReasonCode, RemoteProtocolError
from protocol.groups.certificate import MAX_LEAF_CERTIFICATE_BYTES
from protocol.identifiers import AuthorityId, ConsultationId, NodeId, NodeName, uuid7

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
    parse_roll_answer,
    parse_absence_answer,
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


names = st.from_regex(r"[a-z]{2}-[a-z0-9]{1,9}", fullmatch=True).map(AuthorityId)
shared = st.builds(
    SharedGroup,
    group_ids,
    st.uuids(version=4).map(lambda one: ConsultationId(str(uuid7(1_800_000_000_000, one.bytes[:10])))),
    st.builds(NodeName, names, st.just(NodeId("main"))),
    st.sets(names, max_size=4).map(lambda found: tuple(sorted(found))),
)
rolls = st.lists(shared, max_size=3, unique_by=lambda one: one.group_id).map(
    lambda found: RollAnswer(tuple(sorted(found, key=lambda one: one.group_id)))
)


@given(st.builds(RollRequest, group_ids | st.just(b"")), rolls)
def test_what_is_said_about_groups_in_common_is_read_as_it_was_written(
    request: RollRequest, answer: RollAnswer
) -> None:
    assert parse_info_request(request.to_bytes()) == request
    assert parse_roll_answer(answer.to_bytes()) == answer


def told(*, group_id: bytes = bytes(32), roster: tuple[str, ...] = ("xa-acc", "xb-ibu")) -> SharedGroup:
    consultation = ConsultationId(str(uuid7(1_800_000_000_000, bytes(10))))
    hub = NodeName(AuthorityId("xa-acc"), NodeId("main"))
    return SharedGroup(group_id, consultation, hub, tuple(map(AuthorityId, roster)))


@pytest.mark.parametrize(
    ("body", "code"),
    [
        (b"\2", ReasonCode.BAD_VERSION),
        (RollAnswer((told(),) * 2).to_bytes(), ReasonCode.BAD_CONTENT),
        (RollAnswer((told(roster=("xb-ibu", "xa-acc")),)).to_bytes(), ReasonCode.BAD_CONTENT),
        (RollAnswer((told(roster=("xb-ibu", "xb-ibu")),)).to_bytes(), ReasonCode.BAD_CONTENT),
        (RollAnswer((told(roster=("no name",)),)).to_bytes(), ReasonCode.BAD_FIELD),
        (
            RollAnswer((told(roster=tuple(f"x{n:03}" for n in range(65))),)).to_bytes(),
            ReasonCode.TOO_LARGE,
        ),
        (
            RollAnswer(tuple(told(group_id=n.to_bytes(32, "big")) for n in range(501))).to_bytes(),
            ReasonCode.TOO_LARGE,
        ),
        (RollAnswer((told(),)).to_bytes() + b"x", ReasonCode.BAD_CONTENT),
    ],
)
def test_another_list_of_groups_is_refused(body: bytes, code: ReasonCode) -> None:
    with pytest.raises(RemoteProtocolError) as caught:
        parse_roll_answer(body)
    assert caught.value.code is code


@given(st.builds(InfoRequest, group_ids, st.booleans()), st.builds(InfoAnswer, some, certificates))
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
        (parse_info_request, b"\1\5" + bytes(32), ReasonCode.BAD_FIELD),
        (parse_absence_answer, b"\1\2", ReasonCode.BAD_FIELD),
        (parse_absence_answer, b"\1\1\0", ReasonCode.BAD_CONTENT),
        (parse_info_request, RollRequest(bytes(31)).to_bytes(), ReasonCode.BAD_FIELD),
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
    assert len(RollRequest(bytes(32)).to_bytes()) <= MAX_REQUEST_BYTES[Operation.GROUP_INFO]
    roll = told(roster=tuple(f"x{n:062}" for n in range(limits.MAX_GROUP_MEMBERS)))
    assert MAX_SHARED * len(RollAnswer((roll,)).to_bytes()) <= MAX_ANSWER_BYTES[Operation.GROUP_INFO]
    assert len(shown.to_bytes()) <= MAX_ANSWER_BYTES[Operation.GROUP_INFO]
