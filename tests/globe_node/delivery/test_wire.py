# SPDX-License-Identifier: Apache-2.0
import contextlib
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from globe_node.delivery.wire import (
    EnvelopesAnswer,
    answer_to,
    parse_envelopes_answer,
    parse_items,
    parse_refusals,
    take_fitting,
    write_items,
    write_refusals,
)
from protocol import canonical, limits
from protocol.errors import MalformedError, ReasonCode, RemoteProtocolError, UnsupportedVersionError
from protocol.identifiers import EnvelopeId

ids = st.binary(min_size=16, max_size=16).map(EnvelopeId)
codes = st.sampled_from(ReasonCode)


def parse(body: bytes) -> list[bytes]:
    return parse_items(body, max_items=4, max_item_bytes=100)


@given(st.lists(st.binary(min_size=1, max_size=100), min_size=1, max_size=4))
def test_items_are_read_as_written(items: list[bytes]) -> None:
    assert parse(write_items(items)) == items


@given(st.binary())
def test_any_octets_are_items_or_a_named_fault(body: bytes) -> None:
    with contextlib.suppress(RemoteProtocolError):
        assert write_items(parse(body)) == body


@pytest.mark.parametrize(
    ("body", "code"),
    [
        (write_items([]), ReasonCode.BAD_CONTENT),
        (write_items([b"x"] * 5), ReasonCode.TOO_LARGE),
        (write_items([b"x" * 101]), ReasonCode.TOO_LARGE),
        (write_items([b""]), ReasonCode.BAD_CONTENT),
        (write_items([b"x"]) + b"y", ReasonCode.BAD_CONTENT),
        (write_items([b"xyz"])[:-1], ReasonCode.BAD_CONTENT),
        (b"", ReasonCode.BAD_CONTENT),
    ],
)
def test_a_request_that_breaks_a_rule_gets_its_code(body: bytes, code: ReasonCode) -> None:
    with pytest.raises(MalformedError) as caught:
        parse(body)
    assert caught.value.code is code


def test_another_version_is_refused() -> None:
    with pytest.raises(UnsupportedVersionError):
        parse(b"\x02" + write_items([b"x"])[1:])


@given(
    st.lists(st.binary(max_size=50), max_size=5),
    st.lists(ids, max_size=5),
    st.dictionaries(ids, codes, max_size=5),
)
def test_an_answer_is_read_as_written(
    receipts: list[bytes], pending: list[EnvelopeId], refused: dict[EnvelopeId, ReasonCode]
) -> None:
    answer = EnvelopesAnswer(tuple(receipts), tuple(pending), refused)
    assert parse_envelopes_answer(answer.to_bytes()) == answer


@given(st.dictionaries(ids, codes, max_size=5))
def test_refusals_are_read_as_written(refused: dict[EnvelopeId, ReasonCode]) -> None:
    assert parse_refusals(write_refusals(refused)) == refused


@pytest.mark.parametrize("read", [parse_envelopes_answer, parse_refusals])
@given(body=st.binary())
def test_any_answer_is_a_value_or_a_named_fault(read: Callable[[bytes], object], body: bytes) -> None:
    with contextlib.suppress(RemoteProtocolError):
        read(body)


@pytest.mark.parametrize(
    "members",
    [
        {},
        {"receipts": [], "pending": []},
        {"receipts": [], "pending": [], "refused": [], "more": []},
        {"receipts": "x", "pending": [], "refused": []},
        {"receipts": [1], "pending": [], "refused": []},
        {"receipts": ["*"], "pending": [], "refused": []},
        {"receipts": [], "pending": ["00"], "refused": []},
        {"receipts": [], "pending": ["A" * 32], "refused": []},
        {"receipts": [], "pending": ["00" * 16] * 101, "refused": []},
        {"receipts": [], "pending": [], "refused": ["x"]},
        {"receipts": [], "pending": [], "refused": [{"id": "00" * 16}]},
        {"receipts": [], "pending": [], "refused": [{"id": "00" * 16, "code": 1}]},
    ],
)
def test_an_answer_of_another_shape_is_refused(members: canonical.JSONValue) -> None:
    with pytest.raises(MalformedError):
        parse_envelopes_answer(canonical.to_bytes(members))


def test_a_code_we_do_not_know_counts_as_refused() -> None:
    body = canonical.to_bytes({"refused": [{"id": "00" * 16, "code": "something_new"}]})
    assert parse_refusals(body) == {bytes(16): ReasonCode.REFUSED}


def test_an_answer_never_outgrows_what_the_other_side_reads() -> None:
    receipts = {EnvelopeId(bytes([number]) * 16): bytes([number]) * 4_000 for number in range(100)}
    answer = answer_to(receipts, (), {})
    assert len(answer.to_bytes()) <= limits.MAX_ANSWER_BYTES
    assert answer.receipts
    assert len(answer.receipts) + len(answer.pending) == 100
    assert parse_envelopes_answer(answer.to_bytes()) == answer


def test_a_receipt_for_many_is_sent_once() -> None:
    receipts = {EnvelopeId(bytes([number]) * 16): b"same" for number in range(100)}
    assert answer_to(receipts, (), {}).receipts == (b"same",)


@pytest.mark.parametrize(
    ("sizes", "expected"),
    [([], 0), ([10] * 9, 4), ([10, 10], 2), ([500], 1), ([60, 60], 1), ([10, 500], 1)],
)
def test_a_batch_is_cut_by_count_and_by_size(sizes: list[int], expected: int) -> None:
    assert take_fitting(sizes, max_items=4, max_bytes=100) == expected
