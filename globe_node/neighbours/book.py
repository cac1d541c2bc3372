# SPDX-License-Identifier: Apache-2.0
"""The directory, as the lines to peers read it. It keeps nothing: each answer is of this moment.

1. Trust that was removed is gone with the next question.
2. An authority is served at the endpoint of its newest node in use; without one it can only call us.
"""

from collections.abc import Iterator, Sequence

from globe_node.clock import Clock
from globe_node.delivery.link import PeerAddress, PeerIdentity
from globe_node.directory.register import Register
from protocol.directory.entries import AuthorityStatus, NodeState
from protocol.errors import LocalProtocolError, ReasonCode
from protocol.identifiers import AuthorityId, DirectoryView, KeyId
from protocol.signing.composite import PublicKey


class DirectoryBook:
    """Implements `globe_node.delivery.peers.PeerBook`.

    Args:
        register: the directory.
        clock: the time, since admissions and certificates end.
        me: this authority.
    """

    def __init__(self, register: Register, clock: Clock, me: AuthorityId) -> None:
        self._register = register
        self._clock = clock
        self._me = me

    def address_of(self, authority: AuthorityId) -> PeerAddress:
        """Return where to reach an authority.

        Raises:
            LocalProtocolError: it can't be served now, with the reason; `no_key` if it has no endpoint.
        """
        state = self._register.state
        node = state.require_active_node(authority, self._clock.now())
        entry = state.authority(authority)
        endpoints = entry.endpoints_of(node.node) if entry is not None else ()
        if not endpoints:
            raise LocalProtocolError("the authority has no endpoint", code=ReasonCode.NO_KEY)
        return PeerAddress(authority, node.node, endpoints[0].url, node.tls_certificate_der)

    def signing_key(self, authority: AuthorityId, key_id: KeyId) -> PublicKey:
        """Return a key that speaks for an authority in receipts: active, or retired without compromise.

        Raises:
            UntrustedError: no such key, or compromised.
        """
        return self._register.state.signing_key(authority, key_id)

    def others(self) -> Sequence[AuthorityId]:
        """Return every active authority that can be reached, but our own, sorted."""
        if self._register.is_empty:
            return ()
        now = self._clock.now()
        return tuple(
            entry.authority
            for entry in self._register.state.authorities
            if entry.authority != self._me
            and entry.status_at(now) is AuthorityStatus.ACTIVE
            and (node := entry.node_in_use(now)) is not None
            and entry.endpoints_of(node.node)
        )

    def view(self) -> DirectoryView:
        """Return the state of the directory that answers stand on."""
        return self._register.state.view

    def certificates(self) -> Iterator[tuple[bytes, PeerIdentity]]:
        """Yield the certificate of every node that may be on the line now, and whose it is."""
        now = self._clock.now()
        for entry in () if self._register.is_empty else self._register.state.authorities:
            if entry.status_at(now) is not AuthorityStatus.ACTIVE:
                continue
            for node in entry.nodes:
                if node.state is NodeState.ACTIVE and node.covers(now):
                    yield node.tls_certificate_der, PeerIdentity(entry.authority, node.node)
