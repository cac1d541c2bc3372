# SPDX-License-Identifier: Apache-2.0
"""Signatures under checkpoints: those of the log, and cosignatures of witnesses. It reads no clock.

1. A log signs with Ed25519 (0x01) and, beside it, with ML-DSA-44 (0x06, time 0). A witness cosigns with
   Ed25519 (0x04) and ML-DSA-44 (0x06), always with a time.
2. Every line by a known key is verified, and one that fails refuses the whole; lines of others are ignored.
3. The caller says which keys must have signed; a line of an unknown key proves nothing.
4. ML-DSA-44 signs names, range and root, and no extension lines: a checkpoint with both is refused, since
   nobody could say which of its lines were signed.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Protocol

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.mldsa import MLDSA44PublicKey

from protocol.errors import LocalProtocolError, MalformedError, ReasonCode, UntrustedError
from protocol.octets import Writer
from protocol.signing import ed25519
from protocol.tlog.checkpoint import Checkpoint, parse_checkpoint
from protocol.tlog.merkle import HASH_BYTES, MAX_SIZE
from protocol.tlog.note import (
    KeyKind,
    Note,
    NoteSignature,
    VerifierKey,
    parse_note,
    signed_note,
    verifier_key,
)

LOG_KINDS = frozenset({KeyKind.ED25519, KeyKind.MLDSA44_COSIGNATURE})
"""What a log may sign with."""
WITNESS_KINDS = frozenset({KeyKind.ED25519_COSIGNATURE, KeyKind.MLDSA44_COSIGNATURE})
"""What a witness may cosign with."""
MAX_TIME = MAX_SIZE
"""The latest time that a cosignature can name, in seconds of Unix time."""
MAX_NAME_BYTES = 255
_SUBTREE_LABEL = b"subtree/v1\n\x00"
_TIME_BYTES = 8
_MLDSA44_SIGNATURE_BYTES = 2420


class CheckpointSigner(Protocol):
    """Holds the key of a log or of a witness: bare signatures, and the public keys they verify under."""

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
class Subtree:
    """The part of a log's tree that an ML-DSA-44 line is about; a whole tree starts at 0.

    Attributes:
        origin: the one name of the log.
        start: first leaf.
        end: first leaf after it; for a whole tree, its size.
        root: root over these leaves, 32 bytes.
    """

    origin: str
    start: int
    end: int
    root: bytes


@dataclass(frozen=True, slots=True)
class SignedBy:
    """A line that was verified.

    Attributes:
        key: the key it verified under.
        at_seconds: Unix time that the line names; 0 for a kind without time.
        line: the line itself.
    """

    key: VerifierKey
    at_seconds: int
    line: NoteSignature


@dataclass(frozen=True, slots=True)
class VerifiedCheckpoint:
    """A checkpoint whose lines were verified.

    Attributes:
        checkpoint: what the log says.
        by_log: one entry for each key of the log that signed.
        by_witnesses: one entry for each key of a witness that cosigned; of two lines by one key, the later.
    """

    checkpoint: Checkpoint
    by_log: tuple[SignedBy, ...]
    by_witnesses: tuple[SignedBy, ...]


def log_keys(origin: str, signer: CheckpointSigner) -> tuple[VerifierKey, VerifierKey]:
    """Return the keys that verify a log's own lines, Ed25519 first; both are named like the log."""
    return (
        verifier_key(origin, KeyKind.ED25519, signer.ed25519_public_key),
        verifier_key(origin, KeyKind.MLDSA44_COSIGNATURE, signer.mldsa44_public_key),
    )


def witness_keys(name: str, signer: CheckpointSigner) -> tuple[VerifierKey, VerifierKey]:
    """Return the keys that verify a witness's cosignatures, Ed25519 first."""
    return (
        verifier_key(name, KeyKind.ED25519_COSIGNATURE, signer.ed25519_public_key),
        verifier_key(name, KeyKind.MLDSA44_COSIGNATURE, signer.mldsa44_public_key),
    )


def sign_checkpoint(checkpoint: Checkpoint, signer: CheckpointSigner) -> Note:
    """Sign a checkpoint with both keys of its log.

    The caller has made sure that no other checkpoint of this size was or will be signed.

    Raises:
        LocalProtocolError: extension lines, or what no checkpoint can have.

    Spec: C2SP tlog-checkpoint 1.0, signatures; PROTOCOL.md section 17.3.
    """
    text = checkpoint.to_text()
    plain, postquantum = log_keys(checkpoint.origin, signer)
    message = cosigned_message(postquantum.name, 0, _whole(checkpoint))
    return signed_note(
        text,
        (
            NoteSignature(plain.name, plain.key_id, signer.sign_ed25519(text.encode())),
            _timed(postquantum, 0, signer.sign_mldsa44(message)),
        ),
    )


def cosign(
    checkpoint: Checkpoint, name: str, signer: CheckpointSigner, *, at_seconds: int
) -> tuple[NoteSignature, ...]:
    """Cosign a checkpoint that was found to continue all that this witness has cosigned.

    Args:
        checkpoint: of a log that is not ours.
        name: of the witness.
        signer: its key, which serves this name and no other.
        at_seconds: now, in Unix time.

    Returns:
        The Ed25519 line and the ML-DSA-44 line; without the latter if there are extension lines, or an origin
        too long for it.

    Raises:
        LocalProtocolError: a time that no cosignature can have, or 0.

    Spec: C2SP tlog-cosignature 1.0; C2SP tlog-witness, add-checkpoint; PROTOCOL.md section 17.3.
    """
    if not 0 < at_seconds <= MAX_TIME:
        raise LocalProtocolError("a witness names the time at which it signs")
    plain, postquantum = witness_keys(name, signer)
    text = checkpoint.to_text()
    first = _timed(plain, at_seconds, signer.sign_ed25519(_timed_text(at_seconds, text)))
    if checkpoint.extension or len(checkpoint.origin.encode()) > MAX_NAME_BYTES:
        return (first,)
    message = cosigned_message(name, at_seconds, _whole(checkpoint))
    return first, _timed(postquantum, at_seconds, signer.sign_mldsa44(message))


def cosigned_message(name: str, at_seconds: int, subtree: Subtree) -> bytes:
    """Return what an ML-DSA-44 line signs.

    Raises:
        MalformedError: a name that is too long, or a subtree that no line can be about.

    Spec: C2SP tlog-cosignature 1.0, ML-DSA-44 signed message.
    """
    who, origin = name.encode(), subtree.origin.encode()
    if not 1 <= len(who) <= MAX_NAME_BYTES or not 1 <= len(origin) <= MAX_NAME_BYTES:
        raise MalformedError("a name too long to be cosigned", code=ReasonCode.BAD_FIELD)
    if not 0 <= subtree.start <= subtree.end <= MAX_SIZE or len(subtree.root) != HASH_BYTES:
        raise MalformedError("not a part of a tree", code=ReasonCode.BAD_FIELD)
    if subtree.start and at_seconds:
        raise MalformedError("a time beside a part of a tree", code=ReasonCode.BAD_FIELD)
    return (
        Writer()
        .raw(_SUBTREE_LABEL)
        .u8(len(who))
        .raw(who)
        .u64(at_seconds)
        .u8(len(origin))
        .raw(origin)
        .u64(subtree.start)
        .u64(subtree.end)
        .raw(subtree.root)
        .to_bytes()
    )


def verify_checkpoint(
    data: bytes,
    logs: Sequence[VerifierKey],
    *,
    witnesses: Sequence[VerifierKey] = (),
    required: Collection[VerifierKey] = (),
) -> VerifiedCheckpoint:
    """Verify a signed checkpoint; whether its origin is the right one is for the caller to say.

    Args:
        data: the note.
        logs: keys of the log, one of which must have signed.
        witnesses: keys of witnesses, whose lines are verified if they are there.
        required: those of both that must have signed.

    Raises:
        MalformedError: not a signed checkpoint.
        UntrustedError: a line by a known key that does not verify, or one that is missing.
        LocalProtocolError: a key of a kind that does not fit its part.

    Spec: C2SP signed-note 1.0, signatures; PROTOCOL.md section 17.3.
    """
    note = parse_note(data)
    verified = verify_lines(parse_checkpoint(note.text), note.signatures, logs, witnesses=witnesses)
    signed = {item.key for item in (*verified.by_log, *verified.by_witnesses)}
    if not verified.by_log or any(key not in signed for key in required):
        raise UntrustedError("a checkpoint that a required key has not signed")
    return verified


def verify_lines(
    checkpoint: Checkpoint,
    lines: Sequence[NoteSignature],
    logs: Sequence[VerifierKey],
    *,
    witnesses: Sequence[VerifierKey] = (),
) -> VerifiedCheckpoint:
    """Verify lines under a checkpoint; none of the keys need have signed.

    Raises:
        MalformedError: an ML-DSA-44 line by a known key under extension lines.
        UntrustedError: a line by a known key that does not verify.
        LocalProtocolError: a key of a kind that does not fit its part.
    """
    if any(key.kind not in LOG_KINDS for key in logs) or any(
        key.kind not in WITNESS_KINDS for key in witnesses
    ):
        raise LocalProtocolError("a key of a kind that does not fit its part")
    text = checkpoint.to_text()
    by_log: dict[VerifierKey, SignedBy] = {}
    by_witness: dict[VerifierKey, SignedBy] = {}
    for line in lines:
        for key in logs:
            if line.is_by(key):
                by_log.setdefault(key, SignedBy(key, _verify_line(text, checkpoint, key, line), line))
        for key in witnesses:
            if line.is_by(key):
                signed = SignedBy(key, _verify_line(text, checkpoint, key, line), line)
                if signed.at_seconds == 0:
                    raise UntrustedError("a cosignature without time")
                if key not in by_witness or by_witness[key].at_seconds < signed.at_seconds:
                    by_witness[key] = signed
    return VerifiedCheckpoint(checkpoint, tuple(by_log.values()), tuple(by_witness.values()))


def verify_subtree_line(subtree: Subtree, line: NoteSignature, key: VerifierKey) -> None:
    """Verify an ML-DSA-44 line about a part of a tree; its time must be 0.

    Raises:
        UntrustedError: by another key, of another kind, with a time, or it does not verify.
        MalformedError: not a part of a tree.

    Spec: C2SP tlog-cosignature 1.0, ML-DSA-44 signed message.
    """
    at_seconds, bare = _split(line.signature)
    if key.kind != KeyKind.MLDSA44_COSIGNATURE or not line.is_by(key) or at_seconds:
        raise UntrustedError("a signature does not hold")
    _verify_mldsa44(key.public_key, cosigned_message(key.name, 0, subtree), bare)


def _verify_line(text: str, checkpoint: Checkpoint, key: VerifierKey, line: NoteSignature) -> int:
    if key.kind == KeyKind.ED25519:
        ed25519.verify(key.public_key, text.encode(), line.signature)
        return 0
    at_seconds, bare = _split(line.signature)
    if key.kind == KeyKind.ED25519_COSIGNATURE:
        ed25519.verify(key.public_key, _timed_text(at_seconds, text), bare)
    elif checkpoint.extension:
        raise MalformedError("extension lines that a signature does not cover", code=ReasonCode.BAD_FIELD)
    else:
        message = cosigned_message(key.name, at_seconds, _whole(checkpoint))
        _verify_mldsa44(key.public_key, message, bare)
    return at_seconds


def _whole(checkpoint: Checkpoint) -> Subtree:
    if checkpoint.extension:
        raise LocalProtocolError("extension lines that a signature would not cover")
    return Subtree(checkpoint.origin, 0, checkpoint.size, checkpoint.root)


def _timed_text(at_seconds: int, text: str) -> bytes:
    return f"cosignature/v1\ntime {at_seconds}\n{text}".encode()


def _timed(key: VerifierKey, at_seconds: int, signature: bytes) -> NoteSignature:
    return NoteSignature(key.name, key.key_id, at_seconds.to_bytes(_TIME_BYTES, "big") + signature)


def _split(signature: bytes) -> tuple[int, bytes]:
    at_seconds = int.from_bytes(signature[:_TIME_BYTES], "big")
    if len(signature) <= _TIME_BYTES or at_seconds > MAX_TIME:
        raise UntrustedError("a signature does not hold")
    return at_seconds, signature[_TIME_BYTES:]


def _verify_mldsa44(public_key: bytes, message: bytes, signature: bytes) -> None:
    if len(signature) != _MLDSA44_SIGNATURE_BYTES:
        raise UntrustedError("a signature does not hold")
    try:
        MLDSA44PublicKey.from_public_bytes(public_key).verify(signature, message)
    except InvalidSignature:
        raise UntrustedError("a signature does not hold") from None
