# SPDX-License-Identifier: Apache-2.0
"""Parts that several messages share: who writes, caveats, subjects, assets. Not messages of their own."""

from typing import Annotated, Self

from pydantic import Field, model_validator

from protocol.codes.assets import AssetKind, MeasureKind
from protocol.codes.case import (
    Classification,
    Confidentiality,
    EvidenceUse,
    InformationGrade,
    SourceGrade,
    TextOrigin,
)
from protocol.codes.subjects import SubjectCategory, SubjectKind
from protocol.messages.fields import (
    Amount,
    Code,
    Country,
    Currency,
    Day,
    Distinct,
    Items,
    Language,
    Line,
    Part,
    Reference,
    RoughDay,
    SomeItems,
    Tag,
    Text,
)


class Practitioner(Part):
    """Who handles the matter at an authority: an office, and a person where that helps.

    Attributes:
        office: the desk or unit; stays when people change.
        name: a person.
        function: what the person is there.
        phone: for a call back.
        languages: in which a call is possible.
        log_id: pseudonym under which the authority's own log knows the person.
    """

    office: Line
    name: Line | None = None
    function: Line | None = None
    phone: Reference | None = None
    languages: Distinct[Language] = ()
    log_id: Reference | None = None


class Evaluation(Part):
    """How good a piece of information is, in the 4x4 scheme."""

    source: Code[SourceGrade]
    information: Code[InformationGrade]


class Caveats(Part):
    """Restrictions in words and marks, beside the handling codes of the record.

    Attributes:
        restriction: the words behind handling code H3.
        eyes_only: the office behind handling code EYES.
        confidentiality: how far the consultation itself is secret.
        confidentiality_reason: why it is.
        confidentiality_until: when that ends.
        no_tipping_off: nobody may alert the subject.
        evidence_use: whether the information may become evidence.
        onward: who may get it without asking again.
        rights_concern: death penalty or human rights concern.
        rights_note: which.
        classification: how the sending State classifies it.
        retain_until: when it should be deleted at the latest.
    """

    restriction: Text | None = None
    eyes_only: Line | None = None
    confidentiality: Code[Confidentiality] = Confidentiality.NORMAL
    confidentiality_reason: Text | None = None
    confidentiality_until: Day | None = None
    no_tipping_off: bool = False
    evidence_use: Code[EvidenceUse] = EvidenceUse.CONSENT
    onward: Distinct[Line] = ()
    rights_concern: bool = False
    rights_note: Text | None = None
    classification: Code[Classification] = Classification.UNMARKED
    retain_until: Day | None = None

    @model_validator(mode="after")
    def _high_confidentiality_has_a_reason(self) -> Self:
        if self.confidentiality is Confidentiality.HIGH and self.confidentiality_reason is None:
            raise ValueError("high confidentiality needs its reason")
        return self


class Message(Part):
    """What every body may hold.

    Attributes:
        practitioner: who writes.
        caveats: restrictions on this message.
        note: a few words beside the structured part.
    """

    practitioner: Practitioner | None = None
    caveats: Caveats | None = None
    note: Text | None = None


class Prose(Part):
    """A text that was perhaps translated.

    Attributes:
        text: the words.
        language: their language.
        origin: as written, or translated by whom.
        evaluation: how good the information is.
        attachments: ids of attachments that belong to it.
    """

    text: Text
    language: Language
    origin: Code[TextOrigin] = TextOrigin.ORIGINAL
    evaluation: Evaluation | None = None
    attachments: Distinct[Tag] = ()


class SubjectName(Part):
    """One name, with the form it has in its own script.

    Attributes:
        name: in Latin letters.
        original: in its own script.
        script: ISO 15924 code of that script.
        scheme: how it was transliterated.
    """

    name: Line
    original: Line | None = None
    script: Annotated[str, Field(pattern=r"\A[A-Z][a-z]{3}\z")] | None = None
    scheme: Line | None = None


class IdentityDocument(Part):
    """A document or number that identifies a subject."""

    type: Line
    number: Reference
    issuer: Line | None = None


class Subject(Part):
    """A person or entity the message is about.

    Attributes:
        id: how other parts refer to it.
        kind: person or entity.
        category: why data about it is processed.
        review_on: when an unclear category is looked at again.
        names: at least one.
        link: its link to the facts.
        pep: whether it is a politically exposed person, if known.
    """

    id: Tag
    kind: Code[SubjectKind]
    category: Code[SubjectCategory]
    review_on: Day | None = None
    names: SomeItems[SubjectName]
    aliases: Distinct[Line] = ()
    link: Text | None = None
    addresses: Distinct[Text] = ()
    documents: Items[IdentityDocument] = ()
    evaluation: Evaluation | None = None
    birth_date: RoughDay | None = None
    birth_place: Line | None = None
    nationalities: Distinct[Country] = ()
    pep: bool | None = None
    pep_function: Line | None = None
    register_number: Reference | None = None
    lei: Annotated[str, Field(pattern=r"\A[A-Z0-9]{18}[0-9]{2}\z")] | None = None
    seat: Line | None = None
    directors: Distinct[Line] = ()
    beneficial_owners: Distinct[Line] = ()

    @model_validator(mode="after")
    def _fields_fit_the_kind(self) -> Self:
        person = (self.birth_date, self.birth_place, self.pep, self.pep_function, self.nationalities or None)
        entity = (
            self.register_number,
            self.lei,
            self.seat,
            self.directors or None,
            self.beneficial_owners or None,
        )
        wrong = person if self.kind is SubjectKind.ENTITY else entity
        if any(field is not None for field in wrong):
            raise ValueError("a person has no field of an entity, an entity none of a person")
        if self.kind is SubjectKind.PERSON and self.category is SubjectCategory.LEGAL_ENTITY:
            raise ValueError("a person is no legal entity")
        return self


class Money(Part):
    """A sum, and the day it was estimated for."""

    amount: Amount
    currency: Currency
    on: Day | None = None


class Measure(Part):
    """A measure already taken on an asset.

    Attributes:
        kind: what was done.
        by: who ordered it.
        since: when it began.
        lapses_on: when it ends by itself.
    """

    kind: Code[MeasureKind]
    by: Line | None = None
    since: Day | None = None
    lapses_on: Day | None = None


class Asset(Part):
    """A thing of value the message is about.

    Attributes:
        id: how other parts refer to it.
        kind: what it is.
        identifier: account, plot, registration or serial number, or a description.
        custodian: who keeps it, such as a bank.
        holder: in whose name it is.
        subjects: ids of subjects it is linked to.
        link: the link to person and offence.
    """

    id: Tag
    kind: Code[AssetKind]
    identifier: Line
    location: Line | None = None
    country: Country | None = None
    custodian: Line | None = None
    holder: Line | None = None
    value: Money | None = None
    subjects: Distinct[Tag] = ()
    link: Text | None = None
    measure: Measure | None = None
    evaluation: Evaluation | None = None


def require_distinct_ids(*groups: tuple[Subject | Asset, ...]) -> None:
    """Raise `ValueError` if two of these parts have the same id."""
    ids = [part.id for group in groups for part in group]
    if len(set(ids)) != len(ids):
        raise ValueError("an id appears twice")
