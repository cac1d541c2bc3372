# SPDX-License-Identifier: Apache-2.0
"""Time zones, public holidays and names of countries, from libraries that are well kept (decision 0021).

1. What a library does not know is said to be unknown; nothing is guessed and nothing fails.
2. A holiday is what the library knows today: some depend on the moon and are declared late.
3. The libraries are loaded when they are first asked.
"""

from collections.abc import Sequence
from datetime import date, datetime
from functools import lru_cache
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from protocol.lookup.duty import UNKNOWN, Duty, Schedule, duty_of

SEARCHED_LANGUAGES = ("en", "fr", "es", "ar", "ru", "zh")
"""The official languages of the United Nations."""
_PSEUDO = frozenset({"XA", "XB", "ZZ"})
"""Codes to which the library gives names though they stand for no country."""


class DutyRoster:
    """Says who is at work at one moment; each schedule is worked out once.

    Args:
        at: the moment, aware.
    """

    def __init__(self, at: datetime) -> None:
        self.at = at
        self._known: dict[Schedule, Duty] = {}

    def duty(self, schedule: Schedule) -> Duty:
        """Say whether an office with this schedule is at work."""
        known = self._known.get(schedule)
        if known is None:
            zone = zone_of(schedule.zone)
            known = self._known[schedule] = (
                UNKNOWN
                if zone is None
                else duty_of(schedule, self.at, zone, lambda day: is_holiday(schedule.holidays, day))
            )
        return known


@lru_cache(maxsize=1024)
def zone_of(name: str) -> ZoneInfo | None:
    """Return a time zone, or None if nobody here knows it."""
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        return None


def is_holiday(calendar: str, day: date) -> bool:
    """Whether a day is a public holiday of a country (`KE`) or subdivision (`DE-BY`); never, of none."""
    return bool(calendar) and day in _holidays(calendar, day.year)


@lru_cache(maxsize=2048)
def _holidays(calendar: str, year: int) -> frozenset[date]:
    import holidays  # noqa: PLC0415 -- costs a tenth of a second, and few ask

    country, _, part = calendar.partition("-")
    try:
        return frozenset(holidays.country_holidays(country, subdiv=part or None, years=year))
    except RuntimeError:  # what it raises where it knows no such calendar
        return frozenset()


@lru_cache(maxsize=512)
def country_names(country: str) -> Sequence[str]:
    """Return what a country is called in the searched languages; nothing for a code nobody knows."""
    if country in _PSEUDO:
        return ()
    return tuple(name for territories in _territories() if (name := territories.get(country)))


@lru_cache(maxsize=1)
def _territories() -> tuple[dict[str, str], ...]:
    from babel import Locale  # noqa: PLC0415 -- loads six languages

    return tuple(dict(Locale.parse(language).territories) for language in SEARCHED_LANGUAGES)
