# SPDX-License-Identifier: Apache-2.0
import asyncio
from collections.abc import Iterator

import pytest
from sqlalchemy import Connection

from globe_node.delivery import inbox, outbox
from globe_node.delivery.clerk import Clerk, ClerkDesk
from globe_node.delivery.inbox import DEFAULT_QUOTA
from globe_node.delivery.link import Operation, PeerIdentity
from globe_node.delivery.outbox import Queued
from globe_node.delivery.records import HeldState
from globe_node.delivery.settlement import ReceiptBoard, Settlement, Verdict
from globe_node.faults import NoFaults
from globe_node.store.driver import driver_of
from protocol.errors import ReasonCode
from protocol.identifiers import AuthorityId, Digest, NodeId
from protocol.receipts import ReceiptStatus, parse_signed_receipt
from tests.globe_node.delivery.envelopes import NOW, envelope, envelope_id
from tests.simulation.loop import run_virtual
from tests.support.clock import FixedClock
from tests.support.delivery import PeerList, identity_of
from tests.support.entropy import SeededEntropy
from tests.support.signers import seeded_signer
from tests.support.store import memory_database

A, B = AuthorityId("xa-acc"), AuthorityId("xb-acc")
HEX = Digest("1" * 64)


@pytest.fixture
def tx() -> Iterator[Connection]:
    database = memory_database()
    yield database.writer
    database.close()


class Office:
    """B's settlement with what it talks to."""

    def __init__(self) -> None:
        self.board = ReceiptBoard()
        self.woken: list[Queued] = []
        signer = seeded_signer(B)
        desk = ClerkDesk(
            identity_of(B), lambda: signer, PeerList(B, (A, B)), FixedClock(), SeededEntropy("office")
        )
        self.settlement = Settlement(Clerk(desk), self.board, wake=self.woken.append, faults=NoFaults())


def verdicts(tx: Connection, *numbers: int, reason: ReasonCode | None = None) -> list[Verdict]:
    items = [envelope(number) for number in numbers]
    batch = inbox.read_batch(PeerIdentity(A, NodeId("main")), items, NOW)
    inbox.accept(tx, batch, now_ms=NOW, quota=DEFAULT_QUOTA)
    return [
        Verdict(held.position, A, held.envelope_id, held.envelope_hash, "" if reason else HEX, reason)
        for held in inbox.take_due(tx, NOW, limit=99, max_bytes=1 << 20)
    ]


def test_one_receipt_covers_all_that_was_decided_for_one_sender(tx: Connection) -> None:
    office = Office()
    settled = office.settlement.settle(tx, verdicts(tx, 1, 2, 3))
    (octets,) = set(settled.receipts.values())
    content = parse_signed_receipt(octets).content
    assert [entry.status for entry in content.entries] == [ReceiptStatus.RECEIVED] * 3
    assert inbox.counts(tx) == {(A, HeldState.DONE): 3}
    assert inbox.issued(tx, A, [envelope_id(2)]) == {envelope_id(2): octets}


def test_a_rejection_names_its_reason(tx: Connection) -> None:
    settled = Office().settlement.settle(tx, verdicts(tx, 1, reason=ReasonCode.BAD_CONTENT))
    ((octets),) = settled.receipts.values()
    (entry,) = parse_signed_receipt(octets).content.entries
    assert (entry.status, entry.reason, entry.record) == (ReceiptStatus.REJECTED, ReasonCode.BAD_CONTENT, "")


def test_what_is_put_in_quarantine_keeps_its_octets(tx: Connection) -> None:
    (plain,) = verdicts(tx, 1, reason=ReasonCode.QUARANTINED)
    quarantined = Verdict(
        plain.position, A, plain.envelope_id, plain.envelope_hash, "", plain.reason, quarantined=True
    )
    Office().settlement.settle(tx, [quarantined])
    assert inbox.counts(tx) == {(A, HeldState.QUARANTINED): 1}
    assert driver_of(tx).execute("SELECT count(*) FROM inbox_body").fetchone() == (1,)


def test_nothing_decided_signs_nothing(tx: Connection) -> None:
    settled = Office().settlement.settle(tx, [])
    assert settled.receipts == {}
    assert settled.queued is None


def test_a_receipt_that_nobody_waits_for_is_queued_to_be_posted(tx: Connection) -> None:
    office = Office()
    settled = office.settlement.settle(tx, verdicts(tx, 1))
    (row,) = outbox.due(tx, A, Operation.RECEIPTS, now_ms=NOW, limit=9)
    assert list(outbox.octets(tx, [row]).values()) == list(settled.receipts.values())
    office.settlement.announce(settled)
    assert [queued.peers for queued in office.woken] == [frozenset({A})]


def test_a_receipt_that_a_request_waits_for_is_not_posted(tx: Connection) -> None:
    office = Office()
    with office.board.expect([(A, envelope_id(1))]) as waiting:
        settled = office.settlement.settle(tx, verdicts(tx, 1))
        office.settlement.announce(settled)
    assert waiting.receipts == settled.receipts
    assert office.woken == []
    assert outbox.waiting_peers(tx) == []


def test_a_receipt_for_reading_is_stored_and_queued(tx: Connection) -> None:
    office = Office()
    queued = office.settlement.read(tx, A, [(HEX, HEX)])
    assert queued.peers == frozenset({A})
    assert len(outbox.due(tx, A, Operation.RECEIPTS, now_ms=NOW, limit=9)) == 1
    assert driver_of(tx).execute("SELECT count(*) FROM receipt").fetchone() == (1,)
    assert office.settlement.read(tx, A, []).peers == frozenset()


def test_a_request_waits_for_all_its_receipts_but_not_for_ever() -> None:
    async def main() -> tuple[float, float]:
        loop = asyncio.get_running_loop()
        board = ReceiptBoard()
        first, second = (A, envelope_id(1)), (A, envelope_id(2))
        with board.expect([first, second]) as waiting:
            loop.call_later(1, board.post, {first: b"1"})
            loop.call_later(2, board.post, {second: b"2"})
            await waiting.complete([first, second], 5)
            whole = loop.time()
        with board.expect([first]) as waiting:
            await waiting.complete([first], 5)
        assert not board.is_awaited(first)
        return whole, loop.time()

    assert run_virtual(main()) == pytest.approx((2, 7))


def test_two_requests_may_wait_for_the_same_envelope() -> None:
    board = ReceiptBoard()
    name = (A, envelope_id(1))
    with board.expect([name]) as first:
        with board.expect([name]) as second:
            board.post({name: b"receipt", (B, envelope_id(1)): b"of another sender"})
        assert board.is_awaited(name)
    assert first.receipts == second.receipts == {name: b"receipt"}
    assert not board.is_awaited(name)


def test_whoever_has_all_receipts_already_waits_for_nothing() -> None:
    async def main() -> float:
        board = ReceiptBoard()
        name = (A, envelope_id(1))
        with board.expect([name, (A, envelope_id(2))]) as waiting:
            board.post({name: b"receipt"})
            await waiting.complete([name], 5)
        return asyncio.get_running_loop().time()

    assert run_virtual(main()) == 0.0
