# SPDX-License-Identifier: Apache-2.0
"""From the body of a record to a value, and back. The same check for what comes in and what goes out.

1. An error names the place and the rule, never what was written there.
2. `body_of` leaves out what was left out: absent members stay absent.
"""

from pydantic import TypeAdapter, ValidationError
from pydantic_core import ErrorDetails

from protocol.canonical import JSONObject
from protocol.codes.message_types import MessageType
from protocol.errors import MalformedError, ReasonCode
from protocol.messages.answer import Answer, Refusal
from protocol.messages.membership import Members
from protocol.messages.procedure import Ack, Clarification, ClarificationRequest, Close, Withdrawal
from protocol.messages.request import ConsultRequest

Body = (
    ConsultRequest
    | Ack
    | ClarificationRequest
    | Clarification
    | Answer
    | Refusal
    | Withdrawal
    | Close
    | Members
)
"""The body of a message."""

MODELS: dict[MessageType, type[Body]] = {
    MessageType.CONSULT_REQUEST: ConsultRequest,
    MessageType.ACK: Ack,
    MessageType.CLARIFICATION_REQUEST: ClarificationRequest,
    MessageType.CLARIFICATION: Clarification,
    MessageType.ANSWER: Answer,
    MessageType.REFUSAL: Refusal,
    MessageType.WITHDRAWAL: Withdrawal,
    MessageType.CLOSE: Close,
    MessageType.MEMBERS: Members,
}
"""Which model reads the body of which type."""

_ADAPTERS: dict[MessageType, TypeAdapter[Body]] = {kind: TypeAdapter(model) for kind, model in MODELS.items()}


def parse_body(message_type: MessageType, body: JSONObject) -> Body:
    """Read the body of a message.

    Args:
        message_type: what the record says it is.
        body: the member `body` of the record.

    Raises:
        MalformedError: a member that is not known (`unknown_field`), or a value outside its rule
            (`bad_field`); the text names the place.

    Spec: PROTOCOL.md section 8.4.
    """
    try:
        return _ADAPTERS[message_type].validate_python(body)
    except ValidationError as error:
        details = error.errors(include_url=False, include_context=False, include_input=False)
    unknown = [detail for detail in details if detail["type"] == "extra_forbidden"]
    if unknown:
        raise MalformedError(
            f"{_place(unknown[0], inner=1)}: a member that is not known", code=ReasonCode.UNKNOWN_FIELD
        )
    raise MalformedError(f"{_place(details[0])}: {_rule(details[0])}", code=ReasonCode.BAD_FIELD)


def body_of(body: Body) -> JSONObject:
    """Return the member `body` of a record for this value."""
    written: JSONObject = body.model_dump(mode="json", exclude_defaults=True)
    return written


def _place(detail: ErrorDetails, inner: int = 0) -> str:
    """Name the place by our own member names; `inner` last steps are the writer's and are left out."""
    steps = detail["loc"][: len(detail["loc"]) - inner]
    return ".".join(["body", *(str(step) for step in steps)])


def _rule(detail: ErrorDetails) -> str:
    if detail["type"] == "value_error":
        return detail["msg"].removeprefix("Value error, ")
    return detail["type"].replace("_", " ")
