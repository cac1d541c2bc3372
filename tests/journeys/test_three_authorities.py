# SPDX-License-Identifier: Apache-2.0
"""Three whole nodes and lines that fail: what overtakes on the way finds its place, and all see the same."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

from globe_node.consultations.casefile import CaseView
from globe_node.consultations.drafting.drafts import Submitted
from globe_node.consultations.drafting.membership import Change, draft_of
from globe_node.consultations.export import Exporter
from globe_node.delivery.link import Answer
from protocol.audit.events import EventKind
from protocol.codes.message_types import MessageType
from protocol.errors import ReasonCode
from protocol.evidence.report import Finding
from protocol.evidence.verify import verify_evidence
from protocol.identifiers import AuthorityId
from tests.simulation.loop import run_virtual
from tests.support.lines import Request
from tests.support.nodes import A, B, C, Town, reply, request, stages, town

ACK = {"handler": {"office": "x"}, "update_every_days": 5}
QUESTION = {"questions": [{"id": "q1", "text": "Which year?"}]}
EXPLAINED = {"answers": [{"question": "q1", "text": "2019."}]}
ANSWER = {"final": True, "items": [{"item": "h1", "result": "NOT_FOUND"}]}
LONG = 4_000
"""Longer than the longest pause between two attempts."""


class Story:
    """One consultation between A and some others."""

    def __init__(self, nodes: Town) -> None:
        self.nodes = nodes
        self.cut: set[tuple[str, str]] = set()
        nodes.exchange.intercept = self._intercept
        self.sent: Submitted

    async def _intercept(self, asked: Request) -> Answer | None:
        return Answer(ReasonCode.BUSY, b"") if (asked.source, asked.to) in self.cut else None

    async def ask(self, *to: str) -> None:
        self.sent = await self.nodes.nodes[A].desk.submit(request(*to))
        await asyncio.sleep(5)

    async def say(self, by: str, kind: MessageType, body: dict[str, Any], **changes: Any) -> Submitted:
        done = await self.nodes.nodes[by].desk.submit(reply(self.sent, kind, body, **changes))
        await asyncio.sleep(5)
        return done

    async def change(self, *, added: str = "", removed: str = "") -> None:
        names = [(AuthorityId(name),) if name else () for name in (added, removed)]
        change = Change(self.sent.consultation, names[0], names[1], "It knows more.")
        node = self.nodes.nodes[A]
        storage = node.parts.node_keys.storage
        draft = await self.nodes.look(A, lambda tx: draft_of(tx, storage, AuthorityId(A), change))
        await node.desk.submit(draft)
        await asyncio.sleep(5)

    async def mend(self) -> None:
        """Let all lines work again, and everything find its way."""
        self.cut.clear()
        await asyncio.sleep(LONG)

    async def show(self, name: str) -> CaseView:
        return await self.nodes.show(name, self.sent.consultation)

    async def types(self, name: str) -> list[tuple[str, str]]:
        return [(record.author, record.message_type) for record in (await self.show(name)).records]

    async def sides(self, name: str) -> dict[str, str]:
        return {str(side): state for side, state in (await self.show(name)).sides.items()}

    async def evidence(self, name: str) -> list[str]:
        """Export the evidence of one member, which must hold; return what is noted."""
        exporter = Exporter(self.nodes.nodes[name].office)
        bundle = await exporter.export(self.sent.consultation, with_attachments=True, justification="TEST")
        report = verify_evidence(bundle, self.nodes.network.fingerprint)
        report.require_ok()
        return [check.name for check in report.checks if check.finding is Finding.NOTED]


def told(test: Callable[[Story], Awaitable[None]]) -> Callable[[], None]:
    """Run a story with nodes A, B and C, in virtual time."""

    def run() -> None:
        async def main() -> None:
            async with town(A, B, C) as nodes:
                await test(Story(nodes))

        run_virtual(main())

    run.__name__ = test.__name__
    return run


@told
async def test_an_answer_that_overtakes_the_request_waits_for_it(story: Story) -> None:
    story.cut = {(A, C)}
    await story.ask(B, C)
    await story.say(B, MessageType.CLARIFICATION_REQUEST, QUESTION)
    await story.say(A, MessageType.CLARIFICATION, EXPLAINED)
    await story.say(B, MessageType.ANSWER, ANSWER)
    assert await story.nodes.held(C) == 3  # the word of B that it has joined is one of them
    assert stages((await story.show(B)).records[-1]).count("received") == 1
    await asyncio.sleep(LONG)
    assert await story.nodes.held(C) == 3
    await story.mend()
    assert await story.nodes.held(C) == 0
    for name in (A, B, C):
        assert await story.sides(name) == {B: "ANSWERED", C: "SENT"}
        assert sorted(await story.types(name)) == sorted(await story.types(A))
        assert await story.evidence(name) == []
    assert stages((await story.show(B)).records[-1]).count("received") == 2


@told
async def test_a_clarification_that_overtakes_the_questions_counts_all_the_same(story: Story) -> None:
    await story.ask(B, C)
    story.cut = {(B, C)}
    await story.say(B, MessageType.CLARIFICATION_REQUEST, QUESTION)
    await story.say(A, MessageType.CLARIFICATION, EXPLAINED)
    assert await story.sides(C) == {B: "SENT", C: "SENT"}
    await story.mend()
    for name in (A, B, C):
        assert await story.sides(name) == {B: "IN_PROGRESS", C: "SENT"}


@told
async def test_who_is_added_is_heard_where_that_is_not_known_yet(story: Story) -> None:
    await story.ask(B)
    story.cut = {(A, B)}
    await story.change(added=C)
    await story.say(C, MessageType.ACK, ACK)
    assert await story.sides(A) == {B: "SENT", C: "ACKNOWLEDGED"}
    assert await story.nodes.held(B) == 2  # the word of C that it has joined, and its message
    crossing = await story.say(B, MessageType.ACK, ACK)
    assert crossing.recipients == (A,)
    await story.mend()
    later = await story.say(B, MessageType.ANSWER, ANSWER)
    assert later.recipients == (A, C)
    for name in (A, B):
        assert await story.sides(name) == {B: "ANSWERED", C: "ACKNOWLEDGED"}
        assert await story.evidence(name) == []
    assert await story.types(C) == [(A, "MEMBERS"), (C, "ACK"), (B, "ANSWER")]
    assert [record.missing_before for record in (await story.show(C)).records] == [0, 0, 0]
    assert await story.evidence(C) != []


@told
async def test_who_missed_a_change_of_keys_asks_for_it_and_hears_what_was_said_since(story: Story) -> None:
    await story.ask(B, C)
    story.cut = {(A, C)}
    assert await story.nodes.nodes[B].member.renew(story.sent.consultation)
    await story.say(B, MessageType.ACK, ACK)
    assert await story.nodes.held(C) == 1
    await asyncio.sleep(600)
    assert await story.nodes.held(C) == 0
    assert await story.sides(C) == {B: "ACKNOWLEDGED", C: "SENT"}
    await story.mend()
    for name in (A, B, C):
        assert await story.sides(name) == {B: "ACKNOWLEDGED", C: "SENT"}
        assert await story.evidence(name) == []


@told
async def test_who_is_removed_and_does_not_know_it_is_not_heard(story: Story) -> None:
    await story.ask(B, C)
    story.cut = {(A, C)}
    await story.change(removed=C)
    unheard = await story.say(C, MessageType.ANSWER, ANSWER)
    assert unheard.state == "ANSWERED"
    written = (await story.show(C)).records[-1]
    assert [line.reason for line in written.evidence if line.stage == "rejected"] == ["refused"] * 2
    await story.mend()
    await story.say(B, MessageType.ANSWER, ANSWER)
    await story.say(A, MessageType.CLOSE, {})
    for name in (A, B):
        assert await story.sides(name) == {B: "CLOSED", C: "REMOVED"}
        assert (C, "ANSWER") not in await story.types(name)
        assert await story.evidence(name) == []
    assert (await story.show(C)).summary.state == "REMOVED"
    assert await story.types(C) == [(A, "CONSULT_REQUEST"), (C, "ANSWER"), (A, "MEMBERS")]
    await story.evidence(C)


@told
async def test_a_node_that_dies_in_between_goes_on_with_what_it_knew(story: Story) -> None:
    await story.ask(B)
    await story.nodes.kill(B)
    await story.change(added=C)
    await story.say(C, MessageType.ANSWER, ANSWER)
    await story.nodes.start(B)
    await asyncio.sleep(LONG)
    await story.say(B, MessageType.ANSWER, ANSWER)
    await story.say(A, MessageType.CLOSE, {})
    for name in (A, B, C):
        assert await story.sides(name) == {B: "CLOSED", C: "CLOSED"}
    submitted = await story.nodes.submitted(A)
    assert [event.peer for event in submitted] == [B, B, C, B, C]


@told
async def test_what_is_about_groups_has_the_same_entries_at_both_ends(story: Story) -> None:
    """Invitations, commits and who joined: whoever sent them has said so, with what was opened."""
    await story.ask(B, C)
    await story.nodes.nodes[B].desk.submit(request(A, C))
    await asyncio.sleep(2 * 86_400.0)
    await story.say(B, MessageType.ANSWER, ANSWER)  # keys are renewed before it
    await asyncio.sleep(LONG)
    logs = {
        name: await story.nodes.entries(name, EventKind.SUBMITTED, EventKind.OPENED) for name in (A, B, C)
    }
    about = ("welcome", "commit", "joined")

    def entries(name: str, kind: EventKind, peer: str) -> list[tuple[str, str, str, str]]:
        return sorted(
            (one.result, one.case, one.msg, one.digest)
            for one in logs[name]
            if (one.kind, one.peer) == (kind, peer) and one.result in about
        )

    for sender in logs:
        for receiver in logs.keys() - {sender}:
            sent = entries(sender, EventKind.SUBMITTED, receiver)
            assert sent == entries(receiver, EventKind.OPENED, sender)
    assert {result for result, *_ in entries(A, EventKind.SUBMITTED, C)} == set(about)
