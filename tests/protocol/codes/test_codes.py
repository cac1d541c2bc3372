# SPDX-License-Identifier: Apache-2.0
"""Code lists: complete tables, handling codes that may stand together, the defaults."""

import pytest

from protocol.codes import handling
from protocol.codes.help import HELP_KINDS, Coercion, HelpType
from protocol.codes.offences import OFFENCE_KINDS, Offence
from protocol.codes.reasons import COERCIVE_HELP_ONLY, Reason


def test_every_kind_of_help_has_its_attributes() -> None:
    assert set(HELP_KINDS) == set(HelpType)
    assert [kind for kind, facts in HELP_KINDS.items() if facts.bank_fields] == [
        HelpType.BANK_EXIST,
        HelpType.BANK_DETAIL,
    ]
    assert {kind for kind, facts in HELP_KINDS.items() if facts.coercion is Coercion.YES} == {
        HelpType.BANK_DETAIL,
        HelpType.FREEZE_URGENT,
        HelpType.MONITOR,
        HelpType.SPECIAL_TECH,
    }
    letters = {letter for facts in HELP_KINDS.values() for letter in facts.purposes}
    assert letters <= set("abcdefghijk")


def test_every_offence_has_its_attributes() -> None:
    assert set(OFFENCE_KINDS) == set(Offence)
    asked = {offence.value for offence, kind in OFFENCE_KINDS.items() if kind.wants_dual_criminality_question}
    assert asked == {"16.2", "18", "19", "20", "21", "22", "24"}


def test_reasons_tell_refusal_from_postponement() -> None:
    assert {reason.value for reason in Reason if reason.postpones} == {"P01", "P02"}
    assert [reason.value for reason in Reason if not reason.postpones] == [f"R{n:02d}" for n in range(1, 24)]
    assert {Reason("R10")} == COERCIVE_HELP_ONLY


def test_there_is_no_code_for_bank_secrecy_or_fiscal_matters() -> None:
    with pytest.raises(ValueError, match="not a valid"):
        Reason("INVALID")


@pytest.mark.parametrize(
    ("codes", "stand"),
    [
        ((), True),
        (("H0",), True),
        (("H1", "H2"), True),
        (("H1", "H2", "H3"), True),
        (("EYES", "H1"), True),
        (("NF-XA", "NF-xb-aca"), True),
        (("H0", "H3"), True),
        (("H0", "H1"), False),
        (("H0", "H2"), False),
        (("H2", "H1"), False),
        (("H1", "H1"), False),
        (("H4",), False),
        (("h1",), False),
        (("NF-",), False),
        (("NF-xa acc",), False),
        (("NF-XAA",), False),
        (("H1+H2",), False),
        (tuple(sorted(f"NF-a{n:02d}" for n in range(handling.MAX_CODES + 1))), False),
    ],
)
def test_which_handling_codes_may_stand_together(codes: tuple[str, ...], stand: bool) -> None:
    assert handling.is_handling(codes) is stand


def test_without_a_level_the_most_careful_two_hold() -> None:
    assert handling.effective_handling(()) == ("H1", "H2")
    assert handling.effective_handling(("NF-XA",)) == ("H1", "H2", "NF-XA")
    assert handling.effective_handling(("H0",)) == ("H0",)
    assert handling.effective_handling(("H1",)) == ("H1",)


def test_a_quotation_inherits_every_restriction() -> None:
    assert handling.strictest(("H0",), ("H1",), ("NF-XA", "H0")) == ("H1", "NF-XA")
    assert handling.strictest(("H0",), ()) == ("H1", "H2")
    assert handling.strictest(("H0",), ("H0",)) == ("H0",)
    assert handling.strictest() == ("H1", "H2")


def test_who_is_shut_out() -> None:
    codes = ("H1", "NF-XA", "NF-xb-aca")
    assert handling.bars(codes, authority="xa-acc", country="XA")
    assert handling.bars(codes, authority="xb-aca", country="XB")
    assert not handling.bars(codes, authority="xc-acc", country="XC")
