# SPDX-License-Identifier: Apache-2.0
"""What may be recorded, and what may not."""

from dataclasses import replace
from datetime import UTC, datetime

import pytest

from protocol.audit.events import FIELDS, MAX_FIELDS, AuditEvent, EventKind, event_of, size_bucket
from protocol.errors import LocalProtocolError, MalformedError

AT = datetime(2026, 11, 24, 9, 30, 1, 250_000, tzinfo=UTC)
FULL = AuditEvent(
    kind=EventKind.RECEIVED,
    at=AT,
    peer="xb-acc/main",
    case="0199a3c2-0000-7000-8000-000000000001",
    msg="0199a3c2-0000-7000-8000-000000000002",
    digest="ab" * 32,
    officer="p-17",
    size=size_bucket(3000),
    attachments=2,
    dir_size=41,
    key="cd" * 32,
    result="ok",
    rc=bytes(range(32)),
)


def test_an_event_comes_back_from_its_values() -> None:
    values = {name: value for name, value in zip(FIELDS, FULL.values(), strict=True) if value is not None}
    assert event_of(values, FULL.rc) == FULL
    small = AuditEvent(kind=EventKind.NODE_STARTED, at=AT)
    values = {name: value for name, value in zip(FIELDS, small.values(), strict=True) if value is not None}
    assert sorted(values) == ["kind", "t"]
    assert event_of(values, b"") == small


def test_there_is_room_for_every_field() -> None:
    assert len(FIELDS) <= MAX_FIELDS


@pytest.mark.parametrize(
    "text", ['say "hello"', "line\nbreak", "Möbius", "x" * 201, "back\\slash", "<b>", "\x00"]
)
def test_free_text_has_no_place(text: str) -> None:
    for name in ("peer", "case", "msg", "digest", "officer", "size", "key", "result"):
        with pytest.raises(LocalProtocolError):
            replace(FULL, **{name: text}).values()  # type: ignore[arg-type]  # these fields are text


def test_counts_and_reconciliation_values_have_bounds() -> None:
    for event in (
        replace(FULL, attachments=-1),
        replace(FULL, dir_size=2**53),
        replace(FULL, attachments=True),
        replace(FULL, rc=b"short"),
        replace(FULL, at=AT.replace(tzinfo=None)),
    ):
        with pytest.raises(LocalProtocolError):
            event.values()


@pytest.mark.parametrize(
    "values",
    [
        {},
        {"kind": "RECEIVED"},
        {"kind": "BOUGHT", "t": "2026-11-24T09:30:01.250Z"},
        {"kind": 7, "t": "2026-11-24T09:30:01.250Z"},
        {"kind": "READ", "t": "yesterday"},
        {"kind": "READ", "t": "2026-11-24T09:30:01.250Z", "body": "x"},
        {"kind": "READ", "t": "2026-11-24T09:30:01.250Z", "peer": 7},
        {"kind": "READ", "t": "2026-11-24T09:30:01.250Z", "peer": ""},
        {"kind": "READ", "t": "2026-11-24T09:30:01.250Z", "attachments": "2"},
        {"kind": "READ", "t": "2026-11-24T09:30:01.250Z", "attachments": True},
    ],
)
def test_values_of_no_event_are_malformed(values: dict[str, object]) -> None:
    with pytest.raises(MalformedError):
        event_of(values, b"")


def test_sizes_are_told_in_powers_of_two() -> None:
    sizes = (0, 1, 512, 513, 1024, 1025, 3000, 1 << 20, (1 << 20) + 1, 1 << 30)
    assert [size_bucket(size) for size in sizes] == [
        "512", "512", "512", "1K", "1K", "2K", "4K", "1M", "2M", "1G",
    ]  # fmt: skip
