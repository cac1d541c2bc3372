# SPDX-License-Identifier: Apache-2.0
"""The extension `consultation`: one form, a sorted roster, successors and a hub that are on it."""

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from protocol.errors import LocalProtocolError, ReasonCode
from protocol.groups.extension import ConsultationExtension, amended, parse_consultation_extension
from protocol.identifiers import AuthorityId, ConsultationId, NodeId, NodeName
from protocol.octets import Writer, op
from tests.support.refusals import refused, value_or_reason

ID = b"019f1d03-8dc1-7000-8000-000000000001"
A, B = AuthorityId("xa-acc"), AuthorityId("xb-ibu")
EXTENSION = ConsultationExtension(
    consultation=ConsultationId(ID.decode()),
    hub=NodeName(A, NodeId("main")),
    successors=(NodeName(B, NodeId("main")), NodeName(A, NodeId("second"))),
    roster=(A, B),
    policy_version=1,
    opening=bytes(range(32)),
)


def written(**changes: Any) -> bytes:
    """Write the fields, also those that nobody would take."""
    fields: dict[str, Any] = {
        "consultation": ID,
        "hub": b"xa-acc/main",
        "successors": [b"xb-ibu/main", b"xa-acc/second"],
        "roster": [b"xa-acc", b"xb-ibu"],
        "policy_version": 1,
        "opening": bytes(range(32)),
        **changes,
    }
    return (
        Writer()
        .op(fields["consultation"])
        .op(fields["hub"])
        .op(b"".join(map(op, fields["successors"])))
        .op(b"".join(map(op, fields["roster"])))
        .u64(fields["policy_version"])
        .op(fields["opening"])
        .to_bytes()
    )


WRITTEN = written()


def names(count: int) -> list[bytes]:
    return [f"x{number:02}".encode() for number in range(count)]


def test_its_form_is_frozen() -> None:
    assert EXTENSION.to_bytes() == WRITTEN
    assert parse_consultation_extension(WRITTEN) == EXTENSION
    assert WRITTEN.hex() == (
        "24"
        + ID.hex()
        + "0b78612d6163632f6d61696e"
        + "1a0b78622d6962752f6d61696e0d78612d6163632f7365636f6e64"
        "0e0678612d6163630678622d696275"
        "0000000000000001" + "20" + bytes(range(32)).hex()
    )


def test_what_is_set_next_has_the_next_version() -> None:
    joining = AuthorityId("xa-zzz")
    more = amended(EXTENSION, roster=[B, joining, A])
    assert more == replace(EXTENSION, roster=(A, joining, B), policy_version=2)
    assert amended(more, successors=[]) == replace(more, successors=(), policy_version=3)
    moved = amended(EXTENSION, hub=EXTENSION.successors[0], successors=[EXTENSION.hub])
    assert parse_consultation_extension(moved.to_bytes()).hub == EXTENSION.successors[0]


def test_without_successors() -> None:
    alone = replace(EXTENSION, successors=())
    assert parse_consultation_extension(alone.to_bytes()) == alone


def test_the_largest_fits() -> None:
    long = [f"{'a' * 61}{number:02}" for number in range(20)]
    largest = replace(
        EXTENSION,
        hub=NodeName(AuthorityId(long[0]), NodeId("b" * 63)),
        successors=tuple(NodeName(AuthorityId(name), NodeId("b" * 63)) for name in long[1:]),
        roster=tuple(AuthorityId(name) for name in long),
        policy_version=2**64 - 1,
    )
    assert parse_consultation_extension(largest.to_bytes()) == largest


@pytest.mark.parametrize(
    "changes",
    [
        pytest.param({"consultation": ID[:-1] + b"g"}, id="no consultation id"),
        pytest.param({"consultation": ID.upper()}, id="another form of the id"),
        pytest.param({"hub": b"xa-acc"}, id="a hub without a node"),
        pytest.param({"hub": b"xc-aco/main"}, id="a hub off the roster"),
        pytest.param({"roster": [b"xb-ibu", b"xa-acc"]}, id="not sorted"),
        pytest.param({"roster": [b"xa-acc", b"xa-acc", b"xb-ibu"]}, id="one twice"),
        pytest.param({"roster": [b"xa-acc"], "successors": []}, id="one alone"),
        pytest.param({"roster": [], "successors": []}, id="nobody"),
        pytest.param({"roster": [b"xa-acc", b"xb_ibu"]}, id="no authority id"),
        pytest.param({"roster": sorted([*names(20), b"xa-acc"]), "successors": []}, id="21 authorities"),
        pytest.param({"successors": [b"xc-aco/main"]}, id="a successor off the roster"),
        pytest.param({"successors": [b"xb-ibu/main", b"xb-ibu/main"]}, id="a successor twice"),
        pytest.param({"successors": [b"xa-acc/main"]}, id="the hub as a successor"),
        pytest.param({"successors": [b"xb-ibu"]}, id="a successor without a node"),
        pytest.param({"successors": [b"xb-ibu/" + name for name in names(20)]}, id="20 successors"),
        pytest.param({"policy_version": 0}, id="version 0"),
    ],
)
def test_a_value_outside_its_rule(changes: dict[str, Any]) -> None:
    refused(lambda: parse_consultation_extension(written(**changes)), ReasonCode.BAD_FIELD)


@pytest.mark.parametrize(
    ("data", "code"),
    [
        (WRITTEN[:-1], ReasonCode.BAD_CONTENT),
        (WRITTEN + b"\0", ReasonCode.BAD_CONTENT),
        (b"", ReasonCode.BAD_CONTENT),
        (written(opening=bytes(31)), ReasonCode.BAD_CONTENT),
        (written(opening=bytes(33)), ReasonCode.TOO_LARGE),
        (written(roster=[b"xa-acc", b"xb-ibu", b"a" * 64]), ReasonCode.TOO_LARGE),
        (
            WRITTEN.replace(op(b"xb-ibu") + bytes(7), b"\x40" + op(b"xb-ibu") + bytes(7)),
            ReasonCode.BAD_CONTENT,
        ),
    ],
)
def test_octets_that_are_none(data: bytes, code: ReasonCode) -> None:
    refused(lambda: parse_consultation_extension(data), code)


@pytest.mark.parametrize(
    "changes",
    [
        {"roster": (B, A)},
        {"policy_version": 0},
        {"opening": bytes(31)},
        {"consultation": ConsultationId("x")},
        {"hub": NodeName(AuthorityId("\u00e9"), NodeId("main"))},
    ],
)
def test_nothing_is_written_that_nobody_would_take(changes: dict[str, Any]) -> None:
    with pytest.raises(LocalProtocolError) as refusal:
        replace(EXTENSION, **changes).to_bytes()
    assert refusal.value.code is ReasonCode.BAD_FIELD


LABELS = st.text("abyz09", min_size=1, max_size=5)


@given(st.sets(LABELS, min_size=2, max_size=20), st.data())
def test_round_trip(roster: set[str], data: st.DataObject) -> None:
    nodes = st.builds(NodeName, st.sampled_from(sorted(roster)).map(AuthorityId), LABELS.map(NodeId))
    hub, *successors = data.draw(st.lists(nodes, min_size=1, max_size=20, unique=True))
    extension = replace(
        EXTENSION,
        hub=hub,
        successors=tuple(successors),
        roster=tuple(AuthorityId(name) for name in sorted(roster)),
        policy_version=data.draw(st.integers(1, 2**64 - 1)),
    )
    assert parse_consultation_extension(extension.to_bytes()) == extension


@given(st.integers(0, len(WRITTEN) - 1), st.integers(0, 255))
def test_another_octet_is_another_value_or_none(place: int, octet: int) -> None:
    data = bytearray(WRITTEN)
    data[place] = octet
    found = value_or_reason(lambda: parse_consultation_extension(bytes(data)))
    assert isinstance(found, ReasonCode) or found.to_bytes() == bytes(data)


@given(st.binary(max_size=200))
def test_any_bytes(data: bytes) -> None:
    found = value_or_reason(lambda: parse_consultation_extension(data))
    assert isinstance(found, ReasonCode) or found.to_bytes() == data
