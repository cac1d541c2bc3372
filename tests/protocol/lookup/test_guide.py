# SPDX-License-Identifier: Apache-2.0
"""Facts of the country guide: each cell has a rule, and the error names its column."""

import pytest

from protocol.codes.help import HelpType
from protocol.errors import MalformedError, ReasonCode
from protocol.lookup.guide import GuideField, parse_fact
from tests.support.refusals import refused

GOOD = {
    "country": "XB",
    "help": "BANK_DETAIL",
    "field": "DOCUMENT",
    "value": "Certified copy",
    "source": "Act 12",
    "as_of": "2026-03-01",
}


def test_a_row_becomes_a_fact() -> None:
    fact = parse_fact(GOOD)
    assert (fact.country, fact.help, fact.field) == ("XB", HelpType.BANK_DETAIL, GuideField.DOCUMENT)
    assert (fact.value, fact.source, fact.as_of.isoformat()) == ("Certified copy", "Act 12", "2026-03-01")


@pytest.mark.parametrize(
    ("field", "good", "bad"),
    [
        ("POSSIBLE", "MLA_ONLY", "MAYBE"),
        ("TREATY_NEEDED", "RECIPROCITY", "yes"),
        ("DUAL_CRIMINALITY", "DEPENDS", "RECIPROCITY"),
        ("ANSWER_DAYS", "60", "0"),
        ("ANSWER_DAYS", "1", "1.5"),
        ("ANSWER_DAYS", "3660", "999999"),
        ("LANGUAGE", "pt-BR", "Portuguese language"),
        ("LAW_LINK", "https://laws.example/12", "javascript:x"),
        ("TRACK_LINK", "https://track.example/", "track.example"),
        ("SHERLOC_LINK", "https://sherloc.example/x", "ftp://sherloc.example"),
        ("RECEIVING", "Ministry of Justice", ""),
        ("DOCUMENT", "Order", "a\u202eb"),
    ],
)
def test_each_field_has_values_of_its_own(field: str, good: str, bad: str) -> None:
    assert parse_fact({**GOOD, "field": field, "value": good}).value == good
    refused(lambda: parse_fact({**GOOD, "field": field, "value": bad}), ReasonCode.BAD_FIELD)


@pytest.mark.parametrize("start", ["=", "+", "-", "@", "|", "%"])
@pytest.mark.parametrize("column", ["value", "source"])
def test_a_cell_is_no_formula(start: str, column: str) -> None:
    with pytest.raises(MalformedError, match=f"^{column}: begins like a formula"):
        parse_fact({**GOOD, column: f"{start}SUM(A1)"})


@pytest.mark.parametrize(
    ("column", "value"),
    [("country", "Kenya"), ("help", "MAGIC"), ("field", "COLOUR"), ("as_of", "yesterday"), ("source", "")],
)
def test_the_other_cells_have_rules_too(column: str, value: str) -> None:
    refused(lambda: parse_fact({**GOOD, column: value}), ReasonCode.BAD_FIELD)


def test_no_column_is_unknown_or_missing() -> None:
    refused(lambda: parse_fact({**GOOD, "colour": "red"}), ReasonCode.UNKNOWN_FIELD)
    refused(lambda: parse_fact({"country": "XB"}), ReasonCode.BAD_FIELD)
