# SPDX-License-Identifier: Apache-2.0
"""Whether an office is at work, by its own clock: weekends, holidays, nights, summer time."""

from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from protocol.directory.contacts import Weekday
from protocol.lookup.duty import Duty, Schedule, duty_of, schedule_of
from tests.support.directory import sample_contact, sample_profile

WEEK = tuple(Weekday)[:5]
PARIS = ZoneInfo("Europe/Paris")
DESK = Schedule("Europe/Paris", WEEK, "09:00-17:00", "FR")
HOLIDAY = date(2026, 5, 1)


def at(text: str) -> datetime:
    """A moment in Paris."""
    return datetime.fromisoformat(text).replace(tzinfo=PARIS)


def duty(schedule: Schedule, moment: datetime) -> Duty:
    return duty_of(schedule, moment, PARIS, lambda day: bool(schedule.holidays) and day == HOLIDAY)


@pytest.mark.parametrize(
    ("moment", "on", "until"),
    [
        ("2026-03-03T08:59", False, "2026-03-03T09:00"),
        ("2026-03-03T09:00", True, "2026-03-03T17:00"),
        ("2026-03-03T16:59", True, "2026-03-03T17:00"),
        ("2026-03-03T17:00", False, "2026-03-04T09:00"),
        ("2026-03-06T18:00", False, "2026-03-09T09:00"),
        ("2026-03-27T18:00", False, "2026-03-30T09:00"),
        ("2026-04-30T18:00", False, "2026-05-04T09:00"),
    ],
)
def test_office_hours(moment: str, on: bool, until: str) -> None:
    assert duty(DESK, at(moment)) == Duty(on=on, until=at(until).astimezone(UTC))


def test_a_public_holiday_closes_who_keeps_it() -> None:
    noon = at("2026-05-01T12:00")
    assert duty(DESK, noon) == Duty(on=False, until=at("2026-05-04T09:00").astimezone(UTC), holiday=True)
    assert duty(Schedule("Europe/Paris", WEEK, "09:00-17:00", ""), noon).on is True
    assert duty(DESK, at("2026-05-02T12:00")).holiday is False


def test_a_night_shift_belongs_to_the_day_it_began() -> None:
    night = Schedule("Europe/Paris", (Weekday.FRI,), "22:00-06:00", "")
    assert duty(night, at("2026-03-07T05:59")) == Duty(on=True, until=at("2026-03-07T06:00").astimezone(UTC))
    assert duty(night, at("2026-03-06T05:59")).on is False


def test_all_day_every_day_never_ends_and_working_weeks_do() -> None:
    assert duty(Schedule("Europe/Paris", tuple(Weekday), "", ""), at("2026-03-03T03:00")) == Duty(on=True)
    week = duty(Schedule("Europe/Paris", WEEK, "", ""), at("2026-03-03T03:00"))
    assert week == Duty(on=True, until=at("2026-03-07T00:00").astimezone(UTC))
    assert duty(Schedule("Europe/Paris", WEEK, "00:00-24:00", ""), at("2026-03-06T23:59")).on is True


def test_summer_time_moves_the_office_with_its_clock() -> None:
    before, after = at("2026-03-27T09:00"), at("2026-03-30T09:00")
    assert before.astimezone(UTC).hour == 8
    assert after.astimezone(UTC).hour == 7
    assert duty(DESK, before).on is True
    assert duty(DESK, after).on is True


def test_who_never_works_in_two_weeks_has_no_opening() -> None:
    closed = duty_of(DESK, at("2026-03-03T12:00"), PARIS, lambda _day: True)
    assert closed == Duty(on=False, until=None, holiday=True)


@given(
    st.integers(0, 525_600).map(lambda minutes: at("2026-01-01T00:00") + timedelta(minutes=minutes)),
    st.sampled_from(("", "09:00-17:00", "22:00-06:00", "00:00-24:00", "12:00-12:00")),
    st.sets(st.sampled_from(tuple(Weekday)), min_size=1),
)
def test_what_is_said_holds_until_it_changes(moment: datetime, hours: str, days: set[Weekday]) -> None:
    schedule = Schedule("Europe/Paris", tuple(sorted(days)), hours, "")
    said = duty(schedule, moment)
    if said.until is not None:
        assert said.until > moment
        just_before = said.until - timedelta(seconds=1)
        assert just_before < moment or duty(schedule, just_before).on is said.on
        assert duty(schedule, said.until).on is not said.on


def test_contact_points_and_offices_have_schedules() -> None:
    assert schedule_of(sample_contact()).zone == "Africa/Nairobi"
    assert schedule_of(sample_profile().office).holidays == "KE"
