# SPDX-License-Identifier: Apache-2.0
"""The states between the requesting and one requested authority, as a table.

Not who takes part (`roster`), not the delivery of single messages (`protocol.receipts`), and no clock: being
late is a flag, not a state.

1. A consultation with several requested authorities has one state for each of them: its side.
2. What an author may send is decided by `next_state` on the state that its own records show.
3. Two messages may cross on the way. A message that was legal where it was written is taken where it arrives:
   `arrival_state` knows the crossings, and both sides reach the same state in whatever order they see them.
4. A question, an answer or a refusal given at once needs no acknowledgement first.
5. While a question of the requested side is open, that side waits; it may still answer in full or refuse.
"""

from enum import StrEnum

from protocol.codes.message_types import MessageType
from protocol.errors import LocalProtocolError, ReasonCode, RemoteProtocolError


class State(StrEnum):
    """Where one side of a consultation stands. Spec: PROTOCOL.md section 8.6."""

    DRAFT = "DRAFT"
    """Nothing was sent yet."""
    SENT = "SENT"
    ACKNOWLEDGED = "ACKNOWLEDGED"
    CLARIFYING = "CLARIFYING"
    IN_PROGRESS = "IN_PROGRESS"
    PARTIAL = "PARTIAL"
    POSTPONED = "POSTPONED"
    ANSWERED = "ANSWERED"
    REFUSED = "REFUSED"
    WITHDRAWN = "WITHDRAWN"
    CLOSED = "CLOSED"
    REMOVED = "REMOVED"
    """The requested authority takes part no more."""


class Role(StrEnum):
    """On which side of a consultation an author stands. Spec: PROTOCOL.md section 8.6."""

    REQUESTER = "REQUESTER"
    REQUESTED = "REQUESTED"


class Move(StrEnum):
    """What a message does to the state; answers and refusals do different things by their content."""

    REQUEST = "REQUEST"
    ACKNOWLEDGE = "ACKNOWLEDGE"
    ASK_BACK = "ASK_BACK"
    CLARIFY = "CLARIFY"
    ANSWER_PART = "ANSWER_PART"
    ANSWER_ALL = "ANSWER_ALL"
    REFUSE_PART = "REFUSE_PART"
    REFUSE_ALL = "REFUSE_ALL"
    POSTPONE = "POSTPONE"
    WITHDRAW = "WITHDRAW"
    CLOSE = "CLOSE"
    CHANGE_MEMBERS = "CHANGE_MEMBERS"


AUTHORS: dict[Move, Role] = {
    Move.REQUEST: Role.REQUESTER,
    Move.ACKNOWLEDGE: Role.REQUESTED,
    Move.ASK_BACK: Role.REQUESTED,
    Move.CLARIFY: Role.REQUESTER,
    Move.ANSWER_PART: Role.REQUESTED,
    Move.ANSWER_ALL: Role.REQUESTED,
    Move.REFUSE_PART: Role.REQUESTED,
    Move.REFUSE_ALL: Role.REQUESTED,
    Move.POSTPONE: Role.REQUESTED,
    Move.WITHDRAW: Role.REQUESTER,
    Move.CLOSE: Role.REQUESTER,
    Move.CHANGE_MEMBERS: Role.REQUESTER,
}
"""Who may make which move."""

_WORK: dict[Move, State] = {
    Move.ASK_BACK: State.CLARIFYING,
    Move.ANSWER_PART: State.PARTIAL,
    Move.ANSWER_ALL: State.ANSWERED,
    Move.REFUSE_PART: State.PARTIAL,
    Move.REFUSE_ALL: State.REFUSED,
    Move.POSTPONE: State.POSTPONED,
    Move.WITHDRAW: State.WITHDRAWN,
}
"""What may happen while the requested side has the matter in hand."""

_OWN_MOVES: dict[State, dict[Move, State]] = {
    State.DRAFT: {Move.REQUEST: State.SENT},
    State.SENT: {Move.ACKNOWLEDGE: State.ACKNOWLEDGED, **_WORK},
    State.ACKNOWLEDGED: _WORK,
    State.CLARIFYING: {
        Move.CLARIFY: State.IN_PROGRESS,
        Move.ANSWER_ALL: State.ANSWERED,
        Move.REFUSE_ALL: State.REFUSED,
        Move.WITHDRAW: State.WITHDRAWN,
    },
    State.IN_PROGRESS: _WORK,
    State.PARTIAL: {**_WORK, Move.CLOSE: State.CLOSED},
    State.POSTPONED: {**_WORK, Move.CLOSE: State.CLOSED},
    State.ANSWERED: {Move.CLOSE: State.CLOSED},
    State.REFUSED: {Move.CLOSE: State.CLOSED},
    State.WITHDRAWN: {Move.CLOSE: State.CLOSED},
    State.CLOSED: {},
    State.REMOVED: {},
}

_FIXED = frozenset({State.DRAFT, State.WITHDRAWN, State.CLOSED, State.REMOVED})
"""States in which the members of a consultation change no more, or not yet."""

MOVES: dict[State, dict[Move, State]] = {
    state: moves if state in _FIXED else {**moves, Move.CHANGE_MEMBERS: state}
    for state, moves in _OWN_MOVES.items()
}
"""Every legal move; what is not here is illegal. A change of the members leaves the sides that stay."""

_TAKEN_TOO_LATE = [move for move, role in AUTHORS.items() if role is Role.REQUESTED]

CROSSINGS: dict[State, dict[Move, State]] = {
    State.CLARIFYING: {Move.CLOSE: State.CLOSED},
    State.ANSWERED: {Move.CLARIFY: State.ANSWERED, Move.WITHDRAW: State.WITHDRAWN},
    State.REFUSED: {Move.CLARIFY: State.REFUSED, Move.WITHDRAW: State.WITHDRAWN},
    State.WITHDRAWN: dict.fromkeys(_TAKEN_TOO_LATE, State.WITHDRAWN),
    State.CLOSED: dict.fromkeys(_TAKEN_TOO_LATE, State.CLOSED),
}
"""Moves that were legal where they were written, by the state in which they may arrive."""

_PLAIN: dict[MessageType, Move] = {
    MessageType.CONSULT_REQUEST: Move.REQUEST,
    MessageType.ACK: Move.ACKNOWLEDGE,
    MessageType.CLARIFICATION_REQUEST: Move.ASK_BACK,
    MessageType.CLARIFICATION: Move.CLARIFY,
    MessageType.WITHDRAWAL: Move.WITHDRAW,
    MessageType.CLOSE: Move.CLOSE,
    MessageType.MEMBERS: Move.CHANGE_MEMBERS,
}


def move_of(message_type: MessageType, *, final: bool = True, postponed: bool = False) -> Move:
    """Return what a message does.

    Args:
        message_type: the type of the message.
        final: of an answer, that nothing more comes; of a refusal, that it refuses everything.
        postponed: of a refusal, that it only puts the help off.
    """
    if message_type is MessageType.ANSWER:
        return Move.ANSWER_ALL if final else Move.ANSWER_PART
    if message_type is MessageType.REFUSAL:
        if postponed:
            return Move.POSTPONE
        return Move.REFUSE_ALL if final else Move.REFUSE_PART
    return _PLAIN[message_type]


def next_state(state: State, move: Move, author: Role) -> State:
    """Return the state after a message that is about to be sent from this state.

    Args:
        state: where the side stands for the author.
        move: what the message does.
        author: the side its author is on.

    Raises:
        LocalProtocolError: the message may not be sent now, or not by this side (`illegal_move`).

    Spec: PROTOCOL.md section 8.6.
    """
    after = MOVES[state].get(move) if AUTHORS[move] is author else None
    if after is None:
        raise LocalProtocolError("this message may not be sent now", code=ReasonCode.ILLEGAL_MOVE)
    return after


def arrival_state(state: State, move: Move, author: Role) -> State:
    """Return the state after a message of the other side that has arrived; as `next_state`, with crossings.

    Raises:
        RemoteProtocolError: it could not be sent by an honest author (`illegal_move`).

    Spec: PROTOCOL.md section 8.6.
    """
    after = MOVES[state].get(move) or CROSSINGS.get(state, {}).get(move)
    if after is None or AUTHORS[move] is not author:
        raise RemoteProtocolError("a message that could not follow", code=ReasonCode.ILLEGAL_MOVE)
    return after


def moves_from(state: State, author: Role) -> tuple[Move, ...]:
    """Return what this side may do now, in the order of `Move`."""
    return tuple(move for move in Move if move in MOVES[state] and AUTHORS[move] is author)
