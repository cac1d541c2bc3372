# SPDX-License-Identifier: Apache-2.0
"""Keeps the secrets of groups fresh at rest: seals old rows anew, and destroys the keys they leave behind.

1. Once a day every row moves under the key of today, a few in each transaction, so that yesterday's key can
   go, and with it every old copy of every row. Keys for late messages whose time is over go as well.
2. Which keys are free is asked inside a transaction, and they are destroyed after its commit: a change that
   is taken back never needs a key that is gone.
3. Secrets of groups that we left go two weeks later. Key packages, leaf keys and certificates whose time has
   long been over are deleted.
4. A state whose key is gone, or that is damaged, is dropped and its group is `lost`: it is joined again.
"""

from datetime import timedelta

from globe_node.errors import StoreError
from globe_node.groups import records
from globe_node.groups.packages import records as package_records
from globe_node.groups.packages.leaf_keys import renew_seals as renew_leaf_keys
from globe_node.groups.packages.pool import renew_seals as renew_packages
from globe_node.groups.packages.records import Ends
from globe_node.groups.returning.pending import renew_seals as renew_pending
from globe_node.groups.shelf import Shelf
from globe_node.groups.workbench import Workbench
from globe_node.store.door import Transaction
from protocol.errors import LocalProtocolError
from protocol.groups.certificate import LEAF_GRACE
from protocol.groups.key_packages import WELCOME_GRACE
from protocol.mls.group import MAX_AGE_MS, forget
from protocol.mls.state import core_bytes, parse_group, ratchet_bytes

LOOK_SECONDS = 900.0
"""How often it is looked whether a new day has begun."""
ROWS_AT_ONCE = 32
"""Rows that one transaction seals anew: some milliseconds."""
LATE_WELCOME_MS = WELCOME_GRACE // timedelta(milliseconds=1)
STANDING_MS = LEAF_GRACE // timedelta(milliseconds=1)


class Keeper:
    """The one task that renews seals."""

    def __init__(self, bench: Workbench) -> None:
        self._bench = bench
        self._shelf = Shelf(bench.day_keys, bench.entropy)

    async def run(self) -> None:
        """Look at the start and then at intervals, for ever."""
        while True:
            try:
                await self.work()
            except StoreError as error:
                if not error.is_passing:
                    raise
            await self._bench.clock.sleep(LOOK_SECONDS)

    async def work(self) -> None:
        """Forget what is over, seal everything under an older key anew, destroy the keys that no row uses."""
        bench = self._bench
        if await bench.store.look(self._has_ended):
            await bench.store.write(self._forget)
        if await bench.store.read(self._is_tidy):
            return
        while await bench.store.write(self._renew):
            await bench.clock.sleep(0)
        spent = await bench.store.write(self._spent)
        if spent:
            bench.faults.point("groups.keys.before_destroying")
            bench.day_keys.destroy(spent)

    def _is_tidy(self, tx: Transaction) -> bool:
        return self._bench.day_keys.is_tidy(records.used_day_keys(tx), self._bench.now_ms())

    def _renew(self, tx: Transaction) -> bool:
        """Seal some rows under the key of today; return whether there may be more."""
        now_ms = self._bench.now_ms()
        day_keys = self._bench.day_keys
        today = day_keys.today(now_ms).number
        group_ids = records.groups_under_other_keys(tx, today, ROWS_AT_ONCE)
        states, lost = self._shelf.read(tx, group_ids)
        whole: dict[bytes, tuple[bytes, bytes]] = {}
        for one, state in states.items():
            try:
                group = forget(parse_group(state.core, state.ratchets), now_ms)
            except LocalProtocolError:
                lost.append(one)
            else:
                whole[one] = core_bytes(group), ratchet_bytes(group)
        self._shelf.write_whole(tx, whole, now_ms)
        if lost:
            records.drop_states(tx, lost)
            records.mark_lost(tx, lost, now_ms)
            self._bench.log.warning("groups have lost their secrets and are joined again", count=len(lost))
        others = [
            renew_leaf_keys(day_keys, tx, limit=ROWS_AT_ONCE, now_ms=now_ms),
            renew_packages(day_keys, tx, limit=ROWS_AT_ONCE, now_ms=now_ms),
            renew_pending(day_keys, tx, limit=ROWS_AT_ONCE, now_ms=now_ms),
        ]
        return max(len(group_ids), *others) == ROWS_AT_ONCE

    def _forget(self, tx: Transaction) -> None:
        package_records.forget_ended(tx, self._ends())
        records.drop_left(tx, self._bench.now_ms() - MAX_AGE_MS)

    def _has_ended(self, tx: Transaction) -> bool:
        before_ms = self._bench.now_ms() - MAX_AGE_MS
        return package_records.has_ended(tx, self._ends()) or records.has_left(tx, before_ms)

    def _ends(self) -> Ends:
        now_ms = self._bench.now_ms()
        return Ends(own=now_ms - LATE_WELCOME_MS, peers=now_ms, certificates=now_ms - STANDING_MS)

    def _spent(self, tx: Transaction) -> list[int]:
        return self._bench.day_keys.spent(records.used_day_keys(tx), self._bench.now_ms())


def leave_out_secrets(tx: Transaction) -> None:
    """Take everything out of a copy of a database that may not be in a backup, or come back with one.

    What stays is which groups there were and who was in them: with that they are joined again.
    """
    records.empty_for_backup(tx)
