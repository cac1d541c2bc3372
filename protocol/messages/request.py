# SPDX-License-Identifier: Apache-2.0
"""CONSULT_REQUEST: one authority asks another. Not a formal request: nothing here obliges the other side.

1. Each kind of help is an item of its own with an id; answers and refusals name the item.
2. Questions about banks say why they are no fishing expedition (CETS 198 article 17(3)).
3. What is urgent says why, by one of four criteria.
"""

from typing import Self

from pydantic import model_validator

from protocol.codes.case import CaseStage, IntendedUse, Undertaking, Urgency, UrgencyCriterion
from protocol.codes.help import HELP_KINDS, Coercion, HelpType
from protocol.codes.offences import OFFENCE_KINDS, Offence
from protocol.messages.fields import (
    Code,
    Consultation,
    Day,
    Distinct,
    Items,
    Line,
    Moment,
    Part,
    Reference,
    RoughDay,
    SomeItems,
    Tag,
    Text,
)
from protocol.messages.parts import Asset, Message, Money, Practitioner, Prose, Subject, require_distinct_ids


class OtherAsked(Part):
    """Another authority or network that was asked about the same matter."""

    who: Line
    channel: Line | None = None
    on: Day | None = None


class Case(Part):
    """The case behind the request.

    Attributes:
        reference: the asking authority's own reference.
        stage: how far the case is.
        operation: its operation name.
        lead_authority: who runs it, if not the asking authority.
        started_on: when it began.
        related: earlier consultations on the matter.
        others_asked: who else was asked.
        central_authority_informed: whether the central authority knows, if that is known.
        central_authority_informed_on: since when.
    """

    reference: Reference
    stage: Code[CaseStage]
    operation: Line | None = None
    lead_authority: Line | None = None
    started_on: Day | None = None
    related: Distinct[Consultation] = ()
    others_asked: Items[OtherAsked] = ()
    central_authority_informed: bool | None = None
    central_authority_informed_on: Day | None = None


class OffenceSuspected(Part):
    """An offence under investigation.

    Attributes:
        uncac: its code by UNCAC.
        provision: the provision of domestic law.
        text: the text of that law.
        max_penalty: the highest penalty.
        limitation_on: when it can no longer be prosecuted.
        since, until: when it was committed, as far as known.
        place: where.
    """

    uncac: Code[Offence]
    provision: Line | None = None
    text: Text | None = None
    max_penalty: Line | None = None
    limitation_on: Day | None = None
    since: RoughDay | None = None
    until: RoughDay | None = None
    place: Line | None = None


class BankGrounds(Part):
    """Why a question about banks is no fishing expedition; all four are mandatory.

    Attributes:
        why_substantial_value: why the information is likely of substantial value to the case.
        grounds_bank_holds_account: why banks over there are thought to hold the account.
        banks_or_accounts_specified: which, as far as known; an empty list says that none is.
        further_info: what else helps to execute it.

    Spec: CETS 198 article 17(3).
    """

    why_substantial_value: Text
    grounds_bank_holds_account: Text
    banks_or_accounts_specified: Items[Line]
    further_info: Text


class HelpItem(Part):
    """One thing that is asked.

    Attributes:
        id: how answers refer to it.
        help_type: the kind of help.
        question: what exactly.
        nexus: the link between question, facts and persons.
        why_held_there: objective reasons why the other side holds it.
        necessity: why it is necessary and proportionate.
        bank: for questions about banks.
        coercive: whether the asking side takes it to need coercion over there, if it has a view.
        other_reason: why no code of the list fits.
        subjects, assets: ids of the subjects and assets it is about.
        procedure_wishes: form the answer should have.
        max_amount: highest sum a value-based measure may cover.
    """

    id: Tag
    help_type: Code[HelpType]
    question: Text
    nexus: Text | None = None
    why_held_there: Text | None = None
    necessity: Text | None = None
    bank: BankGrounds | None = None
    coercive: bool | None = None
    other_reason: Text | None = None
    subjects: Distinct[Tag] = ()
    assets: Distinct[Tag] = ()
    procedure_wishes: Text | None = None
    max_amount: Money | None = None

    @property
    def may_be_coercive(self) -> bool:
        """Whether the help may take coercion: by its kind, or because the asking side says so."""
        return self.coercive is True or HELP_KINDS[self.help_type].coercion is not Coercion.NO

    @model_validator(mode="after")
    def _fields_fit_the_kind(self) -> Self:
        if HELP_KINDS[self.help_type].bank_fields != (self.bank is not None):
            raise ValueError("questions about banks, and only those, give the four bank fields")
        if (self.help_type is HelpType.OTHER) != (self.other_reason is not None):
            raise ValueError("help of another kind, and only that, gives other_reason")
        return self


class Purpose(Part):
    """What the answer is for."""

    text: Text
    use: Code[IntendedUse]


class UrgencyClaim(Part):
    """How urgent the request is; an urgent one says why.

    Attributes:
        level: how urgent.
        criterion: which of the four criteria.
        reason: in words.
        event_on: the event that makes it urgent.
    """

    level: Code[Urgency]
    criterion: Code[UrgencyCriterion] | None = None
    reason: Text | None = None
    event_on: Day | None = None

    @model_validator(mode="after")
    def _urgent_says_why(self) -> Self:
        given = (self.criterion is not None, self.reason is not None)
        if self.level is Urgency.NORMAL and (any(given) or self.event_on):
            raise ValueError("what is not urgent has no criterion, reason or event")
        if self.level is not Urgency.NORMAL and not all(given):
            raise ValueError("what is urgent needs its criterion and reason")
        return self


class ConsultRequest(Message):
    """The body of CONSULT_REQUEST.

    Attributes:
        practitioner: who asks.
        title: a short name for lists.
        case: the case behind it.
        facts: what happened.
        help_items: what is asked, at least one.
        purpose: what for.
        urgency: left out when it is not urgent.
        reply_by: when an answer is hoped for.
        undertakings: what the asking authority promises.

    Spec: PROTOCOL.md section 8.4.
    """

    practitioner: Practitioner
    title: Line | None = None
    case: Case
    offences: Items[OffenceSuspected] = ()
    facts: Prose
    subjects: Items[Subject] = ()
    assets: Items[Asset] = ()
    help_items: SomeItems[HelpItem]
    purpose: Purpose
    urgency: UrgencyClaim | None = None
    reply_by: Moment | None = None
    undertakings: Distinct[Code[Undertaking]] = ()

    @model_validator(mode="after")
    def _parts_refer_to_each_other(self) -> Self:
        require_distinct_ids(self.subjects)
        require_distinct_ids(self.assets)
        if len({item.id for item in self.help_items}) != len(self.help_items):
            raise ValueError("an id appears twice")
        subjects = {subject.id for subject in self.subjects}
        assets = {asset.id for asset in self.assets}
        parts: tuple[HelpItem | Asset, ...] = (*self.help_items, *self.assets)
        if any(not subjects.issuperset(part.subjects) for part in parts):
            raise ValueError("a part names a subject that is not here")
        if any(not assets.issuperset(item.assets) for item in self.help_items):
            raise ValueError("an item names an asset that is not here")
        return self

    def item(self, tag: str) -> HelpItem | None:
        """Return the item with this id."""
        return next((item for item in self.help_items if item.id == tag), None)


def wants_dual_criminality_question(request: ConsultRequest) -> bool:
    """Whether the request should also ask if the conduct is an offence there, and does not.

    Spec: PROTOCOL.md section 8.4.
    """
    asked = any(item.help_type is HelpType.DUAL_CRIM for item in request.help_items)
    return not asked and any(
        OFFENCE_KINDS[offence.uncac].wants_dual_criminality_question for offence in request.offences
    )
