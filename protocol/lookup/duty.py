# SPDX-License-Identifier: Apache-2.0
"""Whether an office is at work at a moment, and when that changes. It knows no zone and no holiday itself.

1. Hours are of the office's own clock; a change of summer time inside them shortens or lengthens them.
2. Hours that end before they begin end on the next day and belong to the day on which they began.
3. Public holidays close an office that keeps them, whatever day of the week it is.
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta, tzinfo

from protocol.directory.contacts import ContactPoint, Weekday
from protocol.directory.profile.organisation import Office

AHEAD_DAYS = 14
"""How far ahead an opening is looked for."""
_WEEK = tuple(Weekday)
_ALL_DAY = "00:00-24:00"


@dataclass(frozen=True, slots=True)
class Schedule:
    """When an office works.

    Attributes:
        zone: name of its time zone.
        days: its working days.
        hours: `08:00-16:30`, or empty for all day.
        holidays: whose public holidays it keeps, or empty.
    """

    zone: str
    days: tuple[Weekday, ...]
    hours: str
    holidays: str


@dataclass(frozen=True, slots=True)
class Duty:
    """Whether an office is at work.

    Attributes:
        on: whether it is; None if its time zone is not known here.
        until: when that changes, in UTC; None if not within two weeks.
        holiday: it is closed for a public holiday.
    """

    on: bool | None
    until: datetime | None = None
    holiday: bool = False


UNKNOWN = Duty(None)
IsHoliday = Callable[[date], bool]


def schedule_of(office: ContactPoint | Office) -> Schedule:
    """Return when a contact point or an authority works."""
    return Schedule(office.time_zone, office.working_days, office.hours, office.holidays)


def duty_of(schedule: Schedule, at: datetime, zone: tzinfo, is_holiday: IsHoliday) -> Duty:
    """Say whether an office is at work at a moment.

    Args:
        schedule: when it works.
        at: aware.
        zone: its time zone.
        is_holiday: whether a day is one of its public holidays.
    """
    today = at.astimezone(zone).date()
    end: datetime | None = None
    opening: datetime | None = None
    for offset in range(-1, AHEAD_DAYS + 1):
        window = _window(schedule, today + timedelta(days=offset), zone, is_holiday)
        if window is None:
            continue
        start, finish = window
        if (end is not None and start <= end < finish) or start <= at < finish:
            end = finish
        elif start > at:
            opening = start
            break
    if end is not None:
        lasting = end - at > timedelta(days=AHEAD_DAYS - 1)
        return Duty(on=True, until=None if lasting else end)
    closed = _works_on(schedule, today) and is_holiday(today)
    return Duty(on=False, until=opening, holiday=closed)


def _window(
    schedule: Schedule, day: date, zone: tzinfo, is_holiday: IsHoliday
) -> tuple[datetime, datetime] | None:
    """Return beginning and end of the hours that begin on a day, in UTC."""
    if not _works_on(schedule, day) or is_holiday(day):
        return None
    first, _, last = (schedule.hours or _ALL_DAY).partition("-")
    start, finish = _moment(day, first, zone), _moment(day, last, zone)
    if finish <= start:
        finish = _moment(day + timedelta(days=1), last, zone)
    return start, finish


def _works_on(schedule: Schedule, day: date) -> bool:
    return _WEEK[day.weekday()] in schedule.days


def _moment(day: date, clock: str, zone: tzinfo) -> datetime:
    hours, minutes = int(clock[:2]), int(clock[3:])
    if hours >= 24:
        day, hours = day + timedelta(days=1), hours - 24
    return datetime.combine(day, time(hours, minutes), zone).astimezone(UTC)
