# SPDX-License-Identifier: Apache-2.0
"""Groups judge keys and signatures as the rest of the product does, on all outside cases."""

from collections.abc import Callable

import pytest

from protocol.errors import UntrustedError
from protocol.mls.suites import PRODUCT_SUITE
from protocol.signing import ed25519
from tests.support.decapsulators import seeded_decapsulator
from tests.support.vectors import vector_json, wycheproof

pytestmark = pytest.mark.vectors
OUR_KEY = seeded_decapsulator("verdicts").public_key


def raw(text: str) -> bytes:
    return bytes.fromhex(text)


def holds(judge: Callable[..., None], *arguments: bytes) -> bool:
    try:
        judge(*arguments)
    except UntrustedError:
        return False
    return True


def test_signatures() -> None:
    scheme = PRODUCT_SUITE.signature
    cases = [
        (raw(group["publicKey"]["pk"]), raw(test["msg"]), raw(test["sig"]), test["result"] == "valid")
        for group, test in wycheproof("ed25519_test.json")
    ]
    cases += [
        (raw(case["key"]), case["msg"].encode(), raw(case["sig"]), not case["flags"])
        for case in vector_json("cctv/ed25519vectors.json")
    ]
    for key, message, signature, expected in cases:
        verified = holds(scheme.verify, key, message, signature)
        assert verified == holds(ed25519.verify, key, message, signature)
        admitted = holds(scheme.require_public_key, key)
        assert (verified and admitted) == expected
    assert len(cases) == 151 + 914


def test_keys_for_encryption() -> None:
    admit = PRODUCT_SUITE.kem.require_public_key
    for _, test in wycheproof("mlkem_768_encaps_test.json"):
        assert holds(admit, raw(test["ek"]) + OUR_KEY[1184:]) == (test["result"] == "valid")
    for _, test in wycheproof("x25519_test.json"):
        public = raw(test["public"])
        low_order = "LowOrderPublic" in test["flags"]
        canonical = int.from_bytes(public, "little") < 2**255 - 19
        assert holds(admit, OUR_KEY[:1184] + public) == (canonical and not low_order)
