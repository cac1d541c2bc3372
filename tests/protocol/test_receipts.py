# SPDX-License-Identifier: Apache-2.0
"""Receipts: one written form, every rule refused on both sides, knowledge that only moves forward."""

from collections.abc import Callable
from itertools import product
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from protocol import canonical, limits
from protocol.errors import LocalProtocolError, ReasonCode, RemoteProtocolError
from protocol.receipts import (
    DeliveryState,
    Issuer,
    Receipt,
    ReceiptStatus,
    SignedReceipt,
    advance,
    parse_receipt,
    parse_signed_receipt,
    receipt_hash,
)
from tests.support.records import SAMPLE_A, SAMPLE_B, sample_digest, sample_entry, sample_receipt
from tests.support.refusals import refused, value_or_reason

Q, R, D, J, U = (
    DeliveryState.QUEUED,
    DeliveryState.RECEIVED,
    DeliveryState.READ,
    DeliveryState.REJECTED,
    DeliveryState.UNDELIVERABLE,
)
# What is known, then what it becomes when told: received, read, rejected, undeliverable.
ADVANCES = {
    Q: (R, D, J, U),
    R: (R, D, None, None),
    D: (D, D, None, None),
    J: (None, None, J, None),
    U: (None, None, None, U),
}
TOLD = (ReceiptStatus.RECEIVED, ReceiptStatus.READ, ReceiptStatus.REJECTED, ReceiptStatus.UNDELIVERABLE)


@pytest.mark.parametrize(("current", "status"), list(product(DeliveryState, TOLD)))
def test_knowledge_only_moves_forward_and_a_bad_end_stays(
    current: DeliveryState, status: ReceiptStatus
) -> None:
    expected = ADVANCES[current][TOLD.index(status)]
    if expected is None:
        with pytest.raises(RemoteProtocolError) as caught:
            advance(current, status)
        assert caught.value.code is ReasonCode.ILLEGAL_MOVE
    else:
        assert advance(current, status) is expected


def test_only_queued_is_not_an_end() -> None:
    assert [state for state in DeliveryState if not state.is_terminal] == [Q]


def as_json(receipt: Receipt) -> dict[str, Any]:
    value = canonical.parse(receipt.to_bytes(), limits.MAX_RECEIPT_BYTES)
    assert isinstance(value, dict)
    return value


def test_a_receipt_reads_back_as_it_was_written() -> None:
    receipt = sample_receipt()
    data = receipt.to_bytes()
    assert parse_receipt(data) == receipt
    assert parse_receipt(data).to_bytes() == data
    assert len(receipt_hash(data)) == 64
    wire = SignedReceipt(data, b"signature", receipt).to_bytes()
    assert parse_signed_receipt(wire).to_bytes() == wire
    assert parse_signed_receipt(wire).content == receipt


def test_a_full_receipt_fits_its_bound() -> None:
    entries = tuple(
        sample_entry(n, status=ReceiptStatus.REJECTED, reason=ReasonCode.SENDER_ROLLED_BACK)
        for n in range(limits.MAX_RECEIPT_ENTRIES)
    )
    assert len(sample_receipt(entries=entries).to_bytes()) <= limits.MAX_RECEIPT_BYTES


@given(st.binary(max_size=200))
def test_any_bytes_are_a_receipt_or_a_listed_reason(data: bytes) -> None:
    assert isinstance(value_or_reason(lambda: parse_receipt(data)), Receipt | ReasonCode)
    assert isinstance(value_or_reason(lambda: parse_signed_receipt(data)), SignedReceipt | ReasonCode)


JUNK = st.sampled_from([0, 1, -1, True, "", "x", "1", "read", [], ["x"], {}, {"a": 1}])


@given(st.data())
def test_any_change_of_a_member_is_a_receipt_or_a_listed_reason(data: st.DataObject) -> None:
    value = as_json(sample_receipt())
    path = data.draw(st.sampled_from([(), ("issuer",), ("directory",), ("entries", 0), ("entries", 1)]))
    place: Any = value
    for step in path:
        place = place[step]
    name = data.draw(st.sampled_from([*place, "extra"]))
    if data.draw(st.booleans()) and name in place:
        del place[name]
    else:
        place[name] = data.draw(JUNK)
    result = value_or_reason(lambda: parse_receipt(canonical.to_bytes(value)))
    if isinstance(result, ReasonCode):
        assert result in (ReasonCode.BAD_FIELD, ReasonCode.UNKNOWN_FIELD, ReasonCode.BAD_VERSION)
    else:
        assert result.to_bytes() == canonical.to_bytes(value)


@pytest.mark.parametrize(
    "changes",
    [
        {"receipt_id": "x"},
        {"issuer": Issuer(SAMPLE_B, "node 1", sample_digest(1))},  # type: ignore[arg-type]  # the point
        {"issuer": Issuer(SAMPLE_A, "node-1", sample_digest(1))},  # type: ignore[arg-type]  # to itself
        {"to": "XA"},
        {"entries": ()},
        {"entries": (sample_entry(1), sample_entry(1))},
        {"entries": tuple(sample_entry(n) for n in range(limits.MAX_RECEIPT_ENTRIES + 1))},
        {"entries": (sample_entry(1, envelope="0"),)},
        {"entries": (sample_entry(1, record=""),)},
        {"entries": (sample_entry(1, record="x"),)},
        {"entries": (sample_entry(1, reason=ReasonCode.REFUSED),)},
        {"entries": (sample_entry(1, status=ReceiptStatus.REJECTED),)},
        {"entries": (sample_entry(1, status=ReceiptStatus.UNDELIVERABLE),)},
        {
            "entries": (
                sample_entry(1),
                sample_entry(2, status=ReceiptStatus.UNDELIVERABLE, reason=ReasonCode.EXPIRED),
            )
        },
    ],
)
def test_a_value_outside_its_rule_is_refused_on_our_side(changes: dict[str, Any]) -> None:
    with pytest.raises(LocalProtocolError) as caught:
        sample_receipt(**changes).to_bytes()
    assert caught.value.code is ReasonCode.BAD_FIELD


@pytest.mark.parametrize(
    ("change", "code"),
    [
        (lambda value: value.update(v=2), ReasonCode.BAD_VERSION),
        (lambda value: value.update(v=True), ReasonCode.BAD_FIELD),
        (lambda value: value.update(kind="message"), ReasonCode.BAD_FIELD),
        (lambda value: value.update(extra=1), ReasonCode.UNKNOWN_FIELD),
        (lambda value: value["issuer"].update(extra=1), ReasonCode.UNKNOWN_FIELD),
        (lambda value: value["entries"][0].update(extra=1), ReasonCode.UNKNOWN_FIELD),
        (lambda value: value["entries"][0].update(status="lost"), ReasonCode.BAD_FIELD),
        (lambda value: value["entries"][1].update(reason="because"), ReasonCode.BAD_FIELD),
        (lambda value: value["directory"].update(size=-1), ReasonCode.BAD_FIELD),
        (lambda value: value.pop("to"), ReasonCode.BAD_FIELD),
        (lambda value: value.update(entries="x"), ReasonCode.BAD_FIELD),
        (lambda value: value.update(created="2026-07-01T09:30:00+00:00"), ReasonCode.BAD_FIELD),
    ],
)
def test_other_shapes_are_refused(change: Callable[[dict[str, Any]], None], code: ReasonCode) -> None:
    value = as_json(sample_receipt())
    change(value)
    refused(lambda: parse_receipt(canonical.to_bytes(value)), code)


def test_cut_longer_or_newer_wires_are_refused() -> None:
    receipt = sample_receipt()
    wire = SignedReceipt(receipt.to_bytes(), b"signature", receipt).to_bytes()
    refused(lambda: parse_signed_receipt(wire[:-1]), ReasonCode.BAD_CONTENT)
    refused(lambda: parse_signed_receipt(wire + b"x"), ReasonCode.BAD_CONTENT)
    refused(lambda: parse_signed_receipt(b"\x02" + wire[1:]), ReasonCode.BAD_VERSION)


def test_a_signature_does_not_show_in_a_repr() -> None:
    receipt = sample_receipt()
    assert "marked" not in repr(SignedReceipt(receipt.to_bytes(), b"marked", receipt))
