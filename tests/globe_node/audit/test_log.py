# SPDX-License-Identifier: Apache-2.0
"""Appending to the audit log."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from functools import partial

import pytest

from globe_node.audit import records
from globe_node.store.door import Transaction
from protocol.audit.events import AuditEvent, EventKind
from protocol.errors import LocalProtocolError
from protocol.tlog.merkle import leaf_hash, root_of
from tests.support.audit import audit_log, event, recorded
from tests.support.clock import START
from tests.support.store import memory_store


def shard_of(tx: Transaction) -> records.Shard:
    shard = records.newest_shard(tx)
    assert shard is not None
    return shard


async def test_acts_come_back_in_order() -> None:
    store, log = memory_store(), audit_log()
    acts = [event(msg=f"m{number}", at=START + timedelta(seconds=number)) for number in range(7)]
    assert await store.write(lambda tx: log.append(tx, acts[:3])) == [1, 2, 3]
    assert await store.write(lambda tx: log.append(tx, acts[3:])) == [4, 5, 6, 7]
    assert await store.write(lambda tx: log.append(tx, [])) == []
    assert await store.read(lambda tx: recorded(tx, log)) == acts


async def test_the_tree_is_the_tree_of_the_stored_leaves() -> None:
    store, log = memory_store(), audit_log()
    for size in (1, 255, 3, 300):
        acts = [event()] * size
        await store.write(partial(log.append, events=acts))

    def check(tx: Transaction) -> None:
        shard = shard_of(tx)
        hashes = [leaf_hash(leaf) for leaf in records.leaves(tx, shard.number, 0, 10_000)]
        assert shard.frontier.size == len(hashes) == 560
        assert shard.frontier.root() == root_of(hashes)
        assert records.node_rows(tx, shard.number) == [
            (8, 0, root_of(hashes[:256])),
            (8, 1, root_of(hashes[256:512])),
        ]
        assert records.nodes(tx, shard.number, level=8, start=1, end=3) == [root_of(hashes[256:512])]

    await store.read(check)


async def test_an_act_taken_back_leaves_no_entry() -> None:
    store, log = memory_store(), audit_log()
    await store.write(lambda tx: log.append(tx, [event(msg="kept")]))

    def fail(tx: Transaction) -> None:
        log.append(tx, [event(msg="lost")])
        raise ValueError("after all not")

    with pytest.raises(ValueError, match="after all"):
        await store.write(fail)
    assert await store.write(lambda tx: log.append(tx, [event(msg="next")])) == [2]
    assert [act.msg for act in await store.read(lambda tx: recorded(tx, log))] == ["kept", "next"]


async def test_an_act_with_free_text_is_refused_whole() -> None:
    store, log = memory_store(), audit_log()
    with pytest.raises(LocalProtocolError):
        await store.write(lambda tx: log.append(tx, [event(), replace(event(), result="he said: “no”")]))
    assert await store.read(lambda tx: recorded(tx, log)) == []


async def test_a_new_year_opens_a_new_log_that_names_the_old_one() -> None:
    store, log = memory_store(), audit_log()
    old_year = datetime(2026, 12, 31, 23, 59, 59, tzinfo=UTC)
    new_year = datetime(2027, 1, 1, tzinfo=UTC)
    await store.write(lambda tx: log.append(tx, [event(at=old_year)]))
    before = await store.read(shard_of)
    assert await store.write(lambda tx: log.append(tx, [event(at=new_year)])) == [1]
    # the clock goes back: the log of the new year goes on
    assert await store.write(lambda tx: log.append(tx, [event(at=old_year)])) == [2]
    after = await store.read(shard_of)
    assert (before.origin, after.origin) == (log.name.origin(2026), log.name.origin(2027))
    assert await store.read(lambda tx: opening_of(tx, after)) == AuditEvent(
        kind=EventKind.LOG_OPENED,
        at=new_year,
        msg=before.origin,
        digest=before.frontier.root().hex(),
        result="size=2",
    )


def opening_of(tx: Transaction, shard: records.Shard) -> AuditEvent:
    log = audit_log()
    *_, stored = records.entries_backwards(tx, shard.number)
    assert stored.vault is not None
    return log.vault.open_entry(stored.leaf, stored.vault, stored.row_id)


async def test_a_new_life_of_the_node_opens_a_new_log() -> None:
    store = memory_store()
    await store.write(lambda tx: audit_log().append(tx, [event()]))
    again = audit_log(incarnation="f" * 16, seed="again")
    assert await store.write(lambda tx: again.append(tx, [event()])) == [1]
    shard = await store.read(shard_of)
    assert shard.origin == f"audit.xa-acc/main/2026/{'f' * 16}"
    assert shard.number == 2
