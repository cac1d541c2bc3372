# SPDX-License-Identifier: Apache-2.0
"""The nodes of a ratchet tree: leaves, which are members, and parents. No tree, and no rule of a tree.

1. A leaf says how it came into the tree, and carries a lifetime or a parent hash accordingly.
2. A leaf made in a group is signed together with the group and its place there; one in a key package is not.
3. Unmerged leaves stand in increasing order, each once.
"""

from dataclasses import dataclass, field, replace
from enum import IntEnum
from itertools import pairwise

from protocol.errors import LocalProtocolError, ReasonCode
from protocol.mls.structures.extensions import (
    Credential,
    Extensions,
    read_credential,
    read_extensions,
    write_extensions,
)
from protocol.mls.structures.vectors import (
    Encoded,
    malformed,
    member_of,
    parse_whole,
    read_list,
    read_numbers,
    read_optional,
    read_vector,
    remembered,
    required,
    write_list,
    write_numbers,
)
from protocol.mls.suites import Suite
from protocol.octets import Reader, Writer, op

PROTOCOL_VERSION = 1
"""`mls10`; the only one there is."""
LEAF_LABEL = "LeafNodeTBS"


class LeafNodeSource(IntEnum):
    """How a leaf came into the tree.

    Spec: RFC 9420 section 7.2.
    """

    KEY_PACKAGE = 1
    UPDATE = 2
    COMMIT = 3


class NodeType(IntEnum):
    """What stands at a place of the tree.

    Spec: RFC 9420 section 7.8.
    """

    LEAF = 1
    PARENT = 2


@dataclass(frozen=True, slots=True)
class Capabilities:
    """What a member supports beyond the defaults; unknown numbers mean nothing.

    Spec: RFC 9420 section 7.2.
    """

    versions: tuple[int, ...] = (PROTOCOL_VERSION,)
    cipher_suites: tuple[int, ...] = ()
    extensions: tuple[int, ...] = ()
    proposals: tuple[int, ...] = ()
    credentials: tuple[int, ...] = ()

    def write(self, writer: Writer) -> None:
        """Write all fields in order."""
        for numbers in (
            self.versions,
            self.cipher_suites,
            self.extensions,
            self.proposals,
            self.credentials,
        ):
            write_numbers(writer, numbers)

    @classmethod
    def read(cls, reader: Reader) -> "Capabilities":
        """Read all fields in order."""
        return cls(*(read_numbers(reader) for _ in range(5)))


@dataclass(frozen=True, slots=True)
class Lifetime:
    """When a key package may be used, in seconds of Unix time; both ends are inside.

    Spec: RFC 9420 section 7.2.
    """

    not_before: int
    not_after: int

    def write(self, writer: Writer) -> None:
        """Write all fields in order."""
        writer.u64(self.not_before).u64(self.not_after)

    @classmethod
    def read(cls, reader: Reader) -> "Lifetime":
        """Read all fields in order."""
        return cls(reader.u64(), reader.u64())


@dataclass(frozen=True, slots=True)
class LeafNode(Encoded):
    """A member, as it appears in the tree and in its key packages.

    Attributes:
        encryption_key: public key for public key encryption.
        signature_key: public key for signatures.
        credential: who it is.
        capabilities: what it supports.
        source: how the leaf came into the tree.
        lifetime: only if the source is `KEY_PACKAGE`.
        parent_hash: only if the source is `COMMIT`.
        extensions: what else it says.
        signature: by the member itself, over `tbs`.

    Spec: RFC 9420 section 7.2.
    """

    encryption_key: bytes = field(repr=False)
    signature_key: bytes
    credential: Credential
    capabilities: Capabilities
    source: LeafNodeSource
    lifetime: Lifetime | None = None
    parent_hash: bytes | None = None
    extensions: Extensions = ()
    signature: bytes = field(default=b"", repr=False)

    def write_fields(self, writer: Writer) -> None:
        """Write all fields in order.

        Raises:
            LocalProtocolError: lifetime or parent hash do not fit the source.
        """
        writer.op(self.encryption_key).op(self.signature_key)
        self.credential.write(writer)
        self.capabilities.write(writer)
        writer.u8(self.source)
        if (self.lifetime is not None) != (self.source == LeafNodeSource.KEY_PACKAGE) or (
            self.parent_hash is not None
        ) != (self.source == LeafNodeSource.COMMIT):
            raise LocalProtocolError("a leaf that does not fit its source", code=ReasonCode.BAD_CONTENT)
        if self.lifetime is not None:
            self.lifetime.write(writer)
        if self.parent_hash is not None:
            writer.op(self.parent_hash)
        write_extensions(writer, self.extensions)
        writer.op(self.signature)

    @classmethod
    def read(cls, reader: Reader) -> "LeafNode":
        """Read all fields in order."""
        start = reader.position
        encryption_key, signature_key = read_vector(reader), read_vector(reader)
        credential, capabilities = read_credential(reader), Capabilities.read(reader)
        source = member_of(LeafNodeSource, reader.u8())
        leaf = cls(
            encryption_key=encryption_key,
            signature_key=signature_key,
            credential=credential,
            capabilities=capabilities,
            source=source,
            lifetime=Lifetime.read(reader) if source == LeafNodeSource.KEY_PACKAGE else None,
            parent_hash=read_vector(reader) if source == LeafNodeSource.COMMIT else None,
            extensions=read_extensions(reader),
            signature=read_vector(reader),
        )
        return remembered(leaf, reader.since(start))

    def with_signature(self, signature: bytes) -> "LeafNode":
        """Return the same leaf with another signature; its other fields are not written again."""
        octets = self.to_bytes()
        unsigned = octets[: len(octets) - len(op(self.signature))]
        return remembered(replace(self, signature=signature), unsigned + op(signature))

    def tbs(self, group_id: bytes | None, leaf_index: int | None) -> bytes:
        """Return what is signed.

        Args:
            group_id: needed unless the source is `KEY_PACKAGE`.
            leaf_index: needed unless the source is `KEY_PACKAGE`.

        Spec: RFC 9420 section 7.2.
        """
        octets = self.to_bytes()
        unsigned = octets[: len(octets) - len(op(self.signature))]
        if self.source == LeafNodeSource.KEY_PACKAGE:
            return unsigned
        place = Writer().op(required(group_id)).u32(required(leaf_index))
        return unsigned + place.to_bytes()


def verify_leaf_signature(
    suite: Suite, leaf: LeafNode, *, group_id: bytes | None = None, leaf_index: int | None = None
) -> None:
    """Verify that a leaf is signed by its own key, in its place.

    Raises:
        UntrustedError: it is not.

    Spec: RFC 9420 section 7.3.
    """
    suite.verify_with_label(leaf.signature_key, LEAF_LABEL, leaf.tbs(group_id, leaf_index), leaf.signature)


@dataclass(frozen=True, slots=True)
class ParentNode(Encoded):
    """A key pair that all members below know, but for the unmerged ones.

    Attributes:
        encryption_key: public key for public key encryption.
        parent_hash: binds it to the nodes above.
        unmerged_leaves: indices of leaves, in increasing order.

    Spec: RFC 9420 section 7.1.
    """

    encryption_key: bytes = field(repr=False)
    parent_hash: bytes
    unmerged_leaves: tuple[int, ...] = ()

    def write_fields(self, writer: Writer) -> None:
        """Write all fields in order."""
        writer.op(self.encryption_key).op(self.parent_hash)
        write_list(writer, self.unmerged_leaves, Writer.u32)

    @classmethod
    def read(cls, reader: Reader) -> "ParentNode":
        """Read all fields in order.

        Raises:
            MalformedError: unmerged leaves out of order.
        """
        start = reader.position
        node = cls(read_vector(reader), read_vector(reader), read_list(reader, Reader.u32))
        leaves = node.unmerged_leaves
        if any(first >= second for first, second in pairwise(leaves)):
            raise malformed("unmerged leaves out of order")
        return remembered(node, reader.since(start))


Node = LeafNode | ParentNode


def write_node(writer: Writer, node: Node) -> None:
    """Write the type of a node, then the node.

    Spec: RFC 9420 section 7.8.
    """
    writer.u8(NodeType.LEAF if isinstance(node, LeafNode) else NodeType.PARENT)
    node.write(writer)


def read_node(reader: Reader) -> Node:
    """Read the type of a node, then the node.

    Spec: RFC 9420 section 7.8.
    """
    if member_of(NodeType, reader.u8()) == NodeType.LEAF:
        return LeafNode.read(reader)
    return ParentNode.read(reader)


def _write_place(writer: Writer, node: Node | None) -> None:
    if node is None:
        writer.u8(0)
    else:
        write_node(writer.u8(1), node)


def _read_place(reader: Reader) -> Node | None:
    return read_optional(reader, read_node)


def ratchet_tree_bytes(nodes: tuple[Node | None, ...]) -> bytes:
    """Return the content of a `ratchet_tree` extension; blank nodes are None.

    Spec: RFC 9420 section 12.4.3.3.
    """
    writer = Writer()
    write_list(writer, nodes, _write_place)
    return writer.to_bytes()


def parse_ratchet_tree(data: bytes) -> tuple[Node | None, ...]:
    """Read the nodes of a `ratchet_tree` extension in their order; what they mean together is not judged.

    Raises:
        MalformedError: not a list of nodes.

    Spec: RFC 9420 section 12.4.3.3.
    """
    return parse_whole(lambda reader: read_list(reader, _read_place), data)


def parse_leaf_node(data: bytes) -> LeafNode:
    """Read a leaf that fills the data; its signature is not checked here."""
    return parse_whole(LeafNode.read, data)


def parse_parent_node(data: bytes) -> ParentNode:
    """Read a parent that fills the data."""
    return parse_whole(ParentNode.read, data)
