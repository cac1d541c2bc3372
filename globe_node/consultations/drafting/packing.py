# SPDX-License-Identifier: Apache-2.0
"""From signed records to the envelopes that go out: seals to the group, founds it, changes its members.

1. A record is sealed once, for exactly the members that it names; every member gets the same octets.
2. The first record of a consultation founds its group: invitations first, then the record, in one go.
3. A change of the members is said in the epoch that ends, to all who were there, so that who leaves hears it.
   Then the commit follows, the invitations, and the same record in the new epoch for those who come.
4. What can't be sealed now is held under its own id and frame until it can, or until its deadline. A member
   that has no keys in the group at the moment holds up nobody: only what is for it is held.
5. Our keys in the group are renewed first, if that is due (`groups.upkeep`); a hub is asked a little before,
   so that nothing has to wait for it.
6. An invitation or a commit outlives the record that it comes with: who missed it could read nothing later.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime

from globe_node.consultations.content import reconciliation_of
from globe_node.consultations.moments import unix_milliseconds
from globe_node.consultations.office import Office
from globe_node.delivery.outbox import Outgoing
from globe_node.groups import hub
from globe_node.groups.book import GroupBook
from globe_node.groups.links import GroupStatus, LinkRow
from globe_node.groups.members.parcels import outgoing_of, parcel_of
from globe_node.groups.packages.stock import UsablePackage
from globe_node.groups.upkeep import renewing
from globe_node.groups.upkeep.renewing import Wish
from protocol.audit.events import AuditEvent, EventKind, size_bucket
from protocol.codes.message_types import MessageType
from protocol.envelope import EnvelopeClass, Frame, envelope_bytes
from protocol.errors import LocalProtocolError, ProtocolError, ReasonCode
from protocol.groups.sealed import Invitation, OrderedCommit
from protocol.identifiers import AuthorityId, ConsultationId, Digest, EnvelopeId, NodeName
from protocol.messages.membership import Members
from protocol.record import Record


@dataclass(frozen=True, slots=True)
class Letter:
    """A signed record that is to be sealed.

    Attributes:
        record: its values.
        digest: its hash.
        data: its octets.
        change: its body, if it changes the members.
        envelope_id: of the envelope that it travels in.
        signed: record, signature and attachments.
    """

    record: Record
    digest: Digest
    data: bytes = field(repr=False)
    change: Members | None
    envelope_id: EnvelopeId
    signed: bytes = field(repr=False)

    @property
    def added(self) -> tuple[AuthorityId, ...]:
        """Return who comes."""
        return tuple(map(AuthorityId, self.change.added)) if self.change else ()

    @property
    def members(self) -> frozenset[AuthorityId]:
        """Return who has to be in the group in which it is said, its author among them."""
        everybody = {self.record.author.authority, *self.record.recipients}
        return frozenset(everybody.difference(self.added))


@dataclass(frozen=True, slots=True)
class Packed:
    """What goes out for a record.

    Attributes:
        outgoing: envelopes in the order in which they are queued.
        hashes: of the envelope that brings the record to each recipient, unless it is held for it.
        envelope_hash: the hash that stands for all.
    """

    outgoing: tuple[Outgoing, ...]
    hashes: Mapping[AuthorityId, Digest]
    envelope_hash: Digest


class Packer:
    """Packs the records of one transaction.

    Attributes:
        missing: authorities of whom a key package was missing.
        stale: consultations in whose groups our keys are to be renewed.
    """

    def __init__(self, office: Office, book: GroupBook) -> None:
        self._office = office
        self._book = book
        self.missing: set[AuthorityId] = set()
        self.stale: set[ConsultationId] = set()

    def pack(self, letter: Letter) -> Packed | None:
        """Return what goes out for a record; None if it must be held.

        Raises:
            LocalProtocolError: the record is too long for any envelope, or its consultation has no group.
            NodeError: this node can certify no key now.
        """
        link = self._link(letter)
        if letter.record.type is MessageType.CONSULT_REQUEST:
            return self._open(letter, link)
        if not self._is_ready(letter, link):
            return None
        packages = self._packages(letter.added)
        if packages is None:
            return None
        wish = renewing.wish(self._book, link)
        if wish is not Wish.NOTHING:
            self.stale.add(link.consultation)
        if wish is Wish.FIRST:
            return None
        said = [*renewing.renew_as_hub(self._book, link), *self._said(letter, link)]
        if letter.change is not None:
            said += self._change(letter, link, packages, letter.change)
        return _packed(said)

    def can_add(self, names: Iterable[AuthorityId]) -> bool:
        """Say whether there is a key package for each; `missing` names those of whom there is none."""
        return self._packages(names) is not None

    def hold(self, letter: Letter) -> Packed:
        """Return what stands for a record until it can be sealed: its frame, with nothing in it."""
        link = self._link(letter)
        return _packed([self._held(letter, link, letter.record.recipients)])

    def pack_for(self, letter: Letter, peer: AuthorityId) -> Packed | None:
        """Return what brings a record to a recipient that could not read it before; None if it still can't.

        Raises:
            LocalProtocolError: the group has gone.
        """
        link = self._link(letter)
        is_there = link.status is GroupStatus.OPEN and peer in self._book.members.present(link)
        if not is_there or not self._book.members.is_sound(link):
            return None
        return _packed([self._record(letter, link, self._seal(letter, link), [peer])])

    def _is_ready(self, letter: Letter, link: LinkRow) -> bool:
        """Say whether the group carries a record now.

        The hub knows who is in its group: who was to be added and gave no keys in time does not hold up the
        others. Anybody else waits until the commit has come that goes with a change it has heard of; and with
        a change of its own, until it is the hub again.
        """
        if link.hub != str(self._book.bench.name):
            return letter.change is None and self._book.is_ready_for(link, letter.members)
        return self._book.is_ready_for(link, link.roster) and letter.members.issuperset(link.roster)

    def _said(self, letter: Letter, link: LinkRow) -> list[Outgoing]:
        """Return a record for those of its recipients who are in the group; for others it is held."""
        there = self._book.members.present(link)
        present = [one for one in letter.record.recipients if one in there]
        absent = [one for one in letter.record.recipients if one not in {*present, *letter.added}]
        said = [self._record(letter, link, self._seal(letter, link), present)] if present else []
        return [*said, *([self._held(letter, link, absent)] if absent else ())]

    def _held(self, letter: Letter, link: LinkRow, peers: Collection[AuthorityId]) -> Outgoing:
        raw = envelope_bytes(frame_of(letter, link).to_bytes(), b"")
        is_here = link.status is GroupStatus.OPEN and self._book.group_of(link) is not None
        is_fallen = is_here and not self._book.members.is_sound(link)
        reason = ReasonCode.REVOKED_KEY if is_fallen else ReasonCode.AWAITING_KEYS
        return replace(self._record(letter, link, raw, peers), held_for=reason)

    def _link(self, letter: Letter) -> LinkRow:
        link = self._book.link_of(letter.record.consultation)
        if link is None:
            raise LocalProtocolError("a consultation without a group", code=ReasonCode.NOT_FOUND)
        return link

    def _open(self, letter: Letter, link: LinkRow) -> Packed | None:
        if link.status is not GroupStatus.AWAITING_KEYS:
            return None
        packages = self._packages(letter.record.recipients)
        if packages is None:
            return None
        invitations = hub.open_group(self._book, link, letter.data, packages)
        invited = [self._parcel(link, one, [name]) for name, one in invitations.items()]
        raw = self._seal(letter, link)
        return _packed([*invited, self._record(letter, link, raw, letter.record.recipients)])

    def _change(
        self, letter: Letter, link: LinkRow, packages: Sequence[UsablePackage], change: Members
    ) -> list[Outgoing]:
        """Return what follows a change of the members; nothing, if the group is as it says already."""
        removed = [one for one in map(AuthorityId, change.removed) if one in link.roster]
        if not packages and not removed:
            return []
        present = self._book.members.present(link)
        staying = sorted(present.difference((self._book.bench.name.authority, *removed)))
        changed = hub.change_members(self._book, link, packages, removed)
        after = [self._parcel(link, one, staying) for one in (changed.commit,) if one is not None and staying]
        after += [self._parcel(link, one, [name]) for name, one in changed.invitations.items()]
        if letter.added:
            after.append(self._record(letter, link, self._seal(letter, link), letter.added))
        return after

    def _packages(self, recipients: Iterable[AuthorityId]) -> list[UsablePackage] | None:
        """Return a key package for each, or None if one is missing."""
        directory, now = self._office.register.state, self._office.clock.now()
        names = []
        for recipient in recipients:
            try:
                names.append(NodeName(recipient, directory.require_active_node(recipient, now).node))
            except ProtocolError:
                return None
        packages, missing = hub.find_packages(self._book, names)
        self.missing.update(missing)
        return None if missing else packages

    def _seal(self, letter: Letter, link: LinkRow) -> bytes:
        return self._book.seal(link, frame_of(letter, link), letter.signed)

    def _parcel(
        self, link: LinkRow, content: OrderedCommit | Invitation, peers: Iterable[AuthorityId]
    ) -> Outgoing:
        book = self._book
        return parcel_of(book.bench, book.tx, link, content, peers=peers, now_ms=book.now_ms)

    def _record(self, letter: Letter, link: LinkRow, raw: bytes, peers: Collection[AuthorityId]) -> Outgoing:
        return outgoing_of(frame_of(letter, link), raw, letter.digest, peers)


def frame_of(letter: Letter, link: LinkRow) -> Frame:
    """Return the frame of a record: fixed with the record, whenever it is sealed."""
    record = letter.record
    return Frame(
        envelope_class=EnvelopeClass.APPLICATION,
        sender=NodeName(record.author.authority, record.author.node),
        routing_id=link.routing_id,
        envelope_id=letter.envelope_id,
        created_ms=unix_milliseconds(record.created),
        expires_ms=unix_milliseconds(record.expires),
    )


def waiting_recipients(packed: Packed) -> list[AuthorityId]:
    """Return the recipients for whom a record is held that went out to others."""
    return [peer for one in packed.outgoing if one.held_for for peer in one.peers]


def _packed(outgoing: Sequence[Outgoing]) -> Packed:
    carrying = [one for one in outgoing if one.envelope_class is EnvelopeClass.APPLICATION]
    hashes = {peer: one.envelope_hash for one in carrying if not one.held_for for peer in one.peers}
    return Packed(tuple(outgoing), hashes, carrying[0].envelope_hash)


def posted_events(
    letter: Letter,
    signature: bytes,
    packed: Packed,
    at: datetime,
    *,
    recipients: Collection[AuthorityId] | None = None,
) -> list[AuditEvent]:
    """Return what the audit log says of a record that was queued, or that is held: one entry a recipient.

    Args:
        letter: the record.
        signature: over it.
        packed: what goes out for it.
        at: when.
        recipients: whom it goes to now; None for all.
    """
    record, hashes = letter.record, packed.hashes
    return [
        AuditEvent(
            kind=EventKind.SUBMITTED,
            at=at,
            peer=recipient,
            case=record.consultation,
            msg=record.record_id,
            digest=letter.digest,
            size=size_bucket(len(letter.data)),
            attachments=len(record.attachments),
            dir_size=record.directory.size,
            key=record.author.key,
            result="ok" if recipient in hashes else ReasonCode.AWAITING_KEYS.value,
            rc=reconciliation_of(signature, hashes[recipient]) if recipient in hashes else b"",
        )
        for recipient in (record.recipients if recipients is None else recipients)
    ]
