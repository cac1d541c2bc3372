# SPDX-License-Identifier: Apache-2.0
"""What a body means for its consultation: the move it makes, the line that stands for it in lists.

Not the check of the body: that is `protocol.messages`, the same for what goes out and what comes in.
"""

from dataclasses import dataclass, field

from protocol.audit.leaf import reconciliation_value
from protocol.canonical import JSONObject
from protocol.codes.message_types import MessageType
from protocol.consultations.content import Effect, effect_of
from protocol.consultations.table import Move, move_of
from protocol.identifiers import Digest
from protocol.messages.membership import Members
from protocol.messages.parse import Body, parse_body
from protocol.messages.request import ConsultRequest

REPLIES = frozenset(
    {
        MessageType.ANSWER,
        MessageType.CLARIFICATION,
        MessageType.CLARIFICATION_REQUEST,
        MessageType.REFUSAL,
    }
)
"""Messages whose content is checked against the request."""


@dataclass(frozen=True, slots=True)
class Content:
    """A body that was read.

    Attributes:
        message_type: its type.
        body: the body.
        effect: what it says about its move.
    """

    message_type: MessageType
    body: Body = field(repr=False)
    effect: Effect

    @property
    def move(self) -> Move:
        """Return what it does to the state."""
        return move_of(self.message_type, final=self.effect.final, postponed=self.effect.postponed)

    @property
    def subject(self) -> str:
        """Return the line that stands for a request in lists; empty for other messages."""
        request = self.request
        return request.title or request.case.reference if request is not None else ""

    @property
    def request(self) -> ConsultRequest | None:
        """Return what it asks of somebody for whom it opens the consultation."""
        if isinstance(self.body, Members):
            return self.body.request
        return self.body if isinstance(self.body, ConsultRequest) else None

    @property
    def change(self) -> Members | None:
        """Return what it changes in the members, if it does."""
        return self.body if isinstance(self.body, Members) else None


def read_content(message_type: MessageType, value: JSONObject) -> Content:
    """Read a body.

    Raises:
        MalformedError: `unknown_field` or `bad_field`; the text names the place.
    """
    body = parse_body(message_type, value)
    return Content(message_type, body, effect_of(body))


def reconciliation_of(signature: bytes, envelope_hash: Digest) -> bytes:
    """Return the value that joins the entries of both ends; its nonce is the salt of the record's signature.

    Args:
        signature: the batch signature block of the record: it lies inside the sealed part.
        envelope_hash: hash of the envelope.
    """
    return reconciliation_value(signature[1:33], bytes.fromhex(envelope_hash))
