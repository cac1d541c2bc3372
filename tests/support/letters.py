# SPDX-License-Identifier: Apache-2.0
"""Letters that no honest desk would write: made with a node's own keys, each part changeable."""

from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any

from globe_node.consultations.moments import unix_milliseconds
from globe_node.delivery import wire
from globe_node.delivery.link import Answer, Operation
from globe_node.delivery.wire import EnvelopesAnswer, parse_envelopes_answer
from keys.node_keys import NodeKeys
from protocol.codes.message_types import MessageType
from protocol.envelope import envelope_hash, parse_envelope
from protocol.identifiers import (
    AuthorityId,
    ConsultationId,
    Digest,
    RecordId,
    owned_uuid7,
)
from protocol.receipts import ReceiptEntry, parse_signed_receipt
from protocol.record import Author, Record, record_hash
from tests.support.bodies import lean_request
from tests.support.clock import START
from tests.support.delivery import identity_of
from tests.support.directory import certified_node_keys, sample_network
from tests.support.entropy import SeededEntropy
from tests.support.nodes import A, B, Town, town_of_now
from tests.support.sealing import frame_of, signed_record

ENTROPY = SeededEntropy("letters")
LIFE = "a1" * 8
_first: dict[ConsultationId, Record] = {}
"""What opens each consultation: its group is made for that, whatever is sealed first."""


def fresh_id(seconds: float = 0.0, *, owner: str = A) -> str:
    """An id of the sample day, made by an authority."""
    now_ms = unix_milliseconds(START + timedelta(seconds=seconds))
    return str(owned_uuid7(now_ms, ENTROPY.random_bytes(10), AuthorityId(owner)))


def letter_record(by: str = A, /, **changes: Any) -> Record:
    """A request from A to B, as its author's node would write it."""
    holder = certified_node_keys(by)
    record = Record(
        type=MessageType.CONSULT_REQUEST,
        consultation=ConsultationId(fresh_id(owner=by)),
        record_id=RecordId(fresh_id(owner=by)),
        author=Author(holder.authority, holder.node, holder.signing.key_id, LIFE),
        author_seq=1,
        prev="",
        seen={},
        recipients=(AuthorityId(B),),
        created=START,
        expires=START + timedelta(days=9),
        in_reply_to="",
        handling=("H1", "H2"),
        legal_basis=(),
        body=lean_request(),
        attachments=(),
        directory=sample_network().state.view,
    )
    made = replace(record, **changes)
    if made.type.opens:
        _first.setdefault(made.consultation, made)
    return made


@dataclass(frozen=True, slots=True)
class Letter:
    """A sealed record.

    Attributes:
        signer: whose key signs; the author's if None.
        seal_to: who must be in the group that it is sealed to, beside its sender.
        frame: members of the frame that differ from the record.
        data: the bytes of the record, if they are not those of `record`.
        signed: the application data, if it is not the signed record.
    """

    record: Record
    signer: NodeKeys | None = None
    seal_to: tuple[str, ...] = (B,)
    frame: dict[str, Any] | None = None
    data: bytes | None = None
    signed: bytes | None = None

    @property
    def digest(self) -> Digest:
        """Hash of the record."""
        return record_hash(self.data or self.record.to_bytes())

    def seal(self) -> bytes:
        """Return a new envelope with it."""
        record = self.record
        signer = self.signer or certified_node_keys(record.author.authority)
        signed = self.signed or signed_record(record, signer.signing, ENTROPY, data=self.data)
        hands = town_of_now().hands
        hands.note_opening(_first.get(record.consultation, record))
        changes = {"routing_id": hands.routing_id(record.consultation), **(self.frame or {})}
        return hands.seal(signed, frame_of(record, fresh_id(), **changes), self.seal_to, record)


async def post(town: Town, *envelopes: bytes, source: str = A, to: str = B) -> EnvelopesAnswer:
    """Hand envelopes to a node as one request of another."""
    answer: Answer = await town.exchange.handlers[to].handle(
        identity_of(source), Operation.ENVELOPES, wire.write_items(list(envelopes))
    )
    assert answer.code is None, answer.code
    return parse_envelopes_answer(answer.body)


def entry_of(answer: EnvelopesAnswer, envelope: bytes) -> ReceiptEntry:
    """What the receipts of an answer say of an envelope."""
    digest = envelope_hash(parse_envelope(envelope).raw)
    (entry,) = [
        entry
        for octets in answer.receipts
        for entry in parse_signed_receipt(octets).content.entries
        if entry.envelope == digest
    ]
    return entry
