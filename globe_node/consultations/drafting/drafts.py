# SPDX-License-Identifier: Apache-2.0
"""What a person or a case system asks this node to send. Not yet a record: it has no author, number or time.

1. A draft is checked for its form here; what it says by `protocol.messages`, as for inbound records.
2. A draft without a consultation opens one; only then it names its recipients.
3. An idempotency key makes a repeat harmless: the same key with the same draft returns the first result, with
   another draft it is refused.
"""

from dataclasses import dataclass, field
from datetime import datetime
from hashlib import sha256

from pydantic import BaseModel, ConfigDict

from protocol import limits
from protocol.canonical import JSONObject, JSONValue, moment_text, parse_moment, parse_object, to_bytes
from protocol.codes.message_types import MessageType
from protocol.errors import LocalProtocolError, ReasonCode
from protocol.identifiers import AuthorityId, ConsultationId, Digest, RecordId

MAX_IDEMPOTENCY_KEY_CHARACTERS = 64
_MAX_RESULT_BYTES = 8 * 1024


@dataclass(frozen=True, slots=True)
class DraftAttachment:
    """A file that goes with a message.

    Attributes:
        id: how the body refers to it.
        name: display name; never a path.
        media_type: as the sender says.
        language: language tag, or empty.
        data: its bytes.
    """

    id: str
    name: str = field(repr=False)
    media_type: str
    language: str
    data: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class Draft:
    """A message as its sender wants it.

    Attributes:
        message_type: what it says.
        body: its content, by the schema of its type.
        recipients: whom it opens a consultation with; empty for everybody else on the roster.
        consultation: the consultation it continues, or None to open one.
        in_reply_to: the record it answers, or empty.
        handling: what receivers may do with it; the default levels are added where none is named.
        legal_basis: the provisions it rests on.
        attachments: files, in order.
        deadline_seconds: how long delivery is tried; None for the node's setting.
        idempotency_key: chosen by the client, or empty.
    """

    message_type: MessageType
    body: JSONObject = field(repr=False)
    recipients: tuple[AuthorityId, ...] = ()
    consultation: ConsultationId | None = None
    in_reply_to: RecordId | None = None
    handling: tuple[str, ...] = ()
    legal_basis: tuple[str, ...] = field(default=(), repr=False)
    attachments: tuple[DraftAttachment, ...] = ()
    deadline_seconds: int | None = None
    idempotency_key: str = ""


@dataclass(frozen=True, slots=True)
class Submitted:
    """What the sender gets once the message can't be forgotten any more.

    Attributes:
        record_hash: what the receipts of the other side will name.
        expires_at: until when delivery is tried.
        repeated: an earlier submission had the same idempotency key; nothing new was sent.
    """

    consultation: ConsultationId
    record_id: RecordId
    record_hash: Digest
    message_type: MessageType
    recipients: tuple[AuthorityId, ...]
    state: str
    created_at: datetime
    expires_at: datetime
    repeated: bool = False

    def to_json(self) -> dict[str, JSONValue]:
        """Return it as a program gets it."""
        return {
            "consultation": self.consultation,
            "record_id": self.record_id,
            "record_hash": self.record_hash,
            "type": self.message_type.value,
            "recipients": list(self.recipients),
            "state": self.state,
            "created_at": moment_text(self.created_at),
            "expires_at": moment_text(self.expires_at),
            "repeated": self.repeated,
        }

    def to_bytes(self) -> bytes:
        """Return it as it is kept for a repeat."""
        return to_bytes(self.to_json())


class _SubmittedForm(BaseModel):
    """The stored form of `Submitted`."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)

    consultation: str
    record_id: str
    record_hash: str
    type: str
    recipients: list[str]
    state: str
    created_at: str
    expires_at: str
    repeated: bool


def parse_submitted(data: bytes) -> Submitted:
    """Read what `Submitted.to_bytes` made, marked as a repeat."""
    value = _SubmittedForm.model_validate(parse_object(data, _MAX_RESULT_BYTES))
    return Submitted(
        consultation=ConsultationId(value.consultation),
        record_id=RecordId(value.record_id),
        record_hash=Digest(value.record_hash),
        message_type=MessageType(value.type),
        recipients=tuple(AuthorityId(one) for one in value.recipients),
        state=value.state,
        created_at=parse_moment(value.created_at),
        expires_at=parse_moment(value.expires_at),
        repeated=True,
    )


def draft_digest(draft: Draft) -> Digest:
    """Return the digest by which two drafts under one idempotency key are compared."""
    value: JSONObject = {
        "type": draft.message_type,
        "body": draft.body,
        "recipients": list(draft.recipients),
        "consultation": draft.consultation or "",
        "in_reply_to": draft.in_reply_to or "",
        "handling": list(draft.handling),
        "legal_basis": list(draft.legal_basis),
        "deadline_seconds": draft.deadline_seconds or 0,
        "attachments": [
            {
                "id": item.id,
                "name": item.name,
                "media_type": item.media_type,
                "language": item.language,
                "sha256": sha256(item.data).hexdigest(),
            }
            for item in draft.attachments
        ],
    }
    return Digest(sha256(to_bytes(value)).hexdigest())


def require_form(draft: Draft) -> None:
    """Check what can be checked without looking at the store or the directory.

    Raises:
        LocalProtocolError: a bound or rule of form is broken; the text says which.
    """
    if draft.consultation is None and draft.message_type is not MessageType.CONSULT_REQUEST:
        raise LocalProtocolError(
            "only a request opens a consultation; name the consultation this belongs to",
            code=ReasonCode.ILLEGAL_MOVE,
        )
    if draft.consultation is None and not draft.recipients:
        raise LocalProtocolError("a request names at least one recipient", code=ReasonCode.BAD_FIELD)
    if len(draft.recipients) > limits.MAX_RECIPIENTS or len(set(draft.recipients)) != len(draft.recipients):
        raise LocalProtocolError("too many recipients, or one twice", code=ReasonCode.BAD_FIELD)
    if len(draft.attachments) > limits.MAX_ATTACHMENTS:
        raise LocalProtocolError(
            f"at most {limits.MAX_ATTACHMENTS} attachments go with one message", code=ReasonCode.TOO_LARGE
        )
    if sum(len(item.data) for item in draft.attachments) > limits.MAX_ATTACHMENT_TOTAL_BYTES:
        raise LocalProtocolError(
            f"attachments are at most {limits.MAX_ATTACHMENT_TOTAL_BYTES} bytes together",
            code=ReasonCode.TOO_LARGE,
        )
    if draft.deadline_seconds is not None and not 1 <= draft.deadline_seconds <= limits.MAX_LIFETIME_SECONDS:
        raise LocalProtocolError(
            f"a deadline is 1 to {limits.MAX_LIFETIME_SECONDS} seconds away", code=ReasonCode.BAD_FIELD
        )
    if len(draft.idempotency_key) > MAX_IDEMPOTENCY_KEY_CHARACTERS or not draft.idempotency_key.isprintable():
        raise LocalProtocolError("an idempotency key is short printable text", code=ReasonCode.BAD_FIELD)
