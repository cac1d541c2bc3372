# SPDX-License-Identifier: Apache-2.0
"""Groups in the hands of a test: what members write by hand is sealed as real members would seal it.

Each authority that a test writes for has a room of groups of its own, beside the node that may run for it.
Whoever a letter is from or sealed to is brought into its group first, without any envelope of it: real nodes
take invitations and commits directly. So a refusal is for what the letter says.
"""

from collections.abc import Callable, Collection, Iterable, Mapping
from typing import Protocol, TypeVar

from globe_node.clock import Clock
from globe_node.delivery import outbox
from globe_node.delivery.link import Operation
from globe_node.groups import arriving, changing, hub, records
from globe_node.groups.book import GroupBook
from globe_node.groups.known import KnownGroups
from globe_node.groups.lineage import invited
from globe_node.groups.links import GroupStatus, LinkRow
from globe_node.groups.packages import pool, stock
from globe_node.groups.packages import records as package_records
from globe_node.groups.packages.leaf_keys import current_leaf_key
from globe_node.groups.packages.stock import UsablePackage
from globe_node.groups.packages.wire import PackageAnswer
from globe_node.groups.workbench import Workbench
from globe_node.node import Node
from globe_node.store.door import Transaction
from protocol.envelope import Envelope, EnvelopeClass, Frame, envelope_bytes, parse_envelope, routing_id_of
from protocol.errors import ProtocolError
from protocol.groups.extension import ConsultationExtension
from protocol.groups.sealed import Invitation
from protocol.identifiers import AuthorityId, ConsultationId, EnvelopeId, require_owned, uuid7
from protocol.mls.structures.key_packages import parse_key_package
from protocol.record import Record, parse_signed_record, record_hash
from tests.support.directory import AUTHORITIES
from tests.support.groups import GroupHouse
from tests.support.loops import run_inline

T = TypeVar("T")


class Village(Protocol):
    """What a town is to its hands."""

    nodes: dict[str, Node]

    @property
    def clock(self) -> Clock:
        """The time of the town."""
        ...


class Place:
    """One authority's room of groups: that of its node, or one in the hands of the test."""

    def __init__(self, bench: Workbench, known: KnownGroups) -> None:
        self.bench = bench
        self.known = known

    @property
    def name(self) -> AuthorityId:
        """Whose it is."""
        return self.bench.name.authority

    def at(self, work: Callable[[GroupBook], T]) -> T:
        """Work on the groups in one transaction."""

        def act(tx: Transaction) -> T:
            book = GroupBook(self.bench, self.known, tx)
            result = work(book)
            book.write()
            return result

        return run_inline(self.bench.store.write(act))

    def link(self, consultation: ConsultationId) -> LinkRow | None:
        """The group of a consultation, if its secrets are here."""

        def look(tx: Transaction) -> LinkRow | None:
            link = records.links_of(tx, [consultation]).get(consultation)
            here = link is not None and records.revisions_of(tx, [link.group_id])
            return link if here else None

        return run_inline(self.bench.store.read(look))


class Hands:
    """Seals for authorities of one town."""

    def __init__(self, town: Village) -> None:
        self._town = town
        self._hands: dict[str, Place] = {}
        self._openings: dict[ConsultationId, bytes] = {}
        self._by_route: dict[bytes, ConsultationId] = {}

    def hand(self, name: str) -> Place:
        """The room of an authority that the test writes for."""
        if name not in self._hands:
            house = GroupHouse(name, clock=self._town.clock)  # type: ignore[arg-type]  # of the town
            self._hands[name] = Place(house.bench, KnownGroups())
        return self._hands[name]

    def node(self, name: str) -> Place | None:
        """The room of a node that runs."""
        node = self._town.nodes.get(name)
        return None if node is None else Place(node.office.bench, node.office.known)

    # --- what a test does -------------------------------------------------------------------------------

    def supply(self, holder: str, of: str, count: int = 4) -> None:
        """Give a node that runs key packages of an authority whose node does not."""
        giver, taker = self.hand(of), self.node(holder)
        assert taker is not None
        packages = [_package(giver, taker.name) for _ in range(count)]
        answer = PackageAnswer((packages[0].certificate,), tuple(one.package.to_bytes() for one in packages))
        owner = giver.bench.name
        taken = taker.at(lambda book: stock.take_in(book.bench, book.tx, owner, answer))
        assert taken.added == count, taken.refused

    def note_opening(self, record: Record) -> None:
        """Remember the first record of a consultation, so that its group is made for it."""
        if record.type.opens:
            self._openings.setdefault(record.consultation, record.to_bytes())

    def routing_id(self, consultation: ConsultationId) -> bytes:
        """How envelopes of a consultation are marked; one that has no group yet will have this."""
        place = self._holder(consultation)
        link = None if place is None else place.link(consultation)
        route = routing_id_of(_group_id(consultation)) if link is None else link.routing_id
        self._by_route[route] = consultation
        return route

    def seal(self, signed: bytes, frame: Frame, to: Iterable[str], record: Record | None = None) -> bytes:
        """Seal to a group of the sender and some others; as a member, whatever the frame says.

        Args:
            signed: what is sealed.
            frame: its sender is who seals, if the network knows it.
            to: who can open it, the members of the group aside.
            record: the record in it, if it can't be read from `signed`.
        """
        try:
            inside = parse_signed_record(signed)
            record, octets = record or inside.content, inside.record
        except ProtocolError:
            octets = signed
        consultation = record.consultation if record else self._by_route[frame.routing_id]
        if record is not None and record.type.opens and consultation not in self._openings:
            self._openings[consultation] = octets
        known = _listed()
        sender = frame.sender.authority if frame.sender.authority in known else known[0]
        members = {sender, *map(AuthorityId, to)}.intersection(known)
        place = self._gathered(consultation, sender, members, octets)

        def sealed(book: GroupBook) -> bytes:
            link = book.link_of(consultation)
            assert link is not None
            return book.seal(link, frame, signed)

        return place.at(sealed)

    def open(self, name: str, envelope: bytes) -> bytes:
        """Open an envelope as an authority that the test writes for; it may have to be invited first."""
        parsed = parse_envelope(envelope)
        place = self.hand(name)

        def known(tx: Transaction) -> bool:
            return bool(records.links_by_route(tx, [parsed.frame.routing_id]))

        if not run_inline(place.bench.store.read(known)):
            self._fetch(place, lambda one: one.frame.routing_id == parsed.frame.routing_id)
        return place.at(lambda book: arriving.hear(book, parsed).data)

    # --- who is in a group ------------------------------------------------------------------------------

    def _places(self) -> list[Place]:
        nodes = [self.node(name) for name in sorted(self._town.nodes)]
        return [*(one for one in nodes if one is not None), *self._hands.values()]

    def _holder(self, consultation: ConsultationId) -> Place | None:
        """Return a room that has the group of a consultation, the hub's first."""
        holders = [(place, link) for place in self._places() if (link := place.link(consultation))]
        holders.sort(key=lambda one: one[1].hub != str(one[0].bench.name))
        return holders[0][0] if holders else None

    def _gathered(
        self,
        consultation: ConsultationId,
        sender: AuthorityId,
        members: Collection[AuthorityId],
        octets: bytes,
    ) -> Place:
        """See that some authorities are members of the group of a consultation; return the sender's room."""
        holder = self._holder(consultation)
        if holder is None:
            holder = self._found(consultation, sender, members, octets)
        link = holder.link(consultation)
        assert link is not None
        missing = sorted(set(members) - set(link.roster))
        if missing:
            self._add(consultation, missing)
        mine = [place for place in self._places() if place.name == sender and place.link(consultation)]
        if not mine:
            mine = [self.hand(sender)]
            self._fetch(mine[0], lambda one: one.frame.routing_id == link.routing_id)
        return mine[0]

    def _found(
        self,
        consultation: ConsultationId,
        sender: AuthorityId,
        members: Collection[AuthorityId],
        octets: bytes,
    ) -> Place:
        owner = _owner_of(consultation) or sender
        place = self.hand(owner)
        names = sorted(set(members) - {owner}) or [one for one in _listed() if one != owner][:1]
        opening = record_hash(self._openings.get(consultation, octets))
        extension = ConsultationExtension(
            consultation=consultation,
            hub=place.bench.name,
            successors=(),
            roster=tuple(sorted({owner, *names})),
            policy_version=2,  # so that the first record may be for others
            opening=bytes.fromhex(opening),
        )
        group_id = _group_id(consultation)
        packages = [_package(self._room(name), owner) for name in names]

        def found(book: GroupBook) -> Mapping[AuthorityId, Invitation]:
            link = LinkRow(
                group_id=group_id,
                consultation=consultation,
                routing_id=routing_id_of(group_id),
                hub=str(extension.hub),
                roster=extension.roster,
                status=GroupStatus.AWAITING_KEYS,
                epoch=0,
                changed_ms=book.now_ms,
            )
            policy = book.policy(one.certificate for one in packages)
            changed = changing.found(
                book.bench, book.tx, policy, group_id=group_id, extension=extension, packages=packages
            )
            book.enter(link, changed.group, policy)
            return changed.invitations

        self._invite(place, group_id, place.at(found))
        return place

    def _add(self, consultation: ConsultationId, names: Collection[AuthorityId]) -> None:
        """Take authorities into a group, and bring its members and them what follows."""
        place = self._holder(consultation)
        assert place is not None
        packages = [_package(self._room(name), place.name) for name in names]
        before = place.link(consultation)
        assert before is not None
        changed = place.at(lambda book: hub.change_members(book, before, packages, []))
        assert changed.commit is not None
        commit = self._around(place, before.routing_id, EnvelopeClass.COMMIT, changed.commit.to_bytes())
        for other in self._places():
            link = other.link(consultation)
            if link is not None and other is not place and other.bench is not place.bench:
                other.at(lambda book: arriving.follow(book, commit))
        self._invite(place, before.group_id, changed.invitations)

    def _invite(self, place: Place, group_id: bytes, invitations: Mapping[AuthorityId, Invitation]) -> None:
        route = routing_id_of(group_id)
        for name, invitation in invitations.items():
            envelope = self._around(place, route, EnvelopeClass.WELCOME, invitation.to_bytes())
            self._room(name).at(lambda book, one=envelope: invited.take_invitation(book, one))  # type: ignore[misc]

    def _fetch(self, place: Place, wanted: Callable[[Envelope], bool]) -> None:
        """Take the invitations and commits that real nodes have ready for an authority."""
        for node in sorted(self._town.nodes):
            source = self.node(node)
            assert source is not None

            def ready(tx: Transaction) -> list[Envelope]:
                rows = outbox.due(tx, place.name, Operation.ENVELOPES, now_ms=10**14, limit=64)
                found = outbox.octets(tx, rows)
                return [parse_envelope(found[row.body]) for row in rows if row.body in found]

            for envelope in filter(wanted, run_inline(source.bench.store.read(ready))):
                match envelope.frame.envelope_class:
                    case EnvelopeClass.WELCOME:
                        place.at(lambda book, one=envelope: invited.take_invitation(book, one))  # type: ignore[misc]
                    case EnvelopeClass.COMMIT:
                        place.at(lambda book, one=envelope: arriving.follow(book, one))  # type: ignore[misc]

    def _room(self, name: AuthorityId) -> Place:
        """Return the room that takes invitations of an authority."""
        return self.node(name) or self.hand(name)

    def _around(self, place: Place, route: bytes, envelope_class: EnvelopeClass, sealed: bytes) -> Envelope:
        now_ms = place.bench.now_ms()
        frame = Frame(
            envelope_class=envelope_class,
            sender=place.bench.name,
            routing_id=route,
            envelope_id=EnvelopeId(uuid7(now_ms, bytes(10)).bytes),
            created_ms=now_ms,
            expires_ms=now_ms + 1,
        )
        return parse_envelope(envelope_bytes(frame.to_bytes(), sealed))


def _package(place: Place, peer: AuthorityId) -> UsablePackage:
    """Make a key package for a peer; its private side stays in the room."""

    def make(book: GroupBook) -> UsablePackage:
        leaf = current_leaf_key(book.bench, book.tx)
        row = pool._make(book.bench, leaf, peer)
        package_records.add_own_packages(book.tx, [row])
        return UsablePackage(parse_key_package(row.octets), row.reference, leaf.certificate)

    return place.at(make)


def _group_id(consultation: ConsultationId) -> bytes:
    return bytes.fromhex(record_hash(b"a group by hand of " + consultation.encode("ascii")))


def _owner_of(consultation: ConsultationId) -> AuthorityId | None:
    for name in _listed():
        try:
            require_owned(consultation, name)
        except ProtocolError:
            continue
        return name
    return None


def _listed() -> list[AuthorityId]:
    return [AuthorityId(name) for name in AUTHORITIES]
