# SPDX-License-Identifier: Apache-2.0
"""Proposals and commits: what is to change in a group, and the change. Nobody here judges or applies them.

1. A proposal of a type that nobody knows is refused: a group must not change in ways a member cannot follow.
2. A commit holds proposals themselves, or references to proposals that were sent before it.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from enum import IntEnum
from typing import ClassVar

from protocol.mls.structures.extensions import Extensions, read_extensions, write_extensions
from protocol.mls.structures.key_packages import KeyPackage
from protocol.mls.structures.nodes import LeafNode
from protocol.mls.structures.vectors import (
    Encoded,
    malformed,
    member_of,
    octets_of,
    parse_whole,
    read_list,
    read_optional,
    read_vector,
    remembered,
    write_list,
    write_optional,
)
from protocol.mls.suites import HpkeCiphertext
from protocol.octets import Reader, Writer


class ProposalType(IntEnum):
    """Proposals of RFC 9420.

    Spec: RFC 9420 section 17.4.
    """

    ADD = 0x0001
    UPDATE = 0x0002
    REMOVE = 0x0003
    PSK = 0x0004
    REINIT = 0x0005
    EXTERNAL_INIT = 0x0006
    GROUP_CONTEXT_EXTENSIONS = 0x0007


DEFAULT_PROPOSAL_TYPES = frozenset(ProposalType)
"""Supported by everybody and never listed in capabilities (RFC 9420 section 7.2)."""


class PskType(IntEnum):
    """Where a pre-shared key comes from.

    Spec: RFC 9420 section 8.4.
    """

    EXTERNAL = 1
    RESUMPTION = 2


class ResumptionUsage(IntEnum):
    """What a key of an earlier epoch is used for.

    Spec: RFC 9420 section 8.4.
    """

    APPLICATION = 1
    REINIT = 2
    BRANCH = 3


# --- names of pre-shared keys -------------------------------------------------------------------------------
@dataclass(frozen=True, slots=True)
class ExternalPskId:
    """A pre-shared key that the application has.

    Attributes:
        psk_id: its name.
        psk_nonce: fresh for each use, as long as a hash.

    Spec: RFC 9420 section 8.4.
    """

    psk_id: bytes
    psk_nonce: bytes = field(repr=False)

    def write(self, writer: Writer) -> None:
        """Write type and fields in order."""
        writer.u8(PskType.EXTERNAL).op(self.psk_id).op(self.psk_nonce)


@dataclass(frozen=True, slots=True)
class ResumptionPskId:
    """The resumption key of an epoch of a group.

    Attributes:
        usage: what for.
        group_id: of which group.
        epoch: of which epoch.
        psk_nonce: fresh for each use, as long as a hash.

    Spec: RFC 9420 section 8.4.
    """

    usage: ResumptionUsage
    group_id: bytes
    epoch: int
    psk_nonce: bytes = field(repr=False)

    def write(self, writer: Writer) -> None:
        """Write type and fields in order."""
        writer.u8(PskType.RESUMPTION).u8(self.usage)
        writer.op(self.group_id).u64(self.epoch).op(self.psk_nonce)


PskId = ExternalPskId | ResumptionPskId


def read_psk_id(reader: Reader) -> PskId:
    """Read the name of a pre-shared key.

    Spec: RFC 9420 section 8.4.
    """
    if member_of(PskType, reader.u8()) == PskType.EXTERNAL:
        return ExternalPskId(read_vector(reader), read_vector(reader))
    usage = member_of(ResumptionUsage, reader.u8())
    return ResumptionPskId(usage, read_vector(reader), reader.u64(), read_vector(reader))


# --- proposals ----------------------------------------------------------------------------------------------
@dataclass(frozen=True, slots=True)
class Add:
    """Add a client.

    Spec: RFC 9420 section 12.1.1.
    """

    proposal_type: ClassVar[ProposalType] = ProposalType.ADD
    key_package: KeyPackage

    def write(self, writer: Writer) -> None:
        """Write all fields in order."""
        self.key_package.write(writer)

    @classmethod
    def read(cls, reader: Reader) -> "Add":
        """Read all fields in order."""
        return cls(KeyPackage.read(reader))


@dataclass(frozen=True, slots=True)
class Update:
    """Replace the leaf of the sender.

    Spec: RFC 9420 section 12.1.2.
    """

    proposal_type: ClassVar[ProposalType] = ProposalType.UPDATE
    leaf_node: LeafNode

    def write(self, writer: Writer) -> None:
        """Write all fields in order."""
        self.leaf_node.write(writer)

    @classmethod
    def read(cls, reader: Reader) -> "Update":
        """Read all fields in order."""
        return cls(LeafNode.read(reader))


@dataclass(frozen=True, slots=True)
class Remove:
    """Remove the member at a leaf.

    Spec: RFC 9420 section 12.1.3.
    """

    proposal_type: ClassVar[ProposalType] = ProposalType.REMOVE
    removed: int

    def write(self, writer: Writer) -> None:
        """Write all fields in order."""
        writer.u32(self.removed)

    @classmethod
    def read(cls, reader: Reader) -> "Remove":
        """Read all fields in order."""
        return cls(reader.u32())


@dataclass(frozen=True, slots=True)
class PreSharedKey:
    """Bring a pre-shared key into the next epoch.

    Spec: RFC 9420 section 12.1.4.
    """

    proposal_type: ClassVar[ProposalType] = ProposalType.PSK
    psk: PskId

    def write(self, writer: Writer) -> None:
        """Write all fields in order."""
        self.psk.write(writer)

    @classmethod
    def read(cls, reader: Reader) -> "PreSharedKey":
        """Read all fields in order."""
        return cls(read_psk_id(reader))


@dataclass(frozen=True, slots=True)
class ReInit:
    """End the group in favour of a new one; its version may be one that nobody here knows.

    Spec: RFC 9420 section 12.1.5.
    """

    proposal_type: ClassVar[ProposalType] = ProposalType.REINIT
    group_id: bytes
    version: int
    cipher_suite: int
    extensions: Extensions = ()

    def write(self, writer: Writer) -> None:
        """Write all fields in order."""
        writer.op(self.group_id).u16(self.version).u16(self.cipher_suite)
        write_extensions(writer, self.extensions)

    @classmethod
    def read(cls, reader: Reader) -> "ReInit":
        """Read all fields in order."""
        return cls(read_vector(reader), reader.u16(), reader.u16(), read_extensions(reader))


@dataclass(frozen=True, slots=True)
class ExternalInit:
    """Bring the init secret of somebody who joins from outside.

    Spec: RFC 9420 section 12.1.6.
    """

    proposal_type: ClassVar[ProposalType] = ProposalType.EXTERNAL_INIT
    kem_output: bytes = field(repr=False)

    def write(self, writer: Writer) -> None:
        """Write all fields in order."""
        writer.op(self.kem_output)

    @classmethod
    def read(cls, reader: Reader) -> "ExternalInit":
        """Read all fields in order."""
        return cls(read_vector(reader))


@dataclass(frozen=True, slots=True)
class GroupContextExtensions:
    """Replace all extensions of the group.

    Spec: RFC 9420 section 12.1.7.
    """

    proposal_type: ClassVar[ProposalType] = ProposalType.GROUP_CONTEXT_EXTENSIONS
    extensions: Extensions

    def write(self, writer: Writer) -> None:
        """Write all fields in order."""
        write_extensions(writer, self.extensions)

    @classmethod
    def read(cls, reader: Reader) -> "GroupContextExtensions":
        """Read all fields in order."""
        return cls(read_extensions(reader))


Proposal = Add | Update | Remove | PreSharedKey | ReInit | ExternalInit | GroupContextExtensions

_READERS: dict[int, Callable[[Reader], Proposal]] = {
    ProposalType.ADD: Add.read,
    ProposalType.UPDATE: Update.read,
    ProposalType.REMOVE: Remove.read,
    ProposalType.PSK: PreSharedKey.read,
    ProposalType.REINIT: ReInit.read,
    ProposalType.EXTERNAL_INIT: ExternalInit.read,
    ProposalType.GROUP_CONTEXT_EXTENSIONS: GroupContextExtensions.read,
}


def write_proposal(writer: Writer, proposal: Proposal) -> None:
    """Write the type of a proposal, then the proposal.

    Spec: RFC 9420 section 12.1.
    """
    proposal.write(writer.u16(proposal.proposal_type))


def read_proposal(reader: Reader) -> Proposal:
    """Read the type of a proposal, then the proposal.

    Raises:
        MalformedError: of a type that is not known.

    Spec: RFC 9420 section 12.1.
    """
    read = _READERS.get(reader.u16())
    if read is None:
        raise malformed("a proposal of an unknown type")
    return read(reader)


def parse_proposal(data: bytes) -> Proposal:
    """Read a proposal with its type that fills the data."""
    return parse_whole(read_proposal, data)


# --- commits ------------------------------------------------------------------------------------------------
@dataclass(frozen=True, slots=True)
class ProposalRef:
    """A proposal that was sent before, by the hash of its authenticated content.

    Spec: RFC 9420 section 5.2.
    """

    reference: bytes


ProposalOrRef = Proposal | ProposalRef


class ProposalOrRefType(IntEnum):
    """Whether a commit holds a proposal or names it.

    Spec: RFC 9420 section 12.4.
    """

    PROPOSAL = 1
    REFERENCE = 2


def write_proposal_or_ref(writer: Writer, item: ProposalOrRef) -> None:
    """Write one item of a commit.

    Spec: RFC 9420 section 12.4.
    """
    if isinstance(item, ProposalRef):
        writer.u8(ProposalOrRefType.REFERENCE).op(item.reference)
    else:
        write_proposal(writer.u8(ProposalOrRefType.PROPOSAL), item)


def read_proposal_or_ref(reader: Reader) -> ProposalOrRef:
    """Read one item of a commit.

    Spec: RFC 9420 section 12.4.
    """
    if member_of(ProposalOrRefType, reader.u8()) == ProposalOrRefType.REFERENCE:
        return ProposalRef(read_vector(reader))
    return read_proposal(reader)


def write_hpke_ciphertext(writer: Writer, encrypted: HpkeCiphertext) -> None:
    """Write what public key encryption made.

    Spec: RFC 9420 section 7.6.
    """
    writer.op(encrypted.kem_output).op(encrypted.ciphertext)


def read_hpke_ciphertext(reader: Reader) -> HpkeCiphertext:
    """Read what public key encryption made.

    Spec: RFC 9420 section 7.6.
    """
    return HpkeCiphertext(read_vector(reader), read_vector(reader))


@dataclass(frozen=True, slots=True)
class UpdatePathNode:
    """A new key on the way from a leaf to the root.

    Attributes:
        encryption_key: the new public key.
        encrypted_path_secret: one for each node of the resolution of the copath node.

    Spec: RFC 9420 section 7.6.
    """

    encryption_key: bytes = field(repr=False)
    encrypted_path_secret: tuple[HpkeCiphertext, ...] = field(repr=False)

    def write(self, writer: Writer) -> None:
        """Write all fields in order."""
        write_list(writer.op(self.encryption_key), self.encrypted_path_secret, write_hpke_ciphertext)

    @classmethod
    def read(cls, reader: Reader) -> "UpdatePathNode":
        """Read all fields in order."""
        return cls(read_vector(reader), read_list(reader, read_hpke_ciphertext))


@dataclass(frozen=True, slots=True)
class UpdatePath:
    """A new leaf for the committer and new keys above it.

    Spec: RFC 9420 section 7.6.
    """

    leaf_node: LeafNode
    nodes: tuple[UpdatePathNode, ...]

    def write(self, writer: Writer) -> None:
        """Write all fields in order."""
        self.leaf_node.write(writer)
        write_list(writer, self.nodes, lambda inner, node: node.write(inner))

    @classmethod
    def read(cls, reader: Reader) -> "UpdatePath":
        """Read all fields in order."""
        return cls(LeafNode.read(reader), read_list(reader, UpdatePathNode.read))

    def to_bytes(self) -> bytes:
        """Return the octets of this structure."""
        return octets_of(self)


def parse_update_path(data: bytes) -> UpdatePath:
    """Read a path that fills the data."""
    return parse_whole(UpdatePath.read, data)


@dataclass(frozen=True, slots=True)
class Commit(Encoded):
    """A change of a group: the proposals it takes, and mostly a path.

    Spec: RFC 9420 section 12.4.
    """

    proposals: tuple[ProposalOrRef, ...]
    path: UpdatePath | None = None

    def write_fields(self, writer: Writer) -> None:
        """Write all fields in order."""
        write_list(writer, self.proposals, write_proposal_or_ref)
        write_optional(writer, self.path, lambda inner, path: path.write(inner))

    @classmethod
    def read(cls, reader: Reader) -> "Commit":
        """Read all fields in order."""
        start = reader.position
        commit = cls(read_list(reader, read_proposal_or_ref), read_optional(reader, UpdatePath.read))
        return remembered(commit, reader.since(start))


def parse_commit(data: bytes) -> Commit:
    """Read a commit that fills the data."""
    return parse_whole(Commit.read, data)
