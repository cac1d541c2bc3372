# SPDX-License-Identifier: Apache-2.0
"""Whole nodes: a node whose group secrets are gone comes back by itself, over the line."""

import asyncio
from collections.abc import Callable
from functools import partial
from typing import TypeVar

from globe_node.delivery.link import Answer, Operation
from globe_node.errors import PeerUnreachableError
from globe_node.groups import hub, records
from globe_node.groups.book import GroupBook
from globe_node.groups.keeping import leave_out_secrets
from globe_node.groups.known import KnownGroups
from globe_node.groups.lineage import invited
from globe_node.groups.links import GroupStatus, LinkRow
from globe_node.groups.returning.wire import InfoRequest, parse_info_request
from globe_node.store.door import Transaction
from protocol.envelope import EnvelopeClass, Frame, envelope_bytes, parse_envelope
from protocol.identifiers import AuthorityId, EnvelopeId, NodeId, NodeName, uuid7
from tests.support.letters import letter_record
from tests.support.lines import Request
from tests.support.nodes import A, B, Town, in_town

T = TypeVar("T")
OPENING = letter_record(recipients=(B,))


async def at(town: Town, name: str, work: Callable[[GroupBook], T]) -> T:
    bench = town.nodes[name].member._bench

    def act(tx: Transaction) -> T:
        book = GroupBook(bench, KnownGroups(), tx)
        result = work(book)
        book.write()
        return result

    return await bench.store.write(act)


def open_it(book: GroupBook) -> bytes:
    """A founds a group with B; return the envelope of the invitation."""
    link = hub.begin(book, OPENING.consultation, [AuthorityId(A), AuthorityId(B)])
    packages, _missing = hub.find_packages(book, [NodeName(AuthorityId(B), NodeId("main"))])
    invitation = hub.open_group(book, link, OPENING.to_bytes(), packages)[AuthorityId(B)]
    frame = Frame(
        envelope_class=EnvelopeClass.WELCOME,
        sender=book.bench.name,
        routing_id=link.routing_id,
        envelope_id=EnvelopeId(uuid7(book.now_ms, bytes(10)).bytes),
        created_ms=book.now_ms,
        expires_ms=book.now_ms + 86_400_000,
    )
    return envelope_bytes(frame.to_bytes(), invitation.to_bytes())


async def link_at(town: Town, name: str) -> LinkRow:
    found = await town.look(name, lambda tx: records.links_of(tx, [OPENING.consultation]))
    return found[OPENING.consultation]


async def in_group(town: Town) -> None:
    await asyncio.sleep(300)
    envelope = parse_envelope(await at(town, A, open_it))
    await at(town, B, partial(invited.take_invitation, envelope=envelope))


def authenticator(book: GroupBook) -> bytes:
    link = book.link_of(OPENING.consultation)
    assert link is not None
    return book.require_group(link).epoch_authenticator


@in_town
async def test_a_node_without_its_secrets_comes_back_by_itself(town: Town) -> None:
    await in_group(town)
    await town.nodes[B].member._bench.store.write(leave_out_secrets)
    assert (await link_at(town, B)).status is GroupStatus.LOST
    await asyncio.sleep(120)
    links = [await link_at(town, name) for name in (A, B)]
    assert [(link.status, link.epoch) for link in links] == [(GroupStatus.OPEN, 2)] * 2
    assert await at(town, A, authenticator) == await at(town, B, authenticator)


@in_town
async def test_a_member_renews_its_keys_over_the_line(town: Town) -> None:
    await in_group(town)
    assert await town.nodes[B].member.renew(OPENING.consultation)
    assert await at(town, A, authenticator) == await at(town, B, authenticator)


@in_town
async def test_a_hub_that_is_away_is_asked_again_with_pauses(town: Town) -> None:
    async def away(request: Request) -> Answer | None:
        if request.operation is Operation.GROUP_INFO:
            raise PeerUnreachableError("away")
        return None

    await in_group(town)
    town.exchange.intercept = away
    await town.nodes[B].member._bench.store.write(leave_out_secrets)
    await asyncio.sleep(3_600)
    asked = [one for one in town.exchange.requests if one.operation is Operation.GROUP_INFO]
    asked = [one for one in asked if isinstance(parse_info_request(one.body), InfoRequest)]
    assert 4 <= len(asked) <= 30
    assert (await link_at(town, B)).status is GroupStatus.LOST
    town.exchange.intercept = None
    await asyncio.sleep(1_000)
    assert (await link_at(town, B)).status is GroupStatus.OPEN
