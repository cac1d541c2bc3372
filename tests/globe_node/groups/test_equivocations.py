# SPDX-License-Identifier: Apache-2.0
"""A hub that gives one place to two commits is found out by its own receipts, between real stores."""

from base64 import b64decode
from functools import partial

import pytest

from globe_node.delivery.link import PeerIdentity
from globe_node.delivery.outbox import Outgoing
from globe_node.groups import arriving, hub
from globe_node.groups.book import GroupBook
from globe_node.groups.links import GroupStatus
from globe_node.groups.members.parcels import parcel_of
from globe_node.groups.returning import committing
from globe_node.groups.returning.ordering import order
from globe_node.groups.views import GroupView, views_of
from protocol.audit.events import EventKind
from protocol.envelope import Envelope, parse_envelope
from protocol.groups.testimony.hub_receipt import parse_equivocation, verify_equivocation
from protocol.identifiers import AuthorityId
from tests.support.audit import recorded
from tests.support.rings import MAIN, A, B, C, Ring


@pytest.fixture
def ring() -> Ring:
    return Ring()


def ordered(ring: Ring) -> Envelope:
    """A commit of the hub with its place, as B gets it."""

    def act(book: GroupBook) -> Outgoing:
        changed = hub.mend(book, ring.link(A), (), leaves=())
        assert changed.commit is not None
        return parcel_of(book.bench, book.tx, ring.link(A), changed.commit, peers=[B], now_ms=book.now_ms)

    return parse_envelope(ring.at(A, act).octets)


def view(ring: Ring, name: str) -> GroupView:
    consultation = ring.opening.consultation
    return ring.houses[name].read(lambda tx: views_of(tx, AuthorityId(name), [consultation]))[consultation]


def require_proof(ring: Ring, name: str) -> None:
    """A node has found the hub out, once, and says nothing more in the group."""
    bench, shown = ring.houses[name].bench, view(ring, name)
    assert shown.status is GroupStatus.EQUIVOCATED
    proof = parse_equivocation(b64decode(shown.proof))
    assert verify_equivocation(proof, bench.register.state, bench.clock.now()).authority == A
    entries = ring.houses[name].read(lambda tx: recorded(tx, bench.audit))
    alarms = [one for one in entries if one.kind is EventKind.ALARM]
    assert [(one.peer, one.result) for one in alarms] == [("xa-acc/main", "equivocation")]
    link = ring.link(name)
    assert not ring.at(name, lambda book: book.is_ready_for(link, link.roster))


def test_two_commits_for_one_place_are_proof_and_alarm(ring: Ring) -> None:
    before = ring.memory(A)
    first = ordered(ring)
    ring.put_back(A, before)
    second = ordered(ring)
    for envelope in (first, second, second):
        ring.at(B, partial(arriving.follow, envelope=envelope))
    require_proof(ring, B)
    ring.at(C, partial(arriving.follow, envelope=second))
    assert view(ring, C).status is GroupStatus.OPEN


def test_a_place_for_our_commit_that_another_one_has_is_proof(ring: Ring) -> None:
    before = ring.memory(A)
    made = ring.at(B, lambda book: committing.renew(book, ring.link(B)))
    ring.at(B, partial(arriving.follow, envelope=ordered(ring)))
    ring.put_back(A, before)
    ring.restart_hub()
    answer = ring.at(A, lambda book: order(book, PeerIdentity(B, MAIN), made.request)).answer
    ring.at(B, lambda book: committing.take_place(book, ring.link(B), made, answer))
    require_proof(ring, B)


def test_the_same_commit_twice_is_nothing(ring: Ring) -> None:
    envelope = ordered(ring)
    for _ in range(2):
        ring.at(B, partial(arriving.follow, envelope=envelope))
    assert (view(ring, B).status, view(ring, B).proof) == (GroupStatus.OPEN, "")


def test_what_comes_from_others_after_a_proof_is_still_read(ring: Ring) -> None:
    before = ring.memory(A)
    envelopes = [ordered(ring)]
    ring.put_back(A, before)
    envelopes.append(ordered(ring))
    ring.put_back(A, before)
    for envelope in envelopes:
        ring.at(B, partial(arriving.follow, envelope=envelope))
    word = ring.say(C)
    assert ring.hear(B, word) == b"\1word"
    require_proof(ring, B)
