# SPDX-License-Identifier: Apache-2.0
"""The one task that keeps groups as they should be. What is right for one group is decided in `mending`.

1. It looks when the directory has changed, when key packages have come that a member lacks, at the start, and
   at intervals: admissions and certificates end by themselves.
2. First it finds out which leaf certificates no longer stand, once for all groups, and notes that; people see
   it, and nothing is sealed for those groups. Then it puts in order those of which this node is the hub, one
   in each transaction, so that others run in between.
3. It has our own keys renewed where that is due though nobody says anything, and where a commit of ours was
   on its way when the node stopped. It notes who has made no commit for long.
4. One group that can't be put in order delays no other; it is tried again at the next look.
"""

import asyncio
import contextlib
from collections.abc import Callable, Collection
from datetime import timedelta
from functools import partial

from globe_node.delivery.journal import Appender
from globe_node.delivery.outbox import Queued, enqueue
from globe_node.errors import NodeError, StoreError
from globe_node.groups import records
from globe_node.groups.book import GroupBook
from globe_node.groups.known import KnownGroups
from globe_node.groups.members import leaves
from globe_node.groups.packages import records as package_records
from globe_node.groups.upkeep import mending, renewing
from globe_node.groups.upkeep.mending import Mended
from globe_node.groups.upkeep.refusals import refused_by
from globe_node.groups.workbench import Workbench
from globe_node.store.door import Transaction
from protocol.directory.entries import STATUS_CODES
from protocol.errors import ProtocolError, RemoteProtocolError
from protocol.groups.certificate import parse_leaf_certificate, verify_standing_leaf
from protocol.groups.errors import NotKnownYetError
from protocol.groups.upkeep import CERTIFICATE_RESERVE, REMOVED_SILENCE, REPORTED_SILENCE
from protocol.identifiers import AuthorityId, ConsultationId, NodeName, is_owned

LOOK_SECONDS = 900.0
"""How often it is looked without a reason; the time that a hub has is an hour."""
GROUPS_AT_ONCE = 256
RENEWALS_AT_ONCE = 64
IDLE_RENEWAL = timedelta(days=14)
"""When keys are renewed with which nobody says anything: long before people hear of a silent member."""
_MILLISECOND = timedelta(milliseconds=1)


class Caretaker:
    """Keeps groups as they should be.

    Args:
        bench: what it works with.
        known: parsed groups that outlive transactions.
        audit: the log of this node.
        wake: told what was queued, after the commit.
        need: asks for key packages of authorities.
        renew: has our keys in groups renewed by their hubs.
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
        renew: Callable[[Collection[ConsultationId]], None],
        regrouped: Callable[[], None],
    ) -> None:
        self._bench = bench
        self._known = known
        self._audit = audit
        self._wake = wake
        self._need = need
        self._renew = renew
        self._regrouped = regrouped
        self._wanted = asyncio.Event()
        self._missing: frozenset[AuthorityId] = frozenset()
        self.silent: list[AuthorityId] = []
        """Members of open groups that have made no commit for long."""

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
            except NodeError as error:  # perhaps our key went out of use meanwhile
                if isinstance(error, StoreError) and not error.is_passing:
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
        await self._note_silence()
        if not self._can_order():
            return
        self._missing = await self._put_all_in_order()
        if self._missing:
            self._need(self._missing)
        await self._renew_by_ourselves()

    async def _put_all_in_order(self) -> frozenset[AuthorityId]:
        """Put our groups in order; return the members whose key packages are waited for."""
        missing: set[AuthorityId] = set()
        after = b""
        while found := await self._bench.store.look(self._next_groups(after)):
            after = found[-1]
            for group_id in await self._bench.store.look(self._out_of_order(found)):
                missing.update(await self._put_in_order(group_id))
        return frozenset(missing)

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

    # --- silence, and our own keys ----------------------------------------------------------------------

    async def _note_silence(self) -> None:
        before_ms = self._bench.now_ms() - REPORTED_SILENCE // _MILLISECOND
        if await self._bench.store.look(lambda tx: leaves.has_new_silence(tx, before_ms)):
            await self._bench.store.write(lambda tx: leaves.mark_silent(tx, before_ms))
        self.silent = await self._bench.store.look(leaves.silent)

    async def _renew_by_ourselves(self) -> None:
        """Renew our keys where nobody says anything; where we are no hub, its place is asked for."""
        due = await self._bench.store.look(self._to_renew)
        wanted = [one for one, is_hub in due if not is_hub]
        wanted += await self._bench.store.look(records.pending_groups)
        if wanted:
            self._renew(wanted)
        for consultation in (one for one, is_hub in due if is_hub):
            await self._act(partial(self._renew_as_hub, consultation=consultation))

    def _to_renew(self, tx: Transaction) -> list[tuple[ConsultationId, bool]]:
        name, now = self._bench.name, self._bench.clock.now()
        key_id = self._bench.signer().key_id
        octets = package_records.certificates(tx, leaves.own_certificates(tx, name))
        old = [
            one
            for one, data in octets.items()
            if (claims := parse_leaf_certificate(data).certificate).issuer != key_id
            or now >= claims.not_after - CERTIFICATE_RESERVE
        ]
        before_ms = self._bench.now_ms() - IDLE_RENEWAL // _MILLISECOND
        return leaves.to_renew(tx, name, before_ms, old, RENEWALS_AT_ONCE)

    def _renew_as_hub(self, tx: Transaction, consultation: ConsultationId) -> Mended:
        book = GroupBook(self._bench, self._known, tx)
        link = book.link_of(consultation)
        outgoing = () if link is None else renewing.renew_as_hub(book, link)
        book.write()
        return Mended(outgoing)

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
        """Return a look for groups that have a leaf that fell, or lack one, or of which we are a lent hub."""

        def look(tx: Transaction) -> list[bytes]:
            nodes: dict[AuthorityId, NodeName | None] = {}
            silent_ms = self._bench.now_ms() - REMOVED_SILENCE // _MILLISECOND
            found = []
            links = records.links_by_group(tx, group_ids)
            for link in links:
                rows = leaves.leaves_of(tx, [link.group_id])
                there = {row.name for row in rows}
                for one in link.roster:
                    if one not in nodes:
                        nodes[one] = self._node_in_use(one)
                lacking = any(nodes[one] is not None and nodes[one] not in there for one in link.roster)
                over = [row for row in rows if row.fallen or row.since_ms <= silent_ms]
                gone = any(row.fallen or row.name != self._bench.name for row in over)
                lent = not is_owned(link.consultation, self._bench.name.authority)
                if lacking or gone or lent or refused_by(tx, link.routing_id, self._bench.now_ms()):
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
        mended = await self._act(partial(self._mend, group_id=group_id))
        if mended.events:
            self._regrouped()
        return mended.missing

    def _mend(self, tx: Transaction, group_id: bytes) -> Mended:
        book = GroupBook(self._bench, self._known, tx)
        mended = Mended()
        for link in records.links_by_group(tx, [group_id]):
            mended = mending.mend(book, link)
        book.write()
        return mended

    async def _act(self, change: Callable[[Transaction], Mended]) -> Mended:
        """Change one group in a transaction; what can't be done is tried at the next look."""
        try:
            mended, queued = await self._bench.store.write(lambda tx: self._carry_out(tx, change))
        except (NodeError, ProtocolError) as error:
            if isinstance(error, StoreError):
                raise
            self._bench.log.warning("a group can't be put in order", code=error.code)
            return Mended()
        self._bench.faults.point("groups.upkeep.mended")
        if queued is not None:
            self._wake(queued)
        return mended

    def _carry_out(
        self, tx: Transaction, change: Callable[[Transaction], Mended]
    ) -> tuple[Mended, Queued | None]:
        mended = change(tx)
        queued = enqueue(tx, mended.outgoing, self._bench.now_ms()) if mended.outgoing else None
        if mended.events:
            self._audit.append(tx, mended.events)
        self._bench.faults.point("groups.upkeep.before_commit")
        return mended, queued
