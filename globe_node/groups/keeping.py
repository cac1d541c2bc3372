# SPDX-License-Identifier: Apache-2.0
"""Keeps the secrets of groups fresh at rest: seals old rows anew, and destroys the keys they leave behind.

1. Once a day every row moves under the key of today, a few in each transaction, so that yesterday's key can
   go, and with it every old copy of every row.
2. Which keys are free is asked inside a transaction, and they are destroyed after its commit: a change that
   is taken back never needs a key that is gone.
3. A state whose key is gone, or that is damaged, is dropped and its group is `lost`: it is joined again.
"""

from dataclasses import dataclass

from globe_node.clock import Clock
from globe_node.delivery.clerk import unix_ms
from globe_node.errors import StoreError
from globe_node.faults import FaultPoints
from globe_node.groups import records
from globe_node.groups.day_keys import DayKeys
from globe_node.groups.shelf import Shelf
from globe_node.logs import EventLog
from globe_node.store.door import Store, Transaction
from protocol.interfaces import Entropy

LOOK_SECONDS = 900.0
"""How often it is looked whether a new day has begun."""
ROWS_AT_ONCE = 32
"""Rows that one transaction seals anew: some milliseconds."""


@dataclass(frozen=True, slots=True)
class KeepingTools:
    """What keeping works with.

    Attributes:
        faults: asked at `groups.keys.before_destroying`.
    """

    store: Store
    day_keys: DayKeys
    clock: Clock
    entropy: Entropy
    faults: FaultPoints
    log: EventLog


class Keeper:
    """The one task that renews seals."""

    def __init__(self, tools: KeepingTools) -> None:
        self._tools = tools
        self._shelf = Shelf(tools.day_keys, tools.entropy)

    async def run(self) -> None:
        """Look at the start and then at intervals, for ever."""
        while True:
            try:
                await self.work()
            except StoreError as error:
                if not error.is_passing:
                    raise
            await self._tools.clock.sleep(LOOK_SECONDS)

    async def work(self) -> None:
        """Seal everything that is under an older key anew, then destroy the keys that no row uses."""
        tools = self._tools
        if await tools.store.read(self._is_tidy):
            return
        while await tools.store.write(self._renew):
            await tools.clock.sleep(0)
        spent = await tools.store.write(self._spent)
        if spent:
            tools.faults.point("groups.keys.before_destroying")
            tools.day_keys.destroy(spent)

    def _is_tidy(self, tx: Transaction) -> bool:
        return self._tools.day_keys.is_tidy(records.used_day_keys(tx), self._now_ms())

    def _renew(self, tx: Transaction) -> bool:
        """Seal some rows under the key of today; return whether there may be more."""
        now_ms = self._now_ms()
        today = self._tools.day_keys.today(now_ms).number
        group_ids = records.groups_under_other_keys(tx, today, ROWS_AT_ONCE)
        states, lost = self._shelf.read(tx, group_ids)
        whole = {one: (state.core, state.ratchets) for one, state in states.items()}
        self._shelf.write_whole(tx, whole, now_ms)
        if lost:
            records.drop_states(tx, lost)
            records.mark_lost(tx, lost, now_ms)
            self._tools.log.warning("groups have lost their secrets and are joined again", count=len(lost))
        return len(group_ids) == ROWS_AT_ONCE

    def _spent(self, tx: Transaction) -> list[int]:
        return self._tools.day_keys.spent(records.used_day_keys(tx), self._now_ms())

    def _now_ms(self) -> int:
        return unix_ms(self._tools.clock.now())


def leave_out_secrets(tx: Transaction) -> None:
    """Take everything out of a copy of a database that may not be in a backup, or come back with one.

    What stays is which groups there were and who was in them: with that they are joined again.
    """
    records.empty_for_backup(tx)
