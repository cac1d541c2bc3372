# SPDX-License-Identifier: Apache-2.0
import io
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from globe_node.logs import ALLOWED_FIELDS, MAX_VALUE_CHARACTERS, JSONLog, SilentLog, open_log
from tests.support.clock import FixedClock


def _log(stream: io.StringIO, *, level: str = "info", strict: bool = False) -> JSONLog:
    return open_log(stream, FixedClock().now, level=level, strict=strict)


def test_one_event_is_one_line_with_time_level_and_fields() -> None:
    stream = io.StringIO()
    _log(stream).bind(node="main").info("envelopes taken", peer="xb-acc", count=3, clean=True)
    assert json.loads(stream.getvalue()) == {
        "time": "2026-03-02T09:00:00.000Z",
        "level": "info",
        "event": "envelopes taken",
        "node": "main",
        "peer": "xb-acc",
        "count": 3,
        "clean": True,
    }


def test_a_field_outside_the_list_is_named_and_its_value_is_not_written() -> None:
    stream = io.StringIO()
    _log(stream).info("odd", subject="Operation Sandstorm", count=1)
    assert "Sandstorm" not in stream.getvalue()
    assert json.loads(stream.getvalue())["refused_fields"] == "subject"


@pytest.mark.parametrize("value", [b"bytes", ["list"], {"a": 1}, float("nan"), float("inf")])
def test_a_value_that_is_no_scalar_is_refused(value: object) -> None:
    stream = io.StringIO()
    _log(stream).info("odd", count=value)  # type: ignore[arg-type]  # what a careless caller may do
    assert json.loads(stream.getvalue())["refused_fields"] == "count"


def test_a_strict_log_raises() -> None:
    with pytest.raises(ValueError, match="body"):
        _log(io.StringIO(), strict=True).warning("odd", body="text")


def test_a_bound_field_may_not_come_again() -> None:
    log = _log(io.StringIO(), strict=True).bind(peer="xb-acc")
    with pytest.raises(ValueError, match="peer"):
        log.info("odd", peer="xc-acc")


def test_an_error_shows_class_and_place_but_not_its_text() -> None:
    stream = io.StringIO()
    try:
        int("Operation Sandstorm")
    except ValueError as error:
        _log(stream).error("task failed", error=error, task="intake")
    line = json.loads(stream.getvalue())
    assert line["error"] == "ValueError"
    assert line["raised_at"].startswith("globe_node/test_logs.py:")
    assert "Sandstorm" not in stream.getvalue()


def test_an_error_never_raised_has_no_place() -> None:
    stream = io.StringIO()
    _log(stream).error("task failed", error=ValueError("x"))
    assert json.loads(stream.getvalue())["raised_at"] == ""


def test_lower_levels_are_not_written() -> None:
    stream = io.StringIO()
    log = _log(stream, level="warning")
    log.debug("quiet")
    log.info("quiet")
    log.warning("loud")
    log.error("loud")
    assert stream.getvalue().count("\n") == 2


def test_debug_writes_when_asked() -> None:
    stream = io.StringIO()
    _log(stream, level="debug").debug("detail", count=1)
    assert '"level": "debug"' in stream.getvalue()


@given(st.text(max_size=400))
def test_any_value_stays_one_line_of_ascii_json(value: str) -> None:
    stream = io.StringIO()
    _log(stream).info("any", state=value)
    text = stream.getvalue()
    assert text.isascii()
    assert text.count("\n") == 1
    assert not any(character < " " for character in text[:-1])
    assert json.loads(text)["state"] == value[:MAX_VALUE_CHARACTERS]


def test_the_silent_log_is_silent(capsys: pytest.CaptureFixture[str]) -> None:
    log = SilentLog().bind(node="main")
    log.debug("x")
    log.info("x")
    log.warning("x")
    log.error("x", error=ValueError("x"))
    assert capsys.readouterr() == ("", "")


def test_no_allowed_field_sounds_like_content() -> None:
    assert not ALLOWED_FIELDS & {
        "body",
        "text",
        "name",
        "subject",
        "title",
        "message",
        "content",
        "passphrase",
    }
