# SPDX-License-Identifier: Apache-2.0
"""What an authority wants the directory to say about it, and the operations that make it so.

It signs nothing and reads no file: `publish` signs, the command line reads.

1. A declaration is complete: contact points that it does not name are retired, measures removed.
2. Only what differs becomes an operation; a declaration that holds already needs none. What differs gets the
   next version.
3. The keys that a rotation replaced stay in use for as long as a message may be on its way, then they are
   retired.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import pairwise
from typing import TypeVar

from globe_node.directory.declaration_file import NOTHING_SAID, Said
from globe_node.directory.publish import key_addition
from keys.node_keys import NodeKeys
from protocol import limits
from protocol.directory.contacts import ContactPoint
from protocol.directory.entries import AuthorityEntry, NodeState
from protocol.directory.profile.legal import LegalFrame, Measure
from protocol.directory.profile.organisation import Profile
from protocol.directory.statements import (
    Operation,
    PutContact,
    PutEndpoint,
    PutLegalFrame,
    PutMeasure,
    PutProfile,
    RemoveEndpoint,
    RemoveMeasure,
    RetireContact,
    RetireKey,
)
from protocol.identifiers import Digest

IN_FLIGHT = timedelta(seconds=limits.MAX_LIFETIME_SECONDS)


Part = TypeVar("Part", Profile, LegalFrame, Measure)


@dataclass(frozen=True, slots=True)
class Declaration:
    """What the directory is to say.

    Attributes:
        said: contact points, profile, legal frame and measures; what it does not name is left as it is.
        node: the keys of this node, or None to leave keys as they are.
        endpoint: where this node is reached, or "" to leave endpoints as they are.
    """

    said: Said = NOTHING_SAID
    node: NodeKeys | None = None
    endpoint: str = ""


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
        *_contact_operations(declaration.said.contacts, entry),
        *_profile_operations(declaration.said, entry),
        *_measure_operations(declaration.said.measures, entry),
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


def _profile_operations(said: Said, entry: AuthorityEntry) -> list[Operation]:
    operations: list[Operation] = []
    if said.profile is not None:
        profile = _next_version(said.profile, entry.profile)
        operations += [PutProfile(profile=profile)] if profile != entry.profile else []
    if said.legal is not None:
        legal = _next_version(said.legal, entry.legal)
        operations += [PutLegalFrame(legal=legal)] if legal != entry.legal else []
    return operations


def _measure_operations(measures: Sequence[Measure] | None, entry: AuthorityEntry) -> list[Operation]:
    if measures is None:
        return []
    wanted = {measure.help: _next_version(measure, entry.measure(measure.help)) for measure in measures}
    changed = [measure for name, measure in wanted.items() if measure != entry.measure(name)]
    gone = [measure.help for measure in entry.measures if measure.help not in wanted]
    return [
        *(PutMeasure(measure=measure) for measure in changed),
        *(RemoveMeasure(help=name) for name in gone),
    ]


def _next_version(part: Part, present: Part | None) -> Part:
    """Return a part with the version it is to be published under: that of today if nothing else differs."""
    if present is None:
        return part
    same = _versioned(part, present.provenance.version)
    return same if same == present else _versioned(part, present.provenance.version + 1)


def _versioned(part: Part, version: int) -> Part:
    provenance = part.provenance.model_copy(update={"version": version})
    return part.model_copy(update={"provenance": provenance})


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
