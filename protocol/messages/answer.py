# SPDX-License-Identifier: Apache-2.0
"""ANSWER and REFUSAL: what came of each item that was asked. Not a formal decision on legal assistance.

1. Both name the item of the request by its id; whether the item exists is checked against the request.
2. A refusal always gives a reason of the list and says it in words (UNCAC article 46(23)).
3. A postponement is a refusal for a time: all its reasons are postponing ones, or none is.
"""

from typing import Self

from pydantic import model_validator

from protocol.codes.case import Result
from protocol.codes.reasons import NAMES_ANOTHER_AUTHORITY, Reason
from protocol.messages.fields import (
    Code,
    Day,
    Distinct,
    Handling,
    Items,
    Language,
    Line,
    Part,
    SomeItems,
    Tag,
    Text,
)
from protocol.messages.parts import Asset, Evaluation, Message, Subject, require_distinct_ids


class Datum(Part):
    """One piece of data, such as a field of a register."""

    name: Line
    value: Text


class FormalAdvice(Part):
    """What a formal request would need.

    Attributes:
        authority: to whom it goes.
        requirements: what it must contain.
        threshold: what must be shown.
        obstacles: what is likely in the way.
        languages: in which it is taken.
        estimated_time: how long it takes.
    """

    requirements: Text
    authority: Line | None = None
    threshold: Text | None = None
    obstacles: Text | None = None
    languages: Distinct[Language] = ()
    estimated_time: Line | None = None


class AnsweredItem(Part):
    """What came of one item.

    Attributes:
        item: its id in the request.
        result: what came of it.
        text: the answer in words.
        data: the answer as data.
        attachments: ids of attachments that belong to it.
        found_in: the register or file it comes from.
        as_of: the day it was true on.
        evaluation: how good the information is.
        handling: codes stricter than the record's own.
        third_party_origin: whose information it is, if not the answering State's.
        permitted_uses: what it may be used for, in words.
        reason: why it is refused or put off.
        formal: advice on a formal request.
        expected_on: when more will come.
    """

    item: Tag
    result: Code[Result]
    text: Text | None = None
    data: Items[Datum] = ()
    attachments: Distinct[Tag] = ()
    found_in: Line | None = None
    as_of: Day | None = None
    evaluation: Evaluation | None = None
    handling: Handling = ()
    third_party_origin: Line | None = None
    permitted_uses: Distinct[Line] = ()
    reason: Code[Reason] | None = None
    formal: FormalAdvice | None = None
    expected_on: Day | None = None

    @model_validator(mode="after")
    def _fields_fit_the_result(self) -> Self:
        if self.result is Result.REFUSED and (self.reason is None or self.reason.postpones or not self.text):
            raise ValueError("what is refused gives its reason, as a code and in words")
        if self.reason is not None and self.result not in (Result.REFUSED, Result.PENDING, Result.PARTIAL):
            raise ValueError("only what is refused, partial or pending has a reason")
        if self.result is Result.PENDING and self.reason is not None and not self.reason.postpones:
            raise ValueError("what is pending has no reason for refusal")
        if self.result in (Result.FOUND, Result.PARTIAL) and not (self.text or self.data or self.attachments):
            raise ValueError("what was found is given")
        if self.result is Result.NEEDS_MLA and self.formal is None:
            raise ValueError("what needs a formal request says what that needs")
        return self


class Answer(Message):
    """The body of ANSWER.

    Attributes:
        final: whether nothing more will come.
        items: what came of the items, at least one, none twice.
        subjects, assets: persons, entities and assets that were found.

    Spec: PROTOCOL.md section 8.4.
    """

    final: bool
    items: SomeItems[AnsweredItem]
    subjects: Items[Subject] = ()
    assets: Items[Asset] = ()

    @model_validator(mode="after")
    def _items_fit_together(self) -> Self:
        if len({item.item for item in self.items}) != len(self.items):
            raise ValueError("an item is answered twice")
        if self.final and any(item.result is Result.PENDING for item in self.items):
            raise ValueError("a final answer leaves nothing pending")
        require_distinct_ids(self.subjects)
        require_distinct_ids(self.assets)
        return self


class Ground(Part):
    """One ground for refusing or postponing.

    Attributes:
        items: ids of the items it stands against; empty for the whole request.
        reason: the code.
        explanation: the reason in words.
        provision: the provision it rests on.
    """

    items: Distinct[Tag] = ()
    reason: Code[Reason]
    explanation: Text
    provision: Line | None = None


class Refusal(Message):
    """The body of REFUSAL.

    Attributes:
        total: whether the whole request is refused or put off.
        postponement: whether it is only put off.
        until: until when.
        grounds: why, at least one.
        consulted: what was tried before to find terms and conditions (UNCAC article 46(26)).
        competent: who is competent instead.

    Spec: PROTOCOL.md section 8.4.
    """

    total: bool
    postponement: bool = False
    until: Day | None = None
    grounds: SomeItems[Ground]
    consulted: Text | None = None
    competent: Line | None = None

    @model_validator(mode="after")
    def _grounds_fit_the_refusal(self) -> Self:
        if any(ground.reason.postpones is not self.postponement for ground in self.grounds):
            raise ValueError("reasons to postpone stand in a postponement and nowhere else")
        if self.until is not None and not self.postponement:
            raise ValueError("only a postponement has an end")
        if not self.total and any(not ground.items for ground in self.grounds):
            raise ValueError("a partial refusal names its items")
        named = any(ground.reason in NAMES_ANOTHER_AUTHORITY for ground in self.grounds)
        if named != (self.competent is not None):
            raise ValueError("who is not competent, and only they, says who is")
        return self
