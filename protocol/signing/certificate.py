# SPDX-License-Identifier: Apache-2.0
"""Node certificates: an authority root says which signing key a node of its own authority has.

It does not say whether the certificate is still wanted: that is the directory's business.

1. The body is canonical JSON with exactly these members: v, serial, authority, node, key, not_before,
   not_after, issuer.
2. It is signed by the root it names as its issuer, under a label of its own, and under nothing else.
3. The node's key is not the root's key.
"""

import re
from dataclasses import dataclass, field
from datetime import datetime

from protocol import canonical
from protocol.errors import (
    LocalProtocolError,
    ReasonCode,
    UntrustedError,
)
from protocol.identifiers import AuthorityId, KeyId, NodeId, parse_authority_id, parse_key_id, parse_node_id
from protocol.interfaces import Signer
from protocol.octets import base64_text
from protocol.signing.composite import PublicKey, parse_public_key
from protocol.signing.labels import NODE_CERTIFICATE
from protocol.signing.signed_object import (
    VERSION,
    Kind,
    Members,
    SignedObject,
    parse_signed,
    sign_object,
    verify_signed,
)

CERTIFICATE_MEMBERS = frozenset(("serial", "authority", "node", "key", "not_before", "not_after", "issuer"))
"""What every certificate of the network says."""
_KIND = Kind("a certificate", NODE_CERTIFICATE, CERTIFICATE_MEMBERS)
MAX_CERTIFICATE_BYTES = _KIND.max_bytes
_SERIAL = re.compile(r"[0-9a-f]{32}", re.ASCII)


@dataclass(frozen=True, slots=True)
class NodeCertificate:
    """What the root of an authority says about one node.

    Attributes:
        serial: 32 lower-case hex digits, different for each certificate of the root.
        authority: whose node it is.
        node: its name within the authority.
        key: its composite signing key.
        not_before: first moment it is valid, aware, in milliseconds.
        not_after: first moment it is no longer valid, aware, in milliseconds.
        issuer: key id of the root.

    Spec: PROTOCOL.md section 6.
    """

    serial: str
    authority: AuthorityId
    node: NodeId
    key: PublicKey
    not_before: datetime
    not_after: datetime
    issuer: KeyId

    def to_bytes(self) -> bytes:
        """Write the body, canonical JSON."""
        return canonical.to_bytes(
            {
                "v": VERSION,
                "serial": self.serial,
                "authority": self.authority,
                "node": self.node,
                "key": base64_text(self.key.raw),
                "not_before": canonical.moment_text(self.not_before),
                "not_after": canonical.moment_text(self.not_after),
                "issuer": self.issuer,
            }
        )

    def covers(self, at: datetime) -> bool:
        """Say whether a moment lies in the time of the certificate."""
        return self.not_before <= at < self.not_after


@dataclass(frozen=True, slots=True)
class SignedCertificate:
    """A certificate as read, before anybody checked its signature.

    Attributes:
        certificate: what it claims.
        signed: its octets and signature.
    """

    certificate: NodeCertificate
    signed: SignedObject = field(repr=False)


def issue(root_signer: Signer, certificate: NodeCertificate) -> bytes:
    """Sign a certificate: `u8 1 || op(body) || op(signature)`.

    Raises:
        LocalProtocolError: another issuer than the signer, or a certificate nobody would take (`bad_field`).

    Spec: PROTOCOL.md section 6.
    """
    if certificate.issuer != root_signer.key_id:
        raise LocalProtocolError("the signer is not the issuer", code=ReasonCode.BAD_FIELD)
    return sign_object(_KIND, root_signer, certificate.to_bytes(), _read)


def parse_certificate(data: bytes) -> SignedCertificate:
    """Read a certificate; its signature is not checked here.

    Raises:
        MalformedError: cut off, too long, not canonical, or a member outside its rule.
        UnsupportedVersionError: a certificate of another version.
        UntrustedError: a key that cannot be admitted, or the root's own.

    Spec: PROTOCOL.md section 6.
    """
    signed = parse_signed(_KIND, data)
    return SignedCertificate(certificate=_read(signed.members), signed=signed)


def verify_certificate(data: bytes, root_public_key: PublicKey) -> NodeCertificate:
    """Read a certificate and check that a root issued it; whether it covers a moment is asked apart.

    Raises:
        MalformedError: as for `parse_certificate`.
        UnsupportedVersionError: as for `parse_certificate`.
        UntrustedError: another issuer, or the signature does not hold.

    Spec: PROTOCOL.md section 6.
    """
    parsed = parse_certificate(data)
    if parsed.certificate.issuer != root_public_key.key_id:
        raise UntrustedError("a certificate of another root")
    verify_signed(_KIND, parsed.signed, root_public_key)
    return parsed.certificate


def serial_of(members: Members) -> str:
    """Return the serial of a certificate: 32 hex digits.

    Raises:
        MalformedError: it is none (`bad_field`).
    """
    serial = members.text("serial")
    if not _SERIAL.fullmatch(serial):
        raise members.refusal("serial")
    return serial


def validity_of(members: Members) -> tuple[datetime, datetime]:
    """Return the first moment a certificate is valid, and the first at which it no longer is.

    Raises:
        MalformedError: no moments, or not one after the other (`bad_field`).
    """
    not_before, not_after = members.moment("not_before"), members.moment("not_after")
    if not not_before < not_after:
        raise members.refusal("not_after")
    return not_before, not_after


def _read(members: Members) -> NodeCertificate:
    not_before, not_after = validity_of(members)
    certificate = NodeCertificate(
        serial=serial_of(members),
        authority=parse_authority_id(members.text("authority")),
        node=parse_node_id(members.text("node")),
        key=parse_public_key(members.octets("key")),
        not_before=not_before,
        not_after=not_after,
        issuer=parse_key_id(members.text("issuer")),
    )
    if certificate.key.key_id == certificate.issuer:
        raise UntrustedError("a node with the key of its root")
    return certificate
