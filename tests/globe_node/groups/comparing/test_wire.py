# SPDX-License-Identifier: Apache-2.0
"""What members show each other of hub receipts has one form, and bounds."""

from functools import partial

from hypothesis import given
from hypothesis import strategies as st

from globe_node.groups.comparing.wire import MAX_SHOWN, Shown, parse_shown, shown_bytes
from protocol import limits
from protocol.errors import ReasonCode
from protocol.groups.testimony.hub_receipt import MAX_HUB_RECEIPT_BYTES
from protocol.octets import Writer
from tests.support.refusals import refused, value_or_reason

SHOWN = st.builds(
    Shown,
    st.binary(min_size=32, max_size=32),
    st.binary(min_size=1, max_size=40),
    st.binary(max_size=40),
)


@given(st.lists(SHOWN, max_size=MAX_SHOWN, unique_by=lambda one: one.group_id))
def test_it_reads_back_as_it_was_written(shown: list[Shown]) -> None:
    assert parse_shown(shown_bytes(shown)) == tuple(sorted(shown, key=lambda one: one.group_id))


@given(st.binary(max_size=200))
def test_any_bytes_are_refused_or_have_one_form(data: bytes) -> None:
    found = value_or_reason(lambda: parse_shown(data))
    assert isinstance(found, ReasonCode) or shown_bytes(found) == data


def test_what_is_refused() -> None:
    one, two = Shown(bytes(32), b"x"), Shown(b"\1" * 32, b"y")
    whole = shown_bytes([one, two])
    many = [Shown(bytes([number]) * 32, b"x") for number in range(MAX_SHOWN + 1)]
    turned = Writer().u8(1).u8(2).raw(b"\1" * 32).op(b"x").op(b"").raw(bytes(32)).op(b"x").op(b"")
    long = Shown(bytes(32), bytes(MAX_HUB_RECEIPT_BYTES + 1))
    for data, code in (
        (b"\2" + whole[1:], ReasonCode.BAD_VERSION),
        (whole[:-1], ReasonCode.BAD_CONTENT),
        (whole + b"\0", ReasonCode.BAD_CONTENT),
        (shown_bytes(many), ReasonCode.TOO_LARGE),
        (turned.to_bytes(), ReasonCode.BAD_CONTENT),
        (shown_bytes([one, one]), ReasonCode.BAD_CONTENT),
        (shown_bytes([long]), ReasonCode.TOO_LARGE),
        (shown_bytes([Shown(bytes(32), b"")]), ReasonCode.BAD_CONTENT),
    ):
        refused(partial(parse_shown, data), code)


def test_the_longest_one_fits_its_bound() -> None:
    longest = bytes(MAX_HUB_RECEIPT_BYTES)
    many = [Shown(bytes([number]) * 32, longest, longest) for number in range(MAX_SHOWN)]
    assert len(shown_bytes(many)) <= limits.MAX_HUB_RECEIPTS_BYTES
