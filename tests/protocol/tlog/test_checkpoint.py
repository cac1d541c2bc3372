# SPDX-License-Identifier: Apache-2.0
"""The text of checkpoints: one written form for each, with what other logs add to it."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from protocol.errors import LocalProtocolError, MalformedError
from protocol.tlog.checkpoint import MAX_EXTENSION_LINES, Checkpoint, parse_checkpoint, verify_empty_root
from protocol.tlog.merkle import EMPTY_ROOT, MAX_SIZE, leaf_hash
from tests.support.vectors import vector_json

ORIGIN = "audit.xa-acc/main/2026/00112233445566ff"
OURS = Checkpoint(ORIGIN, 5, leaf_hash(b"root"))
LINES = st.text(st.characters(min_codepoint=32, exclude_categories=["Cs"]), min_size=1, max_size=20)


@pytest.mark.vectors
def test_texts_that_are_no_checkpoints() -> None:
    vectors = vector_json("translog/formats/checkpoint-parse.json")
    for text in [*vectors["invalid"], *vectors["valid"]]:  # the valid ones have roots that are no SHA-256
        with pytest.raises(MalformedError):
            parse_checkpoint(text)


@pytest.mark.parametrize(
    "change",
    [
        ("\n5\n", "\n05\n"),
        ("\n5\n", "\n+5\n"),
        ("\n5\n", "\n5 \n"),
        ("\n5\n", "\n-5\n"),
        ("\n5\n", "\n9223372036854775808\n"),
        ("\n5\n", "\n\u0665\n"),
        ("=\n", "\n"),
        ("=\n", "=\n\n"),
        ("=\n", "=\nextension\n\nmore\n"),
        ("=\n", "=\nextension"),
        ("=\n", "=\nbell\x07\n"),
        ("=\n", "=\n" + "more\n" * (MAX_EXTENSION_LINES + 1)),
        ("=\n", "=\r\n"),
        (ORIGIN, ""),
        (ORIGIN, "tab\tin it"),
    ],
)
def test_almost_a_checkpoint_is_malformed(change: tuple[str, str]) -> None:
    with pytest.raises(MalformedError):
        parse_checkpoint(OURS.to_text().replace(*change))


def test_a_root_in_another_spelling_is_malformed() -> None:
    text = Checkpoint(ORIGIN, 5, bytes(32)).to_text()
    assert text.endswith("A=\n")
    with pytest.raises(MalformedError):
        parse_checkpoint(text.replace("A=\n", "B=\n"))


@given(st.text(max_size=80))
def test_any_text_is_a_checkpoint_or_malformed(text: str) -> None:
    with pytest.raises(MalformedError):
        parse_checkpoint(text)


def test_other_logs_have_origins_and_lines_of_their_own() -> None:
    text = (
        "go.sum database tree\n5\n"
        + OURS.to_text().split("\n")[2]
        + "\nTimestamp: 1689177396617352539\na + b\n"
    )
    found = parse_checkpoint(text)
    assert (found.origin, found.extension) == (
        "go.sum database tree",
        ("Timestamp: 1689177396617352539", "a + b"),
    )
    assert found.to_text() == text


@given(LINES, st.integers(0, MAX_SIZE), st.binary(min_size=32, max_size=32), st.lists(LINES, max_size=3))
def test_checkpoints_come_back(origin: str, size: int, root: bytes, extension: list[str]) -> None:
    checkpoint = Checkpoint(origin, size, root, tuple(extension))
    assert parse_checkpoint(checkpoint.to_text()) == checkpoint


def test_an_empty_tree_has_one_root() -> None:
    verify_empty_root(OURS)
    verify_empty_root(Checkpoint(ORIGIN, 0, EMPTY_ROOT))
    with pytest.raises(MalformedError):
        verify_empty_root(Checkpoint(ORIGIN, 0, OURS.root))


@pytest.mark.parametrize(
    "bad",
    [
        Checkpoint("", 1, bytes(32)),
        Checkpoint("a\nb", 1, bytes(32)),
        Checkpoint("a", -1, bytes(32)),
        Checkpoint("a", MAX_SIZE + 1, bytes(32)),
        Checkpoint("a", 1, b""),
        Checkpoint("a", 1, bytes(32), ("",)),
        Checkpoint("a", 1, bytes(32), ("more",) * (MAX_EXTENSION_LINES + 1)),
    ],
)
def test_what_can_not_be_a_checkpoint_is_not_written(bad: Checkpoint) -> None:
    with pytest.raises(LocalProtocolError):
        bad.to_text()
