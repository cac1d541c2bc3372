# SPDX-License-Identifier: Apache-2.0
"""Shows entries of the directory to a person, as the node answered them. It asks for nothing.

1. Staleness is shown, not hidden: how long ago somebody confirmed a contact point.
2. A key is shown as the digits that people compare.
"""

from collections.abc import Iterator
from datetime import date

from globe_node.cli.backend import objects, text_of
from globe_node.cli.output import print_fields, print_table, print_text
from keys import fingerprint
from protocol.canonical import JSONObject
from protocol.identifiers import KeyId

SEARCH_HEADINGS = ("authority", "country", "name", "status", "contact point", "functions", "languages")


def search_rows(entry: JSONObject) -> Iterator[tuple[str, ...]]:
    """Yield one row for each contact point that was found, or one for an authority without."""
    head = (text_of(entry, "authority"), text_of(entry, "country"), name_of(entry), text_of(entry, "status"))
    contacts = list(objects(entry.get("contacts", [])))
    if not contacts:
        yield (*head, "", "", "")
    for contact in contacts:
        yield (
            *head,
            text_of(contact, "name"),
            _listed(contact, "functions"),
            _listed(contact, "languages"),
        )


def print_entry(entry: JSONObject, today: date) -> None:
    """Print a whole entry.

    Args:
        entry: as `directory.show` answers.
        today: for how long ago something was confirmed.
    """
    names = entry.get("names")
    fields = {
        "authority": text_of(entry, "authority"),
        "country": text_of(entry, "country"),
        "kind": text_of(entry, "kind"),
        "status": text_of(entry, "status"),
        "admitted until": text_of(entry, "not_after")[:10],
        "root key": fingerprint.digits(KeyId(text_of(entry, "root_key"))),
    }
    if isinstance(names, dict):
        fields |= {f"name ({language})": str(name) for language, name in sorted(names.items())}
    print_fields(fields)
    for contact in objects(entry.get("contacts", [])):
        print_text("")
        print_fields(_contact_fields(contact, today))
    rows = [
        (text_of(node, "node"), text_of(node, "state"), _use_of(node), text_of(node, "key"))
        for node in objects(entry.get("nodes", []))
    ]
    if rows:
        print_text("")
        print_table(("node", "state", "use", "signing key"), rows)
    for endpoint in objects(entry.get("endpoints", [])):
        print_fields({f"endpoint of {text_of(endpoint, 'node')}": text_of(endpoint, "url")})


def name_of(entry: JSONObject) -> str:
    """Return the English name of an authority, or any."""
    names = entry.get("names")
    if not isinstance(names, dict) or not names:
        return ""
    return str(names.get("en") or next(iter(names.values())))


def age(day: str, today: date) -> str:
    """Say how long ago a day was: `12 days ago`."""
    try:
        days = (today - date.fromisoformat(day)).days
    except ValueError:
        return ""
    return "today" if days <= 0 else f"{days} day{'s' if days > 1 else ''} ago"


def _contact_fields(contact: JSONObject, today: date) -> dict[str, str]:
    channels = [
        " ".join(filter(None, (text_of(channel, "kind"), text_of(channel, "address"))))
        for channel in objects(contact.get("channels", []))
    ]
    confirmed = text_of(contact, "confirmed_at")
    return {
        "contact point": f"{text_of(contact, 'name')} ({text_of(contact, 'role')}, {text_of(contact, 'id')})",
        "functions": _listed(contact, "functions"),
        "languages": _listed(contact, "languages"),
        "hours": " ".join(
            filter(
                None,
                (
                    _listed(contact, "working_days"),
                    text_of(contact, "hours"),
                    text_of(contact, "time_zone"),
                ),
            )
        ),
        "channels": "; ".join(channels),
        "valid": f"{text_of(contact, 'valid_from')} to {text_of(contact, 'valid_to') or 'open'}",
        "confirmed": f"{confirmed}, {age(confirmed, today)}",
    }


def _use_of(node: JSONObject) -> str:
    return "in use" if node.get("in_use") is True else ""


def _listed(value: JSONObject, name: str) -> str:
    listed = value.get(name)
    return ", ".join(str(item) for item in listed) if isinstance(listed, list) else ""
