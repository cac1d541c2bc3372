# SPDX-License-Identifier: Apache-2.0
"""Receipts: signed proof of what became of envelopes. Not an answer: a receipt says nothing of the matter.

1. One receipt covers many envelopes of one sender, under one batch signature.
2. `envelope` is the hash of the envelope; `record` that of the record in it, empty if it was not opened.
3. A rejection names its reason from the closed list; nothing else carries a reason, but `undeliverable`.
4. `undeliverable` is signed by the sender itself: it proves trying, not a fault of the other side.
5. What is known of a delivery only moves forward, and what ended badly never turns good.
"""

from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
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
)
from protocol.errors import (
    LocalProtocolError,
    ReasonCode,
    RemoteProtocolError,
    UnsupportedVersionError,
)
from protocol.identifiers import (
    AuthorityId,
    Digest,
    DirectoryView,
    KeyId,
    NodeId,
    RecordId,
    parse_authority_id,
    parse_digest,
    parse_key_id,
    parse_node_id,
    parse_record_id,
)
from protocol.octets import Reader, Writer
from protocol.signing.batch import MAX_BLOCK_BYTES

RECEIPT_VERSION = 1
"""Version of the receipt's form."""
RECEIPT_KIND = "receipt"
"""What this kind of record is called in its bytes."""

_MEMBERS = frozenset(("created", "directory", "entries", "issuer", "kind", "receipt_id", "to", "v"))
_ISSUER_MEMBERS = frozenset(("authority", "key", "node"))
_ENTRY_MEMBERS = frozenset(("envelope", "reason", "record", "status"))
_DIRECTORY_MEMBERS = frozenset(("root", "size"))


class ReceiptStatus(StrEnum):
    """What became of one envelope. Spec: PROTOCOL.md section 9."""

    RECEIVED = "received"
    REJECTED = "rejected"
    READ = "read"
    UNDELIVERABLE = "undeliverable"

    @property
    def has_reason(self) -> bool:
        """Whether an entry with this status names a reason."""
        return self in (ReceiptStatus.REJECTED, ReceiptStatus.UNDELIVERABLE)

    @property
    def is_own_word(self) -> bool:
        """Whether the sender says it of its own message."""
        return self is ReceiptStatus.UNDELIVERABLE


class DeliveryState(StrEnum):
    """What a sender knows of one envelope for one recipient. Spec: PROTOCOL.md section 9."""

    QUEUED = "queued"
    RECEIVED = "received"
    READ = "read"
    REJECTED = "rejected"
    UNDELIVERABLE = "undeliverable"

    @property
    def is_terminal(self) -> bool:
        """Whether delivery itself has ended, well or badly."""
        return self is not DeliveryState.QUEUED


_LEVELS = {DeliveryState.QUEUED: 0, DeliveryState.RECEIVED: 1, DeliveryState.READ: 2}


def advance(current: DeliveryState, status: ReceiptStatus) -> DeliveryState:
    """Return what is known after a verified receipt.

    A receipt that says less than is known, or the same, changes nothing.

    Raises:
        RemoteProtocolError: it contradicts what is known (`illegal_move`); keep it beside, never apply it.

    Spec: PROTOCOL.md section 9.
    """
    told = DeliveryState(status.value)
    if told is current or current is DeliveryState.QUEUED:
        return told
    if told not in _LEVELS or current not in _LEVELS:
        raise RemoteProtocolError("a receipt against what is known", code=ReasonCode.ILLEGAL_MOVE)
    return told if _LEVELS[told] > _LEVELS[current] else current


@dataclass(frozen=True, slots=True)
class Issuer:
    """Who signed a receipt.

    Attributes:
        authority: the authority that speaks.
        node: its node that signed.
        key: id of the signing key.
    """

    authority: AuthorityId
    node: NodeId
    key: KeyId


@dataclass(frozen=True, slots=True)
class ReceiptEntry:
    """What became of one envelope.

    Attributes:
        envelope: hash of the envelope.
        record: hash of the record in it, or empty.
        status: what became of it.
        reason: why it was not taken; only with a negative status.
    """

    envelope: Digest
    record: str
    status: ReceiptStatus
    reason: ReasonCode | None = None


@dataclass(frozen=True, slots=True)
class Receipt:
    """One receipt, as values.

    Attributes:
        receipt_id: its own id.
        issuer: who signed it.
        to: the authority it is for; of `undeliverable` the one that could not be reached.
        created: when it was made, UTC.
        entries: 1 to 256 envelopes, none twice.
        directory: the state of the directory the issuer stood on.

    Spec: PROTOCOL.md section 9.
    """

    receipt_id: RecordId
    issuer: Issuer
    to: AuthorityId
    created: datetime
    entries: tuple[ReceiptEntry, ...]
    directory: DirectoryView

    def to_bytes(self) -> bytes:
        """Write the canonical bytes.

        Raises:
            LocalProtocolError: a rule does not hold; the code is the one a receiver would give.

        Spec: PROTOCOL.md section 9.
        """
        value = _written(self)
        try:
            _read(value)
        except RemoteProtocolError as error:
            raise LocalProtocolError(str(error), code=error.code) from None
        return canonical.to_bytes(value)


def parse_receipt(data: bytes) -> Receipt:
    """Read the bytes of a receipt without its signature.

    Raises:
        MalformedError: not canonical (`bad_json`), too long (`too_large`), a member too many
            (`unknown_field`), or a value outside its rule (`bad_field`).
        UnsupportedVersionError: a version we do not speak.

    Spec: PROTOCOL.md section 9.
    """
    return _read(canonical.parse_object(data, limits.MAX_RECEIPT_BYTES))


def receipt_hash(data: bytes) -> Digest:
    """Return the hash that is signed and kept: SHA-256 of the receipt's bytes, hex."""
    return Digest(sha256(data).hexdigest())


@dataclass(frozen=True, slots=True)
class SignedReceipt:
    """A receipt with its signature.

    Attributes:
        receipt: the bytes of the receipt.
        signature: batch signature block over its hash, under the label for receipts.
        content: the receipt as values.
    """

    receipt: bytes = field(repr=False)
    signature: bytes = field(repr=False)
    content: Receipt

    def to_bytes(self) -> bytes:
        """Write `u8 1 || op(receipt) || op(signature)`. Spec: PROTOCOL.md section 9."""
        return Writer().u8(RECEIPT_VERSION).op(self.receipt).op(self.signature).to_bytes()


def parse_signed_receipt(data: bytes) -> SignedReceipt:
    """Read a signed receipt; its signature is *not* verified here.

    Raises:
        MalformedError: cut or too long, or not a receipt.
        UnsupportedVersionError: a version we do not speak.

    Spec: PROTOCOL.md section 9.
    """
    reader = Reader(data)
    if reader.u8() != RECEIPT_VERSION:
        raise UnsupportedVersionError("a version of signed receipts that is not spoken here")
    receipt = reader.op(limits.MAX_RECEIPT_BYTES)
    signature = reader.op(MAX_BLOCK_BYTES)
    reader.finish()
    return SignedReceipt(receipt=receipt, signature=signature, content=parse_receipt(receipt))


def _written(receipt: Receipt) -> JSONObject:
    issuer = receipt.issuer
    return {
        "v": RECEIPT_VERSION,
        "kind": RECEIPT_KIND,
        "receipt_id": receipt.receipt_id,
        "issuer": {"authority": issuer.authority, "node": issuer.node, "key": issuer.key},
        "to": receipt.to,
        "created": canonical.moment_text(receipt.created),
        "entries": [
            {
                "envelope": entry.envelope,
                "record": entry.record,
                "status": entry.status.value,
                "reason": entry.reason.value if entry.reason else "",
            }
            for entry in receipt.entries
        ],
        "directory": {"size": receipt.directory.size, "root": receipt.directory.root},
    }


def _read(value: JSONObject) -> Receipt:
    version = value.get("v")
    if type(version) is int and version != RECEIPT_VERSION:
        raise UnsupportedVersionError("a version of receipts that is not spoken here")
    require_members(value, _MEMBERS, "receipt")
    if type(version) is not int or value["kind"] != RECEIPT_KIND:
        raise outside_rule("kind or version")
    issuer = object_of(value["issuer"], "issuer")
    require_members(issuer, _ISSUER_MEMBERS, "issuer")
    directory = object_of(value["directory"], "directory")
    require_members(directory, _DIRECTORY_MEMBERS, "directory")
    receipt = Receipt(
        receipt_id=parse_record_id(text_of(value["receipt_id"], "receipt_id")),
        issuer=Issuer(
            authority=parse_authority_id(text_of(issuer["authority"], "authority")),
            node=parse_node_id(text_of(issuer["node"], "node")),
            key=parse_key_id(text_of(issuer["key"], "key")),
        ),
        to=parse_authority_id(text_of(value["to"], "to")),
        created=canonical.parse_moment(text_of(value["created"], "created")),
        entries=_entries(value["entries"]),
        directory=DirectoryView(
            count_of(directory["size"], "size"), parse_digest(text_of(directory["root"], "root"))
        ),
    )
    if receipt.to == receipt.issuer.authority:
        raise outside_rule("to")
    return receipt


def _entries(value: JSONValue) -> tuple[ReceiptEntry, ...]:
    entries = tuple(_entry(item) for item in items_of(value, limits.MAX_RECEIPT_ENTRIES, "entries"))
    if not entries or len({entry.envelope for entry in entries}) != len(entries):
        raise outside_rule("entries")
    own = [entry.status is ReceiptStatus.UNDELIVERABLE for entry in entries]
    if any(own) and not all(own):
        raise outside_rule("entries")
    return entries


def _entry(value: JSONValue) -> ReceiptEntry:
    entry = object_of(value, "entry")
    require_members(entry, _ENTRY_MEMBERS, "entry")
    record, reason = text_of(entry["record"], "record"), text_of(entry["reason"], "reason")
    try:
        status = ReceiptStatus(text_of(entry["status"], "status"))
        why = ReasonCode(reason) if reason else None
    except ValueError:
        raise outside_rule("status or reason") from None
    if status.has_reason != (why is not None):
        raise outside_rule("reason")
    if record:
        parse_digest(record)
    elif status is not ReceiptStatus.REJECTED:
        raise outside_rule("record")
    return ReceiptEntry(parse_digest(text_of(entry["envelope"], "envelope")), record, status, why)
