# SPDX-License-Identifier: Apache-2.0
"""Every day all rows move under a new key; old copies of them open no more, wherever they are."""

import asyncio
import io
from dataclasses import dataclass, field

import pytest

from globe_node.faults import FaultPoints, NoFaults
from globe_node.groups import keeping, records
from globe_node.groups.day_keys import DAY_MS, DayKeys
from globe_node.groups.keeping import Keeper, KeepingTools
from globe_node.groups.records import GroupStatus, StateRow
from globe_node.groups.shelf import Shelf
from globe_node.logs import open_log
from globe_node.store.database import Database
from globe_node.store.door import InlineDoor
from keys.errors import RowDamagedError
from keys.storage_key import StorageKey
from protocol.identifiers import ConsultationId
from tests.globe_node.groups.test_records import link
from tests.support.clock import START, FixedClock
from tests.support.entropy import SeededEntropy
from tests.support.key_files import MemoryKeyFile
from tests.support.loops import run_inline
from tests.support.store import INCARNATION, memory_database

NOW = int(START.timestamp() * 1000)
GROUPS = [bytes([number]) * 32 for number in range(5)]


class Crash(BaseException):
    """The process ends here."""


@dataclass
class CrashAt:
    """A fault point that ends the process."""

    name: str

    def point(self, name: str) -> None:
        if name == self.name:
            raise Crash


@dataclass
class House:
    """One node's secrets of groups; `restart` forgets what is in memory."""

    database: Database = field(default_factory=memory_database)
    file: MemoryKeyFile = field(default_factory=MemoryKeyFile)
    clock: FixedClock = field(default_factory=FixedClock)
    log: io.StringIO = field(default_factory=io.StringIO)
    starts: int = 0

    def __post_init__(self) -> None:
        self.restart()

    def restart(self, faults: FaultPoints | None = None) -> None:
        self.starts += 1
        entropy = SeededEntropy(f"start {self.starts}")
        storage = StorageKey.generate(SeededEntropy("storage"))
        self.day_keys = DayKeys(self.file, storage, INCARNATION, entropy)
        self.shelf = Shelf(self.day_keys, entropy)
        self.store = InlineDoor(self.database, NoFaults())
        log = open_log(self.log, self.clock.now, strict=True)
        self.keeper = Keeper(
            KeepingTools(self.store, self.day_keys, self.clock, entropy, faults=faults or NoFaults(), log=log)
        )

    def fill(self) -> None:
        states = {one: (b"core of " + one, b"ratchets of " + one) for one in GROUPS}
        links = [link(ConsultationId(str(number)), one) for number, one in enumerate(GROUPS)]
        run_inline(self.store.write(lambda tx: self.shelf.write_whole(tx, states, NOW)))
        run_inline(self.store.write(lambda tx: records.put_links(tx, links)))

    def rows(self) -> dict[bytes, StateRow]:
        return run_inline(self.store.read(lambda tx: records.states_of(tx, GROUPS)))

    def read(self) -> dict[bytes, tuple[bytes, bytes]]:
        found, lost = run_inline(self.store.read(lambda tx: self.shelf.read(tx, GROUPS)))
        assert lost == []
        return {one: (state.core, state.ratchets) for one, state in found.items()}

    def used(self) -> set[int]:
        return run_inline(self.store.read(records.used_day_keys))


@pytest.fixture
def house() -> House:
    made = House()
    made.fill()
    return made


def require_all(house: House) -> None:
    assert house.read() == {one: (b"core of " + one, b"ratchets of " + one) for one in GROUPS}


def require_unreadable(house: House, rows: dict[bytes, StateRow]) -> None:
    for one, row in rows.items():
        with pytest.raises(RowDamagedError):
            house.day_keys.open_sealed("group_core", one, row.core.rev, row.core.sealed)


def test_within_a_day_nothing_is_written(house: House) -> None:
    before = house.rows()
    house.clock.advance(3_600)
    run_inline(house.keeper.work())
    assert {one: row.core.rev for one, row in house.rows().items()} == {
        one: row.core.rev for one, row in before.items()
    }


def test_a_new_day_seals_all_rows_anew_and_destroys_the_old_key(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(keeping, "ROWS_AT_ONCE", 2)
    before, (old,) = house.rows(), house.used()
    house.clock.advance(DAY_MS / 1000)
    run_inline(house.keeper.work())
    assert old not in house.used()
    assert len(house.used()) == 1
    require_all(house)
    house.restart()
    require_all(house)
    require_unreadable(house, before)


def test_after_a_crash_before_destroying_the_next_start_destroys(house: House) -> None:
    before = house.rows()
    house.restart(CrashAt("groups.keys.before_destroying"))
    house.clock.advance(DAY_MS / 1000)
    with pytest.raises(Crash):
        run_inline(house.keeper.work())
    house.restart()
    require_all(house)
    assert house.day_keys.knows(before[GROUPS[0]].core.sealed.day_key)
    run_inline(house.keeper.work())
    require_all(house)
    require_unreadable(house, before)


def test_a_group_whose_key_is_gone_is_lost_and_the_others_go_on(house: House) -> None:
    house.file.data = None
    house.restart()
    kept = GROUPS[4]
    run_inline(house.store.write(lambda tx: house.shelf.write_whole(tx, {kept: (b"c", b"r")}, NOW)))
    run_inline(house.keeper.work())
    assert house.read() == {kept: (b"c", b"r")}
    lost = run_inline(house.store.read(lambda tx: records.links_with(tx, GroupStatus.LOST, 9)))
    assert sorted(one.group_id for one in lost) == GROUPS[:4]
    assert '"count":4' in house.log.getvalue().replace(" ", "")


def test_parts_of_two_states_do_not_come_together(house: House) -> None:
    """Ratchets are bound to the core beside which they were written."""
    old = house.rows()[GROUPS[0]]
    run_inline(house.store.write(lambda tx: house.shelf.write_whole(tx, {GROUPS[0]: (b"new", b"new")}, NOW)))
    run_inline(house.store.write(lambda tx: records.put_ratchets(tx, [(GROUPS[0], old.ratchets)])))
    found, lost = run_inline(house.store.read(lambda tx: house.shelf.read(tx, GROUPS[:1])))
    assert (found, lost) == ({}, GROUPS[:1])


def test_ratchets_are_written_alone(house: House) -> None:
    before = house.rows()[GROUPS[0]]
    states = {GROUPS[0]: (before.core.rev, b"next")}
    revs = run_inline(house.store.write(lambda tx: house.shelf.write_ratchets(tx, states, NOW)))
    after = house.rows()[GROUPS[0]]
    assert after.core == before.core or after.core.rev == before.core.rev
    assert after.ratchets.rev == revs[GROUPS[0]] != before.ratchets.rev
    assert house.read()[GROUPS[0]] == (b"core of " + GROUPS[0], b"next")


def test_the_task_goes_on_day_after_day(house: House) -> None:
    seen: list[int] = []

    class Counted(FixedClock):
        async def sleep(self, seconds: float) -> None:
            seen.extend(await house.store.read(records.used_day_keys))
            self.advance(seconds)
            if len(seen) > 200:
                raise asyncio.CancelledError

    house.clock = Counted()
    house.restart()
    with pytest.raises(asyncio.CancelledError):
        run_inline(house.keeper.run())
    assert len(set(seen)) == 3
    require_all(house)
