# SPDX-License-Identifier: Apache-2.0
"""The one task that follows hubs that are gone. What it does in transactions is `founding`.

1. Every hour it sees which hubs of our groups answer; of those that were heard of meanwhile it knows.
2. Where a hub is gone and something waits for it, and this node is named as its successor, the other members
   are asked: first for commits that we lack, then whether they miss the hub too. One that still hears it
   speaks against; one that can't be reached says nothing.
3. If at least one misses it and none hears it, the consultation goes on in a new group. So a node whose own
   line is down continues nothing.
"""

from collections.abc import Callable, Collection, Coroutine
from functools import partial
from typing import Any, TypeVar

from globe_node.delivery.link import Operation, Transport, ask
from globe_node.delivery.outbox import Queued, enqueue
from globe_node.delivery.peers import PeerBook
from globe_node.errors import NodeError, PeerUnreachableError, StoreError
from globe_node.groups.arriving import AwaitedGroupError
from globe_node.groups.book import GroupBook, in_book
from globe_node.groups.known import KnownGroups
from globe_node.groups.lineage import absence, records
from globe_node.groups.lineage.records import SilenceRow
from globe_node.groups.links import GroupStatus, LinkRow
from globe_node.groups.returning import committing
from globe_node.groups.returning.wire import (
    AbsenceRequest,
    LaterRequest,
    parse_absence_answer,
    parse_commit_answer,
)
from globe_node.groups.succession import founding
from globe_node.groups.workbench import Workbench
from globe_node.store.door import Transaction
from protocol.errors import ProtocolError, ReasonCode
from protocol.identifiers import AuthorityId, ConsultationId, NodeName, parse_node_name

LOOK_SECONDS = 3_600.0
REQUEST_SECONDS = 20.0
GROUPS_AT_ONCE = 16
"""Groups that one look continues at most."""

T = TypeVar("T")


class Successor:
    """Follows hubs.

    Args:
        bench: what it works with.
        known: parsed groups that outlive transactions.
        transport: the line to peers.
        peers: the directory.
        wake: told what was queued, after the commit.
        regrouped: called when a consultation has another group.
    """

    def __init__(
        self,
        bench: Workbench,
        known: KnownGroups,
        transport: Transport,
        peers: PeerBook,
        *,
        wake: Callable[[Queued], None],
        regrouped: Callable[[], None],
    ) -> None:
        self._bench = bench
        self._known = known
        self._transport = transport
        self._peers = peers
        self._wake = wake
        self._regrouped = regrouped
        self._heard: dict[AuthorityId, float] = {}

    def heard(self, peer: AuthorityId) -> None:
        """Note that a node was heard of; from the event loop."""
        self._heard[peer] = self._bench.clock.monotonic()

    async def run(self) -> None:
        """Look every hour, for ever."""
        while True:
            await self._bench.clock.sleep(LOOK_SECONDS)
            try:
                await self.look()
            except NodeError as error:
                if isinstance(error, StoreError) and not error.is_passing:
                    raise

    async def look(self) -> None:
        """See which hubs answer, and follow those that are gone."""
        if self._bench.register.is_empty:
            return
        await self._note_silences()
        for consultation in await self._bench.store.look(self._waiting):
            try:
                await self._follow(consultation)
            except (NodeError, ProtocolError) as error:
                if isinstance(error, StoreError) and not error.is_passing:
                    raise
                self._bench.log.warning("a consultation can't be continued yet", code=error.code)

    # --- who answers ------------------------------------------------------------------------------------

    async def _note_silences(self) -> None:
        me = str(self._bench.name)
        hubs = await self._bench.store.look(lambda tx: records.hubs_of_groups(tx, me))
        before = await self._bench.store.look(records.silences)
        silent, over = [], set(before) - set(hubs)
        for name, (group_id, epoch) in sorted(hubs.items()):
            known = before.get(name)
            if await self._answers(parse_node_name(name.encode()), group_id, epoch):
                over.update([name] if known is not None else ())
            else:
                since_ms = self._bench.now_ms() if known is None else known.since_ms
                silent.append(SilenceRow(name, since_ms, 1 if known is None else known.tries + 1))
        if silent or over:
            await self._bench.store.write(partial(_note, silent=silent, over=over))

    async def _answers(self, hub: NodeName, group_id: bytes, epoch: int) -> bool:
        heard = self._heard.get(hub.authority)
        if heard is not None and self._bench.clock.monotonic() - heard < LOOK_SECONDS:
            return True
        try:
            address = self._peers.address_of(hub.authority)
            await self._transport.request(
                address,
                Operation.COMMITS,
                body=LaterRequest(group_id, epoch).to_bytes(),
                deadline_seconds=REQUEST_SECONDS,
            )
        except (PeerUnreachableError, ProtocolError):
            return False
        return True

    # --- what follows -----------------------------------------------------------------------------------

    def _waiting(self, tx: Transaction) -> list[ConsultationId]:
        """Return consultations in which something waits for a hub that is gone, and that we may continue."""
        book = GroupBook(self._bench, self._known, tx)
        found: list[ConsultationId] = []
        for hub in records.hubs_of_groups(tx, str(self._bench.name)):
            if absence.is_gone(book, parse_node_name(hub.encode())):
                found += [
                    one
                    for one in records.groups_that_wait(tx, hub, GROUPS_AT_ONCE)
                    if self._may_follow(book, one)
                ]
        return found[:GROUPS_AT_ONCE]

    @staticmethod
    def _may_follow(book: GroupBook, consultation: ConsultationId) -> bool:
        link = book.link_of(consultation)
        if link is None or not founding.may_continue(book, link):
            return False
        return absence.is_gone(book, parse_node_name(link.hub.encode()))

    async def _follow(self, consultation: ConsultationId) -> None:
        if not await self._is_missed_by_others(consultation):
            return
        queued = await self._in_book(partial(self._continue, consultation=consultation))
        self._bench.faults.point("groups.succession.founded")
        if queued is not None:
            self._bench.log.warning("a consultation goes on in a new group: its hub is gone")
            self._wake(queued)
            self._regrouped()

    def _continue(self, book: GroupBook, consultation: ConsultationId) -> Queued | None:
        link = book.link_of(consultation)
        if link is None or not self._may_follow(book, consultation):
            return None
        outgoing = founding.continue_group(book, link)
        self._bench.faults.point("groups.succession.before_commit")
        return enqueue(book.tx, outgoing, book.now_ms)

    async def _is_missed_by_others(self, consultation: ConsultationId) -> bool:
        """Ask the other members; return whether some miss the hub, and none hears it."""
        link = await self._link(consultation)
        if link is None:
            return False
        missed = False
        hub = parse_node_name(link.hub.encode()).authority
        for peer in sorted({*link.roster} - {hub, self._bench.name.authority}):
            told = await self._misses_too(peer, consultation)
            if told is False:
                return False
            missed = missed or told is True
        return missed

    async def _misses_too(self, peer: AuthorityId, consultation: ConsultationId) -> bool | None:
        """Return whether a member misses the hub too; None if it does not say. First take what we lack."""
        await self._attempt(peer, self._catch_up(peer, consultation))
        return await self._attempt(peer, self._ask_about_hub(peer, consultation))

    async def _attempt(self, peer: AuthorityId, work: Coroutine[Any, Any, bool | None]) -> bool | None:
        """Ask a member something; None if it does not say, or what it says does not hold."""
        try:
            return await work
        except StoreError:
            raise
        except (NodeError, ProtocolError, AwaitedGroupError) as error:
            code = ReasonCode.SEQUENCE_GAP if isinstance(error, AwaitedGroupError) else error.code
            self._bench.log.info("a member says nothing about a group", peer=peer, code=code)
            return None

    async def _catch_up(self, peer: AuthorityId, consultation: ConsultationId) -> None:
        while (link := await self._link(consultation)) is not None:
            later = LaterRequest(link.group_id, link.epoch).to_bytes()
            answer = parse_commit_answer(await self._ask(peer, Operation.COMMITS, later))
            if not answer.earlier:
                return
            await self._in_book(partial(committing.catch_up, link=link, answer=answer))
            self._regrouped()

    async def _ask_about_hub(self, peer: AuthorityId, consultation: ConsultationId) -> bool | None:
        link = await self._link(consultation)
        if link is None:
            return None
        question = AbsenceRequest(link.group_id, link.epoch).to_bytes()
        return parse_absence_answer(await self._ask(peer, Operation.GROUP_INFO, question)).is_missed

    async def _ask(self, peer: AuthorityId, operation: Operation, body: bytes) -> bytes:
        address = self._peers.address_of(peer)
        return await ask(self._transport, address, operation, body, deadline_seconds=REQUEST_SECONDS)

    async def _link(self, consultation: ConsultationId) -> LinkRow | None:
        """Return the group of a consultation, if it is open here."""

        def look(tx: Transaction) -> LinkRow | None:
            return GroupBook(self._bench, self._known, tx).link_of(consultation)

        link = await self._bench.store.look(look)
        return link if link is not None and link.status is GroupStatus.OPEN else None

    async def _in_book(self, work: Callable[[GroupBook], T]) -> T:
        return await in_book(self._bench, self._known, work)


def _note(tx: Transaction, *, silent: Collection[SilenceRow], over: Collection[str]) -> None:
    records.put_silences(tx, silent)
    records.end_silences(tx, over)
