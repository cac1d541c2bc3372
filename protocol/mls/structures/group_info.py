# SPDX-License-Identifier: Apache-2.0
"""What somebody needs to join a group, and what all its members agree on. Nobody here judges or opens it.

1. The group context is the same octets for every member of an epoch.
2. A group info is signed by one member; a Welcome brings it encrypted, with a secret for each joiner.
"""

from dataclasses import dataclass, field

from protocol.mls.structures.extensions import Extensions, read_extensions, write_extensions
from protocol.mls.structures.key_packages import require_version
from protocol.mls.structures.nodes import PROTOCOL_VERSION
from protocol.mls.structures.proposals import (
    PskId,
    read_hpke_ciphertext,
    read_psk_id,
    write_hpke_ciphertext,
)
from protocol.mls.structures.vectors import (
    Encoded,
    octets_of,
    parse_whole,
    read_list,
    read_optional,
    read_vector,
    remembered,
    write_list,
    write_optional,
)
from protocol.mls.suites import HpkeCiphertext, Suite
from protocol.octets import Reader, Writer, op

GROUP_INFO_LABEL = "GroupInfoTBS"


# --- the group ----------------------------------------------------------------------------------------------
@dataclass(frozen=True, slots=True)
class GroupContext(Encoded):
    """What all members of a group agree on.

    Attributes:
        cipher_suite: number of the suite.
        group_id: which group.
        epoch: how many commits it has seen.
        tree_hash: of the ratchet tree.
        confirmed_transcript_hash: over all commits until now.
        extensions: of the group.

    Spec: RFC 9420 section 8.1.
    """

    cipher_suite: int
    group_id: bytes
    epoch: int
    tree_hash: bytes
    confirmed_transcript_hash: bytes
    extensions: Extensions = ()

    def write_fields(self, writer: Writer) -> None:
        """Write all fields in order."""
        writer.u16(PROTOCOL_VERSION).u16(self.cipher_suite).op(self.group_id).u64(self.epoch)
        writer.op(self.tree_hash).op(self.confirmed_transcript_hash)
        write_extensions(writer, self.extensions)

    @classmethod
    def read(cls, reader: Reader) -> "GroupContext":
        """Read all fields in order.

        Raises:
            UnsupportedVersionError: of another version of the protocol.
        """
        start = reader.position
        require_version(reader.u16())
        context = cls(
            cipher_suite=reader.u16(),
            group_id=read_vector(reader),
            epoch=reader.u64(),
            tree_hash=read_vector(reader),
            confirmed_transcript_hash=read_vector(reader),
            extensions=read_extensions(reader),
        )
        return remembered(context, reader.since(start))


@dataclass(frozen=True, slots=True)
class GroupInfo(Encoded):
    """What somebody needs to know of a group to join it.

    Attributes:
        group_context: what the members agree on.
        extensions: tree, external key and more.
        confirmation_tag: of the commit that began the epoch.
        signer: leaf index of the member that signed it.
        signature: over `tbs`.

    Spec: RFC 9420 section 12.4.3.
    """

    group_context: GroupContext
    extensions: Extensions
    confirmation_tag: bytes = field(repr=False)
    signer: int
    signature: bytes = field(default=b"", repr=False)

    def write_fields(self, writer: Writer) -> None:
        """Write all fields in order."""
        self.group_context.write(writer)
        write_extensions(writer, self.extensions)
        writer.op(self.confirmation_tag).u32(self.signer).op(self.signature)

    @classmethod
    def read(cls, reader: Reader) -> "GroupInfo":
        """Read all fields in order."""
        start = reader.position
        info = cls(
            group_context=GroupContext.read(reader),
            extensions=read_extensions(reader),
            confirmation_tag=read_vector(reader),
            signer=reader.u32(),
            signature=read_vector(reader),
        )
        return remembered(info, reader.since(start))

    def tbs(self) -> bytes:
        """Return what is signed.

        Spec: RFC 9420 section 12.4.3.
        """
        octets = self.to_bytes()
        return octets[: len(octets) - len(op(self.signature))]


def verify_group_info_signature(suite: Suite, info: GroupInfo, signature_key: bytes) -> None:
    """Verify that a group info is signed by a key, which must be that of the leaf it names.

    Raises:
        UntrustedError: it is not.

    Spec: RFC 9420 section 12.4.3.
    """
    suite.verify_with_label(signature_key, GROUP_INFO_LABEL, info.tbs(), info.signature)


def parse_group_context(data: bytes) -> GroupContext:
    """Read a group context that fills the data."""
    return parse_whole(GroupContext.read, data)


def parse_group_info(data: bytes) -> GroupInfo:
    """Read a group info that fills the data; its signature is not checked here."""
    return parse_whole(GroupInfo.read, data)


# --- welcome ------------------------------------------------------------------------------------------------
@dataclass(frozen=True, slots=True)
class GroupSecrets:
    """What only a joiner may read in a Welcome.

    Attributes:
        joiner_secret: of the new epoch.
        path_secret: of the lowest node that the joiner and the committer share, or None without a path.
        psks: names of the pre-shared keys of the epoch, in their order.

    Spec: RFC 9420 section 12.4.3.1.
    """

    joiner_secret: bytes = field(repr=False)
    path_secret: bytes | None = field(repr=False)
    psks: tuple[PskId, ...] = ()

    def write(self, writer: Writer) -> None:
        """Write all fields in order."""
        write_optional(writer.op(self.joiner_secret), self.path_secret, Writer.op)
        write_list(writer, self.psks, lambda inner, psk: psk.write(inner))

    @classmethod
    def read(cls, reader: Reader) -> "GroupSecrets":
        """Read all fields in order."""
        return cls(read_vector(reader), read_optional(reader, read_vector), read_list(reader, read_psk_id))

    def to_bytes(self) -> bytes:
        """Return the octets of this structure."""
        return octets_of(self)


def parse_group_secrets(data: bytes) -> GroupSecrets:
    """Read group secrets that fill the data."""
    return parse_whole(GroupSecrets.read, data)


@dataclass(frozen=True, slots=True)
class EncryptedGroupSecrets:
    """Group secrets for one joiner.

    Attributes:
        new_member: reference to the key package of the joiner.
        encrypted: `GroupSecrets`, encrypted to the init key of that key package.

    Spec: RFC 9420 section 12.4.3.1.
    """

    new_member: bytes
    encrypted: HpkeCiphertext = field(repr=False)

    def write(self, writer: Writer) -> None:
        """Write all fields in order."""
        write_hpke_ciphertext(writer.op(self.new_member), self.encrypted)

    @classmethod
    def read(cls, reader: Reader) -> "EncryptedGroupSecrets":
        """Read all fields in order."""
        return cls(read_vector(reader), read_hpke_ciphertext(reader))


@dataclass(frozen=True, slots=True)
class Welcome:
    """What a joiner gets from the committer who added it.

    Attributes:
        cipher_suite: number of the suite.
        secrets: one for each joiner that this message is for.
        encrypted_group_info: `GroupInfo`, encrypted with a key that follows from the secrets.

    Spec: RFC 9420 section 12.4.3.1.
    """

    cipher_suite: int
    secrets: tuple[EncryptedGroupSecrets, ...]
    encrypted_group_info: bytes = field(repr=False)

    def write(self, writer: Writer) -> None:
        """Write all fields in order."""
        write_list(writer.u16(self.cipher_suite), self.secrets, lambda inner, secret: secret.write(inner))
        writer.op(self.encrypted_group_info)

    @classmethod
    def read(cls, reader: Reader) -> "Welcome":
        """Read all fields in order."""
        return cls(reader.u16(), read_list(reader, EncryptedGroupSecrets.read), read_vector(reader))
