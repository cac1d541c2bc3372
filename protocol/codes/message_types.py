# SPDX-License-Identifier: Apache-2.0
"""The types of message that authorities exchange. Not their bodies: those are in `protocol.messages`."""

from enum import StrEnum


class MessageType(StrEnum):
    """What a record says to the other members of its consultation.

    Spec: PROTOCOL.md section 8.5.
    """

    CONSULT_REQUEST = "CONSULT_REQUEST"
    ACK = "ACK"
    CLARIFICATION_REQUEST = "CLARIFICATION_REQUEST"
    CLARIFICATION = "CLARIFICATION"
    ANSWER = "ANSWER"
    REFUSAL = "REFUSAL"
    WITHDRAWAL = "WITHDRAWAL"
    CLOSE = "CLOSE"
    MEMBERS = "MEMBERS"

    @property
    def opens(self) -> bool:
        """Whether a consultation begins with it for somebody; such a message replies to nothing."""
        return self in (MessageType.CONSULT_REQUEST, MessageType.MEMBERS)
