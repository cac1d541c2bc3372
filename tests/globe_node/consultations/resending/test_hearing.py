# SPDX-License-Identifier: Apache-2.0
"""What members may ask to be sent again, how often, and what becomes of it; B is in the hands of the test."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import replace
from datetime import timedelta
from functools import partial
from typing import Any
from unittest import mock

import pytest

from globe_node.consultations.drafting.drafts import Submitted
from globe_node.consultations.drafting.membership import Change, draft_of
from globe_node.consultations.resending import asking
from globe_node.consultations.resending.asking import ask_for_missing
from globe_node.delivery import outbox
from globe_node.delivery.link import Operation
from globe_node.delivery.outbox import Queued
from globe_node.store.door import Transaction
from protocol.audit.events import EventKind
from protocol.envelope import EnvelopeClass, Frame, envelope_hash, parse_envelope
from protocol.errors import ReasonCode
from protocol.groups.sealed import control_message
from protocol.groups.testimony.control import (
    ALL_THAT_FOLLOW,
    Control,
    ControlKind,
    SequenceRange,
    sign_control,
)
from protocol.identifiers import AuthorityId, EnvelopeId, NodeId, NodeName, RecordId, uuid7
from protocol.receipts import Issuer, ReceiptStatus
from tests.simulation.loop import run_virtual
from tests.support.directory import certified_node_keys
from tests.support.entropy import SeededEntropy
from tests.support.hostile import RECEIVED, Hostile, entry, rejected
from tests.support.nodes import A, B, C, Town, request, town

REFUSED = ReasonCode.REFUSED
ENTROPY = SeededEntropy("asking")


class Asker:
    """B, which is asked by A, and asks A to say again what it has said."""

    def __init__(self, nodes: Town, sent: Submitted) -> None:
        self.nodes = nodes
        self.sent = sent
        self.peer = Hostile(nodes, B)

    async def carried(self) -> list[bytes]:
        """The envelopes of messages that A has for B, the oldest first."""

        def look(tx: Any) -> list[bytes]:
            rows = outbox.due(tx, AuthorityId(B), Operation.ENVELOPES, now_ms=10**14, limit=64)
            found = outbox.octets(tx, rows)
            return [found[row.body] for row in rows]

        listed = await self.nodes.look(A, look)
        application = EnvelopeClass.APPLICATION
        return [one for one in listed if parse_envelope(one).frame.envelope_class is application]

    def control(self, **changes: Any) -> Control:
        place = self.nodes.hands.node(A)
        assert place is not None
        link = place.link(self.sent.consultation)
        assert link is not None
        control = Control(
            kind=ControlKind.RESEND,
            control_id=RecordId(self.peer.id()),
            consultation=self.sent.consultation,
            group_id=link.group_id,
            envelope=None,
            reason=None,
            ranges=(SequenceRange(AuthorityId(A), "", 1, ALL_THAT_FOLLOW),),
            created=self.peer.now,
            issuer=Issuer(AuthorityId(B), NodeId("main"), self.peer.signing.key_id),
        )
        return replace(control, **changes)

    def nack(self, envelope: bytes) -> Control:
        named = parse_envelope(envelope).frame.envelope_id
        return self.control(kind=ControlKind.NACK, envelope=named, reason=ReasonCode.KEY_GONE, ranges=())

    async def say(self, control: Control, *, signer: str = B) -> object:
        """Bring A a control; return what became of it."""
        octets = sign_control(certified_node_keys(signer).signing, control)
        now_ms = int(self.peer.now.timestamp() * 1000)
        frame = Frame(
            envelope_class=EnvelopeClass.APPLICATION,
            sender=NodeName(AuthorityId(B), NodeId("main")),
            routing_id=self.nodes.hands.routing_id(self.sent.consultation),
            envelope_id=EnvelopeId(uuid7(now_ms, ENTROPY.random_bytes(10)).bytes),
            created_ms=now_ms,
            expires_ms=now_ms + 86_400_000,
        )
        (verdict,) = await self.peer.post(self.peer.seal(control_message(octets), frame, A), to=A)
        await asyncio.sleep(400)
        return verdict

    async def answer(self, envelope: bytes, status: ReceiptStatus, **more: Any) -> None:
        """Give A a receipt for an envelope."""
        digest = self.sent.record_hash if "reason" not in more else ""
        receipt = self.peer.receipt(A, [entry(envelope, digest, status, **more)])
        assert await self.peer.post_receipts(self.peer.sign_receipt(receipt), to=A) == {}


def asked(test: Callable[[Asker], Awaitable[None]], *, seconds: int = 5 * 86_400) -> Callable[[], None]:
    """Run a test in which A has asked B and C, whose nodes are in the hands of the test."""

    def run() -> None:
        async def main() -> None:
            async with town(A) as nodes:
                sent = await nodes.nodes[A].desk.submit(request(B, C, deadline_seconds=seconds))
                await asyncio.sleep(5)
                await test(Asker(nodes, sent))

        run_virtual(main())

    run.__name__ = test.__name__
    return run


@asked
async def test_what_cannot_be_read_goes_again_three_times(asker: Asker) -> None:
    seen = await asker.carried()
    assert len(seen) == 1
    for number in range(1, 6):
        await asker.answer(seen[-1], ReceiptStatus.REJECTED, reason=ReasonCode.KEY_GONE)
        assert await asker.say(asker.nack(seen[-1])) == RECEIVED
        assert await asker.say(asker.nack(seen[-1])) == RECEIVED
        assert await asker.say(asker.nack(seen[0])) == RECEIVED
        fresh = await asker.carried()
        assert len(fresh) == (number <= 3)
        seen += fresh
    assert len({envelope_hash(one) for one in seen}) == 4


@asked
async def test_word_of_what_was_never_a_record_changes_nothing(asker: Asker) -> None:
    (envelope,) = await asker.carried()
    unknown = replace(asker.nack(envelope), envelope=EnvelopeId(bytes(16)))
    assert await asker.say(unknown) == RECEIVED
    assert len(await asker.carried()) == 1


@asked
async def test_what_was_received_goes_again_once_a_day(asker: Asker) -> None:
    (envelope,) = await asker.carried()
    await asker.answer(envelope, ReceiptStatus.RECEIVED)
    assert await asker.say(asker.control()) == RECEIVED
    (again,) = await asker.carried()
    await asker.answer(again, ReceiptStatus.RECEIVED)
    assert await asker.say(asker.control()) == RECEIVED
    assert await asker.carried() == []
    await asyncio.sleep(timedelta(hours=21).total_seconds())
    assert await asker.say(asker.control()) == RECEIVED
    assert len(await asker.carried()) == 1
    events = await asker.nodes.submitted(A)
    assert [(one.peer, one.result) for one in events] == [(B, "ok"), (C, "ok"), (B, "resent"), (B, "resent")]


@asked
async def test_what_is_on_its_way_does_not_go_again(asker: Asker) -> None:
    assert await asker.say(asker.control()) == RECEIVED
    assert len(await asker.carried()) == 1


@asked
async def test_what_was_refused_for_what_it_says_stays_refused(asker: Asker) -> None:
    (envelope,) = await asker.carried()
    await asker.answer(envelope, ReceiptStatus.REJECTED, reason=ReasonCode.BAD_FIELD)
    assert await asker.say(asker.control()) == RECEIVED
    assert await asker.say(asker.nack(envelope)) == RECEIVED
    assert await asker.carried() == []


@partial(asked, seconds=600)
async def test_what_was_undeliverable_stays_so(asker: Asker) -> None:
    (envelope,) = await asker.carried()
    await asyncio.sleep(700)
    assert await asker.carried() == []
    assert await asker.say(asker.control()) == RECEIVED
    assert await asker.say(asker.nack(envelope)) == RECEIVED
    assert await asker.carried() == []


@pytest.mark.parametrize(
    ("changes", "signer"),
    [
        ({"issuer": Issuer(AuthorityId(C), NodeId("main"), certified_node_keys(C).signing.key_id)}, C),
        ({"group_id": bytes(32)}, B),
        ({"consultation": "019f1d03-8dc1-7000-8000-000000000001"}, B),
    ],
)
def test_a_control_counts_from_its_issuer_for_its_group(changes: dict[str, Any], signer: str) -> None:
    async def main() -> None:
        async with town(A) as nodes:
            sent = await nodes.nodes[A].desk.submit(request(B, C))
            await asyncio.sleep(5)
            asker = Asker(nodes, sent)
            control = asker.control(**changes)
            if signer == C:
                control = replace(control, control_id=RecordId(Hostile(nodes, C).id()))
            assert await asker.say(control, signer=signer) == rejected(REFUSED)
            assert len(await asker.carried()) == 1

    run_virtual(main())


def test_who_was_added_gets_nothing_from_before() -> None:
    async def main() -> None:
        async with town(A, B, C) as nodes:
            sent = await nodes.nodes[A].desk.submit(request(B))
            await asyncio.sleep(5)
            change = Change(sent.consultation, (AuthorityId(C),), (), "It knows more.")
            storage = nodes.nodes[A].parts.node_keys.storage
            draft = await nodes.look(A, lambda tx: draft_of(tx, storage, AuthorityId(A), change))
            await nodes.nodes[A].desk.submit(draft)
            await asyncio.sleep(60)
            office = nodes.nodes[C].office

            def ask(tx: Transaction) -> Queued:
                book = office.book(tx)
                link = book.link_of(sent.consultation)
                assert link is not None
                said = ask_for_missing(office, book, link)
                book.write()
                return outbox.enqueue(tx, [said], book.now_ms)

            everything = (SequenceRange(AuthorityId(A), "", 1, ALL_THAT_FOLLOW),)
            with mock.patch.object(asking, "missing_ranges", return_value=everything):
                nodes.nodes[C].courier.wake(await nodes.nodes[C].parts.store.write(ask))
            await asyncio.sleep(900)
            heard = [event.result for event in await nodes.entries(A, EventKind.OPENED)]
            assert "control" in heard
            assert [one.message_type for one in (await nodes.show(C, sent.consultation)).records] == [
                "MEMBERS"
            ]
            again = [one for one in await nodes.entries(A, EventKind.SUBMITTED) if one.result == "resent"]
            assert [one.peer for one in again] == [C]

    run_virtual(main())
