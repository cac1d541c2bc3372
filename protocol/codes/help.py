# SPDX-License-Identifier: Apache-2.0
"""The kinds of help one authority asks of another. Not the law of any State: `coercion` is the usual answer.

What a State really needs a formal request for is told by its own entry in the directory and its answers.
"""

from dataclasses import dataclass
from enum import StrEnum


class Coercion(StrEnum):
    """Whether this help normally takes a coercive measure, and so a formal request."""

    NO = "NO"
    VARIES = "VARIES"
    YES = "YES"
    FORMAL = "FORMAL"
    """Only by its own formal procedure."""


class HelpType(StrEnum):
    """What is asked for.

    Spec: PROTOCOL.md section 8.5.
    """

    CONTACT = "CONTACT"
    LEGAL_REQ = "LEGAL_REQ"
    DUAL_CRIM = "DUAL_CRIM"
    EXECUTABLE = "EXECUTABLE"
    DRAFT_MLA = "DRAFT_MLA"
    CHANNEL = "CHANNEL"
    COMPANY = "COMPANY"
    BENEF_OWNER = "BENEF_OWNER"
    LAND = "LAND"
    VEHICLE = "VEHICLE"
    ASSET_DECL = "ASSET_DECL"
    BANK_EXIST = "BANK_EXIST"
    BANK_DETAIL = "BANK_DETAIL"
    ASSET_LOCATE = "ASSET_LOCATE"
    PERSON_LOCATE = "PERSON_LOCATE"
    CRIM_RECORD = "CRIM_RECORD"
    TRAVEL = "TRAVEL"
    MODUS = "MODUS"
    WITNESS_VOL = "WITNESS_VOL"
    PRESERVE = "PRESERVE"
    FREEZE_URGENT = "FREEZE_URGENT"
    MONITOR = "MONITOR"
    SPONTANEOUS = "SPONTANEOUS"
    JOINT_INV = "JOINT_INV"
    PARALLEL = "PARALLEL"
    DECONFLICT = "DECONFLICT"
    SPECIAL_TECH = "SPECIAL_TECH"
    TRANSFER_PROC = "TRANSFER_PROC"
    EXTRADITION_Q = "EXTRADITION_Q"
    RETURN_Q = "RETURN_Q"
    DAMAGE_CLAIM = "DAMAGE_CLAIM"
    OTHER = "OTHER"


@dataclass(frozen=True, slots=True)
class HelpKind:
    """Attributes of one kind of help.

    Attributes:
        coercion: whether it normally needs a formal request.
        anchors: where the treaties speak of it; UNCAC unless another is named.
        purposes: letters of UNCAC article 46(3) that a formal request would name.
        bank_fields: whether the reasons against fishing are mandatory (CETS 198 article 17(3)).
    """

    coercion: Coercion
    anchors: tuple[str, ...] = ()
    purposes: tuple[str, ...] = ()
    bank_fields: bool = False


_NO, _VARIES, _YES = Coercion.NO, Coercion.VARIES, Coercion.YES

HELP_KINDS: dict[HelpType, HelpKind] = {
    HelpType.CONTACT: HelpKind(_NO, ("48(1)(a)",)),
    HelpType.LEGAL_REQ: HelpKind(_NO, ("48(1)(e)",)),
    HelpType.DUAL_CRIM: HelpKind(_NO, ("43(2)", "46(9)")),
    HelpType.EXECUTABLE: HelpKind(_NO, ("46(17)", "46(21)")),
    HelpType.DRAFT_MLA: HelpKind(_NO, ("46(16)", "CETS 198 34(6)")),
    HelpType.CHANNEL: HelpKind(_NO, ("46(13)", "46(14)")),
    HelpType.COMPANY: HelpKind(_NO, ("46(29)(a)",), ("f",)),
    HelpType.BENEF_OWNER: HelpKind(_VARIES, ("52(1)", "48(1)(b)"), ("f",)),
    HelpType.LAND: HelpKind(_NO, ("46(29)",), ("f",)),
    HelpType.VEHICLE: HelpKind(_NO, ("46(29)",), ("f",)),
    HelpType.ASSET_DECL: HelpKind(_VARIES, ("52(5)",), ("f",)),
    HelpType.BANK_EXIST: HelpKind(_VARIES, ("46(8)", "CETS 198 17"), ("g",), bank_fields=True),
    HelpType.BANK_DETAIL: HelpKind(_YES, ("46(3)(f)", "CETS 198 18"), ("f",), bank_fields=True),
    HelpType.ASSET_LOCATE: HelpKind(_NO, ("48(1)(b)(ii)",), ("g", "j")),
    HelpType.PERSON_LOCATE: HelpKind(_NO, ("48(1)(b)(i)",)),
    HelpType.CRIM_RECORD: HelpKind(_VARIES, ("41",), ("e",)),
    HelpType.TRAVEL: HelpKind(_VARIES, ("48(1)(b)(i)",), ("e",)),
    HelpType.MODUS: HelpKind(_NO, ("48(1)(d)",), ("e",)),
    HelpType.WITNESS_VOL: HelpKind(_NO, ("46(3)(h)",), ("h",)),
    HelpType.PRESERVE: HelpKind(_VARIES, ("54(2)(c)", "Budapest 29"), ("c",)),
    HelpType.FREEZE_URGENT: HelpKind(_YES, ("54(2)", "55(2)"), ("c", "j")),
    HelpType.MONITOR: HelpKind(_YES, ("CETS 198 19",)),
    HelpType.SPONTANEOUS: HelpKind(_NO, ("46(4)", "56")),
    HelpType.JOINT_INV: HelpKind(_NO, ("49",), ("i",)),
    HelpType.PARALLEL: HelpKind(_NO, ("48(1)(f)",)),
    HelpType.DECONFLICT: HelpKind(_NO, ("48(1)(e)", "48(1)(f)")),
    HelpType.SPECIAL_TECH: HelpKind(_YES, ("50",), ("i",)),
    HelpType.TRANSFER_PROC: HelpKind(Coercion.FORMAL, ("47",)),
    HelpType.EXTRADITION_Q: HelpKind(_NO, ("44(17)",)),
    HelpType.RETURN_Q: HelpKind(_NO, ("57",), ("k",)),
    HelpType.DAMAGE_CLAIM: HelpKind(_NO, ("53", "35")),
    HelpType.OTHER: HelpKind(_VARIES, ("46(3)(i)",), ("i",)),
}
"""Every kind of help; joint work, extradition and return are questions here, so they need no coercion."""
