# SPDX-License-Identifier: Apache-2.0
"""Extensions and credentials, and the extensions of RFC 9420 itself. Not a judgement: unknown ones are kept.

1. A list of extensions has each type once.
2. Types of extensions, proposals and credentials are open: in capabilities any number may stand.
3. A credential of a type that nobody knows has no end that could be found, so it is refused.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import IntEnum

from protocol.errors import LocalProtocolError, ReasonCode
from protocol.mls.structures.vectors import (
    malformed,
    octets_of,
    parse_whole,
    read_list,
    read_numbers,
    read_vector,
    write_list,
    write_numbers,
)
from protocol.octets import Reader, Writer, op


class ExtensionType(IntEnum):
    """Extensions of RFC 9420, and the last resort mark of the extensions draft.

    Spec: RFC 9420 section 17.3; draft-ietf-mls-extensions.
    """

    APPLICATION_ID = 0x0001
    RATCHET_TREE = 0x0002
    REQUIRED_CAPABILITIES = 0x0003
    EXTERNAL_PUB = 0x0004
    EXTERNAL_SENDERS = 0x0005
    LAST_RESORT_KEY_PACKAGE = 0x000A


DEFAULT_EXTENSION_TYPES = frozenset(range(0x0001, 0x0006))
"""Supported by everybody and never listed in capabilities (RFC 9420 section 7.2)."""


class CredentialType(IntEnum):
    """Credentials of RFC 9420.

    Spec: RFC 9420 section 17.5.
    """

    BASIC = 0x0001
    X509 = 0x0002


# --- extensions ---------------------------------------------------------------------------------------------
@dataclass(frozen=True, slots=True)
class Extension:
    """Something that a structure says beyond its fields.

    Attributes:
        extension_type: 16 bits; an `ExtensionType` or another.
        data: its content, in a form that the type decides.

    Spec: RFC 9420 section 7.2.
    """

    extension_type: int
    data: bytes = field(repr=False)

    def write(self, writer: Writer) -> None:
        """Write all fields in order."""
        writer.u16(self.extension_type).op(self.data)

    @classmethod
    def read(cls, reader: Reader) -> "Extension":
        """Read all fields in order."""
        return cls(reader.u16(), read_vector(reader))


Extensions = tuple[Extension, ...]
"""In the order in which they stand; each type once."""


def write_extensions(writer: Writer, extensions: Extensions) -> None:
    """Write a list of extensions.

    Raises:
        LocalProtocolError: a type stands in it twice.
    """
    if _has_twice(extensions):
        raise LocalProtocolError("an extension twice in a list", code=ReasonCode.BAD_CONTENT)
    write_list(writer, extensions, lambda inner, extension: extension.write(inner))


def read_extensions(reader: Reader) -> Extensions:
    """Read a list of extensions.

    Raises:
        MalformedError: a type stands in it twice.

    Spec: RFC 9420 section 13.4.
    """
    extensions = read_list(reader, Extension.read)
    if _has_twice(extensions):
        raise malformed("an extension twice in a list")
    return extensions


def parse_extensions(data: bytes) -> Extensions:
    """Read a list of extensions that fills the data."""
    return parse_whole(read_extensions, data)


def find_extension(extensions: Sequence[Extension], extension_type: int) -> bytes | None:
    """Return the content of the extension of a type, or None."""
    for extension in extensions:
        if extension.extension_type == extension_type:
            return extension.data
    return None


def _has_twice(extensions: Extensions) -> bool:
    return len({extension.extension_type for extension in extensions}) != len(extensions)


# --- credentials --------------------------------------------------------------------------------------------
@dataclass(frozen=True, slots=True)
class BasicCredential:
    """An identity that the application understands.

    Spec: RFC 9420 section 5.3.
    """

    identity: bytes

    @property
    def credential_type(self) -> CredentialType:
        """What kind of credential it is."""
        return CredentialType.BASIC

    def write(self, writer: Writer) -> None:
        """Write type and fields in order."""
        writer.u16(CredentialType.BASIC).op(self.identity)


@dataclass(frozen=True, slots=True)
class X509Credential:
    """A chain of certificates in DER, the member's own first. Nobody here judges it.

    Spec: RFC 9420 section 5.3.
    """

    certificates: tuple[bytes, ...]

    @property
    def credential_type(self) -> CredentialType:
        """What kind of credential it is."""
        return CredentialType.X509

    def write(self, writer: Writer) -> None:
        """Write type and fields in order."""
        writer.u16(CredentialType.X509)
        write_list(writer, self.certificates, Writer.op)


Credential = BasicCredential | X509Credential


def read_credential(reader: Reader) -> Credential:
    """Read a credential.

    Raises:
        MalformedError: of a type that is not known.

    Spec: RFC 9420 section 5.3.
    """
    credential_type = reader.u16()
    if credential_type == CredentialType.BASIC:
        return BasicCredential(read_vector(reader))
    if credential_type == CredentialType.X509:
        return X509Credential(read_list(reader, read_vector))
    raise malformed("a credential of an unknown type")


# --- contents of extensions ---------------------------------------------------------------------------------
@dataclass(frozen=True, slots=True)
class RequiredCapabilities:
    """What every member of a group must support.

    Spec: RFC 9420 section 11.1.
    """

    extensions: tuple[int, ...] = ()
    proposals: tuple[int, ...] = ()
    credentials: tuple[int, ...] = ()

    def write(self, writer: Writer) -> None:
        """Write all fields in order."""
        for numbers in (self.extensions, self.proposals, self.credentials):
            write_numbers(writer, numbers)

    @classmethod
    def read(cls, reader: Reader) -> "RequiredCapabilities":
        """Read all fields in order."""
        return cls(read_numbers(reader), read_numbers(reader), read_numbers(reader))

    def to_bytes(self) -> bytes:
        """Return the content of a `required_capabilities` extension."""
        return octets_of(self)


def parse_required_capabilities(data: bytes) -> RequiredCapabilities:
    """Read the content of a `required_capabilities` extension."""
    return parse_whole(RequiredCapabilities.read, data)


@dataclass(frozen=True, slots=True)
class ExternalSender:
    """Somebody outside a group who may send it proposals.

    Spec: RFC 9420 section 12.1.8.1.
    """

    signature_key: bytes
    credential: Credential

    def write(self, writer: Writer) -> None:
        """Write all fields in order."""
        self.credential.write(writer.op(self.signature_key))

    @classmethod
    def read(cls, reader: Reader) -> "ExternalSender":
        """Read all fields in order."""
        return cls(read_vector(reader), read_credential(reader))


def external_senders_bytes(senders: tuple[ExternalSender, ...]) -> bytes:
    """Return the content of an `external_senders` extension."""
    writer = Writer()
    write_list(writer, senders, lambda inner, sender: sender.write(inner))
    return writer.to_bytes()


def parse_external_senders(data: bytes) -> tuple[ExternalSender, ...]:
    """Read the content of an `external_senders` extension."""
    return parse_whole(lambda reader: read_list(reader, ExternalSender.read), data)


def external_pub_bytes(public_key: bytes) -> bytes:
    """Return the content of an `external_pub` extension.

    Spec: RFC 9420 section 12.4.3.2.
    """
    return op(public_key)


def parse_external_pub(data: bytes) -> bytes:
    """Read the public key out of an `external_pub` extension.

    Spec: RFC 9420 section 12.4.3.2.
    """
    return parse_whole(read_vector, data)
