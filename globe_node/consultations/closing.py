# SPDX-License-Identifier: Apache-2.0
"""Destroys the secrets of groups whose consultation is over: nothing more can come that they would open.

1. A consultation is over when its requester has closed it, and with it every side. What somebody said before
   he heard of that lives for 30 days at most; so long the group goes on, and late messages are read.
2. Then the secrets of the group are deleted, and it is `closed`. The records stay: they are the archive.
3. Each closed consultation is looked at once after each start of the node, and once when its time has come.
"""

from typing import NamedTuple

from globe_node.consultations.office import Office
from globe_node.errors import StoreError
from globe_node.groups import arriving
from globe_node.store.door import Transaction
from globe_node.store.driver import driver_of
from protocol import limits
from protocol.consultations.table import State
from protocol.identifiers import ConsultationId

LOOK_SECONDS = 3_600.0
LATE_MS = (limits.MAX_LIFETIME_SECONDS + limits.CLOCK_TOLERANCE_SECONDS) * 1000
"""How long after the last movement of a closed consultation something may still come."""
AT_ONCE = 64
"""Consultations that one transaction looks at."""


class Over(NamedTuple):
    """A consultation that is closed, and when it last moved."""

    updated_ms: int
    consultation: ConsultationId


class Closer:
    """The one task that closes groups."""

    def __init__(self, office: Office) -> None:
        self._office = office
        self._after = Over(0, ConsultationId(""))

    async def run(self) -> None:
        """Look at the start and then at intervals, for ever."""
        while True:
            try:
                await self.work()
            except StoreError as error:
                if not error.is_passing:
                    raise
            await self._office.clock.sleep(LOOK_SECONDS)

    async def work(self) -> None:
        """Close the groups of all consultations whose time is over since the last look."""
        before_ms = self._office.now_ms() - LATE_MS
        while page := await self._office.store.look(lambda tx: over(tx, self._after, before_ms)):
            if await self._office.store.look(lambda tx, page=page: self._has_secrets(tx, page)):  # type: ignore[misc]
                await self._office.store.write(lambda tx, page=page: self._close(tx, page))  # type: ignore[misc]
            self._after = page[-1]

    def _has_secrets(self, tx: Transaction, page: list[Over]) -> bool:
        book = self._office.book(tx, consultations=[one.consultation for one in page])
        links = [book.link_of(one.consultation) for one in page]
        return any(link is not None and arriving.may_close(link) for link in links)

    def _close(self, tx: Transaction, page: list[Over]) -> None:
        """Close groups; but for a consultation that has moved meanwhile, and comes up again later."""
        book = self._office.book(tx, consultations=[one.consultation for one in page])
        for one in page:
            link = book.link_of(one.consultation)
            if link is not None and arriving.may_close(link) and _is_still_over(tx, one):
                arriving.close(book, link)
        book.write()


def over(tx: Transaction, after: Over, before_ms: int) -> list[Over]:
    """Return some consultations that were closed and have not moved since a moment, in the order of that."""
    sql = (
        "SELECT updated_ms, id FROM consultation WHERE state = ?1 AND updated_ms < ?2"
        " AND (updated_ms, id) > (?3, ?4) ORDER BY updated_ms, id LIMIT ?5"
    )
    found = driver_of(tx).execute(sql, (State.CLOSED.value, before_ms, *after, AT_ONCE))
    return [Over(row[0], ConsultationId(row[1])) for row in found]


def _is_still_over(tx: Transaction, one: Over) -> bool:
    sql = "SELECT 1 FROM consultation WHERE id = ? AND state = ? AND updated_ms = ?"
    found = driver_of(tx).execute(sql, (one.consultation, State.CLOSED.value, one.updated_ms))
    return found.fetchone() is not None
