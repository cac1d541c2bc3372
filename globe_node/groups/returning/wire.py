# SPDX-License-Identifier: Apache-2.0
"""What a member and the hub of a group say about commits and returns. Nothing in it is trusted here.

1. A commit that is sent again gets the same answer: the receipt that it got.
2. A commit that came too late gets those that were first, in order, with their receipts.
3. Who lacks commits asks for those from its epoch on, and gets them as one does that came too late; there may
   be none.
4. Certificates stand once, whatever number of leaves name them.
5. Who does not know any more in which groups it is asks each node for those that both are in.
6. A successor asks the other members whether they miss the hub too.

commit request = u8 1 || group (32) || u8 1 || op(commit, an MLSMessage) || op(leaf certificate, or empty)
               | u8 1 || group (32) || u8 2 || u64 epoch
commit answer  = u8 1 || u8 1 || op(hub receipt)
               | u8 1 || u8 2 || u8 n || n * (op(commit) || op(hub receipt)) || certificates
info request   = u8 1 || u8 1 || group (32)
               | u8 1 || u8 2 || op(group after which the list goes on, or empty)
               | u8 1 || u8 3 || group (32) || u64 epoch
               | u8 1 || u8 4 || group (32)
info answer    = u8 1 || op(GroupInfo, an MLSMessage) || certificates
               | u8 1 || u16 n || n * (group (32) || op(consultation) || op(hub) || names || history)
               | u8 1 || u8 (1 if the hub is missed, else 0)
history        = u8 n || n * op(continued statement)
names          = u8 n || n * op(authority)
certificates   = u8 n || n * op(leaf certificate)
"""

from dataclasses import dataclass, field
from itertools import pairwise

from protocol import limits
from protocol.errors import MalformedError, ReasonCode, UnsupportedVersionError
from protocol.groups.certificate import MAX_LEAF_CERTIFICATE_BYTES, read_certificates, with_certificates
from protocol.groups.profile import GROUP_ID_BYTES
from protocol.groups.testimony.continued import read_history, with_history
from protocol.groups.testimony.hub_receipt import MAX_HUB_RECEIPT_BYTES
from protocol.identifiers import (
    MAX_NODE_NAME_BYTES,
    AuthorityId,
    ConsultationId,
    NodeName,
    parse_authority_id,
    parse_consultation_id,
    parse_node_name,
)
from protocol.octets import Reader, Writer

MAX_COMMITS = 16
"""Commits that one answer brings; who is further behind asks again."""
_VERSION = 1
_PLACE, _LATER = 1, 2
_ORDERED, _BEHIND = 1, 2
_INFO, _ROLL, _ABSENCE, _INFO_AFTER = 1, 2, 3, 4
MAX_SHARED = 500
"""Groups that one answer names; who is in more asks for those after the last one."""


@dataclass(frozen=True, slots=True)
class CommitRequest:
    """The wish of a member that its commit be the next one of a group.

    Attributes:
        group_id: the group.
        commit: an `MLSMessage`.
        certificate: of the leaf that the commit brings, or empty if it keeps its certificate.
    """

    group_id: bytes
    commit: bytes = field(repr=False)
    certificate: bytes = field(default=b"", repr=False)

    def to_bytes(self) -> bytes:
        """Write the request."""
        writer = Writer().u8(_VERSION).raw(self.group_id).u8(_PLACE)
        return writer.op(self.commit).op(self.certificate).to_bytes()


@dataclass(frozen=True, slots=True)
class LaterRequest:
    """The wish of a member for the commits that it lacks.

    Attributes:
        group_id: the group.
        epoch: in which the member is.
    """

    group_id: bytes
    epoch: int

    def to_bytes(self) -> bytes:
        """Write the request."""
        return Writer().u8(_VERSION).raw(self.group_id).u8(_LATER).u64(self.epoch).to_bytes()


@dataclass(frozen=True, slots=True)
class Place:
    """A commit with the receipt that gives it its place."""

    commit: bytes = field(repr=False)
    receipt: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class CommitAnswer:
    """What the hub says to a commit.

    Attributes:
        receipt: of the commit that was asked for; empty if others were first, or nothing was to be ordered.
        earlier: those others, in order.
        certificates: of the leaves of the group as it is now, if others were first.
    """

    receipt: bytes = field(default=b"", repr=False)
    earlier: tuple[Place, ...] = ()
    certificates: tuple[bytes, ...] = field(default=(), repr=False)

    def to_bytes(self) -> bytes:
        """Write the answer."""
        writer = Writer().u8(_VERSION)
        if self.receipt:
            return writer.u8(_ORDERED).op(self.receipt).to_bytes()
        writer.u8(_BEHIND).u8(len(self.earlier))
        for place in self.earlier:
            writer.op(place.commit).op(place.receipt)
        return with_certificates(writer, self.certificates)


@dataclass(frozen=True, slots=True)
class InfoRequest:
    """The wish of a member that has lost its secrets to see the group.

    Attributes:
        group_id: the group.
        after_commit: as it is after the commit of whoever is asked that waits for its place.
    """

    group_id: bytes
    after_commit: bool = False

    def to_bytes(self) -> bytes:
        """Write the request."""
        kind = _INFO_AFTER if self.after_commit else _INFO
        return Writer().u8(_VERSION).u8(kind).raw(self.group_id).to_bytes()


@dataclass(frozen=True, slots=True)
class RollRequest:
    """The question of a node that was put back to an older state: in which groups are we together?

    It says as well that the key packages that this node has given before are gone.

    Attributes:
        after: the last group that the answer before named, or empty.
    """

    after: bytes = b""

    def to_bytes(self) -> bytes:
        """Write the request."""
        return Writer().u8(_VERSION).u8(_ROLL).op(self.after).to_bytes()


@dataclass(frozen=True, slots=True)
class SharedGroup:
    """A group that two nodes are in, as one of them says.

    Attributes:
        group_id: the group.
        consultation: the consultation that it is.
        hub: of the two.
        roster: the authorities in it, sorted.
        history: statements how it came from others, the oldest first.
    """

    group_id: bytes
    consultation: ConsultationId
    hub: NodeName
    roster: tuple[AuthorityId, ...]
    history: tuple[bytes, ...] = field(default=(), repr=False)


@dataclass(frozen=True, slots=True)
class RollAnswer:
    """Groups that two nodes are in, and of which one of the two is the hub; by rising group id."""

    groups: tuple[SharedGroup, ...]

    def to_bytes(self) -> bytes:
        """Write the answer."""
        writer = Writer().u8(_VERSION).u16(len(self.groups))
        for one in self.groups:
            writer.raw(one.group_id).op(one.consultation.encode("ascii")).op(str(one.hub).encode("ascii"))
            writer.u8(len(one.roster))
            for name in one.roster:
                writer.op(name.encode("ascii"))
            with_history(writer, one.history)
        return writer.to_bytes()


@dataclass(frozen=True, slots=True)
class AbsenceRequest:
    """The question of a successor: do you miss the hub of our group too?

    Attributes:
        group_id: the group.
        epoch: in which the successor is.
    """

    group_id: bytes
    epoch: int

    def to_bytes(self) -> bytes:
        """Write the request."""
        return Writer().u8(_VERSION).u8(_ABSENCE).raw(self.group_id).u64(self.epoch).to_bytes()


@dataclass(frozen=True, slots=True)
class AbsenceAnswer:
    """Whether a member misses the hub too."""

    is_missed: bool

    def to_bytes(self) -> bytes:
        """Write the answer."""
        return Writer().u8(_VERSION).u8(int(self.is_missed)).to_bytes()


@dataclass(frozen=True, slots=True)
class InfoAnswer:
    """What somebody needs to come back into a group.

    Attributes:
        info: an `MLSMessage` with the tree and the key for commits from outside.
        certificates: of the leaves of the group.
    """

    info: bytes = field(repr=False)
    certificates: tuple[bytes, ...] = field(repr=False)

    def to_bytes(self) -> bytes:
        """Write the answer."""
        return with_certificates(Writer().u8(_VERSION).op(self.info), self.certificates)


def parse_commit_request(body: bytes) -> CommitRequest | LaterRequest:
    """Read a request.

    Raises:
        UnsupportedVersionError: another version.
        MalformedError: cut off, too long, without a commit, or of no known kind.

    Spec: PROTOCOL.md section 11.5.
    """
    reader = _begin(body)
    group_id = reader.raw(GROUP_ID_BYTES)
    kind = reader.u8()
    if kind == _LATER:
        later = LaterRequest(group_id, reader.u64())
        reader.finish()
        return later
    if kind != _PLACE:
        raise MalformedError("a request of no known kind", code=ReasonCode.BAD_FIELD)
    commit = reader.op(limits.MAX_COMMIT_BYTES, 1)
    certificate = reader.op(MAX_LEAF_CERTIFICATE_BYTES)
    reader.finish()
    return CommitRequest(group_id, commit, certificate)


def parse_commit_answer(body: bytes) -> CommitAnswer:
    """Read an answer; what is in it is not judged.

    Raises:
        UnsupportedVersionError: another version.
        MalformedError: cut off, too long, or of no known kind.

    Spec: PROTOCOL.md section 11.5.
    """
    reader = _begin(body)
    kind = reader.u8()
    if kind == _ORDERED:
        receipt = reader.op(MAX_HUB_RECEIPT_BYTES, 1)
        reader.finish()
        return CommitAnswer(receipt)
    if kind != _BEHIND:
        raise MalformedError("an answer of no known kind", code=ReasonCode.BAD_FIELD)
    count = reader.u8()
    if count > MAX_COMMITS:
        raise MalformedError("too many commits", code=ReasonCode.TOO_LARGE)
    earlier = tuple(
        Place(reader.op(limits.MAX_COMMIT_BYTES, 1), reader.op(MAX_HUB_RECEIPT_BYTES, 1))
        for _ in range(count)
    )
    return CommitAnswer(b"", earlier, read_certificates(reader))


def parse_info_request(body: bytes) -> InfoRequest | RollRequest | AbsenceRequest:
    """Read a request.

    Raises:
        UnsupportedVersionError: another version.
        MalformedError: cut off, too long, or of no known kind.

    Spec: PROTOCOL.md section 11.5.
    """
    reader = _begin(body)
    kind = reader.u8()
    if kind == _ROLL:
        after = reader.op(GROUP_ID_BYTES)
        reader.finish()
        if len(after) not in (0, GROUP_ID_BYTES):
            raise MalformedError("not the id of a group", code=ReasonCode.BAD_FIELD)
        return RollRequest(after)
    if kind not in (_INFO, _ABSENCE, _INFO_AFTER):
        raise MalformedError("a request of no known kind", code=ReasonCode.BAD_FIELD)
    group_id = reader.raw(GROUP_ID_BYTES)
    epoch = reader.u64() if kind == _ABSENCE else None
    reader.finish()
    if epoch is not None:
        return AbsenceRequest(group_id, epoch)
    return InfoRequest(group_id, after_commit=kind == _INFO_AFTER)


def parse_absence_answer(body: bytes) -> AbsenceAnswer:
    """Read an answer.

    Raises:
        UnsupportedVersionError: another version.
        MalformedError: cut off, too long, or neither yes nor no.

    Spec: PROTOCOL.md section 11.5.
    """
    reader = _begin(body)
    told = reader.u8()
    reader.finish()
    if told > 1:
        raise MalformedError("neither yes nor no", code=ReasonCode.BAD_FIELD)
    return AbsenceAnswer(bool(told))


def parse_roll_answer(body: bytes) -> RollAnswer:
    """Read an answer; whether it may say so is not judged.

    Raises:
        UnsupportedVersionError: another version.
        MalformedError: cut off, too many groups or members (`too_large`), not in order, or a name outside its
            form.

    Spec: PROTOCOL.md section 11.5.
    """
    reader = _begin(body)
    count = reader.u16()
    if count > MAX_SHARED:
        raise MalformedError("more groups than an answer names", code=ReasonCode.TOO_LARGE)
    groups = tuple(_shared(reader) for _ in range(count))
    reader.finish()
    if any(one.group_id >= following.group_id for one, following in pairwise(groups)):
        raise MalformedError("groups out of order", code=ReasonCode.BAD_CONTENT)
    return RollAnswer(groups)


def _shared(reader: Reader) -> SharedGroup:
    group_id = reader.raw(GROUP_ID_BYTES)
    consultation = parse_consultation_id(_text(reader.op(64)))
    hub = parse_node_name(reader.op(MAX_NODE_NAME_BYTES))
    members = reader.u8()
    if members > limits.MAX_GROUP_MEMBERS:
        raise MalformedError("more members than a group has", code=ReasonCode.TOO_LARGE)
    roster = tuple(parse_authority_id(_text(reader.op(64))) for _ in range(members))
    if list(roster) != sorted(set(roster)):
        raise MalformedError("members out of order", code=ReasonCode.BAD_CONTENT)
    return SharedGroup(group_id, consultation, hub, roster, read_history(reader))


def _text(data: bytes) -> str:
    return data.decode("ascii", "replace")


def parse_info_answer(body: bytes) -> InfoAnswer:
    """Read an answer; what is in it is not judged.

    Raises:
        UnsupportedVersionError: another version.
        MalformedError: cut off or too long.

    Spec: PROTOCOL.md section 11.5.
    """
    reader = _begin(body)
    info = reader.op(limits.MAX_WELCOME_BYTES, 1)
    return InfoAnswer(info, read_certificates(reader))


def _begin(body: bytes) -> Reader:
    reader = Reader(body)
    if reader.u8() != _VERSION:
        raise UnsupportedVersionError("not a version of the exchange that this node speaks")
    return reader
