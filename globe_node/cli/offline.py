# SPDX-License-Identifier: Apache-2.0
"""Runs operations on the store of a node that does not run.

1. Reading writes nothing and locks nothing.
2. What changes the directory, or leaves a look-up in the audit log, holds the node's lock meanwhile.
"""

import asyncio
from collections.abc import Callable
from typing import TypeVar

from sqlalchemy import Connection

from globe_node.api.operations import WRITES, Operations
from globe_node.api.rooms import ReadingRooms
from globe_node.audit.log import AuditLog, LogName
from globe_node.audit.vault import DerivedPeriodKeys, Vault
from globe_node.cli.invocation import Invocation
from globe_node.clock import SystemClock
from globe_node.directory.register import Register
from globe_node.errors import StoreError
from globe_node.faults import NoFaults
from globe_node.home import Home
from globe_node.lookup.desk import LookupDesk
from globe_node.lookup.index import open_index
from globe_node.store import driver
from globe_node.store.database import StoreFiles, open_database
from globe_node.store.door import InlineDoor, Store, Transaction, read_once
from globe_node.store.instance import InstanceFile
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

    async def look(self, function: Callable[[Transaction], T]) -> T:
        """See `Store.look`."""
        return read_once(self._connection, function)

    async def read(self, function: Callable[[Transaction], T]) -> T:
        """See `Store.read`."""
        return read_once(self._connection, function)

    async def close(self) -> None:
        """Close the connection."""
        self._connection.invalidate()
        self._connection.close()


def run_offline(
    invocation: Invocation, node_keys: NodeKeys, operation: str, arguments: JSONObject
) -> JSONObject:
    """Run one operation on a stopped node's store.

    Raises:
        StoreError: the store can't be opened or read, or another process works with it.
        NodeError: the operation needs the running node, or can't be done.
    """
    home = invocation.home
    if operation not in WRITES and not home.database.exists():
        raise StoreError(
            "this node has never run, so there is nothing to read", hint="Start it: globe-node run"
        )
    return asyncio.run(_run(invocation, home, node_keys, operation, arguments))


async def _run(
    invocation: Invocation, home: Home, node_keys: NodeKeys, operation: str, arguments: JSONObject
) -> JSONObject:
    files = StoreFiles(home.database, home.lock, home.high_water)
    instance = InstanceFile(files.instance)
    store: Store
    if operation in WRITES:
        store = InlineDoor(open_database(files, invocation.entropy), NoFaults())
    else:
        store = ReadOnlyStore(driver.connect_reader(home.database))
    lookup = LookupDesk(open_index(home.lookup_index))
    try:
        clock = SystemClock()
        name = LogName(node_keys.authority, node_keys.node, instance.read().incarnation)
        audit = AuditLog(name, Vault(DerivedPeriodKeys(node_keys.storage)), invocation.entropy)
        register = Register(store, clock, audit)
        await register.load()
        rooms = ReadingRooms(
            store=store,
            register=register,
            lookup=lookup,
            audit=audit,
            node_keys=node_keys,
            clock=clock,
            marks=lambda: instance.read().marks,
        )
        return await Operations(rooms, None).run(operation, arguments)
    finally:
        await lookup.close()
        await store.close()
