# SPDX-License-Identifier: Apache-2.0
"""The sealed parts of groups: one written form, bounds, and any octets are one or refused."""

from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from protocol import limits
from protocol.errors import ReasonCode, RemoteProtocolError, UnsupportedVersionError
from protocol.groups.certificate import MAX_LEAF_CERTIFICATE_BYTES
from protocol.groups.sealed import (
    Invitation,
    OrderedCommit,
    Said,
    frame_binding,
    joined_message,
    kind_of,
    padding_for,
    parse_invitation,
    parse_ordered_commit,
)

some = st.binary(max_size=40)
certificates = st.lists(some, max_size=4).map(tuple)


@given(st.builds(Invitation, some, certificates))
def test_an_invitation_is_read_as_it_was_written(value: Invitation) -> None:
    assert parse_invitation(value.to_bytes()) == value


@given(st.builds(OrderedCommit, some, some, certificates))
def test_a_commit_is_read_as_it_was_written(value: OrderedCommit) -> None:
    assert parse_ordered_commit(value.to_bytes()) == value


@given(st.binary(max_size=200))
def test_any_octets_are_read_or_refused(octets: bytes) -> None:
    for parse in (parse_invitation, parse_ordered_commit):
        try:
            value = parse(octets)
        except RemoteProtocolError:
            continue
        assert value.to_bytes() == octets
    try:
        kind_of(octets)
    except UnsupportedVersionError:
        assert octets[:1] not in (b"\1", b"\2", b"\3", b"\4")


@pytest.mark.parametrize(
    ("parse", "octets", "code"),
    [
        (parse_invitation, b"", ReasonCode.BAD_CONTENT),
        (parse_invitation, b"\2\0\0", ReasonCode.BAD_VERSION),
        (parse_invitation, Invitation(b"w", ()).to_bytes() + b"x", ReasonCode.BAD_CONTENT),
        (parse_invitation, Invitation(b"w", (b"c",) * 65).to_bytes(), ReasonCode.TOO_LARGE),
        (
            parse_invitation,
            Invitation(b"w", (bytes(MAX_LEAF_CERTIFICATE_BYTES + 1),)).to_bytes(),
            ReasonCode.TOO_LARGE,
        ),
        (
            parse_invitation,
            Invitation(bytes(limits.MAX_WELCOME_BYTES + 1), ()).to_bytes(),
            ReasonCode.TOO_LARGE,
        ),
        (parse_ordered_commit, b"\2\0\0\0", ReasonCode.BAD_VERSION),
        (parse_ordered_commit, OrderedCommit(b"c", b"r", ()).to_bytes() + b"x", ReasonCode.BAD_CONTENT),
        (
            parse_ordered_commit,
            OrderedCommit(bytes(limits.MAX_COMMIT_BYTES + 1), b"", ()).to_bytes(),
            ReasonCode.TOO_LARGE,
        ),
    ],
)
def test_another_form_is_refused(parse: Callable[[bytes], object], octets: bytes, code: ReasonCode) -> None:
    with pytest.raises(RemoteProtocolError) as caught:
        parse(octets)
    assert caught.value.code is code


def test_the_first_octet_says_what_it_is() -> None:
    assert kind_of(b"\1 a record") is Said.RECORD
    assert kind_of(joined_message(b"statement")) is Said.JOINED


def test_lengths_show_in_steps_only() -> None:
    for size in (1, 511, 513, 5_000, 300_000):
        assert 0 <= padding_for(size) <= max(512, size // 8)
        assert size + padding_for(size) >= 512


def test_another_frame_has_another_binding() -> None:
    assert frame_binding(b"one") != frame_binding(b"two")
    assert len(frame_binding(b"")) == 32
