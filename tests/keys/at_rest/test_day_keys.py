# SPDX-License-Identifier: Apache-2.0
"""The ring of day keys: opens for the same node in the same life, and in no other form."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from keys.at_rest.day_keys import DayKey, new_day_key, open_ring, seal_ring
from keys.errors import RowDamagedError
from keys.secret import SecretBytes
from keys.storage_key import StorageKey
from protocol.octets import Writer
from tests.support.entropy import SeededEntropy

LIFE, NEXT_LIFE = "00" * 8, "11" * 8
ENTROPY = SeededEntropy("ring")
STORAGE = StorageKey.generate(ENTROPY)
RING = tuple(new_day_key(day * 86_400_000, ENTROPY) for day in range(3))


def facts(ring: tuple[DayKey, ...]) -> list[tuple[int, int, SecretBytes]]:
    return [(one.number, one.made_ms, one.key.secret) for one in ring]


def sealed_as_ring(plaintext: bytes) -> bytes:
    return STORAGE.seal("group keys", LIFE.encode(), plaintext, ENTROPY)


@pytest.mark.parametrize("count", [0, 1, 3])
def test_a_ring_opens_as_it_was_sealed(count: int) -> None:
    sealed = seal_ring(RING[:count], STORAGE, LIFE, ENTROPY)
    assert facts(open_ring(sealed, STORAGE, LIFE)) == facts(RING[:count])


def test_it_opens_in_no_other_life_and_for_no_other_node() -> None:
    sealed = seal_ring(RING, STORAGE, LIFE, ENTROPY)
    for storage, life in ((STORAGE, NEXT_LIFE), (StorageKey.generate(ENTROPY), LIFE)):
        with pytest.raises(RowDamagedError):
            open_ring(sealed, storage, life)


def test_a_changed_octet_is_noticed() -> None:
    sealed = seal_ring(RING, STORAGE, LIFE, ENTROPY)
    for at in range(0, len(sealed), 7):
        with pytest.raises(RowDamagedError):
            open_ring(sealed[:at] + bytes([sealed[at] ^ 1]) + sealed[at + 1 :], STORAGE, LIFE)


@pytest.mark.parametrize(
    "plaintext",
    [
        b"",
        b"\x02\0\0",
        b"\x01\0\1",
        b"\x01\0\0left over",
        Writer().u8(1).u16(2).raw((bytes(15) + b"\1" + bytes(32)) * 2).to_bytes(),
    ],
    ids=["nothing", "version", "cut", "left over", "a number twice"],
)
def test_what_opens_and_is_no_ring_is_refused(plaintext: bytes) -> None:
    with pytest.raises(RowDamagedError):
        open_ring(sealed_as_ring(plaintext), STORAGE, LIFE)


@given(st.binary(max_size=200))
def test_any_octets_are_a_ring_or_damaged(plaintext: bytes) -> None:
    for sealed in (plaintext, sealed_as_ring(plaintext)):
        try:
            ring = open_ring(sealed, STORAGE, LIFE)
        except RowDamagedError:
            continue
        assert facts(open_ring(seal_ring(ring, STORAGE, LIFE, ENTROPY), STORAGE, LIFE)) == facts(ring)


def test_numbers_and_keys_never_repeat_and_stay_out_of_texts() -> None:
    made = [new_day_key(0, ENTROPY) for _ in range(50)]
    assert len({one.number for one in made}) == len({one.key.secret.reveal() for one in made}) == 50
    assert all(0 < one.number < 1 << 63 for one in made)
    assert made[0].key.secret.reveal().hex() not in repr(made[0])
