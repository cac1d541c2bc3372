# SPDX-License-Identifier: Apache-2.0
"""Requests and answers about key packages: one written form, bounds, and any octets are one or refused."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from globe_node.delivery.link import MAX_ANSWER_BYTES, MAX_REQUEST_BYTES, Operation
from globe_node.groups.packages.wire import (
    MAX_CERTIFICATES,
    MAX_REFERENCES,
    REFERENCE_BYTES,
    PackageAnswer,
    PackageRequest,
    in_order,
    parse_package_answer,
    parse_package_request,
)
from protocol import limits
from protocol.errors import ReasonCode, RemoteProtocolError
from protocol.groups.certificate import MAX_LEAF_CERTIFICATE_BYTES
from protocol.octets import Writer

references = st.lists(st.binary(min_size=REFERENCE_BYTES, max_size=REFERENCE_BYTES), max_size=4).map(in_order)
items = st.lists(st.binary(min_size=1, max_size=40), max_size=4).map(tuple)
ONE, TWO = bytes(REFERENCE_BYTES), b"\1" * REFERENCE_BYTES


@given(st.builds(PackageRequest, st.integers(1, limits.MAX_KEY_PACKAGES), references, references))
def test_a_request_is_read_as_it_was_written(request: PackageRequest) -> None:
    assert parse_package_request(request.to_bytes()) == request


@given(st.builds(PackageAnswer, items, items, references))
def test_an_answer_is_read_as_it_was_written(answer: PackageAnswer) -> None:
    assert parse_package_answer(answer.to_bytes()) == answer


@given(st.binary(max_size=300))
def test_any_octets_are_read_or_refused(octets: bytes) -> None:
    for parse in (parse_package_request, parse_package_answer):
        try:
            value = parse(octets)
        except RemoteProtocolError:
            continue
        assert value.to_bytes() == octets


@pytest.mark.parametrize(
    ("body", "code"),
    [
        (b"", ReasonCode.BAD_CONTENT),
        (b"\x02" + PackageRequest(1).to_bytes()[1:], ReasonCode.BAD_VERSION),
        (PackageRequest(0).to_bytes(), ReasonCode.BAD_FIELD),
        (PackageRequest(limits.MAX_KEY_PACKAGES + 1).to_bytes(), ReasonCode.BAD_FIELD),
        (PackageRequest(1).to_bytes() + b"\0", ReasonCode.BAD_CONTENT),
        (PackageRequest(1, (TWO, ONE)).to_bytes(), ReasonCode.BAD_CONTENT),
        (PackageRequest(1, (ONE, ONE)).to_bytes(), ReasonCode.BAD_CONTENT),
        (PackageRequest(1, (), (TWO, ONE)).to_bytes(), ReasonCode.BAD_CONTENT),
        (Writer().u8(1).u16(1).u16(MAX_REFERENCES + 1).to_bytes(), ReasonCode.TOO_LARGE),
    ],
)
def test_a_request_in_another_form_is_refused(body: bytes, code: ReasonCode) -> None:
    with pytest.raises(RemoteProtocolError) as caught:
        parse_package_request(body)
    assert caught.value.code is code


@pytest.mark.parametrize(
    ("body", "code"),
    [
        (b"", ReasonCode.BAD_CONTENT),
        (b"\x02", ReasonCode.BAD_VERSION),
        (PackageAnswer().to_bytes() + b"\0", ReasonCode.BAD_CONTENT),
        (PackageAnswer(certificates=(b"x",) * (MAX_CERTIFICATES + 1)).to_bytes(), ReasonCode.TOO_LARGE),
        (
            PackageAnswer(certificates=(bytes(MAX_LEAF_CERTIFICATE_BYTES + 1),)).to_bytes(),
            ReasonCode.TOO_LARGE,
        ),
        (PackageAnswer(packages=(b"x",) * (limits.MAX_KEY_PACKAGES + 2)).to_bytes(), ReasonCode.TOO_LARGE),
        (
            PackageAnswer(packages=(bytes(limits.MAX_KEY_PACKAGE_BYTES + 1),)).to_bytes(),
            ReasonCode.TOO_LARGE,
        ),
        (PackageAnswer(packages=(b"",)).to_bytes(), ReasonCode.BAD_CONTENT),
        (PackageAnswer(gone=(TWO, ONE)).to_bytes(), ReasonCode.BAD_CONTENT),
    ],
)
def test_an_answer_in_another_form_is_refused(body: bytes, code: ReasonCode) -> None:
    with pytest.raises(RemoteProtocolError) as caught:
        parse_package_answer(body)
    assert caught.value.code is code


def test_the_longest_request_and_the_longest_answer_fit_their_bounds() -> None:
    many = in_order(number.to_bytes(REFERENCE_BYTES, "big") for number in range(MAX_REFERENCES + 5))
    assert len(many) == MAX_REFERENCES
    request = PackageRequest(limits.MAX_KEY_PACKAGES, many, many).to_bytes()
    assert len(request) <= MAX_REQUEST_BYTES[Operation.KEY_PACKAGES]
    packages = (bytes(4_000),) * (limits.MAX_KEY_PACKAGES + 1)
    certificates = (bytes(MAX_LEAF_CERTIFICATE_BYTES),) * MAX_CERTIFICATES
    answer = PackageAnswer(certificates, packages, many).to_bytes()
    assert len(answer) <= MAX_ANSWER_BYTES[Operation.KEY_PACKAGES]
