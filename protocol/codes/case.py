# SPDX-License-Identifier: Apache-2.0
"""Codes around a case: stage, purpose, urgency, undertakings, evaluation, and the result of each question."""

from enum import StrEnum


class CaseStage(StrEnum):
    """How far the case is. Spec: PROTOCOL.md section 8.5."""

    PRE_INVESTIGATION = "PRE_INVESTIGATION"
    INVESTIGATION = "INVESTIGATION"
    PROSECUTION = "PROSECUTION"
    TRIAL = "TRIAL"
    CONFISCATION = "CONFISCATION"
    POST_CONVICTION = "POST_CONVICTION"
    CIVIL = "CIVIL"
    ADMIN = "ADMIN"


class IntendedUse(StrEnum):
    """What the asking authority will do with the answer. Spec: PROTOCOL.md section 8.5."""

    INTELLIGENCE = "INTELLIGENCE"
    PREPARE_MLA = "PREPARE_MLA"
    ASSET_TRACING = "ASSET_TRACING"
    CIVIL = "CIVIL"
    OTHER = "OTHER"


class Urgency(StrEnum):
    """How soon, and whether the answering side can reach the information directly.

    Spec: PROTOCOL.md section 8.5.
    """

    NORMAL = "NORMAL"
    URGENT_DIRECT = "URGENT_DIRECT"
    URGENT_INDIRECT = "URGENT_INDIRECT"


class UrgencyCriterion(StrEnum):
    """Why it is urgent: threat to security, to life, a decision on liberty, or evidence about to be lost.

    Spec: PROTOCOL.md section 8.5.
    """

    PUBLIC_SECURITY = "a"
    LIFE_OR_LIMB = "b"
    LIBERTY_DECISION = "c"
    LOSS_OF_RELEVANCE = "d"


class Undertaking(StrEnum):
    """What the asking authority promises. Spec: PROTOCOL.md section 8.5."""

    SPECIALITY = "SPECIALITY"
    CONFIDENTIALITY = "CONFIDENTIALITY"
    RECIPROCITY = "RECIPROCITY"
    FEEDBACK = "FEEDBACK"
    DATA_PROTECTION = "DATA_PROTECTION"


class Confidentiality(StrEnum):
    """How far the fact of the consultation itself is kept secret. Spec: PROTOCOL.md section 8.5."""

    NORMAL = "NORMAL"
    HIGH = "HIGH"


class Classification(StrEnum):
    """How the sending State classifies a message. Spec: PROTOCOL.md section 8.5."""

    UNMARKED = "UNMARKED"
    RESTRICTED = "RESTRICTED"
    CONFIDENTIAL = "CONFIDENTIAL"


class EvidenceUse(StrEnum):
    """Whether informal information may become evidence. Spec: PROTOCOL.md section 8.5."""

    NEVER = "NEVER"
    CONSENT = "CONSENT"
    YES = "YES"


class SourceGrade(StrEnum):
    """Reliability of the source, 4x4 scheme. Spec: PROTOCOL.md section 8.5."""

    PROVED = "A"
    MOSTLY = "B"
    UNRELIABLE = "C"
    NOT_ASSESSED = "X"


class InformationGrade(StrEnum):
    """Accuracy of the information, 4x4 scheme. Spec: PROTOCOL.md section 8.5."""

    NOT_IN_DOUBT = "1"
    KNOWN_TO_SOURCE = "2"
    CORROBORATED = "3"
    NOT_CORROBORATED = "4"


class TextOrigin(StrEnum):
    """Whether a text is as written or translated. Spec: PROTOCOL.md section 8.5."""

    ORIGINAL = "ORIGINAL"
    HUMAN = "HUMAN"
    MACHINE = "MACHINE"


class Result(StrEnum):
    """What came of one question. Spec: PROTOCOL.md section 8.5."""

    FOUND = "FOUND"
    NOT_FOUND = "NOT_FOUND"
    NOT_HELD = "NOT_HELD"
    NEEDS_MLA = "NEEDS_MLA"
    REFUSED = "REFUSED"
    PARTIAL = "PARTIAL"
    PENDING = "PENDING"
