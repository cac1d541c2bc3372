# SPDX-License-Identifier: Apache-2.0
"""What must hold in every world, looked up in the databases after it ended. Each finding is one line.

The promises are those of the design: nothing lost, doubled or invented, order within a route, one end with
signed evidence for each message, states that only move forward, few retries, and sums that add up.
"""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from hashlib import sha256
from typing import NamedTuple

from globe_node.delivery import inbox, outbox
from globe_node.delivery.outbox import SentRow
from globe_node.store.driver import driver_of
from protocol.audit.events import AuditEvent, EventKind
from protocol.errors import RemoteProtocolError
from protocol.identifiers import AuthorityId, EnvelopeId
from protocol.receipts import DeliveryState, ReceiptStatus, SignedReceipt, parse_signed_receipt
from protocol.signing import labels
from protocol.signing.batch import BatchVerifier
from tests.simulation.world import BAD_SECONDS, CALM_SECONDS, Submission, World
from tests.support.audit import audit_log, recorded
from tests.support.signers import seeded_signer

_TAKEN = (DeliveryState.RECEIVED, DeliveryState.READ)
_ATTEMPTS_FOR_EACH = 6
"""Requests that a message may cost in the long run, bad weather included."""
_ATTEMPTS_ANYWAY = 60 + int((BAD_SECONDS + CALM_SECONDS) / 60)
"""Requests of one direction that are no sign of haste: one a minute."""


class VisibleRow(NamedTuple):
    """One message as its recipient sees it."""

    sender: str
    envelope_id: EnvelopeId
    route: str
    number: int


@dataclass(frozen=True, slots=True)
class Findings:
    """The stores of a world, read once."""

    world: World
    sent: dict[tuple[str, EnvelopeId], SentRow]
    visible: dict[str, list[VisibleRow]]
    events: dict[str, list[AuditEvent]]

    def problems(self) -> list[str]:
        """Everything that does not hold."""
        return [
            *self.world.history.errors,
            *self._lost(),
            *self._doubled_or_invented(),
            *self._out_of_order(),
            *self._without_end(),
            *self._moved_back(),
            *self._hasty(),
            *self._sums(),
        ]

    def _row(self, item: Submission) -> SentRow | None:
        return self.sent.get((item.source, item.envelope_id))

    def _lost(self) -> Iterator[str]:
        seen = {(name, row.envelope_id) for name, rows in self.visible.items() for row in rows}
        for item in self.world.history.submitted:
            row = self._row(item)
            if row is None:
                yield f"lost: {item.text} was queued and is nowhere"
            elif row.state in _TAKEN and (item.text.to, item.envelope_id) not in seen:
                yield f"lost: {item.text} has a receipt and is not there"
            elif row.state is DeliveryState.REJECTED and (item.text.to, item.envelope_id) in seen:
                yield f"contradiction: {item.text} was rejected and is there"

    def _doubled_or_invented(self) -> Iterator[str]:
        begun = {(source, text.to, text.route, text.number) for source, text in self.world.history.begun}
        for name, rows in self.visible.items():
            count = Counter((row.sender, row.route, row.number) for row in rows)
            yield from (f"doubled: {what} at {name}" for what, times in count.items() if times > 1)
            for row in rows:
                known = (row.sender, row.envelope_id) in self.sent
                if (row.sender, name, row.route, row.number) not in begun or not known:
                    yield f"phantom: {row} at {name}"

    def _out_of_order(self) -> Iterator[str]:
        for name, rows in self.visible.items():
            last: dict[tuple[str, str], int] = {}
            for row in rows:
                if row.number < last.get((row.sender, row.route), 0):
                    yield f"order: {row} at {name}"
                last[row.sender, row.route] = row.number

    def _without_end(self) -> Iterator[str]:
        verifier = BatchVerifier(10_000)
        for (source, _), row in self.sent.items():
            if not row.state.is_terminal:
                yield f"no end: {row.envelope_id.hex()} from {source} to {row.peer}"
                continue
            tx = self.world.disks[source].writer
            receipts = [parse_signed_receipt(octets) for octets in outbox.evidence(tx, [row])[row.position]]
            if not any(_proves(row, signed) for signed in receipts):
                yield f"no evidence: {row.envelope_id.hex()} is {row.state} at {source}"
            yield from (
                f"bad evidence: {row.envelope_id.hex()} at {source}"
                for signed in receipts
                if not _genuine(signed, verifier, (source, row.peer))
            )

    def _moved_back(self) -> Iterator[str]:
        """Read the states of each message from the audit log of its sender, in order."""
        level = {"received": 1, "read": 2}
        for name, events in self.events.items():
            states: dict[tuple[str, str], str] = {}
            for event in events:
                if event.kind is EventKind.UNDELIVERABLE:
                    state = "undeliverable"
                elif event.kind is EventKind.RECEIPT:
                    state = event.result
                else:
                    continue
                before = states.get((event.peer, event.msg))
                if before is not None and not level.get(before, 9) < level.get(state, 0):
                    yield f"moved back: {event.msg} from {before} to {state} at {name}"
                states[event.peer, event.msg] = state

    def _hasty(self) -> Iterator[str]:
        begun = Counter((source, text.to) for source, text in self.world.history.begun)
        for (source, to), attempts in self.world.network.attempts.items():
            messages = begun[source, to] + begun[to, source]
            if attempts > _ATTEMPTS_ANYWAY + _ATTEMPTS_FOR_EACH * messages:
                yield f"hasty: {attempts} requests from {source} to {to} for {messages} messages"

    def _sums(self) -> Iterator[str]:
        for source in self.world.names:
            tx = self.world.disks[source].writer
            counts = outbox.counts(tx)
            for to in self.world.names:
                queued = sum(count for (peer, _), count in counts.items() if peer == to)
                at_peer = {row for row in self.sent.items() if row[0][0] == source and row[1].peer == to}
                if queued != len(at_peer):
                    yield f"sum: {queued} counted, {len(at_peer)} sent from {source} to {to}"
                yield from self._unequal_receipts(source, to)

    def _unequal_receipts(self, source: str, to: str) -> Iterator[str]:
        """The receipt that decided a message must lie at both sides, octet for octet."""
        rows = [row for (name, _), row in self.sent.items() if name == source and row.peer == to]
        ids = {row.envelope_id for row in rows}
        issued = inbox.issued(self.world.disks[to].writer, AuthorityId(source), ids)
        kept = outbox.evidence(self.world.disks[source].writer, rows)
        for row in rows:
            if row.state in (*_TAKEN, DeliveryState.REJECTED):
                octets = issued.get(row.envelope_id)
                if octets is None or (
                    octets not in kept[row.position] and row.state is not DeliveryState.READ
                ):
                    yield f"sum: {row.envelope_id.hex()} is {row.state} at {source}, not at {to}"


def findings(world: World) -> Findings:
    """Read everything that the checkers need."""
    sent: dict[tuple[str, EnvelopeId], SentRow] = {}
    visible: dict[str, list[VisibleRow]] = {}
    events: dict[str, list[AuditEvent]] = {}
    for name in world.names:
        tx = world.disks[name].writer
        driver = driver_of(tx)
        ids = [row[0] for row in driver.execute("SELECT envelope_id FROM outbox WHERE operation = 0")]
        sent.update(((name, row.envelope_id), row) for row in outbox.sent(tx, ids))
        sql = "SELECT sender, envelope_id, route, number FROM visible ORDER BY position"
        visible[name] = [VisibleRow(*row) for row in driver.execute(sql)]
        events[name] = recorded(tx, audit_log(name))
    return Findings(world, sent, visible, events)


def _proves(row: SentRow, signed: SignedReceipt) -> bool:
    wanted = {
        DeliveryState.RECEIVED: (ReceiptStatus.RECEIVED,),
        DeliveryState.READ: (ReceiptStatus.READ,),
        DeliveryState.REJECTED: (ReceiptStatus.REJECTED,),
        DeliveryState.UNDELIVERABLE: (ReceiptStatus.UNDELIVERABLE,),
        DeliveryState.QUEUED: (),
    }[row.state]
    return any(
        entry.envelope == row.envelope_hash
        and entry.status in wanted
        and entry.record in ("", row.record_hash)
        for entry in signed.content.entries
    )


def _genuine(signed: SignedReceipt, verifier: BatchVerifier, issuers: tuple[str, str]) -> bool:
    issuer = signed.content.issuer
    key = seeded_signer(issuer.authority).admitted
    if issuer.authority not in issuers or issuer.key != key.key_id:
        return False
    try:
        verifier.verify(key, labels.RECEIPT, sha256(signed.receipt).digest(), signed.signature)
    except RemoteProtocolError:
        return False
    return True
