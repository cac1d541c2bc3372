# SPDX-License-Identifier: Apache-2.0
"""From a passphrase to a key: Argon2id, with bounds on what it may cost. It asks nobody for a passphrase.

1. A file states its own cost; below the minimum it is not trusted, above the maximum it is not computed.
2. A passphrase is text in NFC, so that the same keys pressed on two machines give the same bytes.
"""

import unicodedata
from dataclasses import dataclass
from typing import Final

from nacl.pwhash import argon2id

from keys.errors import WeakParametersError, WeakPassphraseError
from keys.secret import SecretBytes

MIB: Final = 1024 * 1024
MIN_OPSLIMIT: Final = 3
MAX_OPSLIMIT: Final = 16
MIN_MEMLIMIT_BYTES: Final = 64 * MIB
MAX_MEMLIMIT_BYTES: Final = 1024 * MIB
SALT_BYTES: Final = 16
KEY_BYTES: Final = 32
MIN_PASSPHRASE_CHARACTERS: Final = 12
MAX_PASSPHRASE_BYTES: Final = 1024


@dataclass(frozen=True, slots=True)
class HashCost:
    """What one guess at a passphrase costs.

    Attributes:
        opslimit: passes over the memory, 3 to 16.
        memlimit_bytes: memory, 64 MiB to 1 GiB.
    """

    opslimit: int
    memlimit_bytes: int

    def __post_init__(self) -> None:
        if self.opslimit < MIN_OPSLIMIT or self.memlimit_bytes < MIN_MEMLIMIT_BYTES:
            raise WeakParametersError("the passphrase hash of the key file is too cheap to guess", hint=_HINT)
        if self.opslimit > MAX_OPSLIMIT or self.memlimit_bytes > MAX_MEMLIMIT_BYTES:
            raise WeakParametersError("the passphrase hash of the key file costs too much", hint=_HINT)


_HINT = "This software writes no such file: somebody changed it. Restore it from a copy."

EVERY_START: Final = HashCost(opslimit=3, memlimit_bytes=128 * MIB)
"""For the node's own file, opened at each start: about 0.2 s on one core of a small machine."""
SELDOM: Final = HashCost(opslimit=3, memlimit_bytes=256 * MIB)
"""For root and officer keys: about 0.5 s."""
CHEAPEST: Final = HashCost(opslimit=MIN_OPSLIMIT, memlimit_bytes=MIN_MEMLIMIT_BYTES)
"""The least that is accepted: about 0.1 s."""


def passphrase_of(text: str) -> SecretBytes:
    """Turn what a person typed, or the first line of a file, into the bytes that are hashed.

    Raises:
        WeakPassphraseError: nothing, or far too much.
    """
    data = unicodedata.normalize("NFC", text).encode("utf-8", "surrogatepass")
    if not data or len(data) > MAX_PASSPHRASE_BYTES:
        raise WeakPassphraseError("the passphrase is empty or too long", hint=_LENGTH_HINT)
    return SecretBytes(data)


def require_strong(passphrase: SecretBytes) -> None:
    """Refuse a passphrase that a new file should not be sealed with.

    Raises:
        WeakPassphraseError: shorter than 12 characters.
    """
    if len(passphrase.reveal().decode("utf-8", "surrogatepass")) < MIN_PASSPHRASE_CHARACTERS:
        raise WeakPassphraseError("the passphrase is too short", hint=_LENGTH_HINT)


def key_from(passphrase: SecretBytes, salt: bytes, cost: HashCost) -> SecretBytes:
    """Hash a passphrase into a 32-byte key.

    Spec: RFC 9106 section 3.1, Argon2id with one lane.
    """
    return SecretBytes(
        argon2id.kdf(
            KEY_BYTES, passphrase.reveal(), salt, opslimit=cost.opslimit, memlimit=cost.memlimit_bytes
        )
    )


_LENGTH_HINT = f"Use at least {MIN_PASSPHRASE_CHARACTERS} characters, for example five words by chance."
