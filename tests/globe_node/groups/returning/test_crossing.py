# SPDX-License-Identifier: Apache-2.0
"""A return from outside and an invitation by the hub cross, and neither leads to nowhere."""

from collections.abc import Callable
from datetime import timedelta
from functools import partial

import pytest

from globe_node.delivery.link import Operation
from globe_node.groups import hub, records
from globe_node.groups.book import GroupBook
from globe_node.groups.lineage import invited
from globe_node.groups.links import GroupStatus
from globe_node.groups.members import leaves
from globe_node.groups.returning import pending
from globe_node.groups.returning.member import NO_EPOCH
from protocol.envelope import Envelope, EnvelopeClass, envelope_bytes, parse_envelope
from protocol.groups.membership import identity_in
from protocol.groups.sealed import Said, kind_of
from protocol.groups.upkeep import UNHEARD_PAUSE
from protocol.identifiers import NodeName
from tests.support.loops import run_inline
from tests.support.rings import MAIN, A, B, C, Ring


@pytest.fixture
def ring() -> Ring:
    return Ring()


def invite_anew(ring: Ring) -> Envelope:
    """Let the hub give B another leaf in the place of its old one; return the invitation."""
    ring.supply(B)

    def mend(book: GroupBook) -> bytes:
        link = ring.link(A)
        packages, _ = hub.find_packages(book, [NodeName(B, MAIN)])
        tree = book.require_group(link).tree
        old = [number for number, leaf in tree.members() if identity_in(leaf).name.authority == B]
        return hub.mend(book, link, packages, leaves=old).invitations[B].to_bytes()

    sealed = ring.at(A, mend)
    return parse_envelope(envelope_bytes(ring.frame(A, EnvelopeClass.WELCOME).to_bytes(), sealed))


def take(ring: Ring, invitation: Envelope) -> None:
    ring.at(B, partial(invited.take_invitation, envelope=invitation))


def on_first(operation: Operation, act: Callable[[], None], ring: Ring) -> Callable[[Operation], None]:
    """Return what acts once, before the first request of a kind is answered."""

    def before(asked: Operation) -> None:
        if asked is operation:
            ring.before = lambda _operation: None
            act()

    return before


def require_back(ring: Ring) -> None:
    """B is in the epoch of the hub, and both hear each other."""
    assert ring.link(B).status is GroupStatus.OPEN
    assert ring.link(B).epoch == ring.link(A).epoch
    for speaker, hearer in ((A, B), (B, A)):
        assert ring.hear(hearer, ring.say(speaker)) == b"\1word"


def words_of_return(ring: Ring) -> int:
    """How often B has queued its word that it is in the group."""
    opened = [ring.hear(A, one) for one in ring.queued(B, A)]
    return sum(1 for data in opened if kind_of(data) is Said.JOINED)


def test_who_was_invited_meanwhile_does_not_come_from_outside(ring: Ring) -> None:
    ring.lose(B)
    invitation = invite_anew(ring)
    ring.before = on_first(Operation.GROUP_INFO, lambda: take(ring, invitation), ring)
    ring.look(B)
    assert ring.asked == [Operation.GROUP_INFO]
    require_back(ring)


def test_a_return_that_has_its_place_is_taken_in_the_group_of_an_invitation(ring: Ring) -> None:
    """The hub gave it a place in the epoch of the invitation, and its answer was lost."""
    ring.lose(B)
    invitation = invite_anew(ring)
    ring.lose_answers = 3
    ring.look(B)
    late = ring.say(A)
    assert ring.link(A).epoch == 3
    take(ring, invitation)
    spoken = ring.say(B)
    assert ring.link(B).epoch == 2
    assert ring.renew(B)
    require_back(ring)
    assert ring.hear(B, late) == b"\1word"
    assert ring.hear(A, spoken) == b"\1word"
    assert words_of_return(ring) == 1
    assert ring.at(B, lambda book: pending.find(book, ring.link(B))) is None


def test_the_place_of_a_return_may_come_with_later_commits(ring: Ring) -> None:
    ring.lose(B)
    invitation = invite_anew(ring)
    ring.lose_answers = 3
    ring.look(B)
    ring.at(A, lambda book: hub.mend(book, ring.link(A), (), leaves=()))
    take(ring, invitation)
    assert run_inline(ring.member(B).catch_up(ring.link(B)))
    require_back(ring)
    assert words_of_return(ring) == 1


def test_a_return_that_is_asked_for_as_a_renewal_is_said_to_the_others(ring: Ring) -> None:
    """After a restart what waits for a place is asked for, whatever it is."""
    ring.lose(B)
    ring.lose_answers = 3
    ring.look(B)
    assert ring.renew(B)
    require_back(ring)
    assert words_of_return(ring) == 1
    (row,) = [
        one
        for one in ring.at(B, lambda book: leaves.leaves_of(book.tx, [ring.link(B).group_id]))
        if one.authority == B
    ]
    assert row.resynced


def test_who_has_forgotten_its_return_comes_back_once_more(ring: Ring) -> None:
    ring.lose(B)
    invitation = invite_anew(ring)
    ring.lose_answers = 3
    ring.look(B)
    take(ring, invitation)
    ring.at(B, lambda book: records.drop_pending(book.tx, ring.link(B).group_id, NO_EPOCH))
    assert run_inline(ring.member(B).catch_up(ring.link(B)))
    assert ring.link(B).status is GroupStatus.LOST
    ring.later(seconds=UNHEARD_PAUSE / timedelta(seconds=1))
    ring.look(B)
    require_back(ring)


def test_a_return_into_an_epoch_that_is_over_is_not_taken(ring: Ring) -> None:
    ring.lose(B)
    ring.lose_answers = 3
    ring.look(B)
    invitation = invite_anew(ring)
    take(ring, invitation)
    assert ring.at(B, lambda book: pending.find(book, ring.link(B))) is None
    assert ring.link(C).epoch == 1
    require_back(ring)
