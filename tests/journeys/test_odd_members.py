# SPDX-License-Identifier: Apache-2.0
"""Records between members and strangers, by hand, at B: who is heard, who waits, and who is refused."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import Any

import pytest

from globe_node.consultations.opening.examine import PATIENCE_SECONDS
from protocol.audit.events import EventKind
from protocol.codes.message_types import MessageType
from protocol.errors import ReasonCode
from protocol.identifiers import AuthorityId, Digest, RecordId
from protocol.receipts import ReceiptStatus
from protocol.record import Author, Record
from tests.simulation.loop import run_virtual
from tests.support.bodies import lean_request
from tests.support.clock import START
from tests.support.directory import certified_node_keys
from tests.support.letters import LIFE, Letter, entry_of, fresh_id, letter_record, post
from tests.support.nodes import A, B, C, Town, town

ACK = {"handler": {"office": "x"}, "update_every_days": 5}


def names(*authorities: str) -> tuple[AuthorityId, ...]:
    return tuple(AuthorityId(name) for name in sorted(authorities))


@dataclass
class Pen:
    """Writes the records of one consultation that A opens, and brings them to B."""

    town: Town
    opening: Record
    ends: dict[str, tuple[int, Digest]] = field(default_factory=dict)

    def write(self, by: str, kind: MessageType, body: dict[str, Any], **changes: Any) -> Record:
        """The next record of somebody; what it has seen is the newest of A's, unless told otherwise."""
        holder = certified_node_keys(by)
        number, before = self.ends.get(by, (0, Digest("")))
        seen = {AuthorityId(A): self.ends[A][1]} if by != A else {}
        record = replace(
            self.opening,
            type=kind,
            body=body,
            record_id=RecordId(fresh_id(owner=by)),
            author=Author(holder.authority, holder.node, holder.signing.key_id, LIFE),
            author_seq=number + 1,
            prev=before,
            in_reply_to="" if kind.opens else self.opening.record_id,
            recipients=names(*({A, B, C} - {by})),
            seen=seen,
        )
        record = replace(record, **changes)
        self.ends[by] = (record.author_seq, Letter(record).digest)
        return record

    def members(self, after: tuple[str, ...], **changes: Any) -> Record:
        """A change of the members by A: `added`, `removed`, and whatever else is changed in the record."""
        body: dict[str, Any] = {"roster": sorted(after), "reason": "x"}
        body |= {key: list(changes.pop(key)) for key in ("added", "removed") if key in changes}
        if "added" in body:
            body["request"] = lean_request()
        everybody = {*after, *body.get("removed", ())} - {A}
        return self.write(A, MessageType.MEMBERS, body, **{"recipients": names(*everybody), **changes})

    async def bring(self, record: Record) -> ReasonCode | str:
        """Bring a record to B: `taken`, `waits`, or why it is rejected."""
        envelope = Letter(record).seal()
        answer = await post(self.town, envelope, source=record.author.authority)
        if answer.pending:
            return "waits"
        entry = entry_of(answer, envelope)
        return "taken" if entry.status is ReceiptStatus.RECEIVED else entry.reason or "?"

    async def sides(self) -> dict[str, str]:
        view = await self.town.show(B, self.opening.consultation)
        return {str(side): state for side, state in view.sides.items()}


def at_b(*to: str) -> Callable[[Callable[[Pen], Awaitable[None]]], Callable[[], None]]:
    """Run a test at B, in virtual time, after A has opened a consultation with some."""

    def decorate(test: Callable[[Pen], Awaitable[None]]) -> Callable[[], None]:
        def run() -> None:
            async def main() -> None:
                async with town(B) as nodes:
                    pen = Pen(nodes, letter_record(recipients=names(*to)))
                    pen.ends[A] = (1, Letter(pen.opening).digest)
                    assert await pen.bring(pen.opening) == "taken"
                    await test(pen)

            run_virtual(main())

        run.__name__ = test.__name__
        return run

    return decorate


@at_b(B, C)
async def test_a_member_is_heard_if_it_writes_to_all_others(pen: Pen) -> None:
    assert await pen.bring(pen.write(C, MessageType.ACK, ACK)) == "taken"
    assert await pen.sides() == {B: "SENT", C: "ACKNOWLEDGED"}
    for recipients in (names(B), names(A, B, "xd-acc")):
        wrong = pen.write(C, MessageType.CLARIFICATION_REQUEST, question(), recipients=recipients)
        assert await pen.bring(wrong) is ReasonCode.REFUSED


def question() -> dict[str, Any]:
    return {"questions": [{"id": "q1", "text": "Which year?"}]}


@at_b(B)
async def test_a_stranger_is_not_heard(pen: Pen) -> None:
    heard = pen.write(C, MessageType.ACK, ACK, recipients=names(A, B))
    for record in (heard, replace(heard, seen={})):
        assert await pen.bring(record) is ReasonCode.REFUSED


@at_b(B, C)
async def test_who_was_removed_is_not_heard_whatever_it_has_seen(pen: Pen) -> None:
    crossing = pen.write(C, MessageType.ACK, ACK)
    assert await pen.bring(pen.members((A, B), removed=(C,))) == "taken"
    for record in (crossing, pen.write(C, MessageType.CLARIFICATION_REQUEST, question())):
        assert await pen.bring(record) is ReasonCode.REFUSED
    assert await pen.sides() == {B: "SENT", C: "REMOVED"}


@at_b(B, C)
async def test_only_whose_consultation_it_is_changes_the_members(pen: Pen) -> None:
    body = {"removed": [A], "roster": [B, C], "reason": "x"}
    assert await pen.bring(pen.write(C, MessageType.MEMBERS, body)) is ReasonCode.BAD_FIELD
    assert await pen.sides() == {B: "SENT", C: "SENT"}


@pytest.mark.parametrize(
    ("after", "changes", "reason"),
    [
        ((A, B, C), {"added": (C,)}, ReasonCode.REFUSED),
        ((A, B), {"removed": ("xd-acc",)}, ReasonCode.REFUSED),
        ((A, B, "xd-acc"), {"added": ("xd-acc",)}, ReasonCode.REFUSED),
        ((A, B), {"removed": (C,), "recipients": names(B)}, ReasonCode.BAD_FIELD),
        ((B, C, "xd-acc"), {"added": ("xd-acc",)}, ReasonCode.BAD_FIELD),
        ((A, B, C), {}, ReasonCode.BAD_FIELD),
    ],
)
def test_a_change_that_does_not_fit_the_members_is_refused(
    after: tuple[str, ...], changes: dict[str, Any], reason: ReasonCode
) -> None:
    @at_b(B, C)
    async def run(pen: Pen) -> None:
        assert await pen.bring(pen.members(after, **changes)) is reason
        assert await pen.sides() == {B: "SENT", C: "SENT"}

    run()


@at_b(B, C)
async def test_the_requester_leaves_nobody_out_without_saying_so(pen: Pen) -> None:
    assert await pen.bring(pen.write(A, MessageType.WITHDRAWAL, {}, recipients=names(B))) == "refused"


@at_b(B)
async def test_who_is_added_is_heard_from_then_on_and_waits_until_that_is_known(pen: Pen) -> None:
    change = pen.members((A, B, C), added=(C,))
    early = pen.write(C, MessageType.ACK, ACK)
    assert await pen.bring(early) == "waits"
    assert await pen.sides() == {B: "SENT"}
    await asyncio.sleep(PATIENCE_SECONDS * 10)
    assert await pen.town.held(B) == 1
    assert await pen.bring(change) == "taken"
    await asyncio.sleep(1)
    assert await pen.town.held(B) == 0
    assert await pen.bring(early) == "taken"
    assert await pen.sides() == {B: "SENT", C: "ACKNOWLEDGED"}


@at_b(B)
async def test_what_never_gets_its_ground_is_refused_when_it_expires(pen: Pen) -> None:
    pen.members((A, B, C), added=(C,))
    early = pen.write(C, MessageType.ACK, ACK, expires=START + timedelta(hours=3))
    assert await pen.bring(early) == "waits"
    await asyncio.sleep(5 * 3_600)
    assert await pen.town.held(B) == 0
    assert [event.result for event in await pen.town.entries(B, EventKind.REJECTED)] == ["sequence_gap"]
    assert await pen.sides() == {B: "SENT"}


@at_b(B, C)
async def test_what_crossed_an_addition_was_for_the_members_of_then(pen: Pen) -> None:
    crossing = pen.write(C, MessageType.ACK, ACK)
    change = pen.members((A, B, C, "xd-acc"), added=("xd-acc",))
    assert await pen.bring(change) == "taken"
    assert await pen.bring(crossing) == "taken"
    later = pen.write(C, MessageType.CLARIFICATION_REQUEST, question())
    assert await pen.bring(later) is ReasonCode.REFUSED
    assert await pen.sides() == {B: "SENT", C: "ACKNOWLEDGED", "xd-acc": "SENT"}


@at_b(B, C)
async def test_who_leaves_hears_nobody_and_does_not_come_back(pen: Pen) -> None:
    crossing = pen.write(C, MessageType.ACK, ACK)
    assert await pen.bring(pen.members((A, C), removed=(B,))) == "taken"
    assert await pen.bring(crossing) is ReasonCode.REFUSED
    assert await pen.sides() == {B: "REMOVED", C: "SENT"}
    unsaid = pen.write(A, MessageType.CLARIFICATION, {"answers": [{"question": "q1", "text": "x"}]})
    assert await pen.bring(unsaid) is ReasonCode.REFUSED
    pen.ends[A] = (unsaid.author_seq, Letter(unsaid).digest)
    again = pen.members((A, B, C), added=(B,))
    assert await pen.bring(again) is ReasonCode.ILLEGAL_MOVE
    assert await pen.sides() == {B: "REMOVED", C: "SENT"}


@at_b(B, C)
async def test_nobody_who_was_removed_comes_back(pen: Pen) -> None:
    assert await pen.bring(pen.members((A, B), removed=(C,))) == "taken"
    assert await pen.bring(pen.members((A, B, C), added=(C,))) is ReasonCode.ILLEGAL_MOVE
    assert await pen.sides() == {B: "SENT", C: "REMOVED"}


@at_b(B)
async def test_where_a_change_is_missing_the_requester_is_taken_at_its_word(pen: Pen) -> None:
    change = pen.members((A, B, C), added=(C,))
    heard = pen.write(A, MessageType.WITHDRAWAL, {})
    assert await pen.bring(heard) == "taken"
    assert await pen.sides() == {B: "WITHDRAWN", C: "WITHDRAWN"}
    assert await pen.bring(change) == "taken"
    assert await pen.sides() == {B: "WITHDRAWN", C: "WITHDRAWN"}


def test_a_consultation_of_too_many_is_refused() -> None:
    async def main() -> None:
        async with town(B) as nodes:
            others = names(B, *(f"x-{number}" for number in range(19)))
            pen = Pen(nodes, letter_record(recipients=others))
            assert await pen.bring(pen.opening) is ReasonCode.BAD_FIELD

    run_virtual(main())


def test_a_record_about_an_opening_that_comes_by_another_lane_waits_for_it() -> None:
    async def main() -> None:
        async with town(B) as nodes:
            pen = Pen(nodes, letter_record(recipients=names(B, C)))
            pen.ends[A] = (1, Letter(pen.opening).digest)
            early = pen.write(C, MessageType.ACK, ACK)
            assert await pen.bring(early) == "waits"
            await asyncio.sleep(PATIENCE_SECONDS * 10)
            assert await pen.bring(pen.opening) == "taken"
            await asyncio.sleep(1)
            assert await pen.sides() == {B: "SENT", C: "ACKNOWLEDGED"}

    run_virtual(main())
