# SPDX-License-Identifier: Apache-2.0
"""What the sealed part of an envelope is in a group: messages, invitations, commits. It opens nothing.

1. The frame of an envelope is bound to an application message by its hash, which is sent as authenticated
   data: nobody can move a message to another frame.
2. The first octet of what a message says tells a record from one that is said again, and from a statement
   about the group.
3. An invitation and a commit bring the leaf certificates that their reader may not have. An invitation to a
   group that continues others brings how it came from them.

application: MLSMessage, which says u8 1 ... (a signed record), u8 2 || a joined statement, u8 3 || a control,
             or u8 4 || a signed record that was said before
invitation : u8 1 || op(Welcome, an MLSMessage) || u8 n || n * op(continued statement)
             || u8 n || n * op(leaf certificate)
commit     : u8 1 || op(commit, an MLSMessage) || op(hub receipt) || u8 n || n * op(leaf certificate)
"""

from dataclasses import dataclass, field
from enum import IntEnum
from hashlib import sha256

from protocol import limits
from protocol.envelope import padded_length
from protocol.errors import UnsupportedVersionError
from protocol.groups.certificate import read_certificates, with_certificates
from protocol.groups.testimony.continued import read_history, with_history
from protocol.groups.testimony.hub_receipt import MAX_HUB_RECEIPT_BYTES
from protocol.identifiers import Digest
from protocol.octets import Reader, Writer

_VERSION = 1


class Said(IntEnum):
    """What an application message says, by its first octet."""

    RECORD = 1
    JOINED = 2
    CONTROL = 3
    RESENT = 4


@dataclass(frozen=True, slots=True)
class Invitation:
    """What a joiner gets.

    Attributes:
        welcome: an `MLSMessage`.
        certificates: of the leaves of the group.
        history: statements how the group came from others, the oldest first; none if it did not.

    Spec: PROTOCOL.md section 7.1.
    """

    welcome: bytes = field(repr=False)
    certificates: tuple[bytes, ...] = field(repr=False)
    history: tuple[bytes, ...] = field(default=(), repr=False)

    @property
    def digest(self) -> Digest:
        """Return the hash by which receipts name it."""
        return Digest(sha256(self.welcome).hexdigest())

    def to_bytes(self) -> bytes:
        """Write the sealed part."""
        writer = with_history(Writer().u8(_VERSION).op(self.welcome), self.history)
        return with_certificates(writer, self.certificates)


@dataclass(frozen=True, slots=True)
class OrderedCommit:
    """A commit with the place that the hub gave it.

    Attributes:
        commit: an `MLSMessage`.
        receipt: of the hub.
        certificates: of the leaves that it brings.

    Spec: PROTOCOL.md section 7.1.
    """

    commit: bytes = field(repr=False)
    receipt: bytes = field(repr=False)
    certificates: tuple[bytes, ...] = field(repr=False)

    @property
    def digest(self) -> Digest:
        """Return the hash by which receipts name it."""
        return Digest(sha256(self.commit).hexdigest())

    def to_bytes(self) -> bytes:
        """Write the sealed part."""
        writer = Writer().u8(_VERSION).op(self.commit).op(self.receipt)
        return with_certificates(writer, self.certificates)


def parse_invitation(data: bytes) -> Invitation:
    """Read an invitation.

    Raises:
        UnsupportedVersionError: another version.
        MalformedError: cut off, or more than the bounds.

    Spec: PROTOCOL.md section 7.1.
    """
    reader = _begin(data)
    welcome, history = reader.op(limits.MAX_WELCOME_BYTES), read_history(reader)
    return Invitation(welcome, read_certificates(reader), history)


def parse_ordered_commit(data: bytes) -> OrderedCommit:
    """Read a commit with its hub receipt.

    Raises:
        UnsupportedVersionError: another version.
        MalformedError: cut off, or more than the bounds.

    Spec: PROTOCOL.md section 7.1.
    """
    reader = _begin(data)
    commit, receipt = reader.op(limits.MAX_COMMIT_BYTES), reader.op(MAX_HUB_RECEIPT_BYTES)
    return OrderedCommit(commit, receipt, read_certificates(reader))


def kind_of(data: bytes) -> Said:
    """Return what an application message says.

    Raises:
        UnsupportedVersionError: something that is not known here.

    Spec: PROTOCOL.md section 7.1.
    """
    if not data or data[0] not in set(Said):
        raise UnsupportedVersionError("a message that says something unknown")
    return Said(data[0])


def joined_message(statement: bytes) -> bytes:
    """Return what a message says that brings a joined statement."""
    return bytes((Said.JOINED,)) + statement


def control_message(statement: bytes) -> bytes:
    """Return what a message says that brings a control."""
    return bytes((Said.CONTROL,)) + statement


def resent_message(signed_record: bytes) -> bytes:
    """Return what a message says that brings a signed record again, unchanged, in a later envelope."""
    return bytes((Said.RESENT,)) + signed_record


def frame_binding(frame: bytes) -> bytes:
    """Return the authenticated data of a message in a frame."""
    return sha256(frame).digest()


def padding_for(size: int) -> int:
    """Return how many zeros follow content of a size."""
    return padded_length(size) - size


def _begin(data: bytes) -> Reader:
    reader = Reader(data)
    if reader.u8() != _VERSION:
        raise UnsupportedVersionError("a sealed part of another version")
    return reader
