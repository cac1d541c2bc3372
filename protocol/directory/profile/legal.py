# SPDX-License-Identifier: Apache-2.0
"""The legal frame in which an authority helps, and what each kind of help takes. It advises nobody.

1. Both are the authority's own word; a kind of help that it does not name is unknown, not refused.
2. `UNKNOWN` and empty text are honest answers; a view shows them as such.
"""

from typing import Annotated, Self

from pydantic import Field, model_validator

from protocol.codes.help import HelpType
from protocol.directory.fields import (
    DayCount,
    Fields,
    Language,
    Line,
    Link,
    Note,
    OptionalAuthorityId,
)
from protocol.directory.profile.codes import Answer, EvidenceUse, Possibility, TreatyNeed
from protocol.directory.profile.organisation import MAX_LANGUAGES, MAX_LAW_LINKS, require_each_once
from protocol.directory.profile.provenance import Provenance

MAX_DOCUMENTS = 20


class UncacBasis(Fields):
    """For what the Convention itself can be the treaty basis."""

    mla: Answer
    extradition: Answer
    confiscation: Answer


class DualCriminality(Fields):
    """For what the conduct must be an offence on both sides."""

    coercive: Answer
    non_coercive: Answer


class LegalFrame(Fields):
    """What the law of an authority asks of a request.

    Attributes:
        freeze_max_days: how long a freeze holds without a formal request; 0 says nothing.
        ncb_confiscation: confiscation without a conviction.
        interpol_allowed: whether a request may come through INTERPOL.
    """

    treaty_needed: TreatyNeed
    uncac_as_basis: UncacBasis
    dual_criminality: DualCriminality
    evidence_threshold: Note
    min_penalty: Note
    limitation_rules: Note
    bank_secrecy: Note
    notify_subject: Note
    freeze_max_days: DayCount
    ncb_confiscation: Answer
    informal_use_as_evidence: EvidenceUse
    data_protection: Note
    death_penalty: Note
    interpol_allowed: Answer
    e_signature: Note
    provenance: Provenance


class Measure(Fields):
    """What one kind of help takes at one authority.

    Attributes:
        possible: whether and how it can be had.
        receiving: the authority that a request goes to, or empty for this one.
        executing: the authority that acts on it, or empty for this one.
        languages: in which a request for it may come; none: as in the profile.
        answer_days: how long it usually takes; 0 says nothing.
        documents: what a formal request must bring.
        requirements: what else it must fulfil.
    """

    help: HelpType
    possible: Possibility
    receiving: OptionalAuthorityId
    executing: OptionalAuthorityId
    languages: Annotated[tuple[Language, ...], Field(max_length=MAX_LANGUAGES)]
    answer_days: DayCount
    documents: Annotated[tuple[Line, ...], Field(max_length=MAX_DOCUMENTS)]
    requirements: Note
    law_links: Annotated[tuple[Link, ...], Field(max_length=MAX_LAW_LINKS)]
    provenance: Provenance

    @model_validator(mode="after")
    def _names_each_once(self) -> Self:
        for name in ("languages", "documents", "law_links"):
            require_each_once(name, getattr(self, name))
        return self
