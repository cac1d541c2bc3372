# SPDX-License-Identifier: Apache-2.0
"""Sample records and receipts of invented authorities."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

from protocol.codes.message_types import MessageType
from protocol.errors import ReasonCode
from protocol.identifiers import (
    AuthorityId,
    ConsultationId,
    Digest,
    DirectoryView,
    KeyId,
    NodeId,
    RecordId,
    uuid7,
)
from protocol.receipts import Issuer, Receipt, ReceiptEntry, ReceiptStatus
from protocol.record import Attachment, Author, Record

NOW = datetime(2026, 7, 1, 9, 30, tzinfo=UTC)
SAMPLE_A, SAMPLE_B, SAMPLE_C = AuthorityId("xa-acc"), AuthorityId("xb-aca"), AuthorityId("xc-fiu")
EXTRACT = b"sample extract of a company register\n"


def sample_id(number: int) -> str:
    """Return the text of an id that sorts by its number."""
    return str(uuid7(int(NOW.timestamp() * 1000) + number, number.to_bytes(10, "big")))


def sample_digest(number: int) -> Digest:
    return Digest(f"{number:064x}")


def sample_author(authority: AuthorityId = SAMPLE_A, **changes: Any) -> Author:
    author = Author(authority, NodeId("node-1"), KeyId("a" * 64), "0" * 16)
    return replace(author, **changes)


def sample_attachment(**changes: Any) -> Attachment:
    entry = Attachment.of(EXTRACT, id="a1", name="extract.txt", media_type="text/plain", language="en")
    return replace(entry, **changes)


def sample_record(**changes: Any) -> Record:
    record = Record(
        type=MessageType.CLOSE,
        consultation=ConsultationId(sample_id(1)),
        record_id=RecordId(sample_id(2)),
        author=sample_author(),
        author_seq=2,
        prev=sample_digest(1),
        seen={SAMPLE_B: sample_digest(2)},
        recipients=(SAMPLE_B, SAMPLE_C),
        created=NOW,
        expires=NOW + timedelta(days=9),
        in_reply_to=sample_id(3),
        handling=("H1", "H2"),
        legal_basis=("UNCAC 48(1)(a)",),
        body={"note": "Thank you."},
        attachments=(sample_attachment(),),
        directory=DirectoryView(7, sample_digest(3)),
    )
    return replace(record, **changes)


def sample_entry(number: int, **changes: Any) -> ReceiptEntry:
    entry = ReceiptEntry(sample_digest(number), sample_digest(1000 + number), ReceiptStatus.RECEIVED)
    return replace(entry, **changes)


def sample_receipt(**changes: Any) -> Receipt:
    receipt = Receipt(
        receipt_id=RecordId(sample_id(9)),
        issuer=Issuer(SAMPLE_B, NodeId("node-1"), KeyId("b" * 64)),
        to=SAMPLE_A,
        created=NOW,
        entries=(
            sample_entry(1),
            sample_entry(2, record="", status=ReceiptStatus.REJECTED, reason=ReasonCode.REFUSED),
            sample_entry(3, status=ReceiptStatus.READ),
        ),
        directory=DirectoryView(7, sample_digest(3)),
    )
    return replace(receipt, **changes)
