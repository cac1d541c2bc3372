# SPDX-License-Identifier: Apache-2.0
"""Why no answer of a peer came. Not the reasons a peer gives: those are reason codes.

1. Each fault has one sentence for a person and one thing to do; both are ours, nothing of the peer is quoted.
"""

import socket
import ssl
from enum import StrEnum

import aiohttp

from globe_node.errors import PeerUnreachableError
from globe_node.peering.resolver import ForbiddenAddressError


class LineFault(StrEnum):
    """What went wrong on the way."""

    FORBIDDEN = "forbidden_address"
    NAME = "name_not_found"
    CONNECT = "no_connection"
    TLS = "no_tls"
    CERTIFICATE = "wrong_certificate"
    VALIDITY = "certificate_out_of_time"
    CLOSED = "closed_by_peer"
    SLOW = "too_slow"
    REDIRECT = "redirect"
    ENCODED = "encoded"
    CONTENT_TYPE = "content_type"
    TOO_LARGE = "too_large"
    MALFORMED = "malformed"


_TEXTS = {
    LineFault.FORBIDDEN: (
        "the name of the other node leads to an address that this node does not connect to",
        "Ask the other authority to correct its endpoint; for a closed network allow private addresses.",
    ),
    LineFault.NAME: (
        "the host name of the other node was not found",
        "Check this machine's name server; then ask the other authority whether its endpoint has changed.",
    ),
    LineFault.CONNECT: (
        "nobody answers at the address of the other node",
        "Check this machine's way to the internet and the firewalls; then telephone the other authority.",
    ),
    LineFault.TLS: (
        "the other end does not speak TLS 1.3 as a node does",
        "A device between the nodes may intercept TLS, or another program listens there.",
    ),
    LineFault.CERTIFICATE: (
        "the other end showed another certificate than the directory lists",
        "Bring the directory up to date. If it stays so, telephone them: somebody may be between.",
    ),
    LineFault.VALIDITY: (
        "the certificate of the other node is not valid at this time",
        "Check this machine's clock; then ask the other authority to renew its certificate.",
    ),
    LineFault.CLOSED: (
        "the other node did not accept our certificate, or closed the connection",
        "Run `doctor --peer`. Its directory may not list this node's certificate yet.",
    ),
    LineFault.SLOW: (
        "the other node did not answer in time",
        "Nothing to do: it is tried again. If it lasts, telephone the other authority.",
    ),
    LineFault.REDIRECT: (
        "the other end sent us to another address, which a node never does",
        "Another program answers at that endpoint; tell the other authority.",
    ),
    LineFault.ENCODED: (
        "the answer was compressed or in pieces, which a node never does",
        "Another program, or a device between the nodes, changes answers; tell the other authority.",
    ),
    LineFault.CONTENT_TYPE: (
        "the answer was not of the kind a node gives",
        "Another program answers at that endpoint; tell the other authority.",
    ),
    LineFault.TOO_LARGE: (
        "the answer was longer than any answer may be",
        "The other node is faulty or hostile; tell the other authority.",
    ),
    LineFault.MALFORMED: (
        "the answer was not well formed",
        "The other node is faulty or hostile; tell the other authority.",
    ),
}


class LineError(PeerUnreachableError):
    """No authenticated, well-formed answer came.

    Attributes:
        fault: what went wrong.
    """

    def __init__(self, fault: LineFault) -> None:
        sentence, hint = _TEXTS[fault]
        super().__init__(sentence, hint=hint)
        self.fault = fault


_FAULT_OF: tuple[tuple[type[Exception], LineFault], ...] = (
    (aiohttp.ConnectionTimeoutError, LineFault.CONNECT),
    (TimeoutError, LineFault.SLOW),
    (aiohttp.ClientConnectorDNSError, LineFault.NAME),
    (aiohttp.ClientConnectorCertificateError, LineFault.CERTIFICATE),
    (ssl.SSLCertVerificationError, LineFault.CERTIFICATE),
    (ssl.SSLError, LineFault.TLS),
    (aiohttp.ClientConnectorError, LineFault.CONNECT),
    (aiohttp.ServerDisconnectedError, LineFault.CLOSED),
    (ConnectionError, LineFault.CLOSED),
    (aiohttp.ClientOSError, LineFault.CLOSED),
    (socket.gaierror, LineFault.NAME),
    (OSError, LineFault.CONNECT),
)
"""The first that fits counts: an error may be several of these. Anything else came with the answer."""


_OUT_OF_TIME = {9, 10}
"""OpenSSL: X509_V_ERR_CERT_NOT_YET_VALID, X509_V_ERR_CERT_HAS_EXPIRED."""


def fault_of(error: Exception) -> LineFault:
    """Return the fault behind an error of the HTTP client or of the operating system."""
    cause = error.os_error if isinstance(error, aiohttp.ClientConnectorError) else error
    if isinstance(cause, ForbiddenAddressError):
        return LineFault.FORBIDDEN
    if isinstance(error, aiohttp.ClientConnectorCertificateError):
        cause = error.certificate_error
        if isinstance(cause, ssl.SSLCertVerificationError) and cause.verify_code in _OUT_OF_TIME:
            return LineFault.VALIDITY
    return next((fault for kind, fault in _FAULT_OF if isinstance(error, kind)), LineFault.MALFORMED)


def is_stale_connection(error: Exception) -> bool:
    """Whether a kept connection was already dead, as far as the error can tell."""
    return fault_of(error) is LineFault.CLOSED
