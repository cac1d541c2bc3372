# SPDX-License-Identifier: Apache-2.0
"""Files of test data, and a signer that signs nothing twice.

ML-DSA draws chance with each signature. So that files can be made again and compared, a signature that the
file of before holds is used again, if it verifies for what is to be signed.
"""

import contextlib
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from protocol.errors import RemoteProtocolError
from protocol.identifiers import KeyId
from protocol.octets import Reader, base64_text, parse_base64
from protocol.signing import composite
from protocol.signing.composite import PublicKey
from tests.support.signers import SeededSigner

FOLDER = Path(__file__).parent
Document = dict[str, Any]


def read_file(name: str) -> Document:
    """Read a file of test data; empty if there is none yet."""
    path = FOLDER / name
    found: Document = json.loads(path.read_text("utf-8")) if path.exists() else {}
    return found


def written(document: Document) -> str:
    """Write a file of test data."""
    return json.dumps(document, indent=1, ensure_ascii=True) + "\n"


class RememberingSigner:
    """Implements `protocol.interfaces.Signer`."""

    def __init__(self, signer: SeededSigner, before: Document) -> None:
        self._signer = signer
        self._signed = set(_signed_in(before))

    @property
    def key_id(self) -> KeyId:
        return self._signer.key_id

    @property
    def public_key(self) -> bytes:
        return self._signer.public_key

    @property
    def admitted(self) -> PublicKey:
        return self._signer.admitted

    def sign(self, label: str, message: bytes) -> bytes:
        held = (signature for body, signature in sorted(self._signed) if body == message)
        return next((one for one in held if self._holds(label, message, one)), b"") or self._signer.sign(
            label, message
        )

    def _holds(self, label: str, message: bytes, signature: bytes) -> bool:
        try:
            composite.verify(self.admitted, label, message, signature)
        except RemoteProtocolError:
            return False
        return True


def _signed_in(document: Document) -> Iterator[tuple[bytes, bytes]]:
    """Yield body and signature of each signed object in a file, alone or in a list."""
    for case in document.get("cases", []):
        data = parse_base64(case["octets"])
        for one in (data, *_listed_in(data)):
            reader = Reader(one)
            with contextlib.suppress(RemoteProtocolError):
                reader.u8()
                yield reader.op(1 << 20), reader.op(composite.SIGNATURE_BYTES, composite.SIGNATURE_BYTES)


def _listed_in(data: bytes) -> list[bytes]:
    """Return what a list holds; nothing, if it is none."""
    reader = Reader(data)
    try:
        found = [reader.op(1 << 20) for _ in range(reader.u8())]
        reader.finish()
    except RemoteProtocolError:
        return []
    return found


def octets(data: bytes) -> str:
    """Write octets into a file of test data."""
    return base64_text(data)
