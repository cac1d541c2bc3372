# SPDX-License-Identifier: Apache-2.0
"""True messages in the wrong place: repeated, reflected, passed on, taken apart (C07, C08, C15, C16, E04)."""

import asyncio
from dataclasses import replace
from datetime import timedelta

import pytest

from globe_node.consultations import records
from globe_node.delivery import wire
from globe_node.delivery.link import Operation
from protocol.audit.events import EventKind
from protocol.directory.statements import CompromisedKey
from protocol.envelope import envelope_hash, parse_envelope
from protocol.errors import ReasonCode
from protocol.identifiers import AuthorityId, NodeId, NodeName, RecordId
from protocol.record import parse_signed_record
from tests.simulation.loop import run_virtual
from tests.support.directory import certified_node_keys, updated
from tests.support.entropy import SeededEntropy
from tests.support.hostile import RECEIVED, Hostile, refused, rejected
from tests.support.nodes import A, B, C, Town, request, town
from tests.support.store import memory_database

REFUSED = ReasonCode.REFUSED


async def envelope_of_a(nodes: Town, *to: str) -> bytes:
    """Let A send a real request and return its envelope."""
    start = len(nodes.exchange.requests)
    await nodes.nodes[A].desk.submit(request(*to))
    await asyncio.sleep(2)
    (asked,) = [
        one
        for one in nodes.exchange.requests[start:]
        if one.source == A and one.operation is Operation.ENVELOPES and one.to == (to or (B,))[0]
    ]
    return wire.parse_items(asked.body, max_items=2, max_item_bytes=1_600_000)[-1]


async def told(nodes: Town, name: str) -> bytes:
    """What was in the envelope that a node has opened."""
    *_, event = await nodes.entries(name, EventKind.OPENED)
    row = await nodes.look(name, lambda tx: records.record(tx, RecordId(event.msg)))
    assert row is not None
    return nodes.nodes[name].office.open_record(row.record_id, row.application_data)


def compromise(nodes: Town, name: str) -> bytes:
    """The statement of an authority that its keys are in other hands since yesterday."""
    key = certified_node_keys(name).signing.key_id
    since = nodes.clock.now() - timedelta(days=1)
    return updated(nodes.network.state, name, CompromisedKey(key=key, since=since))


# --- C07, C08: the line and the frame ---------------------------------------------------------------------


def test_c07_a_message_that_is_sent_back_to_its_author_is_refused() -> None:
    async def main() -> None:
        async with town() as nodes:
            envelope = await envelope_of_a(nodes)
            mirror = Hostile(nodes, B)
            assert await mirror.post(envelope, to=A) == [refused(REFUSED)]
            (alarm,) = await nodes.entries(A, EventKind.ALARM)
            assert (alarm.peer, alarm.digest, alarm.result) == (B, envelope_hash(envelope), "refused")

    run_virtual(main())


def test_c07_the_content_of_a_message_sealed_again_to_its_author_is_refused() -> None:
    async def main() -> None:
        async with town() as nodes:
            await nodes.nodes[A].desk.submit(request())
            await asyncio.sleep(2)
            opened = await told(nodes, B)
            mirror = Hostile(nodes, B)
            record = parse_signed_record(opened).content
            back = mirror.seal(opened, mirror.frame(record), A)
            assert await mirror.post(back, to=A) == [rejected(REFUSED)]

    run_virtual(main())


@pytest.mark.parametrize("claims", [B, A])
def test_c08_what_b_was_told_can_not_be_passed_on_as_told_to_c(claims: str) -> None:
    async def main() -> None:
        async with town(A, B, C) as nodes:
            await nodes.nodes[A].desk.submit(request())
            await asyncio.sleep(2)
            opened = await told(nodes, B)
            gossip = Hostile(nodes, B)
            record = parse_signed_record(opened).content
            frame = gossip.frame(record, sender=NodeName(AuthorityId(claims), NodeId("main")))
            verdict = await gossip.post(gossip.seal(opened, frame, C), to=C)
            assert verdict == [rejected(REFUSED) if claims == B else refused(REFUSED)]
            assert await nodes.entries(C, EventKind.OPENED) == []

    run_virtual(main())


def test_c08_not_even_by_its_author_under_the_same_signature() -> None:
    async def main() -> None:
        async with town(A, B, C) as nodes:
            author = Hostile(nodes, A)
            record = author.record(B)
            sealed_to_c = author.seal(author.signed(record), author.frame(record), C)
            assert await author.post(sealed_to_c, to=C) == [rejected(REFUSED)]

    run_virtual(main())


def test_e04_an_envelope_that_somebody_else_carries_is_refused() -> None:
    async def main() -> None:
        async with town() as nodes:
            nodes.exchange.down.add(B)
            author = Hostile(nodes, A)
            carrier = Hostile(nodes, C, SeededEntropy("carrier"))
            assert await carrier.post(author.envelope()) == [refused(REFUSED)]

    run_virtual(main())


# --- C15: again -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("days", [0, 1, 10, 400])
def test_c15_a_repeat_gets_the_stored_receipt_however_late(days: int) -> None:
    async def main() -> None:
        async with town(B) as nodes:
            peer = Hostile(nodes, A)
            envelope = peer.envelope()
            body = wire.write_items([envelope])
            first = await peer.ask(Operation.ENVELOPES, body)
            nodes.clock.skew += days * 86_400
            again = await peer.ask(Operation.ENVELOPES, body)
            assert again == first
            assert len(await nodes.entries(B, EventKind.OPENED)) == 1

    run_virtual(main())


def test_c15_what_a_node_has_forgotten_is_still_too_late() -> None:
    async def main() -> None:
        async with town(B) as nodes:
            peer = Hostile(nodes, A)
            envelope = peer.envelope()
            assert await peer.post(envelope) == [RECEIVED]
            await nodes.stop(B)
            nodes.databases[B] = memory_database()
            nodes.clock.skew += timedelta(days=9).total_seconds()
            await nodes.start(B)
            assert await peer.post(envelope) == [rejected(ReasonCode.EXPIRED)]

    run_virtual(main())


def test_c15_a_repeat_after_its_key_was_declared_compromised_changes_nothing() -> None:
    async def main() -> None:
        async with town(B) as nodes:
            peer = Hostile(nodes, A)
            record = peer.record()
            envelope, other = peer.envelope(record), peer.envelope(record)
            assert await peer.post(envelope) == [RECEIVED]
            await nodes.nodes[B].register.admit([compromise(nodes, A)], source="file")
            assert await peer.post(envelope) == [RECEIVED]
            assert await peer.post(other) == [rejected(REFUSED)]
            assert len(await nodes.entries(B, EventKind.OPENED)) == 1

    run_virtual(main())


def test_c15_a_record_in_another_envelope_is_taken_once() -> None:
    async def main() -> None:
        async with town(B) as nodes:
            peer = Hostile(nodes, A)
            record = peer.record()
            assert await peer.post(peer.envelope(record), peer.envelope(record)) == [RECEIVED, RECEIVED]
            view = await nodes.show(B, record.consultation)
            assert len(view.records) == 1

    run_virtual(main())


# --- C16: one id, two contents ----------------------------------------------------------------------------


@pytest.mark.parametrize("together", [True, False])
def test_c16_the_first_envelope_under_an_id_stands_and_the_other_is_noted(together: bool) -> None:
    async def main() -> None:
        async with town(B) as nodes:
            peer = Hostile(nodes, A)
            first = peer.envelope()
            second = peer.envelope(frame_envelope_id=parse_envelope(first).frame.envelope_id)
            if together:
                verdicts = await peer.post(first, second)
            else:
                verdicts = [*await peer.post(first), *await peer.post(second)]
            assert verdicts == [RECEIVED, refused(ReasonCode.ID_CONFLICT)]
            (received,) = await nodes.entries(B, EventKind.RECEIVED)
            (conflict,) = await nodes.entries(B, EventKind.ID_CONFLICT)
            assert received.digest == envelope_hash(first)
            assert conflict.digest == envelope_hash(second)
            assert received.msg == conflict.msg
            assert await peer.post(first) == [RECEIVED]

    run_virtual(main())


def test_c16_the_first_record_under_an_id_stands() -> None:
    async def main() -> None:
        async with town(B) as nodes:
            peer = Hostile(nodes, A)
            record = peer.record()
            other = replace(record, legal_basis=("another",))
            assert await peer.post(peer.envelope(record)) == [RECEIVED]
            assert await peer.post(peer.envelope(other)) == [rejected(ReasonCode.ID_CONFLICT)]
            view = await nodes.show(B, record.consultation)
            assert view.records[0].legal_basis == record.legal_basis

    run_virtual(main())


@pytest.mark.parametrize("taken", ["consultation", "record_id"])
def test_c16_a_recipient_can_not_take_an_id_before_it_comes_to_the_other_one(taken: str) -> None:
    """C was asked together with B, and B was away: C knows ids that B has not seen yet."""

    async def main() -> None:
        async with town(B) as nodes:
            author, rival = Hostile(nodes, A), Hostile(nodes, C, SeededEntropy("rival"))
            asked = author.record(B, C)
            squat = rival.record(**{taken: getattr(asked, taken)})
            assert await rival.post(rival.envelope(squat)) == [rejected(ReasonCode.BAD_FIELD)]
            assert await author.post(author.envelope(asked)) == [RECEIVED]

    run_virtual(main())
