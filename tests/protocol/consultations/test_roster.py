# SPDX-License-Identifier: Apache-2.0
"""Members and sides: who may do what, and that all members see the same, however records cross."""

import random
from dataclasses import dataclass, field, replace

import pytest

from protocol.consultations.roster import Act, Roster, fits, opened_by
from protocol.consultations.table import Move, Role, State
from protocol.errors import LocalProtocolError, ReasonCode, RemoteProtocolError
from protocol.identifiers import AuthorityId

R, B, C = AuthorityId("xr-acc"), AuthorityId("xb-ibu"), AuthorityId("xc-aco")


def roster(**sides: State) -> Roster:
    return Roster(R, {{"b": B, "c": C}[name]: state for name, state in sides.items()})


def test_everything_goes_to_all_other_members() -> None:
    both = opened_by(R, (C, B))
    assert both.members == {R, B, C}
    assert [both.recipients(name) for name in (R, B, C)] == [(B, C), (C, R), (B, R)]
    assert both.role_of(R) is Role.REQUESTER
    assert both.role_of(C) is Role.REQUESTED


def test_where_it_stands_is_the_own_side_or_the_least_advanced() -> None:
    both = roster(b=State.ANSWERED, c=State.CLARIFYING)
    assert [both.standing(name) for name in (R, B, C)] == ["CLARIFYING", "ANSWERED", "CLARIFYING"]


@pytest.mark.parametrize(("members", "expected"), [(1, False), (2, True), (20, True), (21, False)])
def test_a_consultation_has_two_to_twenty_members(members: int, expected: bool) -> None:
    assert fits(members) is expected


def test_a_requested_authority_moves_its_own_side_alone() -> None:
    after = roster(b=State.SENT, c=State.SENT).after_sending(Act(B, Move.ACKNOWLEDGE))
    assert after == roster(b=State.ACKNOWLEDGED, c=State.SENT)


@pytest.mark.parametrize(
    ("sides", "act", "says"),
    [
        ({"b": State.SENT, "c": State.ANSWERED}, Act(R, Move.CLOSE), "xb-ibu stands at SENT"),
        ({"b": State.ANSWERED, "c": State.REFUSED}, Act(R, Move.WITHDRAW), "consultation stands at ANSWERED"),
        ({"b": State.CLARIFYING, "c": State.CLARIFYING}, Act(R, Move.CLARIFY), "in_reply_to"),
        ({"b": State.SENT, "c": State.CLARIFYING}, Act(R, Move.CLARIFY, B), "xb-ibu stands at SENT"),
        ({"b": State.SENT, "c": State.SENT}, Act(R, Move.ACKNOWLEDGE), "xr-acc was not asked"),
        ({"b": State.SENT, "c": State.SENT}, Act(B, Move.WITHDRAW), "xb-ibu stands at SENT"),
        ({"b": State.SENT, "c": State.SENT}, Act(AuthorityId("xz"), Move.ACKNOWLEDGE), "xz was not asked"),
    ],
)
def test_what_may_not_be_sent_names_the_side_that_forbids_it(
    sides: dict[str, State], act: Act, says: str
) -> None:
    with pytest.raises(LocalProtocolError, match=says) as caught:
        roster(**sides).after_sending(act)
    assert caught.value.code is ReasonCode.ILLEGAL_MOVE


def test_a_withdrawal_and_a_close_are_for_all_sides() -> None:
    withdrawn = roster(b=State.SENT, c=State.ANSWERED).after_sending(Act(R, Move.WITHDRAW))
    assert withdrawn == roster(b=State.WITHDRAWN, c=State.WITHDRAWN)
    assert withdrawn.after_sending(Act(R, Move.CLOSE)) == roster(b=State.CLOSED, c=State.CLOSED)


def test_what_a_member_may_do_now() -> None:
    both = roster(b=State.SENT, c=State.ANSWERED)
    assert both.moves(R) == (Move.WITHDRAW,)
    assert Move.ACKNOWLEDGE in both.moves(B)
    assert both.moves(C) == ()
    assert roster(b=State.CLARIFYING, c=State.ANSWERED).moves(R) == (Move.CLARIFY, Move.WITHDRAW)
    assert roster(b=State.REFUSED, c=State.ANSWERED).moves(R) == (Move.CLOSE,)


@pytest.mark.parametrize(
    ("sides", "act", "me"),
    [
        ({"b": State.SENT, "c": State.SENT}, Act(B, Move.CLOSE), R),
        ({"b": State.SENT, "c": State.SENT}, Act(R, Move.ACKNOWLEDGE), B),
        ({"b": State.ANSWERED, "c": State.SENT}, Act(B, Move.ACKNOWLEDGE), R),
        ({"b": State.ANSWERED, "c": State.SENT}, Act(B, Move.ACKNOWLEDGE), C),
        ({"b": State.ACKNOWLEDGED, "c": State.SENT}, Act(B, Move.ACKNOWLEDGE), C),
        ({"b": State.SENT, "c": State.ANSWERED}, Act(R, Move.CLOSE), B),
        ({"b": State.SENT, "c": State.CLARIFYING}, Act(R, Move.CLARIFY, B), B),
        ({"b": State.SENT}, Act(R, Move.CLARIFY), B),
        ({"b": State.SENT, "c": State.SENT}, Act(R, Move.REQUEST), B),
    ],
)
def test_what_no_honest_author_could_send_is_refused(sides: dict[str, State], act: Act, me: str) -> None:
    with pytest.raises(RemoteProtocolError) as caught:
        roster(**sides).after_arrival(act, AuthorityId(me))
    assert caught.value.code is ReasonCode.ILLEGAL_MOVE


@pytest.mark.parametrize(
    ("sides", "act", "expected"),
    [
        ({"b": State.SENT, "c": State.ANSWERED}, Act(R, Move.CLOSE), State.CLOSED),
        ({"b": State.CLARIFYING, "c": State.SENT}, Act(B, Move.ANSWER_PART), State.PARTIAL),
        ({"b": State.CLARIFYING, "c": State.SENT}, Act(B, Move.ASK_BACK), State.CLARIFYING),
        ({"b": State.SENT, "c": State.SENT}, Act(B, Move.ASK_BACK, answered=True), State.IN_PROGRESS),
        ({"b": State.WITHDRAWN, "c": State.WITHDRAWN}, Act(B, Move.ASK_BACK, answered=True), State.WITHDRAWN),
        ({"b": State.SENT, "c": State.SENT}, Act(R, Move.CLARIFY, B), State.SENT),
        ({"b": State.SENT, "c": State.SENT}, Act(R, Move.CLARIFY), State.SENT),
    ],
)
def test_on_the_side_of_another_one_what_is_on_its_way_is_no_fault(
    sides: dict[str, State], act: Act, expected: State
) -> None:
    assert roster(**sides).after_arrival(act, C).sides[B] is expected


# --- all members see the same ----------------------------------------------------------------------------


@dataclass(frozen=True)
class Sent:
    """One record on its way: who made it, what it does, and which questions it answers."""

    author: AuthorityId
    move: Move
    name: int
    reply_to: int = 0


@dataclass
class Member:
    """What one member holds: the roster, the newest questions of each other one, and what it answered."""

    me: AuthorityId
    roster: Roster
    questions: dict[AuthorityId, int] = field(default_factory=dict)
    replies: set[int] = field(default_factory=set)

    def act(self, record: Sent) -> Act:
        asker = next((who for who, name in self.questions.items() if name == record.reply_to), None)
        return Act(record.author, record.move, asker, record.name in self.replies)

    def keep(self, record: Sent) -> None:
        if record.move is Move.ASK_BACK:
            self.questions[record.author] = record.name
        self.replies.add(record.reply_to)


class Table:
    """Some honest members and an ordered line from each to each other one."""

    def __init__(self, dice: random.Random, others: int) -> None:
        names = [AuthorityId(f"x{number}-acc") for number in range(others + 1)]
        self.dice = dice
        opened = opened_by(names[0], tuple(names[1:])).after_sending(Act(names[0], Move.REQUEST))
        self.members = {name: Member(name, opened) for name in names}
        self.lines: dict[tuple[AuthorityId, AuthorityId], list[Sent]] = {
            (one, other): [] for one in names for other in names if one != other
        }
        self.said = 0

    def say(self) -> None:
        """Let somebody send something that its own records allow."""
        member = self.dice.choice(list(self.members.values()))
        moves = [move for move in member.roster.moves(member.me) if self.dice.random() < _WEIGHTS[move]]
        if not moves:
            return
        self.said += 1
        record = Sent(member.me, self.dice.choice(moves), self.said)
        if record.move is Move.CLARIFY:
            waiting = [who for who, state in member.roster.sides.items() if state is State.CLARIFYING]
            record = replace(record, reply_to=member.questions[self.dice.choice(waiting)])
        member.roster = member.roster.after_sending(member.act(record))
        member.keep(record)
        for other in self.members:
            if other != member.me:
                self.lines[member.me, other].append(record)

    def deliver(self) -> None:
        """Let the next record of one line arrive."""
        busy = [line for line, waiting in self.lines.items() if waiting]
        if busy:
            source, to = self.dice.choice(busy)
            record, member = self.lines[source, to].pop(0), self.members[to]
            member.roster = member.roster.after_arrival(member.act(record), to)
            member.keep(record)


_WEIGHTS = dict.fromkeys(Move, 0.9) | {
    Move.ANSWER_ALL: 0.15,
    Move.REFUSE_ALL: 0.1,
    Move.WITHDRAW: 0.05,
    Move.CLOSE: 0.3,
}


@pytest.mark.parametrize("others", [1, 2, 4])
def test_however_records_cross_all_members_see_the_same_sides(others: int) -> None:
    reached: set[State] = set()
    for seed in range(300):
        table = Table(random.Random(f"{others} {seed}"), others)  # noqa: S311 -- a schedule, not a secret
        for _ in range(table.dice.randint(4, 60)):
            table.dice.choice((table.say, table.deliver))()
        while any(table.lines.values()):
            table.deliver()
        rosters = [member.roster for member in table.members.values()]
        assert all(one == rosters[0] for one in rosters), seed
        reached.update(rosters[0].sides.values())
    assert reached >= set(State) - {State.DRAFT}
