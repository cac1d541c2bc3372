# SPDX-License-Identifier: Apache-2.0
"""The messages around question and answer: acknowledging, clarifying, withdrawing, closing."""

from typing import Annotated, Self

from pydantic import Field, model_validator

from protocol.messages.fields import Day, Distinct, Items, Part, Reference, SomeItems, Tag, Text
from protocol.messages.parts import Asset, Message, Practitioner, Subject, require_distinct_ids


class Ack(Message):
    """The body of ACK: who handles it, and when an answer or at least an update comes.

    Attributes:
        handler: who handles it.
        reference: the requested authority's own reference.
        estimated_on: when the answer is likely.
        update_every_days: how often an update comes, when no date can be named.

    Spec: PROTOCOL.md section 8.4.
    """

    handler: Practitioner
    reference: Reference | None = None
    estimated_on: Day | None = None
    update_every_days: Annotated[int, Field(ge=1, le=90)] | None = None

    @model_validator(mode="after")
    def _says_when(self) -> Self:
        if self.estimated_on is None and self.update_every_days is None:
            raise ValueError("an acknowledgement names a date or how often updates come")
        return self


class Question(Part):
    """One question back.

    Attributes:
        id: how the clarification refers to it.
        item: id of the item it is about; left out if it is about the whole request.
        text: the question.
    """

    id: Tag
    item: Tag | None = None
    text: Text


class ClarificationRequest(Message):
    """The body of CLARIFICATION_REQUEST.

    Attributes:
        questions: at least one, with distinct ids.
        due_on: until when an answer is expected.

    Spec: PROTOCOL.md section 8.4.
    """

    questions: SomeItems[Question]
    due_on: Day | None = None

    @model_validator(mode="after")
    def _ids_are_distinct(self) -> Self:
        if len({question.id for question in self.questions}) != len(self.questions):
            raise ValueError("an id appears twice")
        return self


class Explanation(Part):
    """The answer to one question back.

    Attributes:
        question: its id.
        text: the answer.
        attachments: ids of attachments that belong to it.
    """

    question: Tag
    text: Text
    attachments: Distinct[Tag] = ()


class Clarification(Message):
    """The body of CLARIFICATION.

    Attributes:
        answers: at least one, to distinct questions.
        subjects, assets: more about persons, entities and assets.

    Spec: PROTOCOL.md section 8.4.
    """

    answers: SomeItems[Explanation]
    subjects: Items[Subject] = ()
    assets: Items[Asset] = ()

    @model_validator(mode="after")
    def _questions_are_distinct(self) -> Self:
        if len({answer.question for answer in self.answers}) != len(self.answers):
            raise ValueError("a question is answered twice")
        require_distinct_ids(self.subjects)
        require_distinct_ids(self.assets)
        return self


class Withdrawal(Message):
    """The body of WITHDRAWAL: the help is not needed any more.

    Attributes:
        reason: why, in words.

    Spec: PROTOCOL.md section 8.4.
    """

    reason: Text | None = None


class Close(Message):
    """The body of CLOSE: the asking authority takes the consultation as ended.

    Spec: PROTOCOL.md section 8.4.
    """
