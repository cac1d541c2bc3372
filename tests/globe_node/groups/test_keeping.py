# SPDX-License-Identifier: Apache-2.0
"""Every day all rows move under a new key; old copies of them open no more, wherever they are."""

import asyncio
from dataclasses import replace

import pytest

from globe_node.groups import keeping, records
from globe_node.groups.day_keys import DAY_MS, SealedRow
from globe_node.groups.keeping import Keeper
from globe_node.groups.links import GroupStatus
from globe_node.groups.packages import pool
from globe_node.groups.packages import records as package_records
from globe_node.groups.packages.leaf_keys import current_leaf_key, leaf_key_of
from globe_node.groups.packages.records import LAST_RESORT, LeafKeyRow
from globe_node.groups.packages.wire import PackageRequest
from globe_node.groups.records import StateRow
from globe_node.groups.shelf import Shelf
from globe_node.store.door import Transaction
from globe_node.store.driver import driver_of
from keys.errors import RowDamagedError
from protocol.identifiers import AuthorityId, ConsultationId
from protocol.mls.group import past_of
from protocol.mls.state import core_bytes, parse_group, ratchet_bytes
from tests.globe_node.groups.test_records import link
from tests.support.clock import START, FixedClock
from tests.support.groups import Crash, CrashAt, GroupHouse, lone_group
from tests.support.loops import run_inline

B = AuthorityId("xb-ibu")
NOW = int(START.timestamp() * 1000)
GROUPS = [bytes([number]) * 32 for number in range(5)]
STATES = {one: (core_bytes(group), ratchet_bytes(group)) for one in GROUPS for group in (lone_group(one),)}


def shelf(house: GroupHouse) -> Shelf:
    return Shelf(house.bench.day_keys, house.bench.entropy)


def rows(house: GroupHouse) -> dict[bytes, StateRow]:
    return house.read(lambda tx: records.states_of(tx, GROUPS))


def read(house: GroupHouse) -> dict[bytes, tuple[bytes, bytes]]:
    found, lost = house.read(lambda tx: shelf(house).read(tx, GROUPS))
    assert lost == []
    return {one: (state.core, state.ratchets) for one, state in found.items()}


def used(house: GroupHouse) -> set[int]:
    return house.read(records.used_day_keys)


def work(house: GroupHouse) -> None:
    run_inline(Keeper(house.bench).work())


@pytest.fixture
def house() -> GroupHouse:
    made = GroupHouse()
    made.write(lambda tx: shelf(made).write_whole(tx, STATES, NOW))
    links = [link(ConsultationId(str(number)), one) for number, one in enumerate(GROUPS)]
    made.write(lambda tx: records.put_links(tx, links))
    return made


def require_all(house: GroupHouse) -> None:
    assert read(house) == STATES


def require_unreadable(house: GroupHouse, before: dict[bytes, StateRow]) -> None:
    for one, row in before.items():
        with pytest.raises(RowDamagedError):
            house.bench.day_keys.open_sealed("group_core", one, row.core.rev, row.core.sealed)


def test_within_a_day_nothing_is_written(house: GroupHouse) -> None:
    before = rows(house)
    house.clock.advance(3_600)
    work(house)
    assert [row.core.rev for row in rows(house).values()] == [row.core.rev for row in before.values()]


def test_a_new_day_seals_all_rows_anew_and_destroys_the_old_key(
    house: GroupHouse, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(keeping, "ROWS_AT_ONCE", 2)
    before, (old,) = rows(house), used(house)
    house.clock.advance(DAY_MS / 1000)
    work(house)
    assert old not in used(house)
    assert len(used(house)) == 1
    require_all(house)
    house.restart()
    require_all(house)
    require_unreadable(house, before)


def test_after_a_crash_before_destroying_the_next_start_destroys(house: GroupHouse) -> None:
    before = rows(house)
    house.restart(CrashAt("groups.keys.before_destroying"))
    house.clock.advance(DAY_MS / 1000)
    with pytest.raises(Crash):
        work(house)
    house.restart()
    require_all(house)
    assert house.bench.day_keys.knows(before[GROUPS[0]].core.sealed.day_key)
    work(house)
    require_all(house)
    require_unreadable(house, before)


def test_a_group_whose_key_is_gone_is_lost_and_the_others_go_on(house: GroupHouse) -> None:
    house.file.data = None
    house.restart()
    kept = GROUPS[4]
    house.write(lambda tx: shelf(house).write_whole(tx, {kept: STATES[kept]}, NOW))
    work(house)
    assert read(house) == {kept: STATES[kept]}
    lost = house.read(lambda tx: records.links_with(tx, GroupStatus.LOST, 9))
    assert sorted(one.group_id for one in lost) == GROUPS[:4]
    assert '"count":4' in house.log.getvalue().replace(" ", "")


def test_a_state_that_opens_and_is_no_group_is_lost(house: GroupHouse) -> None:
    house.write(lambda tx: shelf(house).write_whole(tx, {GROUPS[0]: (b"core", b"ratchets")}, NOW))
    house.clock.advance(DAY_MS / 1000)
    work(house)
    assert sorted(read(house)) == GROUPS[1:]
    (lost,) = house.read(lambda tx: records.links_with(tx, GroupStatus.LOST, 9))
    assert lost.group_id == GROUPS[0]


def test_keys_for_late_messages_go_without_a_message(house: GroupHouse) -> None:
    """A group in which nobody speaks forgets them too."""
    lone = lone_group(GROUPS[0])
    group = replace(lone, context=replace(lone.context, epoch=1), past=past_of(lone, NOW))
    states = {GROUPS[0]: (core_bytes(group), ratchet_bytes(group))}
    house.write(lambda tx: shelf(house).write_whole(tx, states, NOW))
    house.clock.advance(13 * DAY_MS / 1000)
    work(house)
    assert len(parse_group(*read(house)[GROUPS[0]]).past) == 1
    house.clock.advance(2 * DAY_MS / 1000)
    work(house)
    assert parse_group(*read(house)[GROUPS[0]]).past == ()


def test_secrets_of_a_group_that_we_left_go_two_weeks_later(house: GroupHouse) -> None:
    left = link(ConsultationId("0"), GROUPS[0], status=GroupStatus.LEFT, changed_ms=NOW)
    house.write(lambda tx: records.put_links(tx, [left]))
    house.clock.advance(14 * DAY_MS / 1000)
    work(house)
    assert sorted(read(house)) == GROUPS
    house.clock.advance(1)
    work(house)
    assert sorted(read(house)) == GROUPS[1:]


def test_parts_of_two_states_do_not_come_together(house: GroupHouse) -> None:
    """Ratchets are bound to the core beside which they were written."""
    old = rows(house)[GROUPS[0]]
    house.write(lambda tx: shelf(house).write_whole(tx, {GROUPS[0]: (b"new", b"new")}, NOW))
    house.write(lambda tx: records.put_ratchets(tx, [(GROUPS[0], old.ratchets)]))
    found, lost = house.read(lambda tx: shelf(house).read(tx, GROUPS[:1]))
    assert (found, lost) == ({}, GROUPS[:1])


def test_ratchets_are_written_alone(house: GroupHouse) -> None:
    before = rows(house)[GROUPS[0]]
    states = {GROUPS[0]: (before.core.rev, STATES[GROUPS[1]][1])}
    revs = house.write(lambda tx: shelf(house).write_ratchets(tx, states, NOW))
    after = rows(house)[GROUPS[0]]
    assert after.core.rev == before.core.rev
    assert after.ratchets.rev == revs[GROUPS[0]] != before.ratchets.rev
    assert read(house)[GROUPS[0]] == (STATES[GROUPS[0]][0], STATES[GROUPS[1]][1])


def test_leaf_keys_and_key_packages_move_under_the_new_key_too(house: GroupHouse) -> None:
    house.write(lambda tx: pool.offer(house.bench, tx, B, PackageRequest(2)))
    before = house.write(lambda tx: current_leaf_key(house.bench, tx))
    (old,) = used(house)
    house.clock.advance(DAY_MS / 1000)
    house.restart()
    work(house)
    assert len(used(house)) == 1
    assert old not in used(house)
    after = house.read(lambda tx: leaf_key_of(house.bench, tx, before.hash))
    assert after is not None
    assert after.pair.private == before.pair.private
    assert all(take_first(house, peer) for peer in (B, LAST_RESORT))


def take_first(house: GroupHouse, peer: AuthorityId) -> bool:
    def take(tx: Transaction) -> bool:
        reference = package_records.own_packages(tx, peer)[0].reference
        return pool.find_package(house.bench, tx, [reference]) is not None

    return house.write(take)


def test_leaf_keys_and_key_packages_that_do_not_open_are_dropped(house: GroupHouse) -> None:
    house.write(lambda tx: pool.offer(house.bench, tx, B, PackageRequest(2)))
    damaged = LeafKeyRow(b"no certificate", NOW, NOW + DAY_MS, SealedRow(17, b"none"))
    house.write(lambda tx: package_records.put_leaf_key(tx, damaged))
    house.file.data = None
    house.restart()
    work(house)
    assert count(house, "SELECT count(*) FROM own_leaf_key") == 0
    assert count(house, "SELECT count(*) FROM own_key_package") == 0


def count(house: GroupHouse, sql: str) -> int:
    return house.read(lambda tx: int(driver_of(tx).execute(sql).fetchone()[0]))


def test_what_has_long_ended_is_forgotten(house: GroupHouse) -> None:
    house.write(lambda tx: pool.offer(house.bench, tx, B, PackageRequest(2)))
    leaf = house.write(lambda tx: current_leaf_key(house.bench, tx))

    def counts() -> tuple[int, int, int]:
        work(house)
        packages = house.read(lambda tx: package_records.own_packages(tx, B))
        own = house.read(lambda tx: package_records.leaf_key(tx, leaf.hash))
        certificates = house.read(lambda tx: package_records.certificates(tx, [leaf.hash]))
        return len(packages), int(own is not None), len(certificates)

    assert counts() == (2, 1, 1)
    house.clock.advance(43 * 86_400)  # 30 days, and less than 14 more
    assert counts() == (2, 1, 1)
    house.clock.advance(2 * 86_400)
    assert counts() == (0, 0, 1)
    house.clock.advance(46 * 86_400)
    assert counts() == (0, 0, 0)


def test_the_task_goes_on_day_after_day(house: GroupHouse) -> None:
    seen: list[int] = []

    class Counted(FixedClock):
        async def sleep(self, seconds: float) -> None:
            seen.extend(await house.bench.store.read(records.used_day_keys))
            self.advance(seconds)
            if len(seen) > 200:
                raise asyncio.CancelledError

    house.clock = Counted()
    house.restart()
    with pytest.raises(asyncio.CancelledError):
        run_inline(Keeper(house.bench).run())
    assert len(set(seen)) == 3
    require_all(house)
