# SPDX-License-Identifier: Apache-2.0
"""What text, lines, references and names of files may hold."""

import time

import pytest

from protocol.messages.text import (
    MAX_FILE_NAME_CHARACTERS,
    is_file_name,
    is_language,
    is_line,
    is_media_type,
    is_reference,
    is_tag,
    is_text,
)


@pytest.mark.parametrize(
    "text", ["x", " x ", "two\nlines\tand a tab", "a\u202eb", "\U000e0041", "e\u0301"[:1], "\x1b[1m"]
)
def test_free_text_keeps_what_a_person_wrote(text: str) -> None:
    assert is_text(text, 20)


@pytest.mark.parametrize("text", ["", " ", "\n\u3000\t", "a\0b", "e\u0301", "x" * 21])
def test_blank_long_or_not_composed_text_is_none(text: str) -> None:
    assert not is_text(text, 20)


@pytest.mark.parametrize(
    "text", ["two\nlines", "a\rb", "a\x1bb", "a\x7fb", "a\x9bb", "a\u2028b", "a\u2029b", "a\tb"]
)
def test_a_line_has_no_control_characters(text: str) -> None:
    assert not is_line(text, 20)


@pytest.mark.parametrize("text", ["a b", "\u05d0\u200f", "a\u202eb", "\u0645\u06cc\u200c\u062e"])
def test_a_line_keeps_direction_marks_and_joiners(text: str) -> None:
    assert is_line(text, 20)


@pytest.mark.parametrize(
    "mark",
    [
        "\u202a",
        "\u202e",
        "\u2066",
        "\u2069",
        "\u200e",
        "\u061c",
        "\u200b",
        "\u200d",
        "\ufeff",
        "\u00ad",
        "\u2060",
        "\U000e0020",
    ],
)
def test_a_reference_hides_nothing(mark: str) -> None:
    assert is_line(f"AB{mark}12", 20)
    assert not is_reference(f"AB{mark}12", 20)
    assert is_reference("\u0410\u0411-12/2026", 20)


@pytest.mark.parametrize(
    "name",
    [
        "a.pdf",
        "CON",
        "-rf",
        ".htaccess",
        "a ",
        "\u05d0.pdf",
        "\u0645\u06cc\u200c\u062e.pdf",
        "x" * MAX_FILE_NAME_CHARACTERS,
    ],
)
def test_a_file_name_is_shown_as_it_is(name: str) -> None:
    assert is_file_name(name)


@pytest.mark.parametrize(
    "name",
    [
        "",
        " ",
        ".",
        "..",
        "../../etc/x",
        "/x",
        "C:\\x",
        "a\\b",
        "a\0b",
        "a\nb",
        "a.pdf\u202egpj.exe",
        "a\u2066b",
        "a\U000e0041",
        "a\ufeff",
        "x" * (MAX_FILE_NAME_CHARACTERS + 1),
    ],
)
def test_a_file_name_is_never_a_path_and_never_misleads(name: str) -> None:
    assert not is_file_name(name)


@pytest.mark.parametrize(
    ("text", "holds"),
    [
        ("text/plain", True),
        ("application/vnd.x+json", True),
        ("text", False),
        ("text/", False),
        ("/x", False),
        ("text/plain; charset=utf-8", False),
        ("Text/plain", False),
        ("text/plain\n", False),
        ("a" * 128 + "/x", False),
    ],
)
def test_media_types(text: str, holds: bool) -> None:
    assert is_media_type(text) is holds


@pytest.mark.parametrize(
    ("text", "holds"),
    [
        ("en", True),
        ("pt-BR", True),
        ("zh-Hans-CN", True),
        ("", False),
        ("english", False),
        ("EN", False),
        ("en_GB", False),
        ("en\n", False),
    ],
)
def test_languages(text: str, holds: bool) -> None:
    assert is_language(text) is holds


@pytest.mark.parametrize(
    ("text", "holds"),
    [
        ("h1", True),
        ("annex-2", True),
        ("", False),
        ("-a", False),
        ("a-", False),
        ("H1", False),
        ("a" * 32, True),
        ("a" * 33, False),
        ("a/b", False),
    ],
)
def test_tags(text: str, holds: bool) -> None:
    assert is_tag(text) is holds


def test_hostile_text_is_refused_fast() -> None:
    hostile = ["a" * 20_000, "-" * 20_000, "a-" * 10_000, "a/" * 10_000, "\u202e" * 20_000, " " * 20_000]
    start = time.perf_counter()
    for text in hostile:
        for check in (is_file_name, is_language, is_media_type, is_tag):
            assert not check(text)
        is_text(text, 20_000)
        is_reference(text, 20_000)
    assert time.perf_counter() - start < 0.5
