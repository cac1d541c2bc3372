# SPDX-License-Identifier: Apache-2.0
"""What the list and one case show."""

import asyncio

import pytest

from globe_node.consultations import casefile
from globe_node.errors import NotFoundError
from globe_node.store.door import Transaction
from globe_node.store.driver import driver_of
from keys.errors import RowDamagedError
from protocol.codes.message_types import MessageType
from protocol.consultations.table import Move, Role
from protocol.identifiers import AuthorityId, ConsultationId
from tests.support.letters import fresh_id
from tests.support.nodes import A, B, Town, in_town, reply, request


@in_town
async def test_the_list_pages_newest_first_and_filters_by_state(town: Town) -> None:
    sent = []
    for number in range(5):
        sent.append(await town.nodes[A].desk.submit(request(title=f"case {number}")))
        await asyncio.sleep(1)
    await town.nodes[A].desk.submit(reply(sent[2], MessageType.WITHDRAWAL, {}))
    storage, me = town.nodes[A].parts.node_keys.storage, AuthorityId(A)
    page = await town.look(A, lambda tx: casefile.list_cases(tx, storage, me, limit=3))
    assert [case.subject for case in page] == ["case 4", "case 3", "case 2"]
    rest = await town.look(
        A, lambda tx: casefile.list_cases(tx, storage, me, before=page[-1].consultation, limit=3)
    )
    assert [case.subject for case in rest] == ["case 1", "case 0"]
    withdrawn = await town.look(A, lambda tx: casefile.list_cases(tx, storage, me, states=["WITHDRAWN"]))
    assert [case.subject for case in withdrawn] == ["case 2"]
    assert withdrawn[0].records == 2


@in_town
async def test_a_case_says_who_may_do_what_and_what_is_unread(town: Town) -> None:
    sent = await town.nodes[A].desk.submit(request())
    await asyncio.sleep(2)
    ours, theirs = await town.show(A, sent.consultation), await town.show(B, sent.consultation)
    assert (ours.summary.role, theirs.summary.role) == (Role.REQUESTER, Role.REQUESTED)
    assert (ours.summary.counterparties, theirs.summary.counterparties) == ((B,), (A,))
    assert ours.moves == (Move.WITHDRAW, Move.CHANGE_MEMBERS)
    assert Move.ANSWER_ALL in theirs.moves
    assert (ours.summary.unread, theirs.summary.unread) == (0, 1)


@in_town
async def test_what_waits_is_counted(town: Town) -> None:
    town.exchange.down.add(B)
    sent = await town.nodes[A].desk.submit(request())
    await asyncio.sleep(5)
    assert (await town.show(A, sent.consultation)).summary.waiting == 1


@in_town
async def test_an_unknown_case_is_not_found(town: Town) -> None:
    with pytest.raises(NotFoundError):
        await town.show(A, ConsultationId(fresh_id()))


@in_town
async def test_a_changed_row_is_never_shown_as_content(town: Town) -> None:
    sent = await town.nodes[A].desk.submit(request())
    await asyncio.sleep(2)
    await town.nodes[B].parts.store.write(_flip_one_bit)
    with pytest.raises(RowDamagedError):
        await town.show(B, sent.consultation)


@in_town
async def test_a_row_can_not_take_another_rows_place(town: Town) -> None:
    first = await town.nodes[A].desk.submit(request())
    await town.nodes[A].desk.submit(request())
    await asyncio.sleep(2)
    swap = "UPDATE consultation SET subject = (SELECT subject FROM consultation WHERE id != ?)"

    def move(tx: Transaction) -> None:
        tx.exec_driver_sql(swap, (first.consultation,))

    await town.nodes[B].parts.store.write(move)
    with pytest.raises(RowDamagedError):
        await town.show(B, first.consultation)


@in_town
async def test_nothing_a_person_wrote_stands_in_clear_in_the_store(town: Town) -> None:
    canary = "CANARY-7f3a"
    await town.nodes[A].desk.submit(request(title=canary, facts={"text": canary, "language": "en"}))
    await asyncio.sleep(2)
    for name in (A, B):
        dump = await town.look(name, lambda tx: "\n".join(_dump(tx)))
        assert canary not in dump
        assert canary.encode().hex().upper() not in dump


def _flip_one_bit(tx: Transaction) -> None:
    (row,) = tx.exec_driver_sql("SELECT application_data FROM record").fetchall()
    changed = bytearray(row[0])
    changed[60] ^= 1
    tx.exec_driver_sql("UPDATE record SET application_data = ?", (bytes(changed),))


def _dump(tx: Transaction) -> list[str]:
    return list(driver_of(tx).iterdump())
