# SPDX-License-Identifier: Apache-2.0
"""What a node does for its groups by itself, between real stores: renewals, silence, and coming back."""

from dataclasses import dataclass, field
from functools import partial

import pytest

from globe_node.groups import arriving, hub
from globe_node.groups.book import GroupBook
from globe_node.groups.lineage import invited
from globe_node.groups.links import GroupStatus
from globe_node.groups.members import leaves
from globe_node.groups.members.parcels import parcel_of
from globe_node.groups.upkeep import renewing
from globe_node.groups.upkeep.caretaker import Caretaker
from globe_node.groups.views import GroupView, views_of
from globe_node.store.door import Transaction
from protocol.audit.events import AuditEvent
from protocol.envelope import parse_envelope
from protocol.errors import LocalProtocolError, ReasonCode, RemoteProtocolError
from protocol.groups.membership import identity_in
from protocol.groups.upkeep import RENEWAL_MESSAGES
from protocol.identifiers import AuthorityId, ConsultationId, NodeName
from tests.support.loops import run_inline
from tests.support.rings import MAIN, A, B, C, Ring


@dataclass
class Care:
    """The caretaker of one node of a ring, and what it has told."""

    ring: Ring
    name: AuthorityId
    events: list[AuditEvent] = field(default_factory=list)
    needed: list[AuthorityId] = field(default_factory=list)
    renewed: list[ConsultationId] = field(default_factory=list)

    def append(self, _tx: Transaction, events: list[AuditEvent]) -> list[int]:
        self.events.extend(events)
        return []

    def work(self) -> None:
        caretaker = Caretaker(
            self.ring.houses[self.name].bench,
            self.ring.known[self.name],
            self,  # type: ignore[arg-type]  # the part that is asked
            wake=lambda queued: self.ring.woken.append((self.name, queued)),
            need=self.needed.extend,
            renew=self.renewed.extend,
            regrouped=lambda: self.ring.regrouped.append(self.name),
        )
        run_inline(caretaker.work())


@pytest.fixture
def ring() -> Ring:
    return Ring()


def is_due(ring: Ring, name: str) -> bool:
    return ring.at(name, lambda book: renewing.is_due(book, ring.link(name)))


def view(ring: Ring, name: str) -> GroupView:
    consultation = ring.opening.consultation
    return ring.houses[name].read(lambda tx: views_of(tx, AuthorityId(name), [consultation]))[consultation]


# --- our own keys ---------------------------------------------------------------------------------------
def test_keys_are_due_after_a_day_and_not_before(ring: Ring) -> None:
    assert not is_due(ring, B)
    ring.later(hours=23.9)
    assert not is_due(ring, B)
    ring.later(hours=0.2)
    assert is_due(ring, B)
    assert ring.renew(B)
    assert not is_due(ring, B)


def test_a_hundred_messages_are_said_with_one_pair_of_keys(ring: Ring) -> None:
    for _ in range(RENEWAL_MESSAGES // 2):
        ring.say(B)
    assert ring.renew(C)
    ring.follow(B)
    for _ in range(RENEWAL_MESSAGES // 2 - 1):
        ring.say(B)
    assert not is_due(ring, B)
    ring.say(B)
    assert is_due(ring, B)
    ring.known[B].renewals._own.clear()
    assert is_due(ring, B)


def test_who_came_back_by_a_resync_renews_its_keys(ring: Ring) -> None:
    ring.lose(B)
    ring.look(B)
    assert is_due(ring, B)
    care = Care(ring, B)
    care.work()
    assert care.renewed == [ring.opening.consultation]
    assert ring.renew(B)
    assert not is_due(ring, B)


def test_keys_that_nobody_uses_are_renewed_after_two_weeks(ring: Ring) -> None:
    ring.later(days=13.9)
    for name in (A, B):
        care = Care(ring, name)
        care.work()
        assert (care.renewed, ring.link(A).epoch) == ([], 1)
    ring.later(days=0.2)
    care = Care(ring, B)
    care.work()
    assert care.renewed == [ring.opening.consultation]
    Care(ring, A).work()
    assert ring.link(A).epoch == 2
    ring.follow(B)
    assert ring.hear(A, ring.say(B)) == b"\1word"


# --- members that are silent ----------------------------------------------------------------------------
def test_a_member_that_is_dead_is_shown_and_then_taken_out(ring: Ring) -> None:
    ring.later(days=44)
    assert ring.renew(B)
    Care(ring, A).work()
    assert view(ring, A).silent == ()
    ring.later(days=2)
    care = Care(ring, A)
    care.work()
    assert view(ring, A).silent == (C,)
    assert care.events == []
    ring.later(days=44)
    assert ring.renew(B)
    care = Care(ring, A)
    care.work()
    assert [(one.peer, one.result) for one in care.events] == [("xc-aco/main", "removed silent")]
    assert (view(ring, A).silent, view(ring, A).absent) == ((), (C,))
    assert care.needed == [C]


def test_a_member_that_was_taken_out_knows_it_and_comes_back_with_keys(ring: Ring) -> None:
    ring.later(days=91)
    Care(ring, A).work()
    for octets in ring.queued(A, C):
        ring.at(C, partial(arriving.follow, envelope=parse_envelope(octets)))
    assert ring.link(C).status is GroupStatus.ABSENT
    ring.supply(C)
    care = Care(ring, A)
    care.work()
    assert [(one.peer, one.result) for one in care.events] == [("xc-aco/main", "returned")]
    invitation = parse_envelope(ring.queued(A, C)[-1])
    ring.at(C, lambda book: invited.take_invitation(book, invitation))
    assert ring.link(C).status is GroupStatus.OPEN
    assert ring.hear(A, ring.say(C)) == b"\1word"
    with pytest.raises(RemoteProtocolError) as again:
        ring.at(C, partial(invited.take_invitation, envelope=invitation))
    assert again.value.code is ReasonCode.KEY_PACKAGE_GONE


# --- what no longer stands ------------------------------------------------------------------------------
def test_no_record_is_sealed_for_a_leaf_that_stands_no_longer(ring: Ring) -> None:
    assert ring.say(A)
    ring.later(days=91)
    with pytest.raises(LocalProtocolError) as refused:
        ring.say(A)
    assert refused.value.code is ReasonCode.REVOKED_KEY
    assert ring.say(A, b"\2statement")
    Care(ring, B).work()
    rows = ring.houses[B].read(lambda tx: leaves.leaves_of(tx, [ring.link(B).group_id]))
    assert {row.fallen for row in rows} == {"expired"}


def test_an_invitation_to_an_epoch_of_before_brings_nobody_back(ring: Ring) -> None:
    before = ring.memory(A)
    ring.renew(B)
    ring.follow(C)
    ring.put_back(A, before)
    ring.supply(C)

    def invite(book: GroupBook) -> bytes:
        link = ring.link(A)
        packages, _missing = hub.find_packages(book, [NodeName(C, MAIN)])
        tree = book.require_group(link).tree
        (place,) = [number for number, leaf in tree.members() if identity_in(leaf).name.authority == C]
        changed = hub.mend(book, link, packages, leaves=[place])
        return parcel_of(
            book.bench, book.tx, link, changed.invitations[C], peers=[C], now_ms=book.now_ms
        ).octets

    invitation = parse_envelope(ring.at(A, invite))
    with pytest.raises(RemoteProtocolError) as refused:
        ring.at(C, partial(invited.take_invitation, envelope=invitation))
    assert refused.value.code is ReasonCode.ID_CONFLICT
    assert (ring.link(A).epoch, ring.link(C).epoch) == (2, 2)
