# SPDX-License-Identifier: Apache-2.0
"""Leaf certificates: a node says with which Ed25519 key it signs inside groups. It does not say which groups.

A leaf of the tree carries only the hash of its certificate; the chain behind it is what makes the leaf hold
against a quantum computer, and what the directory can take back.

1. The body has the members of a node certificate; the key is Ed25519, the issuer the node's signing key. It
   is signed under a label of its own.
2. It lasts at most 30 days, and begins and ends within the time of the certificate of its issuer.
3. The key serves nothing else in the network.
4. A leaf *enters* a group only while its certificate covers the moment and its issuer is in use. A leaf that
   is in a group already *stands* for 60 days more, also when its issuer was retired: members that were cut
   off keep their place. A compromised issuer, or an authority that is stopped, ends both at once.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import lru_cache
from hashlib import sha256

from protocol import canonical, limits
from protocol.directory.entries import STATUS_CODES, NodeEntry, NodeState
from protocol.directory.material import Part, parts_of_ed25519_key
from protocol.directory.replay import DirectoryState
from protocol.errors import (
    ExpiredError,
    LocalProtocolError,
    MalformedError,
    ReasonCode,
    RemoteProtocolError,
    UntrustedError,
)
from protocol.groups.errors import UnknownIssuerError
from protocol.identifiers import (
    AuthorityId,
    KeyId,
    NodeId,
    NodeName,
    parse_authority_id,
    parse_key_id,
    parse_node_id,
)
from protocol.interfaces import Signer
from protocol.octets import Reader, Writer, base64_text
from protocol.signing import ed25519
from protocol.signing.certificate import CERTIFICATE_MEMBERS, serial_of, validity_of
from protocol.signing.composite import PublicKey
from protocol.signing.labels import LEAF_CERTIFICATE
from protocol.signing.signed_object import (
    VERSION,
    Kind,
    Members,
    SignedObject,
    parse_signed,
    sign_object,
    verify_signed,
)

LEAF_LIFETIME = timedelta(days=30)
"""Longest time of a leaf certificate."""
LEAF_GRACE = timedelta(days=60)
"""How long a leaf still stands in a group after its certificate ended."""
LEAF_BACKDATED = timedelta(seconds=limits.CLOCK_TOLERANCE_SECONDS)
"""How far before the moment of issue a certificate begins, for clocks that are behind."""
_KIND = Kind("a leaf certificate", LEAF_CERTIFICATE, CERTIFICATE_MEMBERS)
MAX_LEAF_CERTIFICATE_BYTES = _KIND.max_bytes
_REMEMBERED = 1024


@dataclass(frozen=True, slots=True)
class LeafCertificate:
    """What a node says about one of its leaf keys.

    Attributes:
        serial: 32 lower-case hex digits, different for each certificate of the issuer.
        authority: whose node it is.
        node: its name within the authority.
        key: Ed25519 public key, 32 bytes.
        not_before: first moment it is valid, aware, in milliseconds.
        not_after: first moment it is no longer valid, aware, in milliseconds.
        issuer: key id of the node's signing key.

    Spec: PROTOCOL.md section 16.1.
    """

    serial: str
    authority: AuthorityId
    node: NodeId
    key: bytes
    not_before: datetime
    not_after: datetime
    issuer: KeyId

    @property
    def name(self) -> NodeName:
        """The full name of the node."""
        return NodeName(self.authority, self.node)

    def to_bytes(self) -> bytes:
        """Write the body, canonical JSON."""
        return canonical.to_bytes(
            {
                "v": VERSION,
                "serial": self.serial,
                "authority": self.authority,
                "node": self.node,
                "key": base64_text(self.key),
                "not_before": canonical.moment_text(self.not_before),
                "not_after": canonical.moment_text(self.not_after),
                "issuer": self.issuer,
            }
        )


@dataclass(frozen=True, slots=True)
class SignedLeafCertificate:
    """A leaf certificate as read, before anybody checked its signature.

    Attributes:
        certificate: what it claims.
        signed: its octets and signature.
    """

    certificate: LeafCertificate
    signed: SignedObject = field(repr=False)


def issue_leaf_certificate(node_signer: Signer, certificate: LeafCertificate) -> bytes:
    """Sign a leaf certificate: `u8 1 || op(body) || op(signature)`.

    Raises:
        LocalProtocolError: another issuer than the signer, or a certificate nobody would take (`bad_field`).

    Spec: PROTOCOL.md section 16.1.
    """
    if certificate.issuer != node_signer.key_id:
        raise LocalProtocolError("the signer is not the issuer", code=ReasonCode.BAD_FIELD)
    return sign_object(_KIND, node_signer, certificate.to_bytes(), _read)


def leaf_validity(node: NodeEntry, now: datetime) -> tuple[datetime, datetime]:
    """Return the longest time that a leaf certificate issued now may have.

    Args:
        node: the entry of the issuer in the directory.
        now: the moment of issue.

    Raises:
        LocalProtocolError: the certificate of the issuer does not cover the moment (`no_key`).
    """
    if not node.covers(now):
        raise LocalProtocolError("the certificate of this node has ended", code=ReasonCode.NO_KEY)
    not_before = max(now - LEAF_BACKDATED, node.not_before)
    return not_before, min(not_before + LEAF_LIFETIME, node.not_after)


def leaf_certificate_hash(data: bytes) -> bytes:
    """Return the hash by which a leaf names its certificate: SHA-256 of all its octets, 32 bytes."""
    return sha256(data).digest()


def parse_leaf_certificate(data: bytes) -> SignedLeafCertificate:
    """Read a leaf certificate; its signature is not checked here.

    Raises:
        MalformedError: cut off, too long, not canonical, or a member outside its rule.
        UnsupportedVersionError: a certificate of another version.
        UntrustedError: a key that cannot be admitted.

    Spec: PROTOCOL.md section 16.1.
    """
    signed = parse_signed(_KIND, data)
    return SignedLeafCertificate(certificate=_read(signed.members), signed=signed)


def verify_leaf_certificate(data: bytes, directory: DirectoryState, at: datetime) -> LeafCertificate:
    """Read a leaf certificate and check that its leaf may enter a group at a moment.

    Raises:
        MalformedError: as for `parse_leaf_certificate`.
        UnsupportedVersionError: as for `parse_leaf_certificate`.
        UnknownIssuerError: the directory here knows no such node key; a newer one may.
        UntrustedError: it does not chain to an active authority by a key in use.
        ExpiredError: its time is over.
        RemoteProtocolError: its time has not begun (`not_yet_valid`).

    Spec: PROTOCOL.md section 16.1.
    """
    certificate, issuer = _chained(data, directory)
    _require_exchange(certificate, directory, at)
    if issuer.state is not NodeState.ACTIVE:
        raise UntrustedError("a leaf certificate by a key that is out of use")
    if at >= certificate.not_after:
        raise ExpiredError("a leaf certificate whose time is over")
    return certificate


def verify_standing_leaf(data: bytes, directory: DirectoryState, at: datetime) -> LeafCertificate:
    """Read a leaf certificate and check that its leaf may stay in a group at a moment.

    Raises:
        RemoteProtocolError: as for `verify_leaf_certificate`, but for a retired issuer and 60 more days.

    Spec: PROTOCOL.md section 16.1.
    """
    certificate, issuer = _chained(data, directory)
    _require_exchange(certificate, directory, at)
    if issuer.state is NodeState.COMPROMISED:
        raise UntrustedError("a leaf certificate by a key that is compromised")
    if at >= certificate.not_after + LEAF_GRACE:
        raise ExpiredError("a leaf certificate whose time is long over")
    return certificate


def verify_leaf_chain(data: bytes, directory: DirectoryState) -> LeafCertificate:
    """Read a leaf certificate and check who it was issued by; whether it still holds is not asked.

    Raises:
        MalformedError: as for `parse_leaf_certificate`.
        UnsupportedVersionError: as for `parse_leaf_certificate`.
        UnknownIssuerError: the directory here knows no such node key; a newer one may.
        UntrustedError: it does not chain to a key that this node has, or had.

    Spec: PROTOCOL.md section 16.1.
    """
    return _chained(data, directory)[0]


def _chained(data: bytes, directory: DirectoryState) -> tuple[LeafCertificate, NodeEntry]:
    """Check everything that does not change with time."""
    certificate = _certificate_in(data)
    entry = directory.authority(certificate.authority)
    issuer = entry.node_with_key(certificate.issuer) if entry is not None else None
    if issuer is None:
        raise UnknownIssuerError("a leaf certificate by a key that the directory does not list")
    if issuer.node != certificate.node:
        raise UntrustedError("a leaf certificate by the key of another node")
    if not issuer.not_before <= certificate.not_before < certificate.not_after <= issuer.not_after:
        raise UntrustedError("a leaf certificate outside the time of its issuer")
    if not directory.held.uses.keys().isdisjoint(_parts(certificate.key)):
        raise UntrustedError("a leaf key that has another use")
    _verify_signature(data, issuer.signing)
    return certificate, issuer


@lru_cache(maxsize=_REMEMBERED)
def _certificate_in(data: bytes) -> LeafCertificate:
    """Read a certificate, once for the same octets; refusals are not remembered."""
    return parse_leaf_certificate(data).certificate


@lru_cache(maxsize=_REMEMBERED)
def _parts(key: bytes) -> tuple[Part, ...]:
    """Take a key apart, once."""
    return parts_of_ed25519_key(key)


@lru_cache(maxsize=_REMEMBERED)
def _verify_signature(data: bytes, public_key: PublicKey) -> None:
    """Check a signature, once for the same octets and key; refusals are not remembered."""
    verify_signed(_KIND, parse_signed(_KIND, data), public_key)


def _require_exchange(certificate: LeafCertificate, directory: DirectoryState, at: datetime) -> None:
    """Refuse a certificate before its time, and any of an authority that is stopped."""
    entry = directory.authority(certificate.authority)
    if entry is None or entry.status_at(at) in STATUS_CODES:
        raise UntrustedError("exchange with this authority is stopped")
    if at < certificate.not_before:
        raise RemoteProtocolError(
            "a leaf certificate whose time has not begun", code=ReasonCode.NOT_YET_VALID
        )


def _read(members: Members) -> LeafCertificate:
    not_before, not_after = validity_of(members)
    if not_after - not_before > LEAF_LIFETIME:
        raise members.refusal("not_after")
    key = members.octets("key")
    ed25519.require_public_key(key)
    return LeafCertificate(
        serial=serial_of(members),
        authority=parse_authority_id(members.text("authority")),
        node=parse_node_id(members.text("node")),
        key=key,
        not_before=not_before,
        not_after=not_after,
        issuer=parse_key_id(members.text("issuer")),
    )


def with_certificates(writer: Writer, certificates: Sequence[bytes]) -> bytes:
    """Return what was written, with a list of leaf certificates at its end: `u8 n || n * op(certificate)`."""
    writer.u8(len(certificates))
    for certificate in certificates:
        writer.op(certificate)
    return writer.to_bytes()


def read_certificates(reader: Reader) -> tuple[bytes, ...]:
    """Read the list of leaf certificates that ends something; they are not judged.

    Raises:
        MalformedError: more than a group has leaves (`too_large`), cut off, or octets left over.
    """
    count = reader.u8()
    if count > limits.MAX_GROUP_MEMBERS:
        raise MalformedError("more certificates than a group has leaves", code=ReasonCode.TOO_LARGE)
    found = tuple(reader.op(MAX_LEAF_CERTIFICATE_BYTES) for _ in range(count))
    reader.finish()
    return found
