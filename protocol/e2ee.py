# SPDX-License-Identifier: Apache-2.0
"""Sealing: a signed record in, an envelope out, and back for those it is addressed to.

The seam behind which group encryption can take this place: callers see records and envelopes only. It
signs nothing; who wrote the content is the business of the signature inside.

1. Content is encrypted once, under a key of its own; the key is wrapped for each recipient's X-Wing key.
2. A commitment to that key is part of everything: no second key opens the same octets to other content.
3. Frame, commitment and the whole list of wrapped keys are bound to content and to every wrapped key, so
   nothing can be moved to another frame, another place in the list or another list.
4. Why something cannot be opened is not told: one error for everything but an unknown suite.

sealed = u8 suite || op(commitment) || u8 n || n * (key id (32) || op(wrapped key)) || op(ciphertext)
"""

import hmac
from collections.abc import Sequence
from hashlib import sha256

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from protocol import hpke, limits
from protocol.envelope import Envelope, Frame, envelope_bytes, pad, unpad
from protocol.errors import (
    LocalProtocolError,
    MalformedError,
    ReasonCode,
    UnsupportedVersionError,
    UntrustedError,
)
from protocol.hpke import parse_xwing_public_key
from protocol.interfaces import Decapsulator, Entropy
from protocol.octets import Reader, Writer, op

_SUITE = 1
_KEY_BYTES = 32
_KEY_ID_BYTES = 32
_COMMITMENT_BYTES = 32
_WRAPPED_BYTES = hpke.OVERHEAD_BYTES + _KEY_BYTES
_NONCE = bytes(12)
"""The content key is used once, so its nonce never repeats."""


def seal(signed: bytes, frame: Frame, recipients: Sequence[bytes], entropy: Entropy) -> bytes:
    """Seal a signed record to its recipients.

    Args:
        signed: the record with its signature and attachments, as `SignedRecord.to_bytes` writes them.
        frame: the outer frame the sealed part is bound to.
        recipients: 1 to 20 different raw X-Wing public keys.
        entropy: draws the content key and the X25519 halves.

    Returns:
        The envelope.

    Raises:
        LocalProtocolError: no recipient, too many or one twice (`bad_field`), or too long (`too_large`).
        UntrustedError: a recipient's key cannot be admitted.

    Spec: PROTOCOL.md section 7.
    """
    holders = sorted((parse_xwing_public_key(raw) for raw in recipients), key=lambda holder: holder.key_id)
    if not 1 <= len(holders) <= limits.MAX_RECIPIENTS or len({holder.key_id for holder in holders}) < len(
        holders
    ):
        raise LocalProtocolError("recipients must be 1 to 20 different keys", code=ReasonCode.BAD_FIELD)
    frame_bytes = frame.to_bytes()
    frame_hash = sha256(frame_bytes).digest()
    padded = pad(signed)
    content_key = _content_key(entropy, frame_hash, padded)
    commitment = _commitment(content_key)
    info = _wrap_info(frame_hash, commitment)
    writer = Writer().u8(_SUITE).op(commitment).u8(len(holders))
    for holder in holders:
        key_id = bytes.fromhex(holder.key_id)
        wrapped = hpke.seal(holder.raw, content_key, info=info, aad=key_id, entropy=entropy)
        writer.raw(key_id).op(wrapped)
    head = writer.to_bytes()
    ciphertext = AESGCM(content_key).encrypt(_NONCE, padded, frame_hash + sha256(head).digest())
    return envelope_bytes(frame_bytes, head + op(ciphertext))


def open_envelope(envelope: Envelope, decapsulators: Sequence[Decapsulator]) -> bytes:
    """Open an envelope with whichever of our keys it is addressed to.

    Returns:
        What was sealed: the record with its signature and attachments.

    Raises:
        UntrustedError: it is not addressed to us, or any part of it was changed; no detail is given.
        UnsupportedVersionError: a suite that does not exist.

    Spec: PROTOCOL.md section 7.
    """
    if envelope.sealed[:1] != bytes((_SUITE,)):
        raise UnsupportedVersionError("a sealed part of another suite")
    try:
        return _open(envelope, decapsulators)
    except (MalformedError, UntrustedError, InvalidTag, ValueError):
        raise UntrustedError("cannot be opened") from None


def _open(envelope: Envelope, decapsulators: Sequence[Decapsulator]) -> bytes:
    reader = Reader(envelope.sealed)
    reader.u8()
    commitment = reader.op(_COMMITMENT_BYTES, _COMMITMENT_BYTES)
    wrapped_keys = _parse_wrapped_keys(reader)
    head = envelope.sealed[: reader.position]
    ciphertext = reader.op(limits.MAX_ENVELOPE_BYTES)
    reader.finish()
    frame_hash = sha256(envelope.frame_bytes).digest()
    for decapsulator in decapsulators:
        key_id = bytes.fromhex(decapsulator.key_id)
        if key_id in wrapped_keys:
            break
    else:
        raise UntrustedError("not addressed to us")
    info = _wrap_info(frame_hash, commitment)
    content_key = hpke.open_sealed(decapsulator, wrapped_keys[key_id], info=info, aad=key_id)
    if not hmac.compare_digest(_commitment(content_key), commitment):
        raise UntrustedError("another content key")
    padded = AESGCM(content_key).decrypt(_NONCE, ciphertext, frame_hash + sha256(head).digest())
    return unpad(padded)


def _parse_wrapped_keys(reader: Reader) -> dict[bytes, bytes]:
    """Take the list of wrapped keys: 1 to 20, by strictly rising key id."""
    count = reader.u8()
    if not 1 <= count <= limits.MAX_RECIPIENTS:
        raise MalformedError("a number of recipients outside the limit", code=ReasonCode.BAD_FIELD)
    wrapped_keys: dict[bytes, bytes] = {}
    last = b""
    for _ in range(count):
        key_id = reader.raw(_KEY_ID_BYTES)
        if key_id <= last:
            raise MalformedError("recipients out of order", code=ReasonCode.BAD_FIELD)
        wrapped_keys[key_id] = reader.op(_WRAPPED_BYTES, _WRAPPED_BYTES)
        last = key_id
    return wrapped_keys


def _content_key(entropy: Entropy, frame_hash: bytes, padded: bytes) -> bytes:
    """Draw a content key; should chance ever repeat itself, other content still gets another key."""
    drawn = entropy.random_bytes(_KEY_BYTES)
    return hmac.digest(drawn, b"anp1/content-key" + frame_hash + sha256(padded).digest(), "sha256")


def _commitment(content_key: bytes) -> bytes:
    return hmac.digest(content_key, b"anp1/commit", "sha256")


def _wrap_info(frame_hash: bytes, commitment: bytes) -> bytes:
    return b"anp1/seal" + op(frame_hash) + op(commitment)
