# SPDX-License-Identifier: Apache-2.0
"""What is not wrong but not known here yet: the caller holds the message, asks, and tries again.

1. Nothing is accepted first and checked later: until the missing part came, the message changed nothing.
2. What never comes ends as a refusal; the code is that of every failure of trust.
"""

from protocol.errors import UntrustedError


class NotKnownYetError(UntrustedError):
    """Something is missing here that the sending node can give."""


class UnknownIssuerError(NotKnownYetError):
    """The directory here lists no such node key: exchange directories, then try again."""


class UnknownCertificateError(NotKnownYetError):
    """A leaf names a certificate that is not known here: ask the sending node for it, then try again.

    Attributes:
        certificate_hash: which one, 32 bytes.
    """

    def __init__(self, certificate_hash: bytes) -> None:
        super().__init__("a leaf with a certificate that is not known here")
        self.certificate_hash = certificate_hash
