# SPDX-License-Identifier: Apache-2.0
"""Commits of members get their place from the hub, and who lost a group comes back, between real stores."""

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from functools import partial

import pytest

from globe_node.delivery.link import Operation, PeerIdentity
from globe_node.groups import arriving, hub
from globe_node.groups.links import GroupStatus
from globe_node.groups.returning import committing
from globe_node.groups.returning.desk import ASKS_A_MINUTE
from globe_node.groups.returning.ordering import order
from globe_node.groups.returning.wire import (
    CommitRequest,
    InfoRequest,
    LaterRequest,
    parse_commit_answer,
    parse_info_answer,
)
from protocol.envelope import parse_envelope
from protocol.errors import ReasonCode, RemoteProtocolError
from protocol.groups.membership import identity_in
from protocol.groups.sealed import parse_ordered_commit
from protocol.groups.upkeep import RESYNC_PAUSE, UNHEARD_PAUSE
from protocol.identifiers import AuthorityId, NodeId
from protocol.mls.group import Group
from tests.support.groups import Crash, CrashAt
from tests.support.loops import run_inline
from tests.support.rings import MAIN, A, B, C, Ring


@pytest.fixture
def ring() -> Ring:
    return Ring()


def refusal(act: Callable[[], object]) -> ReasonCode:
    with pytest.raises(RemoteProtocolError) as caught:
        act()
    return caught.value.code


def group_of(ring: Ring, name: str) -> Group:
    return ring.at(name, lambda book: book.require_group(ring.link(name)))


def leaf_key(ring: Ring, name: str, of: str) -> bytes:
    leaves = [leaf for _, leaf in group_of(ring, name).tree.members()]
    (found,) = [leaf.encryption_key for leaf in leaves if identity_in(leaf).name.authority == of]
    return found


def made(ring: Ring, name: str) -> CommitRequest:
    """A commit of a member that was not sent."""
    return ring.at(name, lambda book: committing.renew(book, ring.link(name))).request


def ask(
    ring: Ring, name: str, request: CommitRequest | LaterRequest | InfoRequest, node: str = MAIN
) -> bytes:
    peer = PeerIdentity(AuthorityId(name), NodeId(node))
    kind = ring.desk.group_info if isinstance(request, InfoRequest) else ring.desk.commits
    return run_inline(kind(peer, request.to_bytes()))


def require_talk(ring: Ring, *names: str) -> None:
    """Everybody hears everybody, in one epoch with one meaning."""
    assert len({group_of(ring, name).epoch_authenticator for name in names}) == 1
    for speaker in names:
        envelope = ring.say(speaker)
        for hearer in names:
            if hearer != speaker:
                assert ring.hear(hearer, envelope) == b"\1word"


# --- a member renews its keys ---------------------------------------------------------------------------
def test_a_commit_of_a_member_reaches_everybody(ring: Ring) -> None:
    before, epoch = leaf_key(ring, C, B), ring.link(A).epoch
    assert ring.renew(B)
    assert len(ring.queued(A, C)) == 1
    assert ring.queued(A, B) == []
    assert [(name, queued.peers) for name, queued in ring.woken] == [(A, frozenset({C}))]
    ring.follow(C)
    assert [ring.link(name).epoch for name in (A, B, C)] == [epoch + 1] * 3
    assert leaf_key(ring, C, B) != before
    require_talk(ring, A, B, C)


def test_a_new_leaf_key_comes_with_its_certificate(ring: Ring) -> None:
    before = group_of(ring, B).signature_private
    ring.later(days=8)
    assert ring.renew(B)
    ring.follow(C)
    assert group_of(ring, B).signature_private != before
    require_talk(ring, A, B, C)


def test_of_two_commits_the_second_is_made_anew(ring: Ring) -> None:
    def first(operation: Operation) -> None:
        ring.before = lambda _operation: None
        assert ring.renew(C)

    epoch = ring.link(A).epoch
    ring.before = first
    assert ring.renew(B)
    ring.follow(C)
    assert ring.link(A).epoch == epoch + 2
    require_talk(ring, A, B, C)
    behind = parse_envelope(ring.queued(A, B)[-1])
    assert ring.at(B, lambda book: arriving.follow(book, behind))[0].epoch == epoch + 2
    require_talk(ring, A, B, C)


def test_a_lost_answer_is_asked_for_again(ring: Ring) -> None:
    ring.lose_answers = 2
    epoch = ring.link(A).epoch
    assert ring.renew(B)
    assert ring.asked == [Operation.COMMITS] * 3
    assert ring.link(A).epoch == epoch + 1
    assert len(ring.queued(A, C)) == 1
    ring.follow(C)
    require_talk(ring, A, B, C)


def test_a_commit_that_has_its_place_is_not_given_up_for_a_wrong_answer(ring: Ring) -> None:
    ring.spoil_answers = 1
    epoch = ring.link(A).epoch
    assert ring.renew(B)
    assert ring.asked == [Operation.COMMITS] * 2
    assert ring.link(A).epoch == ring.link(B).epoch == epoch + 1
    ring.follow(C)
    require_talk(ring, A, B, C)


def test_a_commit_is_kept_as_long_as_nobody_says_whether_it_has_its_place(ring: Ring) -> None:
    ring.spoil_answers = 2
    assert not ring.renew(B)
    assert ring.renew(B)
    assert ring.link(A).epoch == ring.link(B).epoch
    ring.follow(C)
    require_talk(ring, A, B, C)


def test_who_was_removed_meanwhile_still_learns_the_place_of_its_commit(ring: Ring) -> None:
    """It needs the next epoch, to read there that it was removed."""
    ring.lose_answers = 3
    epoch = ring.link(B).epoch
    assert not ring.renew(B)
    ring.at(A, lambda book: hub.change_members(book, ring.link(A), [], [B]))
    assert ring.renew(B)
    assert (ring.link(B).epoch, ring.link(A).epoch) == (epoch + 1, epoch + 2)
    assert refusal(lambda: ask(ring, B, made(ring, B))) is ReasonCode.REFUSED


def test_a_hub_that_does_not_answer_leaves_the_group_as_it_is(ring: Ring) -> None:
    ring.lose_answers = 3
    epoch = ring.link(B).epoch
    assert not ring.renew(B)
    assert ring.link(B).epoch == epoch


def test_a_commit_whose_place_was_never_learned_ends_in_a_return(ring: Ring) -> None:
    """The process ends between the commit and its receipt: the new secrets were never stored."""
    house = ring.houses[B]
    request = made(ring, B)
    ask(ring, B, request)
    house.restart()
    assert not ring.renew(B)
    assert ring.link(B).status is GroupStatus.LOST
    ring.look(B)
    assert ring.link(B).status is GroupStatus.OPEN
    for envelope in map(parse_envelope, ring.queued(A, C)):
        ring.at(C, partial(arriving.follow, envelope=envelope))
    require_talk(ring, A, B, C)


@pytest.mark.parametrize("point", ["groups.commits.before_commit", "groups.commits.ordered"])
def test_a_hub_that_ends_meanwhile_gives_one_place_once(ring: Ring, point: str) -> None:
    request, epoch = made(ring, B), ring.link(A).epoch
    ring.houses[A].restart(CrashAt(point))
    ring.restart_hub()
    with pytest.raises(Crash):
        ask(ring, B, request)
    ring.houses[A].restart()
    ring.restart_hub()
    answers = {ask(ring, B, request), ask(ring, B, request)}
    assert len(answers) == 1
    assert parse_commit_answer(answers.pop()).receipt
    assert ring.link(A).epoch == epoch + 1
    assert len(ring.queued(A, C)) == 1


# --- what the hub refuses -------------------------------------------------------------------------------
def test_who_is_no_member_learns_nothing(ring: Ring) -> None:
    request = made(ring, B)
    foreign = CommitRequest(bytes(32), request.commit)
    group_id = request.group_id
    for name, asked in (
        ("xd-new", request),
        ("xd-new", InfoRequest(group_id)),
        (A, request),
        (B, foreign),
        (B, InfoRequest(bytes(32))),
    ):
        assert refusal(partial(ask, ring, name, asked)) is ReasonCode.REFUSED


def test_a_member_that_is_not_the_hub_gives_no_places(ring: Ring) -> None:
    request, peer = made(ring, C), PeerIdentity(C, MAIN)
    assert refusal(lambda: ring.at(B, lambda book: order(book, peer, request))) is ReasonCode.REFUSED


def test_a_commit_counts_for_the_node_that_made_it_alone(ring: Ring) -> None:
    request, epoch = made(ring, B), ring.link(A).epoch
    assert refusal(lambda: ask(ring, C, request)) is ReasonCode.REFUSED
    assert refusal(lambda: ask(ring, B, request, "second")) is ReasonCode.REFUSED
    assert ring.link(A).epoch == epoch
    assert ring.queued(A, C) == []
    assert parse_commit_answer(ask(ring, B, request)).receipt


def test_a_message_or_a_commit_under_another_name_has_no_place(ring: Ring) -> None:
    request = made(ring, B)
    word = CommitRequest(request.group_id, parse_envelope(ring.say(B)).sealed)
    assert refusal(lambda: ask(ring, B, word)) is ReasonCode.REFUSED
    invitation = CommitRequest(request.group_id, b"\0\1junk")
    assert refusal(lambda: ask(ring, B, invitation)) in (ReasonCode.BAD_CONTENT, ReasonCode.BAD_VERSION)


def test_a_commit_of_an_epoch_to_come_waits(ring: Ring) -> None:
    """The hub came back from yesterday's disk; the member is ahead."""
    request = made(ring, B)
    ahead = bytearray(request.commit)
    ahead[4 + 1 + 32 + 7] += 1
    assert refusal(lambda: ask(ring, B, CommitRequest(request.group_id, bytes(ahead)))) is (
        ReasonCode.SEQUENCE_GAP
    )


def test_a_group_that_the_hub_has_lost_gives_no_places(ring: Ring) -> None:
    request = made(ring, B)
    ring.lose(A)
    assert refusal(lambda: ask(ring, B, request)) is ReasonCode.NOT_FOUND


def test_who_asks_too_often_is_told_so(ring: Ring) -> None:
    ask(ring, B, InfoRequest(ring.link(A).group_id))
    for _ in range(ASKS_A_MINUTE - 1):
        assert refusal(lambda: ask(ring, B, InfoRequest(bytes(32)))) is ReasonCode.REFUSED
    assert refusal(lambda: ask(ring, B, InfoRequest(bytes(32)))) is ReasonCode.RATE_LIMITED
    assert refusal(lambda: ask(ring, C, InfoRequest(bytes(32)))) is ReasonCode.REFUSED


def test_a_receipt_of_another_commit_installs_nothing(ring: Ring) -> None:
    pending = ring.at(B, lambda book: committing.renew(book, ring.link(B)))
    other = parse_commit_answer(ask(ring, C, made(ring, C)))
    epoch = ring.link(B).epoch
    code = refusal(lambda: ring.at(B, lambda book: committing.take_place(book, ring.link(B), pending, other)))
    assert code is ReasonCode.REFUSED
    assert ring.link(B).epoch == epoch


# --- who lost a group comes back ------------------------------------------------------------------------
def test_a_restored_node_comes_back_and_says_so(ring: Ring) -> None:
    before = group_of(ring, B)
    old_word = ring.say(A)
    ring.lose(B)
    assert ring.link(B).status is GroupStatus.LOST
    ring.look(B)
    assert ring.link(B).status is GroupStatus.OPEN
    assert ring.asked == [Operation.GROUP_INFO, Operation.COMMITS]
    assert ring.regrouped == [B]
    ring.follow(C)
    after = group_of(ring, B)
    assert after.epoch == before.epoch + 1
    assert after.signature_private != before.signature_private
    leaves = [identity_in(leaf).name.authority for _, leaf in after.tree.members()]
    assert sorted(leaves) == [A, B, C]
    for hearer in (A, C):
        assert hears_joiner(ring, hearer)
    require_talk(ring, A, B, C)
    assert refusal(lambda: ring.hear(B, old_word))


def hears_joiner(ring: Ring, hearer: str) -> bool:
    """Bring the word of B that it is in the group again; return whether it sees the same one."""
    envelope = parse_envelope(ring.queued(B, hearer)[-1])
    heard = ring.at(hearer, partial(arriving.hear, envelope=envelope))
    return ring.at(hearer, partial(arriving.note_joined, heard=heard, statement=heard.data[1:]))


def test_who_never_learned_that_it_is_back_may_ask_again_soon(ring: Ring) -> None:
    ring.lose(B)
    shown = InfoRequest(ring.link(A).group_id)
    pending = ring.at(
        B, lambda book: committing.come_back(book, ring.link(B), parse_info_answer(ask(ring, B, shown)))
    )
    assert pending is not None
    assert parse_commit_answer(ask(ring, B, pending.request)).receipt
    assert refusal(lambda: ask(ring, B, shown)) is ReasonCode.RATE_LIMITED
    ring.later(seconds=UNHEARD_PAUSE / timedelta(seconds=1))
    ring.look(B)
    assert ring.link(B).status is GroupStatus.OPEN


def test_nobody_comes_back_twice_within_a_day(ring: Ring) -> None:
    ring.lose(B)
    ring.look(B)
    assert hears_joiner(ring, A)
    ring.later(hours=1)
    ring.lose(B)
    ring.look(B)
    assert ring.link(B).status is GroupStatus.LOST
    shown = InfoRequest(ring.link(A).group_id)
    assert refusal(lambda: ask(ring, B, shown)) is ReasonCode.RATE_LIMITED
    assert ask(ring, C, shown)
    ring.later(seconds=RESYNC_PAUSE / timedelta(seconds=1))
    ring.look(B)
    assert ring.link(B).status is GroupStatus.OPEN


def test_a_return_that_came_too_late_learns_what_came_first(ring: Ring) -> None:
    ring.lose(B)
    shown = parse_info_answer(ask(ring, B, InfoRequest(ring.link(A).group_id)))
    pending = ring.at(B, lambda book: committing.come_back(book, ring.link(B), shown))
    assert pending is not None
    assert ring.renew(C)
    answer = parse_commit_answer(ask(ring, B, pending.request))
    assert answer.receipt == b""
    assert len(answer.earlier) == 1
    ring.look(B)
    ring.follow(C)
    require_talk(ring, A, B, C)


def test_a_second_return_is_refused_whoever_showed_the_group(ring: Ring) -> None:
    ring.lose(B)
    ring.look(B)
    ring.lose(B)
    shown = parse_info_answer(ask(ring, C, InfoRequest(ring.link(A).group_id)))
    pending = ring.at(B, lambda book: committing.come_back(book, ring.link(B), shown))
    assert pending is not None
    assert refusal(lambda: ask(ring, B, pending.request)) is ReasonCode.RATE_LIMITED
    assert refusal(lambda: ask(ring, C, pending.request)) is ReasonCode.REFUSED


def test_after_a_failure_there_is_a_pause(ring: Ring) -> None:
    ring.lose(B)
    member = ring.member(B)
    ring.lose_answers = 3
    run_inline(member.look())
    assert ring.link(B).status is GroupStatus.LOST
    asked = len(ring.asked)
    run_inline(member.look())
    assert len(ring.asked) == asked
    assert member.resyncing == frozenset()


def test_a_group_that_removed_us_is_left(ring: Ring) -> None:
    shown = ask(ring, B, InfoRequest(ring.link(A).group_id))
    ring.at(A, lambda book: hub.change_members(book, ring.link(A), [], [B]))
    ring.lose(B)
    assert refusal(lambda: ask(ring, B, InfoRequest(ring.link(A).group_id))) is ReasonCode.REFUSED
    without = ask(ring, C, InfoRequest(ring.link(A).group_id))
    assert (
        ring.at(B, lambda book: committing.come_back(book, ring.link(B), parse_info_answer(without))) is None
    )
    assert ring.link(B).status is GroupStatus.LEFT
    assert shown


def test_an_older_group_than_we_knew_is_refused(ring: Ring) -> None:
    shown = ask(ring, B, InfoRequest(ring.link(A).group_id))
    assert ring.renew(B)
    ring.lose(B)
    code = refusal(
        lambda: ring.at(B, lambda book: committing.come_back(book, ring.link(B), parse_info_answer(shown)))
    )
    assert code is ReasonCode.REFUSED


def test_a_commit_of_before_our_return_changes_nothing(ring: Ring) -> None:
    assert ring.renew(C)
    missed = parse_envelope(ring.queued(A, B)[-1])
    ring.lose(B)
    ring.look(B)
    before = ring.link(B)
    assert before.status is GroupStatus.OPEN
    link, _digest = ring.at(B, lambda book: arriving.follow(book, missed))
    assert (link, group_of(ring, B).epoch) == (before, before.epoch)
    parcel = parse_ordered_commit(missed.sealed)
    forged = replace(
        missed, sealed=replace(parcel, commit=parcel.commit[:-1] + bytes((parcel.commit[-1] ^ 1,))).to_bytes()
    )
    assert refusal(lambda: ring.at(B, lambda book: arriving.follow(book, forged))) is ReasonCode.REFUSED
