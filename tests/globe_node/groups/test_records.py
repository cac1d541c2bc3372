# SPDX-License-Identifier: Apache-2.0
"""The tables of groups: what is put in comes out, and nothing secret survives `empty_for_backup`."""

from collections.abc import Iterator

import pytest
from sqlalchemy import Connection

from globe_node.groups import records
from globe_node.groups.day_keys import SealedRow
from globe_node.groups.links import GroupStatus, LinkRow
from globe_node.groups.records import CommitRow, MemberRow, StatePart
from globe_node.store.driver import driver_of
from protocol.identifiers import AuthorityId, ConsultationId, Digest
from tests.support.store import memory_database

A, B, C = (AuthorityId(name) for name in ("xa-acc", "xb-ibu", "xc-aco"))
ONE, TWO = ConsultationId("one"), ConsultationId("two")
NOW = 1_764_000_000_000


@pytest.fixture
def tx() -> Iterator[Connection]:
    database = memory_database()
    yield database.writer
    database.close()


def link(consultation: ConsultationId = ONE, group: bytes = b"group one", **changes: object) -> LinkRow:
    facts: dict[str, object] = {
        "group_id": group,
        "consultation": consultation,
        "routing_id": group + b" route",
        "hub": "xa-acc/main",
        "roster": (A, B),
        "status": GroupStatus.OPEN,
        "epoch": 1,
        "changed_ms": NOW,
    }
    return LinkRow(**{**facts, **changes})  # type: ignore[arg-type]  # facts by name


def part(text: bytes, key: int = 7) -> StatePart:
    return StatePart(b"rev " + text, SealedRow(key, text))


def texts(tx: Connection, group: bytes) -> tuple[bytes, bytes] | None:
    row = records.states_of(tx, [group]).get(group)
    return None if row is None else (row.core.sealed.octets, row.ratchets.sealed.octets)


def test_links_are_found_by_consultation_route_and_status(tx: Connection) -> None:
    first, second = link(), link(TWO, b"group two", status=GroupStatus.AWAITING_KEYS)
    records.put_links(tx, [first, second])
    assert records.links_of(tx, [ONE, TWO, ConsultationId("none")]) == {ONE: first, TWO: second}
    assert records.links_by_route(tx, [b"group two route", b"none"]) == [second]
    assert records.links_by_group(tx, [b"group one", b"none"]) == [first]
    assert records.links_with(tx, GroupStatus.OPEN, 9) == [first]
    assert records.links_with(tx, GroupStatus.LEFT, 9) == []


def test_a_link_moves_and_keeps_its_group(tx: Connection) -> None:
    records.put_links(tx, [link()])
    moved = link(roster=(A, B, C), hub="xb-ibu/main", epoch=5, status=GroupStatus.LEFT, changed_ms=NOW + 1)
    records.put_links(tx, [moved])
    assert records.links_of(tx, [ONE]) == {ONE: moved}


def test_a_group_that_was_continued_is_not_that_of_its_consultation(tx: Connection) -> None:
    later = link(group=b"again", changed_ms=NOW + 5)
    records.put_links(tx, [later, link(status=GroupStatus.CONTINUED, changed_ms=NOW + 9)])
    assert records.links_of(tx, [ONE]) == {ONE: later}


def test_only_open_groups_are_marked_as_lost(tx: Connection) -> None:
    records.put_links(tx, [link(), link(TWO, b"group two", status=GroupStatus.LEFT)])
    records.mark_lost(tx, [b"group one", b"group two"], NOW + 1)
    found = records.links_of(tx, [ONE, TWO])
    assert (found[ONE].status, found[ONE].changed_ms) == (GroupStatus.LOST, NOW + 1)
    assert found[TWO].status is GroupStatus.LEFT


def test_a_state_has_two_parts_that_are_written_apart(tx: Connection) -> None:
    group = b"group one"
    records.put_cores(tx, [(group, part(b"core"))])
    assert texts(tx, group) is None
    records.put_ratchets(tx, [(group, part(b"ratchets"))])
    assert texts(tx, group) == (b"core", b"ratchets")
    records.put_ratchets(tx, [(group, part(b"next"))])
    assert texts(tx, group) == (b"core", b"next")
    records.put_cores(tx, [(group, part(b"new"))])
    assert texts(tx, group) == (b"new", b"next")
    assert records.revisions_of(tx, [group, b"none"]) == {group: (b"rev new", b"rev next")}
    records.drop_states(tx, [group])
    assert texts(tx, group) is None


def said(epoch: int, who: AuthorityId, *, agrees: bool = True, group: bytes = b"g") -> MemberRow:
    return MemberRow(group, epoch, who, Digest("ab" * 32), agrees, NOW)


def test_what_members_say_stands_by_epoch(tx: Connection) -> None:
    rows = [said(1, A), said(1, B, agrees=False), said(2, A)]
    records.put_members(tx, rows)
    assert records.members_of(tx, [b"g"]) == rows
    assert records.members_of(tx, [b"g", b"none"], 2) == rows[2:]
    records.put_members(tx, [said(1, B)])
    assert [row.agrees for row in records.members_of(tx, [b"g"], 1)] == [True, True]


def test_one_commit_has_the_place_of_an_epoch(tx: Connection) -> None:
    rows = [CommitRow(b"g", epoch, b"commit", b"receipt", NOW) for epoch in (1, 2, 3)]
    assert all(records.add_commit(tx, row) for row in rows)
    assert not records.add_commit(tx, CommitRow(b"g", 2, b"other", b"receipt", NOW))
    assert records.add_commit(tx, CommitRow(b"h", 2, b"other", b"receipt", NOW))
    assert records.commits_since(tx, b"g", 2, 9) == rows[1:]
    assert records.commits_since(tx, b"g", 1, 1) == rows[:1]


def test_secrets_of_groups_that_were_left_go(tx: Connection) -> None:
    groups = {b"open": GroupStatus.OPEN, b"left": GroupStatus.LEFT, b"never": GroupStatus.EXPIRED}
    for group, status in groups.items():
        records.put_links(tx, [link(ConsultationId(group.decode()), group, status=status)])
        records.put_cores(tx, [(group, part(b"core"))])
        records.put_ratchets(tx, [(group, part(b"ratchets"))])
    assert not records.has_left(tx, NOW)
    records.drop_left(tx, NOW)
    assert set(records.states_of(tx, groups)) == set(groups)
    assert records.has_left(tx, NOW + 1)
    records.drop_left(tx, NOW + 1)
    assert set(records.states_of(tx, groups)) == {b"open"}


def test_keys_of_the_day_are_counted_over_all_tables(tx: Connection) -> None:
    records.put_cores(tx, [(b"g", part(b"core", 1)), (b"h", part(b"core", 3))])
    records.put_ratchets(tx, [(b"g", part(b"ratchets", 2)), (b"h", part(b"ratchets", 3))])
    raw = driver_of(tx)
    raw.execute("INSERT INTO own_leaf_key VALUES (x'01', 0, 0, 4, x'00')")
    raw.execute("INSERT INTO own_key_package VALUES (1, x'01', '', x'00', x'01', 0, 0, 0, 5, x'00')")
    assert records.used_day_keys(tx) == {1, 2, 3, 4, 5}
    assert records.groups_under_other_keys(tx, 3, 9) == [b"g"]
    assert sorted(records.groups_under_other_keys(tx, 1, 9)) == [b"g", b"h"]
    assert len(records.groups_under_other_keys(tx, 9, 1)) == 1


def test_a_backup_holds_which_groups_there_were_and_nothing_else(tx: Connection) -> None:
    records.put_links(tx, [link(), link(TWO, b"group two", status=GroupStatus.AWAITING_KEYS)])
    records.put_cores(tx, [(b"group one", part(b"core"))])
    records.put_ratchets(tx, [(b"group one", part(b"ratchets"))])
    records.put_members(tx, [said(1, A, group=b"group one")])
    records.empty_for_backup(tx)
    found = records.links_of(tx, [ONE, TWO])
    assert found[ONE].status is GroupStatus.LOST
    assert found[ONE].roster == (A, B)
    assert found[TWO].status is GroupStatus.AWAITING_KEYS
    names = [
        row[0]
        for row in driver_of(tx).execute(
            "SELECT name FROM sqlite_master WHERE type = 'table' AND (name LIKE 'group%' OR name LIKE 'own%'"
            " OR name LIKE 'peer%' OR name LIKE 'leaf%')"
        )
    ]
    filled = [name for name in names if driver_of(tx).execute(f"SELECT 1 FROM {name}").fetchone()]
    assert filled == ["group_link", "group_search"]


def test_the_database_of_an_older_program_is_left_as_it_is(tx: Connection) -> None:
    driver_of(tx).execute("DROP TABLE group_link")
    records.put_members(tx, [said(1, A)])
    records.empty_for_backup(tx)
    assert len(records.members_of(tx, [b"g"])) == 1
