# SPDX-License-Identifier: Apache-2.0
"""Shows entries of the directory to a person, as the node answered them. It asks for nothing.

1. Staleness is shown, not hidden: how long ago somebody confirmed a contact point.
2. A key is shown as the digits that people compare.
"""

from datetime import date

from globe_node.cli.backend import objects, text_of
from globe_node.cli.output import print_fields, print_table, print_text
from keys import fingerprint
from protocol.canonical import JSONObject
from protocol.identifiers import KeyId


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
    _print_profile(entry, today)
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


def _print_profile(entry: JSONObject, today: date) -> None:
    """Print what the authority tells about itself, its law and kinds of help; nothing if it tells nothing."""
    profile = _object(entry, "profile")
    if profile:
        print_text("")
        print_fields(_profile_fields(profile, today))
    legal = _object(entry, "legal")
    if legal:
        print_text("")
        print_fields(_legal_fields(legal, today))
    rows = [
        (
            text_of(measure, "help"),
            text_of(measure, "possible"),
            _listed(measure, "languages"),
            _listed(measure, "documents"),
            confirmed_text(measure, today),
        )
        for measure in objects(entry.get("measures", []))
    ]
    if rows:
        print_text("")
        print_table(("kind of help", "possible", "languages", "a formal request brings", "confirmed"), rows)


def _profile_fields(profile: JSONObject, today: date) -> dict[str, str]:
    office, duty, service = (_object(profile, name) for name in ("office", "duty", "service"))
    networks = [
        f"{text_of(one, 'network')} ({text_of(one, 'role').lower()})"
        for one in objects(profile.get("networks", []))
    ]
    return {
        "functions": _listed(profile, "functions"),
        "powers": _listed(profile, "powers"),
        "networks": ", ".join(networks),
        "accepts": _listed(profile, "languages_accepted"),
        "speaks": _listed(profile, "languages_spoken"),
        "to translate": text_of(profile, "translation"),
        "office hours": _hours(office),
        "at any hour": text_of(duty, "how") if duty.get("available") is True else "nobody",
        "answers": (
            f"acknowledges in {text_of(service, 'ack_hours')} h, answers in "
            f"{text_of(service, 'answer_days')} days, urgent in {text_of(service, 'urgent_hours')} h"
        ),
        "guide": text_of(_object(profile, "documents"), "guide_url"),
        "profile confirmed": confirmed_text(profile, today),
    }


def _legal_fields(legal: JSONObject, today: date) -> dict[str, str]:
    """Return what the law asks, as codes and notes; what is not known is not shown."""
    fields: dict[str, str] = {}
    for name, value in legal.items():
        parts = value.items() if isinstance(value, dict) and name != "provenance" else [("", value)]
        for part, said in parts:
            if isinstance(said, str | int) and said not in ("", "UNKNOWN", 0):
                fields[" ".join(filter(None, (name.replace("_", " "), part.replace("_", " "))))] = str(said)
    return {**fields, "law confirmed": confirmed_text(legal, today)}


def confirmed_text(part: JSONObject, today: date) -> str:
    """Say when a part was last confirmed: `2026-02-20, 12 days ago`."""
    day = text_of(_object(part, "provenance"), "confirmed_at")
    return f"{day}, {age(day, today)}"


def _hours(office: JSONObject) -> str:
    parts = (_listed(office, "working_days"), text_of(office, "hours"), text_of(office, "time_zone"))
    return " ".join(filter(None, parts))


def _object(value: JSONObject, name: str) -> JSONObject:
    member = value.get(name)
    return member if isinstance(member, dict) else {}


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
        "hours": _hours(contact),
        "channels": "; ".join(channels),
        "valid": f"{text_of(contact, 'valid_from')} to {text_of(contact, 'valid_to') or 'open'}",
        "confirmed": f"{confirmed}, {age(confirmed, today)}",
    }


def _use_of(node: JSONObject) -> str:
    return "in use" if node.get("in_use") is True else ""


def _listed(value: JSONObject, name: str) -> str:
    listed = value.get(name)
    return ", ".join(str(item) for item in listed) if isinstance(listed, list) else ""
