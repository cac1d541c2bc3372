# SPDX-License-Identifier: Apache-2.0
"""The register: what it holds is what replaying the kept statements gives."""

import asyncio
from pathlib import Path

import pytest
from sqlalchemy import update

from globe_node.directory import records
from globe_node.directory.register import GROUP, Register
from globe_node.errors import ConfigError, ConflictError, StoreError
from globe_node.store.door import InlineDoor
from protocol.audit.events import EventKind
from protocol.directory.judgement import Outcome
from protocol.directory.replay import DirectoryState
from protocol.directory.statements import CompromisedKey, PutContact
from protocol.errors import ReasonCode
from protocol.identifiers import Digest
from tests.support.audit import audit_log, recorded
from tests.support.clock import START, FixedClock
from tests.support.directory import (
    certified_node_keys,
    sample_contact,
    sample_network,
    updated,
)
from tests.support.store import differing_tables, folder_store, memory_database, memory_store

NETWORK = sample_network()


async def filled(store: InlineDoor, *statements: bytes) -> Register:
    register = Register(store, FixedClock())
    await register.load()
    await register.pin(NETWORK.fingerprint)
    await register.admit(statements or NETWORK.statements, source="file")
    return register


def test_the_tables_are_those_of_the_database() -> None:
    assert differing_tables(memory_database().writer, records.TABLES) == []


async def test_it_takes_in_a_whole_network_and_finds_it_again(tmp_path: Path) -> None:
    store = folder_store(tmp_path / "home")
    register = await filled(store)
    assert register.state == NETWORK.state
    await store.close()
    store = folder_store(tmp_path / "home")
    again = Register(store, FixedClock())
    await again.load()
    assert again.state == NETWORK.state
    assert await again.export() == list(NETWORK.statements)
    await store.close()


async def test_without_a_network_there_is_no_directory() -> None:
    register = Register(memory_store(), FixedClock())
    await register.load()
    assert register.is_empty
    with pytest.raises(ConfigError) as caught:
        _ = register.state
    assert caught.value.code is ReasonCode.STALE_DIRECTORY
    assert "directory import" in caught.value.hint
    with pytest.raises(ConfigError):
        await register.admit(NETWORK.statements, source="file")


async def test_a_node_joins_one_network_only() -> None:
    register = await filled(memory_store())
    await register.pin(NETWORK.fingerprint)
    with pytest.raises(ConflictError):
        await register.pin(Digest("0" * 64))
    assert register.fingerprint == NETWORK.fingerprint


async def test_what_does_not_hold_is_named_and_stops_nothing() -> None:
    root, a1, a2, *rest = NETWORK.statements
    register = Register(memory_store(), FixedClock())
    await register.pin(NETWORK.fingerprint)
    report = await register.admit([a1, root, a2, b"{}", a1, a2, *rest, a2], source="file")
    assert [(refused.index, refused.code) for refused in report.refused] == [
        (0, ReasonCode.REFUSED),
        (2, ReasonCode.UNKNOWN_AUTHORITY),
        (3, ReasonCode.BAD_FIELD),
    ]
    assert report.counts == {Outcome.ADMITTED: 7, Outcome.KNOWN: 1}
    assert report.changed
    assert register.state.view == NETWORK.state.view


async def test_others_run_while_a_peer_brings_what_does_not_hold() -> None:
    class PatientClock(FixedClock):
        async def sleep(self, seconds: float) -> None:
            await asyncio.sleep(seconds)

    register = Register(memory_store(), PatientClock())
    await register.pin(NETWORK.fingerprint)
    await register.admit(NETWORK.statements, source="file")
    turns = 0

    async def other() -> None:
        nonlocal turns
        while True:
            await asyncio.sleep(0)
            turns += 1

    task = asyncio.get_running_loop().create_task(other())
    report = await register.admit([b"{}"] * (5 * GROUP), source="xb-acc/main")
    task.cancel()
    assert len(report.refused) == 5 * GROUP
    assert turns >= 3


async def test_known_statements_change_nothing_and_tell_nobody() -> None:
    register = await filled(memory_store())
    told: list[DirectoryState] = []
    register.subscribe(told.append)
    report = await register.admit(NETWORK.statements, source="xb-ibu/main")
    assert not report.changed
    assert told == []


async def test_listeners_hear_of_a_change_once_a_group() -> None:
    store = memory_store()
    register = Register(store, FixedClock())
    await register.pin(NETWORK.fingerprint)
    told: list[DirectoryState] = []
    register.subscribe(told.append)
    done: list[tuple[int, int]] = []
    many = NETWORK.statements * 3
    await register.admit(many, source="file", progress=lambda *pair: done.append(pair))
    assert told == [NETWORK.state]
    assert done == [(min(end, len(many)), len(many)) for end in range(GROUP, len(many) + GROUP, GROUP)]


async def test_two_writers_at_once_lose_nothing() -> None:
    register = await filled(memory_store(), *NETWORK.statements[:1])
    _, a1, a2, b1, b2, c1, c2 = NETWORK.statements
    await asyncio.gather(
        register.admit([a1, a2], source="one"),
        register.admit([b1, b2], source="two"),
        register.admit([c1, c2], source="three"),
    )
    assert register.state.view == NETWORK.state.view


async def test_it_sees_what_another_hand_kept_before_it_judges() -> None:
    store = memory_store()
    late = await filled(store, *NETWORK.statements[:3])
    early = Register(store, FixedClock())
    await early.load()
    await early.admit(NETWORK.statements[3:5], source="one")
    report = await late.admit(NETWORK.statements[3:], source="two")
    assert report.counts == {Outcome.KNOWN: 2, Outcome.ADMITTED: 2}
    assert late.state.view == NETWORK.state.view


async def test_pending_and_disputed_survive_a_restart() -> None:
    store = memory_store()
    register = await filled(store)
    state = register.state
    key = certified_node_keys("xa-acc").signing.key_id
    put = updated(state, "xa-acc", PutContact(contact=sample_contact("other")))
    lost = updated(state.apply(put), "xa-acc", CompromisedKey(key=key, since=START))
    rival = updated(state, "xa-acc", PutContact(contact=sample_contact("third")))
    report = await register.admit([lost, put, rival], source="xa-acc/main")
    assert report.counts == {Outcome.PENDING: 1, Outcome.ADMITTED: 1, Outcome.DISPUTE: 1}
    again = Register(store, FixedClock())
    await again.load()
    assert again.state == register.state


async def test_what_a_cancelled_caller_had_kept_is_found_by_the_next() -> None:
    store = memory_store()
    register = await filled(store, *NETWORK.statements[:1])
    _, a1, a2, *rest = NETWORK.statements
    other = Register(store, FixedClock())
    await other.load()
    await other.admit([a1, a2], source="elsewhere")
    report = await register.admit(rest, source="here")
    assert report.counts == {Outcome.ADMITTED: 4}
    assert register.state.view == NETWORK.state.view
    assert len(await register.export()) == len(NETWORK.statements)


async def test_each_statement_kept_is_in_the_audit_log() -> None:
    store = memory_store()
    log = audit_log()
    register = Register(store, FixedClock(), log)
    await register.pin(NETWORK.fingerprint)
    await register.admit([*NETWORK.statements, b"{}"], source="file")
    state = register.state
    this, that = (
        updated(state, "xa-acc", PutContact(contact=sample_contact(name))) for name in ("this", "that")
    )
    await register.admit([this, that, this], source="xa-acc/main")
    events = await store.read(lambda tx: recorded(tx, log))
    kept = [event for event in events if event.kind is EventKind.DIRECTORY_CHANGE]
    assert [(event.peer, event.result) for event in kept] == [
        ("", "root admitted"),
        ("xa-acc", "admit admitted"),
        ("xa-acc", "update admitted"),
        ("xb-ibu", "admit admitted"),
        ("xb-ibu", "update admitted"),
        ("xc-aco", "admit admitted"),
        ("xc-aco", "update admitted"),
        ("xa-acc", "update admitted"),
        ("xa-acc", "update dispute"),
    ]
    assert [event.dir_size for event in kept] == list(range(1, 10))
    alarms = [event for event in events if event.kind is EventKind.ALARM]
    assert [(event.peer, event.result) for event in alarms] == [("xa-acc", "disputed")]


async def test_a_statement_changed_in_the_store_stops_the_start() -> None:
    store = memory_store()
    await filled(store)
    changed = NETWORK.statements[1].replace(b'"sig":"', b'"sig":"AAAA', 1)
    table = records.STATEMENT
    await store.write(
        lambda tx: tx.execute(update(table).where(table.c.position == 2).values(statement=changed))
    )
    with pytest.raises(StoreError, match="statement 2") as caught:
        await Register(store, FixedClock()).load()
    assert caught.value.code is ReasonCode.STORE_CORRUPT
