# SPDX-License-Identifier: Apache-2.0
"""The one place where an Ed25519 signature is judged. It signs nothing and knows no labels.

1. libsodium decides, for every signature in the product: two libraries give two verdicts on the same
   evidence for crafted signatures, so no other verifier may be called.
2. A key is admitted only if it is the canonical encoding of a point of prime order; under a small-order
   key, signatures verify for messages that nobody signed.
"""

from functools import lru_cache

from nacl.bindings import crypto_core_ed25519_is_valid_point, crypto_sign_open
from nacl.exceptions import BadSignatureError

from protocol.errors import UntrustedError

PUBLIC_KEY_BYTES = 32
SIGNATURE_BYTES = 64
_REMEMBERED_KEYS = 1024


@lru_cache(maxsize=_REMEMBERED_KEYS)
def require_public_key(raw: bytes) -> None:
    """Admit a public key, or raise; what was admitted is remembered.

    Raises:
        UntrustedError: wrong length, not canonical, not on the curve, or not of prime order.

    Spec: RFC 8032 section 5.1.3; PROTOCOL.md section 3.
    """
    if len(raw) != PUBLIC_KEY_BYTES or not crypto_core_ed25519_is_valid_point(raw):
        raise UntrustedError("not a public key that can be admitted")


def verify(public_key: bytes, message: bytes, signature: bytes) -> None:
    """Verify one signature (`R || S`, 64 bytes) under a key of 32 bytes.

    Raises:
        UntrustedError: the signature does not hold, or a length is wrong.

    Spec: RFC 8032 section 5.1.7, without cofactor; PROTOCOL.md section 4.
    """
    if len(public_key) != PUBLIC_KEY_BYTES or len(signature) != SIGNATURE_BYTES:
        raise UntrustedError("a signature does not hold")
    try:
        crypto_sign_open(signature + message, public_key)
    except BadSignatureError:
        raise UntrustedError("a signature does not hold") from None
