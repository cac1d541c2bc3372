# SPDX-License-Identifier: Apache-2.0
"""What a directory statement says: the four kinds and their fields. Whether it holds is for `replay`.

1. Every payload names its network by the fingerprint of root 1; only root 1 itself can't and says "".
2. Statements stand in chains, one per subject and author: `@` (the network root), `@xa-acc` (officers about
   xa-acc), `xa-acc` (the authority itself). `seq` counts from 1; `prev` is the id of the one before.
3. `issued` informs; apart from the length of an admission nothing is decided by it.
4. What makes trust smaller (suspend, retire, remove, compromised) is restrictive and acts on sight.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from protocol import canonical, limits
from protocol.canonical import JSONObject, object_of, require_members, text_of
from protocol.codes.help import HelpType
from protocol.directory.contacts import AuthorityKind, ContactPoint
from protocol.directory.fields import (
    Country,
    Fields,
    KeyIdField,
    Language,
    Line,
    Moment,
    NodeIdField,
    Octets,
    Tag,
    bad_field,
    read_fields,
)
from protocol.directory.profile.legal import LegalFrame, Measure
from protocol.directory.profile.organisation import Profile
from protocol.errors import MalformedError, ReasonCode, UnsupportedVersionError
from protocol.identifiers import AuthorityId, Digest, parse_authority_id, parse_digest

MAX_ADMISSION = timedelta(days=397)
"""13 months: a yearly renewal with a month to do it."""
MAX_OFFICERS = 7
"""All new officers sign a root; more signatures would not fit one statement."""
MAX_OPERATIONS = 64
MAX_NAMES = 10
MAX_CERTIFICATE_BYTES = 8192
MAX_TLS_CERTIFICATE_BYTES = 4096
NETWORK_SUBJECT = "@"
"""Stands where a statement about the network itself names its subject."""

_MEMBERS = {"_type", "network", "subject", "seq", "prev", "issued", "content"}


class StatementType(StrEnum):
    """The kinds of statements, each with its version."""

    ROOT = "anp1:root/1"
    ADMIT = "anp1:authority-admit/1"
    UPDATE = "anp1:authority-update/1"
    SUSPEND = "anp1:authority-suspend/1"


class SuspensionReason(StrEnum):
    """Why an authority is suspended."""

    KEY_COMPROMISE = "key_compromise"
    LEFT = "left"
    MISUSE = "misuse"
    OTHER = "other"


class Officer(Fields):
    """A network officer: signs admissions together with others.

    Attributes:
        key: raw composite public key.
    """

    name: Line
    organisation: Line
    key: Annotated[Octets, Field(repr=False)]


class Thresholds(Fields):
    """How many distinct officers must sign what."""

    root: int
    admit: int
    suspend: int


class Root(Fields):
    """The constitution of a network.

    Attributes:
        sample: a network for trial; its nodes may use loopback and private addresses.
    """

    name: Line
    sample: bool
    officers: Annotated[tuple[Officer, ...], Field(min_length=1, max_length=MAX_OFFICERS)]
    thresholds: Thresholds

    @model_validator(mode="after")
    def _thresholds_mean_something(self) -> Self:
        distinct = len({officer.key for officer in self.officers})
        asked = (self.thresholds.root, self.thresholds.admit, self.thresholds.suspend)
        if distinct != len(self.officers) or not all(1 <= threshold <= distinct for threshold in asked):
            raise MalformedError("thresholds and officers do not fit", code=ReasonCode.DIR_THRESHOLD)
        return self


class Admission(Fields):
    """Officers let an authority in, or renew or reinstate it.

    Attributes:
        names: legal name by language tag.
        root_key: raw composite public key of the authority.
        proof: signature of that key over `possession_message`.
        not_after: end of membership unless renewed; at most 13 months after `issued`.
    """

    country: Country
    names: Annotated[dict[Language, Line], Field(min_length=1, max_length=MAX_NAMES)]
    kind: AuthorityKind
    root_key: Annotated[Octets, Field(repr=False)]
    proof: Annotated[Octets, Field(repr=False)]
    not_after: Moment


class Suspension(Fields):
    """Officers, or the authority itself, stop all exchange with an authority.

    Attributes:
        by: whose chain the statement stands in.
    """

    by: Literal["officers", "authority"]
    reason: SuspensionReason


class PutContact(Fields):
    """Add a contact point, or replace the one with the same id."""

    op: Literal["contact.put"] = "contact.put"
    contact: ContactPoint


class RetireContact(Fields):
    """Take a contact point out."""

    op: Literal["contact.retire"] = "contact.retire"
    id: Tag


class PutProfile(Fields):
    """Say what the authority is for, speaks and may do; replaces what it said before."""

    op: Literal["profile.put"] = "profile.put"
    profile: Profile


class PutLegalFrame(Fields):
    """Say what the law asks of a request; replaces what was said before."""

    op: Literal["legal.put"] = "legal.put"
    legal: LegalFrame


class PutMeasure(Fields):
    """Say what one kind of help takes, or replace what was said of it."""

    op: Literal["measure.put"] = "measure.put"
    measure: Measure


class RemoveMeasure(Fields):
    """Say nothing of one kind of help any more. It takes away no trust, so it waits for its turn."""

    op: Literal["measure.remove"] = "measure.remove"
    help: HelpType


class AddKey(Fields):
    """Publish the keys of a node; the newest node that is neither retired nor compromised is in use.

    Attributes:
        certificate: node certificate by the authority root.
        encryption_key: raw X-Wing public key.
        tls_certificate: DER, pinned as a whole.
        proof: signature of the node key over `node_possession_message`.
    """

    op: Literal["key.add"] = "key.add"
    certificate: Annotated[Octets, Field(max_length=MAX_CERTIFICATE_BYTES, repr=False)]
    encryption_key: Annotated[Octets, Field(repr=False)]
    tls_certificate: Annotated[Octets, Field(max_length=MAX_TLS_CERTIFICATE_BYTES, repr=False)]
    proof: Annotated[Octets, Field(repr=False)]


class RetireKey(Fields):
    """End the use of a node's keys; what they signed before stays good."""

    op: Literal["key.retire"] = "key.retire"
    key: KeyIdField


class CompromisedKey(Fields):
    """Declare that somebody else may hold a node's keys since a moment. There is no way back."""

    op: Literal["key.compromised"] = "key.compromised"
    key: KeyIdField
    since: Moment


class PutEndpoint(Fields):
    """Say where a node is reached."""

    op: Literal["endpoint.put"] = "endpoint.put"
    node: NodeIdField
    url: Annotated[str, Field(max_length=limits.MAX_NAME_CHARACTERS)]


class RemoveEndpoint(Fields):
    """Say where a node is no longer reached."""

    op: Literal["endpoint.remove"] = "endpoint.remove"
    node: NodeIdField
    url: Annotated[str, Field(max_length=limits.MAX_NAME_CHARACTERS)]


Restriction = RetireContact | RetireKey | CompromisedKey | RemoveEndpoint
RESTRICTIVE = (RetireContact, RetireKey, CompromisedKey, RemoveEndpoint)
Description = PutProfile | PutLegalFrame | PutMeasure | RemoveMeasure
Operation = PutContact | AddKey | PutEndpoint | Description | Restriction


class Update(Fields):
    """What an authority changes about itself; all operations hold or none does."""

    ops: Annotated[
        tuple[Annotated[Operation, Field(discriminator="op")], ...],
        Field(min_length=1, max_length=MAX_OPERATIONS),
    ]


Content = Root | Admission | Update | Suspension
_CONTENTS: dict[StatementType, type[Root] | type[Admission] | type[Update] | type[Suspension]] = {
    StatementType.ROOT: Root,
    StatementType.ADMIT: Admission,
    StatementType.UPDATE: Update,
    StatementType.SUSPEND: Suspension,
}


@dataclass(frozen=True, slots=True)
class Statement:
    """One statement, read.

    Attributes:
        network: fingerprint of the network's root 1, or "" in root 1.
        subject: authority id, or `@` for the network itself.
        seq: place in its chain, from 1.
        prev: id of the statement before, or "" for the first.
        issued: when the author says it was made.
    """

    network: str
    subject: str
    seq: int
    prev: str
    issued: datetime
    content: Content

    @property
    def kind(self) -> StatementType:
        """Which kind of statement it is."""
        return next(kind for kind, model in _CONTENTS.items() if isinstance(self.content, model))

    @property
    def chain(self) -> str:
        """The chain in which this statement stands."""
        if isinstance(self.content, Root):
            return NETWORK_SUBJECT
        by_officers = isinstance(self.content, Admission) or (
            isinstance(self.content, Suspension) and self.content.by == "officers"
        )
        return f"{NETWORK_SUBJECT}{self.subject}" if by_officers else self.subject

    @property
    def authority(self) -> AuthorityId:
        """The authority the statement is about; empty for a root."""
        return AuthorityId("" if self.subject == NETWORK_SUBJECT else self.subject)

    @property
    def is_restrictive(self) -> bool:
        """Whether the statement only takes trust away, and so acts on sight."""
        if isinstance(self.content, Suspension):
            return True
        return isinstance(self.content, Update) and all(
            isinstance(operation, RESTRICTIVE) for operation in self.content.ops
        )

    def to_payload(self) -> bytes:
        """Write the payload as it is signed."""
        return canonical.to_bytes(
            {
                "_type": self.kind,
                "network": self.network,
                "subject": self.subject,
                "seq": self.seq,
                "prev": self.prev,
                "issued": canonical.moment_text(self.issued),
                "content": self.content.to_object(),
            }
        )


def parse_statement(payload: bytes) -> Statement:
    """Read the payload of a statement.

    Raises:
        MalformedError: `bad_json`, `unknown_field`, `bad_field`, `dir_threshold` or `dir_chain`.
        UnsupportedVersionError: a kind or version that this version of the protocol does not know.

    Spec: PROTOCOL.md section 10.2.
    """
    value = canonical.parse_object(payload, limits.MAX_STATEMENT_BYTES)
    require_members(value, _MEMBERS, "statement")
    try:
        kind = StatementType(text_of(value["_type"], "_type"))
    except ValueError:
        raise UnsupportedVersionError("an unknown kind of statement") from None
    statement = Statement(
        network=text_of(value["network"], "network"),
        subject=text_of(value["subject"], "subject"),
        seq=_seq(value),
        prev=text_of(value["prev"], "prev"),
        issued=canonical.parse_moment(text_of(value["issued"], "issued")),
        content=read_fields(_CONTENTS[kind], object_of(value["content"], "content")),
    )
    _verify_place(statement)
    return statement


def possession_message(network: str, authority: AuthorityId) -> bytes:
    """Return what an authority's root key signs to prove that its owner asks for admission.

    Spec: PROTOCOL.md section 10.3.
    """
    return canonical.to_bytes({"purpose": "authority-root", "network": network, "authority": authority})


def node_possession_message(network: str, authority: AuthorityId, *, hashes: "NodeKeyHashes") -> bytes:
    """Return what a node key signs to prove that one hand holds all keys of the node.

    Spec: PROTOCOL.md section 10.4.
    """
    return canonical.to_bytes(
        {
            "purpose": "node-keys",
            "network": network,
            "authority": authority,
            "certificate": hashes.certificate,
            "encryption_key": hashes.encryption_key,
            "tls_certificate": hashes.tls_certificate,
        }
    )


@dataclass(frozen=True, slots=True)
class NodeKeyHashes:
    """SHA-256 of the three things a node publishes."""

    certificate: Digest
    encryption_key: Digest
    tls_certificate: Digest


def _seq(value: JSONObject) -> int:
    seq = value["seq"]
    if not isinstance(seq, int) or isinstance(seq, bool) or seq < 1:
        raise MalformedError("seq must be an integer from 1", code=ReasonCode.DIR_CHAIN)
    return seq


def _verify_place(statement: Statement) -> None:
    first = statement.seq == 1
    if first != (statement.prev == ""):
        raise MalformedError("the first of a chain, and only it, has no prev", code=ReasonCode.DIR_CHAIN)
    if not first:
        parse_digest(statement.prev)
    if isinstance(statement.content, Root):
        if statement.subject != NETWORK_SUBJECT:
            raise bad_field("a root is about the network")
        if (statement.network == "") != first:
            raise bad_field("root 1, and only it, names no network")
        if not first:
            parse_digest(statement.network)
        return
    parse_authority_id(statement.subject)
    parse_digest(statement.network)
    if isinstance(statement.content, Admission):
        lasts = statement.content.not_after - statement.issued
        if not timedelta(0) < lasts <= MAX_ADMISSION:
            raise bad_field("an admission lasts at most 13 months")
