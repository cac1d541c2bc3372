# SPDX-License-Identifier: Apache-2.0
"""Node certificates: an authority root says which signing key a node of its own authority has.

It does not say whether the certificate is still wanted: that is the directory's business.

1. The body is canonical JSON with exactly these members: v, serial, authority, node, key, not_before,
   not_after, issuer.
2. It is signed by the root it names as its issuer, under a label of its own, and under nothing else.
3. The node's key is not the root's key.
"""

import re
from dataclasses import dataclass
from datetime import datetime

from protocol import canonical
from protocol.errors import (
    LocalProtocolError,
    MalformedError,
    ReasonCode,
    RemoteProtocolError,
    UnsupportedVersionError,
    UntrustedError,
)
from protocol.identifiers import AuthorityId, KeyId, NodeId, parse_authority_id, parse_key_id, parse_node_id
from protocol.interfaces import Signer
from protocol.octets import Reader, Writer, base64_text, parse_base64
from protocol.signing import composite
from protocol.signing.composite import PublicKey, parse_public_key
from protocol.signing.labels import NODE_CERTIFICATE

MAX_BODY_BYTES = 4096
MAX_CERTIFICATE_BYTES = 8192
_VERSION = 1
_TEXT_MEMBERS = ("serial", "authority", "node", "key", "not_before", "not_after", "issuer")
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
                "v": _VERSION,
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
        body: the octets the signature is over.
        signature: composite signature, 3373 bytes.
    """

    certificate: NodeCertificate
    body: bytes
    signature: bytes


def issue(root_signer: Signer, certificate: NodeCertificate) -> bytes:
    """Sign a certificate: `u8 1 || op(body) || op(signature)`.

    Raises:
        LocalProtocolError: another issuer than the signer, or a certificate nobody would take (`bad_field`).

    Spec: PROTOCOL.md section 6.
    """
    if certificate.issuer != root_signer.key_id:
        raise LocalProtocolError("the signer is not the issuer", code=ReasonCode.BAD_FIELD)
    body = certificate.to_bytes()
    try:
        _parse_body(body)
    except RemoteProtocolError as refused:
        raise LocalProtocolError(str(refused), code=ReasonCode.BAD_FIELD) from None
    signature = root_signer.sign(NODE_CERTIFICATE, body)
    return Writer().u8(_VERSION).op(body).op(signature).to_bytes()


def parse_certificate(data: bytes) -> SignedCertificate:
    """Read a certificate; its signature is not checked here.

    Raises:
        MalformedError: cut off, too long, not canonical, or a member outside its rule.
        UnsupportedVersionError: a certificate of another version.
        UntrustedError: a key that cannot be admitted, or the root's own.

    Spec: PROTOCOL.md section 6.
    """
    if len(data) > MAX_CERTIFICATE_BYTES:
        raise MalformedError("a certificate over the limit", code=ReasonCode.TOO_LARGE)
    reader = Reader(data)
    if reader.u8() != _VERSION:
        raise UnsupportedVersionError("a certificate of another version")
    body = reader.op(MAX_BODY_BYTES)
    signature = reader.op(composite.SIGNATURE_BYTES, composite.SIGNATURE_BYTES)
    reader.finish()
    return SignedCertificate(certificate=_parse_body(body), body=body, signature=signature)


def verify_certificate(data: bytes, root_public_key: PublicKey) -> NodeCertificate:
    """Read a certificate and check that a root issued it; whether it covers a moment is asked apart.

    Raises:
        MalformedError: as for `parse_certificate`.
        UnsupportedVersionError: as for `parse_certificate`.
        UntrustedError: another issuer, or the signature does not hold.

    Spec: PROTOCOL.md section 6.
    """
    signed = parse_certificate(data)
    if signed.certificate.issuer != root_public_key.key_id:
        raise UntrustedError("a certificate of another root")
    composite.verify(root_public_key, NODE_CERTIFICATE, signed.body, signed.signature)
    return signed.certificate


def _parse_body(body: bytes) -> NodeCertificate:
    members = canonical.parse_object(body, MAX_BODY_BYTES)
    if members.get("v") != _VERSION or members["v"] is True:
        raise UnsupportedVersionError("a certificate of another version")
    if set(members) != {"v", *_TEXT_MEMBERS}:
        raise MalformedError("a certificate with other members", code=ReasonCode.UNKNOWN_FIELD)
    text = {name: value for name, value in members.items() if isinstance(value, str)}
    if len(text) != len(_TEXT_MEMBERS) or not _SERIAL.fullmatch(text["serial"]):
        raise MalformedError("a certificate member outside its rule", code=ReasonCode.BAD_FIELD)
    certificate = NodeCertificate(
        serial=text["serial"],
        authority=parse_authority_id(text["authority"]),
        node=parse_node_id(text["node"]),
        key=parse_public_key(parse_base64(text["key"])),
        not_before=canonical.parse_moment(text["not_before"]),
        not_after=canonical.parse_moment(text["not_after"]),
        issuer=parse_key_id(text["issuer"]),
    )
    if not certificate.not_before < certificate.not_after:
        raise MalformedError("a certificate that ends before it begins", code=ReasonCode.BAD_FIELD)
    if certificate.key.key_id == certificate.issuer:
        raise UntrustedError("a node with the key of its root")
    return certificate
