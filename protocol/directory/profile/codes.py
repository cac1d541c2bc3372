# SPDX-License-Identifier: Apache-2.0
"""The code lists of an authority's profile. Not those of contact points: they are in `contacts`."""

from enum import StrEnum


class Power(StrEnum):
    """What an authority may do by its own law."""

    INVESTIGATE = "INVESTIGATE"
    INTERCEPT = "INTERCEPT"
    FREEZE_OWN_MOTION = "FREEZE_OWN_MOTION"
    BANK_ACCESS = "BANK_ACCESS"
    TAX_ACCESS = "TAX_ACCESS"


class NetworkRole(StrEnum):
    """The place of an authority in a network of practitioners."""

    MEMBER = "MEMBER"
    OBSERVER = "OBSERVER"
    SECRETARIAT = "SECRETARIAT"
    CONTACT = "CONTACT"
    """It is nobody's member, but its office is a named contact there."""


class Answer(StrEnum):
    """What law says to a question of yes or no."""

    YES = "YES"
    NO = "NO"
    DEPENDS = "DEPENDS"
    UNKNOWN = "UNKNOWN"


class TreatyNeed(StrEnum):
    """What has to be between two States before one acts on a formal request."""

    YES = "YES"
    NO = "NO"
    RECIPROCITY = "RECIPROCITY"
    UNKNOWN = "UNKNOWN"


class EvidenceUse(StrEnum):
    """Whether what was told informally may be shown to a court."""

    NEVER = "NEVER"
    CONSENT = "CONSENT"
    YES = "YES"
    UNKNOWN = "UNKNOWN"


class Possibility(StrEnum):
    """How a kind of help can be had from an authority."""

    NO = "NO"
    INFORMAL = "INFORMAL"
    PARTIAL = "PARTIAL"
    """A part informally, the rest by a formal request."""
    MLA_ONLY = "MLA_ONLY"
