# SPDX-License-Identifier: Apache-2.0
"""From a record to a signed record and its frame, as a desk makes them, each part changeable."""

from dataclasses import replace
from typing import Any
from uuid import UUID

from globe_node.consultations.moments import unix_milliseconds
from protocol.envelope import EnvelopeClass, Frame, routing_id_of
from protocol.identifiers import EnvelopeId, NodeName
from protocol.interfaces import Entropy, Signer
from protocol.record import Record, SignedRecord, record_hash
from protocol.signing import labels
from protocol.signing.batch import sign_batch


def signed_record(
    record: Record,
    signer: Signer,
    entropy: Entropy,
    *,
    data: bytes | None = None,
    label: str = labels.RECORD,
    block: bytes | None = None,
    attachments: tuple[bytes, ...] = (),
) -> bytes:
    """Sign a record; `data` stands for its octets, whatever they are, `block` for the signature."""
    octets = record.to_bytes() if data is None else data
    if block is None:
        (block,) = sign_batch(signer, label, [bytes.fromhex(record_hash(octets))], entropy)
    return SignedRecord(octets, block, attachments, record).to_bytes()


def frame_of(record: Record, envelope_id: str, /, **changes: Any) -> Frame:
    """Return the frame that belongs to a record; it is of no group unless `routing_id` is given."""
    frame = Frame(
        envelope_class=EnvelopeClass.APPLICATION,
        sender=NodeName(record.author.authority, record.author.node),
        routing_id=routing_id_of(record.consultation.encode("ascii")),
        envelope_id=EnvelopeId(UUID(envelope_id).bytes),
        created_ms=unix_milliseconds(record.created),
        expires_ms=unix_milliseconds(record.expires),
    )
    return replace(frame, **changes)
