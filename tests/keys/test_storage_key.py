# SPDX-License-Identifier: Apache-2.0
import pytest
from hypothesis import given
from hypothesis import strategies as st

from keys.errors import RowDamagedError
from keys.secret import SecretBytes
from keys.storage_key import OVERHEAD_BYTES, StorageKey
from tests.support.entropy import SeededEntropy

FROZEN = "011c5d2ab2dea6fea071f927ac6cd76f46dcd2fb7e9717cfd3af3dc1f331159b82d4b25590b15c7d561945cbf080"
KEY = StorageKey(SecretBytes(bytes(range(32))))
TABLES = st.sampled_from(["record", "record_attachment", "x" * 63, "x" * 64, "x" * 300])


@given(TABLES, st.binary(max_size=100), st.binary(max_size=300), st.integers())
def test_what_is_sealed_opens_in_its_row(table: str, row_id: bytes, plaintext: bytes, seed: int) -> None:
    sealed = KEY.seal(table, row_id, plaintext, SeededEntropy(seed))
    assert len(sealed) == len(plaintext) + OVERHEAD_BYTES
    assert KEY.open_sealed(table, row_id, sealed) == plaintext


@given(st.binary(max_size=200))
def test_any_bytes_open_or_are_named_damaged(data: bytes) -> None:
    with pytest.raises(RowDamagedError) as caught:
        KEY.open_sealed("record", b"1", data)
    assert caught.value.hint


def test_every_flipped_bit_is_noticed() -> None:
    sealed = KEY.seal("record", b"1", b"content of a row", SeededEntropy())
    for position in range(len(sealed) * 8):
        changed = bytearray(sealed)
        changed[position // 8] ^= 1 << position % 8
        with pytest.raises(RowDamagedError):
            KEY.open_sealed("record", b"1", bytes(changed))


@pytest.mark.parametrize(
    ("table", "row_id"), [("record", b"2"), ("inbox", b"1"), ("recor", b"d1"), ("", b"")]
)
def test_a_value_moved_to_another_row_does_not_open(table: str, row_id: bytes) -> None:
    sealed = KEY.seal("record", b"1", b"content", SeededEntropy())
    with pytest.raises(RowDamagedError):
        KEY.open_sealed(table, row_id, sealed)


def test_table_and_row_do_not_run_into_each_other() -> None:
    sealed = KEY.seal("ab", b"c", b"content", SeededEntropy())
    with pytest.raises(RowDamagedError):
        KEY.open_sealed("a", b"bc", sealed)


def test_another_key_does_not_open() -> None:
    sealed = KEY.seal("record", b"1", b"content", SeededEntropy())
    with pytest.raises(RowDamagedError):
        StorageKey.generate(SeededEntropy(5)).open_sealed("record", b"1", sealed)


def test_each_purpose_has_its_own_key() -> None:
    derived = [KEY.derive("rows"), KEY.derive("audit"), StorageKey.generate(SeededEntropy()).derive("audit")]
    assert len({secret.reveal() for secret in derived}) == 3
    assert KEY.derive("audit") == KEY.derive("audit")
    assert KEY.derive("rows").reveal() != KEY.secret.reveal()


def test_a_key_of_another_length_is_refused() -> None:
    with pytest.raises(ValueError, match="32 bytes"):
        StorageKey(SecretBytes(b"short"))


def test_the_form_is_frozen() -> None:
    sealed = KEY.seal("record", b"row", b"hello", SeededEntropy("frozen"))
    assert sealed.hex() == FROZEN
    assert KEY.open_sealed("record", b"row", bytes.fromhex(FROZEN)) == b"hello"
