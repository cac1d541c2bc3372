# SPDX-License-Identifier: Apache-2.0
import pytest
from cryptography.hazmat.primitives.kdf.argon2 import Argon2id

from keys.at_rest.passphrase_hash import (
    CHEAPEST,
    EVERY_START,
    MIB,
    SELDOM,
    HashCost,
    key_from,
    passphrase_of,
    require_strong,
)
from keys.errors import WeakParametersError, WeakPassphraseError


@pytest.mark.parametrize(("opslimit", "mebibytes"), [(2, 64), (3, 63), (17, 64), (3, 1025), (0, 0), (-1, -1)])
def test_a_cost_outside_the_bounds_is_refused(opslimit: int, mebibytes: int) -> None:
    with pytest.raises(WeakParametersError) as caught:
        HashCost(opslimit=opslimit, memlimit_bytes=mebibytes * MIB)
    assert caught.value.hint


def test_the_product_never_uses_the_least() -> None:
    assert CHEAPEST.memlimit_bytes < EVERY_START.memlimit_bytes < SELDOM.memlimit_bytes


def test_two_ways_to_type_one_text_are_one_passphrase() -> None:
    assert passphrase_of("caf\u00e9 sans témoin") == passphrase_of("cafe\u0301 sans témoin")


@pytest.mark.parametrize("text", ["", "x" * 1025, "é" * 513])
def test_nothing_and_far_too_much_are_refused(text: str) -> None:
    with pytest.raises(WeakPassphraseError):
        passphrase_of(text)


def test_a_short_passphrase_seals_no_new_file() -> None:
    require_strong(passphrase_of("twelve chars"))
    require_strong(passphrase_of("\u4e00" * 12))
    with pytest.raises(WeakPassphraseError, match="short"):
        require_strong(passphrase_of("\u4e00" * 11))


def test_the_hash_is_argon2id_with_one_lane() -> None:
    salt = b"0123456789abcdef"
    key = key_from(passphrase_of("correct horse battery"), salt, CHEAPEST)
    other = Argon2id(salt=salt, length=32, iterations=3, lanes=1, memory_cost=64 * 1024)
    assert key.reveal() == other.derive(b"correct horse battery")
    assert key.reveal().hex() == "00bac562b407875296682e0b8043688e09be94fcea326e99aa62d0edb44404fc"
