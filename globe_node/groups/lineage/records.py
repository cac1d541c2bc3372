# SPDX-License-Identifier: Apache-2.0
"""The tables of succession: rows in, rows out. Whether a hub is gone is not decided here.

Neither holds a secret; how groups came from others goes into backups.
"""

from collections.abc import Collection, Iterable
from typing import NamedTuple

from globe_node.store.door import Transaction
from globe_node.store.driver import driver_of
from protocol.groups.testimony.continued import read_history, with_history
from protocol.identifiers import ConsultationId
from protocol.octets import Reader, Writer


class SilenceRow(NamedTuple):
    """A hub that does not answer.

    Attributes:
        hub: `authority/node`.
        since_ms: when it did not answer first.
        tries: how often it has been asked since.
    """

    hub: str
    since_ms: int
    tries: int


def histories_of(tx: Transaction, group_ids: Iterable[bytes]) -> dict[bytes, tuple[bytes, ...]]:
    """Return how groups came from others: the statements, the oldest first; of those that did."""
    driver = driver_of(tx)
    sql = "SELECT statements FROM group_history WHERE group_id = ?"
    return {
        group_id: read_history(Reader(row[0]))
        for group_id in group_ids
        for row in driver.execute(sql, (group_id,))
    }


def put_history(tx: Transaction, group_id: bytes, statements: Collection[bytes]) -> None:
    """Keep how a group came from others."""
    octets = with_history(Writer(), tuple(statements)).to_bytes()
    driver_of(tx).execute(
        "INSERT OR REPLACE INTO group_history (group_id, statements) VALUES (?, ?)", (group_id, octets)
    )


def silences(tx: Transaction) -> dict[str, SilenceRow]:
    """Return the hubs that do not answer, by name."""
    rows = driver_of(tx).execute("SELECT hub, since_ms, tries FROM hub_silence")
    return {row[0]: SilenceRow._make(row) for row in rows}


def put_silences(tx: Transaction, rows: Iterable[SilenceRow]) -> None:
    """Note that hubs do not answer."""
    driver_of(tx).executemany(
        "INSERT OR REPLACE INTO hub_silence (hub, since_ms, tries) VALUES (?, ?, ?)", list(rows)
    )


def end_silences(tx: Transaction, hubs: Iterable[str]) -> None:
    """Note that hubs have answered."""
    driver_of(tx).executemany("DELETE FROM hub_silence WHERE hub = ?", [(hub,) for hub in hubs])


def hubs_of_groups(tx: Transaction, me: str) -> dict[str, tuple[bytes, int]]:
    """Return the other nodes that are hubs of groups here, each with one of those groups and its epoch."""
    sql = (
        "SELECT hub, min(group_id), epoch FROM group_link"
        " WHERE status IN ('open', 'lost') AND hub <> ? GROUP BY hub"
    )
    return {row[0]: (row[1], row[2]) for row in driver_of(tx).execute(sql, (me,))}


def groups_that_wait(tx: Transaction, hub: str, limit: int) -> list[ConsultationId]:
    """Return the open consultations of a hub in whose groups something waits for it.

    That is a commit of ours without a place, or a leaf that fell: nothing is said until it is removed.
    """
    sql = (
        "SELECT consultation FROM group_link AS l WHERE status = 'open' AND hub = ? AND"
        " (EXISTS (SELECT 1 FROM group_pending AS p WHERE p.group_id = l.group_id)"
        " OR EXISTS (SELECT 1 FROM group_leaf AS f WHERE f.group_id = l.group_id AND f.fallen <> ''))"
        " ORDER BY changed_ms LIMIT ?"
    )
    return [ConsultationId(row[0]) for row in driver_of(tx).execute(sql, (hub, limit))]
