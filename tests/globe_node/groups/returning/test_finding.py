# SPDX-License-Identifier: Apache-2.0
"""A node that was put back asks in which groups it is; what it believes, and what others make of that."""

from dataclasses import replace

import pytest

from globe_node.delivery.link import Answer, Operation, PeerAddress, PeerIdentity
from globe_node.groups import records
from globe_node.groups.links import GroupStatus
from globe_node.groups.packages import pool, stock
from globe_node.groups.packages import records as package_records
from globe_node.groups.returning import finding
from globe_node.groups.returning.finding import Finder
from globe_node.groups.returning.wire import RollAnswer, RollRequest, SharedGroup, parse_roll_answer
from protocol.identifiers import AuthorityId, ConsultationId, NodeName, uuid7
from tests.support.loops import run_inline
from tests.support.rings import MAIN, A, Addresses, B, C, Line, Ring


@pytest.fixture
def ring() -> Ring:
    return Ring()


def node(name: AuthorityId) -> NodeName:
    return NodeName(name, MAIN)


class Directory(Addresses):
    """Names everybody."""

    def others(self) -> list[AuthorityId]:
        return [A, C]


def finder(ring: Ring) -> Finder:
    line, directory = Line(ring, B), Directory()
    return Finder(ring.houses[B].bench, line, directory)  # type: ignore[arg-type]  # the part that is asked


def forget(ring: Ring) -> None:
    """Put B back to when it had not heard of the group."""
    ring.lose(B)
    ring.houses[B].database.writer.exec_driver_sql("DELETE FROM group_link")


def roll(ring: Ring, name: AuthorityId, peer: AuthorityId) -> list[SharedGroup]:
    desk = ring.desk_of(name)
    answer = run_inline(desk.group_info(PeerIdentity(peer, MAIN), RollRequest().to_bytes()))
    return list(parse_roll_answer(answer).groups)


def test_a_group_that_is_younger_than_the_backup_is_found_and_joined_again(ring: Ring) -> None:
    before = ring.link(B)
    forget(ring)
    run_inline(finder(ring).look())
    found = ring.link(B)
    assert (found.status, found.epoch) == (GroupStatus.LOST, 0)
    assert (found.group_id, found.hub, found.roster) == (before.group_id, before.hub, before.roster)
    asked = len(ring.asked)
    run_inline(finder(ring).look())
    assert len(ring.asked) == asked
    ring.look(B)
    assert ring.link(B).status is GroupStatus.OPEN


def test_a_node_that_was_not_put_back_asks_nobody(ring: Ring) -> None:
    run_inline(finder(ring).look())
    assert ring.asked == []


class Endless:
    """A peer that always names one more group."""

    def __init__(self, told: SharedGroup) -> None:
        self.told = told
        self.asked = 0

    async def request(
        self, _peer: PeerAddress, _operation: Operation, *, body: bytes, deadline_seconds: float
    ) -> Answer:
        self.asked += 1
        one = replace(self.told, group_id=self.asked.to_bytes(32, "big"))
        return Answer(None, RollAnswer((one,)).to_bytes())


def test_a_peer_that_names_groups_without_end_is_left(ring: Ring) -> None:
    (told,) = roll(ring, A, B)
    endless = Endless(told)
    records_before = ring.link(B)
    ring.lose(B)
    one = Finder(ring.houses[B].bench, endless, Directory())  # type: ignore[arg-type]  # the part that is asked
    run_inline(one.look())
    assert endless.asked == 2 * finding.MOST_PAGES  # A and C were asked
    assert ring.link(B).group_id == records_before.group_id


def test_after_a_bad_invitation_its_sender_alone_is_asked(ring: Ring) -> None:
    ring.houses[B].write(lambda tx: finding.ask_again(tx, C))
    assert ring.houses[B].read(lambda tx: records.to_ask_in_search(tx, [A, C])) == [C]
    run_inline(finder(ring).look())
    assert ring.houses[B].read(lambda tx: records.to_ask_in_search(tx, [A, C])) == []
    assert ring.houses[B].read(lambda tx: finding.have_answered(tx, [A]))
    run_inline(finder(ring).look())
    ring.houses[B].write(lambda tx: finding.ask_again(tx, C))
    assert ring.houses[B].read(lambda tx: records.to_ask_in_search(tx, [A, C])) == [C]


def test_who_is_away_is_asked_again_and_delays_nobody(ring: Ring) -> None:
    forget(ring)
    ring.away.add(A)
    one = finder(ring)
    run_inline(one.look())
    assert len(ring.asked) == 2
    run_inline(one.look())
    assert len(ring.asked) == 2
    ring.away.clear()
    ring.later(hours=1)
    run_inline(one.look())
    assert ring.link(B).status is GroupStatus.LOST


def test_the_hub_names_its_groups_and_members_those_of_who_asks(ring: Ring) -> None:
    group_id = ring.link(A).group_id
    assert [one.group_id for one in roll(ring, A, B)] == [group_id]
    assert [one.group_id for one in roll(ring, C, A)] == [group_id]
    assert roll(ring, C, B) == []
    assert roll(ring, A, AuthorityId("xd-new")) == []


def test_only_those_are_believed_who_may_say_so(ring: Ring) -> None:
    (told,) = roll(ring, A, B)
    foreign = ConsultationId(str(uuid7(1_800_000_000_000, bytes(10))))
    assert finding.may_say(told, node(A), node(B))
    assert not finding.may_say(told, node(C), node(B))
    assert not finding.may_say(replace(told, roster=(A, C)), node(A), node(B))
    assert not finding.may_say(replace(told, roster=(B, C)), node(A), node(B))
    assert not finding.may_say(replace(told, consultation=foreign), node(A), node(B))
    assert not finding.may_say(replace(told, hub=node(C)), node(C), node(B))


def test_what_is_known_stays_but_for_a_group_that_was_only_beginning(ring: Ring) -> None:
    (told,) = roll(ring, A, B)
    link = ring.link(B)
    other = replace(told, group_id=bytes(32))
    assert not ring.at(B, lambda book: finding.take_word(book, told))
    assert not ring.at(B, lambda book: finding.take_word(book, other))
    beginning = replace(link, status=GroupStatus.AWAITING_KEYS)
    ring.houses[B].write(lambda tx: records.put_links(tx, [beginning]))
    assert not ring.at(B, lambda book: finding.take_word(book, other))
    assert ring.at(B, lambda book: finding.take_word(book, told))
    assert (ring.link(B).status, ring.link(B).group_id) == (GroupStatus.LOST, link.group_id)


def test_key_packages_of_who_was_put_back_are_dropped(ring: Ring) -> None:
    giver, taker = ring.houses[B], ring.houses[A]
    request = taker.read(lambda tx: stock.next_request(taker.bench, tx, B))
    assert request is not None
    answer = giver.write(lambda tx: pool.offer(giver.bench, tx, A, request))
    taker.write(lambda tx: stock.take_in(taker.bench, tx, node(B), answer))
    used = taker.read(lambda tx: package_records.peer_packages(tx, B, unused=False))
    assert taker.read(lambda tx: stock.find(taker.bench, tx, node(B))) is not None
    roll(ring, A, B)
    assert taker.read(lambda tx: stock.find(taker.bench, tx, node(B))) is None
    assert taker.read(lambda tx: package_records.peer_packages(tx, B, unused=False)) == used
