# SPDX-License-Identifier: Apache-2.0
"""What a person sees of a look-up: reasons in words, who is at work, and why nobody was found."""

from datetime import timedelta

import pytest

from globe_node.cli.lookup.hits import SEARCH_HEADINGS, duty_text, nobody_found, reason_text, search_rows
from protocol.canonical import JSONObject
from protocol.lookup.queries import ReasonKind
from tests.support.clock import START


@pytest.mark.parametrize(
    ("duty", "text"),
    [
        ({"on": True, "until": (START + timedelta(hours=3, minutes=20)).isoformat()}, "yes, 3 h 20 min more"),
        ({"on": True}, "yes"),
        ({"on": False, "until": (START + timedelta(days=2, hours=1)).isoformat()}, "no, opens in 2 d 1 h"),
        ({"on": False, "holiday": True}, "no, public holiday"),
        ({"on": False, "until": (START + timedelta(minutes=9)).isoformat()}, "no, opens in 9 min"),
        ({}, "unknown time zone"),
    ],
)
def test_who_is_at_work_is_said_with_the_time_left(duty: JSONObject, text: str) -> None:
    assert duty_text(duty, START) == text


def test_every_reason_has_its_words() -> None:
    for kind in ReasonKind:
        said = reason_text({"kind": kind.value, "detail": "9"})
        assert said or kind in (ReasonKind.ON_DUTY, ReasonKind.OFF_DUTY)
        assert not kind.warns or said == said.upper()


def test_an_authority_has_a_row_for_each_contact_point() -> None:
    contact: JSONObject = {"name": "Desk", "languages": ["en"], "duty": {"on": True}}
    entry: JSONObject = {
        "authority": "xa-acc",
        "country": "XA",
        "names": {"en": "Sample"},
        "reasons": [{"kind": "WORDS"}, {"kind": "STALE", "detail": "212"}],
        "contacts": [contact, contact],
    }
    first, second = search_rows(entry, START)
    why = "has the words; LAST CONFIRMED 212 DAYS AGO"
    assert first == ("xa-acc", "XA", "Sample", "Desk", "en", "yes", why)
    assert second == ("", "", "", "Desk", "en", "yes", "")
    (alone,) = search_rows({**entry, "contacts": [], "languages": ["fr"]}, START)
    assert alone[3:6] == ("", "fr", "")
    assert len(alone) == len(SEARCH_HEADINGS)


def test_an_empty_result_says_what_to_do() -> None:
    assert "import" in nobody_found({"directory_size": 1})
    assert nobody_found({"directory_size": 9, "without": []}) == "nobody like that in the directory"
    assert "leave out the words or --on-duty" in nobody_found({"without": ["text", "on_duty", "other"]})
