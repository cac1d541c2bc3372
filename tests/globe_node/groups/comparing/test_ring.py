# SPDX-License-Identifier: Apache-2.0
"""Members to whom a hub gave different commits find it out by showing each other its receipts."""

from base64 import b64decode
from dataclasses import replace
from functools import partial
from typing import Any

import pytest

from globe_node.delivery.link import Operation, PeerIdentity
from globe_node.delivery.outbox import Outgoing
from globe_node.groups import arriving, hub
from globe_node.groups.book import GroupBook
from globe_node.groups.comparing.desk import ASKS_A_MINUTE, ComparingDesk
from globe_node.groups.comparing.wire import Shown, parse_shown, shown_bytes
from globe_node.groups.links import GroupStatus
from globe_node.groups.members import comparisons, equivocations
from globe_node.groups.members.parcels import parcel_of
from globe_node.groups.records import commits_since
from globe_node.groups.views import views_of
from protocol.audit.events import EventKind
from protocol.envelope import Envelope, parse_envelope
from protocol.errors import ReasonCode
from protocol.groups.testimony.hub_receipt import (
    EquivocationProof,
    parse_equivocation,
    parse_hub_receipt,
    sign_hub_receipt,
    verify_equivocation,
)
from protocol.identifiers import AuthorityId
from protocol.receipts import Issuer
from protocol.record import record_hash
from tests.support.audit import recorded
from tests.support.directory import certified_node_keys
from tests.support.loops import run_inline
from tests.support.refusals import refused
from tests.support.rings import MAIN, A, B, C, Ring

STRANGER = AuthorityId("xd-acc")


@pytest.fixture
def ring() -> Ring:
    return Ring()


def ordered(ring: Ring) -> Envelope:
    """A commit of the hub with its place, as a member gets it."""

    def act(book: GroupBook) -> Outgoing:
        changed = hub.mend(book, ring.link(A), (), leaves=())
        assert changed.commit is not None
        return parcel_of(book.bench, book.tx, ring.link(A), changed.commit, peers=[B], now_ms=book.now_ms)

    return parse_envelope(ring.at(A, act).octets)


def fork(ring: Ring) -> None:
    """Give B and C different commits for one place."""
    before = ring.memory(A)
    for name in (B, C):
        ring.put_back(A, before)
        ring.at(name, partial(arriving.follow, envelope=ordered(ring)))


def status(ring: Ring, name: str) -> GroupStatus:
    return ring.link(name).status


def alarms(ring: Ring, name: str) -> int:
    house = ring.houses[name]
    entries = house.read(lambda tx: recorded(tx, house.bench.audit))
    return sum(one.kind is EventKind.ALARM and one.result == "equivocation" for one in entries)


def waits(ring: Ring, name: str) -> int:
    tx = ring.houses[name].database.writer
    return sum(len(comparisons.waiting(tx, peer, 99)) for peer in comparisons.waiting_peers(tx))


def require_convicted(ring: Ring, name: str) -> None:
    bench, consultation = ring.houses[name].bench, ring.opening.consultation
    shown = ring.houses[name].read(lambda tx: views_of(tx, AuthorityId(name), [consultation]))[consultation]
    assert shown.status is GroupStatus.EQUIVOCATED
    proof = parse_equivocation(b64decode(shown.proof))
    assert verify_equivocation(proof, bench.register.state, bench.clock.now()).authority == A
    assert alarms(ring, name) == 1


def receipt_of(ring: Ring, name: str) -> bytes:
    tx = ring.houses[name].database.writer
    return commits_since(tx, ring.link(name).group_id, 0, 99)[-1].receipt


def asked(ring: Ring, shown: list[Shown], peer: AuthorityId = C, of: str = B) -> tuple[Shown, ...]:
    desk = ComparingDesk(ring.houses[of].bench, ring.known[of])
    return parse_shown(run_inline(desk.hub_receipts(PeerIdentity(peer, MAIN), shown_bytes(shown))))


def test_one_question_lets_both_find_it_out(ring: Ring) -> None:
    fork(ring)
    ring.compare(B)
    for name in (B, C):
        require_convicted(ring, name)
    assert ring.asked == [Operation.HUB_RECEIPTS]


def test_a_fork_shows_in_every_later_epoch(ring: Ring) -> None:
    """C goes on alone; what tells is the newest epoch that both know."""
    before = ring.memory(A)
    ring.at(B, partial(arriving.follow, envelope=ordered(ring)))
    ring.compare(B)  # C has nothing to show yet
    assert status(ring, B) is GroupStatus.OPEN
    ring.put_back(A, before)
    for _ in range(3):
        ring.at(C, partial(arriving.follow, envelope=ordered(ring)))
    ring.compare(C)
    require_convicted(ring, C)
    ring.compare(C)  # it shows the proof to B, whose receipt it was
    require_convicted(ring, B)


def test_members_of_one_group_ask_once_for_each_commit_and_agree(ring: Ring) -> None:
    for _ in range(2):
        envelope = ordered(ring)
        for name in (B, C):
            ring.at(name, partial(arriving.follow, envelope=envelope))
    assert (waits(ring, A), waits(ring, B), waits(ring, C)) == (0, 1, 1)
    for name in (A, B, C, B, C):
        ring.compare(name)
    assert ring.asked == [Operation.HUB_RECEIPTS] * 2
    assert (waits(ring, B), waits(ring, C)) == (0, 0)
    assert (status(ring, B), status(ring, C)) == (GroupStatus.OPEN, GroupStatus.OPEN)


def test_who_has_proof_shows_it_to_who_saw_only_one_side(ring: Ring) -> None:
    before = ring.memory(A)
    first = ordered(ring)
    ring.put_back(A, before)
    second = ordered(ring)
    for name in (B, C):
        ring.at(name, partial(arriving.follow, envelope=first))
    ring.compare(C)
    assert status(ring, C) is GroupStatus.OPEN
    ring.at(B, partial(arriving.follow, envelope=second))
    ring.compare(B)
    require_convicted(ring, C)
    for name in (C, B):
        ring.compare(name)
    assert (waits(ring, B), waits(ring, C), alarms(ring, B), alarms(ring, C)) == (0, 0, 1, 1)


def test_a_member_that_is_away_is_asked_again_after_a_pause(ring: Ring) -> None:
    fork(ring)
    ring.away.add(C)
    ring.compare(B)
    assert (status(ring, B), waits(ring, B)) == (GroupStatus.OPEN, 1)
    ring.away.clear()
    ring.compare(B)
    require_convicted(ring, B)


def test_what_proves_nothing_changes_nothing(ring: Ring) -> None:
    """Each is a way to have a good hub convicted, or to have somebody stop speaking in a group."""
    envelope = ordered(ring)
    for name in (B, C):
        ring.at(name, partial(arriving.follow, envelope=envelope))
    known = receipt_of(ring, B)
    receipt = parse_hub_receipt(known)
    group_id = receipt.group_id

    def signed(signer: str = A, **changes: Any) -> bytes:
        return sign_hub_receipt(certified_node_keys(signer).signing, replace(receipt, **changes))

    own = certified_node_keys(C).signing.key_id
    theirs = Issuer(C, MAIN, own)
    other_commit = record_hash(b"another commit")
    forged = bytearray(signed(commit=other_commit))
    forged[-1] ^= 1
    other_group = signed(group_id=bytes(32), commit=other_commit)
    proof_elsewhere = EquivocationProof(*sorted((signed(group_id=bytes(32)), other_group)))
    own_word = EquivocationProof(
        *sorted((signed(C, issuer=theirs), signed(C, issuer=theirs, commit=other_commit)))
    )
    for shown in (
        Shown(group_id, b"no receipt"),
        Shown(group_id, signed()),  # the same once more, under another signature
        Shown(group_id, signed(epoch=receipt.epoch + 1, commit=other_commit)),
        Shown(group_id, bytes(forged)),
        Shown(group_id, other_group),
        Shown(group_id, signed(C, issuer=theirs, commit=other_commit)),
        Shown(group_id, known, signed(epoch=receipt.epoch + 1)),
        Shown(group_id, known, known),
        Shown(group_id, proof_elsewhere.first, proof_elsewhere.second),
        Shown(group_id, own_word.first, own_word.second),
    ):
        asked(ring, [shown])
        assert status(ring, B) is GroupStatus.OPEN
    tx = ring.houses[B].database.writer
    assert equivocations.proofs_of(tx, group_id) == []
    assert alarms(ring, B) == 0
    assert waits(ring, B) == 1


def test_who_is_not_in_the_group_learns_nothing_and_can_tell_nothing(ring: Ring) -> None:
    fork(ring)
    group_id = ring.link(B).group_id
    assert asked(ring, [Shown(group_id, receipt_of(ring, C))], STRANGER) == ()
    assert asked(ring, [Shown(bytes(32), receipt_of(ring, C))]) == ()
    assert status(ring, B) is GroupStatus.OPEN


def test_one_proof_is_kept_whatever_a_member_shows(ring: Ring) -> None:
    fork(ring)
    before = waits(ring, B)
    for _ in range(3):
        (shown,) = asked(ring, [Shown(ring.link(B).group_id, receipt_of(ring, C))])
        assert shown.second
    require_convicted(ring, B)
    assert len(equivocations.proofs_of(ring.houses[B].database.writer, ring.link(B).group_id)) == 1
    assert waits(ring, B) == before


def test_a_hub_is_found_out_after_another_one_took_its_place(ring: Ring) -> None:
    fork(ring)
    ring.at(B, lambda book: book.put_link(replace(ring.link(B), hub="xc-aco/main")))
    asked(ring, [Shown(ring.link(B).group_id, receipt_of(ring, C))])
    require_convicted(ring, B)


def test_a_peer_asks_so_often_and_no_more(ring: Ring) -> None:
    desk = ComparingDesk(ring.houses[B].bench, ring.known[B])

    def ask() -> object:
        return run_inline(desk.hub_receipts(PeerIdentity(C, MAIN), shown_bytes([])))

    for _ in range(ASKS_A_MINUTE):
        ask()
    refused(ask, ReasonCode.RATE_LIMITED)


def test_an_answer_about_other_groups_than_asked_is_not_looked_at(ring: Ring) -> None:
    fork(ring)
    ring.lose(C)  # it has nothing to show, and is asked once
    ring.compare(B)
    assert (status(ring, B), waits(ring, B)) == (GroupStatus.OPEN, 0)
