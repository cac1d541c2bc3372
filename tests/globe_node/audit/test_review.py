# SPDX-License-Identifier: Apache-2.0
"""What a reader of the log is shown."""

from datetime import UTC, datetime
from functools import partial

from globe_node.audit.checkpoints import Checkpoints
from globe_node.audit.high_water import MemoryHighWater
from globe_node.audit.review import Question, newest_entries
from globe_node.store.door import Transaction
from globe_node.store.driver import driver_of
from protocol.audit.events import AuditEvent, EventKind
from tests.support.audit import LOG_KEY, audit_log
from tests.support.clock import START
from tests.support.store import memory_store

LOG = audit_log()


def act(kind: EventKind, peer: str, case: str, at: datetime = START) -> AuditEvent:
    return AuditEvent(kind=kind, at=at, peer=peer, case=case, msg=f"{case}-{kind}")


async def test_newest_first_and_only_what_is_asked_for() -> None:
    store = memory_store()
    acts = [
        act(EventKind.RECEIVED, "xb-acc/main", "c1"),
        act(EventKind.OPENED, "xb-acc", "c1"),
        act(EventKind.RECEIVED, "xc-acc", "c2"),
        act(EventKind.READ, "", "c2", datetime(2027, 1, 2, tzinfo=UTC)),
    ]
    for item in acts:
        await store.write(partial(LOG.append, events=[item]))

    async def ask(limit: int = 100, question: Question | None = None) -> list[str]:
        rows = await store.read(lambda tx: newest_entries(tx, LOG.vault, limit=limit, question=question))
        return [row.event.msg for row in rows if row.event and row.event.kind is not EventKind.LOG_OPENED]

    every = [item.msg for item in reversed(acts)]
    assert await ask() == every
    assert await ask(limit=1) == every[:1]
    assert await ask(question=Question(peer="xb-acc")) == ["c1-OPENED", "c1-RECEIVED"]
    assert await ask(question=Question(case="c2")) == ["c2-READ", "c2-RECEIVED"]
    assert await ask(question=Question(kinds={EventKind.RECEIVED})) == ["c2-RECEIVED", "c1-RECEIVED"]
    assert await ask(question=Question(msg="c1-OPENED", peer="xb-acc", case="c1")) == ["c1-OPENED"]


async def test_it_says_what_is_signed_and_shows_what_can_not_be_opened() -> None:
    store = memory_store()
    await store.write(lambda tx: LOG.append(tx, [act(EventKind.READ, "", "c1")]))
    await Checkpoints(store, name=LOG.name, high_water=MemoryHighWater(), signer=LOG_KEY).sign()
    await store.write(lambda tx: LOG.append(tx, [act(EventKind.READ, "", "c2")] * 2))

    def damage(tx: Transaction) -> None:
        raw = driver_of(tx)
        raw.execute("UPDATE audit_entry SET vault = NULL WHERE id % 4 = 1")
        raw.execute("UPDATE audit_entry SET vault = zeroblob(9) WHERE id % 4 = 2")

    await store.write(damage)
    rows = await store.read(
        lambda tx: newest_entries(tx, LOG.vault, limit=9, question=Question(case="nothing"))
    )
    assert [(row.index, row.event, row.signed) for row in rows] == [(2, None, False), (1, None, True)]
    rows = await store.read(lambda tx: newest_entries(tx, LOG.vault, limit=9))
    assert [(row.index, row.signed) for row in rows] == [(3, False), (2, False), (1, True), (0, True)]
