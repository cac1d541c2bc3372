# SPDX-License-Identifier: Apache-2.0
"""The desk: many drafts in one transaction, each with an outcome of its own; nothing is sent twice."""

import asyncio
from functools import partial
from typing import Any

import pytest

from globe_node.consultations import records
from globe_node.consultations.drafting.compose import SubmitTransaction
from globe_node.consultations.drafting.drafts import Draft, DraftAttachment, Submitted
from globe_node.consultations.drafting.packing import Packed
from globe_node.consultations.submit import MAX_WAITING
from globe_node.errors import ConflictError, NodeError, NotFoundError, NotPermittedError, StoreError
from globe_node.store.door import Transaction
from protocol import limits
from protocol.audit.events import EventKind
from protocol.codes.message_types import MessageType
from protocol.directory.statements import RetireKey
from protocol.errors import LocalProtocolError, ProtocolError, ReasonCode
from protocol.identifiers import AuthorityId, ConsultationId, RecordId
from protocol.record import parse_signed_record
from protocol.signing import labels
from protocol.signing.batch import verify_block
from tests.simulation.loop import run_virtual
from tests.support.directory import certified_node_keys, updated
from tests.support.letters import fresh_id
from tests.support.nodes import A, B, C, Town, in_town, reply, request, town
from tests.support.store import differing_tables, memory_database


def test_the_tables_are_those_of_the_migration() -> None:
    database = memory_database()
    tables = (records.CONSULTATION, records.RECORD, records.CHAIN_HEAD, records.SUBMISSION)
    assert differing_tables(database.writer, tables) == []
    database.close()


@in_town
async def test_one_bad_draft_fails_none_of_the_others(town: Town) -> None:
    drafts = [request(), request("xz-nobody"), request(help_items=[]), request(), reply_to_nothing()]
    outcomes = await town.nodes[A].desk.submit_many(drafts)
    assert [isinstance(outcome, Submitted) for outcome in outcomes] == [True, False, False, True, False]
    codes = [outcome.code for outcome in outcomes if not isinstance(outcome, Submitted)]
    assert codes == [ReasonCode.UNKNOWN_AUTHORITY, ReasonCode.BAD_FIELD, ReasonCode.NOT_FOUND]
    assert len(await town.submitted(A)) == 2


def reply_to_nothing() -> Draft:
    return Draft(MessageType.CLOSE, {}, consultation=ConsultationId(fresh_id()))


@in_town
async def test_one_signature_covers_what_waits_together_and_each_record_verifies_alone(town: Town) -> None:
    outcomes = await town.nodes[A].desk.submit_many([request() for _ in range(5)])
    signatures = set()
    for outcome in outcomes:
        assert isinstance(outcome, Submitted)
        row = await town.look(A, partial(records.record, record_id=outcome.record_id))
        assert row is not None
        signed = parse_signed_record(town.nodes[A].office.open_record(row.record_id, row.application_data))
        key = certified_node_keys(A).signing.admitted
        verify_block(key, labels.RECORD, bytes.fromhex(row.record_hash), signed.signature)
        signatures.add(signed.signature[-3373:])
    assert len(signatures) == 1


@in_town
async def test_a_chain_grows_within_one_transaction(town: Town) -> None:
    desk = town.nodes[A].desk
    sent = await desk.submit(request())
    first, second = await desk.submit_many(
        [reply(sent, MessageType.WITHDRAWAL, {}), reply(sent, MessageType.CLOSE, {})]
    )
    assert isinstance(first, Submitted)
    assert isinstance(second, Submitted)
    await asyncio.sleep(5)
    view = await town.show(B, sent.consultation)
    assert [record.author_seq for record in view.records] == [1, 2, 3]
    assert [record.missing_before for record in view.records] == [0, 0, 0]
    assert (second.state, view.summary.state) == ("CLOSED", "CLOSED")


@in_town
async def test_the_same_key_and_draft_give_the_first_result(town: Town) -> None:
    desk = town.nodes[A].desk
    first = await desk.submit(request(idempotency_key="k1"))
    again = await desk.submit(request(idempotency_key="k1"))
    assert (again.record_id, again.repeated, first.repeated) == (first.record_id, True, False)
    assert len(await town.submitted(A)) == 1
    with pytest.raises(ConflictError):
        await desk.submit(request(idempotency_key="k1", title="another"))
    await asyncio.sleep(25 * 3600)
    await desk.submit(request(idempotency_key="k2"))
    assert not (await desk.submit(request(idempotency_key="k1"))).repeated


@in_town
async def test_the_same_key_twice_in_one_transaction(town: Town) -> None:
    same, other = request(idempotency_key="k"), request(idempotency_key="k", title="x")
    first, second, third = await town.nodes[A].desk.submit_many([same, same, other])
    assert isinstance(first, Submitted)
    assert isinstance(second, Submitted)
    assert (second.record_id, second.repeated) == (first.record_id, True)
    assert isinstance(third, ConflictError)


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"recipients": ()}, ReasonCode.BAD_FIELD),
        ({"recipients": (AuthorityId(A),)}, ReasonCode.BAD_FIELD),
        ({"recipients": (AuthorityId(B), AuthorityId(B))}, ReasonCode.BAD_FIELD),
        ({"message_type": MessageType.CLOSE}, ReasonCode.ILLEGAL_MOVE),
        ({"deadline_seconds": 0}, ReasonCode.BAD_FIELD),
        ({"deadline_seconds": limits.MAX_LIFETIME_SECONDS + 1}, ReasonCode.BAD_FIELD),
        ({"handling": ("H7",)}, ReasonCode.BAD_FIELD),
        ({"handling": ("H3",)}, ReasonCode.BAD_FIELD),
        ({"handling": ("NF-XB",)}, ReasonCode.FORBIDDEN),
        ({"handling": ("NF-xb-ibu",)}, ReasonCode.FORBIDDEN),
        ({"attachments": (DraftAttachment("a1", "x/y", "text/plain", "", b""),)}, ReasonCode.BAD_FIELD),
        ({"idempotency_key": "k" * 65}, ReasonCode.BAD_FIELD),
        ({"consultation": ConsultationId(fresh_id())}, ReasonCode.NOT_FOUND),
    ],
)
def test_what_can_not_be_sent_leaves_nothing(changes: dict[str, Any], code: ReasonCode) -> None:
    async def main() -> None:
        async with town() as nodes:
            (outcome,) = await nodes.nodes[A].desk.submit_many([request(**changes)])
            assert isinstance(outcome, NodeError | ProtocolError)
            assert outcome.code is code
            assert await nodes.look(A, _consultations) == []

    run_virtual(main())


def _consultations(tx: Transaction) -> list[records.ConsultationRow]:
    return records.list_consultations(tx, states=(), before=None, limit=9)


def test_too_much_is_refused_before_it_is_queued() -> None:
    heavy = tuple(DraftAttachment(f"a{n}", f"{n}.bin", "text/plain", "", bytes(600_000)) for n in (1, 2))
    many = tuple(DraftAttachment(f"a{n}", f"{n}.bin", "text/plain", "", b"") for n in range(21))

    async def main() -> None:
        async with town() as nodes:
            for attachments in (heavy, many):
                with pytest.raises(LocalProtocolError) as caught:
                    await nodes.nodes[A].desk.submit(request(attachments=attachments))
                assert caught.value.code is ReasonCode.TOO_LARGE

    run_virtual(main())


@in_town
async def test_attachments_up_to_the_limit_arrive(town: Town) -> None:
    attachments = (
        DraftAttachment("a1", "contract.pdf", "application/pdf", "en", bytes(range(256)) * 2048),
        DraftAttachment("a2", "empty.txt", "text/plain", "", b""),
    )
    sent = await town.nodes[A].desk.submit(request(attachments=attachments))
    await asyncio.sleep(5)
    reading = await town.nodes[B].reading.open(sent.record_id, justification="CASE_WORK")
    assert reading.signed.attachments == tuple(item.data for item in attachments)
    assert [entry.name for entry in reading.signed.content.attachments] == ["contract.pdf", "empty.txt"]


@in_town
async def test_a_reply_is_bound_to_its_consultation(town: Town) -> None:
    desk = town.nodes[A].desk
    sent = await desk.submit(request())
    with pytest.raises(LocalProtocolError, match="stands at SENT"):
        await desk.submit(reply(sent, MessageType.CLOSE, {}))
    with pytest.raises(LocalProtocolError) as caught:
        await desk.submit(reply(sent, MessageType.WITHDRAWAL, {}, recipients=(AuthorityId(C),)))
    assert caught.value.code is ReasonCode.BAD_FIELD
    with pytest.raises(NotFoundError):
        await desk.submit(reply(sent, MessageType.WITHDRAWAL, {}, in_reply_to=RecordId(fresh_id())))
    await asyncio.sleep(2)
    answer = {"final": True, "items": [{"item": "h9", "result": "NOT_FOUND"}]}
    with pytest.raises(LocalProtocolError) as caught:
        await town.nodes[B].desk.submit(reply(sent, MessageType.ANSWER, answer))
    assert caught.value.code is ReasonCode.BAD_FIELD


ANSWERED = {"final": True, "items": [{"item": "h1", "result": "NOT_FOUND"}]}


async def assert_sides(nodes: Town, sent: Submitted, **expected: str) -> None:
    """Every member must know the side of every requested authority, and its own state."""
    for name in (A, B, C):
        view = await nodes.show(name, sent.consultation)
        assert dict(view.sides) == {B: expected["b"], C: expected["c"]}, name
        assert view.summary.state == expected[{A: "whole", B: "b", C: "c"}[name]], name


def test_all_members_see_all_records_and_every_side() -> None:
    async def main() -> None:
        async with town(A, B, C) as nodes:
            sent = await nodes.nodes[A].desk.submit(request(B, C))
            await asyncio.sleep(2)
            answered = await nodes.nodes[C].desk.submit(reply(sent, MessageType.ANSWER, ANSWERED))
            assert answered.recipients == (A, B)
            await asyncio.sleep(2)
            await assert_sides(nodes, sent, b="SENT", c="ANSWERED", whole="SENT")
            with pytest.raises(LocalProtocolError, match="xb-ibu stands at SENT"):
                await nodes.nodes[A].desk.submit(reply(sent, MessageType.CLOSE, {}))
            withdrawn = await nodes.nodes[A].desk.submit(reply(sent, MessageType.WITHDRAWAL, {}))
            assert withdrawn.recipients == (B, C)
            await asyncio.sleep(2)
            await assert_sides(nodes, sent, b="WITHDRAWN", c="WITHDRAWN", whole="WITHDRAWN")
            await nodes.nodes[A].desk.submit(reply(sent, MessageType.CLOSE, {}))
            await asyncio.sleep(2)
            await assert_sides(nodes, sent, b="CLOSED", c="CLOSED", whole="CLOSED")
            for name in (A, B, C):
                view = await nodes.show(name, sent.consultation)
                assert len(view.records) == 4
                assert view.summary.counterparties == tuple(sorted({A, B, C} - {name}))

    run_virtual(main())


def test_a_member_that_the_directory_bars_does_not_silence_the_others() -> None:
    async def main() -> None:
        async with town(A, B, C) as nodes:
            sent = await nodes.nodes[A].desk.submit(request(B, C))
            await asyncio.sleep(2)
            key = certified_node_keys(C).signing.key_id
            retirement = updated(nodes.network.state, C, RetireKey(key=key))
            for node in nodes.nodes.values():
                await node.register.admit([retirement], source="file")
            answered = await nodes.nodes[B].desk.submit(reply(sent, MessageType.ANSWER, ANSWERED))
            assert answered.recipients == (A, C)
            await asyncio.sleep(2)
            assert dict((await nodes.show(A, sent.consultation)).sides) == {B: "ANSWERED", C: "SENT"}
            assert await nodes.waiting(B) == 1
            with pytest.raises(NotPermittedError, match="xc-aco has no key"):
                await nodes.nodes[A].desk.submit(request(B, C))

    run_virtual(main())


@in_town
async def test_a_consultation_has_at_most_twenty_members(town: Town) -> None:
    with pytest.raises(LocalProtocolError, match="at most 20 members") as caught:
        await town.nodes[A].desk.submit(request(*(f"x-{number}" for number in range(20))))
    assert caught.value.code is ReasonCode.BAD_FIELD


@in_town
async def test_too_many_waiting_are_turned_away(town: Town) -> None:
    with pytest.raises(NodeError) as caught:
        await town.nodes[A].desk.submit_many([request()] * (MAX_WAITING + 1))
    assert caught.value.code is ReasonCode.BUSY


@in_town
async def test_a_store_that_refuses_is_told_to_everybody_and_nothing_is_kept(town: Town) -> None:
    node = town.nodes[A]

    async def refuse(function: Any) -> Any:
        raise StoreError("the disk is full", code=ReasonCode.STORAGE_FULL)

    genuine, node.parts.store.write = node.parts.store.write, refuse  # type: ignore[method-assign]
    outcomes = await node.desk.submit_many([request(), request()])
    node.parts.store.write = genuine  # type: ignore[method-assign]
    assert [isinstance(one, StoreError) for one in outcomes] == [True, True]
    assert await town.entries(A, EventKind.SUBMITTED) == []


@in_town
async def test_a_node_outside_the_directory_sends_nothing(town: Town) -> None:
    await town.stop(A)
    await town.stop(B)
    only_b = (town.network.statements[0], *town.network.statements[3:5])
    del town.databases[A]
    town.databases[A] = memory_database()
    await town.start(A, only_b)
    with pytest.raises(NotPermittedError) as caught:
        await town.nodes[A].desk.submit(request())
    assert caught.value.code is ReasonCode.NO_KEY


def test_a_clarification_is_for_the_side_whose_questions_it_answers() -> None:
    async def main() -> None:
        async with town(A, B, C) as nodes:
            sent = await nodes.nodes[A].desk.submit(request(B, C))
            await asyncio.sleep(2)
            asked: list[RecordId] = []
            for name, tag in ((B, "qb"), (C, "qc")):
                question = {"questions": [{"id": tag, "text": "Which year?"}]}
                draft = reply(sent, MessageType.CLARIFICATION_REQUEST, question)
                asked.append((await nodes.nodes[name].desk.submit(draft)).record_id)
                await asyncio.sleep(2)
            desk = nodes.nodes[A].desk
            explanation = {"answers": [{"question": "qb", "text": "2019."}]}
            with pytest.raises(LocalProtocolError, match="in_reply_to") as caught:
                await desk.submit(reply(sent, MessageType.CLARIFICATION, explanation))
            assert caught.value.code is ReasonCode.ILLEGAL_MOVE
            draft = reply(sent, MessageType.CLARIFICATION, explanation, in_reply_to=asked[0])
            assert (await desk.submit(draft)).recipients == (B, C)
            await asyncio.sleep(2)
            await assert_sides(nodes, sent, b="IN_PROGRESS", c="CLARIFYING", whole="CLARIFYING")
            other = {"answers": [{"question": "qc", "text": "2020."}]}
            await desk.submit(reply(sent, MessageType.CLARIFICATION, other))
            await asyncio.sleep(2)
            await assert_sides(nodes, sent, b="IN_PROGRESS", c="IN_PROGRESS", whole="IN_PROGRESS")

    run_virtual(main())


@in_town
async def test_what_spoils_a_transaction_spoils_only_its_own_draft(town: Town) -> None:
    genuine = SubmitTransaction._row

    def row(self: SubmitTransaction, planned: Any, packed: Packed, kept: bytes) -> Any:
        if planned.record.body["title"] == "spoils":
            raise LocalProtocolError("an envelope over the limit", code=ReasonCode.TOO_LARGE)
        return genuine(self, planned, packed, kept)

    SubmitTransaction._row = row  # type: ignore[method-assign]
    try:
        outcomes = await town.nodes[A].desk.submit_many([request(title="a"), request(title="spoils")])
    finally:
        SubmitTransaction._row = genuine  # type: ignore[method-assign]
    assert isinstance(outcomes[0], Submitted)
    assert isinstance(outcomes[1], LocalProtocolError)


@in_town
async def test_attachments_that_wait_are_bounded(town: Town) -> None:
    heavy = request(attachments=(DraftAttachment("a1", "a.bin", "text/plain", "", bytes(1_000_000)),))
    loop = asyncio.get_running_loop()
    waiting = loop.create_task(town.nodes[A].desk.submit_many([heavy] * 64))
    await asyncio.sleep(0)
    with pytest.raises(NodeError) as caught:
        await town.nodes[A].desk.submit_many([heavy] * 5)
    assert caught.value.code is ReasonCode.BUSY
    assert len(await waiting) == 64
