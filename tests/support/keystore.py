# SPDX-License-Identifier: Apache-2.0
"""Key files without the wait: the passphrase hash is slow on purpose, and most tests are not about it."""

import hashlib
from pathlib import Path

import pytest

from keys.at_rest import sealed_file
from keys.at_rest.passphrase_hash import HashCost
from keys.secret import SecretBytes

PASSPHRASE = "five words by chance here"


def quick_passphrase_hash(monkeypatch: pytest.MonkeyPatch) -> None:
    """Put one SHA-256 in the place of Argon2id, within this process and this test."""

    def quick(passphrase: SecretBytes, salt: bytes, cost: HashCost) -> SecretBytes:
        return SecretBytes(hashlib.sha256(salt + passphrase.reveal() + repr(cost).encode()).digest())

    monkeypatch.setattr(sealed_file, "key_from", quick)


def passphrase_file(folder: Path, text: str = PASSPHRASE) -> Path:
    path = folder / f"passphrase-{hashlib.sha256(text.encode()).hexdigest()[:8]}"
    path.write_text(text + "\n", "utf-8")
    path.chmod(0o600)
    return path
