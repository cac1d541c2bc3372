# SPDX-License-Identifier: Apache-2.0
"""A listed authority without scruples: its keys are real, and it signs and seals whatever it likes.

What it makes is right in every part that the test does not change, so a refusal is for that part.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from hashlib import sha256
from typing import Any, NamedTuple

from globe_node.consultations.moments import unix_milliseconds
from globe_node.delivery import wire
from globe_node.delivery.link import Answer, Operation
from globe_node.delivery.wire import EnvelopesAnswer
from protocol.codes.message_types import MessageType
from protocol.envelope import (
    Frame,
    envelope_hash,
    parse_envelope,
)
from protocol.errors import ReasonCode
from protocol.identifiers import (
    AuthorityId,
    ConsultationId,
    Digest,
    EnvelopeId,
    NodeId,
    NodeName,
    RecordId,
    owned_uuid7,
)
from protocol.interfaces import Signer
from protocol.receipts import (
    Issuer,
    Receipt,
    ReceiptEntry,
    ReceiptStatus,
    SignedReceipt,
    parse_signed_receipt,
)
from protocol.record import Author, Record, record_hash
from protocol.signing import labels
from protocol.signing.batch import sign_batch
from tests.support.bodies import lean_request
from tests.support.delivery import identity_of
from tests.support.directory import certified_node_keys
from tests.support.entropy import SeededEntropy
from tests.support.nodes import B, Town
from tests.support.sealing import frame_of, signed_record


class Verdict(NamedTuple):
    """What became of one envelope: `received`, `rejected` (both signed), `pending` or `refused`."""

    status: str
    code: ReasonCode | None = None


RECEIVED = Verdict("received")


def rejected(code: ReasonCode) -> Verdict:
    """A signed rejection."""
    return Verdict("rejected", code)


def refused(code: ReasonCode) -> Verdict:
    """An unsigned refusal of one envelope."""
    return Verdict("refused", code)


@dataclass
class Hostile:
    """One authority of the sample network, in the hands of somebody else.

    Attributes:
        town: where the others live.
        name: its id; the line says so too.
    """

    town: Town
    name: str
    entropy: SeededEntropy = field(default_factory=lambda: SeededEntropy("hostile"))

    @property
    def signing(self) -> Signer:
        """Its signing key, as the directory lists it."""
        return certified_node_keys(self.name).signing

    def id(self) -> str:
        """A fresh id of its own."""
        randomness = self.entropy.random_bytes(10)
        return str(owned_uuid7(unix_milliseconds(self.now), randomness, AuthorityId(self.name)))

    @property
    def now(self) -> datetime:
        """The time, cut to milliseconds."""
        now = self.town.clock.now()
        return now.replace(microsecond=now.microsecond // 1000 * 1000)

    # --- records ----------------------------------------------------------------------------------------

    def author(self, **changes: Any) -> Author:
        """Itself as an author."""
        author = Author(AuthorityId(self.name), NodeId("main"), self.signing.key_id, "0" * 16)
        return replace(author, **changes)

    def record(self, *to: str, **changes: Any) -> Record:
        """A request to B, good in every part that is not changed."""
        created = changes.pop("created", self.now)
        record = Record(
            type=MessageType.CONSULT_REQUEST,
            consultation=ConsultationId(self.id()),
            record_id=RecordId(self.id()),
            author=self.author(),
            author_seq=1,
            prev="",
            seen={},
            recipients=tuple(AuthorityId(one) for one in to or (B,)),
            created=created,
            expires=created + timedelta(days=9),
            in_reply_to="",
            handling=("H1", "H2"),
            legal_basis=("UNCAC 48(1)(a)",),
            body=lean_request(),
            attachments=(),
            directory=self.town.network.state.view,
        )
        made = replace(record, **changes)
        self.town.hands.note_opening(made)
        return made

    def signed(self, record: Record, *, signer: Signer | None = None, **how: Any) -> bytes:
        """Sign a record with its own key; `how` is for `signed_record`."""
        return signed_record(record, signer or self.signing, self.entropy, **how)

    # --- envelopes --------------------------------------------------------------------------------------

    def frame(self, record: Record, **changes: Any) -> Frame:
        """The frame that belongs to a record, with itself as the sender."""
        changes.setdefault("sender", NodeName(AuthorityId(self.name), NodeId("main")))
        changes.setdefault("routing_id", self.town.hands.routing_id(record.consultation))
        return frame_of(record, self.id(), **changes)

    def seal(self, signed: bytes, frame: Frame, *to: str) -> bytes:
        """Seal to the group of the consultation; it takes in some authorities, B if nobody is named."""
        return self.town.hands.seal(signed, frame, to or (B,))

    def envelope(self, record: Record | None = None, **how: Any) -> bytes:
        """An envelope to B; `how` is for `signed`, and with `frame_` before it for `frame`."""
        record = record or self.record()
        framing = {name[6:]: how.pop(name) for name in tuple(how) if name.startswith("frame_")}
        return self.seal(self.signed(record, **how), self.frame(record, **framing))

    # --- the line ---------------------------------------------------------------------------------------

    async def post(self, *envelopes: bytes, to: str = B) -> list[Verdict]:
        """Send envelopes in one request and return what became of each, in order."""
        answer = await self.ask(Operation.ENVELOPES, wire.write_items(envelopes), to=to)
        if answer.code is not None:
            return [refused(answer.code)] * len(envelopes)
        return [verdict_on(octets, wire.parse_envelopes_answer(answer.body)) for octets in envelopes]

    async def ask(self, operation: Operation, body: bytes, *, to: str = B) -> Answer:
        """Send any request."""
        return await self.town.nodes[to].reception.handle(identity_of(self.name), operation, body)

    # --- receipts ---------------------------------------------------------------------------------------

    def receipt(self, to: str, entries: Sequence[ReceiptEntry], **changes: Any) -> Receipt:
        """A receipt of its own."""
        receipt = Receipt(
            receipt_id=RecordId(self.id()),
            issuer=Issuer(AuthorityId(self.name), NodeId("main"), self.signing.key_id),
            to=AuthorityId(to),
            created=self.now,
            entries=tuple(entries),
            directory=self.town.network.state.view,
        )
        return replace(receipt, **changes)

    def sign_receipt(
        self, receipt: Receipt, *, signer: Signer | None = None, label: str = labels.RECEIPT
    ) -> bytes:
        """Sign a receipt."""
        octets = receipt.to_bytes()
        digest = sha256(octets).digest()
        (block,) = sign_batch(signer or self.signing, label, [digest], self.entropy)
        return SignedReceipt(octets, block, receipt).to_bytes()

    async def post_receipts(self, *receipts: bytes, to: str) -> dict[EnvelopeId, ReasonCode] | ReasonCode:
        """Send receipts and return what was refused, or the code of the whole answer."""
        answer = await self.ask(Operation.RECEIPTS, wire.write_items(receipts), to=to)
        return dict(wire.parse_refusals(answer.body)) if answer.code is None else answer.code


def entry(envelope: bytes, record: Digest | str, status: ReceiptStatus, **more: Any) -> ReceiptEntry:
    """What a receipt says about an envelope."""
    return ReceiptEntry(envelope_hash(envelope), str(record), status, **more)


def verdict_on(octets: bytes, answer: EnvelopesAnswer) -> Verdict:
    """What an answer says about one envelope."""
    envelope_id, digest = parse_envelope(octets).frame.envelope_id, envelope_hash(octets)
    for receipt in answer.receipts:
        for one in parse_signed_receipt(receipt).content.entries:
            if one.envelope == digest:
                return Verdict(one.status.value, one.reason)
    if envelope_id in answer.refused:
        return refused(answer.refused[envelope_id])
    return Verdict("pending" if envelope_id in answer.pending else "silence")


def hash_of(signed: bytes | Record) -> Digest:
    """The hash of a record."""
    return record_hash(signed.to_bytes() if isinstance(signed, Record) else signed)
