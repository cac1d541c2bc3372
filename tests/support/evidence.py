# SPDX-License-Identifier: Apache-2.0
"""One consultation between sample authorities, with everything signed, and the bundle it leaves behind."""

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from functools import lru_cache
from hashlib import sha256
from typing import Any

from protocol.codes.message_types import MessageType
from protocol.errors import ReasonCode
from protocol.evidence.bundle import EvidenceBundle, RecordEvidence
from protocol.groups.testimony.hub_receipt import EquivocationProof, HubReceipt, sign_hub_receipt
from protocol.identifiers import (
    AuthorityId,
    ConsultationId,
    Digest,
    DirectoryView,
    NodeId,
    RecordId,
    owned_uuid7,
    uuid7,
)
from protocol.interfaces import Signer
from protocol.octets import Reader, Writer
from protocol.receipts import Issuer, Receipt, ReceiptEntry, ReceiptStatus, SignedReceipt, receipt_hash
from protocol.record import Attachment, Author, Record, SignedRecord, record_hash
from protocol.signing import labels
from protocol.signing.batch import sign_batch
from tests.support.bodies import LEAN, help_item, lean_request
from tests.support.clock import START
from tests.support.directory import SampleNetwork, certified_node_keys, sample_network
from tests.support.entropy import SeededEntropy

A, B = AuthorityId("xa-acc"), AuthorityId("xb-ibu")
EXTRACT = b"sample extract of a company register\n"


@dataclass(frozen=True)
class Hand:
    """Who signs: a name of a node and a key, which need not belong together."""

    node: NodeId
    signing: Signer


def hand(authority: AuthorityId, node: str = "main", *, called: str = "") -> Hand:
    """Return the hand of a sample node, perhaps under the name of another."""
    keys_of = certified_node_keys(authority, node)
    return Hand(NodeId(called) if called else keys_of.node, keys_of.signing)


class CaseFile:
    """Signs records and receipts as nodes would, in the order in which they are asked for."""

    def __init__(self, network: SampleNetwork) -> None:
        self.network = network
        self.entropy = SeededEntropy("case file")
        now_ms = int(START.timestamp() * 1000)
        self.consultation = ConsultationId(str(owned_uuid7(now_ms, self.entropy.random_bytes(10), A)))
        self.signed: list[SignedRecord] = []
        self.receipts: list[bytes] = []
        self._chains: dict[tuple[AuthorityId, str], list[Digest]] = {}

    def _id(self) -> str:
        return str(uuid7(int(START.timestamp() * 1000), self.entropy.random_bytes(10)))

    def say(
        self,
        author: AuthorityId,
        kind: MessageType,
        body: dict[str, Any],
        *,
        by: Hand | None = None,
        attachments: tuple[bytes, ...] = (),
        **changes: Any,
    ) -> SignedRecord:
        """Sign the next record of an author; `changes` are made before it is signed."""
        signer = by or hand(author)
        incarnation = changes.pop("incarnation", "0" * 16)
        chain = self._chains.get((author, incarnation), [])
        created = changes.pop("created", START + timedelta(minutes=len(self.signed)))
        record = Record(
            type=kind,
            consultation=self.consultation,
            record_id=RecordId(self._id()),
            author=Author(author, signer.node, signer.signing.key_id, incarnation),
            author_seq=len(chain) + 1,
            prev=chain[-1] if chain else "",
            seen={
                name: hashes[-1] for (name, _), hashes in self._chains.items() if hashes and name != author
            },
            recipients=(B if author == A else A,),
            created=created,
            expires=created + timedelta(days=9),
            in_reply_to=self.signed[-1].content.record_id if self.signed else "",
            handling=(),
            legal_basis=("UNCAC 48(1)(a)",),
            body=body,
            attachments=tuple(
                Attachment.of(content, id=f"a{number}", name="extract.txt", media_type="text/plain")
                for number, content in enumerate(attachments, 1)
            ),
            directory=self.network.state.view,
        )
        record = replace(record, **changes)
        data = record.to_bytes()
        digest = bytes.fromhex(record_hash(data))
        (block,) = sign_batch(signer.signing, labels.RECORD, [digest], self.entropy)
        signed = SignedRecord(data, block, attachments, record)
        self.signed.append(signed)
        self._chains[author, incarnation] = [*chain, record_hash(data)]
        return signed

    def receipt(
        self,
        issuer: AuthorityId,
        *records: SignedRecord,
        at: datetime,
        status: ReceiptStatus = ReceiptStatus.RECEIVED,
        by: Hand | None = None,
        **changes: Any,
    ) -> bytes:
        """Sign a receipt for records, under a batch of three."""
        signer = by or hand(issuer)
        reason = ReasonCode.EXPIRED if status.has_reason else None
        receipt = Receipt(
            receipt_id=RecordId(self._id()),
            issuer=Issuer(issuer, signer.node, signer.signing.key_id),
            to=A if issuer == B else B,
            created=at,
            entries=tuple(
                ReceiptEntry(
                    record_hash(b"envelope of " + signed.record), record_hash(signed.record), status, reason
                )
                for signed in records
            ),
            directory=DirectoryView(0, record_hash(b"")),
        )
        receipt = replace(receipt, **changes)
        data = receipt.to_bytes()
        others = [self.entropy.random_bytes(32) for _ in range(2)]
        hashes = [others[0], bytes.fromhex(receipt_hash(data)), others[1]]
        block = sign_batch(signer.signing, labels.RECEIPT, hashes, self.entropy)[1]
        self.receipts.append(SignedReceipt(data, block, receipt).to_bytes())
        return self.receipts[-1]

    def bundle(self, **changes: Any) -> EvidenceBundle:
        """Everything so far, as it is exported."""
        bundle = EvidenceBundle(
            network=self.network.fingerprint,
            consultation=self.consultation,
            statements=self.network.statements,
            records=tuple(RecordEvidence.of(signed) for signed in self.signed),
            receipts=tuple(self.receipts),
        )
        return replace(bundle, **changes)


def consulted(case: CaseFile) -> CaseFile:
    """A whole consultation: asked with an attachment, acknowledged, asked back, answered, closed."""
    request = case.say(
        A,
        MessageType.CONSULT_REQUEST,
        lean_request(help_items=[help_item("COMPANY"), help_item("BANK_EXIST", id="h2")]),
        attachments=(EXTRACT,),
    )
    acknowledged = case.say(B, MessageType.ACK, LEAN[MessageType.ACK])
    question = case.say(B, MessageType.CLARIFICATION_REQUEST, LEAN[MessageType.CLARIFICATION_REQUEST])
    explained = case.say(A, MessageType.CLARIFICATION, LEAN[MessageType.CLARIFICATION])
    answer = case.say(B, MessageType.ANSWER, LEAN[MessageType.ANSWER], attachments=(EXTRACT, b"second"))
    closed = case.say(A, MessageType.CLOSE, {})
    case.receipt(B, request, at=START + timedelta(minutes=10))
    case.receipt(B, explained, closed, at=START + timedelta(minutes=11))
    case.receipt(B, request, at=START + timedelta(minutes=12), status=ReceiptStatus.READ)
    case.receipt(A, acknowledged, question, answer, at=START + timedelta(minutes=13))
    return case


def hub_receipt_of(
    consultation: ConsultationId, *, by: Hand | None = None, label_key: Signer | None = None, **changes: Any
) -> bytes:
    """A receipt of the hub A for a commit in the group of a consultation.

    Args:
        consultation: which.
        by: who is named as the hub.
        label_key: who signs, if somebody else.
        changes: made before it is signed.
    """
    signer = by or hand(A)
    receipt = HubReceipt(
        consultation=consultation,
        group_id=sha256(b"group").digest(),
        epoch=3,
        commit=record_hash(b"a commit"),
        authenticator=record_hash(b"an authenticator"),
        created=START + timedelta(minutes=5),
        issuer=Issuer(A, signer.node, signer.signing.key_id),
    )
    octets = sign_hub_receipt(signer.signing, replace(receipt, **changes))
    if label_key is None:
        return octets
    reader = Reader(octets)
    version, body = reader.u8(), reader.op(4096)
    return Writer().u8(version).op(body).op(label_key.sign(labels.HUB_RECEIPT, body)).to_bytes()


def paired(one: bytes, other: bytes) -> bytes:
    """Two hub receipts in the form of a proof, whether or not they prove anything."""
    return EquivocationProof(*sorted((one, other))).to_bytes()


@lru_cache(maxsize=1)
def accused_bundle() -> bytes:
    """The file of one whole consultation, with the proof that its hub gave one place twice."""
    case = consulted(CaseFile(sample_network((A, B))))
    one = hub_receipt_of(case.consultation)
    other = hub_receipt_of(case.consultation, commit=record_hash(b"another commit"))
    return case.bundle(equivocations=(paired(one, other),)).to_bytes()


@lru_cache(maxsize=1)
def sample_bundle() -> bytes:
    """The file of one whole consultation of two authorities."""
    return consulted(CaseFile(sample_network((A, B)))).bundle().to_bytes()
