# SPDX-License-Identifier: Apache-2.0
"""A node that comes back from yesterday's backup is in its groups again, and the consultation goes on."""

import asyncio

from globe_node.groups.keeping import leave_out_secrets
from protocol.codes.message_types import MessageType
from tests.support.bodies import OFFICE
from tests.support.nodes import A, B, Town, in_town, reply, request


@in_town
async def test_a_restored_node_goes_on_with_its_consultation(town: Town) -> None:
    asked = await town.nodes[A].desk.submit(request(B))
    await asyncio.sleep(60)
    await town.nodes[B].member._bench.store.write(leave_out_secrets)
    await town.kill(B)
    await town.start(B)
    await asyncio.sleep(300)
    assert len((await town.show(B, asked.consultation)).records) == 1
    await town.nodes[B].desk.submit(
        reply(asked, MessageType.ACK, {"handler": OFFICE, "update_every_days": 5})
    )
    await asyncio.sleep(300)
    assert len((await town.show(A, asked.consultation)).records) == 2
