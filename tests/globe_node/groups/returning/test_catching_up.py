# SPDX-License-Identifier: Apache-2.0
"""Who missed commits asks for them; who can't go on with one comes back; a hub put back notices."""

from dataclasses import replace
from functools import partial

import pytest

from globe_node.delivery.link import Operation
from globe_node.groups import arriving
from globe_node.groups.book import GroupBook
from globe_node.groups.changing import receipt_for
from globe_node.groups.links import GroupStatus
from globe_node.groups.returning.wire import LaterRequest, parse_commit_answer
from globe_node.store.driver import driver_of
from protocol.envelope import EnvelopeClass, envelope_bytes, parse_envelope
from protocol.errors import ReasonCode
from protocol.groups.sealed import OrderedCommit
from tests.globe_node.groups.returning.test_ring import ask, group_of, made, refusal, require_talk
from tests.support.loops import run_inline
from tests.support.rings import A, B, C, Ring


@pytest.fixture
def ring() -> Ring:
    return Ring()


def catch_up(ring: Ring, name: str) -> bool:
    return run_inline(ring.member(name).catch_up(ring.link(name)))


def later(ring: Ring, name: str, epoch: int) -> bytes:
    return ask(ring, name, LaterRequest(ring.link(A).group_id, epoch))


def test_a_member_that_missed_commits_asks_for_them(ring: Ring) -> None:
    assert ring.renew(B)
    assert ring.renew(B)
    assert catch_up(ring, C)
    assert ring.regrouped == [B, B, C]
    require_talk(ring, A, B, C)
    assert not catch_up(ring, C)


def test_a_member_that_missed_too_many_comes_back(ring: Ring) -> None:
    assert ring.renew(B)
    ring.houses[A].write(lambda tx: driver_of(tx).execute("DELETE FROM group_commit"))
    assert not catch_up(ring, C)
    assert ring.link(C).status is GroupStatus.LOST
    ring.look(C)
    ring.follow(B)
    require_talk(ring, A, B, C)


def test_later_commits_are_shown_to_members_only_and_from_epochs_that_were(ring: Ring) -> None:
    epoch = ring.link(A).epoch
    assert parse_commit_answer(later(ring, C, epoch)).earlier == ()
    assert refusal(lambda: later(ring, C, epoch + 1)) is ReasonCode.SEQUENCE_GAP
    assert refusal(lambda: later(ring, "xd-oip", epoch)) is ReasonCode.REFUSED
    assert refusal(lambda: later(ring, B, 0)) is ReasonCode.EXPIRED


def test_who_can_not_take_a_commit_that_has_its_place_comes_back(ring: Ring) -> None:
    """The hub signed another outcome of the commit than it has: whoever sees that has lost the group."""
    request = made(ring, B)
    entered = replace(group_of(ring, C), context=replace(group_of(ring, C).context, epoch=2))
    receipt = receipt_for(ring.houses[A].bench, entered, request.commit, ring.clock.now())
    parcel = OrderedCommit(request.commit, receipt, ())
    frame = ring.frame(A, EnvelopeClass.COMMIT)
    envelope = parse_envelope(envelope_bytes(frame.to_bytes(), parcel.to_bytes()))

    def refused(book: GroupBook) -> ReasonCode:
        return refusal(lambda: arriving.follow(book, envelope))

    assert ring.at(C, refused) is ReasonCode.REFUSED
    assert ring.link(C).status is GroupStatus.LOST
    ring.look(C)
    ring.follow(B)
    require_talk(ring, A, B, C)


def test_a_hub_put_back_to_an_older_state_comes_back(ring: Ring) -> None:
    before = ring.memory(A)
    assert ring.renew(B)
    ring.follow(C)
    epoch = ring.link(B).epoch
    ring.put_back(A, before)
    assert catch_up(ring, A)
    assert ring.link(A).epoch == epoch + 1
    for name in (B, C):
        ring.at(name, partial(arriving.follow, envelope=parse_envelope(ring.queued(A, name)[-2])))
    require_talk(ring, A, B, C)


def test_a_hub_that_is_not_behind_stays_as_it_is(ring: Ring) -> None:
    epoch = ring.link(A).epoch
    assert not catch_up(ring, A)
    assert ring.asked == [Operation.GROUP_INFO] * 2
    assert ring.link(A).epoch == epoch
    require_talk(ring, A, B, C)
