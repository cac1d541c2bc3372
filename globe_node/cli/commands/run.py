# SPDX-License-Identifier: Apache-2.0
"""`globe-node run`: the node itself, in the foreground, until it is told to stop."""

import asyncio
import signal
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import click

from globe_node.cli.invocation import Invocation, pass_invocation, passphrase_option
from globe_node.cli.output import note
from globe_node.cli.process import settle
from globe_node.clock import SystemClock
from globe_node.faults import NoFaults
from globe_node.logs import open_log
from keys import keystore

_EPILOG = """\b
Examples:
  globe-node --home /srv/globe run
  globe-node run --passphrase-file /run/secrets/globe 2>> node.log

The log goes to standard error, one JSON object a line. SIGTERM and Ctrl-C stop the node in order;
what was not delivered yet goes on with the next start."""


@click.command("run", epilog=_EPILOG)
@passphrase_option
@pass_invocation
def command(invocation: Invocation, passphrase_file: Path | None) -> None:
    """Run the node until it is told to stop."""
    settings = invocation.settings()
    passphrase = invocation.passphrase(passphrase_file, of="node keys")
    with ThreadPoolExecutor(1) as beside:  # hashing a passphrase is made slow; the node is loaded meanwhile
        opening = beside.submit(keystore.open_node, invocation.home.node_keys, passphrase)
        from globe_node.service import Place, World, notify, serve  # noqa: PLC0415

        node_keys = opening.result()
    clock = SystemClock()
    log = open_log(sys.stderr, clock.now, level=settings.log_level)
    world = World(clock=clock, entropy=invocation.entropy, faults=NoFaults(), log=log)

    def ready(place: Place) -> None:
        settle()
        log.info("the node is ready", authority=node_keys.authority, port=place.port, socket=place.socket)
        notify("READY=1", invocation.environment)
        if sys.stderr.isatty():
            note(f"{node_keys.authority} is ready: peers on port {place.port}. Stop it with Ctrl-C.")

    async def work() -> None:
        stop = asyncio.Event()
        loop = asyncio.get_running_loop()
        for name in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(name, stop.set)
        await serve(invocation.home, settings, node_keys, world=world, ready=ready, stop=stop)

    try:
        asyncio.run(work())
    except BaseExceptionGroup as failures:
        raise _first_of(failures) from None
    finally:
        notify("STOPPING=1", invocation.environment)
    log.info("the node has stopped", clean=True)


def _first_of(failures: BaseExceptionGroup[BaseException]) -> BaseException:
    first = failures.exceptions[0]
    return _first_of(first) if isinstance(first, BaseExceptionGroup) else first
