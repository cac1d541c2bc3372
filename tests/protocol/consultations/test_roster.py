# SPDX-License-Identifier: Apache-2.0
"""Members and sides: who may do what, and that all members see the same, however records cross."""

import random
from dataclasses import dataclass, field, replace

import pytest

from protocol.codes.message_types import MessageType
from protocol.consultations.roster import (
    Act,
    Roster,
    fits,
    joined_by,
    members_after,
    members_before,
    opened_by,
)
from protocol.consultations.table import Move, Role, State
from protocol.errors import LocalProtocolError, ReasonCode, RemoteProtocolError
from protocol.identifiers import AuthorityId
from protocol.messages.membership import Members
from protocol.messages.parse import parse_body
from tests.support.bodies import lean_request
from tests.support.records import sample_record

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
    assert both.moves(R) == (Move.WITHDRAW, Move.CHANGE_MEMBERS)
    assert Move.ACKNOWLEDGE in both.moves(B)
    assert both.moves(C) == ()
    assert roster(b=State.CLARIFYING, c=State.ANSWERED).moves(R) == (
        Move.CLARIFY,
        Move.WITHDRAW,
        Move.CHANGE_MEMBERS,
    )
    assert roster(b=State.REFUSED, c=State.ANSWERED).moves(R) == (Move.CLOSE, Move.CHANGE_MEMBERS)


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


# --- members come and go ---------------------------------------------------------------------------------


def test_who_is_added_begins_and_who_is_removed_ends() -> None:
    after = roster(b=State.ANSWERED).after_sending(Act(R, Move.CHANGE_MEMBERS, added=(C,)))
    assert after == roster(b=State.ANSWERED, c=State.SENT)
    alone = after.after_sending(Act(R, Move.CHANGE_MEMBERS, removed=(B,)))
    assert alone == roster(b=State.REMOVED, c=State.SENT)
    assert alone.members == {R, C}
    assert alone.recipients(R) == (C,)
    assert [alone.standing(name) for name in (R, B, C)] == ["SENT", "REMOVED", "SENT"]
    assert alone.moves(B) == ()
    returning = Act(R, Move.CHANGE_MEMBERS, added=(B,))
    with pytest.raises(LocalProtocolError, match="does not come back"):
        alone.after_sending(returning)
    with pytest.raises(RemoteProtocolError) as caught:
        alone.after_arrival(returning, C)
    assert caught.value.code is ReasonCode.ILLEGAL_MOVE


def test_who_was_removed_keeps_nobody_from_closing_and_is_not_closed() -> None:
    both = roster(b=State.REMOVED, c=State.ANSWERED)
    assert both.moves(R) == (Move.CLOSE, Move.CHANGE_MEMBERS)
    assert both.after_sending(Act(R, Move.CLOSE)) == roster(b=State.REMOVED, c=State.CLOSED)
    with pytest.raises(LocalProtocolError, match="xb-ibu stands at REMOVED"):
        both.after_sending(Act(B, Move.ACKNOWLEDGE))


@pytest.mark.parametrize("state", [State.WITHDRAWN, State.CLOSED])
def test_the_members_of_what_is_over_stay(state: State) -> None:
    with pytest.raises(LocalProtocolError, match="stands at"):
        roster(b=state).after_sending(Act(R, Move.CHANGE_MEMBERS, added=(C,)))
    with pytest.raises(RemoteProtocolError) as caught:
        roster(b=state).after_arrival(Act(R, Move.CHANGE_MEMBERS, added=(C,)), B)
    assert caught.value.code is ReasonCode.ILLEGAL_MOVE


def test_only_the_requester_changes_the_members() -> None:
    with pytest.raises(LocalProtocolError):
        roster(b=State.SENT).after_sending(Act(B, Move.CHANGE_MEMBERS, added=(C,)))
    with pytest.raises(RemoteProtocolError):
        roster(b=State.SENT).after_arrival(Act(B, Move.CHANGE_MEMBERS, added=(C,)), R)


def test_a_gap_of_the_requester_is_filled_with_what_it_says_now() -> None:
    both = roster(b=State.ANSWERED)
    assert both.limited_to(frozenset({R, C})) == roster(b=State.REMOVED, c=State.SENT)
    assert both.limited_to(frozenset({R, B})) == both


def change(*, added: tuple[str, ...] = (), removed: tuple[str, ...] = (), after: tuple[str, ...]) -> Members:
    request = lean_request() if added else None
    body = {"added": list(added), "removed": list(removed), "roster": list(after), "reason": "x"}
    found = parse_body(MessageType.MEMBERS, body | ({"request": request} if request else {}))
    assert isinstance(found, Members)
    return found


def test_a_record_of_the_requester_says_who_takes_part() -> None:
    plain = sample_record()
    close = parse_body(MessageType.CLOSE, {})
    assert members_before(plain, close) == members_after(plain, close) == {"xa-acc", "xb-aca", "xc-fiu"}
    body = change(added=("xc-fiu",), removed=("xb-aca",), after=("xa-acc", "xc-fiu"))
    assert members_before(plain, body) == {"xa-acc", "xb-aca"}
    assert members_after(plain, body) == {"xa-acc", "xc-fiu"}
    assert joined_by(plain, body) == Roster(plain.author.authority, {AuthorityId("xb-aca"): State.SENT})


# --- all members see the same ----------------------------------------------------------------------------


@dataclass(frozen=True)
class Sent:
    """One record on its way.

    Attributes:
        reply_to: which questions it answers.
        heard: how many records of the requester its author had, or which of them it is.
    """

    author: AuthorityId
    move: Move
    name: int
    heard: int
    reply_to: int = 0
    added: tuple[AuthorityId, ...] = ()
    removed: tuple[AuthorityId, ...] = ()


@dataclass
class Member:
    """What one member holds: the roster, the newest questions of each other one, and what was answered."""

    me: AuthorityId
    roster: Roster
    heard: int = 0
    questions: dict[AuthorityId, int] = field(default_factory=dict)
    replies: set[int] = field(default_factory=set)

    @property
    def knows_the_case(self) -> bool:
        return self.me == self.roster.requester or self.me in self.roster.sides

    def act(self, record: Sent) -> Act:
        asker = next((who for who, name in self.questions.items() if name == record.reply_to), None)
        answered = record.name in self.replies
        return Act(record.author, record.move, asker, answered, record.added, record.removed)

    def keep(self, record: Sent) -> None:
        if record.move is Move.ASK_BACK:
            self.questions[record.author] = record.name
        if record.author == self.roster.requester:
            self.heard = record.heard
        self.replies.add(record.reply_to)


class Table:
    """Some honest members and an ordered line from each to each other one; others may join and leave."""

    def __init__(self, dice: random.Random, others: int) -> None:
        self.names = [AuthorityId(f"x{number}-acc") for number in range(others + 3)]
        self.dice = dice
        self.requester, *asked = self.names[: others + 1]
        opened = opened_by(self.requester, tuple(asked)).after_sending(Act(self.requester, Move.REQUEST))
        self.members = {name: Member(name, opened) for name in (self.requester, *asked)}
        self.lines: dict[tuple[AuthorityId, AuthorityId], list[Sent]] = {}
        self.said = 0

    def say(self) -> None:
        """Let somebody send something that its own records allow."""
        member = self.dice.choice([one for one in self.members.values() if one.knows_the_case])
        moves = [move for move in member.roster.moves(member.me) if self.dice.random() < _WEIGHTS[move]]
        if not moves:
            return
        self.said += 1
        heard = member.heard + (member.me == self.requester)
        record = Sent(member.me, self.dice.choice(moves), self.said, heard)
        if record.move is Move.CLARIFY:
            waiting = [who for who, state in member.roster.sides.items() if state is State.CLARIFYING]
            record = replace(record, reply_to=member.questions[self.dice.choice(waiting)])
        if record.move is Move.CHANGE_MEMBERS:
            record = self.changing(record, member.roster)
        recipients = {*member.roster.members, *record.added} - {member.me}
        before, member.roster = member.roster, member.roster.after_sending(member.act(record))
        member.keep(record)
        for name in sorted(recipients):
            if name in record.added:  # it knows the members and nothing else
                sides = dict.fromkeys(before.members - {self.requester, name}, State.SENT)
                self.members[name] = Member(name, Roster(self.requester, sides))
            self.lines.setdefault((member.me, name), []).append(record)

    def changing(self, record: Sent, now: Roster) -> Sent:
        """Let somebody join or leave who may; one of those who were asked stays."""
        asked = sorted(now.members - {self.requester})
        if len(asked) > 1 and self.dice.random() < 0.5:
            return replace(record, removed=(self.dice.choice(asked),))
        new = [name for name in self.names if name not in now.sides]
        return replace(record, added=(self.dice.choice(new),)) if new else record

    def deliver(self) -> None:
        """Let the next record of one line arrive, unless what it stands on has not."""
        busy = [line for line, waiting in self.lines.items() if waiting]
        ready = [line for line in busy if not self.waits(*line)]
        if not ready:
            assert not busy, "what everybody waits for is never here"
            return
        source, to = self.dice.choice(ready)
        record, member = self.lines[source, to].pop(0), self.members[to]
        if to not in member.roster.members and to not in record.added:
            return
        if source not in member.roster.members:
            assert member.roster.sides[source] is State.REMOVED
            return
        member.roster = member.roster.after_arrival(member.act(record), to)
        member.keep(record)

    def waits(self, source: AuthorityId, to: AuthorityId) -> bool:
        record, member = self.lines[source, to][0], self.members[to]
        if not member.knows_the_case:
            return to not in record.added
        return source not in member.roster.members and record.heard > member.heard


_WEIGHTS = dict.fromkeys(Move, 0.9) | {
    Move.ANSWER_ALL: 0.15,
    Move.REFUSE_ALL: 0.1,
    Move.WITHDRAW: 0.05,
    Move.CLOSE: 0.3,
    Move.CHANGE_MEMBERS: 0.2,
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
        truth = table.members[table.requester].roster
        for name, member in table.members.items():
            if name in truth.members:
                assert member.roster.members == truth.members, seed
                assert member.roster.standing(name) is truth.standing(name), seed
            else:
                assert member.roster.sides[name] is State.REMOVED, seed
            if name in table.names[: others + 1] and name in truth.members:
                assert member.roster == truth, seed
        reached.update(truth.sides.values())
    assert reached >= set(State) - {State.DRAFT}
