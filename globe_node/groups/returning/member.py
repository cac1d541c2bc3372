# SPDX-License-Identifier: Apache-2.0
"""The member's side: asks the hub for places for our commits, and brings back groups whose secrets are gone.

1. A commit of ours is sent again until the hub has answered: the hub answers a repeat from its log.
2. If others were first, their commits are taken and ours is made anew.
3. Groups that are `lost` are looked for at the start and at intervals. Each that could not be brought back is
   tried again with growing pauses; a hub that refuses delays no other group.
4. The hub itself comes back by what all members show; none of them may be missing.
5. What came and can't be opened may be ahead of us: the hub is asked for the commits that we lack. A hub that
   finds its members ahead has been put back to an older state, and comes back.
6. Who is back says so to all members in the same transaction: that it came from outside, in which epoch; and
   whatever else is to be said then (`returned`) is queued with it.
"""

from collections.abc import Callable, Collection, Coroutine, Sequence
from functools import partial
from typing import Any, TypeVar

from globe_node.delivery import inbox
from globe_node.delivery.link import Operation, Transport, ask
from globe_node.delivery.outbox import Outgoing, Queued, enqueue
from globe_node.delivery.peers import PeerBook
from globe_node.errors import NodeError, PeerUnreachableError, StoreError
from globe_node.groups import arriving, records
from globe_node.groups.arriving import AwaitedGroupError
from globe_node.groups.book import GroupBook, in_book
from globe_node.groups.known import KnownGroups
from globe_node.groups.links import GroupStatus, LinkRow
from globe_node.groups.members import leaves
from globe_node.groups.returning import committing, hub_return, pending
from globe_node.groups.returning.committing import Pending
from globe_node.groups.returning.hub_return import Shown
from globe_node.groups.returning.wire import (
    CommitAnswer,
    InfoAnswer,
    InfoRequest,
    LaterRequest,
    parse_commit_answer,
    parse_info_answer,
)
from globe_node.groups.workbench import Workbench
from globe_node.store.door import Transaction
from protocol import delivery
from protocol.errors import LocalProtocolError, ProtocolError, ReasonCode, RemoteProtocolError
from protocol.groups.errors import NotKnownYetError
from protocol.groups.testimony.joined import JoinedBy
from protocol.identifiers import AuthorityId, ConsultationId, parse_node_name

REQUEST_SECONDS = 20.0
LOOK_SECONDS = 60.0
"""How often it is looked for groups that are lost."""
GROUPS_AT_ONCE = 64
AHEAD_MS = 120_000
"""How long something that can't be opened waits before we ask whether we lack a commit."""
_WITHOUT_IT = (ReasonCode.NOT_FOUND, ReasonCode.REFUSED)
"""What a member says that has no such group, or not any more."""
_REFUSED = frozenset(
    {
        ReasonCode.REFUSED,
        ReasonCode.BAD_CONTENT,
        ReasonCode.BAD_FIELD,
        ReasonCode.EXPIRED,
        ReasonCode.ID_CONFLICT,
        ReasonCode.NOT_FOUND,
        ReasonCode.NOT_YET_VALID,
        ReasonCode.SEQUENCE_GAP,
        ReasonCode.TOO_LARGE,
    }
)
"""What a hub says of a commit that it has not taken, and never will."""
NO_EPOCH = 2**62
"""Later than every epoch."""
TRIES = 3
"""How often a commit is made anew because others were first, and how often one is sent."""


T = TypeVar("T")


class Member:
    """Asks hubs.

    Args:
        bench: what it works with.
        known: parsed groups that outlive transactions.
        transport: the line to peers.
        peers: the directory.
        wake: told what was queued, after the commit.
        regrouped: called when a group is in another epoch: what waited for that may go on.
        returned: returns what else is said in a group that we came back into, in the same transaction.
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
        returned: Callable[[GroupBook, LinkRow], Sequence[Outgoing]],
    ) -> None:
        self._bench = bench
        self._known = known
        self._transport = transport
        self._peers = peers
        self._wake = wake
        self._regrouped = regrouped
        self._returned = returned
        self._resyncing: set[ConsultationId] = set()
        self._failures: dict[ConsultationId, tuple[int, float]] = {}

    @property
    def resyncing(self) -> Collection[ConsultationId]:
        """Return the consultations whose groups are being brought back at this moment."""
        return frozenset(self._resyncing)

    async def run(self) -> None:
        """Bring back what is lost, at the start and then at intervals, for ever."""
        while True:
            try:
                await self.look()
            except StoreError as error:
                if not error.is_passing:
                    raise
            await self._bench.clock.sleep(LOOK_SECONDS)

    async def look(self) -> None:
        """Try to bring back each group that is lost, and to catch up where others are ahead."""
        for link in await self._bench.store.look(self._wanting):
            failures, until = self._failures.get(link.consultation, (0, 0.0))
            if self._bench.clock.monotonic() < until:
                continue
            if await (self.come_back(link) if link.status is GroupStatus.LOST else self.catch_up(link)):
                self._failures.pop(link.consultation, None)
                continue
            pause = delivery.pause_seconds(failures + 1, delivery.even_fraction(self._bench.entropy))
            self._failures[link.consultation] = failures + 1, self._bench.clock.monotonic() + pause

    def _wanting(self, tx: Transaction) -> list[LinkRow]:
        """Return groups that are lost, and those for which something came that is ahead of them."""
        lost = records.links_with(tx, GroupStatus.LOST, GROUPS_AT_ONCE)
        routes = inbox.waiting_routes(tx, self._bench.now_ms() - AHEAD_MS)
        waited_for = records.links_by_route(tx, sorted(routes))
        return [*lost, *(link for link in waited_for if link.status is GroupStatus.OPEN)]

    # --- what is asked for ------------------------------------------------------------------------------

    async def renew(self, consultation: ConsultationId) -> bool:
        """Renew our keys in a group that is open here; return whether the hub gave the commit its place."""
        return await self._guarded(self._renew(consultation))

    async def come_back(self, link: LinkRow) -> bool:
        """Bring back a group; return whether we are in it again, or know that we have left it."""
        self._resyncing.add(link.consultation)
        try:
            is_hub = link.hub == str(self._bench.name)
            return await self._guarded(self._come_back_as_hub(link) if is_hub else self._come_back(link))
        finally:
            self._resyncing.discard(link.consultation)

    async def catch_up(self, link: LinkRow) -> bool:
        """Take the commits that an open group lacks here; return whether there were any."""
        is_hub = link.hub == str(self._bench.name)
        return await self._guarded(self._hear_members(link) if is_hub else self._ask_for_later(link))

    async def _guarded(self, work: Coroutine[Any, Any, bool]) -> bool:
        """Do something that may fail for now; a fault of the store that does not pass goes on."""
        try:
            return await work
        except StoreError as error:
            if not error.is_passing:
                raise
            code = error.code
        except (AwaitedGroupError, NodeError, ProtocolError) as error:
            code = ReasonCode.SEQUENCE_GAP if isinstance(error, AwaitedGroupError) else error.code
        self._bench.log.warning("a change of our own leaf must wait", code=code)
        return False

    async def _renew(self, consultation: ConsultationId) -> bool:
        for _ in range(TRIES):
            made = await self._in_book(partial(_renewing, consultation=consultation))
            self._bench.faults.point("groups.commits.made")
            link = await self._link(consultation)
            answer = await self._send(link, made)
            if answer.receipt:
                await self._take_place(consultation, made, answer)
                return True
            await self._catch_up(link, answer)
        return False

    async def _come_back(self, link: LinkRow) -> bool:
        try:
            return await self._come_from_outside(link)
        except PeerUnreachableError as error:
            if error.code is not ReasonCode.ILLEGAL_MOVE:
                raise
        await self._in_book(lambda book: _left_meanwhile(book, _same(book, link)))
        self._announce(None)
        return True

    async def _come_from_outside(self, link: LinkRow) -> bool:
        for _ in range(TRIES):
            made = await self._in_book(lambda book: pending.find(book, _require(book, link.consultation)))
            if made is None:
                body = InfoRequest(link.group_id).to_bytes()
                shown = parse_info_answer(await self._ask(_hub_of(link), Operation.GROUP_INFO, body))
                made = await self._in_book(partial(_returning, link=link, shown=shown))
            if made is None:
                return True
            self._bench.faults.point("groups.commits.made")
            answer = await self._send(await self._link(link.consultation), made)
            if answer.receipt:
                await self._take_place(link.consultation, made, answer)
                self._bench.log.info("came back into a group")
                return True
            await self._give_up(link)
        return False

    async def _ask_for_later(self, lacking: LinkRow) -> bool:
        consultation, hub, progress = lacking.consultation, _hub_of(lacking), False
        while (link := await self._link(consultation)).status is GroupStatus.OPEN:
            request = LaterRequest(link.group_id, link.epoch).to_bytes()
            try:
                answer = parse_commit_answer(await self._ask(hub, Operation.COMMITS, request))
            except PeerUnreachableError as error:
                if error.code is not ReasonCode.EXPIRED:
                    raise
                if not await self._go_on_with_own(link):
                    await self._in_book(lambda book: arriving.lose(book, _same(book, lacking)))
                    raise
                progress = True
                continue
            if not answer.earlier:
                break
            await self._catch_up(lacking, answer)
            progress = True
        return progress

    async def _go_on_with_own(self, lacking: LinkRow) -> bool:
        """Go on with a commit of ours if the hub has forgotten its place and has built on it."""
        own = await self._in_book(lambda book: pending.find(book, _require(book, lacking.consultation)))
        if own is None:
            return False
        request = LaterRequest(lacking.group_id, own.next_group.epoch).to_bytes()
        try:
            answer = parse_commit_answer(await self._ask(_hub_of(lacking), Operation.COMMITS, request))
            if not answer.earlier:
                return False
            self._announce(await self._in_book(lambda book: self._take_own(book, lacking, own, answer)))
        except NotKnownYetError:
            raise
        except PeerUnreachableError as error:
            if error.code not in _REFUSED:
                raise
            return False
        except (AwaitedGroupError, ProtocolError):
            return False
        return True

    def _take_own(
        self, book: GroupBook, lacking: LinkRow, own: Pending, answer: CommitAnswer
    ) -> Queued | None:
        link = committing.go_on_with_own(book, _same(book, lacking), own, answer)
        release(book, link)
        return self._say_returned(book, link) if own.is_return else None

    async def _come_back_as_hub(self, link: LinkRow) -> bool:
        shown = await self._shown_by_all(link)
        if not shown:  # the last place that we gave may be known to nobody but us, and to whom we gave it
            shown = await self._shown_by_all(link, after_commit=True)
        if shown:
            await self._enter_again(link, hub_return.choose(shown))
        return bool(shown)

    async def _hear_members(self, link: LinkRow) -> bool:
        """See whether our memory of a group of which we are the hub is older than that of its members."""
        shown = await self._shown_by_all(link)
        ours = await self._in_book(
            lambda book: hub_return.shown_here(book, _require(book, link.consultation))
        )
        chosen = hub_return.choose({**shown, self._bench.name.authority: ours})
        if chosen.epoch <= ours.epoch:
            return False
        self._bench.log.warning("our memory of a group is old", code=ReasonCode.SEQUENCE_GAP)
        await self._enter_again(link, chosen)
        return True

    async def _enter_again(self, link: LinkRow, chosen: Shown) -> None:
        def enter(book: GroupBook) -> Queued | None:
            arriving.lose(book, _require(book, link.consultation))
            entered, outgoing = hub_return.enter_again(book, _require(book, link.consultation), chosen)
            if not outgoing:
                return None
            release(book, entered)
            said = self._said(book, entered)
            return enqueue(book.tx, [*outgoing, *said], book.now_ms)

        self._announce(await self._in_book(enter))
        self._bench.log.info("came back into a group")

    async def _shown_by_all(self, link: LinkRow, *, after_commit: bool = False) -> dict[AuthorityId, Shown]:
        """Let every member show the group, also those whom only others name.

        Raises:
            PeerUnreachableError: one does not answer, and what it knows may be newer.
        """
        body = InfoRequest(link.group_id, after_commit).to_bytes()
        shown: dict[AuthorityId, Shown] = {}
        heard = {self._bench.name.authority}
        while missing := {*link.roster, *(name for one in shown.values() for name in one.roster)} - heard:
            peer = min(missing)
            heard.add(peer)
            try:
                answer = parse_info_answer(await self._ask(peer, Operation.GROUP_INFO, body))
                shown[peer] = hub_return.read_shown(link, answer)
            except (
                ProtocolError
            ) as error:  # barred by the directory, or it shows something that does not hold
                self._bench.log.warning("a member shows no group that holds", peer=peer, code=error.code)
            except PeerUnreachableError as error:
                if error.code not in _WITHOUT_IT:
                    raise
        return shown

    # --- the hub ----------------------------------------------------------------------------------------

    async def _send(self, link: LinkRow, made: Pending) -> CommitAnswer:
        """Ask for a place until there is an answer, some times."""
        body, hub = made.request.to_bytes(), _hub_of(link)
        for left in reversed(range(TRIES)):
            try:
                return parse_commit_answer(await self._ask(hub, Operation.COMMITS, body))
            except PeerUnreachableError as error:
                if error.code in _REFUSED:
                    return await self._refused(link, made, error)
                if error.code is not ReasonCode.PEER_UNREACHABLE or not left:
                    raise
        raise PeerUnreachableError("the hub does not answer")

    async def _refused(self, link: LinkRow, made: Pending, refusal: PeerUnreachableError) -> CommitAnswer:
        """Return what came of a commit that is refused: it may have its place since an earlier request.

        Raises:
            PeerUnreachableError: it has none, and is forgotten; or the hub does not say, and it is kept.
        """
        request = LaterRequest(link.group_id, made.next_group.epoch - 1).to_bytes()
        try:
            answer = parse_commit_answer(await self._ask(_hub_of(link), Operation.COMMITS, request))
        except PeerUnreachableError as error:
            if error.code is ReasonCode.EXPIRED and not await self._go_on_with_own(link):  # long over
                await self._give_up(link)
            raise
        if answer.earlier and answer.earlier[0].commit == made.request.commit:
            return CommitAnswer(answer.earlier[0].receipt)
        await self._give_up(link)
        if not answer.earlier:
            raise refusal
        return answer

    async def _give_up(self, link: LinkRow) -> None:
        """Forget a commit of ours that will not get a place."""
        await self._in_book(lambda book: records.drop_pending(book.tx, link.group_id, NO_EPOCH))

    async def _ask(self, peer: AuthorityId, operation: Operation, body: bytes) -> bytes:
        address = self._peers.address_of(peer)
        return await ask(self._transport, address, operation, body, deadline_seconds=REQUEST_SECONDS)

    # --- in transactions --------------------------------------------------------------------------------

    async def _take_place(self, consultation: ConsultationId, made: Pending, answer: CommitAnswer) -> None:
        def take(book: GroupBook) -> Queued | None:
            link = committing.take_place(book, _require(book, consultation), made, answer)
            if link.status is GroupStatus.EQUIVOCATED:
                return None
            release(book, link)
            return self._say_returned(book, link) if made.is_return else None

        self._announce(await self._in_book(take))

    def _say_returned(self, book: GroupBook, link: LinkRow) -> Queued:
        """Say to all members that we came back from outside."""
        leaves.mark_resynced(book.tx, link.group_id, book.require_group(link).own_leaf)
        return enqueue(book.tx, self._said(book, link), book.now_ms)

    def _said(self, book: GroupBook, link: LinkRow) -> list[Outgoing]:
        """Return what is said in a group that we came back into."""
        return [arriving.announcement(book, link, JoinedBy.RESYNC), *self._returned(book, link)]

    def _announce(self, queued: Queued | None) -> None:
        """Let others go on with a group in a new epoch; after the commit."""
        self._bench.faults.point("groups.commits.installed")
        if queued is not None:
            self._wake(queued)
        self._regrouped()

    async def _catch_up(self, lacking: LinkRow, answer: CommitAnswer) -> None:
        """Take what came first; a group that can't, as after a crash before our receipt came, is lost."""

        def take(book: GroupBook) -> Queued | None:
            link = _same(book, lacking)
            own = pending.find(book, link)
            link = committing.catch_up(book, link, answer, own)
            release(book, link)
            is_open = link.status is GroupStatus.OPEN
            returned = is_open and own is not None and own.is_return and own.is_among(answer.earlier)
            return self._say_returned(book, link) if returned else None

        try:
            queued = await self._in_book(take)
        except NotKnownYetError:
            raise
        except RemoteProtocolError:
            await self._in_book(lambda book: arriving.lose(book, _same(book, lacking)))
            raise
        self._announce(queued)

    async def _link(self, consultation: ConsultationId) -> LinkRow:
        found = await self._bench.store.look(lambda tx: records.links_of(tx, [consultation]))
        return found[consultation]

    async def _in_book(self, work: Callable[[GroupBook], T]) -> T:
        return await in_book(self._bench, self._known, work)


def _returning(book: GroupBook, *, link: LinkRow, shown: InfoAnswer) -> Pending | None:
    now = _require(book, link.consultation)
    if now.status is not GroupStatus.LOST:  # invited meanwhile
        return None
    made = committing.come_back(book, now, shown)
    return None if made is None else pending.keep(book, made)


def _renewing(book: GroupBook, *, consultation: ConsultationId) -> Pending:
    link = _require(book, consultation)
    return pending.find(book, link) or pending.keep(book, committing.renew(book, link))


def _left_meanwhile(book: GroupBook, link: LinkRow) -> None:
    """Note that the hub took us out of a group for good while we had lost it."""
    if link.status is GroupStatus.LOST:
        records.drop_pending(book.tx, link.group_id, NO_EPOCH)
        arriving.leave(book, link, still_belongs=False)
        release(book, link)


def release(book: GroupBook, link: LinkRow) -> None:
    """Let intake look again at what waited for this epoch."""
    for member in link.roster:
        inbox.release(book.tx, member, {link.routing_id}, book.now_ms)


def _same(book: GroupBook, link: LinkRow) -> LinkRow:
    """Return a group as it stands now; another may have taken its place since we asked about it."""
    now = _require(book, link.consultation)
    if now.group_id != link.group_id:
        raise LocalProtocolError("a group that another has continued", code=ReasonCode.NOT_FOUND)
    return now


def _hub_of(link: LinkRow) -> AuthorityId:
    return parse_node_name(link.hub.encode()).authority


def _require(book: GroupBook, consultation: ConsultationId) -> LinkRow:
    link = book.link_of(consultation)
    if link is None:
        raise LocalProtocolError("a consultation without a group", code=ReasonCode.NOT_FOUND)
    return link
