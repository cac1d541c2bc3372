# SPDX-License-Identifier: Apache-2.0
"""What two people read to each other to be sure that they mean the same key or the same network.

1. Digits, because words fail across languages and scripts: 30 in 6 groups of 5, close to 100 bits.
2. Each group is 5 octets of SHA-256 over a fixed prefix and the 32-byte id, modulo 100000.
3. The QR code carries the whole id, so that a machine compares all of it.
"""

import hashlib
import io
from typing import Final

import segno

from protocol.identifiers import Digest, KeyId

GROUPS: Final = 6
_PREFIX: Final = b"anp1/fingerprint"


def digits(id_hex: KeyId | Digest) -> str:
    """Return the 30 digits of a key id or network fingerprint, groups apart by a space.

    Args:
        id_hex: 64 hex digits.

    Spec: PROTOCOL.md section 3.
    """
    digest = hashlib.sha256(_PREFIX + bytes.fromhex(id_hex)).digest()
    numbers = (int.from_bytes(digest[5 * group : 5 * group + 5], "big") for group in range(GROUPS))
    return " ".join(f"{number % 100_000:05d}" for number in numbers)


def is_same(read_aloud: str, id_hex: KeyId | Digest) -> bool:
    """Compare what a person typed with the digits of an id; only decimal digits of ASCII count."""
    typed = "".join(character for character in read_aloud if character in "0123456789")
    return typed == digits(id_hex).replace(" ", "")


def qr_text(id_hex: KeyId | Digest) -> str:
    """Return what the QR code says, in the characters that make it small."""
    return "ANP1:" + id_hex.upper()


def qr_terminal(id_hex: KeyId | Digest) -> str:
    """Draw the QR code with half blocks, for a terminal with light text on a dark ground."""
    drawing = io.StringIO()
    segno.make_qr(qr_text(id_hex), error="m").terminal(drawing, border=2, compact=True)
    return drawing.getvalue()
