# SPDX-License-Identifier: Apache-2.0
"""What the directory knows of one authority and its nodes. Values only: `effects` makes them.

1. Keys are never forgotten: a retired or compromised node stays, so that old evidence can be judged.
2. Whether something holds is asked for a moment that the caller names.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum

from protocol.codes.help import HelpType
from protocol.directory.contacts import AuthorityKind, ContactPoint
from protocol.directory.profile.legal import LegalFrame, Measure
from protocol.directory.profile.organisation import Profile
from protocol.errors import ReasonCode
from protocol.identifiers import AuthorityId, Digest, KeyId, NodeId
from protocol.signing.composite import PublicKey


class AuthorityStatus(StrEnum):
    """Whether new exchange with an authority may begin."""

    ACTIVE = "ACTIVE"
    SUSPENDED = "SUSPENDED"
    DISPUTED = "DISPUTED"
    EXPIRED = "EXPIRED"


class NodeState(StrEnum):
    """Whether the keys of a node may be used."""

    ACTIVE = "ACTIVE"
    RETIRED = "RETIRED"
    COMPROMISED = "COMPROMISED"


@dataclass(frozen=True, slots=True)
class NodeEntry:
    """One set of keys of one node.

    Attributes:
        signing: the key that signs records and receipts.
        certificate: the node certificate, as published.
        not_before: first moment the certificate covers.
        not_after: first moment it no longer covers.
        encryption_key: raw X-Wing public key, 1216 bytes.
        tls_certificate_der: what the other end of a link must show.
        since: for a compromised node, since when; else None.
    """

    node: NodeId
    signing: PublicKey
    certificate: bytes = field(repr=False)
    not_before: datetime
    not_after: datetime
    encryption_key: bytes = field(repr=False)
    encryption_key_id: KeyId
    tls_certificate_der: bytes = field(repr=False)
    state: NodeState
    since: datetime | None

    def covers(self, at: datetime) -> bool:
        """Whether the certificate covers a moment."""
        return self.not_before <= at < self.not_after


@dataclass(frozen=True, slots=True)
class Endpoint:
    """Where a node is reached: `https://host` or `https://host:port`."""

    node: NodeId
    url: str


@dataclass(frozen=True, slots=True)
class Dispute:
    """Two valid statements at one place of a chain: a key is stolen or careless.

    Attributes:
        chain: whose chain it is.
        seq: the place.
        statements: the two ids, sorted.
    """

    chain: str
    seq: int
    statements: tuple[Digest, Digest]


@dataclass(frozen=True, slots=True)
class AuthorityEntry:
    """What is known of one authority.

    Attributes:
        names: legal name by language tag.
        not_after: end of the admission.
        suspended_by_officers: until officers admit it again.
        suspended_by_itself: for good, in this version.
        contacts: by id.
        nodes: oldest first; retired and compromised ones included.
        profile: what the authority tells about itself, or None.
        legal: what its law asks of requests, or None.
        measures: what kinds of help take, by their code.
    """

    authority: AuthorityId
    country: str
    names: Mapping[str, str]
    kind: AuthorityKind
    root_key: PublicKey
    not_after: datetime
    suspended_by_officers: bool = False
    suspended_by_itself: bool = False
    dispute: Dispute | None = None
    contacts: tuple[ContactPoint, ...] = ()
    endpoints: tuple[Endpoint, ...] = ()
    nodes: tuple[NodeEntry, ...] = ()
    profile: Profile | None = None
    legal: LegalFrame | None = None
    measures: tuple[Measure, ...] = ()

    @property
    def status(self) -> AuthorityStatus:
        """The status apart from time; see `status_at`."""
        if self.dispute is not None:
            return AuthorityStatus.DISPUTED
        if self.suspended_by_officers or self.suspended_by_itself:
            return AuthorityStatus.SUSPENDED
        return AuthorityStatus.ACTIVE

    def status_at(self, at: datetime) -> AuthorityStatus:
        """The status at a moment: an admission that ran out is not active."""
        status = self.status
        if status is AuthorityStatus.ACTIVE and at > self.not_after:
            return AuthorityStatus.EXPIRED
        return status

    def name(self, language: str = "en") -> str:
        """The legal name in a language, or in English, or in any."""
        return self.names.get(language) or self.names.get("en") or next(iter(self.names.values()))

    def measure(self, help_type: HelpType) -> Measure | None:
        """What the authority says of one kind of help, or None."""
        return next((measure for measure in self.measures if measure.help is help_type), None)

    def node_in_use(self, at: datetime) -> NodeEntry | None:
        """The newest node whose keys may be used at a moment."""
        for node in reversed(self.nodes):
            if node.state is NodeState.ACTIVE and node.covers(at):
                return node
        return None

    def node_with_key(self, key_id: KeyId) -> NodeEntry | None:
        """The node that has, or had, a signing key."""
        return next((node for node in self.nodes if node.signing.key_id == key_id), None)

    def endpoints_of(self, node: NodeId) -> tuple[Endpoint, ...]:
        """Where a node is reached, in the order of publication."""
        return tuple(endpoint for endpoint in self.endpoints if endpoint.node == node)


STATUS_CODES: Mapping[AuthorityStatus, ReasonCode] = {
    AuthorityStatus.SUSPENDED: ReasonCode.SUSPENDED,
    AuthorityStatus.DISPUTED: ReasonCode.DISPUTED,
    AuthorityStatus.EXPIRED: ReasonCode.EXPIRED,
}
"""Why exchange with an authority of this status is refused."""
