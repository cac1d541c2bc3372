# SPDX-License-Identifier: Apache-2.0
"""What a statement does to the entry of its authority. It knows no signatures over statements and no chains.

1. All operations of an update hold, or the entry stays as it was.
2. A restrictive statement can also be laid over an entry before its turn. Alone it always holds: what it
   names and is not there is passed over. Among other operations it must find what it names.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from hashlib import sha256

from protocol.directory.endpoints import parse_endpoint
from protocol.directory.entries import AuthorityEntry, Endpoint, NodeEntry, NodeState
from protocol.directory.fields import bad_field
from protocol.directory.material import (
    Claims,
    KeyRole,
    KeyUse,
    Part,
    Uses,
    parts_of_encryption_key,
    parts_of_signing_key,
    parts_of_tls_certificate,
)
from protocol.directory.names import skeleton
from protocol.directory.statements import (
    RESTRICTIVE,
    AddKey,
    Admission,
    CompromisedKey,
    Content,
    Description,
    NodeKeyHashes,
    PutContact,
    PutEndpoint,
    PutLegalFrame,
    PutMeasure,
    PutProfile,
    RemoveEndpoint,
    RemoveMeasure,
    Restriction,
    RetireContact,
    RetireKey,
    Statement,
    Suspension,
    Update,
    node_possession_message,
    possession_message,
)
from protocol.errors import UntrustedError
from protocol.hpke import parse_xwing_public_key
from protocol.identifiers import AuthorityId, Digest
from protocol.signing import composite, labels
from protocol.signing.certificate import verify_certificate

MAX_CONTACTS = 100
MAX_ENDPOINTS = 8
MAX_NODES = 100
"""Sets of node keys of one authority over all its years."""


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What an operation must respect beyond its own authority.

    Attributes:
        network: fingerprint.
        sample: whether the network root says so.
        uses: all key material in use.
    """

    network: str
    sample: bool
    uses: Uses


@dataclass(frozen=True, slots=True)
class Effect:
    """A changed entry, and the key material it claims."""

    entry: AuthorityEntry
    claims: Mapping[Part, KeyUse]


def admit(
    statement: Statement, admission: Admission, before: AuthorityEntry | None, around: Surroundings
) -> Effect:
    """Let an authority in, or renew or reinstate it.

    Raises:
        UntrustedError: key not admissible, no proof of possession, key in use, or another root key than
            before.

    Spec: PROTOCOL.md section 10.3.
    """
    root_key = composite.parse_public_key(admission.root_key)
    message = possession_message(around.network, statement.authority)
    composite.verify(root_key, labels.POSSESSION, message, admission.proof)
    if before is not None and before.root_key.raw != root_key.raw:
        raise UntrustedError("a renewal can't change the root key")
    claims = Claims(around.uses)
    claims.add(parts_of_signing_key(root_key), KeyUse(statement.authority, KeyRole.AUTHORITY_ROOT))
    entry = AuthorityEntry(
        authority=statement.authority,
        country=admission.country,
        names=dict(admission.names),
        kind=admission.kind,
        root_key=root_key,
        not_after=admission.not_after,
    )
    if before is not None:
        entry = replace(
            entry,
            suspended_by_itself=before.suspended_by_itself,
            dispute=before.dispute,
            contacts=before.contacts,
            endpoints=before.endpoints,
            nodes=before.nodes,
            profile=before.profile,
            legal=before.legal,
            measures=before.measures,
        )
    return Effect(entry, claims.parts)


def require_distinct_names(
    admission: Admission, authority: AuthorityId, owners: Mapping[str, AuthorityId]
) -> Mapping[str, AuthorityId]:
    """Return the skeletons of an admission's names, or refuse names that look like another authority's.

    Raises:
        UntrustedError: confusable with an authority that was admitted before.

    Spec: PROTOCOL.md section 10.3.
    """
    shapes = {skeleton(name) for name in admission.names.values()}
    if "" in shapes:
        raise bad_field("a name without letters")
    if any(owners.get(shape, authority) != authority for shape in shapes):
        raise UntrustedError("a name that can be taken for the name of another authority")
    return dict.fromkeys(shapes, authority)


def change(entry: AuthorityEntry, content: Update | Suspension, around: Surroundings) -> Effect:
    """Apply what an authority says about itself, or the suspension of it by officers.

    Raises:
        RemoteProtocolError: one of the operations does not hold; none is applied.

    Spec: PROTOCOL.md section 10.4.
    """
    if isinstance(content, Suspension) or all(isinstance(item, RESTRICTIVE) for item in content.ops):
        return Effect(lay_over(entry, content), {})
    claims = Claims(around.uses)
    for operation in content.ops:
        match operation:
            case PutContact():
                entry = _put_contact(entry, operation)
            case AddKey():
                entry = _add_key(entry, operation, around.network, claims)
            case PutEndpoint():
                entry = _put_endpoint(entry, operation, sample=around.sample)
            case PutProfile() | PutLegalFrame() | PutMeasure() | RemoveMeasure():
                entry = _describe(entry, operation)
            case _:
                changed = _restrict(entry, operation)
                if changed is None:
                    raise bad_field("an operation on something that is not there")
                entry = changed
    return Effect(entry, claims.parts)


def lay_over(entry: AuthorityEntry, content: Content) -> AuthorityEntry:
    """Show an entry as it is with a restrictive statement that came before its turn.

    Spec: PROTOCOL.md section 10.6.
    """
    if isinstance(content, Suspension):
        return _suspend(entry, content)
    if isinstance(content, Update):
        for operation in content.ops:
            if isinstance(operation, RESTRICTIVE):
                entry = _restrict(entry, operation) or entry
    return entry


def _suspend(entry: AuthorityEntry, suspension: Suspension) -> AuthorityEntry:
    if suspension.by == "officers":
        return replace(entry, suspended_by_officers=True)
    return replace(entry, suspended_by_itself=True)


def _put_contact(entry: AuthorityEntry, operation: PutContact) -> AuthorityEntry:
    kept = {contact.id: contact for contact in entry.contacts}
    kept[operation.contact.id] = operation.contact
    if len(kept) > MAX_CONTACTS:
        raise bad_field("too many contact points")
    return replace(entry, contacts=tuple(kept[name] for name in sorted(kept)))


def _describe(entry: AuthorityEntry, operation: Description) -> AuthorityEntry:
    """Change what the authority tells about itself."""
    match operation:
        case PutProfile():
            if operation.profile.native_language and operation.profile.native_language not in entry.names:
                raise bad_field("native_language: not one of the languages of the legal names")
            return replace(entry, profile=operation.profile)
        case PutLegalFrame():
            return replace(entry, legal=operation.legal)
        case PutMeasure():
            kept = {measure.help: measure for measure in entry.measures}
            kept[operation.measure.help] = operation.measure
            return replace(entry, measures=tuple(kept[name] for name in sorted(kept)))
        case RemoveMeasure():
            left = tuple(measure for measure in entry.measures if measure.help != operation.help)
            if len(left) == len(entry.measures):
                raise bad_field("an operation on something that is not there")
            return replace(entry, measures=left)


def _put_endpoint(entry: AuthorityEntry, operation: PutEndpoint, *, sample: bool) -> AuthorityEntry:
    parse_endpoint(operation.url, sample=sample)
    endpoint = Endpoint(node=operation.node, url=operation.url)
    if all(node.node != operation.node for node in entry.nodes):
        raise bad_field("an endpoint of a node without keys")
    if endpoint in entry.endpoints:
        return entry
    if len(entry.endpoints) >= MAX_ENDPOINTS:
        raise bad_field("too many endpoints")
    return replace(entry, endpoints=(*entry.endpoints, endpoint))


def _add_key(entry: AuthorityEntry, operation: AddKey, network: str, claims: Claims) -> AuthorityEntry:
    """Add the keys of a node.

    Raises:
        UntrustedError: the certificate, the proof or a key does not hold, or key material is in use.
        MalformedError: something is not what it claims to be.
    """
    certificate = verify_certificate(operation.certificate, entry.root_key)
    if certificate.authority != entry.authority:
        raise UntrustedError("a certificate for another authority")
    if len(entry.nodes) >= MAX_NODES:
        raise bad_field("too many keys")
    encryption_key = parse_xwing_public_key(operation.encryption_key)
    message = node_possession_message(network, entry.authority, hashes=hashes_of(operation))
    composite.verify(certificate.key, labels.POSSESSION, message, operation.proof)
    if entry.node_with_key(certificate.key.key_id) is not None:
        raise UntrustedError("key material that is in use already")
    owner = f"{entry.authority}/{certificate.node}"
    claims.add(parts_of_signing_key(certificate.key), KeyUse(owner, KeyRole.NODE_SIGNING))
    claims.add(parts_of_encryption_key(operation.encryption_key), KeyUse(owner, KeyRole.NODE_ENCRYPTION))
    claims.add(parts_of_tls_certificate(operation.tls_certificate), KeyUse(owner, KeyRole.NODE_TLS))
    node = NodeEntry(
        node=certificate.node,
        signing=certificate.key,
        certificate=operation.certificate,
        not_before=certificate.not_before,
        not_after=certificate.not_after,
        encryption_key=operation.encryption_key,
        encryption_key_id=encryption_key.key_id,
        tls_certificate_der=operation.tls_certificate,
        state=NodeState.ACTIVE,
        since=None,
    )
    return replace(entry, nodes=(*entry.nodes, node))


def hashes_of(operation: AddKey) -> NodeKeyHashes:
    """Return what the proof of possession of a node covers."""
    return NodeKeyHashes(
        certificate=Digest(sha256(operation.certificate).hexdigest()),
        encryption_key=Digest(sha256(operation.encryption_key).hexdigest()),
        tls_certificate=Digest(sha256(operation.tls_certificate).hexdigest()),
    )


def _restrict(entry: AuthorityEntry, operation: Restriction) -> AuthorityEntry | None:
    """Apply one restrictive operation, or return None if what it names is not there."""
    match operation:
        case RetireContact():
            contacts = tuple(contact for contact in entry.contacts if contact.id != operation.id)
            return replace(entry, contacts=contacts) if len(contacts) < len(entry.contacts) else None
        case RemoveEndpoint():
            gone = Endpoint(node=operation.node, url=operation.url)
            left = tuple(endpoint for endpoint in entry.endpoints if endpoint != gone)
            return replace(entry, endpoints=left) if len(left) < len(entry.endpoints) else None
        case RetireKey() | CompromisedKey():
            if entry.node_with_key(operation.key) is None:
                return None
            nodes = tuple(
                _restrict_node(node, operation) if node.signing.key_id == operation.key else node
                for node in entry.nodes
            )
            return replace(entry, nodes=nodes)


def _restrict_node(node: NodeEntry, operation: RetireKey | CompromisedKey) -> NodeEntry:
    """Retire or condemn a node's keys; compromised is for ever, and only an earlier `since` changes it."""
    if isinstance(operation, CompromisedKey):
        since = operation.since if node.since is None else min(node.since, operation.since)
        return replace(node, state=NodeState.COMPROMISED, since=since)
    return node if node.state is NodeState.COMPROMISED else replace(node, state=NodeState.RETIRED)
