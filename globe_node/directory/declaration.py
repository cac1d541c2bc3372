# SPDX-License-Identifier: Apache-2.0
"""What an authority wants the directory to say about it, and the operations that make it so.

It signs nothing and reads no file: `publish` signs, the command line reads.

1. A declaration is complete: contact points that it does not name are retired.
2. Only what differs becomes an operation; a declaration that holds already needs none.
3. The keys that a rotation replaced stay in use for as long as a message may be on its way, then they are
   retired.
"""

import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from itertools import pairwise

from globe_node.directory.publish import key_addition
from globe_node.errors import UsageError
from globe_node.toml import parse_toml
from keys.node_keys import NodeKeys
from protocol import limits
from protocol.canonical import JSONObject, JSONValue
from protocol.directory.contacts import Channel, ContactPoint
from protocol.directory.entries import AuthorityEntry, NodeState
from protocol.directory.fields import Fields, read_fields
from protocol.directory.statements import (
    Operation,
    PutContact,
    PutEndpoint,
    RemoveEndpoint,
    RetireContact,
    RetireKey,
)
from protocol.errors import MalformedError, ProtocolError, ReasonCode
from protocol.identifiers import Digest

MAX_FILE_BYTES = 256 * 1024
IN_FLIGHT = timedelta(seconds=limits.MAX_LIFETIME_SECONDS)
_MAX_SHOWN_CHARACTERS = 64
_DEFAULTS: Mapping[str, JSONValue] = {"hours": "", "valid_to": ""}


@dataclass(frozen=True, slots=True)
class Declaration:
    """What the directory is to say.

    Attributes:
        contacts: all contact points, or None to leave them as they are.
        node: the keys of this node, or None to leave keys as they are.
        endpoint: where this node is reached, or "" to leave endpoints as they are.
    """

    contacts: Sequence[ContactPoint] | None = None
    node: NodeKeys | None = None
    endpoint: str = ""


def parse_contacts(data: bytes, source: str) -> list[ContactPoint]:
    """Read the contact points of a file that a person wrote: TOML with a table `[[contact]]` for each.

    Args:
        data: what stands in the file.
        source: what the person calls the file.

    Raises:
        UsageError: not TOML, an unknown or missing member, or a value outside its rule; it names the file,
            the contact point, the member and what may stand there.
    """
    try:
        return _contacts_in(data)
    except UsageError as error:
        raise UsageError(f"{source}: {error}", hint=error.hint, code=error.code) from None


def _contacts_in(data: bytes) -> list[ContactPoint]:
    if len(data) > MAX_FILE_BYTES:
        raise UsageError("the file is too large", hint="Contact points are a few lines each.")
    tables = parse_toml(data)
    listed = tables.pop("contact", None)
    if tables or not isinstance(listed, list):
        raise UsageError(
            "the file must hold tables [[contact]] and nothing else",
            hint="See docs/OPERATIONS.md for an example.",
        )
    contacts = [_parse_contact(table, number) for number, table in enumerate(listed, 1)]
    if len({contact.id for contact in contacts}) != len(contacts):
        raise UsageError("two contact points have the same id", hint="Give each its own id.")
    return contacts


def operations_for(
    declaration: Declaration, entry: AuthorityEntry, network: Digest, now: datetime
) -> list[Operation]:
    """Return what has to be published so that the entry says what was declared; empty if it does.

    Args:
        declaration: what the directory is to say.
        entry: what it says now.
        network: fingerprint of the network.
        now: aware UTC time; decides which replaced keys are retired.
    """
    return [
        *_contact_operations(declaration.contacts, entry),
        *_key_operations(declaration.node, entry, network, now),
        *_endpoint_operations(declaration, entry),
    ]


def _contact_operations(contacts: Sequence[ContactPoint] | None, entry: AuthorityEntry) -> list[Operation]:
    if contacts is None:
        return []
    present = {contact.id: contact for contact in entry.contacts}
    wanted = {contact.id for contact in contacts}
    changed = [contact for contact in contacts if present.get(contact.id) != contact]
    gone = [name for name in present if name not in wanted]
    return [*(PutContact(contact=contact) for contact in changed), *(RetireContact(id=name) for name in gone)]


def _key_operations(
    node: NodeKeys | None, entry: AuthorityEntry, network: Digest, now: datetime
) -> list[Operation]:
    if node is None:
        return []
    operations: list[Operation] = []
    if entry.node_with_key(node.signing.key_id) is None:
        operations.append(key_addition(network, node))
    older = [known for known in entry.nodes if known.node == node.node and known.state is NodeState.ACTIVE]
    for known, successor in pairwise(older):
        if now >= successor.not_before + IN_FLIGHT:
            operations.append(RetireKey(key=known.signing.key_id))
    return operations


def _endpoint_operations(declaration: Declaration, entry: AuthorityEntry) -> list[Operation]:
    if declaration.node is None or not declaration.endpoint:
        return []
    name = declaration.node.node
    urls = [endpoint.url for endpoint in entry.endpoints_of(name)]
    put = [] if declaration.endpoint in urls else [PutEndpoint(node=name, url=declaration.endpoint)]
    old = [RemoveEndpoint(node=name, url=url) for url in urls if url != declaration.endpoint]
    return [*put, *old]


def _parse_contact(table: object, number: int) -> ContactPoint:
    if not isinstance(table, dict):
        raise UsageError("a contact point is a table [[contact]]", hint="See docs/OPERATIONS.md.")
    name = table.get("id")
    named = isinstance(name, str) and name.isprintable() and len(name) <= _MAX_SHOWN_CHARACTERS
    place = f"contact {name if named else number}"
    _require_known(place, table, ContactPoint)
    channels = table.get("channels")
    for channel in channels if isinstance(channels, list) else ():
        if isinstance(channel, dict):
            _require_known(f"{place}: channels", channel, Channel)
    try:
        return read_fields(ContactPoint, _members(table))
    except ProtocolError as error:
        raise UsageError(
            f"{place}: {error}",
            hint="See docs/OPERATIONS.md for what each member may hold.",
            code=error.code,
        ) from None


def _require_known(place: str, table: Mapping[str, object], model: type[Fields]) -> None:
    """Refuse a misspelt member by its name, and say which there are."""
    unknown = sorted(table.keys() - model.model_fields.keys())
    if unknown:
        shown = unknown[0] if unknown[0].isprintable() else "a member"
        raise UsageError(
            f"{place}: {shown[:_MAX_SHOWN_CHARACTERS]}: no such member",
            hint=f"The members are {', '.join(model.model_fields)}.",
            code=ReasonCode.UNKNOWN_FIELD,
        )


def _members(table: Mapping[str, object]) -> JSONObject:
    """Return the members of a contact point, those that a person may leave out filled in."""
    plain = {member: _plain(value, member) for member, value in {**_DEFAULTS, **table}.items()}
    channels = plain.get("channels")
    if isinstance(channels, list):
        plain["channels"] = [
            {"address": "", **channel} if isinstance(channel, dict) else channel for channel in channels
        ]
    return plain


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
