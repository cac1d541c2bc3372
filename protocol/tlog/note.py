# SPDX-License-Identifier: Apache-2.0
"""Signed notes: a text, and lines of signatures under it. What a signature signs is the matter of its kind.

1. A note is UTF-8 without control characters but newline; text and signatures part at the last empty line.
2. A line of signature is taken whole or the note is refused: base64 in its one form, no spare blanks.
3. A key is known by its name and its id; a line whose name or id differs is of somebody else, and ignored.
4. We know three kinds of keys; a key of another kind is refused where it is configured.
5. Every line by a known key must verify, or the note is refused; a note that nobody known signed is none.
"""

import hashlib
import re
from collections.abc import Sequence
from dataclasses import dataclass
from enum import IntEnum
from typing import Protocol

from protocol.errors import (
    LocalProtocolError,
    MalformedError,
    ReasonCode,
    UnsupportedVersionError,
    UntrustedError,
)
from protocol.octets import base64_text, parse_base64
from protocol.signing import ed25519

MAX_NOTE_BYTES = 256 * 1024
MAX_SIGNATURES = 64
"""Lines of signatures; sixteen at least must be taken, and one line may have 3.3 kB."""
MLDSA44_PUBLIC_KEY_BYTES = 1312
_KEY_ID_BYTES = 4
_NO_NAME = frozenset((*range(0x20), *range(0xD800, 0xE000)))
_CONTROL = re.compile(r"[\x00-\x09\x0b-\x1f]")
_LINE = re.compile(r"— (\S+) ([A-Za-z0-9+/]+={0,2})")
_VKEY = re.compile(r"([^+\s]+)\+([0-9a-f]{8})\+([A-Za-z0-9+/]+={0,2})")


class NoteSigner(Protocol):
    """Holds an Ed25519 key that signs notes."""

    @property
    def ed25519_public_key(self) -> bytes:
        """Raw public key, 32 bytes."""
        ...

    def sign_ed25519(self, message: bytes) -> bytes:
        """Sign the message itself; 64 bytes."""
        ...


class KeyKind(IntEnum):
    """The kinds of signatures that we make or check.

    Spec: C2SP signed-note 1.0, signature types; C2SP tlog-cosignature 1.0.
    """

    ED25519 = 0x01
    ED25519_COSIGNATURE = 0x04
    MLDSA44_COSIGNATURE = 0x06


_KEY_BYTES = {
    KeyKind.ED25519: ed25519.PUBLIC_KEY_BYTES,
    KeyKind.ED25519_COSIGNATURE: ed25519.PUBLIC_KEY_BYTES,
    KeyKind.MLDSA44_COSIGNATURE: MLDSA44_PUBLIC_KEY_BYTES,
}


@dataclass(frozen=True, slots=True)
class VerifierKey:
    """A key that may verify lines of a note; built by `verifier_key` or `parse_verifier_key`."""

    name: str
    kind: KeyKind
    public_key: bytes
    key_id: bytes

    def to_text(self) -> str:
        """Write the key as text: name, id in hex, kind and key in base64.

        Spec: C2SP signed-note 1.0, verifier keys.
        """
        return f"{self.name}+{self.key_id.hex()}+{base64_text(bytes([self.kind]) + self.public_key)}"


@dataclass(frozen=True, slots=True)
class NoteSignature:
    """One line of a note: who, and the bytes whose meaning depends on the kind of key."""

    name: str
    key_id: bytes
    signature: bytes

    def is_by(self, key: VerifierKey) -> bool:
        """Say whether the line claims to be by this key."""
        return self.key_id == key.key_id and self.name == key.name

    def to_text(self) -> str:
        """Write the line, with its newline.

        Spec: C2SP signed-note 1.0, format.
        """
        return f"— {self.name} {base64_text(self.key_id + self.signature)}\n"


@dataclass(frozen=True, slots=True)
class Note:
    """A text that ends with a newline, and at least one signature, none of them verified."""

    text: str
    signatures: tuple[NoteSignature, ...]

    def to_bytes(self) -> bytes:
        """Write the note.

        Spec: C2SP signed-note 1.0, format.
        """
        return f"{self.text}\n{''.join(line.to_text() for line in self.signatures)}".encode()

    def with_signatures(self, more: Sequence[NoteSignature]) -> "Note":
        """Return the note with these lines after its own; a line that is there already is not added.

        Raises:
            LocalProtocolError: more lines than a reader has to take.
        """
        lines = tuple(dict.fromkeys((*self.signatures, *more)))
        if len(lines) > MAX_SIGNATURES:
            raise LocalProtocolError("more signatures than a note may have")
        return Note(self.text, lines)


def verifier_key(name: str, kind: KeyKind, public_key: bytes) -> VerifierKey:
    """Build a key from its parts.

    Raises:
        MalformedError: a name with blanks or plus, or a key of the wrong length.
        UntrustedError: an Ed25519 key that can't be admitted.
    """
    if not is_key_name(name) or len(public_key) != _KEY_BYTES[kind]:
        raise MalformedError("not the name or the key of a verifier", code=ReasonCode.BAD_FIELD)
    if kind != KeyKind.MLDSA44_COSIGNATURE:
        ed25519.require_public_key(public_key)
    content = name.encode() + b"\n" + bytes([kind]) + public_key
    return VerifierKey(name, kind, public_key, hashlib.sha256(content).digest()[:_KEY_ID_BYTES])


def parse_verifier_key(text: str) -> VerifierKey:
    """Read a verifier key.

    Raises:
        MalformedError: not of the form, or an id that does not follow from name and key.
        UnsupportedVersionError: a kind of key that we do not know.
        UntrustedError: an Ed25519 key that can't be admitted.
    """
    match = _VKEY.fullmatch(text)
    if not match:
        raise MalformedError("not a verifier key", code=ReasonCode.BAD_FIELD)
    content = parse_base64(match[3])
    try:
        kind = KeyKind(content[0])
    except ValueError:
        raise UnsupportedVersionError("a kind of verifier key that is not known here") from None
    key = verifier_key(match[1], kind, content[1:])
    if key.key_id.hex() != match[2]:
        raise MalformedError("the id of a verifier key does not follow from it", code=ReasonCode.BAD_FIELD)
    return key


def is_key_name(name: str) -> bool:
    """Say whether a text can name a key: not empty, UTF-8, no blanks, no plus, no control characters."""
    return bool(name) and not any(c.isspace() or c == "+" or ord(c) in _NO_NAME for c in name)


def signed_note(text: str, signatures: Sequence[NoteSignature]) -> Note:
    """Put signatures under a text of our own.

    Raises:
        LocalProtocolError: the text is not one a note can hold.
    """
    if not text.endswith("\n") or _CONTROL.search(text) or not signatures:
        raise LocalProtocolError("not a text that can be signed as a note")
    return Note(text, tuple(signatures))


def sign_note(text: str, name: str, signer: NoteSigner) -> Note:
    """Sign a text with an Ed25519 key (kind 0x01).

    Raises:
        LocalProtocolError: the text is not one a note can hold.
        MalformedError: a name that no key can have.

    Spec: C2SP signed-note 1.0, Ed25519 signatures.
    """
    key = verifier_key(name, KeyKind.ED25519, signer.ed25519_public_key)
    return signed_note(text, [NoteSignature(name, key.key_id, signer.sign_ed25519(text.encode()))])


def parse_note(data: bytes) -> Note:
    """Read a note; nothing of it is verified.

    Raises:
        MalformedError: not a note in every byte, or more signatures than anybody needs.

    Spec: C2SP signed-note 1.0, format; PROTOCOL.md section 17.1.
    """
    text, lines = split_note(data)
    return Note(text, parse_signatures(lines))


def split_note(data: bytes) -> tuple[str, str]:
    """Part the text of a note from its lines of signatures, which are not read yet.

    Raises:
        MalformedError: too long, not UTF-8, control characters, or no empty line before the last lines.
    """
    if len(data) > MAX_NOTE_BYTES:
        raise MalformedError("a note too long", code=ReasonCode.TOO_LARGE)
    try:
        whole = data.decode("utf-8", "strict")
    except UnicodeDecodeError:
        raise MalformedError("a note that is not UTF-8", code=ReasonCode.BAD_FIELD) from None
    cut = whole.rfind("\n\n")
    if _CONTROL.search(whole) or cut < 0:
        raise MalformedError("not a note", code=ReasonCode.BAD_FIELD)
    return whole[: cut + 1], whole[cut + 2 :]


def parse_signatures(lines: str) -> tuple[NoteSignature, ...]:
    """Read lines of signatures: those of a note, or those that a witness answers with.

    Raises:
        MalformedError: not such lines in every character, none, or more than anybody needs.
    """
    if not lines.endswith("\n"):
        raise MalformedError("not lines of signatures", code=ReasonCode.BAD_FIELD)
    found = lines.split("\n")[:-1]
    if len(found) > MAX_SIGNATURES:
        raise MalformedError("a note with too many signatures", code=ReasonCode.TOO_LARGE)
    return tuple(_signature(line) for line in found)


def verify_note(data: bytes, known: Sequence[VerifierKey]) -> tuple[str, list[VerifierKey]]:
    """Verify a note that is signed with Ed25519 (kind 0x01); not for checkpoints, which have more kinds.

    Returns:
        The text, and the known keys that signed it, in the order of their lines.

    Raises:
        MalformedError: not a note.
        UntrustedError: a line by a known key does not verify, or there is none.
        LocalProtocolError: a known key of another kind.

    Spec: C2SP signed-note 1.0, signatures; PROTOCOL.md section 17.1.
    """
    if any(key.kind != KeyKind.ED25519 for key in known):
        raise LocalProtocolError("a kind of key that signs checkpoints only")
    note = parse_note(data)
    message, found = note.text.encode(), dict[VerifierKey, None]()
    for line in note.signatures:
        for key in known:
            if line.is_by(key):
                ed25519.verify(key.public_key, message, line.signature)
                found[key] = None
    if not found:
        raise UntrustedError("a note that nobody known has signed")
    return note.text, list(found)


def _signature(line: str) -> NoteSignature:
    match = _LINE.fullmatch(line)
    if not match or not is_key_name(match[1]):
        raise MalformedError("not a line of signature", code=ReasonCode.BAD_FIELD)
    content = parse_base64(match[2])
    if len(content) <= _KEY_ID_BYTES:
        raise MalformedError("a line without signature", code=ReasonCode.BAD_FIELD)
    return NoteSignature(match[1], content[:_KEY_ID_BYTES], content[_KEY_ID_BYTES:])
