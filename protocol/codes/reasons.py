# SPDX-License-Identifier: Apache-2.0
"""Why help is refused or postponed. Not the technical reason codes of `protocol.errors`.

Bank secrecy and fiscal matters alone are no reason (UNCAC articles 46(8) and 46(22)): they have no code.
"""

from enum import StrEnum


class Reason(StrEnum):
    """A reason to refuse (`R`) or to postpone (`P`).

    Spec: PROTOCOL.md section 8.5.
    """

    NOT_HELD = "R01"
    INCOMPLETE = "R02"
    AUTHORISATION_REFUSED = "R03"
    DATA_NOT_PERMITTED = "R04"
    INACCURATE = "R05"
    ESSENTIAL_INTERESTS = "R06"
    JEOPARDY = "R07"
    LEGAL_PERSON_INTERESTS = "R08"
    BELOW_THRESHOLD = "R09"
    NO_OFFENCE_HERE = "R10"
    THIRD_PARTY_ORIGIN = "R11"
    PROHIBITED_FOR_SIMILAR = "R12"
    LEGAL_SYSTEM = "R13"
    FORMAL_REQUEST_NEEDED = "R14"
    POLITICAL_OFFENCE = "R15"
    NE_BIS_IN_IDEM = "R16"
    DE_MINIMIS = "R17"
    DISPROPORTIONATE = "R18"
    HUMAN_RIGHTS = "R19"
    NOT_COMPETENT = "R20"
    NO_CAPACITY = "R21"
    CONFIDENTIALITY_NOT_POSSIBLE = "R22"
    CONDITIONS_NOT_ACCEPTED = "R23"
    ONGOING_PROCEEDING = "P01"
    AWAITING_AUTHORISATION = "P02"

    @property
    def postpones(self) -> bool:
        """Whether it only puts the help off."""
        return self.value.startswith("P")


COERCIVE_HELP_ONLY = frozenset({Reason.NO_OFFENCE_HERE})
"""Without dual criminality, help that takes no coercion is still given (UNCAC article 46(9)(b))."""
NAMES_ANOTHER_AUTHORITY = frozenset({Reason.NOT_COMPETENT})
"""Reasons that should say who is competent."""
