# SPDX-License-Identifier: Apache-2.0
"""The index of the directory as SQL: SQLite's FTS5. All of it is derived; no rule is decided here.

1. A row stands for one authority. Words were folded and divided before: the tokenizer only cuts at spaces.
2. What is asked reaches the query language as words of letters and digits in quotes, and as nothing else.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from sqlalchemy import Connection

from globe_node.store.driver import driver_of
from protocol.identifiers import AuthorityId
from protocol.lookup.documents import Document

SCHEMA_VERSION = 1
"""Counts changes of the tables and of what is kept in them."""
COMMON = 2_500
"""Words that more authorities have do not rank them; that would take long and say little."""
_WEIGHTS = (8.0, 6.0, 2.0, 1.0, 0.0)
"""Of id, names, contact points, what it is about; marks count nothing."""
_MATCHING = "SELECT rowid FROM authority_words WHERE authority_words MATCH ?"
_SCHEMA = (
    """
    CREATE VIRTUAL TABLE authority_words USING fts5(
        ident, names, contacts, about, marks, tokenize = 'ascii', prefix = '2 3'
    )
    """,
    """
    CREATE TABLE authority_row (
        id INTEGER PRIMARY KEY,
        authority TEXT NOT NULL UNIQUE,
        version TEXT NOT NULL
    ) STRICT
    """,
)


@dataclass(frozen=True, slots=True)
class Asked:
    """What every row must have.

    Attributes:
        words: all of them, or any if `any_word`; each may be the beginning of a word that is kept.
        marks: all of them.
    """

    words: Sequence[str]
    marks: Sequence[str]
    any_word: bool = False


def make_tables(connection: Connection) -> None:
    """Make the tables in an empty database."""
    for statement in _SCHEMA:
        driver_of(connection).execute(statement)


def rows(connection: Connection) -> dict[AuthorityId, tuple[int, str]]:
    """Return which authorities are kept: the row of each, and the version of its entry."""
    found = driver_of(connection).execute("SELECT authority, id, version FROM authority_row")
    return {AuthorityId(authority): (row, version) for authority, row, version in found}


def keep(connection: Connection, documents: Mapping[AuthorityId, tuple[str, Document]]) -> None:
    """Keep documents, each with the version of its entry, in the place of what was kept of them."""
    driver = driver_of(connection)
    for authority, (version, document) in documents.items():
        row = driver.execute(
            """
            INSERT INTO authority_row (authority, version) VALUES (?, ?)
            ON CONFLICT (authority) DO UPDATE SET version = excluded.version RETURNING id
            """,
            (authority, version),
        ).fetchone()[0]
        driver.execute("DELETE FROM authority_words WHERE rowid = ?", (row,))
        driver.execute(
            """
            INSERT INTO authority_words (rowid, ident, names, contacts, about, marks)
            VALUES (?, ?, ?, ?, ?, ?)
            """,
            (row, document.ident, document.names, document.contacts, document.about, document.marks),
        )


def forget(connection: Connection, authorities: Iterable[AuthorityId]) -> None:
    """Keep nothing of some authorities."""
    driver = driver_of(connection)
    for authority in authorities:
        row = driver.execute("SELECT id FROM authority_row WHERE authority = ?", (authority,)).fetchone()
        if row is not None:
            driver.execute("DELETE FROM authority_words WHERE rowid = ?", row)
            driver.execute("DELETE FROM authority_row WHERE id = ?", row)


def find(connection: Connection, asked: Asked) -> list[tuple[int, float]]:
    """Return which rows have the marks and words asked for, and how well the words fit (higher is better).

    Words that most authorities have say nothing about one of them: then all fit alike, with 0.
    """
    words = _telling(connection, asked) if asked.any_word else asked.words
    matching = _match(asked, words)
    driver = driver_of(connection)
    few = driver.execute(f"{_MATCHING} LIMIT ?", (matching, COMMON + 1)).fetchall()
    if len(few) > COMMON or not words:
        every = driver.execute(_MATCHING, (matching,)) if len(few) > COMMON else few
        return [(row, 0.0) for (row,) in every]
    ranked = driver.execute(
        """
        SELECT rowid, bm25(authority_words, ?, ?, ?, ?, ?) FROM authority_words WHERE authority_words MATCH ?
        """,
        (*_WEIGHTS, matching),
    )
    return [(row, -score) for row, score in ranked]


def _telling(connection: Connection, asked: Asked) -> list[str]:
    """Return the words that not most authorities have; all, if there are no others."""
    driver = driver_of(connection)

    def is_common(word: str) -> bool:
        one = Asked([word], asked.marks)
        found = driver.execute(f"{_MATCHING} LIMIT ?", (_match(one, one.words), COMMON + 1))
        return len(found.fetchall()) > COMMON

    return [word for word in asked.words if not is_common(word)] or list(asked.words)


def _match(asked: Asked, wanted: Sequence[str]) -> str:
    """Write the question for FTS5; words are in quotes, so that none is taken for an operator."""
    parts = [f'marks : "{mark}"' for mark in asked.marks]
    words = [f'"{word}" *' for word in wanted]
    if words:
        joined = (" OR " if asked.any_word else " AND ").join(words)
        parts.append(f"{{ident names contacts about}} : ({joined})")
    return " AND ".join(parts)
