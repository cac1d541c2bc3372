# SPDX-License-Identifier: Apache-2.0
"""The identity in a leaf: which node it is, and which certificate says so. It proves nothing by itself.

1. identity = "anp1" || op(authority) || op(node) || SHA-256(leaf certificate).
2. It has one written form; octets after it are refused.
"""

from dataclasses import dataclass
from functools import lru_cache

from protocol.errors import LocalProtocolError, MalformedError, ReasonCode, RemoteProtocolError
from protocol.groups.certificate import leaf_certificate_hash, parse_leaf_certificate
from protocol.identifiers import NodeName, parse_authority_id, parse_node_id
from protocol.octets import Reader, Writer

BASIC_CREDENTIAL = 1
"""The credential type of RFC 9420 that holds an identity as octets."""
MAX_IDENTITY_BYTES = 4 + 2 * (1 + 63) + 32
_MAGIC = b"anp1"
_MAX_LABEL_BYTES = 63
_HASH_BYTES = 32
_REMEMBERED = 1024
"""Every leaf is read at every change of its group."""


@dataclass(frozen=True, slots=True)
class LeafIdentity:
    """What the credential of a leaf says.

    Attributes:
        name: the node.
        certificate_hash: SHA-256 of its leaf certificate, 32 bytes.

    Spec: PROTOCOL.md section 16.2.
    """

    name: NodeName
    certificate_hash: bytes

    def to_bytes(self) -> bytes:
        """Write the identity.

        Raises:
            LocalProtocolError: a value that nobody would take (`bad_field`).
        """
        written = (
            Writer()
            .raw(_MAGIC)
            .op(self.name.authority.encode("ascii", "replace"))
            .op(self.name.node.encode("ascii", "replace"))
            .raw(self.certificate_hash)
            .to_bytes()
        )
        try:
            parse_identity(written)
        except RemoteProtocolError as refused:
            raise LocalProtocolError(str(refused), code=ReasonCode.BAD_FIELD) from None
        return written


@lru_cache(maxsize=_REMEMBERED)
def parse_identity(data: bytes) -> LeafIdentity:
    """Read the identity of a leaf.

    Raises:
        MalformedError: of another kind, cut off or too long (`bad_content`), or a name that is none
            (`bad_field`).

    Spec: PROTOCOL.md section 16.2.
    """
    reader = Reader(data)
    if reader.raw(len(_MAGIC)) != _MAGIC:
        raise MalformedError("an identity of another kind", code=ReasonCode.BAD_CONTENT)
    authority = reader.op(_MAX_LABEL_BYTES).decode("ascii", "replace")
    node = reader.op(_MAX_LABEL_BYTES).decode("ascii", "replace")
    certificate_hash = reader.raw(_HASH_BYTES)
    reader.finish()
    return LeafIdentity(NodeName(parse_authority_id(authority), parse_node_id(node)), certificate_hash)


def identity_of(certificate: bytes) -> LeafIdentity:
    """Return the identity that a leaf certificate, as octets, stands behind.

    Raises:
        RemoteProtocolError: not a leaf certificate.
    """
    named = parse_leaf_certificate(certificate).certificate
    return LeafIdentity(named.name, leaf_certificate_hash(certificate))
