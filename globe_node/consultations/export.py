# SPDX-License-Identifier: Apache-2.0
"""Gathers the evidence of one consultation into a file. What is in it is judged by `protocol.evidence`.

1. Whoever exports discloses content: the entry in the audit log is durable before the file leaves.
2. Records and receipts go out as they came in, octet for octet, with every statement of the directory, so
   that a reader needs nothing else but the network's fingerprint.
3. With them go the proofs that a hub of the consultation gave one place twice, if there are any.
"""

from hashlib import sha256

from globe_node.consultations import casefile, records
from globe_node.consultations.office import Office
from globe_node.consultations.records import Direction, RecordRow
from globe_node.consultations.resending import records as resends
from globe_node.delivery import inbox, outbox
from globe_node.groups.members.equivocations import proofs_about
from globe_node.store.door import Transaction
from protocol.audit.events import AuditEvent, EventKind, size_bucket
from protocol.evidence.bundle import MAX_EVIDENCE_EQUIVOCATIONS, EvidenceBundle, RecordEvidence
from protocol.identifiers import ConsultationId, EnvelopeId


class Exporter:
    """Makes evidence bundles."""

    def __init__(self, office: Office) -> None:
        self._office = office

    async def export(
        self, consultation: ConsultationId, *, with_attachments: bool, justification: str, officer: str = ""
    ) -> bytes:
        """Return the bundle of one consultation.

        Args:
            consultation: which.
            with_attachments: whether the attachments go with it; their hashes do in any case.
            justification: code of the reason why it is disclosed.
            officer: pseudonym of whoever exports it.

        Raises:
            NotFoundError: there is no such consultation here.
            RowDamagedError: a row is damaged.
        """
        office = self._office
        statements = tuple(await office.register.export())
        network = office.register.state.network.fingerprint

        def gather(tx: Transaction) -> bytes:
            found, receipts = self._gather(tx, consultation, with_attachments=with_attachments)
            proofs = tuple(proofs_about(tx, consultation, MAX_EVIDENCE_EQUIVOCATIONS))
            return EvidenceBundle(network, consultation, statements, found, receipts, proofs).to_bytes()

        bundle = await office.store.read(gather)  # in its thread: a long case takes seconds to write
        event = AuditEvent(
            kind=EventKind.EXPORT,
            at=office.clock.now(),
            case=consultation,
            digest=sha256(bundle).hexdigest(),
            size=size_bucket(len(bundle)),
            officer=officer,
            result=justification,
        )
        await office.store.write(lambda tx: office.audit.append(tx, [event]))
        return bundle

    def _gather(
        self, tx: Transaction, consultation: ConsultationId, *, with_attachments: bool
    ) -> tuple[tuple[RecordEvidence, ...], tuple[bytes, ...]]:
        casefile.require_case(tx, consultation)
        stored = records.records_of(tx, consultation)
        storage = self._office.node_keys.storage
        evidence = tuple(
            RecordEvidence.of(casefile.open_row(storage, row), with_attachments=with_attachments)
            for row in stored
        )
        return evidence, tuple(dict.fromkeys(receipts_of(tx, stored)))


def receipts_of(tx: Transaction, stored: list[RecordRow]) -> list[bytes]:
    """Return every signed receipt for records: those we got for ours, and those we gave for theirs."""
    sent = [row for row in stored if row.direction == Direction.OUT]
    ours = [EnvelopeId(row.envelope_id) for row in sent]
    ours += [one.envelope_id for one in resends.sent_again(tx, [row.record_id for row in sent])]
    found = [receipt for kept in outbox.evidence(tx, outbox.sent(tx, ours)).values() for receipt in kept]
    senders = sorted({row.author for row in stored if row.direction == Direction.IN})
    for sender in senders:
        theirs = [
            EnvelopeId(row.envelope_id)
            for row in stored
            if row.direction == Direction.IN and row.author == sender
        ]
        found.extend(inbox.issued(tx, sender, theirs).values())
    return found
