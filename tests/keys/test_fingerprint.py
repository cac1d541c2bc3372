# SPDX-License-Identifier: Apache-2.0
import pytest
from hypothesis import given
from hypothesis import strategies as st

from keys import fingerprint
from protocol.identifiers import Digest

FROZEN = {
    "00" * 32: "50910 19711 58379 43579 22443 67943",
    "ff" * 32: "46187 26621 02908 35973 27021 39121",
    "0123456789abcdef" * 4: "80094 76474 25717 14007 15129 66291",
}
IDS = st.binary(min_size=32, max_size=32).map(lambda raw: Digest(raw.hex()))


@pytest.mark.parametrize(("id_hex", "expected"), FROZEN.items())
def test_the_digits_are_frozen(id_hex: str, expected: str) -> None:
    assert fingerprint.digits(Digest(id_hex)) == expected


@given(IDS)
def test_six_groups_of_five_digits(id_hex: Digest) -> None:
    groups = fingerprint.digits(id_hex).split(" ")
    assert [len(group) for group in groups] == [5] * 6
    assert all(group.isascii() and group.isdigit() for group in groups)


@pytest.mark.parametrize("form", ["{}", " {} ", "{} (read twice)"])
def test_what_was_read_aloud_is_compared_by_its_digits(form: str) -> None:
    id_hex = Digest("ff" * 32)
    spoken = fingerprint.digits(id_hex)
    assert fingerprint.is_same(form.format(spoken), id_hex)
    assert fingerprint.is_same(form.format(spoken.replace(" ", "-")), id_hex)


@given(IDS, st.integers(min_value=0, max_value=29))
def test_one_wrong_digit_is_noticed(id_hex: Digest, position: int) -> None:
    spoken = list(fingerprint.digits(id_hex).replace(" ", ""))
    spoken[position] = str((int(spoken[position]) + 1) % 10)
    assert not fingerprint.is_same("".join(spoken), id_hex)


def test_digits_of_another_script_do_not_count() -> None:
    id_hex = Digest("ff" * 32)
    eastern = fingerprint.digits(id_hex).translate({ord("0") + n: 0x0660 + n for n in range(10)})
    assert not fingerprint.is_same(eastern, id_hex)


def test_the_drawing_fits_a_terminal_and_has_no_control_characters() -> None:
    drawing = fingerprint.qr_terminal(Digest("ab" * 32))
    lines = drawing.splitlines()
    assert len(lines) <= 22
    assert max(len(line) for line in lines) <= 44
    assert set(drawing) <= set("█▀▄ \n")


def test_the_code_carries_the_whole_id() -> None:
    assert fingerprint.qr_text(Digest("ab" * 32)) == "ANP1:" + "AB" * 32
