# SPDX-License-Identifier: Apache-2.0
"""The arguments of operations: foreign text becomes values here. Not the meaning of a body or statement.

1. An unknown member is refused, not ignored: a misspelt `deadline_seconds` must not become the default.
2. No error repeats what was given; it names the member and the rule.
"""

import base64
import binascii
from enum import StrEnum
from typing import Annotated, Any, TypeVar

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from globe_node.consultations.arrivals import MAX_ARRIVALS
from globe_node.consultations.drafting.drafts import (
    MAX_IDEMPOTENCY_KEY_CHARACTERS,
    Draft,
    DraftAttachment,
)
from globe_node.consultations.drafting.membership import Change
from globe_node.errors import UsageError
from protocol import limits
from protocol.audit.events import EventKind
from protocol.canonical import JSONObject
from protocol.codes.help import HelpType
from protocol.codes.message_types import MessageType
from protocol.codes.offences import Offence
from protocol.directory.contacts import Function
from protocol.directory.profile.codes import Power
from protocol.directory.profile.organisation import MAX_LANGUAGES, MAX_NETWORKS, Profile
from protocol.errors import ReasonCode
from protocol.identifiers import (
    AuthorityId,
    ConsultationId,
    Digest,
    RecordId,
    parse_authority_id,
    parse_consultation_id,
    parse_digest,
    parse_record_id,
)
from protocol.lookup.advice import Need
from protocol.lookup.queries import DEFAULT_LIMIT, MAX_LIMIT, Search
from protocol.octets import parse_base64

MAX_DRAFTS_PER_REQUEST = 100
MAX_PAGE = 200

M = TypeVar("M", bound="Arguments")
E = TypeVar("E", bound=StrEnum)
Line = Annotated[str, Field(max_length=limits.MAX_NAME_CHARACTERS)]


class Arguments(BaseModel):
    """What an operation takes."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


class NoArguments(Arguments):
    """Nothing."""


class AttachmentArguments(Arguments):
    """One file of a draft."""

    id: Annotated[str, Field(max_length=32)] = ""
    name: Line
    media_type: Line = "application/octet-stream"
    language: Annotated[str, Field(max_length=35)] = ""
    data: str


class DraftArguments(Arguments):
    """One message to send."""

    type: Annotated[str, Field(max_length=40)]
    body: dict[str, Any]
    to: Annotated[list[str], Field(max_length=limits.MAX_RECIPIENTS)] = []
    consultation: str = ""
    in_reply_to: str = ""
    handling: Annotated[list[str], Field(max_length=limits.MAX_LIST_ITEMS)] = []
    legal_basis: Annotated[list[str], Field(max_length=limits.MAX_LIST_ITEMS)] = []
    attachments: Annotated[list[AttachmentArguments], Field(max_length=limits.MAX_ATTACHMENTS)] = []
    deadline_seconds: Annotated[int, Field(ge=1, le=limits.MAX_LIFETIME_SECONDS)] | None = None
    idempotency_key: Annotated[str, Field(max_length=MAX_IDEMPOTENCY_KEY_CHARACTERS)] = ""

    def draft(self) -> Draft:
        """Return the draft.

        Raises:
            MalformedError: an id is not well formed.
            UsageError: there is no such type, or an attachment is not base64.
        """
        return Draft(
            message_type=_code(MessageType, self.type, "type of message"),
            body=self.body,
            recipients=tuple(sorted(parse_authority_id(one) for one in self.to)),
            consultation=parse_consultation_id(self.consultation) if self.consultation else None,
            in_reply_to=parse_record_id(self.in_reply_to) if self.in_reply_to else None,
            handling=tuple(sorted(self.handling)),
            legal_basis=tuple(self.legal_basis),
            attachments=tuple(_attachment(item, number) for number, item in enumerate(self.attachments, 1)),
            deadline_seconds=self.deadline_seconds,
            idempotency_key=self.idempotency_key,
        )


class SubmitArguments(Arguments):
    """Messages to send, each with an outcome of its own."""

    drafts: Annotated[list[DraftArguments], Field(min_length=1, max_length=MAX_DRAFTS_PER_REQUEST)]


class RequestArguments(Arguments):
    """What those are asked who join a consultation."""

    body: dict[str, Any]
    handling: Annotated[list[str], Field(max_length=limits.MAX_LIST_ITEMS)] = []
    legal_basis: Annotated[list[str], Field(max_length=limits.MAX_LIST_ITEMS)] = []
    attachments: Annotated[list[AttachmentArguments], Field(max_length=limits.MAX_ATTACHMENTS)] = []

    def draft(self) -> Draft:
        """Return it as the draft of a request.

        Raises:
            UsageError: an attachment is not base64.
        """
        return Draft(
            message_type=MessageType.CONSULT_REQUEST,
            body=self.body,
            handling=tuple(sorted(self.handling)),
            legal_basis=tuple(self.legal_basis),
            attachments=tuple(_attachment(item, number) for number, item in enumerate(self.attachments, 1)),
        )


class MembersArguments(Arguments):
    """Who joins or leaves a consultation, and why.

    Attributes:
        request: what those who join are asked, if not what all were asked.
    """

    consultation: str
    add: Annotated[list[str], Field(max_length=limits.MAX_MEMBERS)] = []
    remove: Annotated[list[str], Field(max_length=limits.MAX_MEMBERS)] = []
    reason: Annotated[str, Field(max_length=limits.MAX_TEXT_CHARACTERS)]
    request: RequestArguments | None = None
    deadline_seconds: Annotated[int, Field(ge=1, le=limits.MAX_LIFETIME_SECONDS)] | None = None
    idempotency_key: Annotated[str, Field(max_length=MAX_IDEMPOTENCY_KEY_CHARACTERS)] = ""

    def change(self) -> Change:
        """Return the change.

        Raises:
            MalformedError: an id is not well formed.
            UsageError: an attachment is not base64.
        """
        return Change(
            consultation=parse_consultation_id(self.consultation),
            added=tuple(parse_authority_id(one) for one in self.add),
            removed=tuple(parse_authority_id(one) for one in self.remove),
            reason=self.reason,
            request=self.request.draft() if self.request else None,
            deadline_seconds=self.deadline_seconds,
            idempotency_key=self.idempotency_key,
        )


class ListArguments(Arguments):
    """Which consultations to list."""

    states: Annotated[list[str], Field(max_length=20)] = []
    before: str = ""
    limit: Annotated[int, Field(ge=1, le=MAX_PAGE)] = 50

    def cursor(self) -> ConsultationId | None:
        """Return the id after which the page starts."""
        return parse_consultation_id(self.before) if self.before else None


class ArrivalsArguments(Arguments):
    """Which inbound records to name."""

    after: Annotated[int, Field(ge=0, le=limits.MAX_SAFE_INTEGER)] = 0
    limit: Annotated[int, Field(ge=1, le=MAX_ARRIVALS)] = MAX_ARRIVALS
    wait_seconds: Annotated[int, Field(ge=0, le=50)] = 0


class CaseArguments(Arguments):
    """One consultation."""

    consultation: str

    def id(self) -> ConsultationId:
        """Return the id."""
        return parse_consultation_id(self.consultation)


Officer = Annotated[str, Field(pattern=r"^[A-Za-z0-9._-]{0,64}$")]
"""A pseudonym; who it is, is known inside the authority alone."""
Justification = Annotated[str, Field(pattern=r"^[A-Z][A-Z_]{0,39}$")]
"""A code for why somebody looks: `CASE_WORK`, `SUPERVISION`, `DISCLOSURE`."""


class ReadArguments(Arguments):
    """A record that a practitioner opens, and why."""

    record_id: str
    justification: Justification = "CASE_WORK"
    officer: Officer = ""

    def id(self) -> RecordId:
        """Return the id."""
        return parse_record_id(self.record_id)


class EvidenceArguments(Arguments):
    """A consultation whose evidence is handed over, and why."""

    consultation: str
    attachments: bool = True
    justification: Justification = "DISCLOSURE"
    officer: Officer = ""

    def id(self) -> ConsultationId:
        """Return the id."""
        return parse_consultation_id(self.consultation)


class AuditArguments(Arguments):
    """Which entries of the audit log."""

    kinds: Annotated[list[str], Field(max_length=40)] = []
    peer: Annotated[str, Field(max_length=63)] = ""
    case: Annotated[str, Field(max_length=36)] = ""
    msg: Annotated[str, Field(max_length=36)] = ""
    limit: Annotated[int, Field(ge=1, le=1_000)] = 50

    def event_kinds(self) -> tuple[EventKind, ...]:
        """Return the kinds of acts."""
        return tuple(_code(EventKind, kind, "kind of act") for kind in self.kinds)


class SearchArguments(Arguments):
    """Whom to look for in the directory."""

    country: Annotated[str, Field(pattern=r"^([A-Z]{2})?$")] = ""
    function: Annotated[str, Field(max_length=40)] = ""
    power: Annotated[str, Field(max_length=40)] = ""
    network: Annotated[str, Field(pattern=r"^([A-Z0-9-]{1,40})?$")] = ""
    language: Annotated[str, Field(pattern=r"^([A-Za-z]{2,3}(-[A-Za-z0-9]{2,8}){0,3})?$")] = ""
    on_duty: bool = False
    text: Line = ""
    limit: Annotated[int, Field(ge=1, le=MAX_LIMIT)] = DEFAULT_LIMIT
    officer: Officer = ""

    def search(self) -> Search:
        """Return what is looked for."""
        return Search(
            text=self.text,
            country=self.country,
            function=_code(Function, self.function, "function") if self.function else None,
            power=_code(Power, self.power, "power") if self.power else None,
            network=self.network,
            language=self.language,
            on_duty=self.on_duty,
            limit=self.limit,
        )


class RouteArguments(Arguments):
    """What is needed from another country; our networks and languages, else those of our entry."""

    country: Annotated[str, Field(pattern=r"^[A-Z]{2}$")]
    help: Annotated[str, Field(max_length=40)]
    offence: Annotated[str, Field(max_length=40)] = ""
    urgent: bool = False
    networks: Annotated[list[str], Field(max_length=MAX_NETWORKS)] = []
    languages: Annotated[list[str], Field(max_length=MAX_LANGUAGES)] = []

    def need(self, profile: Profile | None) -> Need:
        """Return what is needed.

        Args:
            profile: our own, for what is not given.
        """
        own_networks = tuple(one.network for one in profile.networks) if profile is not None else ()
        own_languages = profile.languages_spoken or profile.languages_accepted if profile is not None else ()
        return Need(
            country=self.country,
            help=_code(HelpType, self.help, "help"),
            offence=_code(Offence, self.offence, "offence") if self.offence else None,
            urgent=self.urgent,
            networks=tuple(self.networks) or own_networks,
            languages=tuple(self.languages) or own_languages,
        )


class GuideArguments(Arguments):
    """A country, and perhaps a kind of help, of the guide."""

    country: Annotated[str, Field(pattern=r"^[A-Z]{2}$")]
    help: Annotated[str, Field(max_length=40)] = ""

    def help_type(self) -> HelpType | None:
        """Return the kind of help asked for."""
        return _code(HelpType, self.help, "help") if self.help else None


class GuideFileArguments(Arguments):
    """A file of facts, in base64."""

    data: str
    name: Line = "guide"
    officer: Officer = ""

    def decoded(self) -> bytes:
        """Return the octets of the file."""
        return parse_base64(self.data)


class AuthorityArguments(Arguments):
    """One authority."""

    authority: str
    officer: Officer = ""

    def id(self) -> AuthorityId:
        """Return the id."""
        return parse_authority_id(self.authority)


class GreetArguments(Arguments):
    """Whom to greet; nobody named means everybody."""

    authority: str = ""

    def id(self) -> AuthorityId:
        """Return the id."""
        return parse_authority_id(self.authority)


class StatementsArguments(Arguments):
    """Directory statements, as base64 of their bytes.

    Attributes:
        network: the network's fingerprint, for a node that belongs to none yet.
        source: `file`, or `own` for what this authority publishes about itself.
    """

    statements: Annotated[list[str], Field(min_length=1, max_length=100_000)]
    network: str = ""
    source: Annotated[str, Field(pattern=r"^(file|own)$")] = "file"

    def decoded(self) -> list[bytes]:
        """Return the bytes."""
        return [_decode(one) for one in self.statements]

    def fingerprint(self) -> Digest:
        """Return the network's fingerprint."""
        return parse_digest(self.network)


class BackupArguments(Arguments):
    """The SHA-256 of a backup that was made, in hex."""

    digest: str

    def file_digest(self) -> Digest:
        """Return the digest."""
        return parse_digest(self.digest)


def parse_arguments(model: type[M], value: JSONObject) -> M:
    """Read the arguments of one operation.

    Raises:
        UsageError: a member is unknown, missing or outside its rule.
    """
    try:
        return model.model_validate(value)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False, include_context=False)[0]
        place = ".".join(str(part) for part in first["loc"])[:200]
        code = ReasonCode.UNKNOWN_FIELD if first["type"] == "extra_forbidden" else ReasonCode.BAD_FIELD
        raise UsageError(
            f"{place}: {first['msg']}", hint="See `--help`, or docs/OPERATIONS.md for programs.", code=code
        ) from None


def _code(codes: type[E], text: str, what: str) -> E:
    try:
        return codes(text)
    except ValueError:
        raise UsageError(
            f"there is no such {what}",
            hint="One of " + ", ".join(sorted(code.value for code in codes)) + ".",
            code=ReasonCode.BAD_FIELD,
        ) from None


def _attachment(item: AttachmentArguments, number: int) -> DraftAttachment:
    return DraftAttachment(
        id=item.id or f"a{number}",
        name=item.name,
        media_type=item.media_type,
        language=item.language,
        data=_decode(item.data),
    )


def _decode(text: str) -> bytes:
    try:
        return base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        raise UsageError("not base64", hint="", code=ReasonCode.BAD_FIELD) from None
