# SPDX-License-Identifier: Apache-2.0
"""Puts what goes to members of a group into envelopes. It seals and queues nothing.

What changes a group outlives every message in it: who missed it could read nothing later.
"""

from collections.abc import Iterable

from globe_node.delivery.outbox import Outgoing
from globe_node.groups.links import LinkRow
from globe_node.groups.workbench import Workbench
from protocol import limits
from protocol.envelope import EnvelopeClass, Frame, envelope_bytes, envelope_hash
from protocol.groups.sealed import Invitation, OrderedCommit
from protocol.identifiers import AuthorityId, Digest, EnvelopeId, uuid7


def new_frame(
    bench: Workbench,
    link: LinkRow,
    envelope_class: EnvelopeClass,
    *,
    now_ms: int,
    lifetime_seconds: int = limits.MAX_LIFETIME_SECONDS,
) -> Frame:
    """Return the frame of a new envelope for a group."""
    return Frame(
        envelope_class=envelope_class,
        sender=bench.name,
        routing_id=link.routing_id,
        envelope_id=EnvelopeId(uuid7(now_ms, bench.entropy.random_bytes(10)).bytes),
        created_ms=now_ms,
        expires_ms=now_ms + lifetime_seconds * 1000,
    )


def parcel_of(
    bench: Workbench,
    link: LinkRow,
    content: OrderedCommit | Invitation,
    *,
    peers: Iterable[AuthorityId],
    now_ms: int,
) -> Outgoing:
    """Return the envelope that brings a commit or an invitation to members."""
    is_commit = isinstance(content, OrderedCommit)
    envelope_class = EnvelopeClass.COMMIT if is_commit else EnvelopeClass.WELCOME
    frame = new_frame(bench, link, envelope_class, now_ms=now_ms)
    raw = envelope_bytes(frame.to_bytes(), content.to_bytes())
    return outgoing_of(frame, raw, content.digest, sorted(peers))


def outgoing_of(frame: Frame, raw: bytes, digest: Digest, peers: Iterable[AuthorityId]) -> Outgoing:
    """Return a finished envelope for some members, with the hash that receipts name."""
    return Outgoing(
        envelope_id=frame.envelope_id,
        envelope_class=frame.envelope_class,
        routing_id=frame.routing_id,
        octets=raw,
        envelope_hash=envelope_hash(raw),
        record_hash=digest,
        peers=tuple(peers),
        deadline_ms=frame.expires_ms,
    )
