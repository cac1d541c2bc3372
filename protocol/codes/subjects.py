# SPDX-License-Identifier: Apache-2.0
"""Who a message is about, as codes. Not identities: those are fields of the body."""

from enum import StrEnum


class SubjectKind(StrEnum):
    """A natural or a legal person. Spec: PROTOCOL.md section 8.5."""

    PERSON = "PERSON"
    ENTITY = "ENTITY"


class SubjectCategory(StrEnum):
    """Why data about this subject is processed; mandatory. Spec: PROTOCOL.md section 8.5."""

    SUSPECT = "SUSPECT"
    CONVICTED = "CONVICTED"
    POTENTIAL_OFFENDER = "POTENTIAL_OFFENDER"
    CONTACT_ASSOCIATE = "CONTACT_ASSOCIATE"
    VICTIM = "VICTIM"
    WITNESS = "WITNESS"
    INFORMANT = "INFORMANT"
    LEGAL_ENTITY = "LEGAL_ENTITY"
    UNCLEAR = "UNCLEAR"
    """Not yet decided; overseers look for it once `REVIEW_UNCLEAR_DAYS` have passed."""


REVIEW_UNCLEAR_DAYS = 30
"""How long `UNCLEAR` may stand before it is reviewed."""
