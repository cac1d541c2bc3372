# SPDX-License-Identifier: Apache-2.0
"""The state table: every pair, and every way two honest sides can cross."""

from itertools import product

import pytest

from protocol.codes.message_types import MessageType
from protocol.consultations.table import (
    AUTHORS,
    CROSSINGS,
    MOVES,
    Move,
    Role,
    State,
    arrival_state,
    move_of,
    moves_from,
    next_state,
)
from protocol.errors import LocalProtocolError, ReasonCode, RemoteProtocolError

# One line a state; `-` is illegal. Columns: what a message does, in the order of `Move`.
#   request ack ask-back clarify part all refuse-part refuse-all postpone withdraw close members
LEGAL = """
DRAFT        SENT - - - - - - - - - - -
SENT         - ACKNOWLEDGED CLARIFYING - PARTIAL ANSWERED PARTIAL REFUSED POSTPONED WITHDRAWN - SENT
ACKNOWLEDGED - - CLARIFYING - PARTIAL ANSWERED PARTIAL REFUSED POSTPONED WITHDRAWN - ACKNOWLEDGED
CLARIFYING   - - - IN_PROGRESS - ANSWERED - REFUSED - WITHDRAWN - CLARIFYING
IN_PROGRESS  - - CLARIFYING - PARTIAL ANSWERED PARTIAL REFUSED POSTPONED WITHDRAWN - IN_PROGRESS
PARTIAL      - - CLARIFYING - PARTIAL ANSWERED PARTIAL REFUSED POSTPONED WITHDRAWN CLOSED PARTIAL
POSTPONED    - - CLARIFYING - PARTIAL ANSWERED PARTIAL REFUSED POSTPONED WITHDRAWN CLOSED POSTPONED
ANSWERED     - - - - - - - - - - CLOSED ANSWERED
REFUSED      - - - - - - - - - - CLOSED REFUSED
WITHDRAWN    - - - - - - - - - - CLOSED -
CLOSED       - - - - - - - - - - - -
REMOVED      - - - - - - - - - - - -
"""
TABLE = {
    State(line.split()[0]): dict(zip(Move, line.split()[1:], strict=True))
    for line in LEGAL.strip().split("\n")
}
# What a message is, and the arguments that tell its move.
FORMS: dict[Move, tuple[MessageType, bool, bool]] = {
    Move.REQUEST: (MessageType.CONSULT_REQUEST, True, False),
    Move.ACKNOWLEDGE: (MessageType.ACK, True, False),
    Move.ASK_BACK: (MessageType.CLARIFICATION_REQUEST, True, False),
    Move.CLARIFY: (MessageType.CLARIFICATION, True, False),
    Move.ANSWER_PART: (MessageType.ANSWER, False, False),
    Move.ANSWER_ALL: (MessageType.ANSWER, True, False),
    Move.REFUSE_PART: (MessageType.REFUSAL, False, False),
    Move.REFUSE_ALL: (MessageType.REFUSAL, True, False),
    Move.POSTPONE: (MessageType.REFUSAL, True, True),
    Move.WITHDRAW: (MessageType.WITHDRAWAL, True, False),
    Move.CLOSE: (MessageType.CLOSE, True, False),
    Move.CHANGE_MEMBERS: (MessageType.MEMBERS, True, False),
}


def after_sending(state: State, move: Move) -> State:
    return next_state(state, move, AUTHORS[move])


def after_arrival(state: State, move: Move) -> State:
    return arrival_state(state, move, AUTHORS[move])


def test_the_table_names_every_state_and_every_type() -> None:
    assert set(TABLE) == set(State) == set(MOVES)
    assert {form[0] for form in FORMS.values()} == set(MessageType)
    assert {move_of(kind, final=final, postponed=off) for kind, final, off in FORMS.values()} == set(Move)


@pytest.mark.parametrize(("state", "move", "author"), list(product(State, Move, Role)))
def test_every_state_message_and_side(state: State, move: Move, author: Role) -> None:
    expected = TABLE[state][move] if AUTHORS[move] is author else "-"
    if expected == "-":
        with pytest.raises(LocalProtocolError) as caught:
            next_state(state, move, author)
        assert caught.value.code is ReasonCode.ILLEGAL_MOVE
    else:
        assert next_state(state, move, author) == expected
    crossed = CROSSINGS.get(state, {}).get(move) if AUTHORS[move] is author else None
    if expected == "-" and crossed is None:
        with pytest.raises(RemoteProtocolError) as refused:
            arrival_state(state, move, author)
        assert refused.value.code is ReasonCode.ILLEGAL_MOVE
    else:
        assert arrival_state(state, move, author) == (crossed or expected)


def test_crossings_add_to_the_table_and_never_change_it() -> None:
    for state, crossings in CROSSINGS.items():
        assert not set(crossings) & set(MOVES[state])


def test_what_a_side_may_do_now() -> None:
    assert moves_from(State.DRAFT, Role.REQUESTER) == (Move.REQUEST,)
    assert moves_from(State.DRAFT, Role.REQUESTED) == ()
    assert moves_from(State.SENT, Role.REQUESTER) == (Move.WITHDRAW, Move.CHANGE_MEMBERS)
    assert moves_from(State.ANSWERED, Role.REQUESTER) == (Move.CLOSE, Move.CHANGE_MEMBERS)
    assert moves_from(State.CLOSED, Role.REQUESTED) == ()


def test_a_postponed_refusal_postpones_even_if_it_is_called_final() -> None:
    assert move_of(MessageType.REFUSAL, final=True, postponed=True) is Move.POSTPONE
    assert move_of(MessageType.REFUSAL, final=False, postponed=True) is Move.POSTPONE


World = tuple[State, State, tuple[Move, ...], tuple[Move, ...]]


def successors(world: World, bound: int) -> list[World]:
    """Every next step of two honest sides with one ordered line each way, at most `bound` on the way."""
    asking, asked, to_asked, to_asking = world
    found: list[World] = []
    if len(to_asked) < bound:
        found += [
            (after_sending(asking, move), asked, (*to_asked, move), to_asking)
            for move in moves_from(asking, Role.REQUESTER)
        ]
    if len(to_asking) < bound:
        found += [
            (asking, after_sending(asked, move), to_asked, (*to_asking, move))
            for move in moves_from(asked, Role.REQUESTED)
        ]
    if to_asked:
        found.append((asking, after_arrival(asked, to_asked[0]), to_asked[1:], to_asking))
    if to_asking:
        found.append((after_arrival(asking, to_asking[0]), asked, to_asked, to_asking[1:]))
    return found


def test_however_messages_cross_both_sides_end_in_the_same_state() -> None:
    start: World = (State.DRAFT, State.DRAFT, (), ())
    known, work = {start}, [start]
    while work:
        world = work.pop()
        for following in successors(world, bound=3):
            if following not in known:
                known.add(following)
                work.append(following)
    at_rest = {world[:2] for world in known if not world[2] and not world[3]}
    assert all(asking is asked for asking, asked in at_rest)
    assert {asking for asking, _ in at_rest} == set(State) - {State.REMOVED}
    crossed = {(world[1], world[2][0]) for world in known if world[2]}
    crossed |= {(world[0], world[3][0]) for world in known if world[3]}
    needed = {(state, move) for state, crossings in CROSSINGS.items() for move in crossings}
    assert needed <= crossed, "a crossing that never happens is not in the table"
