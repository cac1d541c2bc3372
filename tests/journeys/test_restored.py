# SPDX-License-Identifier: Apache-2.0
"""A node comes back from yesterday's backup: in its groups again, with everything that it had receipted."""

import asyncio
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from globe_node.consultations import records
from globe_node.consultations.drafting.drafts import DraftAttachment, Submitted
from globe_node.consultations.drafting.membership import Change, draft_of
from globe_node.delivery.link import Answer, Operation
from globe_node.errors import PeerUnreachableError
from globe_node.groups.keeping import leave_out_secrets
from globe_node.groups.links import GroupStatus
from globe_node.groups.packages import records as package_records
from protocol.audit.events import EventKind
from protocol.codes.message_types import MessageType
from protocol.consultations.table import State
from protocol.errors import ReasonCode
from protocol.identifiers import AuthorityId, ConsultationId, RecordId
from protocol.mls import commits, sending
from protocol.mls.secret_tree import MessageKey, SecretTree, next_key
from tests.simulation.loop import run_virtual
from tests.support.backups import Homes, verify_log
from tests.support.bodies import LEAN, OFFICE
from tests.support.lines import Request
from tests.support.nodes import A, B, C, Town, in_town, reply, request, stages, town

ACK = {"handler": OFFICE, "update_every_days": 5}
QUESTION = {"questions": [{"id": "q1", "text": "Which year?"}]}
EXPLAINED = {"answers": [{"question": "q1", "text": "2019."}]}
ANSWER = {"final": True, "items": [{"item": "h1", "result": "NOT_FOUND"}]}
FILE = DraftAttachment("a1", "extract.bin", "application/octet-stream", "", bytes(range(256)) * 8)


@in_town
async def test_a_restored_node_goes_on_with_its_consultation(town: Town) -> None:
    asked = await town.nodes[A].desk.submit(request(B))
    await asyncio.sleep(60)
    await town.nodes[B].member._bench.store.write(leave_out_secrets)
    await town.kill(B)
    await town.start(B)
    await asyncio.sleep(300)
    assert len((await town.show(B, asked.consultation)).records) == 1
    await town.nodes[B].desk.submit(reply(asked, MessageType.ACK, ACK))
    await asyncio.sleep(300)
    assert len((await town.show(A, asked.consultation)).records) == 2


def test_who_is_removed_after_it_lost_the_group_learns_that_it_has_left() -> None:
    """The record that says so was sealed for a group that it can't read any more."""

    async def main() -> None:
        async with town(A, B, C) as nodes:
            asked = await nodes.nodes[A].desk.submit(request(B, C))
            await asyncio.sleep(30)
            await lose(nodes, B)
            change = Change(asked.consultation, (), (AuthorityId(B),), "It knows less.")
            storage = nodes.nodes[A].parts.node_keys.storage
            draft = await nodes.look(A, lambda tx: draft_of(tx, storage, AuthorityId(A), change))
            await nodes.nodes[A].desk.submit(draft)
            await asyncio.sleep(20)
            await nodes.start(B)
            await asyncio.sleep(600)
            group = (await nodes.show(B, asked.consultation)).summary.group
            assert group is not None
            assert group.status is GroupStatus.LEFT
            *_, change_seen = (await nodes.show(A, asked.consultation)).records
            to_b = [one for one in change_seen.evidence if one.authority == B]
            assert [one.reason for one in to_b if one.stage == "rejected"] == [ReasonCode.KEY_GONE]

    run_virtual(main())


@in_town
async def test_who_lost_what_it_was_asked_is_asked_once_more(town: Town) -> None:
    """B has lost its group, is back, and asks; A loses it as well before that comes, and is back."""
    asked = await town.nodes[A].desk.submit(request(B))
    await asyncio.sleep(30)
    await lose(town, B)
    await town.nodes[A].desk.submit(reply(asked, MessageType.WITHDRAWAL, LEAN[MessageType.WITHDRAWAL]))
    await asyncio.sleep(5)
    town.exchange.intercept = no_envelopes_of_b
    await town.start(B)
    await asyncio.sleep(20)
    assert len((await town.show(B, asked.consultation)).records) == 1
    await lose(town, A)
    town.exchange.intercept = None
    await town.start(A)
    await asyncio.sleep(2_000)
    assert len((await town.show(B, asked.consultation)).records) == 2


async def lose(town: Town, name: str) -> None:
    """End a node, and take the secrets of its groups."""
    await town.nodes[name].parts.store.write(leave_out_secrets)
    await town.kill(name)


async def no_envelopes_of_b(request: Request) -> Answer | None:
    if request.source == B and request.operation is Operation.ENVELOPES:
        raise PeerUnreachableError("cut")
    return None


@pytest.fixture
def used_keys(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[MessageKey]]:
    """Every key with which a message or a commit is sealed, whoever seals it."""
    used: list[MessageKey] = []

    def watched(*args: Any) -> tuple[SecretTree, int, MessageKey]:
        found = next_key(*args)
        used.append(found[2])
        return found

    for module in (sending, commits):
        monkeypatch.setattr(module, "next_key", watched)
    yield used
    assert len({one.key for one in used}) == len(used)
    assert len({one.nonce for one in used}) == len(used)
    assert len(used) > 10


class Story:
    """What is said in one consultation."""

    def __init__(self, nodes: Town, asked: Submitted) -> None:
        self.nodes = nodes
        self.asked = asked

    async def say(self, by: str, kind: MessageType, body: dict[str, Any], **changes: Any) -> None:
        await self.nodes.nodes[by].desk.submit(reply(self.asked, kind, body, **changes))
        await asyncio.sleep(20)


async def archive(nodes: Town, name: str, consultation: ConsultationId) -> dict[RecordId, bytes]:
    """What a node holds of a consultation, octet for octet."""
    rows = await nodes.look(name, lambda tx: records.records_of(tx, consultation))
    open_record: Callable[[RecordId, bytes], bytes] = nodes.nodes[name].office.open_record
    return {row.record_id: open_record(row.record_id, row.application_data) for row in rows}


async def require_whole_log(nodes: Town, name: str) -> None:
    life = nodes.nodes[name].parts.incarnation
    await nodes.look(name, lambda tx: verify_log(name, life, tx))


def test_every_receipted_message_is_back_and_no_key_was_used_twice(
    tmp_path: Path, used_keys: list[MessageKey]
) -> None:
    async def main() -> None:
        async with town(A, C) as nodes:
            homes = Homes(nodes, tmp_path)
            await homes.settle(B)
            await nodes.acquaint()
            story = Story(nodes, await nodes.nodes[A].desk.submit(request(B, C)))
            await asyncio.sleep(20)
            await story.say(B, MessageType.ACK, ACK)
            yesterday = homes.back_up(B)
            await story.say(C, MessageType.ACK, ACK)
            await story.say(B, MessageType.CLARIFICATION_REQUEST, QUESTION)
            await story.say(A, MessageType.CLARIFICATION, EXPLAINED, attachments=(FILE,))
            await story.say(B, MessageType.ANSWER, ANSWER)
            consultation = story.asked.consultation
            had, before = await archive(nodes, B, consultation), await nodes.show(B, consultation)
            assert len(had) == 6

            await homes.end(B)
            await story.say(C, MessageType.ANSWER, ANSWER)
            await homes.restore(B, yesterday)
            assert len(await archive(nodes, B, consultation)) == 2
            await asyncio.sleep(1_000)
            back, after = await archive(nodes, B, consultation), await nodes.show(B, consultation)
            assert back == await archive(nodes, A, consultation)
            assert back.items() > had.items()
            assert after.sides == {**before.sides, AuthorityId(C): State.ANSWERED}
            ours = {one.record_id for one in before.records if one.ours}
            assert {one.record_id for one in after.records if one.ours} == ours
            assert all(one.missing_before == 0 for one in after.records)
            assert [stages(one) for one in after.records if one.ours][-1] == ["submitted", "returned"]

            await require_told(nodes, consultation)
            await story.say(A, MessageType.CLOSE, {})
            last = await archive(nodes, A, consultation)
            for name in (A, B, C):
                assert await archive(nodes, name, consultation) == last
                assert (await nodes.show(name, consultation)).summary.state == State.CLOSED
                assert await nodes.waiting(name) == 0
                await require_whole_log(nodes, name)
                opened = [event.msg for event in await nodes.entries(name, EventKind.OPENED)]
                assert len(opened) == len(set(opened))

    run_virtual(main())


async def require_told(nodes: Town, consultation: ConsultationId) -> None:
    """Everybody was told that B came back, and the author of what B could not read sees what became of it."""
    for name in (A, B, C):
        view = (await nodes.show(name, consultation)).summary.group
        assert view is not None
        assert [one.node for one in view.returned] == [f"{B}/main"]
        (alarm,) = await nodes.entries(name, EventKind.ALARM)
        assert (alarm.peer, alarm.case, alarm.result) == (f"{B}/main", consultation, "returned")
    *_, answer = (await nodes.show(C, consultation)).records
    to_b = [one for one in answer.evidence if one.authority == B]
    assert [one.stage for one in to_b] == ["rejected", "resent", "received"]
    assert to_b[0].reason == ReasonCode.KEY_GONE


def test_what_was_opened_after_the_backup_is_found_again(tmp_path: Path, used_keys: list[MessageKey]) -> None:
    """Consultations of which the backup knows nothing: one of A, one of its own, one that missed it."""

    async def main() -> None:
        async with town(A, C) as nodes:
            homes = Homes(nodes, tmp_path)
            await homes.settle(B)
            await nodes.acquaint()
            yesterday = homes.back_up(B)
            packages = {name: await stock_of(nodes, name) for name in (A, C)}
            asked = Story(nodes, await nodes.nodes[A].desk.submit(request(B, C)))
            await asyncio.sleep(20)
            await asked.say(B, MessageType.ACK, ACK)
            own = Story(nodes, await nodes.nodes[B].desk.submit(request(A, C)))
            await asyncio.sleep(20)
            await own.say(A, MessageType.ACK, ACK)
            await own.say(C, MessageType.ANSWER, ANSWER)
            both = [asked.asked.consultation, own.asked.consultation]
            had = [await archive(nodes, B, one) for one in both]
            assert [len(one) for one in had] == [2, 3]

            await homes.end(B)
            missed = Story(nodes, await nodes.nodes[C].desk.submit(request(B)))
            await asyncio.sleep(20)
            await homes.restore(B, yesterday)
            await asyncio.sleep(1_500)
            assert [await archive(nodes, B, one) for one in both] == had
            for name in (A, C):
                assert not packages[name] & await stock_of(nodes, name)

            await asked.say(B, MessageType.ANSWER, ANSWER)
            await own.say(B, MessageType.WITHDRAWAL, {})
            await missed.say(B, MessageType.ACK, ACK)
            fresh = Story(nodes, await nodes.nodes[C].desk.submit(request(B)))
            await asyncio.sleep(200)
            await fresh.say(B, MessageType.ACK, ACK)
            for story in (asked, own, missed, fresh):
                consultation = story.asked.consultation
                whole = await archive(nodes, C, consultation)
                assert len(whole) >= 2
                assert await archive(nodes, B, consultation) == whole
            for name in (A, B, C):
                assert await nodes.waiting(name) == 0
                await require_whole_log(nodes, name)

    run_virtual(main())


async def stock_of(nodes: Town, name: str) -> set[bytes]:
    """The key packages of B that a node may still use."""
    rows = await nodes.look(name, lambda tx: package_records.peer_packages(tx, AuthorityId(B), unused=True))
    assert rows
    return {row.reference for row in rows}


def test_what_waited_for_keys_in_the_backup_is_said_once(tmp_path: Path, used_keys: list[MessageKey]) -> None:
    """It went out after the backup: the restored node must not found the group anew, nor use the id again."""

    async def main() -> None:
        async with town(A, C) as nodes:
            homes = Homes(nodes, tmp_path)
            await homes.settle(B)
            nodes.exchange.down |= {A, C}
            heard = Story(nodes, await nodes.nodes[B].desk.submit(request(A, C, title="heard")))
            await asyncio.sleep(20)
            yesterday = homes.back_up(B)
            nodes.exchange.down.clear()
            await asyncio.sleep(1_000)
            await heard.say(A, MessageType.ACK, ACK)
            consultation = heard.asked.consultation
            had = await archive(nodes, B, consultation)

            await homes.end(B)
            nodes.exchange.down.add(A)
            await homes.restore(B, yesterday)
            fresh = Story(nodes, await nodes.nodes[B].desk.submit(request(C, title="fresh")))
            await asyncio.sleep(1_000)
            nodes.exchange.down.clear()
            await asyncio.sleep(3_000)
            assert await archive(nodes, B, consultation) == had
            await heard.say(C, MessageType.ACK, ACK)
            await fresh.say(C, MessageType.ACK, ACK)
            for story in (heard, fresh):
                whole = await archive(nodes, C, story.asked.consultation)
                assert await archive(nodes, B, story.asked.consultation) == whole
            (opening, *_) = (await nodes.show(B, consultation)).records
            assert {line.authority for line in opening.evidence if line.stage == "received"} == {A, C}
            for name in (A, B, C):
                assert await nodes.waiting(name) == 0
                assert await nodes.entries(name, EventKind.REJECTED) == []

    run_virtual(main())
