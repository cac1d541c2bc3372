# SPDX-License-Identifier: Apache-2.0
"""False receipts that a peer posts (C05, C06, C07, C09, C18, E03, E05, F50): nothing moves by them."""

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import replace

import pytest

from globe_node.delivery import outbox, wire
from globe_node.delivery.journal import MAX_ALARMS_AN_HOUR
from globe_node.delivery.link import Operation
from globe_node.delivery.outbox import MAX_BESIDE
from globe_node.store.driver import driver_of
from protocol.audit.events import EventKind
from protocol.envelope import parse_envelope
from protocol.errors import ReasonCode
from protocol.identifiers import AuthorityId, Digest
from protocol.receipts import ReceiptEntry, ReceiptStatus, parse_signed_receipt
from protocol.signing import labels
from tests.attacks.waiting import (
    DEADLINE_SECONDS,
    READ,
    RECEIVED,
    REJECTED,
    UNDELIVERABLE,
    WRONG,
    Waiting,
    with_waiting,
)
from tests.simulation.loop import run_virtual
from tests.support.hostile import Hostile
from tests.support.nodes import A, B, C, town


@with_waiting
async def test_an_honest_receipt_counts(waiting: Waiting) -> None:
    """The other tests differ from this one in one thing each."""
    octets = waiting.peer.sign_receipt(waiting.peer.receipt(A, [waiting.says()]))
    assert await waiting.peer.post_receipts(octets, to=A) == {}
    assert await waiting.stages() == ["submitted", "received"]
    assert await waiting.alarms() == []


# --- C18: acknowledgements that fit nothing ---------------------------------------------------------------


@pytest.mark.parametrize(
    ("entries", "alarm"),
    [
        pytest.param(lambda w: [ReceiptEntry(WRONG, WRONG, RECEIVED)], "ack_unknown", id="never sent"),
        pytest.param(lambda w: [w.says(record=WRONG)], "evidence_invalid", id="wrong record hash"),
        pytest.param(
            lambda w: [w.says(UNDELIVERABLE, reason=ReasonCode.EXPIRED)],
            "evidence_invalid",
            id="our own word",
        ),
    ],
)
def test_c18_an_acknowledgement_that_fits_nothing_is_an_alarm(
    entries: Callable[[Waiting], Sequence[ReceiptEntry]], alarm: str
) -> None:
    async def go(waiting: Waiting) -> None:
        receipt = waiting.peer.sign_receipt(waiting.peer.receipt(A, entries(waiting)))
        assert await waiting.peer.post_receipts(receipt, to=A) == {}
        assert await waiting.alarms() == [alarm]
        assert await waiting.stages() == ["submitted", "waiting"]

    with_waiting(go)()


@with_waiting
async def test_c18_an_acknowledgement_by_another_authority_counts_for_nothing(waiting: Waiting) -> None:
    stranger = waiting.stranger
    own = stranger.sign_receipt(stranger.receipt(A, [waiting.says()]))
    assert await stranger.post_receipts(own, to=A) == {}
    assert await waiting.alarms() == [ReasonCode.ACK_UNKNOWN]
    assert await waiting.stages() == ["submitted", "waiting"]


@with_waiting
async def test_c18_evidence_only_rises_and_what_ended_badly_stays(waiting: Waiting) -> None:
    peer = waiting.peer

    async def say(status: ReceiptStatus, reason: ReasonCode | None = None) -> None:
        receipt = peer.receipt(A, [waiting.says(status, reason=reason)])
        assert await peer.post_receipts(peer.sign_receipt(receipt), to=A) == {}

    await say(READ)
    await say(RECEIVED)
    assert await waiting.alarms() == []
    await say(REJECTED, ReasonCode.REFUSED)
    assert await waiting.alarms() == [ReasonCode.ILLEGAL_MOVE]
    assert await states(waiting) == {"queued": 1, "read": 1}


@with_waiting
async def test_c18_no_word_makes_good_what_was_rejected(waiting: Waiting) -> None:
    peer = waiting.peer
    for status, reason in ((REJECTED, ReasonCode.BAD_FIELD), (RECEIVED, None), (READ, None)):
        receipt = peer.receipt(A, [waiting.says(status, reason=reason)])
        await peer.post_receipts(peer.sign_receipt(receipt), to=A)
    assert await waiting.alarms() == [ReasonCode.ILLEGAL_MOVE] * 2
    assert await states(waiting) == {"queued": 1, "rejected": 1}


async def states(waiting: Waiting) -> dict[str, int]:
    """How many messages of A are in which state; the invitation of B stays queued."""
    counts = await waiting.town.look(A, outbox.counts)
    return {state.value: number for (_, state), number in counts.items()}


def test_a_second_receipt_under_one_id_proves_nothing() -> None:
    """Else a message would count as received while the receipt that is kept for it speaks of another one."""

    async def main() -> None:
        async with town(A) as nodes:
            first, second = Waiting(nodes), Waiting(nodes)
            await first.send()
            peer = first.peer
            receipt = peer.receipt(A, [first.says()])
            assert await peer.post_receipts(peer.sign_receipt(receipt), to=A) == {}
            await second.send()
            again = replace(receipt, entries=(second.says(),))
            assert await peer.post_receipts(peer.sign_receipt(again), to=A) == {}
            assert await first.alarms() == [ReasonCode.ID_CONFLICT]
            assert await second.stages() == ["submitted", "waiting"]

    run_virtual(main())


# --- C06, C07, C09, E05: whose word it is -----------------------------------------------------------------


@pytest.mark.parametrize(
    "make",
    [
        pytest.param(lambda w: w.peer.sign_receipt(w.honest, label=labels.RECORD), id="C06 label of records"),
        pytest.param(
            lambda w: w.peer.sign_receipt(w.honest, label=labels.STATEMENT), id="C06 label of statements"
        ),
        pytest.param(lambda w: w.peer.sign_receipt(w.honest, signer=w.stranger.signing), id="another key"),
        pytest.param(
            lambda w: w.stranger.sign_receipt(
                replace(w.honest, issuer=replace(w.honest.issuer, key=w.stranger.signing.key_id))
            ),
            id="C09 another key under B's name",
        ),
        pytest.param(
            lambda w: w.peer.sign_receipt(replace(w.honest, to=AuthorityId(C))), id="for somebody else"
        ),
        pytest.param(
            lambda w: w.stranger.sign_receipt(w.stranger.receipt(A, [w.says()])), id="E05 of whoever carries"
        ),
        pytest.param(
            lambda w: w.peer.sign_receipt(
                replace(
                    w.honest,
                    issuer=replace(w.honest.issuer, authority=AuthorityId(A)),
                    to=AuthorityId(B),
                ),
            ),
            id="C07 in our own name",
        ),
        pytest.param(lambda w: changed(w.peer.sign_receipt(w.honest), w.place), id="C05 changed content"),
        pytest.param(lambda w: changed(w.peer.sign_receipt(w.honest), -1), id="C05 changed signature"),
    ],
)
def test_a_receipt_that_is_not_the_peers_word_is_refused(make: Callable[[Waiting], bytes]) -> None:
    async def go(waiting: Waiting) -> None:
        answer = await waiting.peer.post_receipts(make(waiting), to=A)
        codes = set(answer.values()) if isinstance(answer, dict) else {answer}
        assert codes == {ReasonCode.REFUSED}
        assert await waiting.stages() == ["submitted", "waiting"]

    with_waiting(go)()


def test_c07_a_receipt_of_ours_that_comes_back_is_refused() -> None:
    async def main() -> None:
        async with town(A) as nodes:
            peer = Hostile(nodes, B)
            record = peer.record(A)
            octets = peer.seal(peer.signed(record), peer.frame(record), A)
            answer = await peer.ask(Operation.ENVELOPES, wire.write_items([octets]), to=A)
            (ours,) = wire.parse_envelopes_answer(answer.body).receipts
            assert parse_signed_receipt(ours).content.issuer.authority == A
            refusals = await peer.post_receipts(ours, to=A)
            assert isinstance(refusals, dict)
            assert set(refusals.values()) == {ReasonCode.REFUSED}

    run_virtual(main())


def changed(octets: bytes, place: int) -> bytes:
    """Change one octet; of a hexadecimal digit it makes another one."""
    other = b"1" if octets[place : place + 1] == b"0" else b"0"
    return b"".join((octets[:place], other, octets[place:][1:]))


# --- F50, E03: many at once -------------------------------------------------------------------------------


@with_waiting
async def test_f50_one_bad_receipt_does_not_spoil_the_others(waiting: Waiting) -> None:
    good = waiting.peer.sign_receipt(waiting.honest)
    assert await waiting.peer.post_receipts(b"\x01 no receipt", b"\x02", good, to=A) == {}
    assert await waiting.stages() == ["submitted", "received"]


@with_waiting
async def test_receipts_none_of_which_can_be_read_are_answered_with_a_reason(waiting: Waiting) -> None:
    assert await waiting.peer.post_receipts(b"\x02", b"\x01", to=A) is ReasonCode.BAD_VERSION


@with_waiting
async def test_e03_a_storm_of_false_receipts_leaves_a_bounded_trace(waiting: Waiting) -> None:
    peer = waiting.peer

    def storm(number: int) -> bytes:
        hashes = (Digest(f"{256 * number + one:064x}") for one in range(256))
        return peer.sign_receipt(peer.receipt(A, [ReceiptEntry(one, WRONG, RECEIVED) for one in hashes]))

    assert await peer.post_receipts(*(storm(number) for number in range(4)), to=A) == {}
    assert len(await waiting.alarms()) == MAX_ALARMS_AN_HOUR
    await asyncio.sleep(3_600)
    await peer.post_receipts(storm(4), to=A)
    assert len(await waiting.alarms()) == 2 * MAX_ALARMS_AN_HOUR
    asked = {request.operation for request in waiting.town.exchange.requests if request.source == A}
    assert Operation.RECEIPTS not in asked


@pytest.mark.parametrize("late", [False, True])
def test_e03_a_storm_of_true_receipts_about_one_message_takes_bounded_room(late: bool) -> None:
    async def go(waiting: Waiting) -> None:
        peer, town = waiting.peer, waiting.town
        if late:
            await asyncio.sleep(DEADLINE_SECONDS + 1)
        for _ in range(5):
            receipts = [peer.sign_receipt(peer.receipt(A, [waiting.says()])) for _ in range(10)]
            assert await peer.post_receipts(*receipts, *receipts, to=A) == {}
        sent = parse_envelope(waiting.envelope).frame.envelope_id
        (row,) = await town.look(A, lambda tx: outbox.sent(tx, [sent]))
        kept = (await town.look(A, lambda tx: outbox.evidence(tx, [row])))[row.position]
        count = "SELECT count(*) FROM receipt"
        stored = await town.look(A, lambda tx: driver_of(tx).execute(count).fetchone())
        assert (len(kept), stored) == (1 + MAX_BESIDE, (1 + MAX_BESIDE,))
        assert len(await town.entries(A, EventKind.RECEIPT)) == (MAX_BESIDE if late else 1)
        if not late:
            await peer.post_receipts(peer.sign_receipt(peer.receipt(A, [waiting.says(READ)])), to=A)
            assert (await waiting.stages())[-1] == "read"

    with_waiting(go)()
