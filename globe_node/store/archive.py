# SPDX-License-Identifier: Apache-2.0
"""The form of a backup: some files of a home folder, sealed under a passphrase. It knows no database.

1. Two lines of ASCII: what this is, and a header in canonical JSON with the cost and the salt of Argon2id.
   Then pieces of up to 1 MiB, each sealed by XChaCha20-Poly1305; a file of any size passes in one piece of
   memory.
2. The key is made for this archive alone, so a piece is numbered in its nonce; the header, and whether the
   piece is the last, are authenticated with each. A piece changed, moved, left out or cut off does not open.
3. Inside: a manifest in canonical JSON with name, size and SHA-256 of every file, then the files in order.
4. Only names from a closed list come out of an archive, into an empty folder.
"""

import hashlib
import os
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from nacl.bindings import (
    crypto_aead_xchacha20poly1305_ietf_decrypt,
    crypto_aead_xchacha20poly1305_ietf_encrypt,
)
from nacl.exceptions import CryptoError

from globe_node.errors import StoreError
from keys.at_rest.passphrase_hash import SALT_BYTES, HashCost, key_from
from keys.errors import WeakParametersError
from keys.secret import SecretBytes
from protocol import canonical
from protocol.canonical import JSONValue
from protocol.errors import ProtocolError, ReasonCode
from protocol.interfaces import Entropy
from protocol.octets import base64_text, parse_base64

VERSION = 1
PIECE_BYTES = 1024 * 1024
MAX_MANIFEST_BYTES = 256 * 1024
_FIRST_LINE = b"globe-node backup\n"
_MAX_HEADER_BYTES = 512
_TAG_BYTES = 16
_NAME = re.compile(r"node\.db|config\.toml|admission-request\.json|keystore/[a-z0-9][a-z0-9.-]{0,63}\.sealed")
_DAMAGED_HINT = "nothing was changed; take another copy of the backup"


@dataclass(frozen=True, slots=True)
class Manifest:
    """What an archive holds.

    Attributes:
        about: facts about the node at the time, for people; all text.
        files: size and SHA-256 in hex of each file, by its name in the home folder.
    """

    about: Mapping[str, str]
    files: Mapping[str, tuple[int, str]]


def is_archive_name(name: str) -> bool:
    """Say whether a file of this name may be in an archive."""
    return _NAME.fullmatch(name) is not None


def write_archive(
    out: BinaryIO,
    files: Mapping[str, Path],
    about: Mapping[str, str],
    *,
    passphrase: SecretBytes,
    cost: HashCost,
    entropy: Entropy,
) -> Manifest:
    """Seal files into an archive; they must not change meanwhile.

    Raises:
        StoreError: a name that has no place in an archive, or a file that changed or can't be read.
    """
    manifest = Manifest(dict(about), {name: _describe(name, path) for name, path in sorted(files.items())})
    salt = entropy.random_bytes(SALT_BYTES)
    header = canonical.to_bytes(
        {
            "v": VERSION,
            "kdf": "argon2id",
            "opslimit": cost.opslimit,
            "memlimit_bytes": cost.memlimit_bytes,
            "salt": base64_text(salt),
        }
    )
    bound = _FIRST_LINE + header + b"\n"
    out.write(bound)
    sealer = _Sealer(key_from(passphrase, salt, cost), bound)
    for piece, last in _marked_last(_pieces(_content(manifest, files))):
        out.write(sealer.seal(piece, last=last))
    return manifest


def read_archive(source: BinaryIO, passphrase: SecretBytes, folder: Path) -> Manifest:
    """Open an archive into an empty private folder.

    Raises:
        StoreError: not an archive, of a newer version, damaged, or sealed under another passphrase. What was
            written into the folder until then is worth nothing.
    """
    bound, salt, cost = _read_header(source)
    sealer = _Sealer(key_from(passphrase, salt, cost), bound)
    stream = _Stream(_opened(source, sealer))
    size = int.from_bytes(stream.take(4), "big")
    if size > MAX_MANIFEST_BYTES:
        raise _damaged()
    manifest = _parse_manifest(stream.take(size))
    for name in sorted(manifest.files):
        _extract(stream, folder / name, *manifest.files[name])
    if not stream.is_at_end():
        raise _damaged()
    return manifest


class _Sealer:
    """Seals and opens numbered pieces."""

    def __init__(self, key: SecretBytes, bound: bytes) -> None:
        self._key = key
        self._bound = hashlib.sha256(bound).digest()
        self._number = 0

    def seal(self, piece: bytes, *, last: bool) -> bytes:
        sealed: bytes = crypto_aead_xchacha20poly1305_ietf_encrypt(
            piece, self._bound + bytes([last]), self._nonce(), self._key.reveal()
        )
        return sealed

    def open_sealed(self, sealed: bytes, *, last: bool) -> bytes:
        nonce = self._nonce()
        try:
            piece: bytes = crypto_aead_xchacha20poly1305_ietf_decrypt(
                sealed, self._bound + bytes([last]), nonce, self._key.reveal()
            )
        except (CryptoError, ValueError):  # ValueError: shorter than its tag
            if nonce == bytes(24):
                raise StoreError(
                    "the passphrase does not open the backup, or its beginning is damaged",
                    hint="use the passphrase that the backup was made with, which may be a former one",
                    code=ReasonCode.REFUSED,
                ) from None
            raise _damaged() from None
        return piece

    def _nonce(self) -> bytes:
        nonce = self._number.to_bytes(24, "big")
        self._number += 1
        return nonce


class _Stream:
    """Takes exact amounts from pieces."""

    def __init__(self, pieces: Iterator[bytes]) -> None:
        self._pieces = pieces
        self._held = b""

    def take(self, size: int) -> bytes:
        parts, missing = [], size
        while missing:
            if not self._held:
                self._held = next(self._pieces, b"")
                if not self._held:
                    raise _damaged()
            parts.append(self._held[:missing])
            self._held = self._held[missing:]
            missing -= len(parts[-1])
        return b"".join(parts)

    def is_at_end(self) -> bool:
        return not self._held and not any(self._pieces)


def _describe(name: str, path: Path) -> tuple[int, str]:
    if not is_archive_name(name):
        raise StoreError("a file that has no place in a backup")
    digest, size = hashlib.sha256(), 0
    with path.open("rb") as file:
        while block := file.read(PIECE_BYTES):
            digest.update(block)
            size += len(block)
    return size, digest.hexdigest()


def _content(manifest: Manifest, files: Mapping[str, Path]) -> Iterator[bytes]:
    listed: dict[str, JSONValue] = {name: [size, found] for name, (size, found) in manifest.files.items()}
    head = canonical.to_bytes({"v": VERSION, "about": dict(manifest.about), "files": listed})
    yield len(head).to_bytes(4, "big") + head
    for name in sorted(files):
        digest, size = hashlib.sha256(), 0
        with files[name].open("rb") as file:
            while block := file.read(PIECE_BYTES):
                digest.update(block)
                size += len(block)
                yield block
        if (size, digest.hexdigest()) != manifest.files[name]:
            raise StoreError(f"{name} changed while it was copied", hint="try again")


def _pieces(blocks: Iterator[bytes]) -> Iterator[bytes]:
    held = b""
    for block in blocks:
        held += block
        while len(held) >= PIECE_BYTES:
            yield held[:PIECE_BYTES]
            held = held[PIECE_BYTES:]
    if held:
        yield held


def _marked_last(pieces: Iterator[bytes]) -> Iterator[tuple[bytes, bool]]:
    held: bytes | None = None
    for piece in pieces:
        if held is not None:
            yield held, False
        held = piece
    if held is not None:
        yield held, True


def _opened(source: BinaryIO, sealer: _Sealer) -> Iterator[bytes]:
    sealed_pieces = iter(lambda: source.read(PIECE_BYTES + _TAG_BYTES), b"")
    for sealed, last in _marked_last(sealed_pieces):
        yield sealer.open_sealed(sealed, last=last)


def _read_header(source: BinaryIO) -> tuple[bytes, bytes, HashCost]:
    first = source.readline(len(_FIRST_LINE))
    line = source.readline(_MAX_HEADER_BYTES)
    if first != _FIRST_LINE or not line.endswith(b"\n"):
        raise StoreError(
            "this is not a backup of a node", hint="name the right file", code=ReasonCode.BAD_REQUEST
        )
    try:
        members = canonical.parse_object(line[:-1], _MAX_HEADER_BYTES)
        if members.get("v") != VERSION:
            raise StoreError(
                "the backup was made by a newer program",
                hint="restore it with the version that made it",
                code=ReasonCode.BAD_VERSION,
            )
        salt, opslimit, memlimit = members["salt"], members["opslimit"], members["memlimit_bytes"]
        if set(members) != {"v", "kdf", "salt", "opslimit", "memlimit_bytes"} or members["kdf"] != "argon2id":
            raise _damaged()
        if not isinstance(salt, str) or not isinstance(opslimit, int) or not isinstance(memlimit, int):
            raise _damaged()
        cost = HashCost(opslimit=opslimit, memlimit_bytes=memlimit)
        return first + line, _salt(salt), cost
    except (ProtocolError, KeyError, WeakParametersError):
        raise _damaged() from None


def _salt(text: str) -> bytes:
    salt = parse_base64(text)
    if len(salt) != SALT_BYTES:
        raise _damaged()
    return salt


def _parse_manifest(data: bytes) -> Manifest:
    try:
        value = canonical.parse_object(data, MAX_MANIFEST_BYTES)
        about, files = value["about"], value["files"]
        if value["v"] != VERSION or not isinstance(about, Mapping) or not isinstance(files, Mapping):
            raise _damaged()
        return Manifest(
            {name: str(text) for name, text in about.items()},
            {name: _file_entry(name, entry) for name, entry in files.items()},
        )
    except (ProtocolError, KeyError):
        raise _damaged() from None


def _file_entry(name: str, entry: JSONValue) -> tuple[int, str]:
    if not is_archive_name(name) or not isinstance(entry, list) or len(entry) != 2:
        raise _damaged()
    size, digest = entry
    if not isinstance(size, int) or size < 0 or not isinstance(digest, str):
        raise _damaged()
    return size, digest


def _extract(stream: _Stream, path: Path, size: int, digest: str) -> None:
    path.parent.mkdir(mode=0o700, exist_ok=True)
    found, missing = hashlib.sha256(), size
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
    with os.fdopen(os.open(path, flags, 0o600), "wb") as file:
        while missing:
            block = stream.take(min(missing, PIECE_BYTES))
            found.update(block)
            file.write(block)
            missing -= len(block)
        file.flush()
        os.fsync(file.fileno())
    if found.hexdigest() != digest:
        raise _damaged()


def _damaged() -> StoreError:
    return StoreError("the backup is damaged", hint=_DAMAGED_HINT, code=ReasonCode.STORE_CORRUPT)
