# SPDX-License-Identifier: Apache-2.0
"""The offences of UNCAC and how likely both States punish them. Domestic law is text in a message."""

from dataclasses import dataclass
from enum import StrEnum


class Duty(StrEnum):
    """How firmly UNCAC asks a State to make the conduct an offence."""

    SHALL = "SHALL"
    SHALL_CONSIDER = "SHALL_CONSIDER"
    GENERAL = "GENERAL"
    """A rule about liability or participation, not an offence of its own."""


class DualCriminalityRisk(StrEnum):
    """How often the other State has no such offence."""

    LOW = "LOW"
    MEDIUM = "MEDIUM"
    HIGH = "HIGH"
    VERY_HIGH = "VERY_HIGH"


class Offence(StrEnum):
    """An offence, by its article of UNCAC; the letters a and b are the active and the passive side.

    Spec: PROTOCOL.md section 8.5.
    """

    BRIBERY_NATIONAL_ACTIVE = "15a"
    BRIBERY_NATIONAL_PASSIVE = "15b"
    BRIBERY_FOREIGN_ACTIVE = "16.1"
    BRIBERY_FOREIGN_PASSIVE = "16.2"
    EMBEZZLEMENT_PUBLIC = "17"
    TRADING_IN_INFLUENCE = "18"
    ABUSE_OF_FUNCTIONS = "19"
    ILLICIT_ENRICHMENT = "20"
    BRIBERY_PRIVATE = "21"
    EMBEZZLEMENT_PRIVATE = "22"
    LAUNDERING = "23"
    CONCEALMENT = "24"
    OBSTRUCTION = "25"
    LEGAL_PERSONS = "26"
    PARTICIPATION_ATTEMPT = "27"


@dataclass(frozen=True, slots=True)
class OffenceKind:
    """Attributes of one offence.

    Attributes:
        duty: what UNCAC asks of States.
        risk: how likely it is no offence on the other side.
    """

    duty: Duty
    risk: DualCriminalityRisk

    @property
    def wants_dual_criminality_question(self) -> bool:
        """Whether a request should also ask if the conduct is an offence there."""
        return self.duty is Duty.SHALL_CONSIDER


_SHALL, _CONSIDER = Duty.SHALL, Duty.SHALL_CONSIDER
_LOW, _MEDIUM, _HIGH = DualCriminalityRisk.LOW, DualCriminalityRisk.MEDIUM, DualCriminalityRisk.HIGH

OFFENCE_KINDS: dict[Offence, OffenceKind] = {
    Offence.BRIBERY_NATIONAL_ACTIVE: OffenceKind(_SHALL, _LOW),
    Offence.BRIBERY_NATIONAL_PASSIVE: OffenceKind(_SHALL, _LOW),
    Offence.BRIBERY_FOREIGN_ACTIVE: OffenceKind(_SHALL, _LOW),
    Offence.BRIBERY_FOREIGN_PASSIVE: OffenceKind(_CONSIDER, _HIGH),
    Offence.EMBEZZLEMENT_PUBLIC: OffenceKind(_SHALL, _LOW),
    Offence.TRADING_IN_INFLUENCE: OffenceKind(_CONSIDER, _HIGH),
    Offence.ABUSE_OF_FUNCTIONS: OffenceKind(_CONSIDER, _HIGH),
    Offence.ILLICIT_ENRICHMENT: OffenceKind(_CONSIDER, DualCriminalityRisk.VERY_HIGH),
    Offence.BRIBERY_PRIVATE: OffenceKind(_CONSIDER, _MEDIUM),
    Offence.EMBEZZLEMENT_PRIVATE: OffenceKind(_CONSIDER, _MEDIUM),
    Offence.LAUNDERING: OffenceKind(_SHALL, _LOW),
    Offence.CONCEALMENT: OffenceKind(_CONSIDER, _MEDIUM),
    Offence.OBSTRUCTION: OffenceKind(_SHALL, _LOW),
    Offence.LEGAL_PERSONS: OffenceKind(Duty.GENERAL, _MEDIUM),
    Offence.PARTICIPATION_ATTEMPT: OffenceKind(Duty.GENERAL, _MEDIUM),
}
"""Every offence with its attributes."""
