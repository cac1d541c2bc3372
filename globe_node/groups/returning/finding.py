# SPDX-License-Identifier: Apache-2.0
"""Finds the groups that a node is in and has forgotten: those that are younger than its backup.

1. A node that was restored asks each other node, once in its new life, in which groups they are together. Who
   can't be reached is asked again, with growing pauses; new nodes of the directory are asked as well.
2. Only the hub of a group is believed, for groups whose consultation belongs to its authority, or that it has
   continued; and everybody about groups of which this node itself is the hub. What is said there only leads
   to a return, which checks everything again.
3. Who is asked so drops the key packages that it holds of the asking node: their private keys are gone.
4. An invitation whose keys are not here has its sender asked, and nobody else: we may be in the group all the
   same. A sender of bad invitations can't have all others drop our key packages.
"""

from collections.abc import Iterable, Sequence
from dataclasses import replace
from functools import partial

from globe_node.delivery.link import Operation, PeerIdentity, Transport, ask
from globe_node.delivery.peers import PeerBook
from globe_node.errors import NodeError, StoreError
from globe_node.groups import records
from globe_node.groups.book import GroupBook
from globe_node.groups.known import KnownGroups
from globe_node.groups.lineage import descent
from globe_node.groups.lineage import records as history_records
from globe_node.groups.links import GroupStatus, LinkRow
from globe_node.groups.packages import stock
from globe_node.groups.returning.wire import (
    MAX_SHARED,
    RollAnswer,
    RollRequest,
    SharedGroup,
    parse_roll_answer,
)
from globe_node.groups.workbench import Workbench
from globe_node.store.door import Transaction
from protocol import delivery, limits
from protocol.envelope import routing_id_of
from protocol.errors import ProtocolError, RemoteProtocolError
from protocol.identifiers import AuthorityId, NodeName, is_owned, parse_node_name

REQUEST_SECONDS = 20.0
MOST_PAGES = 100
"""Lists of groups that are taken from one node: far more than two authorities share; a liar has no end."""
LOOK_SECONDS = 30.0
"""How often it is looked whether somebody is to be asked."""


class Finder:
    """The one task that asks in which groups this node is.

    Args:
        bench: what it works with.
        transport: the line to peers.
        peers: the directory.
    """

    def __init__(self, bench: Workbench, transport: Transport, peers: PeerBook) -> None:
        self._bench = bench
        self._transport = transport
        self._peers = peers
        self._failures: dict[AuthorityId, tuple[int, float]] = {}

    async def run(self) -> None:
        """Look at the start and then at intervals, for ever."""
        while True:
            try:
                await self.look()
            except StoreError as error:
                if not error.is_passing:
                    raise
            await self._bench.clock.sleep(LOOK_SECONDS)

    async def look(self) -> None:
        """Ask those who are to be asked, all or one, and were not since."""
        others = self._peers.others()
        for peer in await self._bench.store.look(lambda tx: records.to_ask_in_search(tx, others)):
            failures, until = self._failures.get(peer, (0, 0.0))
            if self._bench.clock.monotonic() < until:
                continue
            if await self._ask(peer):
                self._failures.pop(peer, None)
                continue
            pause = delivery.pause_seconds(failures + 1, delivery.even_fraction(self._bench.entropy))
            self._failures[peer] = failures + 1, self._bench.clock.monotonic() + pause

    async def _ask(self, peer: AuthorityId) -> bool:
        """Ask one node for all groups that we share; return whether it has answered."""
        try:
            address = self._peers.address_of(peer)
            name = NodeName(address.authority, address.node)
            after = b""
            for _ in range(MOST_PAGES):
                request = RollRequest(after).to_bytes()
                answer = await ask(
                    self._transport, address, Operation.GROUP_INFO, request, deadline_seconds=REQUEST_SECONDS
                )
                told = [one for one in parse_roll_answer(answer).groups if one.group_id > after]
                if not told:
                    break
                await self._bench.store.write(partial(self._note, peer=name, told=told))
                after = told[-1].group_id
        except StoreError:
            raise
        except (NodeError, ProtocolError) as error:
            self._bench.log.warning("a peer names no groups that we are in", peer=peer, code=error.code)
            return False
        now_ms = self._bench.now_ms()
        await self._bench.store.write(lambda tx: records.note_asked(tx, peer, now_ms))
        self._bench.faults.point("groups.search.noted")
        return True

    def _note(self, tx: Transaction, peer: NodeName, told: Sequence[SharedGroup]) -> None:
        book = GroupBook(self._bench, KnownGroups(), tx)
        found = [one for one in told if may_say(one, peer, self._bench.name)]
        count = sum([take_word(book, one) for one in found])
        book.write()
        if count:
            self._bench.log.warning("groups are found that this node has forgotten", count=count)


def ask_again(tx: Transaction, peer: AuthorityId) -> None:
    """Ask a node once more in which groups we are."""
    records.want_search(tx, peer)


def have_answered(tx: Transaction, peers: Iterable[AuthorityId]) -> bool:
    """Say whether some nodes have told in which groups we are, if that is asked in this life at all."""
    asked = records.asked_in_search(tx)
    return asked is None or asked.issuperset(peers)


def may_say(told: SharedGroup, peer: NodeName, me: NodeName) -> bool:
    """Say whether a node may name a group to us."""
    if told.hub not in (peer, me) or me.authority not in told.roster or peer.authority not in told.roster:
        return False
    return bool(told.history) or is_owned(told.consultation, told.hub.authority)


def take_word(book: GroupBook, told: SharedGroup) -> bool:
    """Note a group that is not known here, or only as beginning, as lost; return whether it was one.

    One that continues the group that we know takes its place, if it may.
    """
    known = book.link_of(told.consultation)
    if known is not None and known.group_id == told.group_id:
        if known.status is GroupStatus.AWAITING_KEYS:
            book.put_link(replace(known, status=GroupStatus.LOST, changed_ms=book.now_ms))
            return True
        return False
    if known is not None and not told.history:
        return False
    if told.history:
        try:
            history = descent.read(book, told.history)
            extension = replace(history[-1].extension, hub=told.hub)
            descent.verify_hub(history, told.group_id, extension)
            if known is not None:
                descent.require_place(book, known, history, told.group_id, history[-1].extension)
        except RemoteProtocolError as error:
            book.bench.log.warning("a group that is named to us does not hold", code=error.code)
            return False
        history_records.put_history(book.tx, told.group_id, told.history)
        if known is not None:
            descent.take_place(book, known, history[-1].name)
    book.put_link(
        LinkRow(
            group_id=told.group_id,
            consultation=told.consultation,
            routing_id=routing_id_of(told.group_id),
            hub=str(told.hub),
            roster=told.roster,
            status=GroupStatus.LOST,
            epoch=0,
            changed_ms=book.now_ms,
        )
    )
    return True


def roll_for(bench: Workbench, tx: Transaction, peer: PeerIdentity, request: RollRequest) -> RollAnswer:
    """Name the groups that a peer is in with us, and of which one of the two is the hub.

    With the first page the peer says that it was put back: its key packages are not used any more.
    """
    if not request.after:
        stock.drop_all(tx, peer.authority)
    name = NodeName(peer.authority, peer.node)
    links = records.links_shared(
        tx, peer.authority, (str(bench.name), str(name)), after=request.after, limit=MAX_SHARED
    )
    histories = history_records.histories_of(tx, [link.group_id for link in links])
    return RollAnswer(tuple(_that_fit([_shared(link, histories.get(link.group_id, ())) for link in links])))


def _shared(link: LinkRow, history: tuple[bytes, ...]) -> SharedGroup:
    hub = parse_node_name(link.hub.encode())
    return SharedGroup(link.group_id, link.consultation, hub, link.roster, history)


def _that_fit(groups: Sequence[SharedGroup]) -> list[SharedGroup]:
    """Return as many as an answer holds, at least the first."""
    room = limits.MAX_ORDER_ANSWER_BYTES // 2
    chosen: list[SharedGroup] = []
    for one in groups:
        room -= sum(map(len, one.history))
        if room < 0 and chosen:
            break
        chosen.append(one)
    return chosen
