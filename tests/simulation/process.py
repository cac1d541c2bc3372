# SPDX-License-Identifier: Apache-2.0
"""`python -m tests.simulation.process FOLDER AUTHORITY PORT STARTED`: one real node, with sample keys.

Files, sockets and TLS are those of `globe-node run`; only the keys come from a seed instead of a keystore,
and the clock runs from the day on which the sample keys were made.
"""

import asyncio
import sys
import time
from datetime import datetime, timedelta
from pathlib import Path

from globe_node.clock import SystemClock
from globe_node.config import DeliverySettings, PeeringSettings, Settings
from globe_node.faults import NoFaults
from globe_node.home import Home
from globe_node.logs import SilentLog
from globe_node.service import World, serve
from keys.entropy import SystemEntropy
from tests.support.clock import START
from tests.support.directory import certified_node_keys

KEY_PACKAGES = 64
"""Each message of the load opens a consultation; more than that many wait for keys only now and then."""


class ContinuedClock(SystemClock):
    """The system's clock, shifted so that it showed the sample day when the loop started."""

    def __init__(self, started: float) -> None:
        self._started = started

    def now(self) -> datetime:
        return START + timedelta(seconds=time.time() - self._started)


async def main(folder: str, authority: str, port: str, started: str) -> None:
    """Run until killed."""
    settings = Settings(
        authority=authority,
        peering=PeeringSettings(
            endpoint=f"https://127.0.0.1:{port}", listen_host="127.0.0.1", listen_port=int(port)
        ),
        delivery=DeliverySettings(key_packages=KEY_PACKAGES),
    )
    world = World(
        clock=ContinuedClock(float(started)), entropy=SystemEntropy(), faults=NoFaults(), log=SilentLog()
    )
    await serve(
        Home(Path(folder)),
        settings,
        certified_node_keys(authority),
        world=world,
        ready=lambda _place: None,
        stop=asyncio.Event(),
    )


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
