# SPDX-License-Identifier: Apache-2.0
"""Key packages: what a client publishes so that others can add it to groups. Nobody here judges them.

1. A key package is signed as a whole by the key of its leaf, and its leaf by the same key for itself.
2. Its reference is the hash of all of it.
"""

from dataclasses import dataclass, field

from protocol.errors import UnsupportedVersionError
from protocol.mls.structures.extensions import Extensions, read_extensions, write_extensions
from protocol.mls.structures.nodes import PROTOCOL_VERSION, LeafNode
from protocol.mls.structures.vectors import Encoded, parse_whole, read_vector, remembered
from protocol.mls.suites import Suite
from protocol.octets import Reader, Writer, op

KEY_PACKAGE_LABEL = "KeyPackageTBS"
_REFERENCE_LABEL = "MLS 1.0 KeyPackage Reference"


@dataclass(frozen=True, slots=True)
class KeyPackage(Encoded):
    """An invitation to be added.

    Attributes:
        cipher_suite: number of the suite of the groups it is for.
        init_key: public key that a Welcome is encrypted to.
        leaf_node: what stands in the tree afterwards.
        extensions: what else it says.
        signature: by the key of the leaf, over `tbs`.

    Spec: RFC 9420 section 10.
    """

    cipher_suite: int
    init_key: bytes = field(repr=False)
    leaf_node: LeafNode
    extensions: Extensions = ()
    signature: bytes = field(default=b"", repr=False)

    def write_fields(self, writer: Writer) -> None:
        """Write all fields in order."""
        writer.u16(PROTOCOL_VERSION).u16(self.cipher_suite).op(self.init_key)
        self.leaf_node.write(writer)
        write_extensions(writer, self.extensions)
        writer.op(self.signature)

    @classmethod
    def read(cls, reader: Reader) -> "KeyPackage":
        """Read all fields in order.

        Raises:
            UnsupportedVersionError: for another version of the protocol.
        """
        start = reader.position
        require_version(reader.u16())
        package = cls(
            cipher_suite=reader.u16(),
            init_key=read_vector(reader),
            leaf_node=LeafNode.read(reader),
            extensions=read_extensions(reader),
            signature=read_vector(reader),
        )
        return remembered(package, reader.since(start))

    def tbs(self) -> bytes:
        """Return what is signed.

        Spec: RFC 9420 section 10.
        """
        octets = self.to_bytes()
        return octets[: len(octets) - len(op(self.signature))]

    def reference(self, suite: Suite) -> bytes:
        """Return its reference.

        Spec: RFC 9420 section 5.2.
        """
        return suite.ref_hash(_REFERENCE_LABEL, self.to_bytes())


def verify_key_package_signature(suite: Suite, package: KeyPackage) -> None:
    """Verify that a key package is signed by the key of its leaf; the leaf's own signature is another.

    Raises:
        UntrustedError: it is not.

    Spec: RFC 9420 section 10.1.
    """
    key = package.leaf_node.signature_key
    suite.verify_with_label(key, KEY_PACKAGE_LABEL, package.tbs(), package.signature)


def parse_key_package(data: bytes) -> KeyPackage:
    """Read a key package that fills the data; no signature is checked here."""
    return parse_whole(KeyPackage.read, data)


def require_version(version: int) -> None:
    """Refuse another version of the protocol.

    Raises:
        UnsupportedVersionError: it is another.
    """
    if version != PROTOCOL_VERSION:
        raise UnsupportedVersionError("another version of the group protocol")
