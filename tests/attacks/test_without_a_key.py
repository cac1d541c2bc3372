# SPDX-License-Identifier: Apache-2.0
"""A node without a key in use can sign nothing: it decides nothing, tells nobody why, and stays alive."""

import asyncio
from collections.abc import Callable
from datetime import timedelta

from globe_node.delivery import inbox
from globe_node.faults import NoFaults
from protocol.directory.replay import DirectoryState
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


class LosesItsKey(NoFaults):
    """The directory drops the node's key within a batch, and that batch fails for another reason."""

    def __init__(self, drop: Callable[[], None]) -> None:
        self._drop: Callable[[], None] | None = drop

    def point(self, name: str) -> None:
        if name == "consultations.intake.examined" and self._drop is not None:
            drop, self._drop = self._drop, None
            drop()
            raise RuntimeError("a fault of our own")


def test_an_envelope_is_not_to_blame_for_our_key() -> None:
    async def main() -> None:
        async with town(A) as nodes:
            nodes.databases[B] = memory_database()
            without = updated(nodes.network.state, B, RetireKey(key=certified_node_keys(B).signing.key_id))

            def drop() -> None:
                register = nodes.nodes[B].register
                kept.append(register.state)
                register._state = register.state.apply(without)

            kept: list[DirectoryState] = []
            nodes.faults[B] = LosesItsKey(drop)
            await nodes.start(B)
            peer = Hostile(nodes, C)
            assert await peer.post(peer.envelope()) == [Verdict("pending")]
            tries = await nodes.look(
                B, lambda tx: [one.tries for one in inbox.take_due(tx, 10**14, limit=9, max_bytes=10**9)]
            )
            assert tries == [0]
            nodes.nodes[B].register._state = kept[0]
            nodes.nodes[B].intake.wake()
            await asyncio.sleep(1)
            assert await nodes.held(B) == 0
            assert len(await nodes.opened(B)) == 1

    run_virtual(main())
