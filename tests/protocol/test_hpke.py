# SPDX-License-Identifier: Apache-2.0
"""HPKE against outside data, against another implementation both ways, and against what must fail."""

from typing import Any

import pytest
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.bindings._rust import openssl as rust_openssl
from cryptography.hazmat.primitives import hpke as other
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey
from hypothesis import given
from hypothesis import strategies as st

from protocol import hpke
from protocol.errors import LocalProtocolError, UntrustedError
from protocol.hpke import (
    AEAD,
    KDF,
    KEM,
    PRODUCT,
    Context,
    Suite,
    expand_xwing_seed,
    open_sealed,
    parse_xwing_public_key,
    seal,
    x25519_decapsulate,
    x25519_encapsulate,
    xwing_decapsulate,
    xwing_encapsulate,
    xwing_public_key,
)
from tests.support.decapsulators import seeded_decapsulator
from tests.support.entropy import SeededEntropy
from tests.support.vectors import vector_json, vector_text

HOLDER = seeded_decapsulator("hpke")
INFO, AAD = b"what for", b"belongs to"
SUITES = [(kdf, aead) for kdf in KDF for aead in AEAD if aead != AEAD.EXPORT_ONLY]


def raw(text: str) -> bytes:
    return bytes.fromhex(text)


def cases(name: str, kem: KEM) -> list[dict[str, Any]]:
    ours = [case for case in vector_json(name) if case["kem_id"] == kem and case["mode"] == 0]
    return [case for case in ours if case["kdf_id"] in set(KDF)]


def check_context(case: dict[str, Any], shared_secret: bytes) -> None:
    suite = Suite(KEM(case["kem_id"]), KDF(case["kdf_id"]), AEAD(case["aead_id"]))
    sender = suite.context(shared_secret, raw(case["info"]))
    receiver = suite.context(shared_secret, raw(case["info"]))
    for message in case["encryptions"]:
        aad, plaintext, sealed = raw(message["aad"]), raw(message["pt"]), raw(message["ct"])
        assert sender.seal(aad, plaintext) == sealed
        assert receiver.open(aad, sealed) == plaintext
    for exported in case["exports"]:
        value = receiver.export(raw(exported["exporter_context"]), exported["L"])
        assert value == raw(exported["exported_value"])


@pytest.mark.vectors
def test_rfc_9180_x25519_cases() -> None:
    found = cases("hpke-rfc9180/rfc9180-subset.json", KEM.X25519)
    for case in found:
        shared_secret = x25519_decapsulate(raw(case["skRm"]), raw(case["enc"]))
        assert shared_secret == raw(case["shared_secret"])
        assert x25519_encapsulate(raw(case["pkRm"]), Drawn(raw(case["skEm"]))) == (
            shared_secret,
            raw(case["enc"]),
        )
        check_context(case, shared_secret)
    assert len(found) >= 4


@pytest.mark.vectors
def test_hpke_pq_xwing_cases() -> None:
    found = cases("hpke-pq/hpke-pq.json", KEM.XWING)
    for case in found:
        secrets = expand_xwing_seed(raw(case["skRm"]))
        assert secrets.public_key == raw(case["pkRm"])
        shared_secret = xwing_decapsulate(secrets, raw(case["enc"]))
        assert shared_secret == raw(case["shared_secret"])
        check_context(case, shared_secret)
    assert len(found) >= 1


@pytest.mark.vectors
def test_xwing_cases() -> None:
    for case in vector_json("xwing/xwing.json"):
        secrets = expand_xwing_seed(raw(case["seed"]))
        assert secrets.public_key == raw(case["pk"])
        assert xwing_decapsulate(secrets, raw(case["ct"])) == raw(case["ss"])
        # The X25519 half of the encapsulation is ours; the ML-KEM half draws inside the library.
        _, encapsulated = xwing_encapsulate(
            parse_xwing_public_key(raw(case["pk"])), Drawn(raw(case["eseed"])[32:])
        )
        assert encapsulated[1088:] == raw(case["ct"])[1088:]


@pytest.mark.parametrize(("kdf", "aead"), SUITES)
def test_both_ways_with_another_implementation_x25519(kdf: KDF, aead: AEAD) -> None:
    private_key = X25519PrivateKey.generate()
    public_raw = private_key.public_key().public_bytes_raw()
    suite = Suite(KEM.X25519, kdf, aead)
    theirs = other.Suite(other.KEM.X25519, getattr(other.KDF, kdf.name), getattr(other.AEAD, aead.name))
    shared_secret, encapsulated = x25519_encapsulate(public_raw, SeededEntropy(kdf * 10 + aead))
    sealed = encapsulated + suite.context(shared_secret, INFO).seal(b"", b"to them")
    assert theirs.decrypt(sealed, private_key, INFO) == b"to them"
    answer = theirs.encrypt(b"to us", private_key.public_key(), INFO)
    shared_secret = x25519_decapsulate(private_key.private_bytes_raw(), answer[:32])
    assert suite.context(shared_secret, INFO).open(b"", answer[32:]) == b"to us"


@pytest.mark.parametrize(("kdf", "aead"), SUITES)
def test_both_ways_with_another_implementation_xwing(kdf: KDF, aead: AEAD) -> None:
    secrets = expand_xwing_seed(HOLDER.seed)
    private_key = other.MLKEM768X25519PrivateKey(
        secrets.mlkem_half, X25519PrivateKey.from_private_bytes(secrets.x25519_half)
    )
    suite = Suite(KEM.XWING, kdf, aead)
    theirs = other.Suite(
        other.KEM.MLKEM768_X25519, getattr(other.KDF, kdf.name), getattr(other.AEAD, aead.name)
    )
    shared_secret, encapsulated = xwing_encapsulate(
        parse_xwing_public_key(HOLDER.public_key), SeededEntropy(kdf * 10 + aead)
    )
    sealed = encapsulated + suite.context(shared_secret, INFO).seal(b"", b"to them")
    assert theirs.decrypt(sealed, private_key, INFO) == b"to them"
    answer = theirs.encrypt(b"to us", private_key.public_key(), INFO)
    context = suite.context(xwing_decapsulate(secrets, answer[:1120]), INFO)
    assert context.open(b"", answer[1120:]) == b"to us"


def test_with_aad_both_ways_with_another_implementation() -> None:
    secrets = expand_xwing_seed(HOLDER.seed)
    private_key = other.MLKEM768X25519PrivateKey(
        secrets.mlkem_half, X25519PrivateKey.from_private_bytes(secrets.x25519_half)
    )
    theirs = other.Suite(other.KEM.MLKEM768_X25519, other.KDF.HKDF_SHA256, other.AEAD.AES_256_GCM)
    sealed = seal(HOLDER.public_key, b"to them", info=INFO, aad=AAD, entropy=SeededEntropy(1))
    opened = rust_openssl.hpke._decrypt_with_aad(theirs, sealed, private_key, INFO, AAD)
    assert opened == b"to them"
    with pytest.raises(InvalidTag):
        theirs.decrypt(sealed, private_key, INFO)
    answer = rust_openssl.hpke._encrypt_with_aad(theirs, b"to us", private_key.public_key(), INFO, AAD)
    assert open_sealed(HOLDER, answer, info=INFO, aad=AAD) == b"to us"


@given(st.binary(max_size=300), st.binary(max_size=40), st.binary(max_size=40))
def test_round_trip(plaintext: bytes, info: bytes, aad: bytes) -> None:
    sealed = seal(HOLDER.public_key, plaintext, info=info, aad=aad, entropy=SeededEntropy(2))
    assert len(sealed) == len(plaintext) + hpke.OVERHEAD_BYTES
    assert open_sealed(HOLDER, sealed, info=info, aad=aad) == plaintext


@given(st.binary(max_size=1300))
def test_any_bytes_are_refused(data: bytes) -> None:
    with pytest.raises(UntrustedError):
        open_sealed(HOLDER, data, info=INFO, aad=AAD)


@given(st.integers(min_value=0, max_value=(1120 + 16 + 7) * 8 - 1))
def test_every_changed_bit_is_refused(bit: int) -> None:
    sealed = bytearray(seal(HOLDER.public_key, b"content", info=INFO, aad=AAD, entropy=SeededEntropy(3)))
    sealed[bit // 8] ^= 1 << bit % 8
    with pytest.raises(UntrustedError):
        open_sealed(HOLDER, bytes(sealed), info=INFO, aad=AAD)


def test_another_key_info_or_aad_is_refused() -> None:
    sealed = seal(HOLDER.public_key, b"content", info=INFO, aad=AAD, entropy=SeededEntropy(4))
    for holder, info, aad in (
        (seeded_decapsulator("somebody else"), INFO, AAD),
        (HOLDER, b"", AAD),
        (HOLDER, INFO, b""),
        (HOLDER, AAD, INFO),
    ):
        with pytest.raises(UntrustedError):
            open_sealed(holder, sealed, info=info, aad=aad)


LOW_ORDER = (
    "0000000000000000000000000000000000000000000000000000000000000000",
    "0100000000000000000000000000000000000000000000000000000000000000",
    "e0eb7a7c3b41b8ae1656e3faf19fc46ada098deb9c32b1fd866205165f49b800",
    "5f9c95bca3508c24b1d0b1559c83ef5b04445cc4581c8e86d8224eddd09f1157",
    "ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
    "edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
    "eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
)


@pytest.mark.parametrize("point", LOW_ORDER)
def test_low_order_points_are_refused_everywhere(point: str) -> None:
    with pytest.raises(UntrustedError):
        parse_xwing_public_key(HOLDER.public_key[:1184] + raw(point))
    with pytest.raises(UntrustedError):
        x25519_encapsulate(raw(point), SeededEntropy(5))
    with pytest.raises(UntrustedError):
        x25519_decapsulate(b"\1" * 32, raw(point))
    sealed = seal(HOLDER.public_key, b"content", info=INFO, aad=AAD, entropy=SeededEntropy(6))
    with pytest.raises(UntrustedError):
        open_sealed(HOLDER, sealed[:1088] + raw(point) + sealed[1120:], info=INFO, aad=AAD)


def test_keys_that_are_not_canonical_are_refused() -> None:
    x25519_raw = HOLDER.public_key[1184:]
    high_bit = x25519_raw[:31] + bytes((x25519_raw[31] | 0x80,))
    for key in (
        HOLDER.public_key[:1184] + high_bit,
        HOLDER.public_key[:1184] + b"\xff" * 31 + b"\x7f",
        b"\xff\xff" + HOLDER.public_key[2:],  # an ML-KEM coefficient of 4095
        HOLDER.public_key[:-1],
        HOLDER.public_key + b"\0",
        b"",
    ):
        with pytest.raises(UntrustedError):
            parse_xwing_public_key(key)
        with pytest.raises(UntrustedError):
            seal(key, b"content", info=INFO, aad=AAD, entropy=SeededEntropy(7))


@pytest.mark.vectors
def test_ml_kem_modulus_cases() -> None:
    lines = vector_text("cctv/modulus_ML-KEM-768.txt.gz").split()
    for line in lines:
        with pytest.raises(UntrustedError):
            parse_xwing_public_key(raw(line) + HOLDER.public_key[1184:])
    assert len(lines) > 100


def test_lengths_are_checked() -> None:
    with pytest.raises(LocalProtocolError):
        xwing_public_key(bytes(31))
    with pytest.raises(UntrustedError):
        x25519_encapsulate(bytes(31), SeededEntropy(8))
    with pytest.raises(UntrustedError):
        x25519_decapsulate(b"\1" * 32, bytes(33))
    with pytest.raises(LocalProtocolError):
        x25519_decapsulate(bytes(31), bytes(32))
    with pytest.raises(UntrustedError):
        xwing_decapsulate(expand_xwing_seed(HOLDER.seed), bytes(1119))


def two_ends(suite: Suite = PRODUCT) -> tuple[Context, Context]:
    return suite.context(bytes(32), INFO), suite.context(bytes(32), INFO)


def test_messages_open_in_order_and_once() -> None:
    sender, receiver = two_ends()
    first, second = sender.seal(AAD, b"first"), sender.seal(AAD, b"second")
    with pytest.raises(UntrustedError):
        receiver.open(AAD, second)
    assert receiver.open(AAD, first) == b"first"
    with pytest.raises(UntrustedError):
        receiver.open(AAD, first)
    assert receiver.open(AAD, second) == b"second"


def test_a_context_never_uses_a_nonce_twice() -> None:
    sender, _ = two_ends()
    sender._next = (1 << 96) - 1
    with pytest.raises(LocalProtocolError):
        sender.seal(AAD, b"one too many")


def test_an_export_only_suite_does_not_encrypt() -> None:
    sender, receiver = two_ends(Suite(KEM.XWING, KDF.HKDF_SHA256, AEAD.EXPORT_ONLY))
    with pytest.raises(LocalProtocolError):
        sender.seal(AAD, b"content")
    assert sender.export(b"use", 40) == receiver.export(b"use", 40) != receiver.export(b"other use", 40)


@pytest.mark.parametrize("size", [0, 255 * 32 + 1])
def test_exports_have_bounds(size: int) -> None:
    with pytest.raises(LocalProtocolError):
        two_ends()[0].export(b"", size)


def test_suites_do_not_open_each_other() -> None:
    for kdf, aead in SUITES:
        suite = Suite(KEM.XWING, kdf, aead)
        sealed = suite.context(bytes(32), INFO).seal(AAD, b"content")
        for other_kdf, other_aead in SUITES:
            if (kdf, aead) != (other_kdf, other_aead):
                with pytest.raises(UntrustedError):
                    Suite(KEM.XWING, other_kdf, other_aead).context(bytes(32), INFO).open(AAD, sealed)


def test_secrets_are_not_shown() -> None:
    secrets = expand_xwing_seed(HOLDER.seed)
    assert secrets.public_key.hex() not in repr(secrets)
    assert "half" not in repr(secrets)
    assert HOLDER.public_key.hex() not in repr(parse_xwing_public_key(HOLDER.public_key))


class Drawn:
    """Implements `protocol.interfaces.Entropy`: gives what an outside case names, once."""

    def __init__(self, data: bytes) -> None:
        self._data = data

    def random_bytes(self, size: int) -> bytes:
        data, self._data = self._data, b""
        assert len(data) == size
        return data
