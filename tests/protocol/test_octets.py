# SPDX-License-Identifier: Apache-2.0
"""Fields in a row: both ways, at every boundary, and refused in every other form."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from protocol.errors import LocalProtocolError, MalformedError, ReasonCode
from protocol.octets import MAX_VECTOR_BYTES, Reader, Writer, base64_text, op, parse_base64

FIELDS = st.lists(
    st.one_of(
        st.tuples(st.just("u8"), st.integers(0, 2**8 - 1)),
        st.tuples(st.just("u16"), st.integers(0, 2**16 - 1)),
        st.tuples(st.just("u32"), st.integers(0, 2**32 - 1)),
        st.tuples(st.just("u64"), st.integers(0, 2**64 - 1)),
        st.tuples(st.just("raw"), st.binary(max_size=20)),
        st.tuples(st.just("op"), st.binary(max_size=200)),
    ),
    max_size=10,
)


@given(FIELDS)
def test_round_trip(fields: list[tuple[str, int | bytes]]) -> None:
    writer = Writer()
    for kind, value in fields:
        getattr(writer, kind)(value)
    written = writer.to_bytes()
    reader = Reader(written)
    for kind, value in fields:
        if isinstance(value, int):
            assert getattr(reader, kind)() == value
        else:
            assert (reader.op(200) if kind == "op" else reader.raw(len(value))) == value
    assert reader.position == len(written)
    reader.finish()


@pytest.mark.parametrize(
    ("size", "prefix"),
    [
        (0, "00"),
        (1, "01"),
        (63, "3f"),
        (64, "4040"),
        (16383, "7fff"),
        (16384, "80004000"),
        (70000, "80011170"),
    ],
)
def test_lengths_at_their_boundaries(size: int, prefix: str) -> None:
    vector = op(bytes(size))
    assert vector == bytes.fromhex(prefix) + bytes(size)
    assert Writer().op(bytes(size)).to_bytes() == vector
    assert Reader(vector).op(size) == bytes(size)


@pytest.mark.parametrize("prefix", ["4000", "4001", "403f", "80000000", "8000003f", "80000040", "80003fff"])
def test_a_length_in_a_longer_form_is_refused(prefix: str) -> None:
    with pytest.raises(MalformedError) as refused:
        Reader(bytes.fromhex(prefix) + bytes(20000)).op(20000)
    assert refused.value.code == ReasonCode.BAD_CONTENT


@pytest.mark.parametrize("first", [0xC0, 0xC1, 0xFF])
def test_a_length_in_no_form_is_refused(first: int) -> None:
    with pytest.raises(MalformedError):
        Reader(bytes((first,)) + bytes(100)).op(1000)


def test_vectors_have_bounds() -> None:
    with pytest.raises(MalformedError) as refused:
        Reader(op(bytes(33))).op(32)
    assert refused.value.code == ReasonCode.TOO_LARGE
    with pytest.raises(MalformedError) as refused:
        Reader(op(bytes(31))).op(32, 32)
    assert refused.value.code == ReasonCode.BAD_CONTENT


def test_a_huge_length_costs_nothing() -> None:
    with pytest.raises(MalformedError) as refused:
        Reader(b"\xbf\xff\xff\xff").op(1000)
    assert refused.value.code == ReasonCode.TOO_LARGE
    with pytest.raises(MalformedError):
        Reader(b"\xbf\xff\xff\xff").op(MAX_VECTOR_BYTES)


@pytest.mark.parametrize("take", ["u8", "u16", "u32", "u64"])
def test_a_field_that_is_cut_off_is_refused(take: str) -> None:
    width = int(take[1:]) // 8
    with pytest.raises(MalformedError) as refused:
        getattr(Reader(bytes(width - 1)), take)()
    assert refused.value.code == ReasonCode.BAD_CONTENT


def test_octets_after_the_last_field_are_refused() -> None:
    reader = Reader(b"\1\2")
    reader.u8()
    with pytest.raises(MalformedError) as refused:
        reader.finish()
    assert refused.value.code == ReasonCode.BAD_CONTENT


def test_what_is_cut_off_takes_nothing() -> None:
    reader = Reader(b"\1\2\3")
    with pytest.raises(MalformedError):
        reader.u32()
    assert reader.position == 0
    assert reader.raw(3) == b"\1\2\3"


@pytest.mark.parametrize(
    ("field", "value"), [("u8", 256), ("u8", -1), ("u16", 65536), ("u32", -1), ("u64", 2**64)]
)
def test_an_integer_outside_its_width_is_not_written(field: str, value: int) -> None:
    with pytest.raises(LocalProtocolError):
        getattr(Writer(), field)(value)


class Huge(bytes):
    """Says it is longer than a length can say, without the memory for it."""

    def __len__(self) -> int:
        return MAX_VECTOR_BYTES + 1


def test_a_vector_longer_than_a_length_can_say_is_not_written() -> None:
    with pytest.raises(LocalProtocolError):
        op(Huge())


@given(st.binary(max_size=100))
def test_base64_round_trip(data: bytes) -> None:
    assert parse_base64(base64_text(data)) == data


@pytest.mark.parametrize(
    "text", ["AA", "AA=", "AB==", "AAB=", "AA==\n", " AA==", "AA==AA==", "A-_A", "AAA", "é", "AA\0=", "===="]
)
def test_base64_has_one_form(text: str) -> None:
    with pytest.raises(MalformedError) as refused:
        parse_base64(text)
    assert refused.value.code == ReasonCode.BAD_FIELD


@given(st.text(max_size=30))
def test_any_text_is_octets_or_refused(text: str) -> None:
    try:
        data = parse_base64(text)
    except MalformedError:
        return
    assert base64_text(data) == text
