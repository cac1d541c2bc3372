# SPDX-License-Identifier: Apache-2.0
"""The primitives below HPKE and sealing, as this product calls them, against Wycheproof and CCTV.

A failure here means that a library changed its verdict, or that it is called in a wrong way.
"""

import hmac
from typing import Any

import pytest
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.asymmetric.mldsa import MLDSA65PrivateKey
from cryptography.hazmat.primitives.asymmetric.mlkem import MLKEM768PrivateKey
from cryptography.hazmat.primitives.ciphers.aead import AESGCM, ChaCha20Poly1305
from cryptography.hazmat.primitives.kdf.argon2 import Argon2id
from nacl.bindings import (
    crypto_aead_xchacha20poly1305_ietf_decrypt,
    crypto_aead_xchacha20poly1305_ietf_encrypt,
    crypto_scalarmult_base,
)
from nacl.exceptions import CryptoError

from protocol import hpke
from protocol.errors import UntrustedError
from protocol.hpke import AEAD, KDF, KEM, Suite, parse_xwing_public_key
from tests.support.decapsulators import seeded_decapsulator
from tests.support.entropy import SeededEntropy
from tests.support.vectors import vector_text, wycheproof

pytestmark = pytest.mark.vectors
X25519_HALF = seeded_decapsulator("primitives").public_key[1184:]


def raw(text: str) -> bytes:
    return bytes.fromhex(text)


def check_aead(name: str, cipher: type[AESGCM] | type[ChaCha20Poly1305], expected: tuple[int, int]) -> None:
    """Check all cases; the product has nonces of 12 octets only, and others may also be refused."""
    ours, others = 0, 0
    for group, test in wycheproof(name):
        key, nonce, aad = raw(test["key"]), raw(test["iv"]), raw(test["aad"])
        sealed = raw(test["ct"] + test["tag"])
        ours, others = ours + (group["ivSize"] == 96), others + (group["ivSize"] != 96)
        try:
            opened = cipher(key).decrypt(nonce, sealed, aad)
        except (InvalidTag, ValueError):
            assert test["result"] == "invalid" or group["ivSize"] != 96, test["tcId"]
        else:
            assert (test["result"], opened) == ("valid", raw(test["msg"])), test["tcId"]
            assert cipher(key).encrypt(nonce, raw(test["msg"]), aad) == sealed
    assert (ours, others) == expected


def test_aes_gcm() -> None:
    check_aead("aes_gcm_test.json", AESGCM, (197, 119))


def test_chacha20_poly1305() -> None:
    check_aead("chacha20_poly1305_test.json", ChaCha20Poly1305, (316, 9))


def test_xchacha20_poly1305() -> None:
    cases = wycheproof("xchacha20_poly1305_test.json")
    for _, test in cases:
        key, nonce, aad = raw(test["key"]), raw(test["iv"]), raw(test["aad"])
        sealed = raw(test["ct"] + test["tag"])
        if test["result"] == "valid":
            assert crypto_aead_xchacha20poly1305_ietf_encrypt(raw(test["msg"]), aad, nonce, key) == sealed
            assert crypto_aead_xchacha20poly1305_ietf_decrypt(sealed, aad, nonce, key) == raw(test["msg"])
        else:
            with pytest.raises(CryptoError):
                crypto_aead_xchacha20poly1305_ietf_decrypt(sealed, aad, nonce, key)
    assert len(cases) == 315


@pytest.mark.parametrize(
    ("hash_name", "file"), [("sha256", "hmac_sha256_test.json"), ("sha384", "hmac_sha384_test.json")]
)
def test_hmac(hash_name: str, file: str) -> None:
    cases = wycheproof(file)
    for group, test in cases:
        tag = hmac.digest(raw(test["key"]), raw(test["msg"]), hash_name)[: group["tagSize"] // 8]
        assert hmac.compare_digest(tag, raw(test["tag"])) == (test["result"] == "valid"), test["tcId"]
    assert len(cases) == 174


@pytest.mark.parametrize(
    ("hash_name", "file"), [("sha256", "hkdf_sha256_test.json"), ("sha384", "hkdf_sha384_test.json")]
)
def test_hkdf(hash_name: str, file: str) -> None:
    size_of_hash = {"sha256": 32, "sha384": 48}[hash_name]
    for _, test in wycheproof(file):
        if test["result"] == "invalid":
            assert test["size"] > 255 * size_of_hash  # no caller can ask: `export` refuses, the rest is fixed
            continue
        secret = hmac.digest(raw(test["salt"]), raw(test["ikm"]), hash_name)
        assert hpke.hkdf_expand(hash_name, secret, raw(test["info"]), test["size"]) == raw(test["okm"])


def test_x25519() -> None:
    refused = 0
    cases = wycheproof("x25519_test.json")
    for _, test in cases:
        if "ZeroSharedSecret" in test["flags"]:
            refused += 1
            with pytest.raises(UntrustedError):
                hpke._exchange(raw(test["private"]), raw(test["public"]))
        else:
            assert hpke._exchange(raw(test["private"]), raw(test["public"])) == raw(test["shared"])
    assert (len(cases), refused) == (518, 31)


def test_x25519_keys_at_admission() -> None:
    """What is low order or not canonical is refused as a key; whatever else the cases use is taken."""
    mlkem_half = seeded_decapsulator("primitives").public_key[:1184]
    for _, test in wycheproof("x25519_test.json"):
        public = raw(test["public"])
        wrong = "LowOrderPublic" in test["flags"] or int.from_bytes(public, "little") >= 2**255 - 19
        if wrong:
            with pytest.raises(UntrustedError):
                parse_xwing_public_key(mlkem_half + public)
        else:
            assert parse_xwing_public_key(mlkem_half + public).x25519_half == public


def test_ml_kem_decapsulation() -> None:
    cases = wycheproof("mlkem_768_test.json")
    for _, test in cases:
        try:
            key = MLKEM768PrivateKey.from_seed_bytes(raw(test["seed"]))
            shared = key.decapsulate(raw(test["c"]))
        except ValueError:
            assert test["result"] == "invalid", test["tcId"]
        else:
            assert test["result"] == "valid", test["tcId"]
            assert shared == raw(test["K"])
            assert key.public_key().public_bytes_raw() == raw(test["ek"])
    assert len(cases) == 193


def test_ml_kem_keys_from_seeds() -> None:
    cases = wycheproof("mlkem_768_keygen_seed_test.json")
    for _, test in cases:
        key = MLKEM768PrivateKey.from_seed_bytes(raw(test["seed"]))
        assert key.public_key().public_bytes_raw() == raw(test["ek"])
    assert len(cases) == 100


def test_ml_kem_keys_at_admission() -> None:
    cases = wycheproof("mlkem_768_encaps_test.json")
    refused = 0
    for _, test in cases:
        if test["result"] == "valid":
            parse_xwing_public_key(raw(test["ek"]) + X25519_HALF)
            continue
        refused += 1
        with pytest.raises(UntrustedError):
            parse_xwing_public_key(raw(test["ek"]) + X25519_HALF)
    assert (len(cases), refused) == (265, 132)


def test_ml_kem_with_unlucky_sampling() -> None:
    """A key whose matrix takes more random octets than most; its seed is of the form before FIPS 203."""
    lines = dict(line.split(" = ") for line in vector_text("cctv/unluckysample_ML-KEM-768.txt").splitlines())
    key = parse_xwing_public_key(raw(lines["ek"]) + X25519_HALF)
    secret, encapsulated = hpke.xwing_encapsulate(key, SeededEntropy(1))
    assert (len(secret), len(encapsulated)) == (32, 1120)


def test_ml_dsa_65_keys_from_seeds() -> None:
    cases = wycheproof("mldsa_65_sign_seed_test.json")
    for group, test in cases:
        seed = raw(group["privateSeed"])
        if "IncorrectPrivateKeyLength" in test["flags"]:
            with pytest.raises(ValueError, match="32"):
                MLDSA65PrivateKey.from_seed_bytes(seed)
            continue
        key = MLDSA65PrivateKey.from_seed_bytes(seed)
        assert key.public_key().public_bytes_raw() == raw(group["publicKey"])
        if test["result"] == "invalid":
            with pytest.raises(ValueError, match="255"):
                key.sign(raw(test["msg"]), context_of(test))
        elif "mu" in test:
            key.public_key().verify_mu(raw(test["sig"]), raw(test["mu"]))
        else:
            key.public_key().verify(raw(test["sig"]), raw(test["msg"]), context_of(test))
    assert len(cases) == 105


def test_argon2id() -> None:
    """All cases by the library that the hash of passphrases is compared with in `tests.keys`."""
    blocks = vector_text("argon2/argon2id.txt").split("COUNT = ")[1:]
    for block in blocks:
        lines = [line for line in block.splitlines() if " =" in line and not line.startswith("#")]
        case = {name.strip(): value.strip() for name, value in (line.split("=", 1) for line in lines)}
        function = Argon2id(
            salt=raw(case["salt"]),
            length=int(case["length"]),
            iterations=int(case["iter"]),
            lanes=int(case["lanes"]),
            memory_cost=int(case["memcost"]),
            ad=raw(case["ad"]) if "ad" in case else None,
            secret=raw(case["secret"]) if "secret" in case else None,
        )
        assert function.derive(raw(case["pass"])) == raw(case["output"])
    assert len(blocks) == 6


def context_of(test: dict[str, Any]) -> bytes | None:
    return raw(test["ctx"]) if "ctx" in test else None


def test_the_product_suite_is_what_the_specification_says() -> None:
    assert Suite(KEM.XWING, KDF.HKDF_SHA256, AEAD.AES_256_GCM) == hpke.PRODUCT
    assert hpke.PRODUCT.suite_id() == b"HPKE\x64\x7a\x00\x01\x00\x02"
    secrets = hpke.expand_xwing_seed(bytes(32))
    assert secrets.public_key[1184:] == crypto_scalarmult_base(secrets.x25519_half)
