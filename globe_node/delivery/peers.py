# SPDX-License-Identifier: Apache-2.0
"""What delivery asks of the directory: where a peer is, and which keys speak for it. No state of its own.

1. Every question is answered from the directory as it is at that moment, so removed trust is gone at once.
2. Whoever may not be served now is held back with the reason; nothing is thrown away for it.
"""

from collections.abc import Sequence
from typing import Protocol

from globe_node.delivery.link import PeerAddress
from protocol.identifiers import AuthorityId, DirectoryView, KeyId
from protocol.signing.composite import PublicKey


class PeerBook(Protocol):
    """The directory, as the courier reads it."""

    def address_of(self, authority: AuthorityId) -> PeerAddress:
        """Return where to reach an authority.

        Raises:
            ProtocolError: it can't be served now: `unknown_authority`, `suspended`, `disputed`, `no_key` or
                `revoked_key`.
        """
        ...

    def signing_key(self, authority: AuthorityId, key_id: KeyId) -> PublicKey:
        """Return a key that speaks for an authority in receipts: active, or retired without compromise.

        Raises:
            ProtocolError: no such key.
        """
        ...

    def others(self) -> Sequence[AuthorityId]:
        """Return every active authority but our own, sorted."""
        ...

    def view(self) -> DirectoryView:
        """Return the state of the directory that answers stand on."""
        ...
