# SPDX-License-Identifier: Apache-2.0
"""Names for machines: authorities, nodes, consultations, records, keys, directory views. Not for people.

1. Machine names are ASCII. Whatever a person reads is a value, never an identifier.
2. Ids are time-ordered (UUIDv7, RFC 9562 section 5.7), so that a store grows at its right edge.
3. `parse_…` takes untrusted text and raises `MalformedError` without quoting it.
4. The id of a record or consultation follows from who made it, so nobody can take an id that he has seen
   before its owner uses it elsewhere.
5. A key id covers the name of the algorithm: equal octets under another algorithm are another key.
"""

import re
from dataclasses import dataclass
from hashlib import sha256
from typing import NamedTuple, NewType
from uuid import UUID

from protocol.errors import MalformedError, ReasonCode

AuthorityId = NewType("AuthorityId", str)
"""`[a-z0-9-]{1,63}`, by custom country and abbreviation: `xa-acc`."""
NodeId = NewType("NodeId", str)
"""`[a-z0-9-]{1,63}`, unique within its authority."""
ConsultationId = NewType("ConsultationId", str)
"""UUIDv7 in its 36-character text form."""
RecordId = NewType("RecordId", str)
"""UUIDv7 in its 36-character text form."""
EnvelopeId = NewType("EnvelopeId", bytes)
"""UUIDv7 as 16 bytes; sorts by time."""
KeyId = NewType("KeyId", str)
"""64 lower-case hex digits: SHA-256 over algorithm name, a zero byte and the raw public key."""
Digest = NewType("Digest", str)
"""64 lower-case hex digits of a SHA-256."""

MAX_NODE_NAME_BYTES = 127
"""An authority id, a slash and a node id."""


class NodeName(NamedTuple):
    """A node by its full name: the authority it belongs to, and its name there. Written `authority/node`."""

    authority: AuthorityId
    node: NodeId

    def __str__(self) -> str:
        return f"{self.authority}/{self.node}"


@dataclass(frozen=True, slots=True)
class DirectoryView:
    """Which state of the directory somebody stood on.

    Attributes:
        size: number of statements, at least 0.
        root: Merkle root over them in hex.
    """

    size: int
    root: Digest


_LABEL = re.compile(r"[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?", re.ASCII)
_UUID7 = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}", re.ASCII)
_OWNER_AT = 12
"""Where the octets begin that follow from the others and the owner's name."""
_HEX64 = re.compile(r"[0-9a-f]{64}", re.ASCII)


def _require(pattern: re.Pattern[str], text: str, what: str) -> str:
    if not pattern.fullmatch(text):
        raise MalformedError(f"not a valid {what}", code=ReasonCode.BAD_FIELD)
    return text


def parse_authority_id(text: str) -> AuthorityId:
    """Read an authority id, or raise `MalformedError`."""
    return AuthorityId(_require(_LABEL, text, "authority id"))


def parse_node_id(text: str) -> NodeId:
    """Read a node id, or raise `MalformedError`."""
    return NodeId(_require(_LABEL, text, "node id"))


def parse_node_name(data: bytes) -> NodeName:
    """Read the ASCII octets of `authority/node`, or raise `MalformedError`."""
    authority, slash, node = data.decode("ascii", "replace").partition("/")
    if not slash:
        raise MalformedError("not a valid name of a node", code=ReasonCode.BAD_FIELD)
    return NodeName(parse_authority_id(authority), parse_node_id(node))


def parse_consultation_id(text: str) -> ConsultationId:
    """Read a consultation id, or raise `MalformedError`."""
    return ConsultationId(_require(_UUID7, text, "consultation id"))


def parse_record_id(text: str) -> RecordId:
    """Read a record id, or raise `MalformedError`."""
    return RecordId(_require(_UUID7, text, "record id"))


def parse_key_id(text: str) -> KeyId:
    """Read a key id, or raise `MalformedError`."""
    return KeyId(_require(_HEX64, text, "key id"))


def parse_digest(text: str) -> Digest:
    """Read a SHA-256 in hex, or raise `MalformedError`."""
    return Digest(_require(_HEX64, text, "digest"))


def key_id_of(algorithm: str, raw: bytes) -> KeyId:
    """Return the key id of a public key.

    Spec: PROTOCOL.md section 3.
    """
    return KeyId(sha256(algorithm.encode("ascii") + b"\0" + raw).hexdigest())


def uuid7(now_milliseconds: int, randomness: bytes) -> UUID:
    """Build a UUIDv7.

    Args:
        now_milliseconds: Unix time in milliseconds, at least 0 and below 2^48.
        randomness: 10 bytes from an `Entropy`.

    Spec: RFC 9562 section 5.7.
    """
    if not 0 <= now_milliseconds < 1 << 48 or len(randomness) != 10:
        raise ValueError("a UUIDv7 takes 48 bits of time and 10 random bytes")
    value = (now_milliseconds << 80) | int.from_bytes(randomness, "big")
    value = (value & ~(0xF << 76)) | (0x7 << 76)
    value = (value & ~(0x3 << 62)) | (0x2 << 62)
    return UUID(int=value)


def owned_uuid7(now_milliseconds: int, randomness: bytes, owner: AuthorityId) -> UUID:
    """Build a UUIDv7 that only one authority can have made; the arguments are those of `uuid7`.

    Spec: PROTOCOL.md section 8.1.
    """
    start = uuid7(now_milliseconds, randomness).bytes[:_OWNER_AT]
    return UUID(bytes=start + _owner_mark(start, owner))


def is_owned(text: RecordId | ConsultationId, owner: AuthorityId) -> bool:
    """Say whether an id was made by an authority.

    Spec: PROTOCOL.md section 8.1.
    """
    octets = UUID(text).bytes
    return octets[_OWNER_AT:] == _owner_mark(octets[:_OWNER_AT], owner)


def require_owned(text: RecordId | ConsultationId, owner: AuthorityId) -> None:
    """Check that an id was made by an authority.

    Raises:
        MalformedError: it was not (`bad_field`).

    Spec: PROTOCOL.md section 8.1.
    """
    if not is_owned(text, owner):
        raise MalformedError("an id that somebody else has made", code=ReasonCode.BAD_FIELD)


def _owner_mark(start: bytes, owner: AuthorityId) -> bytes:
    return sha256(b"anp1/id" + start + owner.encode("ascii")).digest()[: 16 - _OWNER_AT]
