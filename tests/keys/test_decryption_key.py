# SPDX-License-Identifier: Apache-2.0

import pytest

from keys.decryption_key import XWingKey
from keys.secret import SecretBytes
from protocol import hpke
from protocol.errors import UntrustedError
from protocol.interfaces import Decapsulator
from tests.support.entropy import SeededEntropy
from tests.support.vectors import vector_json

KEY = XWingKey.generate(SeededEntropy("decryption"))


def test_it_opens_what_was_sealed_to_it() -> None:
    decapsulator: Decapsulator = KEY
    sealed = hpke.seal(KEY.public_key, b"content", info=b"i", aad=b"a", entropy=SeededEntropy(1))
    assert hpke.open_sealed(decapsulator, sealed, info=b"i", aad=b"a") == b"content"


def test_another_key_does_not_open_it() -> None:
    sealed = hpke.seal(KEY.public_key, b"content", info=b"i", aad=b"a", entropy=SeededEntropy(1))
    other = XWingKey.generate(SeededEntropy("other"))
    with pytest.raises(UntrustedError):
        hpke.open_sealed(other, sealed, info=b"i", aad=b"a")


@pytest.mark.parametrize("length", [0, 1119, 1121])
def test_an_encapsulation_of_another_length_is_refused(length: int) -> None:
    with pytest.raises(UntrustedError):
        KEY.decapsulate(bytes(length))


def test_a_low_order_point_is_refused() -> None:
    encapsulated = hpke.xwing_encapsulate(hpke.parse_xwing_public_key(KEY.public_key), SeededEntropy())[1]
    with pytest.raises(UntrustedError):
        KEY.decapsulate(encapsulated[:-32] + bytes(32))


def test_the_same_seed_gives_the_same_key() -> None:
    again = XWingKey(SecretBytes(KEY.secret.reveal()))
    assert (again.public_key, again.key_id) == (KEY.public_key, KEY.key_id)
    assert len(KEY.public_key) == hpke.XWING_PUBLIC_KEY_BYTES


@pytest.mark.vectors
def test_the_cases_of_the_draft() -> None:
    cases = vector_json("xwing/xwing.json")
    assert len(cases) >= 3
    for case in cases:
        key = XWingKey(SecretBytes(bytes.fromhex(case["seed"])))
        assert key.public_key.hex() == case["pk"]
        assert key.decapsulate(bytes.fromhex(case["ct"])).hex() == case["ss"]


def test_no_seed_in_the_text_form() -> None:
    assert repr(KEY) == f"XWingKey({KEY.key_id})"


def test_a_seed_of_another_length_is_refused() -> None:
    with pytest.raises(ValueError, match="32 bytes"):
        XWingKey(SecretBytes(bytes(31)))
