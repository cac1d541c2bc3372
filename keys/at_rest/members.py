# SPDX-License-Identifier: Apache-2.0
"""Taking typed members out of a JSON object of a key file. It knows no names of members.

1. A member that is missing, left over or of another type raises `MalformedError`; no text quotes it.
"""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime

from protocol.canonical import JSONObject
from protocol.errors import MalformedError
from protocol.octets import parse_base64


def require_names(members: JSONObject, names: frozenset[str]) -> None:
    """Refuse members that are missing or left over."""
    if frozenset(members) != names:
        raise MalformedError("members of a key file")


def text(members: JSONObject, name: str) -> str:
    """Take a string."""
    value = members.get(name)
    if not isinstance(value, str):
        raise MalformedError("a member of a key file is not text")
    return value


def whole(members: JSONObject, name: str) -> int:
    """Take a whole number."""
    value = members.get(name)
    if not isinstance(value, int) or isinstance(value, bool):
        raise MalformedError("a member of a key file is not a whole number")
    return value


def octets(members: JSONObject, name: str) -> bytes:
    """Take octets that stand in base64."""
    return parse_base64(text(members, name))


def one_object(members: JSONObject, name: str) -> JSONObject:
    """Take an object."""
    value = members.get(name)
    if not isinstance(value, Mapping):
        raise MalformedError("a member of a key file is not an object")
    return value


def objects(members: JSONObject, name: str) -> tuple[JSONObject, ...]:
    """Take a list of objects."""
    value = members.get(name)
    if isinstance(value, str) or not isinstance(value, Sequence):
        raise MalformedError("a member of a key file is not a list")
    found = []
    for item in value:
        if not isinstance(item, Mapping):
            raise MalformedError("an item of a list in a key file is not an object")
        found.append(item)
    return tuple(found)


def moment(members: JSONObject, name: str) -> datetime:
    """Take a time that stands in milliseconds since 1970."""
    milliseconds = whole(members, name)
    if not 0 <= milliseconds < 1 << 45:
        raise MalformedError("a time of a key file is out of range")
    return datetime.fromtimestamp(milliseconds / 1000, UTC)


def milliseconds_of(at: datetime) -> int:
    """Write what `moment` takes."""
    return round(at.timestamp() * 1000)
