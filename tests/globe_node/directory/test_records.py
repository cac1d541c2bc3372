# SPDX-License-Identifier: Apache-2.0
"""Rows of the directory."""

import pytest
from sqlalchemy.exc import IntegrityError

from globe_node.directory import records
from globe_node.directory.records import Place, StatementRow
from protocol.identifiers import Digest
from tests.support.store import memory_store

ROWS = [StatementRow(Digest(f"{n:064x}"), "xa-acc", n, b"x" * n, "file", 1000 + n) for n in (1, 2, 3)]


async def test_statements_keep_their_order() -> None:
    store = memory_store()
    assert await store.read(records.last_position) == 0
    await store.write(lambda tx: records.add_statements(tx, []))
    await store.write(lambda tx: records.add_statements(tx, ROWS[:2]))
    await store.write(lambda tx: records.add_statements(tx, ROWS[2:]))
    assert await store.read(records.last_position) == 3
    assert await store.read(lambda tx: records.statements_after(tx, 1)) == [(2, b"xx"), (3, b"xxx")]
    places = await store.read(records.places)
    assert places == [Place(n, ROWS[n - 1].statement_id, "xa-acc", n, n) for n in (1, 2, 3)]


async def test_statements_are_found_by_id() -> None:
    store = memory_store()
    await store.write(lambda tx: records.add_statements(tx, ROWS))
    ids = [ROWS[2].statement_id, Digest("f" * 64)]
    assert await store.read(lambda tx: records.statements_by_id(tx, ids)) == {ids[0]: b"xxx"}


async def test_a_statement_is_kept_once() -> None:
    store = memory_store()
    await store.write(lambda tx: records.add_statements(tx, ROWS[:1]))
    with pytest.raises(IntegrityError):
        await store.write(lambda tx: records.add_statements(tx, ROWS[:1]))


async def test_one_network_is_pinned() -> None:
    store = memory_store()
    assert await store.read(records.pinned_network) is None
    await store.write(lambda tx: records.pin_network(tx, Digest("a" * 64), 1))
    assert await store.read(records.pinned_network) == "a" * 64
    with pytest.raises(IntegrityError):
        await store.write(lambda tx: records.pin_network(tx, Digest("b" * 64), 2))
