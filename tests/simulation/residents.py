# SPDX-License-Identifier: Apache-2.0
"""The people at a node: they ask, answer, ask back, let others join and leave, close and read.

They do what the rules let them do.
"""

import random
from collections.abc import Sequence
from dataclasses import dataclass

from globe_node.consultations.casebook import roster_of
from globe_node.consultations.drafting.drafts import Draft, Submitted
from globe_node.consultations.drafting.membership import Change, draft_of
from globe_node.consultations.records import list_consultations
from globe_node.errors import NodeError
from globe_node.node import Node
from globe_node.store.door import Transaction
from globe_node.store.driver import driver_of
from protocol.codes.message_types import MessageType
from protocol.consultations.roster import Roster
from protocol.consultations.table import Move, State
from protocol.errors import ProtocolError
from protocol.identifiers import AuthorityId, ConsultationId, RecordId
from tests.support.bodies import LEAN, Object, lean_request

PART: Object = {"final": False, "items": [{"item": "h1", "result": "NOT_HELD"}]}
SOME: Object = {"total": False, "grounds": [{"items": ["h1"], "reason": "R21", "explanation": "x"}]}
LATER: Object = {"total": True, "postponement": True, "grounds": [{"reason": "P01", "explanation": "x"}]}
SAYS: dict[Move, tuple[MessageType, Object]] = {
    Move.ACKNOWLEDGE: (MessageType.ACK, LEAN[MessageType.ACK]),
    Move.ASK_BACK: (MessageType.CLARIFICATION_REQUEST, LEAN[MessageType.CLARIFICATION_REQUEST]),
    Move.CLARIFY: (MessageType.CLARIFICATION, LEAN[MessageType.CLARIFICATION]),
    Move.ANSWER_PART: (MessageType.ANSWER, PART),
    Move.ANSWER_ALL: (MessageType.ANSWER, LEAN[MessageType.ANSWER]),
    Move.REFUSE_PART: (MessageType.REFUSAL, SOME),
    Move.POSTPONE: (MessageType.REFUSAL, LATER),
    Move.REFUSE_ALL: (MessageType.REFUSAL, LEAN[MessageType.REFUSAL]),
    Move.WITHDRAW: (MessageType.WITHDRAWAL, LEAN[MessageType.WITHDRAWAL]),
    Move.CLOSE: (MessageType.CLOSE, LEAN[MessageType.CLOSE]),
}
LIKELY = {
    Move.ACKNOWLEDGE: 6,
    Move.ASK_BACK: 6,
    Move.CLARIFY: 8,
    Move.ANSWER_PART: 8,
    Move.ANSWER_ALL: 2,
    Move.CHANGE_MEMBERS: 3,
}
"""How likely a move is; the others weigh 1, so that conversations last."""


@dataclass(frozen=True, slots=True)
class Said:
    """One message that a node said it had stored."""

    record_id: RecordId
    record_hash: str
    source: AuthorityId
    to: tuple[AuthorityId, ...]


class Residents:
    """Whoever uses one node; all their choices come from the dice."""

    def __init__(self, node: Node, database: Transaction, dice: random.Random) -> None:
        self._node = node
        self._database = database
        self._dice = dice
        self._me = node.identity.authority

    async def open_consultation(self, to: Sequence[str], deadline_seconds: int) -> Said | None:
        """Ask some others something."""
        return await self._submit(
            MessageType.CONSULT_REQUEST,
            lean_request(),
            recipients=tuple(sorted(map(AuthorityId, to))),
            deadline_seconds=deadline_seconds,
        )

    async def go_on(self, deadline_seconds: int) -> Said | None:
        """Say something in one of the consultations, if there is something to say."""
        choices: list[tuple[ConsultationId, Roster, Move]] = []
        for row in list_consultations(self._database, states=(), before=None, limit=8):
            roster = roster_of(row)
            choices.extend((row.id, roster, move) for move in roster.moves(self._me))
        if not choices:
            return None
        weights = [LIKELY.get(move, 1) for _, _, move in choices]
        consultation, roster, move = self._dice.choices(choices, weights)[0]
        if move is Move.CHANGE_MEMBERS:
            return await self._change_members(consultation, roster, deadline_seconds)
        message_type, body = SAYS[move]
        return await self._submit(
            message_type,
            body,
            consultation=consultation,
            in_reply_to=self._question(consultation, roster) if move is Move.CLARIFY else None,
            deadline_seconds=deadline_seconds,
        )

    async def _change_members(
        self, consultation: ConsultationId, roster: Roster, deadline_seconds: int
    ) -> Said | None:
        """Let somebody leave, or somebody join who does not take part."""
        asked = sorted(roster.members - {self._me})
        others = sorted({one.authority for one in self._node.register.state.authorities} - roster.members)
        leaves = len(asked) > 1 and (not others or self._dice.random() < 0.5)
        if not leaves and not others:
            return None
        change = Change(
            consultation,
            () if leaves else (self._dice.choice(others),),
            (self._dice.choice(asked),) if leaves else (),
            "It knows more, or nothing.",
            deadline_seconds=deadline_seconds,
        )
        storage = self._node.parts.node_keys.storage
        try:
            draft = draft_of(self._database, storage, self._me, change)
            return self._said(await self._node.desk.submit(draft))
        except (ProtocolError, NodeError):
            return None

    async def read(self) -> None:
        """Open one record of somebody else that nobody has opened."""
        rows = self._rows(
            "SELECT record_id FROM record WHERE direction = 1 AND read_ms = 0 ORDER BY position"
        )
        if rows:
            record_id = self._dice.choice(rows)[0]
            await self._node.reading.open(RecordId(record_id), justification="OWN_CASE")

    async def _submit(self, message_type: MessageType, body: Object, **more: object) -> Said | None:
        draft = Draft(message_type=message_type, body=body, **more)  # type: ignore[arg-type]  # see the callers
        try:
            return self._said(await self._node.desk.submit(draft))
        except (ProtocolError, NodeError):
            return None

    def _said(self, done: Submitted) -> Said:
        return Said(done.record_id, done.record_hash, self._me, done.recipients)

    def _question(self, consultation: str, roster: Roster) -> RecordId | None:
        waiting = sorted(side for side, state in roster.sides.items() if state is State.CLARIFYING)
        sql = (
            "SELECT record_id FROM record WHERE consultation = ? AND author = ?"
            " AND type = 'CLARIFICATION_REQUEST' ORDER BY position DESC LIMIT 1"
        )
        rows = self._rows(sql, consultation, self._dice.choice(waiting))
        return RecordId(str(rows[0][0])) if rows else None

    def _rows(self, sql: str, *values: object) -> list[tuple[str, ...]]:
        return driver_of(self._database).execute(sql, values).fetchall()
