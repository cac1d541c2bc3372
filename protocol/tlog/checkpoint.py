# SPDX-License-Identifier: Apache-2.0
"""Checkpoints: what a log says about its tree, signed as a note. Not proofs: see `merkle`.

1. The text is origin, size and root, a line each, and nothing else: what ML-DSA does not sign has no place.
2. A log signs with Ed25519 and, beside it, with ML-DSA-44; a witness with either of the cosignatures.
3. Every line by a known key is verified, and one that fails refuses the whole; lines of others are ignored.
4. The caller says which keys must have signed; a line of an unknown key proves nothing.
"""

import base64
import re
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Protocol

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.mldsa import MLDSA44PublicKey

from protocol.errors import LocalProtocolError, MalformedError, ReasonCode, UntrustedError
from protocol.octets import base64_text
from protocol.signing import ed25519
from protocol.tlog.merkle import HASH_BYTES, MAX_SIZE
from protocol.tlog.note import (
    KeyKind,
    Note,
    NoteSignature,
    VerifierKey,
    is_key_name,
    parse_note,
    signed_note,
    verifier_key,
)

_TEXT = re.compile(r"([^\n]+)\n(0|[1-9][0-9]{0,18})\n([A-Za-z0-9+/]{43}=)\n")
_SUBTREE_LABEL = b"subtree/v1\n\x00"
_TIMESTAMP_BYTES = 8
_MLDSA44_SIGNATURE_BYTES = 2420


class CheckpointSigner(Protocol):
    """Holds the key of a log: bare signatures, and the public keys they verify under."""

    @property
    def ed25519_public_key(self) -> bytes:
        """Raw Ed25519 public key, 32 bytes."""
        ...

    @property
    def mldsa44_public_key(self) -> bytes:
        """Raw ML-DSA-44 public key, 1312 bytes."""
        ...

    def sign_ed25519(self, message: bytes) -> bytes:
        """Sign the message itself; 64 bytes."""
        ...

    def sign_mldsa44(self, message: bytes) -> bytes:
        """Sign the message itself with an empty context; 2420 bytes."""
        ...


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """A log's statement about its tree.

    Attributes:
        origin: the one name of the log.
        size: number of leaves.
        root: 32 bytes.
    """

    origin: str
    size: int
    root: bytes

    def to_text(self) -> str:
        """Write the text that is signed.

        Raises:
            LocalProtocolError: an origin, size or root that no checkpoint can have.

        Spec: C2SP tlog-checkpoint 1.0, note text; PROTOCOL.md section 13.
        """
        if not is_key_name(self.origin) or not 0 <= self.size <= MAX_SIZE or len(self.root) != HASH_BYTES:
            raise LocalProtocolError("not a checkpoint that can be signed")
        return f"{self.origin}\n{self.size}\n{base64_text(self.root)}\n"


@dataclass(frozen=True, slots=True)
class SignedBy:
    """A line that was verified.

    Attributes:
        key: the key it verified under.
        at_seconds: Unix time of a witness; 0 for a log's own line, and for a kind without time.
    """

    key: VerifierKey
    at_seconds: int


def parse_checkpoint(text: str) -> Checkpoint:
    """Read the text of a checkpoint.

    Raises:
        MalformedError: not the three lines, or a size or root out of bounds.
    """
    match = _TEXT.fullmatch(text)
    if not match or not is_key_name(match[1]) or int(match[2]) > MAX_SIZE:
        raise MalformedError("not a checkpoint", code=ReasonCode.BAD_FIELD)
    root = base64.b64decode(match[3])
    if base64_text(root) != match[3]:
        raise MalformedError("a root that is not base64 in its one form", code=ReasonCode.BAD_FIELD)
    return Checkpoint(match[1], int(match[2]), root)


def verifier_keys(origin: str, signer: CheckpointSigner) -> tuple[VerifierKey, VerifierKey]:
    """Return the keys that verify a log's own lines, Ed25519 first; both are named like the log."""
    return (
        verifier_key(origin, KeyKind.ED25519, signer.ed25519_public_key),
        verifier_key(origin, KeyKind.MLDSA44_COSIGNATURE, signer.mldsa44_public_key),
    )


def sign_checkpoint(checkpoint: Checkpoint, signer: CheckpointSigner) -> Note:
    """Sign a checkpoint with both keys of its log.

    The caller has made sure that no other checkpoint of this size was or will be signed.

    Spec: C2SP tlog-checkpoint 1.0, signatures; PROTOCOL.md section 13.
    """
    text = checkpoint.to_text()
    plain, postquantum = verifier_keys(checkpoint.origin, signer)
    message = cosigned_message(postquantum.name, 0, checkpoint)
    return signed_note(
        text,
        (
            NoteSignature(plain.name, plain.key_id, signer.sign_ed25519(text.encode())),
            NoteSignature(postquantum.name, postquantum.key_id, bytes(8) + signer.sign_mldsa44(message)),
        ),
    )


def cosigned_message(name: str, at_seconds: int, checkpoint: Checkpoint) -> bytes:
    """Return what an ML-DSA-44 line signs.

    Spec: C2SP tlog-cosignature 1.0, ML-DSA-44 signed message.
    """
    who, origin = name.encode(), checkpoint.origin.encode()
    if not 1 <= len(who) <= 255 or not 1 <= len(origin) <= 255:
        raise MalformedError("a name too long to be cosigned", code=ReasonCode.BAD_FIELD)
    return b"".join(
        (
            _SUBTREE_LABEL,
            bytes([len(who)]) + who,
            at_seconds.to_bytes(8, "big"),
            bytes([len(origin)]) + origin,
            bytes(8),
            checkpoint.size.to_bytes(8, "big"),
            checkpoint.root,
        )
    )


def verify_checkpoint(
    data: bytes, known: Sequence[VerifierKey], *, required: Collection[VerifierKey] = ()
) -> tuple[Checkpoint, list[SignedBy]]:
    """Verify a signed checkpoint.

    Args:
        data: the note.
        known: the keys whose lines are verified.
        required: those of them that must have signed; if empty, one of the known keys must.

    Returns:
        The checkpoint, and one entry for each key that signed it.

    Raises:
        MalformedError: not a signed checkpoint.
        UntrustedError: a line by a known key that does not verify, or a required one that is missing.

    Spec: C2SP signed-note 1.0, signatures; PROTOCOL.md section 13.
    """
    note = parse_note(data)
    checkpoint = parse_checkpoint(note.text)
    found: dict[VerifierKey, SignedBy] = {}
    for line in note.signatures:
        for key in known:
            if line.is_by(key):
                signed = SignedBy(key, _verify_line(note.text, checkpoint, key, line.signature))
                found.setdefault(key, signed)
    if not found or any(key not in found for key in required):
        raise UntrustedError("a checkpoint that a required key has not signed")
    return checkpoint, list(found.values())


def _verify_line(text: str, checkpoint: Checkpoint, key: VerifierKey, signature: bytes) -> int:
    if key.kind == KeyKind.ED25519:
        ed25519.verify(key.public_key, text.encode(), signature)
        return 0
    at_seconds = int.from_bytes(signature[:_TIMESTAMP_BYTES], "big")
    bare = signature[_TIMESTAMP_BYTES:]
    if at_seconds > MAX_SIZE:
        raise UntrustedError("a signature does not hold")
    if key.kind == KeyKind.ED25519_COSIGNATURE:
        message = f"cosignature/v1\ntime {at_seconds}\n{text}".encode()
        ed25519.verify(key.public_key, message, bare)
        return at_seconds
    _verify_mldsa44(key.public_key, cosigned_message(key.name, at_seconds, checkpoint), bare)
    return at_seconds


def _verify_mldsa44(public_key: bytes, message: bytes, signature: bytes) -> None:
    if len(signature) != _MLDSA44_SIGNATURE_BYTES:
        raise UntrustedError("a signature does not hold")
    try:
        MLDSA44PublicKey.from_public_bytes(public_key).verify(signature, message)
    except InvalidSignature:
        raise UntrustedError("a signature does not hold") from None
