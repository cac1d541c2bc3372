# SPDX-License-Identifier: Apache-2.0
"""Composite signatures: ML-DSA-65 and Ed25519 over one message; both must hold. It keeps no private key.

1. The construction is id-MLDSA65-Ed25519-SHA512 of the composite ML-DSA draft (version 19); our label is
   its application context. Either half alone verifies for nothing else.
2. A public key exists as a value only after admission: lengths, and the strict test of the Ed25519 half.
3. A label is an argument of every signature, and of every verification.
"""

from dataclasses import dataclass, field
from functools import lru_cache
from hashlib import sha512

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.mldsa import MLDSA65PublicKey

from protocol.errors import LocalProtocolError, UntrustedError
from protocol.identifiers import KeyId, key_id_of
from protocol.signing import ed25519, labels

ALGORITHM = "composite-mldsa65-ed25519"
MLDSA_PUBLIC_KEY_BYTES = 1952
MLDSA_SIGNATURE_BYTES = 3309
PUBLIC_KEY_BYTES = MLDSA_PUBLIC_KEY_BYTES + ed25519.PUBLIC_KEY_BYTES
SIGNATURE_BYTES = MLDSA_SIGNATURE_BYTES + ed25519.SIGNATURE_BYTES

MLDSA_CONTEXT = b"COMPSIG-MLDSA65-Ed25519-SHA512"
"""What the ML-DSA half signs as its own context."""
_PREFIX = b"CompositeAlgorithmSignatures2025"
_REMEMBERED_KEYS = 1024


@dataclass(frozen=True, slots=True)
class PublicKey:
    """An admitted composite public key; made by `parse_public_key` only.

    Attributes:
        raw: ML-DSA-65 (1952 bytes), then Ed25519 (32 bytes).
        key_id: typed hash of `raw`.
        mldsa_half: the first half, ready for use.
        ed25519_half: the second half, 32 bytes.
    """

    raw: bytes = field(repr=False)
    key_id: KeyId
    mldsa_half: MLDSA65PublicKey = field(repr=False, compare=False)
    ed25519_half: bytes = field(repr=False, compare=False)


@lru_cache(maxsize=_REMEMBERED_KEYS)
def parse_public_key(raw: bytes) -> PublicKey:
    """Admit a composite public key of 1984 bytes.

    Raises:
        UntrustedError: wrong length, or a half that is not a public key of its kind.

    Spec: PROTOCOL.md section 3.
    """
    if len(raw) != PUBLIC_KEY_BYTES:
        raise UntrustedError("not a public key that can be admitted")
    mldsa_raw, ed25519_raw = raw[:MLDSA_PUBLIC_KEY_BYTES], raw[MLDSA_PUBLIC_KEY_BYTES:]
    ed25519.require_public_key(ed25519_raw)
    try:
        mldsa = MLDSA65PublicKey.from_public_bytes(mldsa_raw)
    except ValueError:
        raise UntrustedError("not a public key that can be admitted") from None
    return PublicKey(raw=raw, key_id=key_id_of(ALGORITHM, raw), mldsa_half=mldsa, ed25519_half=ed25519_raw)


def message_representative(label: str, message: bytes) -> bytes:
    """Return what both halves sign, under 200 bytes for a message of any length.

    Raises:
        LocalProtocolError: the label is none of `protocol.signing.labels`.

    Spec: draft-ietf-lamps-pq-composite-sigs-19 section 2.2; PROTOCOL.md section 4.
    """
    if label not in labels.ALL:
        raise LocalProtocolError("a signature needs a label of the list")
    return _representative(label.encode("ascii"), message)


def verify(public_key: PublicKey, label: str, message: bytes, signature: bytes) -> None:
    """Verify both halves of a signature of 3373 bytes made for one purpose.

    Raises:
        UntrustedError: a half does not hold, or the length is wrong.
        LocalProtocolError: the label is none of `protocol.signing.labels`.

    Spec: draft-ietf-lamps-pq-composite-sigs-19 section 3.3; PROTOCOL.md section 4.
    """
    _verify(public_key, message_representative(label, message), signature)


def _representative(context: bytes, message: bytes) -> bytes:
    return b"".join((_PREFIX, MLDSA_CONTEXT, bytes((len(context),)), context, sha512(message).digest()))


def _verify(public_key: PublicKey, representative: bytes, signature: bytes) -> None:
    if len(signature) != SIGNATURE_BYTES:
        raise UntrustedError("a signature does not hold")
    ed25519.verify(public_key.ed25519_half, representative, signature[MLDSA_SIGNATURE_BYTES:])
    try:
        public_key.mldsa_half.verify(signature[:MLDSA_SIGNATURE_BYTES], representative, MLDSA_CONTEXT)
    except InvalidSignature:
        raise UntrustedError("a signature does not hold") from None
