# SPDX-License-Identifier: Apache-2.0
"""What a record and its body owe to each other, and what a reply owes to what it replies to.

Not the order of messages (`protocol.consultations.table`), and not the form of a body (`protocol.messages`).

1. The same checks hold for what is about to be sent and for what arrived.
2. An attachment that a body names is in the record. Words behind H3 and EYES are in the body.
3. Answers, refusals and questions name items of the request; clarifications name questions that were asked.
4. A record that changes the members goes to all who take part before or after it, and its author stays.
5. "No offence here" (R10) is a reason only against help that may take coercion (UNCAC article 46(9)(b)).
"""

from collections.abc import Iterable
from dataclasses import dataclass

from protocol.codes.handling import EYES, H3
from protocol.codes.reasons import COERCIVE_HELP_ONLY, Reason
from protocol.errors import MalformedError, ReasonCode
from protocol.messages.answer import Answer, Refusal
from protocol.messages.membership import Members
from protocol.messages.parse import Body
from protocol.messages.procedure import Clarification, ClarificationRequest
from protocol.messages.request import ConsultRequest
from protocol.record import Record


@dataclass(frozen=True, slots=True)
class Effect:
    """What the content of a message says about its move; the arguments of `table.move_of`.

    Attributes:
        final: nothing more comes, or everything is refused.
        postponed: the help is only put off.
    """

    final: bool = True
    postponed: bool = False


def effect_of(body: Body) -> Effect:
    """Return what a body says about its move."""
    if isinstance(body, Answer):
        return Effect(final=body.final)
    if isinstance(body, Refusal):
        return Effect(final=body.total, postponed=body.postponement)
    return Effect()


def verify_content(record: Record, body: Body) -> None:
    """Check that a record and its body fit together.

    Raises:
        MalformedError: they do not (`bad_field`).

    Spec: PROTOCOL.md section 8.7.
    """
    listed = {entry.id for entry in record.attachments}
    if not listed.issuperset(_attachments_named(body)):
        raise _bad("the body names an attachment that is not in the record")
    codes = {code for entry in record.attachments for code in entry.handling}.union(record.handling)
    if isinstance(body, Answer):
        codes.update(code for item in body.items for code in item.handling)
    if H3 in codes and (body.caveats is None or body.caveats.restriction is None):
        raise _bad("handling code H3 needs the restriction in words")
    if EYES in codes and (body.caveats is None or body.caveats.eyes_only is None):
        raise _bad("handling code EYES needs the office that may read")
    if record.type.opens != (record.in_reply_to == ""):
        raise _bad("what opens a consultation replies to nothing, every other message to a record")
    if isinstance(body, Members):
        _verify_members(record, body)


def verify_reply(body: Body, request: ConsultRequest, question: ClarificationRequest | None = None) -> None:
    """Check a reply against the request of its consultation.

    Args:
        body: the reply, of either side.
        request: the request that opened the consultation.
        question: for a clarification, the questions it replies to.

    Raises:
        MalformedError: it names an item or a question that was not asked, or R10 against help that takes
            no coercion (`bad_field`).

    Spec: PROTOCOL.md section 8.7.
    """
    if isinstance(body, ClarificationRequest):
        _require_items((entry.item for entry in body.questions if entry.item), request)
    elif isinstance(body, Clarification):
        asked = {entry.id for entry in question.questions} if question else set()
        if any(answer.question not in asked for answer in body.answers):
            raise _bad("a question that was not asked")
    elif isinstance(body, Answer):
        _require_items((entry.item for entry in body.items), request)
        for entry in body.items:
            _verify_reason(entry.reason, (entry.item,), request)
    elif isinstance(body, Refusal):
        _require_items((item for ground in body.grounds for item in ground.items), request)
        for ground in body.grounds:
            _verify_reason(ground.reason, ground.items, request)


def _verify_members(record: Record, body: Members) -> None:
    author = record.author.authority
    if author not in body.roster:
        raise _bad("the requester stays a member")
    if set(record.recipients) != {*body.roster, *body.removed} - {author}:
        raise _bad("a change of the members goes to all who take part before or after it")


def _attachments_named(body: Body) -> set[str]:
    if isinstance(body, Members):
        return set(body.request.facts.attachments) if body.request else set()
    if isinstance(body, ConsultRequest):
        return set(body.facts.attachments)
    if isinstance(body, Answer | Clarification):
        parts = body.items if isinstance(body, Answer) else body.answers
        return {tag for part in parts for tag in part.attachments}
    return set()


def _require_items(tags: Iterable[str], request: ConsultRequest) -> None:
    if any(request.item(tag) is None for tag in tags):
        raise _bad("an item that was not asked")


def _verify_reason(reason: Reason | None, tags: tuple[str, ...], request: ConsultRequest) -> None:
    """Refuse a reason for coercive help only, where it stands against help that takes none."""
    if reason not in COERCIVE_HELP_ONLY:
        return
    against = [item for item in request.help_items if not tags or item.id in tags]
    if not all(item.may_be_coercive for item in against):
        raise _bad("R10 is no reason against help that takes no coercion")


def _bad(rule: str) -> MalformedError:
    return MalformedError(rule, code=ReasonCode.BAD_FIELD)
