# SPDX-License-Identifier: Apache-2.0
"""Files that people write: what is taken, and what an error says of the rest."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from globe_node.cli.request_file import (
    parse_duration,
    read_attachments,
    read_message_file,
    save_attachments,
)
from globe_node.errors import UsageError
from protocol import limits
from protocol.canonical import JSONObject
from protocol.errors import ReasonCode


def file(folder: Path, text: str, name: str = "message.toml") -> Path:
    path = folder / name
    path.write_text(text)
    return path


def test_dates_and_moments_become_text(tmp_path: Path) -> None:
    text = 'type = "ACK"\n[body]\non = 2026-07-01\nat = 2026-07-01T09:30:00Z\nlocal = 2026-07-01T09:30:00\n'
    body = read_message_file(file(tmp_path, text))["body"]
    moment = "2026-07-01T09:30:00.000Z"
    assert body == {"on": "2026-07-01", "at": moment, "local": moment}


def test_json_is_taken_too(tmp_path: Path) -> None:
    path = file(tmp_path, '{"type": "CLOSE", "body": {"note": "x"}}', "message.json")
    assert read_message_file(path) == {"type": "CLOSE", "body": {"note": "x"}}


@pytest.mark.parametrize(
    ("text", "name", "says"),
    [
        ("type = ", "m.toml", "not TOML"),
        ('type = "ACK"', "m.toml", "no [body]"),
        ("[body]\nx = 1", "m.toml", "type is missing"),
        ('type = "ACK"\ntpye = "x"\n[body]', "m.toml", "tpye"),
        ('type = "ACK"\n[body]\nx = 1.5', "m.toml", "body.x"),
        ('type = "ACK"\n[body]\nx = [1, 2.5]', "m.toml", "body.x.1"),
        ('type = "ACK"\n[body]\nx = 10:00:00', "m.toml", "time of day"),
        ("[]", "m.json", "not an object"),
        ("{", "m.json", "JSON"),
    ],
)
def test_what_is_wrong_is_named(text: str, name: str, says: str, tmp_path: Path) -> None:
    with pytest.raises(UsageError) as caught:
        read_message_file(file(tmp_path, text, name))
    assert says in str(caught.value)


def test_another_type_than_the_command_sends_is_refused(tmp_path: Path) -> None:
    path = file(tmp_path, 'type = "ACK"\n[body]\n')
    with pytest.raises(UsageError, match="sends a CLOSE"):
        read_message_file(path, default_type="CLOSE")


def test_a_missing_or_endless_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="can't be read"):
        read_message_file(tmp_path / "nothing")
    with pytest.raises(UsageError, match="longer than"):
        read_message_file(file(tmp_path, "#" * (1024 * 1024 + 1)))


def test_attachments_are_numbered_and_typed(tmp_path: Path) -> None:
    paths = [file(tmp_path, "x", "contract.pdf"), file(tmp_path, "y", "odd.xyzzy")]
    first, second = read_attachments(paths, language="en")
    assert first == {
        "id": "a1",
        "name": "contract.pdf",
        "media_type": "application/pdf",
        "language": "en",
        "data": "eA==",
    }
    assert (second["id"], second["media_type"]) == ("a2", "application/octet-stream")


def test_attachments_have_bounds(tmp_path: Path) -> None:
    big = file(tmp_path, "x" * (limits.MAX_ATTACHMENT_TOTAL_BYTES + 1))
    with pytest.raises(UsageError) as caught:
        read_attachments([big])
    assert caught.value.code is ReasonCode.TOO_LARGE
    small = file(tmp_path, "x", "small")
    with pytest.raises(UsageError):
        read_attachments([small] * (limits.MAX_ATTACHMENTS + 1))
    with pytest.raises(UsageError, match="can't be read"):
        read_attachments([tmp_path / "nothing"])


@pytest.mark.parametrize(("text", "seconds"), [("90m", 5_400), ("48h", 172_800), ("9d", 777_600), ("1s", 1)])
def test_time_spans(text: str, seconds: int) -> None:
    assert parse_duration(text) == seconds


@given(st.text(max_size=8))
def test_any_text_is_a_span_within_bounds_or_refused(text: str) -> None:
    try:
        seconds = parse_duration(text)
    except UsageError:
        return
    assert 1 <= seconds <= limits.MAX_LIFETIME_SECONDS


def opened_with(name: str) -> JSONObject:
    """An opened record with one attachment."""
    attachment: JSONObject = {"id": "a1", "name": name, "data": "eA=="}
    return {"record": {"record_id": "019f1ce8-1680-7001-8203-040550e08a2a"}, "attachments": [attachment]}


@pytest.mark.parametrize(
    "name",
    [
        pytest.param(".profile", id="hidden"),
        pytest.param("-rf", id="an option"),
        pytest.param("CON", id="a device"),
        pytest.param("nul.txt", id="a device with an ending"),
        pytest.param("a.pdf.", id="a dot at the end"),
        pytest.param("a.pdf ", id="a space at the end"),
        pytest.param("\u4e2d" * 195 + ".pdf", id="600 octets"),
        pytest.param("x" * 200, id="200 characters"),
        pytest.param("x." + "\u4e2d" * 190, id="an ending of 570 octets"),
    ],
)
def test_b10_an_attachment_is_saved_under_a_harmless_name(name: str, tmp_path: Path) -> None:
    (path,) = save_attachments(tmp_path / "files", [opened_with(name)])
    assert path.parent == tmp_path / "files"
    assert path.read_bytes() == b"x"
    assert path.name.startswith("040550e08a2a-a1-")
    assert len(path.name.encode()) <= 200
    assert path.name.endswith(".pdf") is name.endswith(".pdf")


@pytest.mark.parametrize("name", ["../x", "/etc/x", "a\\b", "..", "", "a\0b", "a\nb", "a\u202eb"])
def test_b10_what_is_no_name_of_a_file_is_not_saved(name: str, tmp_path: Path) -> None:
    assert save_attachments(tmp_path / "files", [opened_with(name)]) == []
    assert [path.name for path in tmp_path.rglob("*")] == ["files"]
