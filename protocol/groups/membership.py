# SPDX-License-Identifier: Apache-2.0
"""Who the leaves of a tree are, and which of them have fallen. It changes no group.

1. A leaf is a node of the directory by its certificate, or it is nobody.
2. One node has one leaf; every leaf is of an authority on the roster; the hub is there.
3. A leaf falls when its certificate no longer stands. It stays in the tree until a commit removes it; until
   then nobody sends to the group, and the hub removes it within the hour.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime

from protocol.directory.replay import DirectoryState
from protocol.errors import MalformedError, ReasonCode, RemoteProtocolError, UntrustedError
from protocol.groups.certificate import (
    LeafCertificate,
    leaf_certificate_hash,
    verify_leaf_chain,
    verify_standing_leaf,
)
from protocol.groups.credential import LeafIdentity, parse_identity
from protocol.groups.errors import NotKnownYetError, UnknownCertificateError
from protocol.groups.extension import ConsultationExtension
from protocol.identifiers import NodeName
from protocol.mls.structures.extensions import BasicCredential
from protocol.mls.structures.nodes import LeafNode
from protocol.mls.tree.ratchet_tree import RatchetTree

Certificates = Mapping[bytes, bytes]
"""Leaf certificates as octets, by `leaf_certificate_hash`; see `certificates_by_hash`."""


def certificates_by_hash(certificates: Iterable[bytes]) -> Certificates:
    """Return leaf certificates by the hash that leaves name them by."""
    return {leaf_certificate_hash(certificate): certificate for certificate in certificates}


def identity_in(leaf: LeafNode) -> LeafIdentity:
    """Return who a leaf says it is.

    Raises:
        MalformedError: a credential of another kind, or an identity outside its form.

    Spec: PROTOCOL.md section 16.2.
    """
    if not isinstance(leaf.credential, BasicCredential):
        raise MalformedError("a leaf with a credential of another kind", code=ReasonCode.BAD_CONTENT)
    return parse_identity(leaf.credential.identity)


def certificate_of(leaf: LeafNode, certificates: Certificates) -> bytes:
    """Return the certificate that a leaf names, as octets.

    Raises:
        UnknownCertificateError: it is not known here: hold the message, fetch it, try again.
        MalformedError: as for `identity_in`.
    """
    certificate_hash = identity_in(leaf).certificate_hash
    found = certificates.get(certificate_hash)
    if found is None:
        raise UnknownCertificateError(certificate_hash)
    return found


def verify_leaf_identity(
    leaf: LeafNode, certificates: Certificates, directory: DirectoryState
) -> LeafCertificate:
    """Check that a leaf is the node that it says it is; whether it may be in a group is asked apart.

    Raises:
        NotKnownYetError: its certificate, or the issuer of that, is not known here.
        UntrustedError: the certificate is for another node or key, or does not chain.
        MalformedError: as for `identity_in`.

    Spec: PROTOCOL.md section 16.2.
    """
    certificate = verify_leaf_chain(certificate_of(leaf, certificates), directory)
    if certificate.name != identity_in(leaf).name or certificate.key != leaf.signature_key:
        raise UntrustedError("a leaf with the certificate of another node or key")
    return certificate


def verify_membership(tree: RatchetTree, extension: ConsultationExtension) -> None:
    """Check that the members of a tree are those whom the extension allows.

    Raises:
        UntrustedError: a node with two leaves, an authority off the roster, or no hub.

    Spec: PROTOCOL.md section 16.4.
    """
    names = [identity_in(leaf).name for _, leaf in tree.members()]
    if len(set(names)) != len(names):
        raise UntrustedError("a node with two leaves")
    if not {name.authority for name in names} <= set(extension.roster):
        raise UntrustedError("a member that is not on the roster")
    if extension.hub not in names:
        raise UntrustedError("a group without its hub")


@dataclass(frozen=True, slots=True)
class FallenLeaf:
    """A leaf that no longer stands.

    Attributes:
        leaf: its number in the tree.
        name: whose it is.
        code: why: `expired`, or `refused` for everything that the directory took back.
    """

    leaf: int
    name: NodeName
    code: ReasonCode


def fallen_leaves(
    tree: RatchetTree, certificates: Certificates, directory: DirectoryState, at: datetime
) -> tuple[FallenLeaf, ...]:
    """Return the leaves that no longer stand, in the order of the tree.

    While there is one, nothing is sent to the group but the commit that removes it.

    Raises:
        NotKnownYetError: a certificate that the caller should have kept is missing.

    Spec: PROTOCOL.md section 16.9.
    """
    fallen = []
    for number, leaf in tree.members():
        try:
            verify_standing_leaf(certificate_of(leaf, certificates), directory, at)
        except NotKnownYetError:
            raise
        except RemoteProtocolError as refused:
            fallen.append(FallenLeaf(number, identity_in(leaf).name, refused.code))
    return tuple(fallen)
