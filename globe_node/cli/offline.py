# SPDX-License-Identifier: Apache-2.0
"""Runs a reading operation on the store of a node that does not run. It writes nothing and locks nothing."""

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

from sqlalchemy import Connection

from globe_node.api.operations import Operations
from globe_node.api.rooms import ReadingRooms
from globe_node.audit.log import AuditLog, LogName
from globe_node.audit.vault import DerivedPeriodKeys, Vault
from globe_node.cli.invocation import Invocation
from globe_node.clock import SystemClock
from globe_node.directory.register import Register
from globe_node.errors import StoreError
from globe_node.home import Home
from globe_node.store import driver
from globe_node.store.door import Transaction, read_once
from globe_node.store.instance import InstanceFile
from keys import keystore
from keys.node_keys import NodeKeys
from protocol.canonical import JSONObject

T = TypeVar("T")


class ReadOnlyStore:
    """Implements `Store` for reading, on one connection."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    async def write(self, function: Callable[[Transaction], T]) -> T:
        """Refuse.

        Raises:
            StoreError: always.
        """
        raise StoreError("the node is not running, so nothing is changed", hint="Start it: globe-node run")

    async def read(self, function: Callable[[Transaction], T]) -> T:
        """See `Store.read`."""
        return read_once(self._connection, function)

    async def close(self) -> None:
        """Close the connection."""
        self._connection.invalidate()
        self._connection.close()


def run_offline(
    invocation: Invocation, passphrase_file: Path | None, operation: str, arguments: JSONObject
) -> JSONObject:
    """Run one operation on a stopped node's store.

    Raises:
        KeystoreError: the keystore can't be opened.
        StoreError: the store can't be read.
        NodeError: the operation needs the running node, or can't be done.
    """
    home = invocation.home
    if not home.database.exists():
        raise StoreError(
            "this node has never run, so there is nothing to read", hint="Start it: globe-node run"
        )
    node_keys = keystore.open_node(home.node_keys, invocation.passphrase(passphrase_file, of="node keys"))
    return asyncio.run(_run(invocation, home, node_keys, operation, arguments))


async def _run(
    invocation: Invocation, home: Home, node_keys: NodeKeys, operation: str, arguments: JSONObject
) -> JSONObject:
    store = ReadOnlyStore(driver.connect_reader(home.database))
    try:
        clock = SystemClock()
        instance = InstanceFile(home.high_water)
        name = LogName(node_keys.authority, node_keys.node, instance.read().incarnation)
        register = Register(store, clock)
        await register.load()
        rooms = ReadingRooms(
            store=store,
            register=register,
            audit=AuditLog(name, Vault(DerivedPeriodKeys(node_keys.storage)), invocation.entropy),
            node_keys=node_keys,
            clock=clock,
            marks=lambda: instance.read().marks,
        )
        return await Operations(rooms, None).run(operation, arguments)
    finally:
        await store.close()
