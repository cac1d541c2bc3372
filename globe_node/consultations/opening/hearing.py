# SPDX-License-Identifier: Apache-2.0
"""Opens held envelopes in the groups of one transaction: invitations, commits, messages. It judges no record.

1. A key is gone when its message was opened, so what was opened is never opened again: if it must wait, what
   was in it is kept in place of the envelope, sealed at rest.
2. What comes before its group or its epoch waits as long as it may live, and is refused then; what comes in
   the same batch makes way for it at once.
3. Who comes into a group says so to all its members in the same transaction, and asks them for what it has
   lost, if there is anything of that consultation here. A member that asked before asks it once more.
4. A member that sees another group than we do raises an alarm; nothing is refused for that.
5. Who goes back into a group that another had continued says there again what it has said.
6. A message whose key is gone is refused, and its sender told inside the group: it says it again. After an
   invitation whose keys are gone, its sender is asked in which groups we are.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import sha256
from uuid import UUID

from globe_node.consultations.moments import moment_of
from globe_node.consultations.office import Office
from globe_node.consultations.opening.examine import Examination, Postponed, Refused, verdict_of
from globe_node.consultations.resending import records as resends
from globe_node.consultations.resending.asking import ask_for_missing, has_asked, say_unread
from globe_node.consultations.resending.hearing import hear_control, want_all_since
from globe_node.delivery.inbox import HeldEnvelope
from globe_node.delivery.outbox import Outgoing
from globe_node.groups import arriving
from globe_node.groups.arriving import AwaitedGroupError, Heard, KeyGoneError
from globe_node.groups.book import GroupBook
from globe_node.groups.lineage import invited
from globe_node.groups.links import GroupStatus, LinkRow
from globe_node.groups.returning.finding import ask_again
from globe_node.groups.views import returned_ms
from protocol import limits
from protocol.audit.events import AuditEvent, EventKind
from protocol.envelope import MAX_FRAME_BYTES, EnvelopeClass, Frame, parse_envelope, parse_frame
from protocol.errors import MalformedError, ReasonCode, RemoteProtocolError, UntrustedError
from protocol.groups.sealed import Said, kind_of, resent_message
from protocol.groups.testimony.joined import JoinedBy
from protocol.identifiers import Digest
from protocol.octets import Reader, Writer

MOST_UNREAD = 200
"""How often in a day one member is told that its envelopes can't be read. It may not be able to read that,
and would say so: without a bound two nodes could go on like this for ever."""
_DAY_MS = 86_400_000
_TABLE = "inbox"


@dataclass(frozen=True, slots=True)
class Taken:
    """An envelope that was about a group, and not a record.

    Attributes:
        link: the group after it.
        digest: hash of what was in it, which the receipt names.
        word: what it was, for the audit log.
    """

    held: HeldEnvelope
    link: LinkRow
    digest: Digest
    word: str


class Hearing:
    """Opens the envelopes of one batch.

    Attributes:
        outgoing: what goes out for groups that we came into, and about messages that can't be read.
        changed: groups whose epoch or members changed.
        events: alarms.
        asked: members have asked for something to be sent again.
    """

    def __init__(self, office: Office, book: GroupBook) -> None:
        self._office = office
        self._book = book
        self.outgoing: list[Outgoing] = []
        self.changed: list[LinkRow] = []
        self.events: list[AuditEvent] = []
        self.asked = False

    def hear(self, batch: Sequence[HeldEnvelope]) -> list[Examination | Taken]:
        """Open what can be opened; what is about groups is done with, records are to be examined."""
        found: dict[int, Examination | Taken] = {}
        waiting = list(batch)
        before = len(waiting) + 1
        while 0 < len(waiting) < before:
            before, left = len(waiting), []
            for held in waiting:
                one = self._hear(held)
                if one is None:
                    left.append(held)
                else:
                    found[held.position] = one
            waiting = left
        for held in waiting:
            over = held.expires_ms <= self._book.now_ms
            verdict = Refused(held, ReasonCode.SEQUENCE_GAP) if over else Postponed(held, held.expires_ms)
            found[held.position] = Examination(held, verdict=verdict)
        return [found[held.position] for held in batch]

    def _hear(self, held: HeldEnvelope) -> Examination | Taken | None:
        """Open one envelope; None if its group or epoch is not here."""
        one = Examination(held)
        try:
            return self._take(one)
        except AwaitedGroupError:
            return None
        except RemoteProtocolError as error:
            one.verdict = verdict_of(one, error, self._book.now_ms)
            if isinstance(error, KeyGoneError):
                self._say_unread(held)
            if error.code is ReasonCode.KEY_PACKAGE_GONE:
                ask_again(self._book.tx, held.sender)
        return one

    def _say_unread(self, held: HeldEnvelope) -> None:
        """Tell the sender of a message that its key is gone, if we can speak to it."""
        spoken = self._book.link_by_route(held.routing_id)
        link = None if spoken is None else self._book.link_of(spoken.consultation)
        now_ms = self._book.now_ms
        if resends.count_unread(self._book.tx, held.sender, now_ms - _DAY_MS) >= MOST_UNREAD:
            return
        if link is not None and link.status is GroupStatus.OPEN and held.sender in link.roster:
            resends.note_unread(self._book.tx, held.envelope_id, held.sender, now_ms)
            word = say_unread(self._office, self._book, link, held.envelope_id, held.sender)
            self.outgoing.append(word)

    def _take(self, one: Examination) -> Examination | Taken:
        held, book = one.held, self._book
        if held.opened:
            return self._again(one)
        envelope = parse_envelope(held.octets)
        match envelope.frame.envelope_class:
            case EnvelopeClass.WELCOME:
                before = book.link_by_route(envelope.frame.routing_id)
                link, digest = invited.take_invitation(book, envelope)
                if link == before or link.status is not GroupStatus.OPEN:
                    return Taken(held, link, digest, "welcome")
                self.outgoing.append(arriving.announcement(book, link, JoinedBy.WELCOME))
                if resends.has_records(book.tx, link.consultation):
                    self.outgoing.append(ask_for_missing(self._office, book, link))
                return self._changed(Taken(held, link, digest, "welcome"))
            case EnvelopeClass.COMMIT:
                before = book.link_by_route(envelope.frame.routing_id)
                link, digest = arriving.follow(book, envelope)
                if before is not None and before.status is GroupStatus.CONTINUED:
                    self._went_back(link, before.changed_ms)
                return self._changed(Taken(held, link, digest, "commit"))
            case EnvelopeClass.APPLICATION:
                return self._said(one, arriving.hear(book, envelope), envelope.frame, envelope.frame_bytes)
            case EnvelopeClass.CONTROL:
                raise MalformedError("a class of envelopes that is not taken here", code=ReasonCode.BAD_FIELD)

    def _went_back(self, link: LinkRow, since_ms: int) -> None:
        """Say again in a group that is open again what was said in the one that had continued it since."""
        if link.status is not GroupStatus.OPEN:
            return
        book, me = self._book, self._book.bench.name.authority
        self.outgoing.append(ask_for_missing(self._office, book, link))
        for peer in sorted({*link.roster} - {me}):
            want_all_since(book.tx, link.consultation, me, peer, since_ms)
        self.asked = True

    def _again(self, one: Examination) -> Examination | Taken:
        """Go on with what was opened before."""
        frame_octets, data = open_kept(self._office, one.held)
        frame = parse_frame(frame_octets)
        link = self._book.link_by_route(frame.routing_id)
        if link is None:
            raise UntrustedError("a message of a group that is gone")
        return self._said(one, Heard(link, frame.sender, kind_of(data), data), frame, frame_octets)

    def _said(self, one: Examination, heard: Heard, frame: Frame, frame_octets: bytes) -> Examination | Taken:
        one.frame, one.frame_octets = frame, frame_octets
        one.link, one.application_data = heard.link, heard.data
        statement = heard.data[1:]
        match heard.said:
            case Said.RECORD:
                return one
            case Said.RESENT:
                one.resent, one.application_data = True, statement
                one.returned_ms = returned_ms(self._book.tx, heard.link.group_id, self._book.bench.name)
                return one
            case Said.JOINED:
                if not arriving.note_joined(self._book, heard, statement):
                    self._alarm(one.held, heard)
                self._ask_once_more(heard)
            case Said.CONTROL:
                hear_control(self._book, heard, statement)
                self.asked = True
        digest = Digest(sha256(statement).hexdigest())
        return Taken(one.held, heard.link, digest, heard.said.name.lower())

    def _ask_once_more(self, heard: Heard) -> None:
        """Ask who came in for what we lack: it may have lost what we asked it for."""
        book, member = self._book, heard.sender.authority
        link = book.link_of(heard.link.consultation)
        if link is None or link.status is not GroupStatus.OPEN or member not in link.roster:
            return
        if has_asked(book, link, member):
            self.outgoing.append(ask_for_missing(self._office, book, link, of=member))

    def _changed(self, taken: Taken) -> Taken:
        self.changed.append(taken.link)
        return taken

    def _alarm(self, held: HeldEnvelope, heard: Heard) -> None:
        self.events.append(
            AuditEvent(
                kind=EventKind.ALARM,
                at=moment_of(self._book.now_ms),
                peer=held.sender,
                case=heard.link.consultation,
                msg=str(UUID(bytes=held.envelope_id)),
                digest=held.envelope_hash,
                result=ReasonCode.EVIDENCE_INVALID.value,
            )
        )


def kept_opened(office: Office, one: Examination) -> bytes:
    """Return what was in an envelope, with its frame, sealed at rest in its place."""
    data = resent_message(one.application_data) if one.resent else one.application_data
    plaintext = Writer().op(one.frame_octets).op(data).to_bytes()
    return office.node_keys.storage.seal(_TABLE, _row_id(one.held), plaintext, office.entropy)


def open_kept(office: Office, held: HeldEnvelope) -> tuple[bytes, bytes]:
    """Return the frame of an envelope that was opened before, and what was in it.

    Raises:
        RowDamagedError: the row is damaged.
    """
    reader = Reader(office.node_keys.storage.open_sealed(_TABLE, _row_id(held), held.octets))
    frame_octets, data = reader.op(MAX_FRAME_BYTES), reader.op(limits.MAX_ENVELOPE_BYTES)
    reader.finish()
    return frame_octets, data


def _row_id(held: HeldEnvelope) -> bytes:
    return held.position.to_bytes(8, "big")
