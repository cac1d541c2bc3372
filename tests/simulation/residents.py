# SPDX-License-Identifier: Apache-2.0
"""The people at a node: they ask, answer, ask back, close and read, as far as the rules let them."""

import random
from dataclasses import dataclass

from globe_node.consultations.drafting.drafts import Draft
from globe_node.errors import NodeError
from globe_node.node import Node
from globe_node.store.door import Transaction
from globe_node.store.driver import driver_of
from protocol.codes.message_types import MessageType
from protocol.consultations.table import Move, Role, State, moves_from
from protocol.errors import ProtocolError
from protocol.identifiers import AuthorityId, ConsultationId, RecordId
from tests.support.bodies import LEAN, Object, lean_request

PART: Object = {"final": False, "items": [{"item": "h1", "result": "NOT_HELD"}]}
SAYS: dict[Move, tuple[MessageType, Object]] = {
    Move.ACKNOWLEDGE: (MessageType.ACK, LEAN[MessageType.ACK]),
    Move.ASK_BACK: (MessageType.CLARIFICATION_REQUEST, LEAN[MessageType.CLARIFICATION_REQUEST]),
    Move.CLARIFY: (MessageType.CLARIFICATION, LEAN[MessageType.CLARIFICATION]),
    Move.ANSWER_PART: (MessageType.ANSWER, PART),
    Move.ANSWER_ALL: (MessageType.ANSWER, LEAN[MessageType.ANSWER]),
    Move.REFUSE_ALL: (MessageType.REFUSAL, LEAN[MessageType.REFUSAL]),
    Move.WITHDRAW: (MessageType.WITHDRAWAL, LEAN[MessageType.WITHDRAWAL]),
    Move.CLOSE: (MessageType.CLOSE, LEAN[MessageType.CLOSE]),
}
LIKELY = {Move.ACKNOWLEDGE: 6, Move.ASK_BACK: 6, Move.CLARIFY: 8, Move.ANSWER_PART: 8, Move.ANSWER_ALL: 2}
"""How likely a move is; the others weigh 1, so that conversations last."""


@dataclass(frozen=True, slots=True)
class Said:
    """One message that a node said it had stored."""

    record_id: RecordId
    record_hash: str
    source: AuthorityId
    to: AuthorityId


class Residents:
    """Whoever uses one node; all their choices come from the dice."""

    def __init__(self, node: Node, database: Transaction, dice: random.Random) -> None:
        self._node = node
        self._database = database
        self._dice = dice
        self._me = node.identity.authority

    async def open_consultation(self, to: str, deadline_seconds: int) -> Said | None:
        """Ask somebody something."""
        return await self._submit(
            MessageType.CONSULT_REQUEST,
            lean_request(),
            recipients=(AuthorityId(to),),
            deadline_seconds=deadline_seconds,
        )

    async def go_on(self, deadline_seconds: int) -> Said | None:
        """Say something in one of the consultations, if there is something to say."""
        rows = self._rows("SELECT id, opener, sides FROM consultation ORDER BY id DESC LIMIT 8")
        choices: list[tuple[str, Move]] = []
        for consultation, opener, sides in rows:
            states = dict(side.split("=") for side in str(sides).split(" "))
            mine = opener == self._me
            state = next(iter(states.values())) if mine else states[self._me]
            role = Role.REQUESTER if mine else Role.REQUESTED
            choices.extend((consultation, move) for move in moves_from(State(state), role) if move in SAYS)
        if not choices:
            return None
        weights = [LIKELY.get(move, 1) for _, move in choices]
        consultation, move = self._dice.choices(choices, weights)[0]
        message_type, body = SAYS[move]
        return await self._submit(
            message_type,
            body,
            consultation=ConsultationId(consultation),
            in_reply_to=self._question(consultation) if move is Move.CLARIFY else None,
            deadline_seconds=deadline_seconds,
        )

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
            done = await self._node.desk.submit(draft)
        except (ProtocolError, NodeError):
            return None
        return Said(done.record_id, done.record_hash, self._me, done.recipients[0])

    def _question(self, consultation: str) -> RecordId | None:
        sql = (
            "SELECT record_id FROM record WHERE consultation = ? AND type = 'CLARIFICATION_REQUEST'"
            " ORDER BY position DESC LIMIT 1"
        )
        rows = self._rows(sql, consultation)
        return RecordId(str(rows[0][0])) if rows else None

    def _rows(self, sql: str, *values: object) -> list[tuple[str, ...]]:
        return driver_of(self._database).execute(sql, values).fetchall()
