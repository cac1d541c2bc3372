# SPDX-License-Identifier: Apache-2.0
"""Sealing rows of the store at rest. Not for anything that leaves this machine.

1. XChaCha20-Poly1305 with a random 24-byte nonce: `u8 version || nonce || ciphertext and tag`.
2. A sealed value opens only in the row it was sealed for: table and row id are authenticated.
3. The stored secret seals nothing itself; each purpose has its own key, derived by HKDF-SHA256.
"""

from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDFExpand
from nacl.bindings import (
    crypto_aead_xchacha20poly1305_ietf_decrypt,
    crypto_aead_xchacha20poly1305_ietf_encrypt,
)
from nacl.exceptions import CryptoError

from keys.errors import RowDamagedError
from keys.secret import SecretBytes
from protocol.interfaces import Entropy
from protocol.octets import op

VERSION = 1
NONCE_BYTES = 24
TAG_BYTES = 16
OVERHEAD_BYTES = 1 + NONCE_BYTES + TAG_BYTES
_HINT = "Run `globe-node audit verify` to see what else is damaged, then restore from a backup."


class StorageKey:
    """The key of everything that one node keeps at rest."""

    __slots__ = ("_row_key", "_secret")

    def __init__(self, secret: SecretBytes) -> None:
        if len(secret) != 32:
            raise ValueError("a storage key has 32 bytes")
        self._secret = secret
        self._row_key = self.derive("rows")

    @classmethod
    def generate(cls, entropy: Entropy) -> "StorageKey":
        """Make a new key."""
        return cls(SecretBytes(entropy.random_bytes(32)))

    @property
    def secret(self) -> SecretBytes:
        """The 32 bytes that the key file keeps."""
        return self._secret

    def derive(self, purpose: str) -> SecretBytes:
        """Return 32 bytes for one purpose; the same each time.

        Args:
            purpose: a fixed ASCII word; different words give unrelated keys.

        Spec: RFC 5869 section 2.3.
        """
        info = b"anp1/storage/" + purpose.encode("ascii")
        return SecretBytes(HKDFExpand(SHA256(), 32, info).derive(self._secret.reveal()))

    def seal(self, table: str, row_id: bytes, plaintext: bytes, entropy: Entropy) -> bytes:
        """Seal a value for one row.

        Args:
            table: name of the table, and of the column where it has several sealed ones.
            row_id: the row's primary key as bytes.
            plaintext: any length.
            entropy: 24 bytes for the nonce are drawn.

        Returns:
            `OVERHEAD_BYTES` more than the plaintext.
        """
        nonce = entropy.random_bytes(NONCE_BYTES)
        sealed: bytes = crypto_aead_xchacha20poly1305_ietf_encrypt(
            plaintext, _row_of(table, row_id), nonce, self._row_key.reveal()
        )
        return bytes([VERSION]) + nonce + sealed

    def open_sealed(self, table: str, row_id: bytes, sealed: bytes) -> bytes:
        """Open what `seal` made for the same row.

        Raises:
            RowDamagedError: changed, cut, moved from another row, or sealed under another key.
        """
        if len(sealed) < OVERHEAD_BYTES or sealed[0] != VERSION:
            raise RowDamagedError(f"a sealed row of {table} is damaged", hint=_HINT)
        nonce, ciphertext = sealed[1 : 1 + NONCE_BYTES], sealed[1 + NONCE_BYTES :]
        try:
            plaintext: bytes = crypto_aead_xchacha20poly1305_ietf_decrypt(
                ciphertext, _row_of(table, row_id), nonce, self._row_key.reveal()
            )
        except CryptoError:
            raise RowDamagedError(f"a sealed row of {table} is damaged", hint=_HINT) from None
        return plaintext


def _row_of(table: str, row_id: bytes) -> bytes:
    return op(table.encode("ascii")) + op(row_id) + bytes([VERSION])
