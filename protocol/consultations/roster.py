# SPDX-License-Identifier: Apache-2.0
"""Who takes part in a consultation, who joins and leaves it, and where each of those who were asked stands.

Not the states of one side (`table`), and not how records reach the members.

1. A consultation has one requester and at least one requested authority. Every record goes to all other
   members, so everybody reads everything, and every member knows every side.
2. A record of a requested authority moves its own side. A clarification of the requester moves the side whose
   newest questions it answers; its other records are for all sides. Only the requester changes the members,
   and who was removed does not come back: so equal members mean that nothing has changed between.
3. A member judges a side whose two ends it hears completely: the requester every one, a requested authority
   its own. On the other sides something that a record builds on may still be on its way; these are
   followed as far as that goes, and nothing is refused that it could explain.
4. Who is a member is what the requester's records say: each goes to all others, and a change names the
   members after it. A record of somebody else stands on the newest of them that its author had seen.
5. Who is added begins with a side of its own and knows nothing of the others' sides but what it sees happen.
6. Members that hold the same records see the same sides, in whatever order the records came.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace

from protocol import limits
from protocol.consultations.table import (
    AUTHORS,
    CROSSINGS,
    MOVES,
    Move,
    Role,
    State,
    arrival_state,
    moves_from,
    next_state,
)
from protocol.errors import LocalProtocolError, ReasonCode, RemoteProtocolError
from protocol.identifiers import AuthorityId
from protocol.messages.membership import Members
from protocol.messages.parse import Body
from protocol.record import Record

_ADVANCE = {state: number for number, state in enumerate(State)}
_FOR_EVERY_SIDE = frozenset({Move.REQUEST, Move.CLOSE, Move.CHANGE_MEMBERS})
"""Moves of the requester that every side must allow; its withdrawal is for those that it still concerns."""


@dataclass(frozen=True, slots=True)
class Act:
    """One record, as far as it moves sides.

    Attributes:
        author: who made it.
        move: what it does.
        asker: of a clarification, whose newest questions it answers, or None if they are not known here.
        answered: of questions, whether a clarification that answers them is here already.
        added, removed: of a change of the members, who joins and who leaves.
    """

    author: AuthorityId
    move: Move
    asker: AuthorityId | None = None
    answered: bool = False
    added: tuple[AuthorityId, ...] = ()
    removed: tuple[AuthorityId, ...] = ()


@dataclass(frozen=True, slots=True)
class Roster:
    """The members of a consultation, and where it stands with each of those who were asked.

    Attributes:
        requester: who opened it.
        sides: the state of each authority that was asked, those that were removed among them.

    Spec: PROTOCOL.md section 8.6.
    """

    requester: AuthorityId
    sides: Mapping[AuthorityId, State]

    @property
    def members(self) -> frozenset[AuthorityId]:
        """Return everybody who takes part."""
        return frozenset((self.requester, *self._open))

    @property
    def _open(self) -> Mapping[AuthorityId, State]:
        """Return the sides of those who take part."""
        return {side: state for side, state in self.sides.items() if state is not State.REMOVED}

    def recipients(self, author: AuthorityId) -> tuple[AuthorityId, ...]:
        """Return whom a record goes to: all members but its author, sorted."""
        return tuple(sorted(self.members - {author}))

    def role_of(self, authority: AuthorityId) -> Role:
        """Return on which side of the question an authority stands."""
        return Role.REQUESTER if authority == self.requester else Role.REQUESTED

    def standing(self, me: AuthorityId) -> State:
        """Return where it stands for one member: its own side, or for the requester the least advanced."""
        own = self.sides.get(me)
        return own if own is not None else min(self._open.values(), key=_ADVANCE.__getitem__)

    def moves(self, me: AuthorityId) -> tuple[Move, ...]:
        """Return what a member may do now, in the order of `Move`."""
        if me != self.requester:
            return moves_from(self.sides[me], Role.REQUESTED)
        found = [set(moves_from(state, Role.REQUESTER)) for state in self._open.values()]
        every, some = set.intersection(*found), set.union(*found)
        return tuple(move for move in Move if move in (every if move in _FOR_EVERY_SIDE else some))

    def after_sending(self, act: Act) -> "Roster":
        """Return the roster after a record that its author is about to send.

        Raises:
            LocalProtocolError: it may not be sent now, or not by this member (`illegal_move`); the text names
                the side that forbids it.

        Spec: PROTOCOL.md section 8.6.
        """
        if self.role_of(act.author) is Role.REQUESTED or AUTHORS[act.move] is Role.REQUESTED:
            return self._moved({act.author: self._next(act.author, act.move, self.role_of(act.author))})
        if act.move is Move.CLARIFY:
            asker = self._asker(act)
            if asker is None:
                raise _illegal("a clarification names in in_reply_to the newest questions of one authority")
            return self._moved({asker: self._next(asker, act.move, Role.REQUESTER)})
        if act.move in _FOR_EVERY_SIDE:
            if returning := self._returning(act):
                raise _illegal(f"{returning} was a member before and does not come back")
            moved = {side: self._next(side, act.move, Role.REQUESTER) for side in self._open}
            return self._moved({**moved, **_changed(act)})
        if all(act.move not in MOVES[state] for state in self._open.values()):
            raise _illegal(f"the consultation stands at {self.standing(self.requester)}")
        return self._moved({side: _followed(state, act) for side, state in self._open.items()})

    def after_arrival(self, act: Act, me: AuthorityId) -> "Roster":
        """Return the roster after a record of another member that arrived.

        Args:
            act: the record; its author is a member.
            me: the member that it arrived at.

        Raises:
            RemoteProtocolError: an honest author could not send it (`illegal_move`).

        Spec: PROTOCOL.md section 8.6.
        """
        role = self.role_of(act.author)
        if AUTHORS[act.move] is not role or self._returning(act):
            raise RemoteProtocolError(
                "a message of the other side, or a return", code=ReasonCode.ILLEGAL_MOVE
            )
        touched = self._touched(act)
        moved = {side: _followed(self.sides[side], act) for side in touched}
        judged = set(touched) if me == self.requester else {me}.intersection(touched)
        moved.update({side: arrival_state(self.sides[side], act.move, role) for side in judged})
        if role is Role.REQUESTED and me != self.requester:
            moved[act.author] = _arrived_elsewhere(self.sides[act.author], act)
        return self._moved({**moved, **_changed(act)})

    def limited_to(self, members: frozenset[AuthorityId]) -> "Roster":
        """Return the roster with other members: those that a record names when one before it is missing.

        Who is new stands at the beginning, as far as is known here.
        """
        joined = dict.fromkeys(members - self.members, State.SENT)
        left = dict.fromkeys(self.members - members, State.REMOVED)
        return self._moved({**joined, **left})

    def _returning(self, act: Act) -> AuthorityId | None:
        """Return somebody who is to join and was asked before."""
        return next((name for name in act.added if name in self.sides), None)

    def _touched(self, act: Act) -> tuple[AuthorityId, ...]:
        """Return the sides that a record is about."""
        if self.role_of(act.author) is Role.REQUESTED:
            return (act.author,)
        if act.move is not Move.CLARIFY:
            return tuple(self._open)
        asker = self._asker(act)
        return (asker,) if asker is not None else ()

    def _asker(self, act: Act) -> AuthorityId | None:
        """Return whose questions a clarification answers; between two there is no choice."""
        sides = self._open
        return next(iter(sides)) if len(sides) == 1 else act.asker if act.asker in sides else None

    def _next(self, side: AuthorityId, move: Move, author: Role) -> State:
        state = self.sides.get(side)
        if state is None:
            raise _illegal(f"{side} was not asked")
        try:
            return next_state(state, move, author)
        except LocalProtocolError:
            raise _illegal(f"{side} stands at {state}") from None

    def _moved(self, sides: Mapping[AuthorityId, State]) -> "Roster":
        return replace(self, sides={**self.sides, **sides})


def opened_by(requester: AuthorityId, requested: tuple[AuthorityId, ...]) -> Roster:
    """Return the roster of a consultation that is about to be opened by a request."""
    return Roster(requester, dict.fromkeys(requested, State.DRAFT))


def joined_by(record: Record, body: Members) -> Roster:
    """Return the roster before a change of the members, as far as somebody knows who is added by it."""
    requester = record.author.authority
    before = members_before(record, body) - {requester}
    return Roster(requester, dict.fromkeys(sorted(before), State.SENT))


def members_before(record: Record, body: Body | None) -> frozenset[AuthorityId]:
    """Return who took part before a record of the requester, as the record says.

    Args:
        record: the record.
        body: its body; only that of a change of the members matters.
    """
    if isinstance(body, Members):
        return frozenset(map(AuthorityId, (*body.roster, *body.removed))).difference(body.added)
    return members_after(record, body)


def members_after(record: Record, body: Body | None) -> frozenset[AuthorityId]:
    """Return who takes part after a record of the requester; the arguments are those of `members_before`."""
    if isinstance(body, Members):
        return frozenset(map(AuthorityId, body.roster))
    return frozenset((record.author.authority, *record.recipients))


def fits(members: int) -> bool:
    """Say whether a consultation may have so many members."""
    return 2 <= members <= limits.MAX_MEMBERS


def _changed(act: Act) -> dict[AuthorityId, State]:
    """Return the sides of those who join and of those who leave."""
    return {**dict.fromkeys(act.added, State.SENT), **dict.fromkeys(act.removed, State.REMOVED)}


def _followed(state: State, act: Act) -> State:
    """Return where a side stands after a record of the requester, seen from outside of that side."""
    if act.move is Move.CLOSE:
        return State.CLOSED  # whatever is still on its way
    return MOVES[state].get(act.move) or CROSSINGS.get(state, {}).get(act.move) or state


def _arrived_elsewhere(state: State, act: Act) -> State:
    """Return where a requested authority stands after a record of its own that arrived at another one.

    Raises:
        RemoteProtocolError: no record on its way could make this one right.
    """
    if state is State.CLARIFYING and act.move not in MOVES[state]:
        state = State.IN_PROGRESS  # the clarification is on its way
    after = arrival_state(state, act.move, Role.REQUESTED)
    return State.IN_PROGRESS if after is State.CLARIFYING and act.answered else after


def _illegal(reason: str) -> LocalProtocolError:
    return LocalProtocolError(f"{reason}; this message may not be sent now", code=ReasonCode.ILLEGAL_MOVE)
