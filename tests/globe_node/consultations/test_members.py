# SPDX-License-Identifier: Apache-2.0
"""Authorities that join and leave a running consultation: what each member sees, and who is heard."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from globe_node.consultations.drafting.drafts import Draft, DraftAttachment, Submitted
from globe_node.consultations.drafting.membership import Change, draft_of
from globe_node.errors import NodeError, NotPermittedError
from globe_node.store.driver import driver_of
from protocol import limits
from protocol.codes.message_types import MessageType
from protocol.envelope import EnvelopeClass
from protocol.errors import LocalProtocolError, ReasonCode
from protocol.identifiers import AuthorityId
from tests.simulation.loop import run_virtual
from tests.support.bodies import lean_request
from tests.support.nodes import A, B, C, Town, reply, request, town

ANSWER = {"final": True, "items": [{"item": "h1", "result": "NOT_FOUND"}]}
ACK = {"handler": {"office": "x"}, "update_every_days": 5}


def in_three(test: Callable[[Town], Awaitable[None]]) -> Callable[[], None]:
    """Run a test with nodes A, B and C, in virtual time."""

    def run() -> None:
        async def main() -> None:
            async with town(A, B, C) as nodes:
                await test(nodes)

        run_virtual(main())

    run.__name__ = test.__name__
    return run


async def draft_change(nodes: Town, sent: Submitted, by: str = A, **changes: Any) -> Draft:
    added, removed = (tuple(map(AuthorityId, changes.pop(key, ()))) for key in ("added", "removed"))
    change = Change(sent.consultation, added, removed, "The account is kept there.", **changes)
    storage = nodes.nodes[by].parts.node_keys.storage
    return await nodes.look(by, lambda tx: draft_of(tx, storage, AuthorityId(by), change))


async def changed(nodes: Town, sent: Submitted, **changes: Any) -> Submitted:
    done = await nodes.nodes[A].desk.submit(await draft_change(nodes, sent, **changes))
    await asyncio.sleep(2)
    return done


async def asked(nodes: Town, *to: str, **changes: Any) -> Submitted:
    sent = await nodes.nodes[A].desk.submit(request(*to, **changes))
    await asyncio.sleep(2)
    return sent


async def say(nodes: Town, by: str, sent: Submitted, kind: MessageType, body: dict[str, Any]) -> Submitted:
    done = await nodes.nodes[by].desk.submit(reply(sent, kind, body))
    await asyncio.sleep(2)
    return done


async def sides(nodes: Town, name: str, sent: Submitted) -> dict[str, str]:
    return {str(side): state for side, state in (await nodes.show(name, sent.consultation)).sides.items()}


async def types(nodes: Town, name: str, sent: Submitted) -> list[str]:
    return [record.message_type for record in (await nodes.show(name, sent.consultation)).records]


@in_three
async def test_who_is_added_gets_an_invitation_and_the_others_the_commit(town: Town) -> None:
    sent = await asked(town, B)
    await changed(town, sent, added=[C])
    sql = f"SELECT peer, state FROM outbox WHERE envelope_class = {EnvelopeClass.COMMIT.value}"
    commits = await town.look(A, lambda tx: driver_of(tx).execute(sql).fetchall())
    assert commits == [(B, "received")]


@in_three
async def test_a_change_lives_as_long_as_its_commit(town: Town) -> None:
    sent = await asked(town, B)
    assert (await draft_change(town, sent, added=[C])).deadline_seconds == limits.MAX_LIFETIME_SECONDS
    assert (await draft_change(town, sent, added=[C], deadline_seconds=60)).deadline_seconds == 60


@in_three
async def test_who_is_added_begins_there_and_sees_nothing_from_before(town: Town) -> None:
    contract = DraftAttachment("a1", "contract.txt", "text/plain", "en", b"sample contract")
    facts = {"text": "A road contract.", "language": "en", "attachments": ["a1"]}
    sent = await asked(town, B, facts=facts, attachments=(contract,), handling=("H1",))
    await say(town, B, sent, MessageType.ACK, ACK)
    await say(town, B, sent, MessageType.ANSWER, ANSWER)
    added = await changed(town, sent, added=[C])
    assert added.recipients == (B, C)
    assert await types(town, C, sent) == ["MEMBERS"]
    joined = await town.show(C, sent.consultation)
    assert (joined.summary.state, joined.members, joined.requester) == ("SENT", (A, B, C), A)
    assert joined.added_at == joined.records[0].created_at
    assert joined.records[0].missing_before == 0
    assert joined.summary.subject == (await town.show(A, sent.consultation)).summary.subject
    reading = await town.nodes[C].reading.open(added.record_id, justification="CASE_WORK")
    content = reading.signed.content
    assert content.body["request"] == lean_request(facts=facts)
    assert reading.signed.attachments == (b"sample contract",)
    assert content.handling == ("H1",)
    for name in (A, B):
        assert await sides(town, name, sent) == {B: "ANSWERED", C: "SENT"}
        assert (await town.show(name, sent.consultation)).added_at is None
    answered = await say(town, C, sent, MessageType.ANSWER, ANSWER)
    assert answered.recipients == (A, B)
    for name in (A, B, C):
        assert (await sides(town, name, sent))[C] == "ANSWERED"
        assert (await town.show(name, sent.consultation)).records[-1].author == C
    await say(town, A, sent, MessageType.CLOSE, {})
    assert await types(town, C, sent) == ["MEMBERS", "ANSWER", "CLOSE"]
    for name in (A, B, C):
        assert await sides(town, name, sent) == {B: "CLOSED", C: "CLOSED"}


@in_three
async def test_who_is_added_may_be_asked_something_else_and_answers_that(town: Town) -> None:
    sent = await asked(town, B)
    other = Draft(
        MessageType.CONSULT_REQUEST, lean_request(title="another", help_items=[{**item(), "id": "h7"}])
    )
    await changed(town, sent, added=[C], request=other)
    assert (await town.show(C, sent.consultation)).summary.subject == "another"
    with pytest.raises(LocalProtocolError) as caught:
        await say(town, C, sent, MessageType.ANSWER, ANSWER)
    assert caught.value.code is ReasonCode.BAD_FIELD
    seventh = {"final": True, "items": [{"item": "h7", "result": "NOT_FOUND"}]}
    await say(town, C, sent, MessageType.ANSWER, seventh)
    await say(town, B, sent, MessageType.ANSWER, ANSWER)
    for name in (A, B):
        assert await sides(town, name, sent) == {B: "ANSWERED", C: "ANSWERED"}
    assert len(await types(town, C, sent)) == 3


def item() -> dict[str, Any]:
    return dict(lean_request()["help_items"][0])


@in_three
async def test_who_is_removed_is_told_and_hears_nothing_more(town: Town) -> None:
    sent = await asked(town, B, C)
    removed = await changed(town, sent, removed=[C])
    assert removed.recipients == (B, C)
    await say(town, B, sent, MessageType.ANSWER, ANSWER)
    for name in (A, B):
        assert await sides(town, name, sent) == {B: "ANSWERED", C: "REMOVED"}
    left = await town.show(C, sent.consultation)
    assert (left.summary.state, left.moves, left.members) == ("REMOVED", (), (A, B))
    assert await types(town, C, sent) == ["CONSULT_REQUEST", "MEMBERS"]
    with pytest.raises(LocalProtocolError, match="stands at REMOVED"):
        await say(town, C, sent, MessageType.ANSWER, ANSWER)
    await say(town, A, sent, MessageType.CLOSE, {})
    assert (await town.show(A, sent.consultation)).summary.state == "CLOSED"


@in_three
async def test_who_was_removed_does_not_come_back(town: Town) -> None:
    sent = await asked(town, B, C)
    await changed(town, sent, removed=[C])
    with pytest.raises(LocalProtocolError, match="does not come back") as caught:
        await changed(town, sent, added=[C])
    assert caught.value.code is ReasonCode.ILLEGAL_MOVE


@pytest.mark.parametrize(
    ("names", "says", "code"),
    [
        ({"added": [B]}, "xb-ibu is a member already", ReasonCode.BAD_FIELD),
        ({"removed": [C]}, "xc-aco is no member", ReasonCode.BAD_FIELD),
        ({"removed": [B]}, "a consultation has 2 to 20 members", ReasonCode.BAD_FIELD),
        ({"added": [C], "removed": [A]}, "the requester stays", ReasonCode.BAD_FIELD),
        ({"added": ["xz-nobody"]}, "not in the directory", ReasonCode.UNKNOWN_AUTHORITY),
        ({}, "somebody is added or removed", ReasonCode.BAD_FIELD),
    ],
)
def test_a_change_that_can_not_be_is_refused_and_leaves_nothing(
    names: dict[str, Any], says: str, code: ReasonCode
) -> None:
    async def main() -> None:
        async with town(A, B) as nodes:
            sent = await asked(nodes, B)
            (outcome,) = await nodes.nodes[A].desk.submit_many([await draft_change(nodes, sent, **names)])
            assert isinstance(outcome, LocalProtocolError | NodeError)
            assert says in str(outcome)
            assert outcome.code is code
            assert await types(nodes, A, sent) == ["CONSULT_REQUEST"]

    run_virtual(main())


@in_three
async def test_only_the_requester_changes_the_members(town: Town) -> None:
    sent = await asked(town, B)
    with pytest.raises(NotPermittedError, match="only the authority that opened") as caught:
        await draft_change(town, sent, by=B, added=[C])
    assert caught.value.code is ReasonCode.ILLEGAL_MOVE


@in_three
async def test_two_changes_at_once_are_not_both_taken(town: Town) -> None:
    sent = await asked(town, B)
    first = await draft_change(town, sent, added=[C])
    second = await draft_change(town, sent, added=[C], removed=[B])
    outcomes = await town.nodes[A].desk.submit_many([first, second])
    assert isinstance(outcomes[0], Submitted)
    assert isinstance(outcomes[1], LocalProtocolError)
    again = await draft_change(town, sent, removed=[C])
    await changed(town, sent, removed=[B])
    with pytest.raises(LocalProtocolError, match="others by now") as caught:
        await town.nodes[A].desk.submit(again)
    assert caught.value.code is ReasonCode.ILLEGAL_MOVE


@in_three
async def test_the_members_of_a_consultation_that_is_over_stay(town: Town) -> None:
    sent = await asked(town, B)
    await say(town, A, sent, MessageType.WITHDRAWAL, {})
    with pytest.raises(LocalProtocolError, match="stands at WITHDRAWN"):
        await changed(town, sent, added=[C])


@in_three
async def test_a_repeat_with_the_same_key_changes_nothing_more(town: Town) -> None:
    sent = await asked(town, B)
    first = await changed(town, sent, added=[C], idempotency_key="k")
    again = await changed(town, sent, added=[C], idempotency_key="k")
    assert (again.record_id, again.repeated) == (first.record_id, True)
