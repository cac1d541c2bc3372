# SPDX-License-Identifier: Apache-2.0
"""Which of several groups of one consultation counts, in whatever order a node hears of them."""

from collections.abc import Sequence
from functools import partial

import pytest

from globe_node.groups import hub, records
from globe_node.groups.book import GroupBook
from globe_node.groups.lineage import invited
from globe_node.groups.lineage import records as history_records
from globe_node.groups.links import GroupStatus, LinkRow
from globe_node.groups.packages import pool, stock
from globe_node.groups.returning import finding
from globe_node.groups.returning.wire import SharedGroup
from globe_node.groups.succession import founding
from globe_node.store.driver import driver_of
from protocol.envelope import Envelope, envelope_bytes, parse_envelope
from protocol.errors import LocalProtocolError, ReasonCode
from protocol.groups.sealed import Invitation, parse_invitation
from protocol.identifiers import AuthorityId, NodeName
from tests.globe_node.groups.returning.test_finding import roll
from tests.globe_node.groups.returning.test_ring import refusal
from tests.support.rings import MAIN, A, B, C, Ring

Invitations = dict[AuthorityId, Envelope]


@pytest.fixture
def ring() -> Ring:
    return Ring()


def supply(ring: Ring, taker: AuthorityId, givers: Sequence[AuthorityId]) -> None:
    for name in givers:
        _supply(ring, taker, name)


def _supply(ring: Ring, taker: AuthorityId, name: AuthorityId) -> None:
    giver, house = ring.houses[name], ring.houses[taker]
    asked = house.read(lambda tx: stock.next_request(house.bench, tx, name))
    assert asked is not None
    answer = giver.write(lambda tx: pool.offer(giver.bench, tx, taker, asked))
    house.write(lambda tx: stock.take_in(house.bench, tx, NodeName(name, MAIN), answer))


def continued_by(ring: Ring, name: AuthorityId, *, known: Sequence[AuthorityId] = ()) -> Invitations:
    """Let a successor continue the consultation; return the invitations."""
    supply(ring, name, known or [one for one in (A, B, C) if one != name])
    outgoing = ring.at(name, lambda book: founding.continue_group(book, ring.link(name)))
    return {one.peers[0]: parse_envelope(one.octets) for one in outgoing}


def take(ring: Ring, name: AuthorityId, envelope: Envelope) -> LinkRow:
    link, _ = ring.at(name, partial(invited.take_invitation, envelope=envelope))
    assert link == ring.link(name)
    return link


def refused(ring: Ring, name: AuthorityId, envelope: Envelope) -> ReasonCode:
    before = ring.memory(name)
    code = ring.at(name, lambda book: refusal(lambda: invited.take_invitation(book, envelope)))
    assert ring.memory(name) == before
    return code


def change_members(ring: Ring) -> None:
    """The hub takes C out of its group, which nobody else hears of."""
    ring.at(A, lambda book: hub.change_members(book, ring.link(A), (), [C]))


def history_at(ring: Ring, name: AuthorityId) -> tuple[bytes, ...]:
    group_id = ring.link(name).group_id
    return ring.houses[name].read(lambda tx: history_records.histories_of(tx, [group_id]))[group_id]


def statuses(ring: Ring, name: str) -> list[tuple[str, str]]:
    sql = "SELECT status, hub FROM group_link ORDER BY hub"
    return ring.houses[name].read(lambda tx: driver_of(tx).execute(sql).fetchall())


def test_all_come_to_the_group_of_the_successor(ring: Ring) -> None:
    invitations = continued_by(ring, B)
    for name in (A, C):
        link = take(ring, name, invitations[name])
        assert (link.status, link.hub, link.roster) == (GroupStatus.OPEN, f"{B}/main", (A, B, C))
        assert statuses(ring, name) == [("continued", f"{A}/main"), ("open", f"{B}/main")]
        assert len(history_at(ring, name)) == 1


@pytest.mark.parametrize("first", [B, C])
def test_of_two_successors_the_first_one_counts(ring: Ring, first: AuthorityId) -> None:
    both = {name: continued_by(ring, name) for name in (first, C if first == B else B)}
    for founder in both:  # A hears of them in this order
        if founder == C and first == B:
            assert refused(ring, A, both[C][A]) is ReasonCode.ID_CONFLICT
        else:
            take(ring, A, both[founder][A])
    take(ring, C, both[B][C])
    assert refused(ring, B, both[C][B]) is ReasonCode.ID_CONFLICT
    assert {ring.link(name).group_id for name in (A, B, C)} == {ring.link(B).group_id}


def test_a_hub_that_has_changed_its_group_stays_in_it(ring: Ring) -> None:
    change_members(ring)
    invitations = continued_by(ring, B)
    assert refused(ring, A, invitations[A]) is ReasonCode.REFUSED


def test_who_saw_another_group_continues_nothing(ring: Ring) -> None:
    invitations = continued_by(ring, B)
    sql = "UPDATE group_member SET authenticator = ? WHERE authority = ?"
    ring.houses[C].write(lambda tx: driver_of(tx).execute(sql, ("ab" * 32, C)))
    assert refused(ring, C, invitations[C]) is ReasonCode.REFUSED


def test_a_group_that_was_left_is_not_come_back_into(ring: Ring) -> None:
    invitations = continued_by(ring, B)
    ring.at(C, lambda book: book.end(ring.opening.consultation))
    assert refused(ring, C, invitations[C]) is ReasonCode.ID_CONFLICT


def test_an_invitation_without_its_history_or_with_another_is_refused(ring: Ring) -> None:
    invitations = continued_by(ring, B)
    told = parse_invitation(invitations[C].sealed)

    def changed(*history: bytes) -> Envelope:
        part = Invitation(told.welcome, told.certificates, history)
        return parse_envelope(envelope_bytes(invitations[C].frame_bytes, part.to_bytes()))

    assert refused(ring, C, changed()) is ReasonCode.NO_KEY
    other = Ring()
    foreign = parse_invitation(continued_by(other, B)[C].sealed).history
    assert refused(ring, C, changed(*foreign)) is ReasonCode.REFUSED
    assert refused(ring, C, changed(*told.history, *foreign)) is ReasonCode.REFUSED
    take(ring, C, invitations[C])


def test_who_has_no_keys_knows_the_group_as_lost(ring: Ring) -> None:
    invitations = continued_by(ring, B)
    ring.lose(C)
    link = take(ring, C, invitations[C])
    assert (link.status, link.hub, link.group_id) == (GroupStatus.LOST, f"{B}/main", ring.link(B).group_id)
    ring.look(C)
    assert ring.link(C).status is GroupStatus.OPEN


def test_who_was_away_for_two_successions_sees_how_one_came_from_the_other(ring: Ring) -> None:
    for name, envelope in continued_by(ring, B, known=[A]).items():
        take(ring, name, envelope)
    hand_back(ring)
    again = continued_by(ring, B)
    assert len(parse_invitation(again[C].sealed).history) == 2
    link = take(ring, C, again[C])  # it holds no key of the group between
    assert (link.status, link.group_id) == (GroupStatus.LOST, ring.link(B).group_id)


def hand_back(ring: Ring) -> None:
    """A says that it is in the group of B, and B gives it back."""
    row = records.MemberRow(ring.link(B).group_id, 1, A, "00" * 32, True, 1)  # type: ignore[arg-type]
    ring.houses[B].write(lambda tx: records.put_members(tx, [row]))

    def give(book: GroupBook) -> bytes:
        to = founding.requester_node(book, ring.link(B))
        assert to == NodeName(A, MAIN)
        commit = hub.hand_over(book, ring.link(B), to).commit
        assert commit is not None
        return commit.to_bytes()

    ring.at(B, give)
    assert ring.link(B).hub == f"{A}/main"


def test_only_a_successor_with_somebody_to_invite_continues(ring: Ring) -> None:
    link = ring.link(B)
    with pytest.raises(LocalProtocolError) as caught:
        ring.at(B, lambda book: founding.continue_group(book, link))
    assert caught.value.code is ReasonCode.AWAITING_KEYS
    with pytest.raises(LocalProtocolError) as caught:
        ring.at(A, lambda book: founding.continue_group(book, ring.link(A)))
    assert caught.value.code is ReasonCode.ILLEGAL_MOVE


def test_a_group_that_continues_is_named_with_its_history(ring: Ring) -> None:
    continued_by(ring, B)
    (told,) = roll(ring, B, C)
    assert len(told.history) == 1
    bare = SharedGroup(told.group_id, told.consultation, told.hub, told.roster)
    assert not finding.may_say(bare, NodeName(B, MAIN), NodeName(C, MAIN))
    assert not ring.at(C, lambda book: finding.take_word(book, bare))
    assert finding.may_say(told, NodeName(B, MAIN), NodeName(C, MAIN))
    assert ring.at(C, lambda book: finding.take_word(book, told))
    assert statuses(ring, C) == [("continued", f"{A}/main"), ("lost", f"{B}/main")]
    assert not ring.at(C, lambda book: finding.take_word(book, told))
