# SPDX-License-Identifier: Apache-2.0
"""A node without a key in use can sign nothing: it decides nothing, tells nobody why, and stays alive."""

import asyncio
from datetime import timedelta

from protocol.directory.statements import RetireKey
from protocol.errors import ReasonCode
from tests.simulation.loop import run_virtual
from tests.support.directory import certified_node_keys, updated
from tests.support.hostile import RECEIVED, Hostile, Verdict, refused
from tests.support.nodes import A, B, C, Town, in_town, request, stages, town
from tests.support.store import memory_database


def test_what_comes_before_the_key_is_published_waits_for_it() -> None:
    async def main() -> None:
        async with town(A) as nodes:
            root, *others = nodes.network.statements
            key_of_b = others.pop(3)
            nodes.exchange.down |= {A, B}  # or they would tell each other
            nodes.databases[B] = memory_database()
            await nodes.start(B, [root, *others])
            peer = Hostile(nodes, C)
            register, bare = nodes.nodes[B].register, nodes.nodes[B].register.state
            register._state = nodes.network.state  # for what was agreed on before
            good, late = peer.envelope(), peer.envelope(peer.record(created=peer.now - timedelta(days=20)))
            register._state = bare
            assert await peer.post(good) == [Verdict("pending")]
            assert await peer.post(late) == [refused(ReasonCode.BUSY)]
            await asyncio.sleep(600)
            assert await nodes.held(B) == 1
            await nodes.nodes[B].register.admit([key_of_b], source="own")
            await asyncio.sleep(1)
            assert await nodes.held(B) == 0
            assert await peer.post(good) == [RECEIVED]

    run_virtual(main())


@in_town
async def test_a_message_of_ours_does_not_end_without_evidence(both: Town) -> None:
    both.exchange.down.add(B)
    sent = await both.nodes[A].desk.submit(request(deadline_seconds=60))
    retirement = updated(both.network.state, A, RetireKey(key=certified_node_keys(A).signing.key_id))
    await both.nodes[A].register.admit([retirement], source="own")
    await asyncio.sleep(600)
    assert await both.waiting(A) == 2
    assert stages((await both.show(A, sent.consultation)).records[0]) == ["submitted", "waiting"]
