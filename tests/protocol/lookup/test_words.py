# SPDX-License-Identifier: Apache-2.0
# ruff: noqa: RUF001 -- several scripts
"""Words meet whatever their case, accents, forms and script are; and they are nothing but words."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from protocol.lookup.words import MAX_WORD_CHARACTERS, MAX_WORDS, asked_words, words_of


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("Recuperación", "RECUPERACION"),
        ("Straße", "strasse"),
        ("Œuvre d'État", "oeuvre d etat"),
        ("Łódź", "lodz"),
        ("Комиссия", "КОМИССИЯ"),
        ("Ёлка", "елка"),
        ("هَيْئَة", "هيئه"),
        ("المكتب", "مكتب"),
        ("إدارة", "اداره"),
        ("مكافحـــة", "مكافحة"),
        ("ＡＢＣ１２", "abc12"),
        ("ΑΘΉΝΑ", "αθηνα"),
    ],
)
def test_what_means_the_same_meets(one: str, other: str) -> None:
    assert words_of(one) == words_of(other) != ()


def test_scripts_without_spaces_are_kept_as_pairs() -> None:
    assert words_of("反腐败委员会") == ("反腐", "腐败", "败委", "委员", "员会")
    assert set(words_of("反腐败")) < set(words_of("反腐败委员会"))
    assert words_of("廉") == ("廉",)
    assert words_of("ICAC廉政公署") == ("icac", "廉政", "政公", "公署")


def test_signs_are_no_words() -> None:
    assert words_of('"x" OR (y*) NEAR/2 -z : ^') == ("x", "or", "y", "near", "2", "z")
    assert words_of(" --- ") == ()


def test_a_question_is_bounded() -> None:
    assert len(asked_words(" ".join(map(str, range(10, 90))))) == MAX_WORDS
    assert asked_words("a b a b") == ("a", "b")
    assert asked_words("recouvrement d'avoirs") == ("recouvrement", "avoirs")
    assert len(words_of("x" * 300)[0]) == MAX_WORD_CHARACTERS


@given(st.text(max_size=80))
def test_words_have_letters_and_digits_only_and_stay_what_they_are(text: str) -> None:
    for word in words_of(text):
        assert word
        assert '"' not in word
        assert not any(letter.isspace() or letter == "\0" for letter in word)
