# SPDX-License-Identifier: Apache-2.0
"""The file in which the evidence of one consultation is handed over. It judges nothing: `verify` does.

1. Lines of UTF-8, each ended by a line feed. The head tells what follows and how many of each; then the
   statements of the directory, the records, the receipts and the proofs against hubs, one a line.
2. Every line is canonical JSON with exactly its members: no octet of a bundle is without meaning, so none
   can change unnoticed.
3. Statements stand in an order in which they can be replayed; records are sorted by author, incarnation and
   place in its chain; receipts by hash; proofs by the place that was given twice. Nothing stands twice.
4. Attachments may be left out one by one: size and hash of each are in its record.
5. The file holds content in clear. Whoever makes one discloses it, and logs that.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence, Set
from dataclasses import dataclass, field
from functools import partial
from itertools import accumulate
from typing import TypeVar

from protocol import canonical, limits
from protocol.canonical import JSONObject, JSONValue
from protocol.directory.bundle import MAX_BUNDLE_STATEMENTS
from protocol.errors import LocalProtocolError, MalformedError, ReasonCode, RemoteProtocolError
from protocol.groups.testimony.hub_receipt import parse_equivocation, parse_hub_receipt
from protocol.identifiers import (
    ConsultationId,
    Digest,
    parse_consultation_id,
    parse_digest,
)
from protocol.octets import base64_text, parse_base64
from protocol.receipts import parse_signed_receipt, receipt_hash
from protocol.record import SignedRecord, parse_record, record_hash
from protocol.signing.batch import MAX_BLOCK_BYTES

FORMAT = "anp1:evidence-bundle/1"
MAX_EVIDENCE_BYTES = 1 << 30
"""One bundle; a reader holds it in memory."""
MAX_EVIDENCE_RECORDS = 10_000
"""Records of one consultation."""
MAX_EVIDENCE_RECEIPTS = 100_000
"""Receipts for them."""
MAX_EVIDENCE_EQUIVOCATIONS = 100
"""Proofs that a hub gave one place of the consultation twice; one convicts it."""
MAX_LINE_BYTES = 2 * 1024 * 1024
"""One record with all its attachments in base64."""

_COUNTS = ("statements", "records", "receipts", "equivocations")
"""Members of the head that say how many lines follow, in the order of those."""
_HEAD_MEMBERS = frozenset(("consultation", "format", "network", *_COUNTS))
_RECORD_MEMBERS = frozenset(("attachments", "record", "signature"))
_MAX_HEAD_BYTES = 512

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class RecordEvidence:
    """One record as it was received.

    Attributes:
        record: its bytes.
        signature: the signature block.
        attachments: bytes of the attachments that are handed over, by their id.
    """

    record: bytes = field(repr=False)
    signature: bytes = field(repr=False)
    attachments: Mapping[str, bytes] = field(repr=False)

    @classmethod
    def of(cls, signed: SignedRecord, *, with_attachments: bool = True) -> "RecordEvidence":
        """Return a signed record as evidence, with all its attachments or none."""
        listed = zip(signed.content.attachments, signed.attachments, strict=True)
        attachments = {entry.id: content for entry, content in listed} if with_attachments else {}
        return cls(signed.record, signed.signature, attachments)


@dataclass(frozen=True, slots=True)
class EvidenceBundle:
    """The evidence of one consultation, not verified.

    Attributes:
        network: fingerprint of the network; a claim.
        consultation: which one.
        statements: the directory, the root of the network first.
        records: what was said.
        receipts: signed receipts for it.
        equivocations: proofs that a hub of it gave one place twice, as octets.
    """

    network: Digest
    consultation: ConsultationId
    statements: tuple[bytes, ...] = field(repr=False)
    records: tuple[RecordEvidence, ...] = field(repr=False)
    receipts: tuple[bytes, ...] = field(repr=False)
    equivocations: tuple[bytes, ...] = field(default=(), repr=False)

    def to_bytes(self) -> bytes:
        """Write the file; records, receipts and proofs are put in their order.

        Receipts that name no record of the bundle, such as for an envelope that was not opened, cannot be
        checked by a reader and are left out.

        Raises:
            LocalProtocolError: something is not what it should be, stands twice, or is too much.

        Spec: PROTOCOL.md section 14.1.
        """
        try:
            records = sorted(self.records, key=_record_place)
            hashes = {record_hash(record.record) for record in self.records}
            receipts = sorted(filter(partial(_names_one, hashes), self.receipts), key=_receipt_place)
            proofs = sorted(self.equivocations, key=_equivocation_place)
        except RemoteProtocolError as error:
            raise LocalProtocolError(str(error), code=error.code) from None
        head: JSONObject = {
            "format": FORMAT,
            "network": self.network,
            "consultation": self.consultation,
            "statements": len(self.statements),
            "records": len(records),
            "receipts": len(receipts),
            "equivocations": len(proofs),
        }
        lines = [
            canonical.to_bytes(head),
            *self.statements,
            *(_record_line(record) for record in records),
            *(canonical.to_bytes({"receipt": base64_text(receipt)}) for receipt in receipts),
            *(canonical.to_bytes({"equivocation": base64_text(proof)}) for proof in proofs),
        ]
        data = b"".join(line + b"\n" for line in lines)
        try:
            parse_evidence(data)
        except RemoteProtocolError as error:
            raise LocalProtocolError(str(error), code=error.code) from None
        return data


def parse_evidence(data: bytes) -> EvidenceBundle:
    """Take a bundle apart; nothing in it is verified.

    Raises:
        MalformedError: the text names the part that is broken (`evidence_invalid`).

    Spec: PROTOCOL.md section 14.1.
    """
    if len(data) > MAX_EVIDENCE_BYTES:
        raise _broken("bundle", "too large")
    if not data.endswith(b"\n"):
        raise _broken("bundle", "cut off")
    first, *lines = data[:-1].split(b"\n")
    head = _part("head", lambda: _read_head(first))
    counts = [_count(head, name) for name in _COUNTS]
    if sum(counts) != len(lines):
        raise _broken("bundle", "not as many lines as its head says")
    at_records, at_receipts, at_proofs, _ = accumulate(counts)
    bundle = EvidenceBundle(
        network=_part("head", lambda: parse_digest(_text(head, "network"))),
        consultation=_part("head", lambda: parse_consultation_id(_text(head, "consultation"))),
        statements=tuple(_each("statement", lines[:at_records], _read_statement)),
        records=tuple(_each("record", lines[at_records:at_receipts], _read_record)),
        receipts=tuple(_each("receipt", lines[at_receipts:at_proofs], _read_receipt)),
        equivocations=tuple(_each("equivocation", lines[at_proofs:], _read_equivocation)),
    )
    _verify_order("record", [_record_place(record) for record in bundle.records])
    _verify_order("receipt", [_receipt_place(receipt) for receipt in bundle.receipts])
    _verify_order("equivocation", [_equivocation_place(proof) for proof in bundle.equivocations])
    return bundle


def _read_head(line: bytes) -> JSONObject:
    head = canonical.parse_object(line, _MAX_HEAD_BYTES)
    if head.keys() != _HEAD_MEMBERS or head["format"] != FORMAT:
        raise MalformedError("not the head of a bundle of this version")
    return head


def _read_statement(line: bytes) -> bytes:
    canonical.parse_object(line, limits.MAX_STATEMENT_BYTES)
    return line


def _read_record(line: bytes) -> RecordEvidence:
    value = canonical.parse_object(line, MAX_LINE_BYTES)
    if value.keys() != _RECORD_MEMBERS:
        raise MalformedError("not the members of a record")
    attachments = value["attachments"]
    if not isinstance(attachments, Mapping):
        raise MalformedError("attachments must be an object")
    evidence = RecordEvidence(
        record=parse_base64(_text(value, "record")),
        signature=parse_base64(_text(value, "signature")),
        attachments={name: parse_base64(_text(attachments, name)) for name in attachments},
    )
    if len(evidence.signature) > MAX_BLOCK_BYTES:
        raise MalformedError("the signature is too long")
    _record_place(evidence)
    return evidence


def _read_receipt(line: bytes) -> bytes:
    receipt = _read_single(line, "receipt")
    _receipt_place(receipt)
    return receipt


def _read_equivocation(line: bytes) -> bytes:
    proof = _read_single(line, "equivocation")
    _equivocation_place(proof)
    return proof


def _read_single(line: bytes, name: str) -> bytes:
    value = canonical.parse_object(line, MAX_LINE_BYTES)
    if value.keys() != {name}:
        raise MalformedError(f"not the member of this kind: {name}")
    return parse_base64(_text(value, name))


def _record_line(evidence: RecordEvidence) -> bytes:
    attachments: JSONValue = {name: base64_text(data) for name, data in evidence.attachments.items()}
    return canonical.to_bytes(
        {
            "record": base64_text(evidence.record),
            "signature": base64_text(evidence.signature),
            "attachments": attachments,
        }
    )


def _record_place(evidence: RecordEvidence) -> str:
    content = parse_record(evidence.record)
    return f"{content.author.authority} {content.author.incarnation} {content.author_seq:016d}"


def _names_one(hashes: Set[str], receipt: bytes) -> bool:
    return any(entry.record in hashes for entry in parse_signed_receipt(receipt).content.entries)


def _receipt_place(receipt: bytes) -> str:
    return receipt_hash(parse_signed_receipt(receipt).receipt)


def _equivocation_place(data: bytes) -> str:
    """Return which place was given twice; one proof for each is enough."""
    proof = parse_equivocation(data)
    first, _ = parse_hub_receipt(proof.first), parse_hub_receipt(proof.second)
    return f"{first.group_id.hex()} {first.epoch:016d} {first.hub}"


def _verify_order(kind: str, places: Sequence[str]) -> None:
    if list(places) != sorted(set(places)):
        raise _broken(f"{kind}s", "not in their order, or one stands twice")


def _text(value: Mapping[str, JSONValue], name: str) -> str:
    text = value[name]
    if not isinstance(text, str):
        raise MalformedError(f"{name} must be text")
    return text


def _count(head: JSONObject, name: str) -> int:
    most = {
        "statements": MAX_BUNDLE_STATEMENTS,
        "records": MAX_EVIDENCE_RECORDS,
        "receipts": MAX_EVIDENCE_RECEIPTS,
        "equivocations": MAX_EVIDENCE_EQUIVOCATIONS,
    }
    count = head[name]
    if type(count) is not int or not 0 <= count <= most[name]:
        raise _broken("head", f"{name} outside its bounds")
    return count


def _each(kind: str, lines: Sequence[bytes], read: Callable[[bytes], T]) -> Iterable[T]:
    for number, line in enumerate(lines, 1):
        yield _part(f"{kind} {number}", partial(read, line))


def _part(name: str, read: Callable[[], T]) -> T:
    try:
        return read()
    except RemoteProtocolError as error:
        raise _broken(name, str(error)) from None


def _broken(part: str, what: str) -> MalformedError:
    return MalformedError(f"{part}: {what}", code=ReasonCode.EVIDENCE_INVALID)
