# SPDX-License-Identifier: Apache-2.0
"""Puts what goes to members of a group into envelopes. It seals and queues nothing.

1. What changes a group outlives every message in it: who missed it could read nothing later.
2. What is about a group has its entry in the audit log in the transaction in which it is made, for each
   member that it goes to, under the word that its receiver writes when it opens it.
"""

from collections.abc import Iterable
from uuid import UUID

from globe_node.delivery.outbox import Outgoing
from globe_node.groups.links import LinkRow
from globe_node.groups.workbench import Workbench
from globe_node.store.door import Transaction
from protocol import limits
from protocol.audit.events import AuditEvent, EventKind, size_bucket
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
    tx: Transaction,
    link: LinkRow,
    content: OrderedCommit | Invitation,
    *,
    peers: Iterable[AuthorityId],
    now_ms: int,
) -> Outgoing:
    """Return the envelope that brings a commit or an invitation to members, and log that it goes to them.

    It has to be queued in the same transaction.
    """
    is_commit = isinstance(content, OrderedCommit)
    envelope_class = EnvelopeClass.COMMIT if is_commit else EnvelopeClass.WELCOME
    frame = new_frame(bench, link, envelope_class, now_ms=now_ms)
    raw = envelope_bytes(frame.to_bytes(), content.to_bytes())
    outgoing = outgoing_of(frame, raw, content.digest, sorted(peers))
    log_submitted(bench, tx, link, outgoing, "commit" if is_commit else "welcome")
    return outgoing


def log_submitted(bench: Workbench, tx: Transaction, link: LinkRow, outgoing: Outgoing, word: str) -> None:
    """Write into the audit log that an envelope about a group goes to members.

    Args:
        bench: what the room works with.
        tx: the transaction in which the envelope is queued.
        link: the group.
        outgoing: the envelope.
        word: what it is: `welcome`, `commit`, `joined` or `control`.
    """
    events = [
        AuditEvent(
            kind=EventKind.SUBMITTED,
            at=bench.clock.now(),
            peer=peer,
            case=link.consultation,
            msg=str(UUID(bytes=outgoing.envelope_id)),
            digest=outgoing.record_hash,
            size=size_bucket(len(outgoing.octets)),
            result=word,
        )
        for peer in outgoing.peers
    ]
    bench.audit.append(tx, events)


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
