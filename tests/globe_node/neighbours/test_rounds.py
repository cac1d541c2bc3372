# SPDX-License-Identifier: Apache-2.0
"""Greeting neighbours: what is learnt, what is told, and that nobody is hammered."""

import asyncio
from dataclasses import replace

from globe_node.delivery.link import Answer, Operation
from globe_node.neighbours.greeting import parse_greeting
from protocol.directory.statements import PutContact
from protocol.errors import ReasonCode
from protocol.identifiers import AuthorityId
from tests.simulation.loop import run_virtual
from tests.support.clock import START
from tests.support.delivery import identity_of
from tests.support.directory import sample_contact, updated
from tests.support.lines import Request
from tests.support.nodes import A, B, C, Town, in_town, town


def greetings(nodes: Town, source: str) -> int:
    """How many greetings a node has sent."""
    return sum(
        request.source == source and request.operation is Operation.GREETING
        for request in nodes.exchange.requests
    )


@in_town
async def test_neighbours_are_greeted_in_turn_and_seldom(town: Town) -> None:
    await asyncio.sleep(60)
    town.exchange.requests.clear()
    await asyncio.sleep(3600)
    assert 60 <= greetings(town, A) <= 400
    known = town.nodes[A].rounds.acquaintances()[AuthorityId(B)]
    assert (known.same_view, known.failure, round(known.skew_seconds)) == (True, None, 0)


@in_town
async def test_a_neighbour_that_is_away_is_noted_and_costs_little(town: Town) -> None:
    await town.stop(B)
    town.exchange.requests.clear()
    await asyncio.sleep(3600)
    assert town.nodes[A].rounds.acquaintances()[AuthorityId(B)].failure is ReasonCode.PEER_UNREACHABLE
    assert greetings(town, A) <= 400


def test_a_change_is_told_at_once_and_everybody_agrees() -> None:
    async def main() -> None:
        async with town(A, B, C) as nodes:
            await asyncio.sleep(60)
            change = PutContact(contact=sample_contact("second"))
            statement = updated(nodes.network.state, A, change, issued=START)
            await nodes.nodes[A].register.admit([statement], source="own")
            await asyncio.sleep(5)
            views = {nodes.nodes[name].register.state.view for name in (A, B, C)}
            assert len(views) == 1
            assert next(iter(views)).size == len(nodes.network.statements) + 1

    run_virtual(main())


@in_town
async def test_a_peer_that_lies_about_its_directory_costs_one_meeting_a_greeting(town: Town) -> None:
    await asyncio.sleep(60)
    genuine = town.exchange.handlers[B]

    async def lie(asked: Request) -> Answer | None:
        if asked.to != B or asked.operation is not Operation.GREETING:
            return None
        town.exchange.intercept = None
        answer = await genuine.handle(identity_of(asked.source), asked.operation, asked.body)
        town.exchange.intercept = lie
        greeting = parse_greeting(answer.body, identity_of(B))
        assert greeting.view is not None
        return Answer(None, replace(greeting, view=replace(greeting.view, size=999)).to_bytes())

    town.exchange.intercept = lie
    town.exchange.requests.clear()
    await asyncio.sleep(600)
    meetings = [
        request
        for request in town.exchange.requests
        if request.source == A and request.operation is Operation.STATEMENTS
    ]
    assert 1 <= len(meetings) <= greetings(town, A)


@in_town
async def test_a_clock_that_is_off_is_seen(town: Town) -> None:
    await asyncio.sleep(60)
    body = town.nodes[B].rounds.own_greeting().to_bytes()
    late = replace(parse_greeting(body, identity_of(B)), time=START)
    await town.nodes[A].rounds.greeting(identity_of(B), late.to_bytes())
    assert town.nodes[A].rounds.acquaintances()[AuthorityId(B)].skew_seconds <= -60
