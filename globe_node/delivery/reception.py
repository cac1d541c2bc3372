# SPDX-License-Identifier: Apache-2.0
"""Answers the requests of peers: takes envelopes and receipts, hands other questions on. No HTTP here.

1. Whatever comes in, an `Answer` with a listed code goes out; a fault of one envelope stays with that one.
2. Envelopes are stored before anything else is done with them, then intake is woken and the answer waits for
   its receipts, bounded: what is not decided by then is pending, and its receipt is posted later.
3. A receipt leaves after the commit that stored it, and a repeat gets the same octets.
4. Receipts of a peer are verified before the store is asked; no receipt is made for a receipt.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Protocol
from uuid import UUID

from globe_node.delivery import inbox, wire
from globe_node.delivery.clerk import Clerk
from globe_node.delivery.inbox import DEFAULT_QUOTA, Accepted, Batch, DayBook, Quota
from globe_node.delivery.journal import Journal, apply_receipts
from globe_node.delivery.lanes import DEFAULT_PACE
from globe_node.delivery.link import Answer, Operation, PeerIdentity
from globe_node.delivery.settlement import ReceiptBoard, Settled, Settlement, Verdict
from globe_node.errors import NodeError, StoreError
from globe_node.faults import FaultPoints
from globe_node.store.door import Store, Transaction
from protocol import limits
from protocol.errors import ReasonCode, RemoteProtocolError
from protocol.identifiers import AuthorityId, EnvelopeId
from protocol.receipts import SignedReceipt, parse_signed_receipt

BUSY_SECONDS = 5.0
"""When to come back if this node can take nothing now."""
_TOLD = frozenset({ReasonCode.BUSY, ReasonCode.STORAGE_FULL})
"""What a peer may know of our store; anything else is `storage_failed`."""


class DirectoryDesk(Protocol):
    """Answers directory questions of peers; see `globe_node.directory.exchange`."""

    async def greeting(self, peer: PeerIdentity, body: bytes) -> bytes:
        """Answer a greeting, or raise `RemoteProtocolError`."""
        ...

    async def statements(self, peer: PeerIdentity, body: bytes) -> bytes:
        """Take statements and give those that the peer lacks, or raise `RemoteProtocolError`."""
        ...


class PackageDesk(Protocol):
    """Gives key packages; see `globe_node.groups.packages.supply`."""

    async def key_packages(self, peer: PeerIdentity, body: bytes) -> bytes:
        """Answer a request for key packages, or raise `RemoteProtocolError`."""
        ...


class GroupDesk(Protocol):
    """Answers for groups of which this node is the hub; see `globe_node.groups.returning.desk`."""

    async def commits(self, peer: PeerIdentity, body: bytes) -> bytes:
        """Give a commit its place, or raise `RemoteProtocolError`."""
        ...

    async def group_info(self, peer: PeerIdentity, body: bytes) -> bytes:
        """Show a group to a member of it, or raise `RemoteProtocolError`."""
        ...


class ComparingDesk(Protocol):
    """Compares what hubs gave to members; see `globe_node.groups.comparing.desk`."""

    async def hub_receipts(self, peer: PeerIdentity, body: bytes) -> bytes:
        """Answer a member that shows receipts of hubs, or raise `RemoteProtocolError`."""
        ...


@dataclass(frozen=True, slots=True)
class ReceptionDesk:
    """What a reception works with.

    Attributes:
        store: the database.
        clerk: verifies receipts.
        board: where receipts come up.
        settlement: rejects what can't be taken.
        journal: the audit log.
        directory: directory questions.
        packages: questions for key packages.
        groups: questions to the hub of groups.
        comparing: what members show of the receipts of hubs.
        faults: asked at `inbox.before_commit`, `inbox.after_commit`, `receipt.before_commit` and
            `receipt.after_commit`.
        wake_intake: called after envelopes were stored.
        heard: called for every peer that shows itself.
        quota: what one peer may have held.
        receipt_wait_seconds: how long an answer waits for the receipts of its envelopes.
    """

    store: Store
    clerk: Clerk
    board: ReceiptBoard
    settlement: Settlement
    journal: Journal
    directory: DirectoryDesk
    packages: PackageDesk
    groups: GroupDesk
    comparing: ComparingDesk
    faults: FaultPoints
    wake_intake: Callable[[], None]
    heard: Callable[[AuthorityId], None]
    quota: Quota = DEFAULT_QUOTA
    receipt_wait_seconds: float = DEFAULT_PACE.receipt_wait_seconds


class Reception:
    """Implements `RequestHandler`."""

    def __init__(self, desk: ReceptionDesk) -> None:
        self._desk = desk
        self._day_book = DayBook(desk.quota)

    async def handle(self, peer: PeerIdentity, operation: Operation, body: bytes) -> Answer:
        """Answer one request of an authenticated peer; never raises for what is in it."""
        self._desk.heard(peer.authority)
        try:
            return Answer(None, await self._answer(peer, operation, body))
        except RemoteProtocolError as error:
            return Answer(error.code, b"")
        except StoreError as error:
            code = error.code if error.code in _TOLD else ReasonCode.STORAGE_FAILED
            return Answer(code, b"", retry_after=BUSY_SECONDS)
        except NodeError:  # why we can't, for example for want of a key in use, is nobody else's business
            return Answer(ReasonCode.BUSY, b"", retry_after=BUSY_SECONDS)

    async def _answer(self, peer: PeerIdentity, operation: Operation, body: bytes) -> bytes:
        match operation:
            case Operation.ENVELOPES:
                return await self._envelopes(peer, body)
            case Operation.RECEIPTS:
                return await self._receipts(peer, body)
            case Operation.STATEMENTS:
                return await self._desk.directory.statements(peer, body)
            case Operation.GREETING:
                return await self._desk.directory.greeting(peer, body)
            case Operation.KEY_PACKAGES:
                return await self._desk.packages.key_packages(peer, body)
            case Operation.COMMITS | Operation.GROUP_INFO | Operation.HUB_RECEIPTS:
                desk = self._desk
                answer = {
                    Operation.COMMITS: desk.groups.commits,
                    Operation.GROUP_INFO: desk.groups.group_info,
                    Operation.HUB_RECEIPTS: desk.comparing.hub_receipts,
                }[operation]
                return await answer(peer, body)

    # --- envelopes --------------------------------------------------------------------------------------

    async def _envelopes(self, peer: PeerIdentity, body: bytes) -> bytes:
        desk = self._desk
        items = wire.parse_items(
            body, max_items=limits.MAX_BATCH_ENVELOPES, max_item_bytes=limits.MAX_ENVELOPE_BYTES
        )
        batch = inbox.read_batch(peer, items, desk.clerk.now_ms())
        if not batch.arrivals and not batch.refused:
            raise RemoteProtocolError("no envelope that can be read", code=batch.unreadable[0])
        with desk.board.expect((peer.authority, envelope_id) for envelope_id in batch.arrivals) as waiting:
            accepted, settled = await desk.store.write(lambda tx: self._store(tx, batch))
            desk.faults.point("inbox.after_commit")
            self._day_book.note(peer.authority, accepted.stored)
            desk.settlement.announce(settled)
            if accepted.held:
                desk.wake_intake()
            open_ids = [*(arrival.envelope_id for arrival in accepted.held), *accepted.pending]
            names = [(peer.authority, envelope_id) for envelope_id in open_ids]
            await waiting.complete(names, desk.receipt_wait_seconds)
            came = {envelope_id: octets for (_sender, envelope_id), octets in waiting.receipts.items()}
        receipts: Mapping[EnvelopeId, bytes] = {**accepted.receipts, **came}
        pending = [envelope_id for envelope_id in open_ids if envelope_id not in receipts]
        return wire.answer_to(receipts, pending, accepted.refused).to_bytes()

    def _store(self, tx: Transaction, batch: Batch) -> tuple[Accepted, Settled]:
        desk = self._desk
        sender = batch.peer.authority
        now_ms = desk.clerk.now_ms()
        quota = self._day_book.left(sender, now_ms)
        accepted = inbox.accept(tx, batch, now_ms=now_ms, quota=quota)
        unacceptable = [arrival for _position, arrival in accepted.unacceptable]
        verdicts = [
            Verdict(position, sender, arrival.envelope_id, arrival.digest, reason=arrival.fault)
            for position, arrival in accepted.unacceptable
        ]
        settled = desk.settlement.settle(tx, verdicts)
        desk.journal.received(tx, sender, [*accepted.held, *unacceptable])
        desk.journal.rejected(tx, sender, unacceptable)
        desk.journal.conflicts(tx, sender, accepted.conflicts)
        desk.journal.alarm(tx, sender, dict.fromkeys(batch.foreign, ReasonCode.REFUSED))
        desk.faults.point("inbox.before_commit")
        return accepted, settled

    # --- receipts ---------------------------------------------------------------------------------------

    async def _receipts(self, peer: PeerIdentity, body: bytes) -> bytes:
        desk = self._desk
        items = wire.parse_items(
            body, max_items=limits.MAX_BATCH_ENVELOPES, max_item_bytes=limits.MAX_RECEIPT_BYTES
        )
        verified: list[tuple[SignedReceipt, bytes]] = []
        refused: dict[EnvelopeId, ReasonCode] = {}
        unreadable: list[ReasonCode] = []
        for octets in items:
            try:
                signed = parse_signed_receipt(octets)
            except RemoteProtocolError as error:
                unreadable.append(error.code)
                continue
            try:
                desk.clerk.verify(signed, peer.authority)
            except RemoteProtocolError as error:
                refused[EnvelopeId(UUID(signed.content.receipt_id).bytes)] = error.code
            else:
                verified.append((signed, octets))
        if not verified and not refused:
            raise RemoteProtocolError("no receipt that can be read", code=unreadable[0])

        def apply(tx: Transaction) -> None:
            apply_receipts(tx, desk.journal, verified, desk.clerk.now_ms())
            desk.faults.point("receipt.before_commit")

        await desk.store.write(apply)
        desk.faults.point("receipt.after_commit")
        return wire.write_refusals(refused)
