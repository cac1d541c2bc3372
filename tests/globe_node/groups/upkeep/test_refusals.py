# SPDX-License-Identifier: Apache-2.0
"""Who refused its newest invitation for want of keys, and who refuses so often that it is left alone."""

from collections.abc import Iterator

import pytest

from globe_node.delivery.outbox import Outgoing, enqueue
from globe_node.groups.upkeep.refusals import MOST_A_DAY, refused_by
from globe_node.store.door import Transaction
from globe_node.store.driver import driver_of
from protocol.envelope import EnvelopeClass
from protocol.errors import ReasonCode
from protocol.identifiers import AuthorityId, Digest, EnvelopeId
from tests.support.store import memory_database

B, C = AuthorityId("xb-ibu"), AuthorityId("xc-aco")
ROUTE, OTHER = b"r" * 16, b"o" * 16
DAY_MS = 86_400_000
GONE = ReasonCode.KEY_PACKAGE_GONE.value


@pytest.fixture
def tx() -> Iterator[Transaction]:
    database = memory_database()
    yield database.writer
    database.close()


def invited(
    tx: Transaction,
    number: int,
    peer: AuthorityId = B,
    *,
    route: bytes = ROUTE,
    reason: str = "",
    at: int = 0,
) -> None:
    """Queue an invitation and, if a reason is given, let it be rejected."""
    item = Outgoing(
        envelope_id=EnvelopeId(bytes([number]) * 16),
        envelope_class=EnvelopeClass.WELCOME,
        routing_id=route,
        octets=b"envelope",
        envelope_hash=Digest(f"{number:02}" * 32),
        record_hash="",
        peers=(peer,),
        deadline_ms=10 * DAY_MS,
    )
    enqueue(tx, [item], at)
    if reason:
        sql = "UPDATE outbox SET state = 'rejected', reason = ?, decided_ms = ? WHERE envelope_id = ?"
        driver_of(tx).execute(sql, (reason, at, item.envelope_id))


def test_the_newest_invitation_to_the_group_counts(tx: Transaction) -> None:
    invited(tx, 1, reason=GONE, at=5)
    invited(tx, 2, C, reason=ReasonCode.REFUSED.value, at=5)
    invited(tx, 3, C, route=OTHER, reason=GONE, at=5)
    assert refused_by(tx, ROUTE, 6) == {B: 5}
    invited(tx, 4)
    assert refused_by(tx, ROUTE, 6) == {}


def test_who_refuses_again_and_again_is_left_alone_for_a_day(tx: Transaction) -> None:
    for number in range(1, MOST_A_DAY + 1):
        assert refused_by(tx, ROUTE, number) == ({B: number - 1} if number > 1 else {})
        invited(tx, number, reason=GONE, at=number)
    assert refused_by(tx, ROUTE, MOST_A_DAY) == {}
    assert refused_by(tx, ROUTE, DAY_MS) == {}
    assert refused_by(tx, ROUTE, DAY_MS + 1) == {B: MOST_A_DAY}
