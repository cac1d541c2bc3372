# SPDX-License-Identifier: Apache-2.0
"""Reads the file in which an authority says what the directory shall tell about it. It publishes nothing.

1. TOML with tables `[[contact]]`, `[profile]`, `[legal]` and `[[measure]]`; a kind of table that is missing
   leaves that part of the directory as it is, one that is there is complete.
2. A person may leave out what has a plain meaning when it is absent; versions are counted by `declaration`.
3. An error names the file, the table, the member and what may stand there.
"""

import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import TypeVar

from globe_node.errors import UsageError
from globe_node.toml import parse_toml
from protocol.canonical import JSONObject, JSONValue
from protocol.directory.contacts import ContactPoint
from protocol.directory.fields import Fields, read_fields
from protocol.directory.profile.legal import LegalFrame, Measure
from protocol.directory.profile.organisation import Profile
from protocol.errors import MalformedError, ProtocolError, ReasonCode

MAX_FILE_BYTES = 256 * 1024
_MAX_SHOWN_CHARACTERS = 64
_HINT = "See docs/OPERATIONS.md for an example."
_TABLES = ("contact", "profile", "legal", "measure")
_PROVENANCE: JSONObject = {"approved_by": "", "version": 1, "next_confirmation": "", "source": ""}
_DEFAULTS: Mapping[type[Fields], JSONObject] = {
    ContactPoint: {"hours": "", "holidays": "", "nominated_by": "", "visibility": "MEMBERS", "valid_to": ""},
    Profile: {
        "sub_jurisdiction": "",
        "native_language": "",
        "transliterated": "",
        "powers": [],
        "networks": [],
        "languages_spoken": [],
        "translation": "",
        "office": {"hours": "", "holidays": ""},
        "duty": {"available": False, "how": ""},
        "channels": [],
        "service": {"ack_hours": 0, "answer_days": 0, "urgent_hours": 0, "voluntary": False},
        "documents": {"guide_url": "", "track_url": "", "law_links": []},
        "public": [],
        "provenance": _PROVENANCE,
    },
    LegalFrame: {
        "treaty_needed": "UNKNOWN",
        "uncac_as_basis": {"mla": "UNKNOWN", "extradition": "UNKNOWN", "confiscation": "UNKNOWN"},
        "dual_criminality": {"coercive": "UNKNOWN", "non_coercive": "UNKNOWN"},
        **dict.fromkeys(
            (
                "evidence_threshold",
                "min_penalty",
                "limitation_rules",
                "bank_secrecy",
                "notify_subject",
                "data_protection",
                "death_penalty",
                "e_signature",
            ),
            "",
        ),
        "freeze_max_days": 0,
        "ncb_confiscation": "UNKNOWN",
        "informal_use_as_evidence": "UNKNOWN",
        "interpol_allowed": "UNKNOWN",
        "provenance": _PROVENANCE,
    },
    Measure: {
        "receiving": "",
        "executing": "",
        "languages": [],
        "answer_days": 0,
        "documents": [],
        "requirements": "",
        "law_links": [],
        "provenance": _PROVENANCE,
    },
}
_ITEM_DEFAULTS: Mapping[type[Fields], JSONObject] = {
    ContactPoint: {"address": ""},
    Profile: {"address": "", "encryption": ""},
}
"""What a person may leave out in one of the `channels`."""
_CHANNEL_MEMBERS: Mapping[type[Fields], Sequence[str]] = {
    ContactPoint: ("kind", "address"),
    Profile: ("kind", "address", "encryption"),
}
Model = TypeVar("Model", bound=Fields)


@dataclass(frozen=True, slots=True)
class Said:
    """What a file says; None where it says nothing.

    Attributes:
        contacts: all contact points.
        profile: of the authority.
        legal: the frame in which it helps.
        measures: all kinds of help that it tells something about.
    """

    contacts: Sequence[ContactPoint] | None = None
    profile: Profile | None = None
    legal: LegalFrame | None = None
    measures: Sequence[Measure] | None = None


NOTHING_SAID = Said()


def parse_declaration(data: bytes, source: str) -> Said:
    """Read a file that a person wrote.

    Args:
        data: what stands in the file.
        source: what the person calls the file.

    Raises:
        UsageError: not TOML, an unknown or missing member, or a value outside its rule.
    """
    try:
        return _said_in(data)
    except UsageError as error:
        raise UsageError(f"{source}: {error}", hint=error.hint, code=error.code) from None


def _said_in(data: bytes) -> Said:
    if len(data) > MAX_FILE_BYTES:
        raise UsageError("the file is too large", hint="What it tells is a few lines for each table.")
    tables = parse_toml(data)
    if not tables or tables.keys() - set(_TABLES):
        raise UsageError(
            "the file must hold tables [[contact]], [profile], [legal] or [[measure]] and nothing else",
            hint=_HINT,
        )
    contacts = _rows(tables, "contact", ContactPoint)
    measures = _rows(tables, "measure", Measure)
    if contacts is not None and len({contact.id for contact in contacts}) != len(contacts):
        raise UsageError("two contact points have the same id", hint="Give each its own id.")
    if measures is not None and len({measure.help for measure in measures}) != len(measures):
        raise UsageError("two measures are of the same kind of help", hint="Make them one.")
    return Said(
        contacts=contacts,
        profile=_single(tables, "profile", Profile),
        legal=_single(tables, "legal", LegalFrame),
        measures=measures,
    )


def _rows(tables: Mapping[str, object], name: str, model: type[Model]) -> list[Model] | None:
    if name not in tables:
        return None
    listed = tables[name]
    if not isinstance(listed, list):
        raise UsageError(f"write [[{name}]], once for each", hint=_HINT)
    return [_parse(table, f"{name} {_named(table, number)}", model) for number, table in enumerate(listed, 1)]


def _single(tables: Mapping[str, object], name: str, model: type[Model]) -> Model | None:
    return _parse(tables[name], name, model) if name in tables else None


def _named(table: object, number: int) -> str:
    """Call a table by its own name if it has one that can be shown, else by its number."""
    name = (table.get("id") or table.get("help")) if isinstance(table, dict) else None
    shown = isinstance(name, str) and name.isprintable() and len(name) <= _MAX_SHOWN_CHARACTERS
    return str(name) if shown else str(number)


def _parse(table: object, place: str, model: type[Model]) -> Model:
    if not isinstance(table, dict):
        raise UsageError(f"{place}: must be a table", hint=_HINT)
    _require_known(place, table, tuple(model.model_fields))
    channels = table.get("channels")
    for channel in channels if isinstance(channels, list) else ():
        if isinstance(channel, dict):
            _require_known(f"{place}: channels", channel, _CHANNEL_MEMBERS[model])
    try:
        return read_fields(model, _members(table, model))
    except ProtocolError as error:
        raise UsageError(
            f"{place}: {error}",
            hint="See docs/OPERATIONS.md for what each member may hold.",
            code=error.code,
        ) from None


def _require_known(place: str, table: Mapping[str, object], members: Sequence[str]) -> None:
    """Refuse a misspelt member by its name, and say which there are."""
    unknown = sorted(table.keys() - set(members))
    if unknown:
        shown = unknown[0] if unknown[0].isprintable() else "a member"
        raise UsageError(
            f"{place}: {shown[:_MAX_SHOWN_CHARACTERS]}: no such member",
            hint=f"The members are {', '.join(members)}.",
            code=ReasonCode.UNKNOWN_FIELD,
        )


def _members(table: Mapping[str, object], model: type[Fields]) -> dict[str, JSONValue]:
    """Return the members of a table, those that a person may leave out filled in."""
    plain = _filled({name: _plain(value, name) for name, value in table.items()}, _DEFAULTS[model])
    channels = plain.get("channels")
    if isinstance(channels, list):
        item = _ITEM_DEFAULTS[model]
        plain["channels"] = [
            {**item, **channel} if isinstance(channel, dict) else channel for channel in channels
        ]
    return plain


def _filled(value: JSONObject, defaults: JSONObject) -> dict[str, JSONValue]:
    """Put in what is missing, also inside tables."""
    filled = {**defaults, **value}
    for name, default in defaults.items():
        inner = filled[name]
        if isinstance(default, dict) and isinstance(inner, dict):
            filled[name] = _filled(inner, default)
    return filled


def _plain(value: object, member: str) -> JSONValue:
    """Return a TOML value as JSON has it: days as text, text in NFC, lists and tables as they are."""
    if isinstance(value, str):
        return unicodedata.normalize("NFC", value)
    if isinstance(value, date) and not isinstance(value, datetime):
        return value.isoformat()
    if isinstance(value, list):
        return [_plain(item, member) for item in value]
    if isinstance(value, dict):
        return {str(name): _plain(item, member) for name, item in value.items()}
    if isinstance(value, int):
        return value
    raise MalformedError(f"{member}: a kind of value that has no place here", code=ReasonCode.BAD_FIELD)
