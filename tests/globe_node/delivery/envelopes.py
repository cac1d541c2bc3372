# SPDX-License-Identifier: Apache-2.0
"""Envelopes nobody sealed, for tests of how they are carried and kept."""

from protocol.envelope import EnvelopeClass, Frame, envelope_bytes, routing_id_of
from protocol.identifiers import AuthorityId, EnvelopeId, NodeId, NodeName, uuid7

NOW = 1_772_442_000_000
HOUR = 3_600_000


def envelope_id(number: int = 1) -> EnvelopeId:
    return EnvelopeId(uuid7(NOW, number.to_bytes(10, "big")).bytes)


def envelope(
    number: int = 1,
    *,
    sealed: bytes = b"sealed",
    authority: str = "xa-acc",
    node: str = "main",
    created_ms: int = NOW,
    expires_ms: int = NOW + HOUR,
    envelope_class: EnvelopeClass = EnvelopeClass.APPLICATION,
) -> bytes:
    frame = Frame(
        envelope_class=envelope_class,
        sender=NodeName(AuthorityId(authority), NodeId(node)),
        routing_id=routing_id_of(b"one"),
        envelope_id=envelope_id(number),
        created_ms=created_ms,
        expires_ms=expires_ms,
    )
    return envelope_bytes(frame.to_bytes(), sealed)
