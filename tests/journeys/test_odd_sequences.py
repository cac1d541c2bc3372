# SPDX-License-Identifier: Apache-2.0
"""Repeats, conflicts, gaps and lost memories: what is taken once, what waits, what is refused."""

import asyncio
from dataclasses import replace
from typing import Any

from globe_node.api.operations import Operations
from globe_node.cli.backend import objects
from globe_node.consultations.opening.examine import PATIENCE_SECONDS, Examination, Examiner
from protocol.audit.events import EventKind
from protocol.codes.message_types import MessageType
from protocol.consultations.table import State
from protocol.envelope import envelope_hash
from protocol.errors import ReasonCode
from protocol.identifiers import AuthorityId, RecordId
from protocol.receipts import ReceiptStatus
from protocol.record import Record
from tests.support.bodies import lean_request
from tests.support.letters import Letter, entry_of, fresh_id, letter_record, post
from tests.support.nodes import A, B, C, Town, in_town, request, rooms, town


def next_record(before: Record, number: int | None = None, **changes: Any) -> Record:
    """The record after another one of the same author: a withdrawal, unless something else is asked."""
    follow = replace(
        before,
        type=MessageType.WITHDRAWAL,
        body={},
        record_id=RecordId(fresh_id(1)),
        author_seq=number or before.author_seq + 1,
        prev=Letter(before).digest,
        in_reply_to=before.record_id,
    )
    return replace(follow, **changes)


@in_town
async def test_a_repeat_gets_the_same_receipt_and_is_taken_once(town: Town) -> None:
    envelope = Letter(letter_record()).seal()
    first, second = await post(town, envelope), await post(town, envelope)
    assert first.receipts == second.receipts != ()
    assert len(await town.entries(B, EventKind.OPENED)) == 1


@in_town
async def test_the_same_record_in_another_envelope_is_taken_once(town: Town) -> None:
    letter = Letter(letter_record())
    envelopes = letter.seal(), letter.seal()
    answer = await post(town, *envelopes)
    assert [entry_of(answer, one).status for one in envelopes] == [ReceiptStatus.RECEIVED] * 2
    view = await town.show(B, letter.record.consultation)
    assert len(view.records) == 1


@in_town
async def test_the_same_id_with_other_content_is_a_conflict(town: Town) -> None:
    first = letter_record()
    other = replace(first, body=lean_request(title="another"))
    await post(town, Letter(first).seal())
    envelope = Letter(other).seal()
    entry = entry_of(await post(town, envelope), envelope)
    assert (entry.status, entry.reason) == (ReceiptStatus.REJECTED, ReasonCode.ID_CONFLICT)


@in_town
async def test_a_gap_is_taken_and_shown_and_a_late_record_fills_it(town: Town) -> None:
    opening = letter_record()
    second = next_record(opening, type=MessageType.CLARIFICATION, body=explanation(), in_reply_to=fresh_id())
    third = next_record(second)
    await post(town, Letter(opening).seal())
    envelope = Letter(third).seal()
    assert entry_of(await post(town, envelope), envelope).status is ReceiptStatus.RECEIVED
    view = await town.show(B, opening.consultation)
    assert [record.missing_before for record in view.records] == [0, 1]
    assert view.summary.state is State.WITHDRAWN
    late = Letter(second).seal()
    assert entry_of(await post(town, late), late).status is ReceiptStatus.RECEIVED
    view = await town.show(B, opening.consultation)
    assert [record.author_seq for record in view.records] == [1, 2, 3]
    assert [record.missing_before for record in view.records] == [0, 0, 0]
    assert view.summary.state is State.WITHDRAWN


@in_town
async def test_an_author_that_lost_its_memory_is_refused(town: Town) -> None:
    opening = letter_record()
    await post(town, Letter(opening).seal(), Letter(next_record(opening)).seal())
    taken = next_record(opening)
    forked = next_record(opening, number=3, prev="ab" * 32)
    for record in (taken, forked):
        envelope = Letter(record).seal()
        entry = entry_of(await post(town, envelope), envelope)
        assert (entry.status, entry.reason) == (ReceiptStatus.REJECTED, ReasonCode.SENDER_ROLLED_BACK)


@in_town
async def test_a_late_record_that_does_not_fit_its_neighbours_is_refused(town: Town) -> None:
    opening = letter_record()
    second = next_record(opening, type=MessageType.CLARIFICATION, body=explanation(), in_reply_to=fresh_id())
    await post(town, Letter(opening).seal(), Letter(next_record(second)).seal())
    for wrong in (replace(second, record_id=RecordId(fresh_id(2))), replace(second, prev="cd" * 32)):
        envelope = Letter(wrong).seal()
        entry = entry_of(await post(town, envelope), envelope)
        assert (entry.status, entry.reason) == (ReceiptStatus.REJECTED, ReasonCode.SENDER_ROLLED_BACK)


@in_town
async def test_a_new_life_of_the_author_begins_a_new_chain(town: Town) -> None:
    opening = letter_record()
    reborn = replace(opening.author, incarnation="b2" * 8)
    await post(town, Letter(opening).seal())
    fresh = next_record(opening, author=reborn, author_seq=1, prev="")
    straggler = next_record(
        opening, type=MessageType.CLARIFICATION, body=explanation(), in_reply_to=fresh_id()
    )
    for record in (fresh, straggler):
        envelope = Letter(record).seal()
        assert entry_of(await post(town, envelope), envelope).status is ReceiptStatus.RECEIVED
    view = await town.show(B, opening.consultation)
    assert view.summary.state is State.WITHDRAWN
    envelope = Letter(next_record(fresh, type=MessageType.CLOSE)).seal()
    assert entry_of(await post(town, envelope), envelope).status is ReceiptStatus.RECEIVED


@in_town
async def test_an_illegal_move_is_refused_by_name(town: Town) -> None:
    opening = letter_record()
    await post(town, Letter(opening).seal())
    for wrong in (
        next_record(opening, type=MessageType.ACK, body={"handler": {"office": "x"}, "update_every_days": 5}),
        next_record(opening, type=MessageType.CLOSE),
        replace(opening, record_id=RecordId(fresh_id()), author_seq=2, prev=Letter(opening).digest),
    ):
        envelope = Letter(wrong).seal()
        entry = entry_of(await post(town, envelope), envelope)
        assert (entry.status, entry.reason) == (ReceiptStatus.REJECTED, ReasonCode.ILLEGAL_MOVE)
    assert len((await town.show(B, opening.consultation)).records) == 1


@in_town
async def test_what_comes_before_its_opening_waits_for_it(town: Town) -> None:
    opening = letter_record()
    early = Letter(next_record(opening)).seal()
    assert await_parked(await post(town, early))
    assert await town.held(B) == 1
    await post(town, Letter(opening).seal())
    await asyncio.sleep(1)
    assert await town.held(B) == 0
    view = await town.show(B, opening.consultation)
    assert [record.message_type for record in view.records] == ["CONSULT_REQUEST", "WITHDRAWAL"]


@in_town
async def test_what_follows_nothing_is_refused_in_the_end(town: Town) -> None:
    orphan = Letter(next_record(letter_record())).seal()
    await post(town, orphan)
    await asyncio.sleep(PATIENCE_SECONDS + 10)
    entry = entry_of(await post(town, orphan), orphan)
    assert (entry.status, entry.reason) == (ReceiptStatus.REJECTED, ReasonCode.SEQUENCE_GAP)


def test_a_stranger_can_not_write_into_a_consultation() -> None:
    async def main() -> None:
        async with town(A, B, C) as nodes:
            opening = letter_record()
            await post(nodes, Letter(opening).seal())
            again = letter_record(C, consultation=opening.consultation)
            closing = replace(again, type=MessageType.CLOSE, body={}, in_reply_to=opening.record_id)
            for wrong, reason in ((again, ReasonCode.BAD_FIELD), (closing, ReasonCode.REFUSED)):
                envelope = Letter(wrong).seal()
                entry = entry_of(await post(nodes, envelope, source=C), envelope)
                assert (entry.status, entry.reason) == (ReceiptStatus.REJECTED, reason)

    from tests.simulation.loop import run_virtual  # noqa: PLC0415

    run_virtual(main())


@in_town
async def test_a_requested_authority_writes_to_the_requester_alone(town: Town) -> None:
    sent = await town.nodes[A].desk.submit(request())
    await asyncio.sleep(2)
    wide = letter_record(
        B,
        consultation=sent.consultation,
        type=MessageType.ACK,
        body={"handler": {"office": "x"}, "update_every_days": 5},
        in_reply_to=sent.record_id,
        recipients=(AuthorityId(A), AuthorityId(C)),
    )
    envelope = Letter(wide, seal_to=(A,)).seal()
    entry = entry_of(await post(town, envelope, source=B, to=A), envelope)
    assert (entry.status, entry.reason) == (ReceiptStatus.REJECTED, ReasonCode.REFUSED)


@in_town
async def test_an_answer_to_what_was_not_asked_is_refused(town: Town) -> None:
    sent = await town.nodes[A].desk.submit(request())
    await asyncio.sleep(2)
    answer = letter_record(
        B,
        consultation=sent.consultation,
        type=MessageType.ANSWER,
        body={"final": True, "items": [{"item": "h9", "result": "NOT_FOUND"}]},
        in_reply_to=sent.record_id,
        recipients=(AuthorityId(A),),
    )
    envelope = Letter(answer, seal_to=(A,)).seal()
    entry = entry_of(await post(town, envelope, source=B, to=A), envelope)
    assert (entry.status, entry.reason) == (ReceiptStatus.REJECTED, ReasonCode.BAD_FIELD)


@in_town
async def test_one_poisoned_envelope_ends_in_quarantine_and_stops_nothing(town: Town) -> None:
    poison = Letter(letter_record()).seal()
    genuine = Examiner.read

    def read(self: Examiner, one: Examination) -> None:
        if one.held.envelope_hash == envelope_hash(poison):
            raise ZeroDivisionError
        genuine(self, one)

    Examiner.read = read  # type: ignore[method-assign]  # a fault of ours, for one envelope
    try:
        good = Letter(letter_record()).seal()
        answer = await post(town, poison, good)
        assert entry_of(answer, good).status is ReceiptStatus.RECEIVED
        await asyncio.sleep(60)
        entry = entry_of(await post(town, poison), poison)
        assert (entry.status, entry.reason) == (ReceiptStatus.REJECTED, ReasonCode.QUARANTINED)
        assert len(await town.entries(B, EventKind.QUARANTINED)) == 1
        assert await town.held(B) == 0
        operations = Operations(rooms(town, B), None)
        (listed,) = objects((await operations.run("quarantine.list", {}))["quarantine"])
        assert (listed["sender"], listed["hash"]) == (A, entry.envelope)
        assert list(objects((await operations.run("quarantine.dismiss", {}))["dismissed"])) == [listed]
        assert (await operations.run("health", {}))["quarantined"] == 0
        assert len(await town.entries(B, EventKind.QUARANTINED)) == 2
        again = entry_of(await post(town, poison), poison)
        assert again.reason is ReasonCode.QUARANTINED
    finally:
        Examiner.read = genuine  # type: ignore[method-assign]


@in_town
async def test_one_record_that_can_not_be_stored_spoils_only_itself(town: Town) -> None:
    from globe_node.consultations.opening.placement import IntakeTransaction  # noqa: PLC0415

    bad = letter_record()
    genuine = IntakeTransaction._row

    def row(self: IntakeTransaction, opened: Any) -> Any:
        if opened.record.record_id == bad.record_id:
            raise ZeroDivisionError
        return genuine(self, opened)

    IntakeTransaction._row = row  # type: ignore[method-assign]  # the same
    try:
        poison, good = Letter(bad).seal(), Letter(letter_record()).seal()
        answer = await post(town, poison, good)
        assert entry_of(answer, good).status is ReceiptStatus.RECEIVED
        await asyncio.sleep(60)
        entry = entry_of(await post(town, poison), poison)
        assert entry.reason is ReasonCode.QUARANTINED
    finally:
        IntakeTransaction._row = genuine  # type: ignore[method-assign]


def explanation() -> dict[str, Any]:
    return {"answers": [{"question": "q1", "text": "The register of companies."}]}


def await_parked(answer: Any) -> bool:
    return not answer.receipts and len(answer.pending) == 1
