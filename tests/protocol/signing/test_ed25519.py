# SPDX-License-Identifier: Apache-2.0
"""One verdict on Ed25519: outside data, and twelve crafted signatures on which libraries differ.

The twelve are built here after the rules of "Taming the Many EdDSAs" (Chalkias, Garillot, Nikolaenko, 2020).
"""

from dataclasses import dataclass

import pytest
from hypothesis import given
from hypothesis import strategies as st
from nacl.signing import SigningKey

from protocol.errors import UntrustedError
from protocol.signing import ed25519
from tests.support.edwards import BASE, IDENTITY, TORSION, L, P, Point, add, challenge, encode, multiply
from tests.support.vectors import vector_json, wycheproof

SIGNING_KEY = SigningKey(bytes(range(32)))
KEY = bytes(SIGNING_KEY.verify_key)


def admitted(key: bytes) -> bool:
    try:
        ed25519.require_public_key(key)
    except UntrustedError:
        return False
    return True


def holds(key: bytes, message: bytes, signature: bytes) -> bool:
    try:
        ed25519.verify(key, message, signature)
    except UntrustedError:
        return False
    return True


@dataclass(frozen=True)
class Crafted:
    name: str
    key: bytes
    message: bytes
    signature: bytes
    holds: bool = False
    admitted: bool = False


def craft(
    name: str,
    *,
    a: int,
    r: int,
    key_torsion: Point = IDENTITY,
    r_torsion: Point = IDENTITY,
    cofactorless: bool | None = None,
    key_bytes: bytes | None = None,
    r_bytes: bytes | None = None,
    add_to_s: int = 0,
    holds: bool = False,
    admitted: bool = False,
) -> Crafted:
    """Sign with a key and an R that carry components of small order, under the equation with cofactor.

    `cofactorless` looks for a message for which the equation without cofactor holds too, or does not;
    `key_bytes` and `r_bytes` are other encodings of the same points.
    """
    key = key_bytes or encode(add(multiply(a, BASE), key_torsion))
    commitment = r_bytes or encode(add(multiply(r, BASE), r_torsion))
    for number in range(1000):
        message = f"crafted {number}".encode()
        h = challenge(commitment, key, message)
        residue = add(r_torsion, multiply(h % 8, key_torsion))
        if cofactorless is None or (residue == IDENTITY) == cofactorless:
            break
    else:
        raise AssertionError("no such message found")
    s = (r + h * a) % L + add_to_s
    signature = commitment + s.to_bytes(32, "little")
    return Crafted(name, key, message, signature, holds=holds, admitted=admitted)


FULL, HALF = TORSION[1], TORSION[4]  # orders 8 and 2
NON_CANONICAL_IDENTITY = (P + 1).to_bytes(32, "little")
NON_CANONICAL_HALF = bytes(NON_CANONICAL_IDENTITY[:31]) + b"\xff"  # y = P + 1 with a sign that x = 0 has not
CRAFTED = [
    craft("small key, small R, S = 0", a=0, r=0, key_torsion=FULL, r_torsion=FULL, cofactorless=True),
    craft("small key, mixed R", a=0, r=7, key_torsion=FULL, r_torsion=FULL, cofactorless=True),
    craft("mixed key, small R", a=5, r=0, key_torsion=FULL, r_torsion=FULL, cofactorless=True),
    craft("mixed key, mixed R", a=5, r=7, key_torsion=FULL, r_torsion=FULL, cofactorless=True, holds=True),
    craft("holds with cofactor only", a=5, r=7, key_torsion=FULL, r_torsion=HALF, cofactorless=False),
    craft("holds with cofactor only, R of prime order", a=5, r=7, key_torsion=FULL, cofactorless=False),
    craft("S over the order", a=5, r=7, add_to_s=L, admitted=True),
    craft("S far over the order", a=5, r=7, add_to_s=14 * L, admitted=True),
    craft("R not canonical", a=5, r=0, r_bytes=NON_CANONICAL_IDENTITY, admitted=True),
    craft("R not canonical, and its sign", a=5, r=0, r_bytes=NON_CANONICAL_HALF, admitted=True),
    craft("key not canonical", a=0, r=7, key_bytes=NON_CANONICAL_IDENTITY),
    craft("key not canonical, and its sign", a=0, r=7, key_bytes=NON_CANONICAL_HALF),
]


@pytest.mark.parametrize("case", CRAFTED, ids=[case.name for case in CRAFTED])
def test_crafted_signatures(case: Crafted) -> None:
    assert holds(case.key, case.message, case.signature) == case.holds
    assert admitted(case.key) == case.admitted
    assert not (case.holds and case.admitted)


def test_the_craft_makes_a_signature_that_holds_without_a_trick() -> None:
    plain = craft("plain", a=5, r=7, holds=True, admitted=True)
    assert holds(plain.key, plain.message, plain.signature)
    assert admitted(plain.key)


@pytest.mark.parametrize("point", TORSION)
def test_small_order_keys_are_refused(point: Point) -> None:
    assert not admitted(encode(point))
    assert not admitted(encode(point)[:31] + bytes((encode(point)[31] ^ 0x80,)))


@pytest.mark.parametrize("y", range(P, 2**255))
def test_keys_that_are_not_canonical_are_refused(y: int) -> None:
    for sign in (0, 1 << 255):
        assert not admitted((y | sign).to_bytes(32, "little"))


@pytest.mark.parametrize("times", range(1, 8))
def test_keys_of_mixed_order_are_refused(times: int) -> None:
    assert not admitted(encode(add(multiply(5, BASE), TORSION[times])))


@pytest.mark.parametrize("key", [b"", bytes(31), KEY + b"\0", (2).to_bytes(32, "little"), b"\xff" * 32])
def test_what_is_no_key_is_refused(key: bytes) -> None:
    assert not admitted(key)
    assert not holds(key, b"message", bytes(64))


@given(st.binary(max_size=64), st.integers(0, 511), st.integers(1, 255))
def test_only_the_signature_as_made_holds(message: bytes, bit: int, change: int) -> None:
    signature = SIGNING_KEY.sign(message).signature
    assert holds(KEY, message, signature)
    changed = bytearray(signature)
    changed[bit // 8] ^= 1 << bit % 8
    assert not holds(KEY, message, bytes(changed))
    assert not holds(KEY, message + bytes((change,)), signature)
    assert not holds(KEY, message, signature[:63])
    assert not holds(KEY, message, signature + b"\0")


@pytest.mark.vectors
def test_wycheproof() -> None:
    cases = wycheproof("ed25519_test.json")
    for group, test in cases:
        key = bytes.fromhex(group["publicKey"]["pk"])
        verdict = admitted(key) and holds(key, bytes.fromhex(test["msg"]), bytes.fromhex(test["sig"]))
        assert verdict == (test["result"] == "valid"), test["tcId"]
    assert len(cases) == 151


@pytest.mark.vectors
def test_edge_cases_of_the_go_community() -> None:
    """Of 914 signatures built from points of small order, only the one without such a point passes."""
    cases = vector_json("cctv/ed25519vectors.json")
    verified = 0
    for case in cases:
        key, message = bytes.fromhex(case["key"]), case["msg"].encode()
        verdict = holds(key, message, bytes.fromhex(case["sig"]))
        flags = set(case["flags"] or ())
        verified += verdict
        assert (verdict and admitted(key)) == (not flags), case["number"]
        if verdict:
            assert flags <= {"low_order_component_A", "low_order_component_R"}, case["number"]
    assert (len(cases), verified) == (914, 43)
