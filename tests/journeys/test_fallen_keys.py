# SPDX-License-Identifier: Apache-2.0
"""A member's keys are taken back: its leaf goes from each group, nothing is said to it, and it comes back."""

import asyncio
from datetime import timedelta

import pytest

from globe_node.directory.publish import key_addition, suspend_authority
from globe_node.groups.links import GroupStatus
from globe_node.groups.views import GroupView
from keys.rotation import rotate_node_key
from protocol.audit.events import EventKind
from protocol.codes.message_types import MessageType
from protocol.directory.statements import CompromisedKey, Suspension, SuspensionReason
from protocol.errors import ReasonCode
from protocol.identifiers import AuthorityId, ConsultationId
from tests.support.bodies import OFFICE
from tests.support.clock import START
from tests.support.directory import admitted, certified_node_keys, officers, updated
from tests.support.entropy import SeededEntropy
from tests.support.groups import CrashAt
from tests.support.identities import authority_root
from tests.support.nodes import A, B, C, Town, among_three, reply, request, stages

ACK = {"handler": OFFICE, "update_every_days": 5}


async def group_at(nodes: Town, name: str, consultation: ConsultationId) -> GroupView:
    found = (await nodes.show(name, consultation)).summary.group
    assert found is not None
    return found


async def changes(nodes: Town, name: str) -> list[tuple[str, str]]:
    """What a hub has written down of its groups."""
    return [(one.peer, one.result) for one in await nodes.entries(name, EventKind.GROUP_CHANGE)]


def fallen(nodes: Town, authority: str) -> bytes:
    """The statement that the key of an authority is compromised."""
    key = certified_node_keys(authority).signing.key_id
    return updated(nodes.network.state, authority, CompromisedKey(key=key, since=START - timedelta(days=1)))


async def give_new_keys(nodes: Town, authority: str) -> None:
    """Restart the node of an authority with new keys, and publish them."""
    first, state = fallen(nodes, authority), nodes.network.state
    new = rotate_node_key(
        authority_root(authority), certified_node_keys(authority), START, SeededEntropy("new keys")
    )
    second = updated(state.apply(first), authority, key_addition(state.network.fingerprint, new))
    await nodes.stop(authority)
    nodes.keys[authority] = new
    node = await nodes.start(authority)
    await node.register.admit([first, second], source="file")


def suspended(nodes: Town, authority: str) -> tuple[bytes, bytes]:
    """The statement that stops exchange with an authority, and the one that lets it go on."""
    state = nodes.network.state
    first = suspend_authority(
        state,
        AuthorityId(authority),
        Suspension(by="officers", reason=SuspensionReason.MISUSE),
        signers=[officers()[0].signing],
        issued=START,
    )
    return first, admitted(state.apply(first), authority)


async def received_by(nodes: Town, name: str, consultation: ConsultationId) -> list[str]:
    """Who has received the last record that a node shows."""
    last = (await nodes.show(name, consultation)).records[-1]
    return sorted(one.authority for one in last.evidence if one.stage == "received")


@among_three
async def test_a_member_whose_keys_fell_is_out_and_comes_back_with_new_ones(nodes: Town) -> None:
    asked = await nodes.nodes[A].desk.submit(request(B, C))
    await asyncio.sleep(60)
    assert (await group_at(nodes, A, asked.consultation)).confirmed
    await nodes.nodes[C].register.admit([fallen(nodes, B)], source="file")
    await nodes.nodes[C].desk.submit(reply(asked, MessageType.ACK, ACK))
    held = (await nodes.show(C, asked.consultation)).records[-1]
    assert {one.reason for one in held.evidence if one.stage == "waiting"} == {ReasonCode.REVOKED_KEY}
    assert (await group_at(nodes, C, asked.consultation)).fallen == (B,)
    await asyncio.sleep(600)
    for name in (A, C):
        view = await group_at(nodes, name, asked.consultation)
        assert (view.members, view.absent, view.fallen) == ((A, B, C), (B,), ())
    assert await changes(nodes, A) == [("xb-ibu/main", "removed refused")]
    assert await received_by(nodes, C, asked.consultation) == [A]
    await give_new_keys(nodes, B)
    await asyncio.sleep(1800)
    assert await changes(nodes, A) == [("xb-ibu/main", "removed refused"), ("xb-ibu/main", "returned")]
    for name in (A, B, C):
        view = await group_at(nodes, name, asked.consultation)
        assert (view.status, view.absent, view.confirmed) == (GroupStatus.OPEN, (), True)
    assert await received_by(nodes, C, asked.consultation) == [A, B]
    await nodes.nodes[B].desk.submit(reply(asked, MessageType.ACK, ACK))
    await asyncio.sleep(60)
    for name in (A, B, C):
        assert len((await nodes.show(name, asked.consultation)).records) == 3


@among_three
async def test_an_authority_that_was_stopped_comes_back_when_it_may(nodes: Town) -> None:
    asked = await nodes.nodes[A].desk.submit(request(B, C))
    await asyncio.sleep(60)
    stop, go_on = suspended(nodes, B)
    await nodes.nodes[A].register.admit([stop], source="file")
    await asyncio.sleep(600)
    assert await changes(nodes, A) == [("xb-ibu/main", "removed refused")]
    await nodes.nodes[C].desk.submit(reply(asked, MessageType.ACK, ACK))
    await asyncio.sleep(60)
    assert await received_by(nodes, C, asked.consultation) == [A]
    await nodes.nodes[A].register.admit([go_on], source="file")
    await asyncio.sleep(1800)
    assert await received_by(nodes, C, asked.consultation) == [A, B]
    assert (await group_at(nodes, B, asked.consultation)).confirmed


@among_three
async def test_a_hub_whose_own_keys_fell_gives_itself_new_ones(nodes: Town) -> None:
    asked = await nodes.nodes[A].desk.submit(request(B, C))
    await asyncio.sleep(60)
    await nodes.nodes[B].register.admit([fallen(nodes, A)], source="file")
    await nodes.nodes[B].desk.submit(reply(asked, MessageType.ACK, ACK))
    await asyncio.sleep(600)
    assert await changes(nodes, A) == []
    assert await received_by(nodes, B, asked.consultation) == []
    await give_new_keys(nodes, A)
    await asyncio.sleep(1800)
    assert await changes(nodes, A) == [("xa-acc/main", "renewed")]
    assert await received_by(nodes, B, asked.consultation) == [A, C]


@pytest.mark.parametrize("where", ["groups.upkeep.before_commit", "groups.upkeep.mended"])
def test_a_hub_that_dies_while_it_removes_a_leaf_ends_what_it_began(where: str) -> None:
    @among_three
    async def story(nodes: Town) -> None:
        asked = await nodes.nodes[A].desk.submit(request(B, C))
        await asyncio.sleep(60)
        await nodes.kill(A)
        nodes.faults[A] = CrashAt(where)
        await nodes.nodes[C].register.admit([fallen(nodes, B)], source="file")
        await nodes.start(A)
        await asyncio.sleep(900)
        with pytest.raises(BaseExceptionGroup):
            await nodes.kill(A)
        await nodes.start(A)
        await asyncio.sleep(900)
        assert await changes(nodes, A) == [("xb-ibu/main", "removed refused")]
        epochs = {(await group_at(nodes, name, asked.consultation)).epoch for name in (A, C)}
        assert epochs == {2}

    story()


@among_three
async def test_of_two_the_one_that_is_left_keeps_what_it_says(nodes: Town) -> None:
    asked = await nodes.nodes[A].desk.submit(request(B))
    await asyncio.sleep(60)
    await nodes.nodes[A].register.admit([fallen(nodes, B)], source="file")
    await asyncio.sleep(600)
    assert await changes(nodes, A) == [("xb-ibu/main", "removed refused")]
    view = await group_at(nodes, A, asked.consultation)
    assert (view.absent, view.epoch) == ((B,), 2)
    await give_new_keys(nodes, B)
    await asyncio.sleep(1800)
    await nodes.nodes[A].desk.submit(reply(asked, MessageType.WITHDRAWAL, {}))
    await asyncio.sleep(60)
    assert stages((await nodes.show(A, asked.consultation)).records[-1])[-1] == "received"
