# SPDX-License-Identifier: Apache-2.0
"""Finds candidates for a search, and keeps the index in step with the directory. It ranks nothing.

1. Before each search the index gets what changed in the directory since; a search never sees an older one.
2. The index is derived: what it does not have, or has of another version, is written again from the entries.
3. What changed comes in small transactions, so that a large first import can be broken off and goes on.
"""

import asyncio
from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path

from globe_node.lookup import records
from globe_node.lookup.calendars import country_names
from globe_node.lookup.records import Asked
from globe_node.store.derived import DerivedStore
from protocol.directory.replay import DirectoryState
from protocol.identifiers import AuthorityId
from protocol.lookup.documents import asked_marks, document_of
from protocol.lookup.queries import Search
from protocol.lookup.words import asked_words

Fits = list[tuple[AuthorityId, float]]
"""Authorities, and how well their words fit."""
PART = 200
"""Authorities that are written in one transaction."""


class LookupIndex:
    """The index of one directory.

    Args:
        store: where it is kept; made with `records.make_tables` and `records.SCHEMA_VERSION`.
    """

    def __init__(self, store: DerivedStore) -> None:
        self._store = store
        self._state: DirectoryState | None = None
        self._authorities: dict[int, AuthorityId] = {}
        self._catching_up = asyncio.Lock()

    async def find(self, state: DirectoryState, search: Search) -> tuple[Fits, bool]:
        """Return candidates with how well their words fit, from 0 to 1, and whether they have all words.

        Where nobody has all words, those are returned that have any.
        """
        async with self._catching_up:
            await self._catch_up(state)
        words, marks = asked_words(search.text), tuple(asked_marks(search))
        if search.text.strip() and not words:
            return [], True
        if not words and not marks:
            return [(authority, 0.0) for authority in self._authorities.values()], True
        found = await self._store.run(partial(records.find, asked=Asked(words, marks)))
        if found or len(words) < 2:
            return self._in_shares(found), True
        some = await self._store.run(partial(records.find, asked=Asked(words, marks, any_word=True)))
        return self._in_shares(some), False

    async def close(self) -> None:
        """Let go of the file."""
        await self._store.close()

    async def _catch_up(self, state: DirectoryState) -> None:
        if state is self._state:
            return
        kept = await self._store.run(records.rows)
        wanted = {entry.authority: state.version_of(entry.authority) for entry in state.authorities}
        gone = kept.keys() - wanted.keys()
        if gone:
            await self._store.run(partial(records.forget, authorities=gone))
        changed = [name for name, version in wanted.items() if name not in kept or kept[name][1] != version]
        for part in _parts(changed):
            documents = {
                authority: (wanted[authority], document_of(entry, country_names))
                for authority in part
                if (entry := state.authority(authority)) is not None
            }
            await self._store.run(partial(records.keep, documents=documents))
        if gone or changed:
            kept = await self._store.run(records.rows)
        self._authorities = {row: authority for authority, (row, _) in kept.items()}
        self._state = state

    def _in_shares(self, found: Sequence[tuple[int, float]]) -> Fits:
        best = max((score for _, score in found), default=0.0)
        share = 1 / best if best > 0 else 0.0
        names = self._authorities
        return [(names[row], score * share) for row, score in found]


def open_index(path: Path | None) -> LookupIndex:
    """Return the index in a file, or in memory; the file is opened at the first search."""
    return LookupIndex(DerivedStore(path, records.make_tables, records.SCHEMA_VERSION))


def _parts(authorities: Sequence[AuthorityId]) -> Iterator[Sequence[AuthorityId]]:
    for start in range(0, len(authorities), PART):
        yield authorities[start : start + PART]
