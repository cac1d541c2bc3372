# SPDX-License-Identifier: Apache-2.0
"""Signing: only what was read back, never two roots for one size, never after an old copy."""

import shutil
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

import pytest

from globe_node.audit import records
from globe_node.audit.checkpoints import Checkpoints
from globe_node.audit.high_water import FileHighWater, HighWater, MemoryHighWater
from globe_node.audit.log import AuditLog
from globe_node.audit.tree import stored_tree
from globe_node.errors import StoreError
from globe_node.store.door import InlineDoor, Store, Transaction
from globe_node.store.driver import driver_of
from globe_node.store.instance import InstanceFile, Mark
from protocol.errors import ReasonCode, UntrustedError
from protocol.tlog import merkle
from protocol.tlog.checkpoint import Checkpoint
from protocol.tlog.cosignature import log_keys, verify_checkpoint
from protocol.tlog.merkle import leaf_hash
from tests.support.audit import LOG_KEY, audit_log, event
from tests.support.clock import FixedClock
from tests.support.store import folder_store, memory_store, store_files

ORIGIN = audit_log().name.origin(2026)


def checkpoints(store: Store, high_water: HighWater, log: AuditLog | None = None) -> Checkpoints:
    name = (log or audit_log()).name
    return Checkpoints(store, name=name, high_water=high_water, signer=LOG_KEY)


async def append(store: Store, count: int, log: AuditLog | None = None) -> None:
    acts = [event() for _ in range(count)]
    await store.write(lambda tx: (log or audit_log()).append(tx, acts))


def notes(tx: Transaction) -> list[str]:
    return [stored.note for stored in records.checkpoints(tx)]


async def test_a_checkpoint_is_signed_stored_and_marked() -> None:
    store, high_water = memory_store(), MemoryHighWater()
    signing = checkpoints(store, high_water)
    assert await signing.sign() == []
    await append(store, 4)
    (first,) = await signing.sign()
    assert (first.origin, first.size) == (ORIGIN, 5)
    assert await signing.sign() == []
    await append(store, 2)
    (second,) = await signing.sign()
    known = log_keys(ORIGIN, LOG_KEY)
    found = [
        verify_checkpoint(note.encode(), known, required=known).checkpoint for note in await store.read(notes)
    ]
    assert found == [first, second]
    assert high_water.marks() == {"audit/2026": Mark(7, second.root.hex())}
    await signing.verify_start()


async def test_what_does_not_read_back_is_not_signed() -> None:
    store, high_water = memory_store(), MemoryHighWater()
    await append(store, 9)

    def flip(tx: Transaction) -> None:
        driver_of(tx).execute("UPDATE audit_entry SET leaf = zeroblob(900) WHERE id % 4 = 1")

    await store.write(flip)
    with pytest.raises(StoreError) as caught:
        await checkpoints(store, high_water).sign()
    assert caught.value.code is ReasonCode.LOG_INCONSISTENT
    assert high_water.marks() == {}
    assert await store.read(notes) == []


async def test_a_crash_between_mark_and_signature_is_made_good() -> None:
    store, high_water = memory_store(), MemoryHighWater()
    await append(store, 3)
    tree = await store.read(records.newest_shard)
    assert tree is not None
    high_water.advance("audit/2026", None, Mark(4, tree.frontier.root().hex()))
    signing = checkpoints(store, high_water)
    await signing.verify_start()
    (found,) = await signing.sign()
    assert found == Checkpoint(ORIGIN, 4, tree.frontier.root())


async def old_copy(store: InlineDoor) -> InlineDoor:
    image = driver_of(store._database.writer).serialize()
    copy = memory_store()
    driver_of(copy._database.writer).deserialize(image)
    return copy


async def test_an_old_copy_neither_starts_nor_signs() -> None:
    store, high_water = memory_store(), MemoryHighWater()
    await append(store, 3)
    copy = await old_copy(store)
    await append(store, 3)
    await checkpoints(store, high_water).sign()
    for action in (checkpoints(copy, high_water).verify_start, checkpoints(copy, high_water).sign):
        with pytest.raises(StoreError) as caught:
            await action()
        assert caught.value.code is ReasonCode.RESTORE_DETECTED
    # the copy grows past the mark, on a branch of its own
    await append(copy, 9, audit_log(seed="branch"))
    for action in (checkpoints(copy, high_water).verify_start, checkpoints(copy, high_water).sign):
        with pytest.raises(StoreError) as caught:
            await action()
        assert caught.value.code is ReasonCode.LOG_FORK


async def test_an_empty_copy_is_noticed() -> None:
    store, high_water = memory_store(), MemoryHighWater()
    await append(store, 3)
    await checkpoints(store, high_water).sign()
    with pytest.raises(StoreError) as caught:
        await checkpoints(memory_store(), high_water).verify_start()
    assert caught.value.code is ReasonCode.RESTORE_DETECTED


async def test_a_signed_log_without_mark_is_noticed() -> None:
    store = memory_store()
    await append(store, 3)
    await checkpoints(store, MemoryHighWater()).sign()
    with pytest.raises(StoreError) as caught:
        await checkpoints(store, MemoryHighWater()).verify_start()
    assert caught.value.code is ReasonCode.RESTORE_DETECTED


async def test_of_two_copies_at_work_one_stops() -> None:
    store, high_water = memory_store(), MemoryHighWater()
    await append(store, 3)
    copy = await old_copy(store)

    class Late(MemoryHighWater):
        """The other copy signs between our look and our move."""

        def marks(self) -> dict[str, Mark]:
            return {}

        def advance(self, name: str, expected: Mark | None, new: Mark) -> None:
            high_water.advance(name, expected, new)

    await checkpoints(store, high_water).sign()
    with pytest.raises(StoreError) as caught:
        await checkpoints(copy, Late()).sign()
    assert caught.value.code is ReasonCode.RESTORE_DETECTED
    assert await copy.read(notes) == []


async def test_the_mark_lives_in_the_file_beside_the_database(tmp_path: Path) -> None:
    store = folder_store(tmp_path)
    log = audit_log(incarnation=store._database.incarnation)
    high_water = FileHighWater(InstanceFile(store_files(tmp_path).instance))
    await append(store, 3, log)
    (found,) = await checkpoints(store, high_water, log).sign()
    assert high_water.marks() == {"audit/2026": Mark(4, found.root.hex())}
    await store.close()
    again = folder_store(tmp_path)
    await checkpoints(again, high_water, log).verify_start()
    await again.close()


async def test_a_write_ahead_log_that_was_lost_is_noticed(tmp_path: Path) -> None:
    """The power fails, and the file with the newest entries is gone."""
    store = folder_store(tmp_path / "home")
    log = audit_log(incarnation=store._database.incarnation)
    file = InstanceFile(store_files(tmp_path / "home").instance)
    await append(store, 3, log)
    await checkpoints(store, FileHighWater(file), log).sign()
    await store.close()
    store = folder_store(tmp_path / "home")
    await append(store, 3, log)
    await checkpoints(store, FileHighWater(file), log).sign()
    left = store_files(tmp_path / "left")
    for name in ("node.db", "high-water"):
        shutil.copy(tmp_path / "home" / name, left.database.parent / name)
    await store.close()
    again = folder_store(tmp_path / "left")
    with pytest.raises(StoreError) as caught:
        await checkpoints(again, FileHighWater(InstanceFile(left.instance)), log).verify_start()
    assert caught.value.code is ReasonCode.RESTORE_DETECTED
    await again.close()


async def test_each_year_is_signed_and_another_life_is_not() -> None:
    store, high_water = memory_store(), MemoryHighWater()
    before = audit_log(incarnation="e" * 16, seed="before")
    await append(store, 1, before)
    for year in (2026, 2027):
        acts = [event(at=datetime(year, 12, 31, tzinfo=UTC))]
        await store.write(partial(audit_log().append, events=acts))
    found = await checkpoints(store, high_water).sign()
    assert [item.origin for item in found] == [audit_log().name.origin(year) for year in (2026, 2027)]
    assert sorted(high_water.marks()) == ["audit/2026", "audit/2027"]


async def test_the_loop_signs_at_every_tick_and_waits_out_a_full_disk() -> None:
    store, high_water = memory_store(), MemoryHighWater()
    signing = checkpoints(store, high_water)
    slept: list[float] = []

    class StopError(Exception):
        pass

    class Ticks(FixedClock):
        async def sleep(self, seconds: float) -> None:
            slept.append(seconds)
            if len(slept) == 3:
                raise StopError
            await append(store, 1)

    real, fails = signing.sign, [StoreError("full", code=ReasonCode.STORAGE_FULL)]

    async def sometimes() -> list[Checkpoint]:
        if fails:
            raise fails.pop()
        return await real()

    signing.sign = sometimes  # type: ignore[method-assign]  # the first tick fails
    with pytest.raises(StopError):
        await signing.run(Ticks(), 60.0)
    assert slept == [60.0] * 3
    assert len(await store.read(notes)) == 1
    fails.append(StoreError("disk", code=ReasonCode.STORAGE_FAILED))
    slept.clear()
    with pytest.raises(StoreError):
        await signing.run(Ticks(), 60.0)


def root_at(tx: Transaction, size: int) -> bytes:
    return stored_tree(tx, 1, size).root()


async def test_proofs_come_from_the_stored_tree() -> None:
    store = memory_store()
    await append(store, 599)

    def check(tx: Transaction) -> None:
        tree = stored_tree(tx, 1, 600)
        leaves = list(records.leaves(tx, 1, 0, 600))
        hashes = [leaf_hash(leaf) for leaf in leaves]
        for size in (0, 1, 255, 256, 300, 513, 600):
            assert tree.root_at(size) == merkle.root_of(hashes[:size])
        for index, size in ((0, 600), (599, 600), (300, 512), (5, 6)):
            proof = tree.inclusion(index, size)
            merkle.verify_inclusion(hashes[index], index, size=size, proof=proof, root=tree.root_at(size))
        proof = tree.consistency(300, 600)
        merkle.verify_consistency(
            300, 600, proof=proof, old_root=tree.root_at(300), new_root=tree.root_at(600)
        )
        with pytest.raises(UntrustedError):
            merkle.verify_consistency(
                300, 600, proof=proof, old_root=tree.root_at(299), new_root=tree.root_at(600)
            )

    await store.read(check)

    def lose(tx: Transaction) -> None:
        driver_of(tx).execute("DELETE FROM audit_node")
        driver_of(tx).execute("DELETE FROM audit_entry WHERE id = ?", (records.row_id_of(1, 590),))

    await store.write(lose)
    for size in (256, 600):
        with pytest.raises(StoreError) as caught:
            await store.read(partial(root_at, size=size))
        assert caught.value.code is ReasonCode.LOG_INCONSISTENT
