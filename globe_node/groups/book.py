# SPDX-License-Identifier: Apache-2.0
"""The groups that one transaction works on, loaded once and written back once. Not a cache: that is `known`.

1. It lives as long as its transaction. A step that fails leaves the group as it was before that step.
2. A key that was used is gone in the same transaction that stores what it was used for.
3. Nothing is sealed for a group that has other members than the record that is sealed, and no record for a
   group in which a leaf has fallen.

What the hub does is `hub`, what comes from others `arriving`; both work on a book.
"""

from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass, replace
from typing import TypeVar

from globe_node.delivery.clerk import unix_ms
from globe_node.groups import records
from globe_node.groups.known import KnownCertificates, KnownGroups
from globe_node.groups.links import GroupStatus, LinkRow
from globe_node.groups.members import leaves
from globe_node.groups.members.standing import Members
from globe_node.groups.records import MemberRow
from globe_node.groups.shelf import Shelf
from globe_node.groups.workbench import Workbench
from globe_node.store.door import Transaction
from protocol.envelope import Frame, envelope_bytes
from protocol.errors import LocalProtocolError, ReasonCode
from protocol.groups.membership import identity_in
from protocol.groups.policy import ProfilePolicy
from protocol.groups.profile import parse_context_extensions
from protocol.groups.sealed import Said, frame_binding, padding_for
from protocol.groups.testimony.form import authenticator_hash
from protocol.identifiers import AuthorityId, ConsultationId
from protocol.mls.group import Group, forget
from protocol.mls.secret_tree import next_generation
from protocol.mls.sending import protect
from protocol.mls.state import core_bytes, core_changed, parse_group, ratchet_bytes

T = TypeVar("T")
_ENDS = {
    GroupStatus.OPEN: GroupStatus.LEFT,
    GroupStatus.LOST: GroupStatus.LEFT,
    GroupStatus.ABSENT: GroupStatus.LEFT,
    GroupStatus.EQUIVOCATED: GroupStatus.LEFT,
    GroupStatus.AWAITING_KEYS: GroupStatus.EXPIRED,
}
_STAYING = (GroupStatus.EQUIVOCATED, GroupStatus.CONTINUED)
"""What a group stays in a new epoch."""


@dataclass(slots=True)
class _Held:
    """A group while the transaction works on it.

    Attributes:
        stored: as it is in the store; None for a new one.
        core_rev: revision of its core there.
        group: as it is now.
    """

    stored: Group | None
    core_rev: bytes
    group: Group


class GroupBook:
    """Groups inside one transaction.

    Attributes:
        bench: what the room works with.
        tx: the transaction.
        now_ms: the moment of the transaction, in milliseconds of Unix time.
        members: who is in the groups, and which leaves have fallen.
        renewals: how our own keys stand.
        heard: who said something in this transaction, by group and authority, and in which epoch first.

    Args:
        bench: what the room works with.
        known: groups that are held in memory.
        tx: the transaction.
        consultations, routes: the groups that it is about, as far as known: they are looked up at once.
    """

    def __init__(
        self,
        bench: Workbench,
        known: KnownGroups,
        tx: Transaction,
        *,
        consultations: Collection[ConsultationId] = (),
        routes: Collection[bytes] = (),
    ) -> None:
        self.bench = bench
        self.tx = tx
        self.now_ms = bench.now_ms()
        self._known = known
        self._shelf = Shelf(bench.day_keys, bench.entropy)
        self._certificates = KnownCertificates(tx)
        self._held: dict[bytes, _Held] = {}
        self._links: dict[bytes, LinkRow] = {}
        self._current: dict[ConsultationId, LinkRow] = {}
        self._note_links((*records.links_of(tx, consultations).values(), *records.links_by_route(tx, routes)))
        self._revisions = records.revisions_of(tx, tuple(self._links))
        self._changed_links: set[bytes] = set()
        self.heard: dict[tuple[bytes, AuthorityId], int] = {}
        self.renewals = known.renewals
        self.members = Members(bench, known.standing, self._certificates, self.group_of)

    # --- which group ------------------------------------------------------------------------------------

    def link_of(self, consultation: ConsultationId) -> LinkRow | None:
        """Return the group of a consultation, if there is one."""
        if consultation not in self._current:
            self._note_links(records.links_of(self.tx, [consultation]).values())
        return self._current.get(consultation)

    def link_by_route(self, routing_id: bytes) -> LinkRow | None:
        """Return the group whose envelopes are marked so, if it is known; another may have continued it."""
        link = next((one for one in self._links.values() if one.routing_id == routing_id), None)
        if link is None:
            self._note_links(records.links_by_route(self.tx, [routing_id]))
            link = next((one for one in self._links.values() if one.routing_id == routing_id), None)
        return link

    def put_link(self, link: LinkRow) -> None:
        """Change what is known of a group; nothing is done with the secrets of one that is lost or closed."""
        if link.status in (GroupStatus.LOST, GroupStatus.CLOSED):
            self._held.pop(link.group_id, None)
            self._known.forget(link.group_id)
        self._links[link.group_id] = link
        if link.status is not GroupStatus.CONTINUED:
            self._current[link.consultation] = link
        self._changed_links.add(link.group_id)

    def _note_links(self, links: Iterable[LinkRow]) -> None:
        """Hold groups as they are stored, but for those that this transaction has changed."""
        for link in links:
            held = self._links.setdefault(link.group_id, link)
            if held.status is not GroupStatus.CONTINUED:
                self._current.setdefault(held.consultation, held)

    def end(self, consultation: ConsultationId) -> None:
        """Note that a group never came about, or that we left it; what is on its way can still be read."""
        link = self.link_of(consultation)
        after = _ENDS.get(link.status) if link is not None else None
        if link is not None and after is not None:
            self.put_link(replace(link, status=after, changed_ms=self.now_ms))

    # --- its state --------------------------------------------------------------------------------------

    def group_of(self, link: LinkRow) -> Group | None:
        """Return a group as it is now, or None if its secrets are not here."""
        held = self._find(link.group_id)
        return None if held is None else held.group

    def require_group(self, link: LinkRow) -> Group:
        """Return a group as it is now.

        Raises:
            LocalProtocolError: its secrets are not here (`not_found`).
        """
        group = self.group_of(link)
        if group is None:
            raise LocalProtocolError("the group is not here", code=ReasonCode.NOT_FOUND)
        return group

    def put_group(self, group: Group) -> None:
        """Go on with a group as it is after a message."""
        held = self._find(group.group_id)
        if held is None:
            self._held[group.group_id] = _Held(None, b"", group)
        else:
            held.group = group

    def enter(self, link: LinkRow, group: Group, policy: ProfilePolicy) -> LinkRow:
        """Go on with a group in a new epoch; keep its certificates, its roster, and what we see in it."""
        ended = self.group_of(link)
        self.put_group(group)
        sent = 0 if ended is None else messages_sent(ended)
        leaves.note_epoch(self.tx, group, unix_ms(policy.at), sent=sent)
        records.drop_pending(self.tx, group.group_id, group.epoch)
        if isinstance(policy.certificates, KnownCertificates):
            policy.certificates.keep(identity_in(leaf).certificate_hash for _, leaf in group.tree.members())
        me, digest = self.bench.name.authority, authenticator_hash(group.epoch_authenticator)
        ours = MemberRow(link.group_id, group.epoch, me, digest, agrees=True, stated_ms=self.now_ms)
        records.put_members(self.tx, [ours])
        extension = parse_context_extensions(group.context.extensions)
        entered = replace(
            link,
            hub=str(extension.hub),
            roster=extension.roster,
            status=link.status if link.status in _STAYING else GroupStatus.OPEN,
            epoch=group.epoch,
            changed_ms=self.now_ms,
        )
        self.put_link(entered)
        return entered

    def policy(self, certificates: Iterable[bytes] = ()) -> ProfilePolicy:
        """Return the rules of this moment; leaf certificates that came just now count too."""
        came = tuple(certificates)
        known = self._certificates.with_more(came) if came else self._certificates
        return ProfilePolicy(self.bench.register.state, known, self.bench.clock.now())

    # --- using it ---------------------------------------------------------------------------------------

    def is_ready_for(self, link: LinkRow, members: Collection[AuthorityId]) -> bool:
        """Say whether what is sealed now reaches exactly these members, this authority among them."""
        is_open = link.status is GroupStatus.OPEN and set(link.roster) == set(members)
        return is_open and self.group_of(link) is not None and self.members.is_sound(link)

    def seal(self, link: LinkRow, frame: Frame, data: bytes) -> bytes:
        """Seal a message for the members of this epoch; return the envelope.

        Raises:
            LocalProtocolError: the group is not here, the envelope is over the limit, or it is a record and a
                leaf of the group has fallen (`revoked_key`).
        """
        group = self.require_group(link)
        if data[0] in (Said.RECORD, Said.RESENT) and not self.members.is_sound(link):
            raise LocalProtocolError("a group with a leaf that fell", code=ReasonCode.REVOKED_KEY)
        frame_octets = frame.to_bytes()
        group, message = protect(
            group,
            data,
            authenticated_data=frame_binding(frame_octets),
            padding=padding_for(len(data)),
            entropy=self.bench.entropy,
        )
        envelope = envelope_bytes(frame_octets, message)
        self.put_group(group)
        return envelope

    def write(self) -> None:
        """Write every group that changed, once, and what members said for the first time.

        Raises:
            StoreError: the key of the day can't be made durable.
        """
        records.put_links(self.tx, [self._links[one] for one in sorted(self._changed_links)])
        self._write_heard()
        whole: dict[bytes, tuple[bytes, bytes]] = {}
        some: dict[bytes, tuple[bytes, bytes]] = {}
        for group_id, held in self._held.items():
            if held.stored is None or core_changed(held.stored, held.group):
                whole[group_id] = core_bytes(held.group), ratchet_bytes(held.group)
            elif held.group is not held.stored:
                some[group_id] = held.core_rev, ratchet_bytes(held.group)
        revisions = self._shelf.write_whole(self.tx, whole, self.now_ms)
        for group_id, rev in self._shelf.write_ratchets(self.tx, some, self.now_ms).items():
            revisions[group_id] = some[group_id][0], rev
        for group_id, both in revisions.items():
            self._known.keep(group_id, both, self._held[group_id].group)

    # --- inside -----------------------------------------------------------------------------------------

    def _write_heard(self) -> None:
        """Let the first message of a member stand for its word that we missed.

        Its signature covers the group. It spoke to others when it joined, if we came later, or have lost what
        we had heard.
        """
        for group_id, authority in records.silent_of(self.tx, self.heard):
            for ours in records.members_of(self.tx, [group_id], self.heard[group_id, authority]):
                if ours.authority == self.bench.name.authority:
                    heard = ours._replace(authority=authority, agrees=True, stated_ms=self.now_ms)
                    records.put_members(self.tx, [heard])

    def _find(self, group_id: bytes) -> _Held | None:
        held = self._held.get(group_id)
        if held is None:
            revisions = self._revisions.pop(group_id, None)
            if revisions is None:
                revisions = records.revisions_of(self.tx, [group_id]).get(group_id)
            group = None if revisions is None else self._load(group_id, revisions)
            if revisions is None or group is None:
                return None
            held = self._held[group_id] = _Held(group, revisions[0], forget(group, self.now_ms))
        return held

    def _load(self, group_id: bytes, revisions: tuple[bytes, bytes]) -> Group | None:
        group = self._known.find(group_id, revisions)
        if group is None:
            state = self._shelf.read(self.tx, [group_id])[0].get(group_id)
            group = None if state is None else parse_group(state.core, state.ratchets)
        return group


async def in_book(bench: Workbench, known: KnownGroups, work: Callable[[GroupBook], T]) -> T:
    """Work with groups in a transaction of its own, and write what changed.

    Raises:
        StoreError: the store can't be written, or the key of the day can't be made durable.
    """

    def act(tx: Transaction) -> T:
        book = GroupBook(bench, known, tx)
        result = work(book)
        book.write()
        return result

    return await bench.store.write(act)


def messages_sent(group: Group) -> int:
    """Return how many messages we have sent in the epoch of a group."""
    return next_generation(group.secret_tree, group.own_leaf)
