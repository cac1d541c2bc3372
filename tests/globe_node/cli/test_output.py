# SPDX-License-Identifier: Apache-2.0
import json
import sys
import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from globe_node.cli import output
from protocol.canonical import JSONValue

HOSTILE = {
    "escape sequence": "\x1b[31mred",
    "clipboard": "\x1b]52;c;aGk=\x07",
    "link": "\x1b]8;;http://192.0.2.1\x1b\\text\x1b]8;;\x1b\\",
    "carriage return": "all is well\rglobe-node: error: gone",
    "one-byte escape": "\x9b31m",
    "direction": "annex_\u202efdp.exe",
    "isolates": "\u2066a\u2069",
    "line separator": "one\u2028two",
    "paragraph separator": "one\u2029two",
    "invisible": "a\u200bb\ufeff",
    "tag": "a\U000e0041",
    "delete": "a\x7f",
    "half a pair": "a\ud800",
    "unassigned": "\u0378",
}
GOOD = ["Comisión", "لجنة", "反腐败局", "कार्यालय", "نیم\u200cفصل", "Київ", "ok 5 %"]


@pytest.mark.parametrize("text", HOSTILE.values(), ids=list(HOSTILE))
def test_what_could_steer_a_terminal_is_shown_not_obeyed(text: str) -> None:
    safe = output.shown(text)
    assert "<U+" in safe
    assert all(unicodedata.category(character)[0] not in "C" for character in safe)
    assert "\u2028" not in safe
    assert "\u2029" not in safe


@pytest.mark.parametrize("text", GOOD)
def test_what_people_write_stays_as_it_is(text: str) -> None:
    assert output.shown(text) == text


@given(st.text())
def test_any_text_becomes_one_harmless_line(text: str) -> None:
    safe = output.shown(text)
    assert len(safe.splitlines()) <= 1
    assert output.shown(safe) == safe


def test_lines_stay_lines() -> None:
    assert output.shown_lines("one\ntwo\rthree") == "one\ntwo<U+000D>three"


def test_json_is_ascii_and_comes_back(capsys: pytest.CaptureFixture[str]) -> None:
    value: JSONValue = {"name": HOSTILE["direction"] + HOSTILE["one-byte escape"], "count": 1}
    output.print_json(value)
    printed = capsys.readouterr().out
    assert printed.isascii()
    assert "\x1b" not in printed
    assert json.loads(printed) == value


def test_fields_stand_in_columns(capsys: pytest.CaptureFixture[str]) -> None:
    output.print_fields({"name": "one\ntwo", "authority": "xa-acc", "empty": ""})
    assert capsys.readouterr().out == "name       one<U+000A>two\nauthority  xa-acc\nempty\n"
    output.print_fields({})
    assert capsys.readouterr().out == ""


def test_a_table_is_plain_without_a_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    output.print_table(["id", "state"], [["xa-acc", "active"], ["x", "\x1b[2J"]])
    assert capsys.readouterr().out == "id      state\nxa-acc  active\nx       <U+001B>[2J\n"
    output.print_table(["id"], [])
    assert capsys.readouterr().out == "id\n"


def test_a_table_on_a_terminal_shows_markup_as_text(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(output, "is_fancy", lambda: True)
    output.print_table(["id"], [["[bold]x[/bold]"], ["\x1b[2J"]])
    printed = capsys.readouterr().out
    assert "[bold]x[/bold]" in printed
    assert "<U+001B>[2J" in printed


def test_no_colour_means_no_colour(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True)
    monkeypatch.delenv("NO_COLOR", raising=False)
    assert output.is_fancy()
    monkeypatch.setenv("NO_COLOR", "1")
    assert not output.is_fancy()


def test_errors_and_remarks_go_to_standard_error(capsys: pytest.CaptureFixture[str]) -> None:
    output.print_error("no\nsuch", "do this")
    output.print_error("no hint")
    output.note("one\ntwo")
    output.print_text("result\x07")
    printed = capsys.readouterr()
    assert printed.out == "result<U+0007>\n"
    assert printed.err == (
        "globe-node: error: no<U+000A>such\nhint: do this\nglobe-node: error: no hint\none\ntwo\n"
    )
