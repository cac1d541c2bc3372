# SPDX-License-Identifier: Apache-2.0
"""Records, receipts and proofs of a bundle as values, with the name of their part. Read, not judged."""

from dataclasses import dataclass

from protocol.evidence.bundle import EvidenceBundle, RecordEvidence
from protocol.evidence.report import Check, Finding
from protocol.groups.testimony.hub_receipt import (
    EquivocationProof,
    HubReceipt,
    parse_equivocation,
    parse_hub_receipt,
)
from protocol.identifiers import Digest
from protocol.receipts import Receipt, SignedReceipt, parse_signed_receipt
from protocol.record import Record, parse_record, record_hash


@dataclass(frozen=True, slots=True)
class Exhibit:
    """One record.

    Attributes:
        part: its name in the report.
        evidence: bytes and signature.
        content: as values.
        digest: its hash.
    """

    part: str
    evidence: RecordEvidence
    content: Record
    digest: Digest

    def check(self, subject: str, finding: Finding, detail: str) -> Check:
        """Return a check of this part."""
        return Check(self.part, subject, finding, detail)

    @property
    def label(self) -> str:
        """Author, place in its chain and type, in words."""
        content = self.content
        return f"{content.author.authority} {content.author_seq}, {content.type}"


@dataclass(frozen=True, slots=True)
class Slip:
    """One receipt.

    Attributes:
        part: its name in the report.
        signed: bytes, signature and values.
    """

    part: str
    signed: SignedReceipt

    @property
    def content(self) -> Receipt:
        """The receipt as values."""
        return self.signed.content

    def check(self, subject: str, finding: Finding, detail: str) -> Check:
        """Return a check of this part."""
        return Check(self.part, subject, finding, detail)


@dataclass(frozen=True, slots=True)
class Accusation:
    """One proof that a hub gave one place twice.

    Attributes:
        part: its name in the report.
        proof: the two hub receipts as octets.
        first: the first as values.
        second: the second as values.
    """

    part: str
    proof: EquivocationProof
    first: HubReceipt
    second: HubReceipt

    def check(self, subject: str, finding: Finding, detail: str) -> Check:
        """Return a check of this part."""
        return Check(self.part, subject, finding, detail)


def exhibits_of(bundle: EvidenceBundle) -> tuple[Exhibit, ...]:
    """Return the records of a bundle that `parse_evidence` has taken apart."""
    return tuple(
        Exhibit(f"record {number}", entry, parse_record(entry.record), record_hash(entry.record))
        for number, entry in enumerate(bundle.records, 1)
    )


def slips_of(bundle: EvidenceBundle) -> tuple[Slip, ...]:
    """Return the receipts of a bundle that `parse_evidence` has taken apart."""
    return tuple(
        Slip(f"receipt {number}", parse_signed_receipt(receipt))
        for number, receipt in enumerate(bundle.receipts, 1)
    )


def accusations_of(bundle: EvidenceBundle) -> tuple[Accusation, ...]:
    """Return the proofs against hubs in a bundle that `parse_evidence` has taken apart."""
    proofs = (parse_equivocation(data) for data in bundle.equivocations)
    return tuple(
        Accusation(f"equivocation {number}", one, parse_hub_receipt(one.first), parse_hub_receipt(one.second))
        for number, one in enumerate(proofs, 1)
    )
