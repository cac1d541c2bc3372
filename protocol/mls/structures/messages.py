# SPDX-License-Identifier: Apache-2.0
"""Messages of a group as they travel, and the structures inside them. No cryptography: that is `framing`.

1. There is one version of the protocol; a message of another is refused before anything else is read.
2. A commit carries a confirmation tag, nothing else does. A member's public message carries a membership
   tag, nobody else's does.
3. A wire format that nobody knows is refused.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from enum import IntEnum

from protocol.mls.structures.group_info import GroupInfo, Welcome
from protocol.mls.structures.key_packages import KeyPackage, require_version
from protocol.mls.structures.nodes import PROTOCOL_VERSION
from protocol.mls.structures.proposals import Commit, Proposal, read_proposal, write_proposal
from protocol.mls.structures.vectors import (
    Encoded,
    member_of,
    octets_of,
    parse_whole,
    read_vector,
    remembered,
    required,
)
from protocol.mls.suites import Suite
from protocol.octets import Reader, Writer

_PROPOSAL_LABEL = "MLS 1.0 Proposal Reference"


class WireFormat(IntEnum):
    """What a message is.

    Spec: RFC 9420 section 17.2.
    """

    PUBLIC_MESSAGE = 1
    PRIVATE_MESSAGE = 2
    WELCOME = 3
    GROUP_INFO = 4
    KEY_PACKAGE = 5


class ContentType(IntEnum):
    """What a framed message brings.

    Spec: RFC 9420 section 6.
    """

    APPLICATION = 1
    PROPOSAL = 2
    COMMIT = 3


class SenderType(IntEnum):
    """Who sends a framed message.

    Spec: RFC 9420 section 6.
    """

    MEMBER = 1
    EXTERNAL = 2
    NEW_MEMBER_PROPOSAL = 3
    NEW_MEMBER_COMMIT = 4


# --- framed content -----------------------------------------------------------------------------------------
@dataclass(frozen=True, slots=True)
class Sender:
    """Who sends a framed message.

    Attributes:
        sender_type: in which role.
        index: of a member its leaf, of an external sender its place in the extension, else 0.

    Spec: RFC 9420 section 6.
    """

    sender_type: SenderType
    index: int = 0

    def write(self, writer: Writer) -> None:
        """Write all fields in order."""
        writer.u8(self.sender_type)
        if self.sender_type in (SenderType.MEMBER, SenderType.EXTERNAL):
            writer.u32(self.index)

    @classmethod
    def read(cls, reader: Reader) -> "Sender":
        """Read all fields in order."""
        sender_type = member_of(SenderType, reader.u8())
        indexed = sender_type in (SenderType.MEMBER, SenderType.EXTERNAL)
        return cls(sender_type, reader.u32() if indexed else 0)


Content = bytes | Proposal | Commit
"""Application data, a proposal or a commit."""


def content_type_of(content: Content) -> ContentType:
    """Say what kind of content it is."""
    if isinstance(content, bytes):
        return ContentType.APPLICATION
    return ContentType.COMMIT if isinstance(content, Commit) else ContentType.PROPOSAL


def write_content(writer: Writer, content: Content) -> None:
    """Write content without its type."""
    if isinstance(content, bytes):
        writer.op(content)
    elif isinstance(content, Commit):
        content.write(writer)
    else:
        write_proposal(writer, content)


def read_content(reader: Reader, content_type: ContentType) -> Content:
    """Read content of a known type."""
    if content_type == ContentType.APPLICATION:
        return read_vector(reader)
    return Commit.read(reader) if content_type == ContentType.COMMIT else read_proposal(reader)


@dataclass(frozen=True, slots=True)
class FramedContent(Encoded):
    """What is signed in a message: content, with where, when and from whom.

    Attributes:
        group_id: which group.
        epoch: in which epoch.
        sender: from whom.
        authenticated_data: seen by everybody, changed by nobody.
        content: application data, a proposal or a commit.

    Spec: RFC 9420 section 6.
    """

    group_id: bytes
    epoch: int
    sender: Sender
    authenticated_data: bytes
    content: Content = field(repr=False)

    @property
    def content_type(self) -> ContentType:
        """What kind of content it is."""
        return content_type_of(self.content)

    def write_fields(self, writer: Writer) -> None:
        """Write all fields in order."""
        writer.op(self.group_id).u64(self.epoch)
        self.sender.write(writer)
        write_content(writer.op(self.authenticated_data).u8(self.content_type), self.content)

    @classmethod
    def read(cls, reader: Reader) -> "FramedContent":
        """Read all fields in order."""
        start = reader.position
        content = cls(
            group_id=read_vector(reader),
            epoch=reader.u64(),
            sender=Sender.read(reader),
            authenticated_data=read_vector(reader),
            content=read_content(reader, member_of(ContentType, reader.u8())),
        )
        return remembered(content, reader.since(start))


@dataclass(frozen=True, slots=True)
class AuthData:
    """What shows that framed content is genuine.

    Attributes:
        signature: by the sender.
        confirmation_tag: of a commit, else None.

    Spec: RFC 9420 section 6.1.
    """

    signature: bytes = field(repr=False)
    confirmation_tag: bytes | None = field(default=None, repr=False)

    def write(self, writer: Writer, content_type: ContentType) -> None:
        """Write all fields in order.

        Raises:
            LocalProtocolError: a commit without confirmation tag.
        """
        writer.op(self.signature)
        if content_type == ContentType.COMMIT:
            writer.op(required(self.confirmation_tag))

    @classmethod
    def read(cls, reader: Reader, content_type: ContentType) -> "AuthData":
        """Read all fields in order."""
        signature = read_vector(reader)
        return cls(signature, read_vector(reader) if content_type == ContentType.COMMIT else None)


@dataclass(frozen=True, slots=True)
class AuthenticatedContent:
    """Framed content with what shows that it is genuine, independent of how it travels.

    Spec: RFC 9420 section 6.
    """

    wire_format: WireFormat
    content: FramedContent
    auth: AuthData

    def write(self, writer: Writer) -> None:
        """Write all fields in order."""
        self.content.write(writer.u16(self.wire_format))
        self.auth.write(writer, self.content.content_type)

    @classmethod
    def read(cls, reader: Reader) -> "AuthenticatedContent":
        """Read all fields in order."""
        wire_format = member_of(WireFormat, reader.u16())
        content = FramedContent.read(reader)
        return cls(wire_format, content, AuthData.read(reader, content.content_type))

    def to_bytes(self) -> bytes:
        """Return the octets of this structure."""
        return octets_of(self)

    def reference(self, suite: Suite) -> bytes:
        """Return the reference to the proposal that this is.

        Spec: RFC 9420 section 5.2.
        """
        return suite.ref_hash(_PROPOSAL_LABEL, self.to_bytes())


def parse_authenticated_content(data: bytes) -> AuthenticatedContent:
    """Read authenticated content that fills the data; nothing is verified here."""
    return parse_whole(AuthenticatedContent.read, data)


# --- messages -----------------------------------------------------------------------------------------------
@dataclass(frozen=True, slots=True)
class PublicMessage:
    """A signed message in clear.

    Attributes:
        content: what is signed.
        auth: signature and confirmation tag.
        membership_tag: of a member, else None.

    Spec: RFC 9420 section 6.2.
    """

    content: FramedContent
    auth: AuthData
    membership_tag: bytes | None = field(default=None, repr=False)

    def write(self, writer: Writer) -> None:
        """Write all fields in order.

        Raises:
            LocalProtocolError: a member's message without membership tag.
        """
        self.content.write(writer)
        self.auth.write(writer, self.content.content_type)
        if self.content.sender.sender_type == SenderType.MEMBER:
            writer.op(required(self.membership_tag))

    @classmethod
    def read(cls, reader: Reader) -> "PublicMessage":
        """Read all fields in order."""
        content = FramedContent.read(reader)
        auth = AuthData.read(reader, content.content_type)
        from_member = content.sender.sender_type == SenderType.MEMBER
        return cls(content, auth, read_vector(reader) if from_member else None)


@dataclass(frozen=True, slots=True)
class PrivateMessage:
    """A signed and encrypted message of a member.

    Attributes:
        group_id: which group.
        epoch: in which epoch.
        content_type: what kind of content it brings.
        authenticated_data: seen by everybody, changed by nobody.
        encrypted_sender_data: who, and with which key of his.
        ciphertext: content, signature and padding.

    Spec: RFC 9420 section 6.3.
    """

    group_id: bytes
    epoch: int
    content_type: ContentType
    authenticated_data: bytes
    encrypted_sender_data: bytes = field(repr=False)
    ciphertext: bytes = field(repr=False)

    def write(self, writer: Writer) -> None:
        """Write all fields in order."""
        writer.op(self.group_id).u64(self.epoch).u8(self.content_type).op(self.authenticated_data)
        writer.op(self.encrypted_sender_data).op(self.ciphertext)

    @classmethod
    def read(cls, reader: Reader) -> "PrivateMessage":
        """Read all fields in order."""
        return cls(
            group_id=read_vector(reader),
            epoch=reader.u64(),
            content_type=member_of(ContentType, reader.u8()),
            authenticated_data=read_vector(reader),
            encrypted_sender_data=read_vector(reader),
            ciphertext=read_vector(reader),
        )


Body = PublicMessage | PrivateMessage | Welcome | GroupInfo | KeyPackage

_READERS: dict[WireFormat, Callable[[Reader], Body]] = {
    WireFormat.PUBLIC_MESSAGE: PublicMessage.read,
    WireFormat.PRIVATE_MESSAGE: PrivateMessage.read,
    WireFormat.WELCOME: Welcome.read,
    WireFormat.GROUP_INFO: GroupInfo.read,
    WireFormat.KEY_PACKAGE: KeyPackage.read,
}
_FORMATS: dict[type[Body], WireFormat] = {
    PublicMessage: WireFormat.PUBLIC_MESSAGE,
    PrivateMessage: WireFormat.PRIVATE_MESSAGE,
    Welcome: WireFormat.WELCOME,
    GroupInfo: WireFormat.GROUP_INFO,
    KeyPackage: WireFormat.KEY_PACKAGE,
}


@dataclass(frozen=True, slots=True)
class MlsMessage:
    """Any message, as it travels.

    Spec: RFC 9420 section 6.
    """

    body: Body

    @property
    def wire_format(self) -> WireFormat:
        """What the message is."""
        return _FORMATS[type(self.body)]

    def write(self, writer: Writer) -> None:
        """Write all fields in order."""
        self.body.write(writer.u16(PROTOCOL_VERSION).u16(self.wire_format))

    @classmethod
    def read(cls, reader: Reader) -> "MlsMessage":
        """Read all fields in order.

        Raises:
            UnsupportedVersionError: of another version of the protocol.
        """
        require_version(reader.u16())
        return cls(_READERS[member_of(WireFormat, reader.u16())](reader))

    def to_bytes(self) -> bytes:
        """Return the octets of this structure."""
        return octets_of(self)


def parse_mls_message(data: bytes) -> MlsMessage:
    """Read a message that fills the data; nothing is verified here.

    Raises:
        MalformedError: not a message, or over 16 MiB (`too_large`).
        UnsupportedVersionError: of another version of the protocol.
    """
    return parse_whole(MlsMessage.read, data)
