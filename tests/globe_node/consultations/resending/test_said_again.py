# SPDX-License-Identifier: Apache-2.0
"""What a node takes of records that are said again, and when; the sender is in the hands of the test."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import replace
from datetime import timedelta
from typing import Any

from globe_node.store.driver import driver_of
from protocol.audit.events import EventKind
from protocol.codes.message_types import MessageType
from protocol.errors import ReasonCode
from protocol.groups.sealed import resent_message
from protocol.identifiers import AuthorityId, RecordId
from protocol.record import Record, record_hash
from tests.simulation.loop import run_virtual
from tests.support.hostile import RECEIVED, Hostile, rejected
from tests.support.nodes import A, B, C, Town, town

REFUSED = ReasonCode.REFUSED
ACK: dict[str, Any] = {"handler": {"office": "x"}, "update_every_days": 5}


class Speaker:
    """A, which asked B and others, and says again what was said; B's node runs."""

    def __init__(self, nodes: Town, *others: str) -> None:
        self.nodes = nodes
        self.a, self.b = Hostile(nodes, A), Hostile(nodes, B)
        self.asked = (B, *others)
        self.opening = self.a.record(*self.asked)

    async def open(self) -> None:
        assert await self.a.post(self.a.envelope(self.opening)) == [RECEIVED]

    def of_b(self, **changes: Any) -> Record:
        """An acknowledgement of B's node, of another life of it."""
        record = self.b.record(
            A,
            *self.asked[1:],
            type=MessageType.ACK,
            consultation=self.opening.consultation,
            body=ACK,
            in_reply_to=self.opening.record_id,
            seen={AuthorityId(A): record_hash(self.opening.to_bytes())},
        )
        return replace(record, **changes)

    async def say_again(
        self,
        record: Record,
        by: Hostile,
        *,
        sender: Hostile | None = None,
        frame: dict[str, int] | None = None,
    ) -> Any:
        """Seal a record as one that was said before, signed by `by`, and bring it to B."""
        carrier = sender or self.a
        framed = carrier.frame(record, **(frame or {}))
        octets = resent_message(by.signed(record))
        sealed = self.nodes.hands.seal(octets, framed, self.asked, record)
        (verdict,) = await carrier.post(sealed)
        return verdict

    async def returned_now(self) -> None:
        """Let B have come back into the group at this moment."""

        def note(tx: Any) -> None:
            driver = driver_of(tx)
            (group_id,) = driver.execute(
                "SELECT group_id FROM group_link WHERE consultation = ?", (self.opening.consultation,)
            ).fetchone()
            now_ms = self.nodes.nodes[B].office.now_ms()
            driver.execute("INSERT INTO group_return VALUES (?, 9, ?, 'main', ?)", (group_id, B, now_ms))

        await self.nodes.nodes[B].parts.store.write(note)

    async def records(self) -> list[tuple[str, bool]]:
        view = await self.nodes.show(B, self.opening.consultation)
        return [(one.message_type, one.ours) for one in view.records]


Test = Callable[[Speaker], Awaitable[None]]


def spoken(*others: str) -> Callable[[Test], Callable[[], None]]:
    """Run a test with B's node, which A has asked, and perhaps others."""

    def decorate(test: Test) -> Callable[[], None]:
        def run() -> None:
            async def main() -> None:
                async with town(B) as nodes:
                    speaker = Speaker(nodes, *others)
                    await speaker.open()
                    await test(speaker)

            run_virtual(main())

        run.__name__ = test.__name__
        return run

    return decorate


@spoken()
async def test_what_is_here_is_receipted_and_nothing_more(speaker: Speaker) -> None:
    before = len(await speaker.nodes.entries(B, EventKind.OPENED))
    assert await speaker.say_again(speaker.opening, speaker.a) == RECEIVED
    assert await speaker.records() == [("CONSULT_REQUEST", False)]
    assert len(await speaker.nodes.entries(B, EventKind.OPENED)) == before


@spoken()
async def test_a_record_of_our_own_of_another_life_is_ours_again(speaker: Speaker) -> None:
    assert await speaker.say_again(speaker.of_b(), speaker.b) == RECEIVED
    assert await speaker.records() == [("CONSULT_REQUEST", False), ("ACK", True)]
    *_, event = await speaker.nodes.entries(B, EventKind.OPENED)
    assert (event.peer, event.result) == (A, "returned")


@spoken()
async def test_there_is_no_record_of_this_life_that_we_do_not_have(speaker: Speaker) -> None:
    author = replace(speaker.b.author(), incarnation=speaker.nodes.nodes[B].parts.incarnation)
    assert await speaker.say_again(speaker.of_b(author=author), speaker.b) == rejected(REFUSED)
    assert await speaker.records() == [("CONSULT_REQUEST", False)]


@spoken()
async def test_a_record_of_our_own_is_ours_by_its_signature(speaker: Speaker) -> None:
    assert await speaker.say_again(speaker.of_b(), speaker.a) == rejected(REFUSED)


@spoken(C)
async def test_nobody_gives_back_what_was_not_for_him(speaker: Speaker) -> None:
    record = speaker.of_b(recipients=(AuthorityId(C),))
    assert await speaker.say_again(record, speaker.b) == rejected(REFUSED)


@spoken(C)
async def test_nobody_says_again_what_a_third_has_said(speaker: Speaker) -> None:
    third = Hostile(speaker.nodes, C)
    record = replace(speaker.of_b(), author=third.author(), recipients=(AuthorityId(A), AuthorityId(B)))
    record = replace(record, record_id=RecordId(third.id()))
    assert await speaker.say_again(record, third) == rejected(REFUSED)
    assert await speaker.say_again(record, third, sender=third) == RECEIVED


@spoken()
async def test_a_frame_from_before_the_record_is_refused(speaker: Speaker) -> None:
    record = speaker.of_b()
    early = int((record.created - timedelta(seconds=1)).timestamp() * 1000)
    verdict = await speaker.say_again(record, speaker.b, frame={"created_ms": early})
    assert verdict == rejected(ReasonCode.BAD_FIELD)


@spoken()
async def test_what_has_expired_is_taken_only_by_who_may_have_had_it(speaker: Speaker) -> None:
    made = speaker.a.now
    short = [
        speaker.of_b(expires=made + timedelta(seconds=60), record_id=RecordId(speaker.b.id())),
        speaker.of_b(expires=made + timedelta(seconds=60), record_id=RecordId(speaker.b.id())),
    ]
    await asyncio.sleep(100)
    late = {"created_ms": int(speaker.a.now.timestamp() * 1000)}
    late["expires_ms"] = late["created_ms"] + 86_400_000
    assert await speaker.say_again(short[0], speaker.b, frame=late) == rejected(ReasonCode.EXPIRED)
    await speaker.returned_now()
    assert await speaker.say_again(short[1], speaker.b, frame=late) == RECEIVED
    after = speaker.of_b(expires=speaker.a.now + timedelta(seconds=60), author_seq=2, prev="0" * 64)
    await asyncio.sleep(100)
    late = {"created_ms": int(speaker.a.now.timestamp() * 1000)}
    late["expires_ms"] = late["created_ms"] + 86_400_000
    assert await speaker.say_again(after, speaker.b, frame=late) == rejected(ReasonCode.EXPIRED)


@spoken()
async def test_what_is_here_is_receipted_after_its_time_too(speaker: Speaker) -> None:
    record = speaker.of_b(expires=speaker.a.now + timedelta(seconds=60))
    assert await speaker.say_again(record, speaker.b) == RECEIVED
    await asyncio.sleep(100)
    late = {"created_ms": int(speaker.a.now.timestamp() * 1000)}
    late["expires_ms"] = late["created_ms"] + 86_400_000
    assert await speaker.say_again(record, speaker.b, frame=late) == RECEIVED


@spoken()
async def test_what_could_not_follow_waits_for_what_comes_before_it(
    speaker: Speaker,
) -> None:
    """The clarification of A comes before the question of B that it answers."""
    question = speaker.of_b(
        type=MessageType.CLARIFICATION_REQUEST, body={"questions": [{"id": "q1", "text": "Which year?"}]}
    )
    explained = replace(
        speaker.opening,
        type=MessageType.CLARIFICATION,
        record_id=RecordId(speaker.a.id()),
        author_seq=2,
        prev=record_hash(speaker.opening.to_bytes()),
        in_reply_to=question.record_id,
        body={"answers": [{"question": "q1", "text": "2019."}]},
    )
    assert (await speaker.say_again(explained, speaker.a)).status == "pending"
    assert await speaker.say_again(question, speaker.b) == RECEIVED
    await asyncio.sleep(1)
    assert await speaker.records() == [
        ("CONSULT_REQUEST", False),
        ("CLARIFICATION_REQUEST", True),
        ("CLARIFICATION", False),
    ]
    view = await speaker.nodes.show(B, speaker.opening.consultation)
    assert view.sides[AuthorityId(B)] == "IN_PROGRESS"


@spoken()
async def test_what_never_could_follow_is_taken_in_the_end_and_moves_nothing(speaker: Speaker) -> None:
    lonely = replace(
        speaker.opening,
        type=MessageType.CLARIFICATION,
        record_id=RecordId(speaker.a.id()),
        author_seq=2,
        prev=record_hash(speaker.opening.to_bytes()),
        in_reply_to=speaker.of_b().record_id,
        body={"answers": [{"question": "q1", "text": "2019."}]},
    )
    before = await speaker.nodes.show(B, speaker.opening.consultation)
    assert (await speaker.say_again(lonely, speaker.a)).status == "pending"
    await asyncio.sleep(2_000)
    view = await speaker.nodes.show(B, speaker.opening.consultation)
    assert [one.message_type for one in view.records] == ["CONSULT_REQUEST", "CLARIFICATION"]
    assert view.sides == before.sides
