# SPDX-License-Identifier: Apache-2.0
"""What the public may see of an authority. Members see everything, so there is no view for them.

1. Always public: who it is, for what, in which languages, in which networks, and where guides are.
2. Public if its authority opened it: office hours, channels, duty, service level, legal frame, measures.
3. A contact point is public if it says so itself. Keys and endpoints never are.
4. Who submitted, approved or nominated something stays among members; the day of a confirmation does not.
5. What is public is listed by name: a field that comes later is not public before somebody says so here.
"""

from collections.abc import Iterable
from datetime import datetime

from protocol.canonical import JSONObject, JSONValue
from protocol.directory.contacts import Visibility
from protocol.directory.entries import AuthorityEntry
from protocol.directory.profile.legal import LegalFrame, Measure
from protocol.directory.profile.organisation import OpenPart, Profile

ALWAYS_PUBLIC = (
    "sub_jurisdiction",
    "native_language",
    "transliterated",
    "functions",
    "powers",
    "networks",
    "languages_accepted",
    "languages_spoken",
    "documents",
)
"""Members of a profile that everybody may see."""
_OF_PROFILE = (OpenPart.OFFICE, OpenPart.CHANNELS, OpenPart.DUTY, OpenPart.SERVICE)
OF_CONTACT = (
    "id",
    "role",
    "name",
    "functions",
    "languages",
    "time_zone",
    "working_days",
    "hours",
    "holidays",
    "channels",
    "valid_from",
    "valid_to",
    "confirmed_at",
)
"""Members of a public contact point that everybody may see."""


def public_view(entry: AuthorityEntry, at: datetime) -> JSONObject:
    """Return what anybody may see of an authority at a moment.

    Spec: PROTOCOL.md section 10.9.
    """
    day = at.date()
    contacts: list[JSONValue] = [
        _named(contact.to_object(), OF_CONTACT)
        for contact in entry.contacts
        if contact.visibility is Visibility.PUBLIC and contact.is_valid_on(day)
    ]
    view: dict[str, JSONValue] = {
        "authority": entry.authority,
        "country": entry.country,
        "names": dict(entry.names),
        "kind": entry.kind.value,
        "status": entry.status_at(at).value,
        "contacts": contacts,
    }
    profile = entry.profile
    if profile is None:
        return view
    view["profile"] = _public_profile(profile)
    if OpenPart.LEGAL in profile.public and entry.legal is not None:
        view["legal"] = _without_people(entry.legal)
    if OpenPart.MEASURES in profile.public:
        view["measures"] = [_without_people(measure) for measure in entry.measures]
    return view


def _public_profile(profile: Profile) -> JSONObject:
    opened = [part.value for part in _OF_PROFILE if part in profile.public]
    shown = _named(profile.to_object(), (*ALWAYS_PUBLIC, *opened))
    return {**shown, "confirmed_at": profile.provenance.confirmed_at.isoformat()}


def _without_people(described: LegalFrame | Measure) -> JSONObject:
    """Return what is said, with the day of its confirmation in the place of its provenance."""
    said = {name: value for name, value in described.to_object().items() if name != "provenance"}
    return {**said, "confirmed_at": described.provenance.confirmed_at.isoformat()}


def _named(value: JSONObject, names: Iterable[str]) -> JSONObject:
    return {name: value[name] for name in names}
