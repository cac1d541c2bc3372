# SPDX-License-Identifier: Apache-2.0
"""Who may be on the line: the TLS certificates that the directory lists as active. It reads no directory.

1. Whoever holds the directory replaces the whole set when it changes; there is no adding and no removing.
2. A certificate means one node of one authority. The same certificate for two nodes means neither.
3. The lookup is by the exact bytes of the certificate, so a certificate that a listed key has issued to
   somebody else is nobody's.
"""

from collections.abc import Callable, Iterable

from globe_node.delivery.link import PeerIdentity


class TrustedPeers:
    """The certificates that are trusted at this moment."""

    def __init__(self) -> None:
        self._identities: dict[bytes, PeerIdentity] = {}
        self._listeners: list[Callable[[], None]] = []

    def replace(self, certificates: Iterable[tuple[bytes, PeerIdentity]]) -> None:
        """Trust exactly these certificates from now on; a removed one has no effect any more.

        Args:
            certificates: DER of each active certificate and whose it is. A node may have two while it
                changes its certificate.
        """
        identities: dict[bytes, PeerIdentity] = {}
        shared: set[bytes] = set()
        for certificate_der, identity in certificates:
            if identities.setdefault(certificate_der, identity) != identity:
                shared.add(certificate_der)
        identities = {der: who for der, who in identities.items() if der and der not in shared}
        if identities == self._identities:
            return
        self._identities = identities
        for listener in self._listeners:
            listener()

    def identity_of(self, certificate_der: bytes) -> PeerIdentity | None:
        """Return whose certificate this is, or None if it is not trusted now."""
        return self._identities.get(certificate_der)

    def certificates(self) -> list[bytes]:
        """Return the DER of all trusted certificates."""
        return list(self._identities)

    def on_change(self, listener: Callable[[], None]) -> None:
        """Call `listener` after each change, on the event loop's thread."""
        self._listeners.append(listener)
