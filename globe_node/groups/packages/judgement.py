# SPDX-License-Identifier: Apache-2.0
"""Whether a key package of a peer may be used: its form, its time, its signatures, and whose it is.

1. It is for one node that the directory lists, by a leaf certificate that this node has issued for the very
   key that signs the package.
2. It is judged when it comes and again when it is used: certificates end, and are taken back.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

from globe_node.delivery.clerk import unix_ms
from protocol import limits
from protocol.directory.replay import DirectoryState
from protocol.errors import MalformedError, ReasonCode, UntrustedError
from protocol.groups.certificate import LeafCertificate, verify_leaf_certificate
from protocol.groups.credential import LeafIdentity, parse_identity
from protocol.groups.errors import UnknownCertificateError
from protocol.groups.key_packages import verify_usable
from protocol.groups.profile import verify_capabilities
from protocol.identifiers import NodeName
from protocol.mls.changes.rules import verify_key_package
from protocol.mls.structures.extensions import BasicCredential
from protocol.mls.structures.key_packages import KeyPackage, parse_key_package
from protocol.mls.suites import PRODUCT_SUITE


@dataclass(frozen=True, slots=True)
class GoodPackage:
    """A key package that may be used now.

    Attributes:
        package: the package.
        claims: what its leaf certificate says.
        certificate: hash of that.
        not_after_ms: until when it may be used.
    """

    package: KeyPackage = field(repr=False)
    claims: LeafCertificate
    certificate: bytes
    not_after_ms: int


def judge_package(
    octets: bytes,
    certificates: Mapping[bytes, bytes],
    directory: DirectoryState,
    *,
    owner: NodeName,
    now: datetime,
) -> GoodPackage:
    """Check that a key package may be used for a node now.

    Args:
        octets: the package, as it came.
        certificates: leaf certificates by hash, none of them checked.
        directory: what is known of the network.
        owner: whose it has to be.
        now: the time of day.

    Raises:
        UnsupportedVersionError: for another suite, or another version.
        MalformedError: not a key package, or not one of this network.
        ExpiredError: its time, or that of its certificate, is over.
        UnknownCertificateError: it names a certificate that is not there.
        UnknownIssuerError: its certificate is by a key that the directory here does not list.
        UntrustedError: of somebody else, or a signature or certificate that does not hold.
    """
    if len(octets) > limits.MAX_KEY_PACKAGE_BYTES:
        raise MalformedError("a key package over the limit", code=ReasonCode.TOO_LARGE)
    package = parse_key_package(octets)
    verify_usable(package, now)
    identity = _identity_in(package)
    if identity.name != owner:
        raise UntrustedError("a key package of somebody else")
    certificate = certificates.get(identity.certificate_hash)
    if certificate is None:
        raise UnknownCertificateError(identity.certificate_hash)
    claims = verify_leaf_certificate(certificate, directory, now)
    if (claims.name, claims.key) != (owner, package.leaf_node.signature_key):
        raise UntrustedError("a leaf certificate for another key")
    verify_capabilities(package.leaf_node.capabilities)
    verify_key_package(PRODUCT_SUITE, package)
    return GoodPackage(package, claims, identity.certificate_hash, _end_of(package, claims))


def _identity_in(package: KeyPackage) -> LeafIdentity:
    credential = package.leaf_node.credential
    if not isinstance(credential, BasicCredential):
        raise MalformedError("a credential of another kind", code=ReasonCode.BAD_FIELD)
    return parse_identity(credential.identity)


def _end_of(package: KeyPackage, claims: LeafCertificate) -> int:
    lifetime = package.leaf_node.lifetime
    ends_ms = unix_ms(claims.not_after)
    return ends_ms if lifetime is None else min(ends_ms, lifetime.not_after * 1000)
