# SPDX-License-Identifier: Apache-2.0
"""The sealed form of a key file: secrets to bytes and back, under a passphrase. It opens no file.

1. Four lines of ASCII: what this is; a header in canonical JSON; the sealed secrets in base64; SHA-256 of the
   three lines before, in hex. The last line tells accident from a wrong passphrase and protects nothing.
2. Sealed by XChaCha20-Poly1305 with a key that Argon2id makes from the passphrase and a fresh salt; the first
   two lines are authenticated with it.
3. What is inside is one canonical JSON object; what its members mean is `keys.at_rest.contents`.
4. Nothing of a header is trusted before its bounds are checked; nothing of a newer version is guessed.
"""

import hashlib
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from nacl.bindings import (
    crypto_aead_xchacha20poly1305_ietf_decrypt,
    crypto_aead_xchacha20poly1305_ietf_encrypt,
)
from nacl.exceptions import CryptoError

from keys.at_rest.members import octets, require_names, text, whole
from keys.at_rest.passphrase_hash import SALT_BYTES, HashCost, key_from
from keys.errors import KeyFileDamagedError, KeyFileVersionError, WrongPassphraseError
from keys.secret import SecretBytes
from protocol import canonical
from protocol.canonical import JSONObject
from protocol.errors import MalformedError, ProtocolError
from protocol.interfaces import Entropy
from protocol.octets import base64_text, parse_base64

VERSION: Final = 1
MAX_FILE_BYTES: Final = 512 * 1024
"""A node with the most former keys it may keep needs half of it."""
_FIRST_LINE: Final = b"globe-node sealed key file"
_KDF: Final = "argon2id"
_NONCE_BYTES: Final = 24
_MAX_HEADER_BYTES: Final = 512
_LAST_LINE_BYTES: Final = 65
_HEADER_MEMBERS: Final = frozenset({"v", "kind", "kdf", "opslimit", "memlimit_bytes", "salt", "nonce"})
_RESTORE: Final = "Restore the file from a copy; nothing was changed."


class FileKind(StrEnum):
    """Whose keys are in a file."""

    NODE = "node"
    ROOT = "root"
    OFFICER = "officer"


@dataclass(frozen=True, slots=True)
class _Header:
    kind: FileKind
    cost: HashCost
    salt: bytes
    nonce: bytes

    def to_bytes(self) -> bytes:
        return canonical.to_bytes(
            {
                "v": VERSION,
                "kind": self.kind.value,
                "kdf": _KDF,
                "opslimit": self.cost.opslimit,
                "memlimit_bytes": self.cost.memlimit_bytes,
                "salt": base64_text(self.salt),
                "nonce": base64_text(self.nonce),
            }
        )


def seal(
    kind: FileKind, secrets: JSONObject, *, passphrase: SecretBytes, cost: HashCost, entropy: Entropy
) -> bytes:
    """Seal secrets into the bytes of a key file.

    Args:
        kind: whose keys these are; opening asks for the same kind.
        secrets: members as `keys.at_rest.contents` writes them.
        passphrase: as `passphrase_of` returns it.
        cost: of the passphrase hash.
        entropy: 16 bytes for the salt and 24 for the nonce are drawn.
    """
    header = _Header(kind, cost, entropy.random_bytes(SALT_BYTES), entropy.random_bytes(_NONCE_BYTES))
    bound = _FIRST_LINE + b"\n" + header.to_bytes() + b"\n"
    key = key_from(passphrase, header.salt, cost)
    sealed: bytes = crypto_aead_xchacha20poly1305_ietf_encrypt(
        canonical.to_bytes(secrets), bound, header.nonce, key.reveal()
    )
    lines = bound + base64_text(sealed).encode("ascii") + b"\n"
    return lines + _last_line(lines)


def open_sealed(kind: FileKind, data: bytes, passphrase: SecretBytes) -> JSONObject:
    """Open the bytes of a key file.

    Raises:
        KeyFileVersionError: written by newer software.
        KeyFileDamagedError: not a key file of this kind, or not as it was written.
        WeakParametersError: its passphrase hash costs less or more than is allowed.
        WrongPassphraseError: the passphrase does not open it.
    """
    bound, header, sealed = _parse(data)
    if header.kind is not kind:
        raise KeyFileDamagedError(
            f"this file holds a {header.kind} key, not a {kind} key", hint="Name the right file."
        )
    key = key_from(passphrase, header.salt, header.cost)
    try:
        plaintext = crypto_aead_xchacha20poly1305_ietf_decrypt(sealed, bound, header.nonce, key.reveal())
    except (CryptoError, ValueError):  # ValueError: shorter than its tag
        raise WrongPassphraseError(
            "the passphrase does not open the key file",
            hint="Check the keyboard layout and try again. Without the passphrase the keys can't be had.",
        ) from None
    try:
        return canonical.parse_object(plaintext, MAX_FILE_BYTES)
    except ProtocolError:
        raise _damaged() from None


def _parse(data: bytes) -> tuple[bytes, _Header, bytes]:
    lines = data.split(b"\n") if len(data) <= MAX_FILE_BYTES else []
    if len(lines) < 2 or lines[0] != _FIRST_LINE:
        raise _damaged()
    try:
        members = canonical.parse_object(lines[1], _MAX_HEADER_BYTES)
        _require_known_version(whole(members, "v"))
        first_three, last = data[:-_LAST_LINE_BYTES], data[-_LAST_LINE_BYTES:]
        if len(lines) != 5 or last != _last_line(first_three):
            raise _damaged()
        bound = b"".join(line + b"\n" for line in lines[:2])
        return bound, _parse_header(members), parse_base64(lines[2].decode("ascii"))
    except (ProtocolError, UnicodeDecodeError):
        raise _damaged() from None


def _require_known_version(version: int) -> None:
    if version > VERSION:
        raise KeyFileVersionError(
            f"the key file has version {version}; this software knows up to {VERSION}",
            hint="Use the newer software that wrote it, or restore the copy made before the upgrade.",
        )


def _parse_header(members: JSONObject) -> _Header:
    require_names(members, _HEADER_MEMBERS)
    kind, salt, nonce = text(members, "kind"), octets(members, "salt"), octets(members, "nonce")
    known = (whole(members, "v"), text(members, "kdf")) == (VERSION, _KDF) and kind in list(FileKind)
    if not known or (len(salt), len(nonce)) != (SALT_BYTES, _NONCE_BYTES):
        raise MalformedError("the header of a key file")
    return _Header(
        kind=FileKind(kind),
        cost=HashCost(opslimit=whole(members, "opslimit"), memlimit_bytes=whole(members, "memlimit_bytes")),
        salt=salt,
        nonce=nonce,
    )


def _last_line(first_three: bytes) -> bytes:
    return hashlib.sha256(first_three).hexdigest().encode("ascii") + b"\n"


def _damaged() -> KeyFileDamagedError:
    return KeyFileDamagedError("the key file is damaged", hint=_RESTORE)
