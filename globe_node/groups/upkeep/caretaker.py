# SPDX-License-Identifier: Apache-2.0
"""The one task that keeps groups as they should be. What is right for one group is decided in `mending`.

1. It looks when the directory has changed, when key packages have come that a member lacks, at the start, and
   at intervals: admissions and certificates end by themselves.
2. First it finds out which leaf certificates no longer stand, once for all groups, and notes that; people see
   it, and nothing is sealed for those groups. Then it puts in order those of which this node is the hub, one
   in each transaction, so that others run in between.
3. One group that can't be put in order delays no other; it is tried again at the next look.
"""

import asyncio
import contextlib
from collections.abc import Callable, Collection

from globe_node.delivery.journal import Appender
from globe_node.delivery.outbox import Queued, enqueue
from globe_node.errors import NodeError, StoreError
from globe_node.groups import records
from globe_node.groups.book import GroupBook
from globe_node.groups.known import KnownGroups
from globe_node.groups.members import leaves
from globe_node.groups.packages import records as package_records
from globe_node.groups.upkeep import mending
from globe_node.groups.upkeep.mending import Mended
from globe_node.groups.upkeep.refusals import refused_by
from globe_node.groups.workbench import Workbench
from globe_node.store.door import Transaction
from protocol.directory.entries import STATUS_CODES
from protocol.errors import ProtocolError, RemoteProtocolError
from protocol.groups.certificate import verify_standing_leaf
from protocol.groups.errors import NotKnownYetError
from protocol.identifiers import AuthorityId, NodeName

LOOK_SECONDS = 900.0
"""How often it is looked without a reason; the time that a hub has is an hour."""
GROUPS_AT_ONCE = 256


class Caretaker:
    """Keeps groups as they should be.

    Args:
        bench: what it works with.
        known: parsed groups that outlive transactions.
        audit: the log of this node.
        wake: told what was queued, after the commit.
        need: asks for key packages of authorities.
        regrouped: called when something that waited for a group may go on.
    """

    def __init__(
        self,
        bench: Workbench,
        known: KnownGroups,
        audit: Appender,
        *,
        wake: Callable[[Queued], None],
        need: Callable[[Collection[AuthorityId]], None],
        regrouped: Callable[[], None],
    ) -> None:
        self._bench = bench
        self._known = known
        self._audit = audit
        self._wake = wake
        self._need = need
        self._regrouped = regrouped
        self._wanted = asyncio.Event()
        self._missing: frozenset[AuthorityId] = frozenset()

    def look(self, *_reason: object) -> None:
        """Say that groups may have to be put in order; from the event loop."""
        self._wanted.set()

    def supplied(self, peer: AuthorityId) -> None:
        """Say that key packages of a peer have come; from the event loop."""
        if peer in self._missing:
            self._wanted.set()

    async def run(self) -> None:
        """Work for ever."""
        while True:
            self._wanted.clear()
            try:
                await self.work()
            except StoreError as error:
                if not error.is_passing:
                    raise
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(LOOK_SECONDS):
                    await self._wanted.wait()

    async def work(self) -> None:
        """Find out what no longer stands, and put our groups in order."""
        if self._bench.register.is_empty:
            return
        if await self._note_standing():
            self._regrouped()
        missing: set[AuthorityId] = set()
        if self._can_order():
            after = b""
            while found := await self._bench.store.look(self._next_groups(after)):
                after = found[-1]
                for group_id in await self._bench.store.look(self._out_of_order(found)):
                    missing.update(await self._put_in_order(group_id))
        self._missing = frozenset(missing)
        if missing:
            self._need(missing)

    # --- what no longer stands --------------------------------------------------------------------------

    async def _note_standing(self) -> bool:
        """Note which certificates no longer stand; return whether one stands again."""
        changes = await self._bench.store.look(self._changes)
        if changes:
            await self._bench.store.write(lambda tx: leaves.mark_fallen(tx, changes.items()))
        return "" in changes.values()

    def _changes(self, tx: Transaction) -> dict[bytes, str]:
        noted = leaves.certificates_in_use(tx)
        octets = package_records.certificates(tx, noted)
        found = {one: self._word_about(octets[one]) for one in noted if one in octets}
        return {one: word for one, word in found.items() if word is not None and word != noted[one]}

    def _word_about(self, certificate: bytes) -> str | None:
        """Return why a leaf no longer stands; empty if it does, None if that can't be said."""
        try:
            verify_standing_leaf(certificate, self._bench.register.state, self._bench.clock.now())
        except NotKnownYetError:
            return None
        except RemoteProtocolError as refused:
            return refused.code.value
        return ""

    # --- as the hub -------------------------------------------------------------------------------------

    def _can_order(self) -> bool:
        """Say whether others take what we order now."""
        entry = self._bench.register.state.authority(self._bench.name.authority)
        if entry is None or entry.status_at(self._bench.clock.now()) in STATUS_CODES:
            return False
        try:
            self._bench.signer()
        except NodeError:
            return False
        return True

    def _next_groups(self, after: bytes) -> Callable[[Transaction], list[bytes]]:
        return lambda tx: leaves.open_groups(tx, self._bench.name, after, GROUPS_AT_ONCE)

    def _out_of_order(self, group_ids: Collection[bytes]) -> Callable[[Transaction], list[bytes]]:
        """Return a look for those groups that have a leaf that fell, or lack one."""

        def look(tx: Transaction) -> list[bytes]:
            nodes: dict[AuthorityId, NodeName | None] = {}
            found = []
            links = records.links_by_group(tx, group_ids)
            for link in links:
                rows = leaves.leaves_of(tx, [link.group_id])
                there = {row.name for row in rows}
                for one in link.roster:
                    if one not in nodes:
                        nodes[one] = self._node_in_use(one)
                lacking = any(nodes[one] is not None and nodes[one] not in there for one in link.roster)
                refused = refused_by(tx, link.routing_id, self._bench.now_ms())
                if lacking or refused or any(row.fallen for row in rows):
                    found.append(link.group_id)
            return found

        return look

    def _node_in_use(self, authority: AuthorityId) -> NodeName | None:
        try:
            entry = self._bench.register.state.require_active_node(authority, self._bench.clock.now())
        except ProtocolError:
            return None
        return NodeName(authority, entry.node)

    async def _put_in_order(self, group_id: bytes) -> frozenset[AuthorityId]:
        """Put one group in order; return the members whose key packages are waited for."""
        try:
            mended, queued = await self._bench.store.write(lambda tx: self._mend(tx, group_id))
        except (NodeError, ProtocolError) as error:
            if isinstance(error, StoreError):
                raise
            self._bench.log.warning("a group can't be put in order", code=error.code)
            return frozenset()
        self._bench.faults.point("groups.upkeep.mended")
        if queued is not None:
            self._wake(queued)
        if mended.events:
            self._regrouped()
        return mended.missing

    def _mend(self, tx: Transaction, group_id: bytes) -> tuple[Mended, Queued | None]:
        book = GroupBook(self._bench, self._known, tx)
        mended = Mended()
        for link in records.links_by_group(tx, [group_id]):
            mended = mending.mend(book, link)
        book.write()
        queued = enqueue(tx, mended.outgoing, book.now_ms) if mended.outgoing else None
        if mended.events:
            self._audit.append(tx, mended.events)
        self._bench.faults.point("groups.upkeep.before_commit")
        return mended, queued
