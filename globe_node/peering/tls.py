# SPDX-License-Identifier: Apache-2.0
"""Who may be on the line, and the TLS contexts of both ends. TLS is the second wall: content is sealed.

1. TLS 1.3 only, both ends show a certificate, ALPN is `http/1.1` and must be agreed.
2. No authority of certificates exists here. The server trusts the active certificates of the directory, the
   client the one or two of the node it wants. OpenSSL proves that the other end holds the key; then the
   certificate must also be one of the set by its exact bytes, since a listed certificate might issue others.
3. A context can't forget a certificate, so each change makes a new one. No session tickets are given: nobody
   comes back by a session that is older than the change.
4. Whoever holds the directory replaces the whole set of trusted certificates when it changes; there is no
   adding and no removing. The same certificate for two nodes means neither.
5. The environment has no say: `SSLKEYLOGFILE` and the system's certificates are not read.
"""

import asyncio.sslproto
import os
import ssl
import tempfile
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from globe_node.delivery.link import PeerIdentity
from keys.tls_identity import TLSIdentity

ALPN = "http/1.1"
TLS_BUFFER_BYTES = 64 * 1024
"""asyncio's own 256 KiB for each connection is most of what an idle connection costs."""


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


class LineObject(ssl.SSLObject):
    """One TLS connection that checks the other end's certificate when the handshake ends.

    Attributes:
        peer_certificate_der: what the other end showed; empty before the handshake has ended.
        asked_name: the host name a client asked for (SNI), or None.
    """

    peer_certificate_der: bytes = b""
    asked_name: str | None = None

    def do_handshake(self) -> None:
        """Go on with the handshake; at its end, check certificate and ALPN.

        Raises:
            ssl.SSLError: the handshake fails, or has not ended yet (`SSLWantReadError`).
        """
        super().do_handshake()
        if self.selected_alpn_protocol() != ALPN:
            raise ssl.SSLError(ssl.SSL_ERROR_SSL, "no common application protocol")
        shown = self.getpeercert(binary_form=True) or b""
        context = self.context
        if not isinstance(context, LineContext) or not context.expects(shown):
            raise ssl.SSLCertVerificationError(ssl.SSL_ERROR_SSL, "not an expected certificate")
        self.peer_certificate_der = shown


class LineContext(ssl.SSLContext):
    """A context that knows which certificates the other end may show.

    Attributes:
        expects: whether it may show the certificate with this DER, asked at the end of each handshake.
    """

    sslobject_class = LineObject
    expects: Callable[[bytes], bool]


def server_context(identity: TLSIdentity, peers: TrustedPeers) -> LineContext:
    """Make the context for those who connect to us.

    It holds the certificates of this moment, and refuses what was removed since; make a new one when `peers`
    changes.

    Spec: PROTOCOL.md section 11.1.
    """
    context = LineContext(ssl.PROTOCOL_TLS_SERVER)
    context.expects = lambda certificate_der: peers.identity_of(certificate_der) is not None
    context.num_tickets = 0
    context.sni_callback = _note_asked_name
    _complete(context, identity, peers.certificates())
    return context


def client_context(identity: TLSIdentity, pins: Iterable[bytes]) -> LineContext:
    """Make the context for connecting to one node.

    Args:
        identity: our own certificate and key.
        pins: DER of the one or two certificates that the node may show.

    Spec: PROTOCOL.md section 11.1.
    """
    expected = frozenset(pin for pin in pins if pin)
    context = LineContext(ssl.PROTOCOL_TLS_CLIENT)
    context.expects = expected.__contains__
    context.check_hostname = False
    _complete(context, identity, sorted(expected))
    return context


def probe_context(identity: TLSIdentity) -> ssl.SSLContext:
    """Make a context that takes any certificate, to look at what the other end shows; never to send with."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    _complete(context, identity, [])
    context.verify_mode = ssl.CERT_NONE
    return context


def shrink_buffers() -> None:
    """Make asyncio's TLS buffers small, for all connections of this process that are opened from now on."""
    protocol_class: Any = asyncio.sslproto.SSLProtocol
    protocol_class.max_size = min(protocol_class.max_size, TLS_BUFFER_BYTES)


def _complete(context: ssl.SSLContext, identity: TLSIdentity, trusted: list[bytes]) -> None:
    context.minimum_version = ssl.TLSVersion.TLSv1_3
    context.verify_mode = ssl.CERT_REQUIRED
    # Each trusted certificate is an anchor by itself: otherwise OpenSSL takes one of two with the same name
    # for the issuer of the other, and a node that changes its certificate is refused.
    context.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN
    context.set_alpn_protocols([ALPN])
    if trusted:
        context.load_verify_locations(cadata=b"".join(trusted))
    with _as_file(identity.certificate_pem + identity.private_key_pem()) as path:
        context.load_cert_chain(path)


def _note_asked_name(line: ssl.SSLObject | ssl.SSLSocket, name: str | None, _context: ssl.SSLContext) -> None:
    if isinstance(line, LineObject):
        line.asked_name = name


@contextmanager
def _as_file(content: bytes) -> Iterator[str]:
    """Lend bytes as a file, since OpenSSL takes a key from a path only. In memory where the system can."""
    if hasattr(os, "memfd_create") and Path("/proc/self/fd").is_dir():
        descriptor = os.memfd_create("tls", os.MFD_CLOEXEC)
        try:
            os.write(descriptor, content)
            yield f"/proc/self/fd/{descriptor}"
        finally:
            os.close(descriptor)
    else:
        with tempfile.NamedTemporaryFile() as file:
            file.write(content)
            file.flush()
            yield file.name
