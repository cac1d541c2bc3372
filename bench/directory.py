# SPDX-License-Identifier: Apache-2.0
"""Looking up in a directory of 10,000 invented authorities with 100,000 contact points.

1. Questions are drawn from a seed: ids, names in any script, countries, codes, who is at work, and mixtures.
2. The baseline is what one would write without us: all contact points in one FTS5 table of SQLite's default
   form, the same questions where they have words, the best 20 by its own rank. In turns, on the same machine.
3. The index is made once before, and how long that takes is told beside the figures.
"""

import asyncio
import random
import sqlite3
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from bench import runs
from bench.figures import Figure, percentile, rounded, tell
from demo.samples.generator import SampleAuthority, sample_authorities
from demo.samples.network import unsigned_state
from globe_node.lookup.desk import LookupDesk
from globe_node.lookup.index import open_index
from protocol.directory.contacts import Function
from protocol.directory.profile.codes import Power
from protocol.directory.replay import DirectoryState
from protocol.identifiers import AuthorityId
from protocol.lookup.queries import Search
from protocol.lookup.words import asked_words

NOW = datetime(2026, 11, 24, 10, 17, tzinfo=UTC)
SEED = 1


@dataclass(frozen=True, slots=True)
class Amounts:
    """How much is measured."""

    authorities: int = 10_000
    contacts: int = 100_000
    questions: int = 400
    look_ups: int = 20_000
    runs: int = 3


WHOLE = Amounts()


def measure(folder: Path, amounts: Amounts = WHOLE) -> dict[str, Figure]:
    """Measure look-ups by id and ranked searches, and the baseline beside them."""
    tell(f"directory: making up {amounts.authorities:,} authorities with {amounts.contacts:,} contact points")
    samples = list(sample_authorities(amounts.authorities, amounts.contacts, seed=SEED, day=NOW.date()))
    state = unsigned_state(samples, seed=SEED, issued=NOW)
    return asyncio.run(_measure(folder, samples, state, amounts))


async def _measure(
    folder: Path, samples: Sequence[SampleAuthority], state: DirectoryState, amounts: Amounts
) -> dict[str, Figure]:
    desk = LookupDesk(open_index(folder / "lookup.db"))
    started = time.perf_counter()
    await desk.search(state, Search(text="sample"), at=NOW)
    index_seconds = time.perf_counter() - started
    baseline = _Baseline(folder / "baseline.db", samples)
    drawn = questions(samples, amounts.questions)

    async def ours() -> Mapping[str, float]:
        return _percentiles("search", [await _timed(desk, state, question) for question in drawn])

    async def alone() -> Mapping[str, float]:
        worded = [question for question in drawn if question.text]
        return _percentiles("fts5", [baseline.timed(question) for question in worded])

    async def by_id() -> Mapping[str, float]:
        return {"lookup_us": _look_up(state, samples, amounts.look_ups)}

    found = await runs.repeat({"ours": ours, "alone": alone, "by_id": by_id}, lambda: (), runs=amounts.runs)
    await desk.close()
    baseline.close()
    return {
        "lookup_us": found["by_id"].median("lookup_us"),
        "search_p50_ms": found["ours"].median("search_p50_ms"),
        "search_p99_ms": found["ours"].median("search_p99_ms"),
        "fts5_p50_ms": found["alone"].median("fts5_p50_ms"),
        "fts5_p99_ms": found["alone"].median("fts5_p99_ms"),
        "index_s": rounded(index_seconds),
        "index_mib": rounded((folder / "lookup.db").stat().st_size / 2**20),
        "detail": {name: one.detail() for name, one in found.items()},
    }


def questions(samples: Sequence[SampleAuthority], number: int) -> list[Search]:
    """Draw questions as people ask them; the same for the same samples."""
    rng = random.Random(SEED)  # noqa: S311 -- not a secret
    return [rng.choice(_KINDS)(rng, rng.choice(samples)) for _ in range(number)]


def _name(rng: random.Random, sample: SampleAuthority) -> Search:
    words = rng.choice(tuple(sample.names.values())).split()
    return Search(text=" ".join(words[-rng.randint(1, 3) :]))


_KINDS: Sequence[Callable[[random.Random, SampleAuthority], Search]] = (
    lambda _rng, sample: Search(text=sample.authority),
    _name,
    _name,
    lambda rng, sample: Search(text=" ".join(sample.names["en"].split()[1:4])),
    lambda _rng, sample: Search(text="asset recovery", country=sample.country),
    lambda _rng, sample: Search(text="recuperación de activos", language=sample.contacts[0].languages[0]),
    lambda _rng, sample: Search(country=sample.country, function=sample.profile.functions[0]),
    lambda rng, sample: Search(function=rng.choice(list(Function)), language=rng.choice(("fr", "ar", "ru"))),
    lambda rng, sample: Search(power=rng.choice(list(Power)), network="EGMONT", country=sample.country),
    lambda _rng, sample: Search(text="duty desk", country=sample.country),
    lambda _rng, sample: Search(function=Function.FREEZE_URGENT, language="en", on_duty=True),
    lambda _rng, sample: Search(country=sample.country, on_duty=True),
)  # fmt: skip


async def _timed(desk: LookupDesk, state: DirectoryState, question: Search) -> float:
    started = time.perf_counter()
    await desk.search(state, question, at=NOW)
    return (time.perf_counter() - started) * 1_000


def _look_up(state: DirectoryState, samples: Sequence[SampleAuthority], number: int) -> float:
    """Return the mean time of a look-up by id, in microseconds."""
    ids = [AuthorityId(samples[place % len(samples)].authority) for place in range(0, number * 7, 7)]
    started = time.perf_counter()
    for authority in ids:
        entry = state.authority(authority)
        if entry is None or not entry.name():
            raise LookupError(authority)
    return (time.perf_counter() - started) * 1_000_000 / len(ids)


def _percentiles(name: str, milliseconds: Sequence[float]) -> dict[str, float]:
    return {f"{name}_p50_ms": percentile(milliseconds, 0.5), f"{name}_p99_ms": percentile(milliseconds, 0.99)}


class _Baseline:
    """Every contact point as one row of an FTS5 table of default form."""

    def __init__(self, path: Path, samples: Sequence[SampleAuthority]) -> None:
        self._database = sqlite3.connect(path)
        self._database.execute("CREATE VIRTUAL TABLE contact USING fts5(authority, names, office, country)")
        self._database.executemany(
            "INSERT INTO contact VALUES (?, ?, ?, ?)",
            (
                (sample.authority, " ".join(sample.names.values()), contact.name, sample.country)
                for sample in samples
                for contact in sample.contacts
            ),
        )
        self._database.commit()

    def timed(self, question: Search) -> float:
        """Ask for all words, the best 20 first; return the milliseconds."""
        matching = " AND ".join(f'"{word}"' for word in asked_words(question.text))
        started = time.perf_counter()
        sql = "SELECT authority, office FROM contact WHERE contact MATCH ? ORDER BY rank LIMIT 20"
        self._database.execute(sql, (matching,)).fetchall()
        return (time.perf_counter() - started) * 1_000

    def close(self) -> None:
        self._database.close()
