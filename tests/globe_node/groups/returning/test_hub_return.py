# SPDX-License-Identifier: Apache-2.0
"""A hub that lost the secrets of its group comes back by what its members show."""

from dataclasses import replace
from functools import partial

import pytest

from globe_node.delivery.link import Operation, PeerIdentity
from globe_node.groups import arriving
from globe_node.groups.links import GroupStatus
from globe_node.groups.returning import hub_return, pending
from globe_node.groups.returning.wire import InfoAnswer, InfoRequest
from protocol.envelope import EnvelopeClass, parse_envelope
from protocol.errors import ReasonCode, RemoteProtocolError
from protocol.identifiers import AuthorityId
from tests.globe_node.groups.returning.test_ring import ask, group_of, refusal, require_talk
from tests.support.loops import run_inline
from tests.support.rings import MAIN, A, B, C, Ring


@pytest.fixture
def ring() -> Ring:
    return Ring()


def lose_hub(ring: Ring) -> None:
    ring.lose(A)
    ring.restart_hub()


def test_a_restored_hub_comes_back_and_says_so(ring: Ring) -> None:
    before = group_of(ring, B)
    lose_hub(ring)
    ring.look(A)
    assert ring.link(A).status is GroupStatus.OPEN
    assert ring.asked == [Operation.GROUP_INFO] * 2
    assert ring.regrouped == [A]
    for name in (B, C):
        commit, said = (parse_envelope(one) for one in ring.queued(A, name)[-2:])
        assert commit.frame.envelope_class is EnvelopeClass.COMMIT
        ring.at(name, partial(arriving.follow, envelope=commit))
        heard = ring.at(name, partial(arriving.hear, envelope=said))
        assert ring.at(name, partial(arriving.note_joined, heard=heard, statement=heard.data[1:]))
    assert group_of(ring, A).epoch == before.epoch + 1
    require_talk(ring, A, B, C)
    assert ring.renew(B)


def test_a_hub_waits_for_every_member(ring: Ring) -> None:
    lose_hub(ring)
    ring.away = {C}
    ring.look(A)
    assert ring.link(A).status is GroupStatus.LOST
    ring.away.clear()
    ring.later(hours=1)
    ring.look(A)
    assert ring.link(A).status is GroupStatus.OPEN


def lose_after_a_place(ring: Ring) -> None:
    """Let the hub lose the group after it gave B a place of which nobody has heard."""
    ring.lose_answers = 3
    assert not ring.renew(B)
    lose_hub(ring)
    assert (ring.link(A).epoch, ring.link(B).epoch, ring.link(C).epoch) == (2, 1, 1)
    ring.look(A)


def test_a_hub_builds_on_a_place_that_only_it_knows_of(ring: Ring) -> None:
    lose_after_a_place(ring)
    assert ring.link(A).status is GroupStatus.OPEN
    assert ring.asked[-4:] == [Operation.GROUP_INFO] * 4
    late = ring.say(A)
    assert run_inline(ring.member(B).catch_up(ring.link(B)))
    assert ring.at(B, lambda book: pending.find(book, ring.link(B))) is None
    assert ring.hear(B, late) == b"\1word"
    for envelope in map(parse_envelope, ring.queued(A, C)):
        if envelope.frame.envelope_class is EnvelopeClass.COMMIT:
            ring.at(C, partial(arriving.follow, envelope=envelope))
    require_talk(ring, A, B, C)
    assert ring.renew(B)


def test_who_asks_for_its_place_again_goes_on_with_what_the_hub_has_built(ring: Ring) -> None:
    lose_after_a_place(ring)
    assert not ring.renew(B)
    assert ring.link(B).epoch == ring.link(A).epoch == 3
    assert ring.hear(B, ring.say(A)) == b"\1word"
    assert ring.renew(B)


def test_who_lost_the_group_as_well_still_shows_what_its_commit_leads_to(ring: Ring) -> None:
    ring.lose(B)
    ring.lose_answers = 3
    ring.look(B)
    ring.lose(C)
    lose_hub(ring)
    ring.look(A)
    assert ring.link(A).status is GroupStatus.OPEN
    ring.later(minutes=20)
    ring.look(B)
    ring.look(B)
    assert ring.link(B).status is GroupStatus.OPEN
    assert ring.hear(B, ring.say(A)) == b"\1word"


def test_a_commit_on_which_nobody_has_built_leads_nowhere(ring: Ring) -> None:
    """The hub lost what it knew of its last place as well, and gave that to its own return."""
    memory = ring.memory(A)
    ring.lose_answers = 3
    assert not ring.renew(B)
    ring.put_back(A, memory)
    lose_hub(ring)
    ring.look(A)
    assert ring.link(A).epoch == 2
    assert ring.renew(B)
    assert ring.hear(B, ring.say(A)) == b"\1word"


def test_only_its_hub_is_shown_what_a_commit_leads_to(ring: Ring) -> None:
    request = InfoRequest(ring.link(B).group_id, after_commit=True)
    desk = ring.desk_of(AuthorityId(B))
    for name, reason in ((C, ReasonCode.REFUSED), (A, ReasonCode.NOT_FOUND)):
        peer = PeerIdentity(AuthorityId(name), MAIN)
        assert refusal(lambda: run_inline(desk.group_info(peer, request.to_bytes()))) is reason  # noqa: B023


def test_what_the_hub_has_forgotten_counts(ring: Ring) -> None:
    """B renewed its keys, C has heard of it, and the copy of the hub is older than both."""
    assert ring.renew(B)
    ring.follow(C)
    epoch = ring.link(B).epoch
    lose_hub(ring)
    ring.look(A)
    assert ring.link(A).epoch == epoch + 1
    for name in (B, C):
        ring.at(name, partial(arriving.follow, envelope=parse_envelope(ring.queued(A, name)[-2])))
    require_talk(ring, A, B, C)


def test_members_that_lost_it_too_do_not_hold_the_hub_up(ring: Ring) -> None:
    ring.lose(C)
    lose_hub(ring)
    ring.look(A)
    assert ring.link(A).status is GroupStatus.OPEN
    ring.at(B, partial(arriving.follow, envelope=parse_envelope(ring.queued(A, B)[-2])))
    ring.look(C)
    ring.follow(B)
    require_talk(ring, A, B, C)


def test_a_group_that_nobody_has_any_more_stays_lost(ring: Ring) -> None:
    for name in (A, B, C):
        ring.lose(name)
    ring.restart_hub()
    ring.look(A)
    assert ring.link(A).status is GroupStatus.LOST


def test_what_most_members_show_counts_and_then_the_newest() -> None:
    one = hub_return.Shown(InfoAnswer(b"", ()), 4, b"four", (A, B, C))
    newer, alone = replace(one, epoch=5, context=b"five"), replace(one, epoch=9, context=b"nine")
    d = AuthorityId("xd-oip")
    assert hub_return.choose({B: one, C: newer}) is newer
    assert hub_return.choose({B: one, C: one, d: alone}) is one


def test_members_show_the_group_to_nobody_but_the_hub(ring: Ring) -> None:
    request = InfoRequest(ring.link(B).group_id)
    desk = ring.desk_of(B)
    ring.desk = desk
    assert refusal(lambda: ask(ring, C, request)) is ReasonCode.REFUSED
    assert refusal(lambda: ask(ring, A, request, node="other")) is ReasonCode.REFUSED
    assert ask(ring, A, request)


def test_a_group_that_does_not_hold_is_not_believed(ring: Ring) -> None:
    link = ring.link(A)
    with pytest.raises(RemoteProtocolError):
        hub_return.read_shown(link, InfoAnswer(b"\0\1\0\4", ()))
