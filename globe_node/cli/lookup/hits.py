# SPDX-License-Identifier: Apache-2.0
"""Shows what a look-up found, with the reasons, to a person. It asks for nothing.

1. Reasons and warnings are sentences of ours; what authorities wrote stands in columns of its own.
2. Times are those of the office, and how long until it opens or closes.
"""

from collections.abc import Iterator, Mapping
from datetime import datetime, timedelta

from globe_node.cli.backend import objects, text_of
from globe_node.cli.lookup.entries import name_of
from protocol.canonical import JSONObject

SEARCH_HEADINGS = ("authority", "country", "name", "contact point", "languages", "at work", "why")
_REASONS: Mapping[str, str] = {
    "ID": "its id",
    "WORDS": "has the words",
    "SOME_WORDS": "HAS SOME OF THE WORDS",
    "COUNTRY": "in {detail}",
    "FUNCTION": "{detail}",
    "POWER": "may {detail}",
    "NETWORK": "in {detail}",
    "LANGUAGE": "speaks {detail}",
    "ON_DUTY": "",
    "OFF_DUTY": "",
    "CONFIRMED": "confirmed {detail} days ago",
    "STALE": "LAST CONFIRMED {detail} DAYS AGO",
    "NOT_IN_EXCHANGE": "{detail}",
    "NO_KEYS": "NO NODE IN USE",
}
"""What a reason says; what warns is in capitals. Whether somebody is at work has a column."""
_FILTERS: Mapping[str, str] = {
    "text": "the words",
    "country": "--country",
    "function": "--function",
    "power": "--power",
    "network": "--network",
    "language": "--language",
    "on_duty": "--on-duty",
}


def search_rows(entry: JSONObject, now: datetime) -> Iterator[tuple[str, ...]]:
    """Yield one row for each contact point that was found, or one for an authority without."""
    head = (text_of(entry, "authority"), text_of(entry, "country"), name_of(entry))
    why = "; ".join(filter(None, map(reason_text, objects(entry.get("reasons", [])))))
    contacts = list(objects(entry.get("contacts", [])))
    if not contacts:
        yield (*head, "", _listed(entry.get("languages")), "", why)
    for contact in contacts:
        duty = contact.get("duty")
        yield (
            *head,
            text_of(contact, "name"),
            _listed(contact.get("languages")),
            duty_text(duty, now) if isinstance(duty, dict) else "",
            why,
        )
        head, why = ("", "", ""), ""


def reason_text(reason: JSONObject) -> str:
    """Say one reason; empty for what is said elsewhere."""
    pattern = _REASONS.get(text_of(reason, "kind"), "")
    return pattern.replace("{detail}", text_of(reason, "detail"))


def duty_text(duty: JSONObject, now: datetime) -> str:
    """Say whether somebody is at work and until when: `yes, 3 h 20 min more`; `no, opens in 14 h`."""
    on = duty.get("on")
    if not isinstance(on, bool):
        return "unknown time zone"
    until = text_of(duty, "until")
    left = _span(datetime.fromisoformat(until) - now) if until else ""
    if on:
        return f"yes, {left} more" if left else "yes"
    why = "no, public holiday" if duty.get("holiday") is True else "no"
    return f"{why}, opens in {left}" if left else why


def nobody_found(found: JSONObject) -> str:
    """Say that nobody was found, and what stands in the way."""
    if found.get("directory_size") in (0, 1):
        return "the directory is empty: globe-node directory import BUNDLE"
    blamed = [_FILTERS[name] for name in _texts(found.get("without")) if name in _FILTERS]
    if not blamed:
        return "nobody like that in the directory"
    return f"nobody like that in the directory; leave out {' or '.join(blamed)} and there is somebody"


def _span(left: timedelta) -> str:
    minutes = max(0, int(left.total_seconds()) // 60)
    days, hours, rest = minutes // 1440, minutes // 60 % 24, minutes % 60
    if days:
        return f"{days} d {hours} h"
    return f"{hours} h {rest} min" if hours else f"{rest} min"


def _listed(value: object) -> str:
    return ", ".join(_texts(value))


def _texts(value: object) -> list[str]:
    return [text for text in value if isinstance(text, str)] if isinstance(value, list) else []
