# SPDX-License-Identifier: Apache-2.0
"""The primitives of group encryption: bare calls of their libraries, with 2 KiB where the length matters."""

import hashlib
import hmac
import os
import statistics
import time
from collections.abc import Callable

from cryptography.hazmat.primitives.asymmetric.mlkem import MLKEM768PrivateKey, MLKEM768PublicKey
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from nacl import bindings

DATA = os.urandom(2048)


def primitives() -> dict[str, float]:
    """Time the bare calls; microseconds each."""
    public, private = bindings.crypto_sign_seed_keypair(os.urandom(32))
    signed = bindings.crypto_sign(DATA, private)
    key, nonce, scalar = os.urandom(32), bytes(12), os.urandom(32)
    point = bindings.crypto_scalarmult_base(scalar)
    seed = os.urandom(64)
    lattice = MLKEM768PrivateKey.from_seed_bytes(seed)
    lattice_public = lattice.public_key()
    lattice_raw = lattice_public.public_bytes_raw()
    _, encapsulated = lattice_public.encapsulate()

    def key_pair() -> bytes:
        return MLKEM768PrivateKey.from_seed_bytes(seed).public_key().public_bytes_raw()

    return {
        "sign": _each(lambda: bindings.crypto_sign(DATA, private), 60),
        "verify": _each(lambda: bindings.crypto_sign_open(signed, public), 40),
        "admit_edwards": _each(lambda: bindings.crypto_core_ed25519_is_valid_point(public), 60),
        "cipher": _each(lambda: AESGCM(key).encrypt(nonce, DATA, b""), 200),
        "tag": _each(lambda: hmac.digest(key, DATA[:100], "sha384"), 200),
        "digest": _each(lambda: hashlib.sha384(DATA).digest(), 200),
        "key_pair": _each(key_pair, 20) + _each(lambda: bindings.crypto_scalarmult_base(scalar), 60),
        "encapsulate": _each(lattice_public.encapsulate, 40)
        + _each(lambda: bindings.crypto_scalarmult_base(scalar), 60)
        + _each(lambda: bindings.crypto_scalarmult(scalar, point), 60),
        "decapsulate": _each(lambda: MLKEM768PrivateKey.from_seed_bytes(seed), 20)
        + _each(lambda: lattice.decapsulate(encapsulated), 40)
        + _each(lambda: bindings.crypto_scalarmult(scalar, point), 60),
        "admit_lattice": _each(lambda: MLKEM768PublicKey.from_public_bytes(lattice_raw), 40),
    }


def _each(action: Callable[[], object], times: int) -> float:
    """Microseconds of processor time of one call: the median of five rounds."""
    rounds = []
    for _ in range(5):
        started = time.process_time()
        for _ in range(times):
            action()
        rounds.append((time.process_time() - started) / times * 1e6)
    return statistics.median(rounds)
