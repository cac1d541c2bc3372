# SPDX-License-Identifier: Apache-2.0
"""Seals what opens an audit entry, under a key that can be destroyed. Messages: see `keys.storage_key`.

1. One key for each period; with the key gone, every leaf of that period hides for ever.
2. AES-256-GCM; the nonce is the start of the leaf's hash, which never repeats, so that a transaction taken
   back or a log continued from a backup uses no nonce twice.
3. The row id and the leaf's hash are authenticated: a vault fits its own leaf, in its own place.
"""

from typing import Protocol

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from keys.storage_key import StorageKey
from protocol.audit.events import AuditEvent
from protocol.audit.leaf import Entry, period_in, verify_entry
from protocol.errors import ReasonCode, UntrustedError
from protocol.tlog.merkle import leaf_hash

_NONCE_BYTES = 12


class PeriodKeys(Protocol):
    """Where the keys of the periods come from; later a place where a key can really be destroyed."""

    def key_of(self, period: str) -> bytes:
        """Return the 32-byte key of one period."""
        ...


class DerivedPeriodKeys:
    """Derives the key of each period from the storage key: nothing can be destroyed apart yet."""

    def __init__(self, storage: StorageKey) -> None:
        self._storage = storage

    def key_of(self, period: str) -> bytes:
        """Return the 32-byte key of one period."""
        return self._storage.derive(f"audit-vault/{period}").reveal()


class Vault:
    """Seals and opens the secrets of entries."""

    def __init__(self, period_keys: PeriodKeys) -> None:
        self._period_keys = period_keys
        self._ciphers: dict[str, AESGCM] = {}

    def seal(self, entry: Entry, row_id: int) -> bytes:
        """Seal the secret of an entry for its row."""
        cipher = self._ciphers.get(entry.period) or self._cipher(entry.period)
        found = entry.leaf_hash
        return cipher.encrypt(found[:_NONCE_BYTES], entry.secret, row_id.to_bytes(8, "big") + found)

    def open_sealed(self, sealed: bytes, *, period: str, found: bytes, row_id: int) -> bytes:
        """Return the secret of an entry.

        Args:
            sealed: what `seal` made.
            period: as in the leaf.
            found: the leaf's hash.
            row_id: where the row stands.

        Raises:
            UntrustedError: it was changed, or belongs to another leaf, row or period (`log_inconsistent`).
        """
        cipher = self._ciphers.get(period) or self._cipher(period)
        try:
            return cipher.decrypt(found[:_NONCE_BYTES], sealed, row_id.to_bytes(8, "big") + found)
        except InvalidTag:
            raise UntrustedError(
                "the sealed part does not belong to this leaf in this place", code=ReasonCode.LOG_INCONSISTENT
            ) from None

    def open_entry(self, leaf: bytes, sealed: bytes, row_id: int) -> AuditEvent:
        """Return the act of a stored entry, after every part of it was checked against the others.

        Raises:
            MalformedError: the leaf names no period, or the secret is not of the form.
            UntrustedError: they do not belong together, or not here (`log_inconsistent`).
        """
        period = period_in(leaf)
        secret = self.open_sealed(sealed, period=period, found=leaf_hash(leaf), row_id=row_id)
        return verify_entry(leaf, secret)

    def _cipher(self, period: str) -> AESGCM:
        cipher = AESGCM(self._period_keys.key_of(period))
        if len(self._ciphers) >= 64:
            self._ciphers.clear()
        self._ciphers[period] = cipher
        return cipher
