# SPDX-License-Identifier: Apache-2.0
"""Contact points: closed fields, and when they may be used."""

from datetime import date
from typing import Any

import pytest

from protocol.directory.contacts import ContactPoint
from protocol.directory.fields import read_fields
from protocol.errors import ReasonCode
from tests.support.directory import sample_contact
from tests.support.refusals import refused

GOOD = dict(sample_contact().to_object())


def test_fields_and_object_are_inverse() -> None:
    assert read_fields(ContactPoint, GOOD) == sample_contact()
    assert GOOD["valid_to"] == ""
    closed = sample_contact(valid_to=date(2026, 12, 31))
    assert read_fields(ContactPoint, closed.to_object()) == closed


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("id", "Duty"),
        ("id", ""),
        ("role", "BOSS"),
        ("name", ""),
        ("name", "a\u2066b"),
        ("functions", []),
        ("functions", ["MLA", "MLA"]),
        ("functions", ["NONE"]),
        ("functions", "MLA"),
        ("languages", ["english"]),
        ("languages", ["en"] * 2),
        ("languages", ["e1"]),
        ("time_zone", "../etc/passwd"),
        ("time_zone", "/UTC"),
        ("time_zone", ""),
        ("working_days", ["mon", "mon"]),
        ("working_days", ["monday"]),
        ("working_days", []),
        ("hours", "8-16"),
        ("hours", "08:00-25:00"),
        ("channels", []),
        ("channels", [{"kind": "FAX", "address": ""}]),
        ("channels", [{"kind": "EMAIL"}]),
        ("channels", [{"kind": "EMAIL", "address": "a\nb"}]),
        ("valid_from", "2026-02-30"),
        ("valid_from", "20260201"),
        ("valid_from", 1),
        ("valid_from", ""),
        ("valid_to", "2026-01-01"),
        ("valid_to", "never"),
        ("confirmed_at", "2026-3-1"),
    ],
)
def test_what_a_contact_point_can_not_say(name: str, value: Any) -> None:
    refused(lambda: read_fields(ContactPoint, {**GOOD, name: value}), ReasonCode.BAD_FIELD)


def test_unknown_and_missing_members() -> None:
    refused(lambda: read_fields(ContactPoint, {**GOOD, "fax": "1"}), ReasonCode.UNKNOWN_FIELD)
    less = {name: value for name, value in GOOD.items() if name != "role"}
    refused(lambda: read_fields(ContactPoint, less), ReasonCode.BAD_FIELD)


def test_it_may_be_used_from_its_first_to_its_last_day() -> None:
    contact = sample_contact(valid_from=date(2026, 3, 1), valid_to=date(2026, 3, 3))
    days = [date(2026, 2, 28), date(2026, 3, 1), date(2026, 3, 3), date(2026, 3, 4)]
    assert [contact.is_valid_on(day) for day in days] == [False, True, True, False]
