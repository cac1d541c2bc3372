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
from dataclasses import dataclass, field
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
from protocol.hpke import XWingPublicKey, parse_xwing_public_key
from protocol.interfaces import Decapsulator, Entropy
from protocol.octets import Reader, Writer, op

_SUITE = 1
_KEY_BYTES = 32
_KEY_ID_BYTES = 32
_COMMITMENT_BYTES = 32
_WRAPPED_BYTES = hpke.OVERHEAD_BYTES + _KEY_BYTES
_NONCE = bytes(12)
"""The content key is used once, so its nonce never repeats."""


@dataclass(frozen=True, slots=True)
class Letter:
    """What is sealed.

    Attributes:
        signed: the record with its signature and attachments, as `SignedRecord.to_bytes` writes them.
        frame: the outer frame the sealed part is bound to.
        recipients: 1 to 20 different raw X-Wing public keys.
    """

    signed: bytes = field(repr=False)
    frame: Frame
    recipients: Sequence[bytes] = field(repr=False)


def seal(signed: bytes, frame: Frame, recipients: Sequence[bytes], entropy: Entropy) -> bytes:
    """Seal one letter; see `Letter` and `seal_all`."""
    return seal_all([Letter(signed, frame, recipients)], entropy)[0]


def seal_all(letters: Sequence[Letter], entropy: Entropy) -> list[bytes]:
    """Seal letters to their recipients.

    All go through one step before the next begins: hashing, lattices and ciphers are other code on other
    data, and going back and forth at each letter costs a fifth more.

    Args:
        letters: what is sealed.
        entropy: draws the content keys and the X25519 halves.

    Returns:
        The envelopes, in order.

    Raises:
        LocalProtocolError: no recipient, too many or one twice (`bad_field`), or too long (`too_large`).
        UntrustedError: a recipient's key cannot be admitted.

    Spec: PROTOCOL.md section 7.
    """
    opened = [_begin(letter, entropy) for letter in letters]
    heads = [_wrap(one, entropy) for one in opened]
    return [_finish(one, head) for one, head in zip(opened, heads, strict=True)]


@dataclass(frozen=True, slots=True)
class _Open:
    """A letter with its content key, while it is being sealed."""

    holders: Sequence[XWingPublicKey]
    frame_bytes: bytes
    frame_hash: bytes
    padded: bytes = field(repr=False)
    content_key: bytes = field(repr=False)


def _begin(letter: Letter, entropy: Entropy) -> _Open:
    """Frame and pad a letter, and draw its content key."""
    holders = sorted(map(parse_xwing_public_key, letter.recipients), key=lambda holder: holder.key_id)
    if not 1 <= len(holders) <= limits.MAX_RECIPIENTS or len({holder.key_id for holder in holders}) < len(
        holders
    ):
        raise LocalProtocolError("recipients must be 1 to 20 different keys", code=ReasonCode.BAD_FIELD)
    frame_bytes = letter.frame.to_bytes()
    frame_hash = sha256(frame_bytes).digest()
    padded = pad(letter.signed)
    return _Open(holders, frame_bytes, frame_hash, padded, _content_key(entropy, frame_hash, padded))


def _wrap(letter: _Open, entropy: Entropy) -> bytes:
    """Wrap the content key for each recipient; return everything before the ciphertext."""
    commitment = _commitment(letter.content_key)
    info = _wrap_info(letter.frame_hash, commitment)
    writer = Writer().u8(_SUITE).op(commitment).u8(len(letter.holders))
    for holder in letter.holders:
        key_id = bytes.fromhex(holder.key_id)
        wrapped = hpke.seal(holder.raw, letter.content_key, info=info, aad=key_id, entropy=entropy)
        writer.raw(key_id).op(wrapped)
    return writer.to_bytes()


def _finish(letter: _Open, head: bytes) -> bytes:
    """Encrypt the content; return the envelope."""
    bound_to = letter.frame_hash + sha256(head).digest()
    ciphertext = AESGCM(letter.content_key).encrypt(_NONCE, letter.padded, bound_to)
    return envelope_bytes(letter.frame_bytes, head + op(ciphertext))


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
