# SPDX-License-Identifier: Apache-2.0
"""Checks records that came out of envelopes, for everything that needs no case file. It keeps nothing.

1. Who failed to prove who they are learns one code, `refused`, whatever the reason was.
2. The signature is verified before the content is looked at.
3. The author is the sender of the frame, whom the group has named too, and a node of the directory whose key
   may be relied on. A key that was retired still speaks for what was on its way; a compromised one does not.
   A record that is said again may also be our own, of a life of this node before its store was put back.
4. Ids that a record brings into the world are its author's own.
5. What our copy of the directory is too old to judge waits for a newer copy, for a while.
6. A batch goes through one step before the next begins: each step is other code on other data, and going
   back and forth at each envelope costs a fifth more.
"""

from collections.abc import Callable
from dataclasses import dataclass, field

from globe_node.consultations.content import Content, read_content
from globe_node.consultations.moments import unix_milliseconds
from globe_node.consultations.office import Office
from globe_node.delivery.inbox import HeldEnvelope
from globe_node.groups.links import LinkRow
from protocol import limits
from protocol.consultations.content import verify_content
from protocol.directory.entries import STATUS_CODES, NodeState
from protocol.directory.replay import DirectoryState
from protocol.envelope import Frame
from protocol.errors import MalformedError, ReasonCode, RemoteProtocolError, UntrustedError
from protocol.groups.errors import NotKnownYetError, UnknownIssuerError
from protocol.identifiers import Digest, require_owned
from protocol.record import Record, SignedRecord, parse_signed_record, record_hash
from protocol.signing import labels
from protocol.signing.batch import BatchVerifier
from protocol.signing.composite import PublicKey

REMEMBERED_BATCHES = 4_096
"""Batch signatures of authors that are not verified twice."""
PATIENCE_SECONDS = limits.CLOCK_TOLERANCE_SECONDS
"""How long an envelope waits for what it builds on: a statement of the directory, or the record before."""


@dataclass(frozen=True, slots=True)
class Opened:
    """An envelope whose record is genuine and well formed.

    Attributes:
        application_data: record, signature and attachments, as they were sealed.
        resent: it was said before.
        is_over: it was said again after its time; it is refused unless it is here already.
    """

    held: HeldEnvelope
    application_data: bytes = field(repr=False)
    signed: SignedRecord = field(repr=False)
    digest: Digest
    content: Content = field(repr=False)
    resent: bool = False
    is_over: bool = False

    @property
    def record(self) -> Record:
        """The record as values."""
        return self.signed.content


@dataclass(frozen=True, slots=True)
class Refused:
    """An envelope that is rejected, with the reason its sender gets."""

    held: HeldEnvelope
    reason: ReasonCode
    record_hash: str = ""


@dataclass(frozen=True, slots=True)
class Postponed:
    """An envelope that waits for something that should come.

    Attributes:
        until_ms: how long, in Unix milliseconds.
        stale: it waits for a newer directory.
    """

    held: HeldEnvelope
    until_ms: int
    stale: bool = False


@dataclass(frozen=True, slots=True)
class Faulty:
    """An envelope on which we failed."""

    held: HeldEnvelope


Examined = Opened | Refused | Postponed | Faulty


@dataclass(slots=True)
class Examination:
    """One envelope on its way through the steps.

    Attributes:
        verdict: what was found, as soon as something ends the way.
        frame, frame_octets, link, application_data: filled when the envelope is opened; no octets until then.
        resent: what is in it was said before.
        returned_ms: when this node last came back into the group from outside, or 0.
        signed, digest: filled by one step for the next ones.
    """

    held: HeldEnvelope
    verdict: Examined | None = None
    frame: Frame = field(init=False)
    frame_octets: bytes = field(default=b"", repr=False)
    link: LinkRow = field(init=False)
    application_data: bytes = field(default=b"", repr=False)
    resent: bool = False
    returned_ms: int = 0
    signed: SignedRecord = field(init=False, repr=False)
    digest: str = ""


Step = Callable[[Examination], None]
"""Goes one step with one envelope, or raises `RemoteProtocolError`."""


class Examiner:
    """Examines envelopes step by step; remembers batch signatures that held.

    Spec: PROTOCOL.md section 8.8.
    """

    def __init__(self, office: Office) -> None:
        self._office = office
        self._verifier = BatchVerifier(REMEMBERED_BATCHES)

    @property
    def steps(self) -> tuple[Step, ...]:
        """The steps in order; after the last one every envelope has its verdict."""
        return self.read, self.verify, self.understand

    def advance(self, step: Step, one: Examination) -> None:
        """Take one envelope through one step.

        Raises:
            Exception: we failed; nothing is known about the envelope.
        """
        try:
            step(one)
        except RemoteProtocolError as error:
            one.verdict = verdict_of(one, error, self._office.now_ms())

    def read(self, one: Examination) -> None:
        """Read the record and see that its author is the sender; or, if it was said before, this node."""
        one.signed = parse_signed_record(one.application_data)
        author = one.signed.content.author
        speakers = [one.frame.sender, self._office.bench.name] if one.resent else [one.frame.sender]
        if (author.authority, author.node) not in speakers:
            raise UntrustedError("a record of another author than its sender")

    def verify(self, one: Examination) -> None:
        """Verify the signature, and that record and frame belong together and here."""
        frame, record = one.frame, one.signed.content
        key = author_key(self._office.register.state, record, self._office)
        digest = record_hash(one.signed.record)
        self._verifier.verify(key, labels.RECORD, bytes.fromhex(digest), one.signed.signature)
        here, sender = self._office.node_keys.authority, frame.sender.authority
        if (sender if record.author.authority == here else here) not in record.recipients:
            raise UntrustedError("a record for somebody else")
        if record.consultation != one.link.consultation:
            raise UntrustedError("a record in the group of another consultation")
        _require_times(one, record)
        require_owned(record.record_id, record.author.authority)
        if record.type.opens:
            require_owned(record.consultation, record.author.authority)
        one.digest = digest

    def understand(self, one: Examination) -> None:
        """Read the content."""
        record = one.signed.content
        content = read_content(record.type, record.body)
        verify_content(record, content.body)
        one.verdict = Opened(
            one.held,
            one.application_data,
            one.signed,
            Digest(one.digest),
            content,
            one.resent,
            _is_over(one, record, self._office.now_ms()),
        )


def _require_times(one: Examination, record: Record) -> None:
    """Check that a frame is the record's; one in which it is said again is a later one."""
    frame, created_ms = one.frame, unix_milliseconds(record.created)
    if not one.resent:
        if (frame.created_ms, frame.expires_ms) != (created_ms, unix_milliseconds(record.expires)):
            raise MalformedError("a frame that is not the record's", code=ReasonCode.BAD_FIELD)
        return
    if frame.created_ms < created_ms:
        raise MalformedError("a record that is said again before it was made", code=ReasonCode.BAD_FIELD)


def _is_over(one: Examination, record: Record, now_ms: int) -> bool:
    """Say whether a record is said again after its time.

    Who came back from outside may have had what has expired since; to anybody else it comes too late.
    """
    is_old = unix_milliseconds(record.expires) <= now_ms
    return one.resent and is_old and unix_milliseconds(record.created) >= one.returned_ms


def verdict_of(one: Examination, error: RemoteProtocolError, now_ms: int) -> Postponed | Refused:
    """Return what follows for an envelope from an error: it waits for the directory, or it is rejected."""
    until_ms = one.held.received_ms + PATIENCE_SECONDS * 1000
    if isinstance(error, NotKnownYetError) and now_ms < until_ms:
        return Postponed(one.held, until_ms, stale=True)
    reason = ReasonCode.REFUSED if isinstance(error, UntrustedError) else error.code
    return Refused(one.held, reason, one.digest)


def author_key(directory: DirectoryState, record: Record, office: Office) -> PublicKey:
    """Return the key that must have signed a record.

    Raises:
        UntrustedError: its author may not speak here, or not with this key.
        UnknownIssuerError: the key is unknown, and the author relies on a directory newer than ours.
    """
    author = record.author
    entry = directory.authority(author.authority)
    if entry is None or entry.status_at(office.clock.now()) in STATUS_CODES:
        raise UntrustedError("exchange with this authority is stopped")
    node = entry.node_with_key(author.key)
    if node is None and record.directory.size > directory.view.size:
        raise UnknownIssuerError("a key of a directory that is newer than ours")
    if node is None or node.node != author.node or node.state is NodeState.COMPROMISED:
        raise UntrustedError("not a key of this authority that may be relied on")
    if not node.covers(record.created):
        raise UntrustedError("a key outside its time")
    return node.signing
