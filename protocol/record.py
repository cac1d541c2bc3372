# SPDX-License-Identifier: Apache-2.0
"""The evidence record: what one authority said in one consultation, as bytes that can be shown years later.

Not the meaning of the body (`protocol.messages`), not how the record travels (`protocol.envelope`).

1. A record is canonical JSON; its hash is SHA-256 of its bytes, and the signature is over that hash.
2. What is checked, kept and shown are the received bytes; they are never written again from the values.
3. Records of one author in one consultation and incarnation form a chain: `author_seq` counts from 1 and
   `prev` is the hash of the one before.
4. `to_bytes` refuses what `parse_record` would refuse.
5. Attachments are bound by size and SHA-256; they travel beside the record, inside the sealed part.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from hashlib import sha256

from protocol import canonical, limits
from protocol.canonical import (
    JSONObject,
    JSONValue,
    count_of,
    items_of,
    object_of,
    outside_rule,
    require_members,
    text_of,
    texts_of,
)
from protocol.codes.handling import is_handling
from protocol.codes.message_types import MessageType
from protocol.errors import (
    LocalProtocolError,
    MalformedError,
    ReasonCode,
    RemoteProtocolError,
    UnsupportedVersionError,
)
from protocol.identifiers import (
    AuthorityId,
    ConsultationId,
    Digest,
    DirectoryView,
    KeyId,
    NodeId,
    RecordId,
    parse_authority_id,
    parse_consultation_id,
    parse_digest,
    parse_key_id,
    parse_node_id,
    parse_record_id,
)
from protocol.messages.text import is_file_name, is_language, is_line, is_media_type, is_tag
from protocol.octets import Reader, Writer
from protocol.signing.batch import MAX_BLOCK_BYTES

RECORD_VERSION = 1
"""Version of the record's form."""
RECORD_KIND = "message"
"""What this kind of record is called in its bytes."""

_MEMBERS = frozenset(
    (
        "attachments",
        "author",
        "author_seq",
        "body",
        "consultation",
        "created",
        "directory",
        "expires",
        "handling",
        "in_reply_to",
        "kind",
        "legal_basis",
        "prev",
        "recipients",
        "record_id",
        "seen",
        "type",
        "v",
    )
)
_AUTHOR_MEMBERS = frozenset(("authority", "incarnation", "key", "node"))
_ATTACHMENT_MEMBERS = frozenset(("handling", "id", "language", "media_type", "name", "sha256", "size"))
_DIRECTORY_MEMBERS = frozenset(("root", "size"))
_INCARNATION = re.compile(r"[0-9a-f]{16}", re.ASCII)
_TYPES = {member.value: member for member in MessageType}
_LIFETIME = timedelta(seconds=limits.MAX_LIFETIME_SECONDS)


@dataclass(frozen=True, slots=True)
class Author:
    """Who made a record.

    Attributes:
        authority: the authority that speaks.
        node: its node that signed.
        key: id of the signing key.
        incarnation: 16 hex digits, new whenever the node's store was restored from a copy.
    """

    authority: AuthorityId
    node: NodeId
    key: KeyId
    incarnation: str


@dataclass(frozen=True, slots=True)
class Attachment:
    """What a record says of one attachment.

    Attributes:
        id: how the body refers to it.
        name: display name; never a path.
        media_type: as the author says; nobody may rely on it.
        size: length in bytes.
        sha256: hash of the bytes, hex.
        language: language tag, or empty.
        handling: codes stricter than the record's own, or empty.
    """

    id: str
    name: str = field(repr=False)
    media_type: str
    size: int
    sha256: Digest
    language: str = ""
    handling: tuple[str, ...] = ()

    @classmethod
    def of(cls, content: bytes, *, id: str, name: str, media_type: str, language: str = "") -> "Attachment":  # noqa: A002
        """Describe these bytes."""
        return cls(id, name, media_type, len(content), Digest(sha256(content).hexdigest()), language)


@dataclass(frozen=True, slots=True)
class Record:
    """One record, as values.

    Attributes:
        type: the message type; says what `body` holds.
        consultation: the consultation it belongs to.
        record_id: its own id, chosen when it was composed.
        author: who made it.
        author_seq: position in the author's chain, from 1.
        prev: hash of the author's record before, empty for the first.
        seen: per other authority the hash of its latest record that the author had.
        recipients: the authorities addressed, sorted.
        created: when it was composed, UTC.
        expires: after this time it is not delivered any more, UTC.
        in_reply_to: id of the record it answers, or empty.
        handling: handling codes, sorted; empty means the default levels.
        legal_basis: what the exchange rests on, in words.
        body: the message, as `protocol.messages` reads it.
        attachments: what belongs to it.
        directory: the state of the directory the author stood on.

    Spec: PROTOCOL.md section 8.1.
    """

    type: MessageType
    consultation: ConsultationId
    record_id: RecordId
    author: Author
    author_seq: int
    prev: str
    seen: Mapping[AuthorityId, Digest]
    recipients: tuple[AuthorityId, ...]
    created: datetime
    expires: datetime
    in_reply_to: str
    handling: tuple[str, ...]
    legal_basis: tuple[str, ...] = field(repr=False)
    body: JSONObject = field(repr=False)
    attachments: tuple[Attachment, ...]
    directory: DirectoryView

    def to_bytes(self) -> bytes:
        """Write the canonical bytes.

        Raises:
            LocalProtocolError: a rule does not hold; the code is the one a receiver would give.

        Spec: PROTOCOL.md section 8.1.
        """
        value = _written(self)
        data = canonical.to_bytes(value)
        if len(data) > limits.MAX_RECORD_BYTES:
            raise LocalProtocolError("a record over its size", code=ReasonCode.TOO_LARGE)
        try:
            _read(value)
        except RemoteProtocolError as error:
            raise LocalProtocolError(str(error), code=error.code) from None
        return data


def parse_record(data: bytes) -> Record:
    """Read the bytes of a record.

    Raises:
        MalformedError: not canonical (`bad_json`), too long (`too_large`), a member too many
            (`unknown_field`), or a value outside its rule (`bad_field`).
        UnsupportedVersionError: a version we do not speak.

    Spec: PROTOCOL.md section 8.1.
    """
    return _read(canonical.parse_object(data, limits.MAX_RECORD_BYTES))


def record_hash(data: bytes) -> Digest:
    """Return the hash by which a record is known: SHA-256 of its bytes, hex."""
    return Digest(sha256(data).hexdigest())


@dataclass(frozen=True, slots=True)
class SignedRecord:
    """A record with its signature and attachments: what is sealed, and what is kept.

    Attributes:
        record: the bytes of the record.
        signature: batch signature block over its hash, under the label for records.
        attachments: their bytes, in the order the record lists them.
        content: the record as values.
    """

    record: bytes = field(repr=False)
    signature: bytes = field(repr=False)
    attachments: tuple[bytes, ...] = field(repr=False)
    content: Record

    def to_bytes(self) -> bytes:
        """Write `u8 1 || op(record) || op(signature) || u8 n || n * op(attachment)`.

        Raises:
            LocalProtocolError: the attachments are not the ones the record lists.

        Spec: PROTOCOL.md section 8.2.
        """
        try:
            _verify_attachments(self.content.attachments, self.attachments)
        except MalformedError as error:
            raise LocalProtocolError(str(error), code=error.code) from None
        writer = Writer().u8(RECORD_VERSION).op(self.record).op(self.signature).u8(len(self.attachments))
        for content in self.attachments:
            writer.op(content)
        return writer.to_bytes()


def parse_signed_record(data: bytes) -> SignedRecord:
    """Read a signed record; its signature is *not* verified here.

    Raises:
        MalformedError: cut or too long, not a record, or attachments other than the listed ones
            (`bad_content`).
        UnsupportedVersionError: a version we do not speak.

    Spec: PROTOCOL.md section 8.2.
    """
    reader = Reader(data)
    if reader.u8() != RECORD_VERSION:
        raise UnsupportedVersionError("a version of signed records that is not spoken here")
    record = reader.op(limits.MAX_RECORD_BYTES)
    signature = reader.op(MAX_BLOCK_BYTES)
    count = reader.u8()
    if count > limits.MAX_ATTACHMENTS:
        raise outside_rule("attachments")
    attachments = tuple(reader.op(limits.MAX_ATTACHMENT_TOTAL_BYTES) for _ in range(count))
    reader.finish()
    content = parse_record(record)
    _verify_attachments(content.attachments, attachments)
    return SignedRecord(record=record, signature=signature, attachments=attachments, content=content)


def _verify_attachments(listed: Sequence[Attachment], contents: Sequence[bytes]) -> None:
    if len(listed) != len(contents):
        raise MalformedError("not the attachments that are listed", code=ReasonCode.BAD_CONTENT)
    for entry, content in zip(listed, contents, strict=True):
        if len(content) != entry.size or sha256(content).hexdigest() != entry.sha256:
            raise MalformedError("an attachment other than the listed one", code=ReasonCode.BAD_CONTENT)


def _written(record: Record) -> JSONObject:
    author = record.author
    return {
        "v": RECORD_VERSION,
        "kind": RECORD_KIND,
        "type": record.type.value,
        "consultation": record.consultation,
        "record_id": record.record_id,
        "author": {
            "authority": author.authority,
            "node": author.node,
            "key": author.key,
            "incarnation": author.incarnation,
        },
        "author_seq": record.author_seq,
        "prev": record.prev,
        "seen": {authority: digest for authority, digest in record.seen.items()},  # noqa: C416 -- plain text keys
        "recipients": record.recipients,
        "created": canonical.moment_text(record.created),
        "expires": canonical.moment_text(record.expires),
        "in_reply_to": record.in_reply_to,
        "handling": record.handling,
        "legal_basis": record.legal_basis,
        "body": record.body,
        "attachments": [_attachment_written(entry) for entry in record.attachments],
        "directory": {"size": record.directory.size, "root": record.directory.root},
    }


def _attachment_written(entry: Attachment) -> JSONObject:
    return {
        "id": entry.id,
        "name": entry.name,
        "media_type": entry.media_type,
        "size": entry.size,
        "sha256": entry.sha256,
        "language": entry.language,
        "handling": entry.handling,
    }


def _read(value: JSONObject) -> Record:
    version = value.get("v")
    if type(version) is int and version != RECORD_VERSION:
        raise UnsupportedVersionError("a version of records that is not spoken here")
    require_members(value, _MEMBERS, "record")
    if type(version) is not int or value["kind"] != RECORD_KIND:
        raise outside_rule("kind or version")
    author = _author(value["author"])
    record_id = parse_record_id(text_of(value["record_id"], "record id"))
    author_seq = count_of(value["author_seq"], "author_seq")
    prev, in_reply_to = text_of(value["prev"], "prev"), text_of(value["in_reply_to"], "in_reply_to")
    if (author_seq == 1) != (prev == "") or author_seq < 1:
        raise outside_rule("chain position")
    if prev:
        parse_digest(prev)
    if in_reply_to and parse_record_id(in_reply_to) == record_id:
        raise outside_rule("in_reply_to")
    created, expires = _moment(value["created"]), _moment(value["expires"])
    if not created < expires <= created + _LIFETIME:
        raise outside_rule("lifetime")
    return Record(
        type=_type(value["type"]),
        consultation=parse_consultation_id(text_of(value["consultation"], "consultation")),
        record_id=record_id,
        author=author,
        author_seq=author_seq,
        prev=prev,
        seen=_seen(value["seen"], author.authority),
        recipients=_recipients(value["recipients"], author.authority),
        created=created,
        expires=expires,
        in_reply_to=in_reply_to,
        handling=_handling(value["handling"]),
        legal_basis=_legal_basis(value["legal_basis"]),
        body=object_of(value["body"], "body"),
        attachments=_attachments(value["attachments"]),
        directory=_directory(value["directory"]),
    )


def _moment(value: JSONValue) -> datetime:
    return canonical.parse_moment(text_of(value, "time"))


def _type(value: JSONValue) -> MessageType:
    found = _TYPES.get(value) if isinstance(value, str) else None
    if found is None:
        raise outside_rule("message type")
    return found


def _author(value: JSONValue) -> Author:
    entry = object_of(value, "author")
    require_members(entry, _AUTHOR_MEMBERS, "author")
    incarnation = text_of(entry["incarnation"], "incarnation")
    if not _INCARNATION.fullmatch(incarnation):
        raise outside_rule("incarnation")
    return Author(
        authority=parse_authority_id(text_of(entry["authority"], "authority")),
        node=parse_node_id(text_of(entry["node"], "node")),
        key=parse_key_id(text_of(entry["key"], "key")),
        incarnation=incarnation,
    )


def _seen(value: JSONValue, author: AuthorityId) -> Mapping[AuthorityId, Digest]:
    entries = object_of(value, "seen")
    if len(entries) > limits.MAX_RECIPIENTS or author in entries:
        raise outside_rule("seen")
    return {
        parse_authority_id(authority): parse_digest(text_of(digest, "seen"))
        for authority, digest in entries.items()
    }


def _recipients(value: JSONValue, author: AuthorityId) -> tuple[AuthorityId, ...]:
    names = texts_of(value, limits.MAX_RECIPIENTS, "recipients")
    if not names or author in names or list(names) != sorted(set(names)):
        raise outside_rule("recipients")
    return tuple(parse_authority_id(name) for name in names)


def _handling(value: JSONValue) -> tuple[str, ...]:
    codes = texts_of(value, limits.MAX_LIST_ITEMS, "handling")
    if not is_handling(codes):
        raise outside_rule("handling")
    return codes


def _legal_basis(value: JSONValue) -> tuple[str, ...]:
    texts = texts_of(value, limits.MAX_LIST_ITEMS, "legal_basis")
    if not all(is_line(text, limits.MAX_NAME_CHARACTERS) for text in texts):
        raise outside_rule("legal_basis")
    return texts


def _attachments(value: JSONValue) -> tuple[Attachment, ...]:
    entries = tuple(_attachment(item) for item in items_of(value, limits.MAX_ATTACHMENTS, "attachments"))
    if len({entry.id for entry in entries}) != len(entries):
        raise outside_rule("attachments")
    if sum(entry.size for entry in entries) > limits.MAX_ATTACHMENT_TOTAL_BYTES:
        raise MalformedError("attachments over their total size", code=ReasonCode.TOO_LARGE)
    return entries


def _attachment(value: JSONValue) -> Attachment:
    entry = object_of(value, "attachment")
    require_members(entry, _ATTACHMENT_MEMBERS, "attachment")
    name, media_type = text_of(entry["name"], "name"), text_of(entry["media_type"], "media type")
    tag, language = text_of(entry["id"], "attachment id"), text_of(entry["language"], "language")
    if not (is_tag(tag) and is_file_name(name) and is_media_type(media_type)):
        raise outside_rule("attachment")
    if language and not is_language(language):
        raise outside_rule("language")
    return Attachment(
        id=tag,
        name=name,
        media_type=media_type,
        size=count_of(entry["size"], "size"),
        sha256=parse_digest(text_of(entry["sha256"], "sha256")),
        language=language,
        handling=_handling(entry["handling"]),
    )


def _directory(value: JSONValue) -> DirectoryView:
    entry = object_of(value, "directory")
    require_members(entry, _DIRECTORY_MEMBERS, "directory")
    return DirectoryView(
        size=count_of(entry["size"], "size"), root=parse_digest(text_of(entry["root"], "root"))
    )
