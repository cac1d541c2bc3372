# SPDX-License-Identifier: Apache-2.0
"""Looking up whom to ask. It reads the directory only; the caller writes the audit events it returns.

1. Seeing contact points is an act: one event says who looked, with which codes and how many were shown; one
   more for each authority says whose they were. Neither holds the words that were typed.
2. Seeing authorities without contact points is no such act.
3. What an entry adds to a score on any search of a day is worked out once.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import date, datetime

from globe_node.lookup.calendars import DutyRoster
from globe_node.lookup.index import LookupIndex
from protocol.audit.events import AuditEvent, EventKind
from protocol.directory.contacts import ContactPoint
from protocol.directory.entries import AuthorityEntry
from protocol.directory.replay import DirectoryState
from protocol.errors import LocalProtocolError, ReasonCode
from protocol.identifiers import AuthorityId
from protocol.lookup.duty import Duty, schedule_of
from protocol.lookup.queries import Found, Search
from protocol.lookup.ranking import Moment, rank, standing_of

_PARTS_OF_SEARCH = ("text", "country", "function", "power", "network", "language", "on_duty")


@dataclass(frozen=True, slots=True)
class Shown:
    """What was found, and the events to be logged before it is shown."""

    found: Found
    events: tuple[AuditEvent, ...]


class LookupDesk:
    """Searches the directory.

    Args:
        index: finds candidates.
    """

    def __init__(self, index: LookupIndex) -> None:
        self._index = index
        self._roster: DutyRoster | None = None
        self._state: DirectoryState | None = None
        self._entries: dict[AuthorityId, AuthorityEntry] = {}
        self._standings: dict[AuthorityId, int] = {}
        self._day: date | None = None

    async def search(
        self, state: DirectoryState, search: Search, *, at: datetime, officer: str = ""
    ) -> Shown:
        """Find authorities and contact points, the best first.

        Args:
            state: the directory.
            search: what is asked for.
            at: the moment for which contact points must be valid and may be at work.
            officer: pseudonym of the person who looks.
        """
        fits, all_words = await self._index.find(state, search)
        standings = self._standings_of(state, at)
        candidates = [(authority, words, standings.get(authority, 0)) for authority, words in fits]
        moment = Moment(at, self._duty_at(at))
        found = rank(search, candidates, state.authority, moment, all_words=all_words)
        return Shown(found, tuple(_events(state, search, found, at=at, officer=officer)))

    async def in_the_way(self, state: DirectoryState, search: Search, *, at: datetime) -> list[str]:
        """Return which parts of a search stand in the way: without one of them somebody is found."""
        nothing = Search(limit=1)
        blamed = []
        for name in _PARTS_OF_SEARCH:
            if getattr(search, name) == getattr(nothing, name):
                continue
            less = replace(search, limit=1, **{name: getattr(nothing, name)})
            if less != nothing and (await self.search(state, less, at=at)).found.hits:
                blamed.append(name)
        return blamed

    def duty(self, office: ContactPoint, at: datetime) -> Duty:
        """Say whether a contact point is at work."""
        return self._roster_at(at).duty(schedule_of(office))

    async def close(self) -> None:
        """Let go of the index."""
        await self._index.close()

    def _standings_of(self, state: DirectoryState, at: datetime) -> Mapping[AuthorityId, int]:
        """Return `standing_of` each entry; worked out again for what changed, and for all on a new day."""
        if at.date() != self._day:
            self._day, self._state = at.date(), None
            self._entries.clear()
        if state is not self._state:
            for entry in state.authorities:
                if self._entries.get(entry.authority) is not entry:
                    self._entries[entry.authority] = entry
                    self._standings[entry.authority] = standing_of(entry, at)
            self._state = state
        return self._standings

    def _roster_at(self, at: datetime) -> DutyRoster:
        """Return the roster of this minute."""
        minute = at.replace(second=0, microsecond=0)
        if self._roster is None or self._roster.at != minute:
            self._roster = DutyRoster(minute)
        return self._roster

    def _duty_at(self, at: datetime) -> Callable[[ContactPoint], Duty]:
        roster = self._roster_at(at)
        return lambda contact: roster.duty(schedule_of(contact))


def show(
    state: DirectoryState, authority: AuthorityId, *, at: datetime, officer: str = ""
) -> tuple[AuthorityEntry, tuple[AuditEvent, ...]]:
    """Return the whole entry of one authority, and the event to be logged if it has contact points.

    Raises:
        LocalProtocolError: no such authority (`unknown_authority`).
    """
    entry = state.authority(authority)
    if entry is None:
        raise LocalProtocolError("no such authority in the directory", code=ReasonCode.UNKNOWN_AUTHORITY)
    if not entry.contacts:
        return entry, ()
    return entry, (_seen(state, authority, len(entry.contacts), at=at, officer=officer),)


def _events(
    state: DirectoryState, search: Search, found: Found, *, at: datetime, officer: str
) -> Iterator[AuditEvent]:
    shown = sum(len(hit.contacts) for hit in found.hits)
    if not shown:
        return
    asked = {
        "country": search.country,
        "function": search.function,
        "power": search.power,
        "network": search.network,
        "language": search.language,
    }
    words = [f"{name}={value}" for name, value in asked.items() if value]
    words += ["on-duty"] if search.on_duty else []
    words += ["words"] if search.text else []
    yield AuditEvent(
        kind=EventKind.DIRECTORY_LOOKUP,
        at=at,
        officer=officer,
        dir_size=state.view.size,
        result=",".join([*words, f"contacts={shown}"]),
    )
    for hit in found.hits:
        if hit.contacts:
            yield _seen(state, hit.entry.authority, len(hit.contacts), at=at, officer=officer)


def _seen(
    state: DirectoryState, authority: AuthorityId, contacts: int, *, at: datetime, officer: str
) -> AuditEvent:
    return AuditEvent(
        kind=EventKind.DIRECTORY_LOOKUP,
        at=at,
        peer=authority,
        officer=officer,
        dir_size=state.view.size,
        result=f"contacts={contacts}",
    )
