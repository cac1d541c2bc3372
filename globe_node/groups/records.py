# SPDX-License-Identifier: Apache-2.0
"""The tables of groups: rows in, rows out. Key packages have `package_records`. No rule of MLS is here.

1. Every function takes the caller's `Transaction`; none commits.
2. What is secret arrives sealed under a key of the day and leaves sealed. In clear stand ids, rosters, epochs
   and what goes over the line anyway.
3. `group_link` alone goes into backups: it says which groups there were, so that they can be joined again.
4. Statements go to the driver as they stand: those of a group's state run for every message.
"""

from collections.abc import Collection, Iterable
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from globe_node.groups.day_keys import SealedRow
from globe_node.groups.links import GroupStatus, LinkRow
from globe_node.store.door import Transaction
from globe_node.store.driver import driver_of
from protocol.identifiers import AuthorityId, ConsultationId, Digest, NodeId

_LINK = (
    "SELECT group_id, consultation, routing_id, hub, roster, status, epoch, changed_ms FROM group_link WHERE"
)
_REVISIONS = (
    "SELECT c.group_id, c.rev, r.rev FROM group_core AS c"
    " JOIN group_ratchet AS r ON r.group_id = c.group_id WHERE"
)


@dataclass(frozen=True, slots=True)
class StatePart:
    """One of the two sealed parts of a group's state.

    Attributes:
        rev: drawn at each writing; the seal is bound to it.
        sealed: the part, sealed.
    """

    rev: bytes
    sealed: SealedRow = field(repr=False)


@dataclass(frozen=True, slots=True)
class StateRow:
    """The state of a group as it is stored: what commits change, and what messages change."""

    core: StatePart
    ratchets: StatePart


class MemberRow(NamedTuple):
    """What a member has said about an epoch: whether it sees what we see; our own row says what we see."""

    group_id: bytes
    epoch: int
    authority: AuthorityId
    authenticator: Digest
    agrees: bool
    stated_ms: int


class CommitRow(NamedTuple):
    """A commit with the place that the hub gave it.

    Attributes:
        epoch: the epoch that it ends.
        octets: the commit, an `MLSMessage`.
        receipt: of the hub.
    """

    group_id: bytes
    epoch: int
    octets: bytes
    receipt: bytes
    stored_ms: int


class ReturnRow(NamedTuple):
    """A node that came back into a group from outside.

    Attributes:
        epoch: the first one that it is in again.
        at_ms: when this node learned of it.
    """

    group_id: bytes
    epoch: int
    authority: AuthorityId
    node: NodeId
    at_ms: int


class PendingRow(NamedTuple):
    """A commit of ours that has no place yet.

    Attributes:
        epoch: the epoch that it leads to.
        rev: drawn when it was made; the seal is bound to it.
        sealed: the commit and the group after it, sealed.
    """

    group_id: bytes
    epoch: int
    rev: bytes
    sealed: SealedRow


# --- links ----------------------------------------------------------------------------------------------
def links_of(tx: Transaction, consultations: Collection[ConsultationId]) -> dict[ConsultationId, LinkRow]:
    """Return the group of each named consultation that has one; not those that others have continued."""
    marks = ", ".join("?" * len(consultations))
    sql = f"{_LINK} consultation IN ({marks}) AND status <> 'continued'"
    return {link.consultation: link for link in map(_link, driver_of(tx).execute(sql, tuple(consultations)))}


def links_by_route(tx: Transaction, routing_ids: Collection[bytes]) -> list[LinkRow]:
    """Return the groups whose envelopes are marked so."""
    marks = ", ".join("?" * len(routing_ids))
    return [
        _link(row) for row in driver_of(tx).execute(f"{_LINK} routing_id IN ({marks})", tuple(routing_ids))
    ]


def links_by_group(tx: Transaction, group_ids: Collection[bytes]) -> list[LinkRow]:
    """Return the named groups that are known."""
    driver = driver_of(tx)
    sql = f"{_LINK} group_id = ?"
    return [_link(row) for one in group_ids for row in driver.execute(sql, (one,))]


def links_with(tx: Transaction, status: GroupStatus, limit: int) -> list[LinkRow]:
    """Return groups with a status, those first that have had it longest."""
    sql = f"{_LINK} status = ? ORDER BY changed_ms LIMIT ?"
    rows = driver_of(tx).execute(sql, (status.value, limit))
    return [_link(row) for row in rows]


def links_shared(
    tx: Transaction, member: AuthorityId, hubs: tuple[str, str], *, after: bytes, limit: int
) -> list[LinkRow]:
    """Return open groups that an authority is in, of two hubs, by rising id."""
    sql = (
        f"{_LINK} status = 'open' AND group_id > ? AND hub IN (?, ?)"
        " AND instr(' ' || roster || ' ', ' ' || ? || ' ') ORDER BY group_id LIMIT ?"
    )
    return [_link(row) for row in driver_of(tx).execute(sql, (after, *hubs, member, limit))]


def put_links(tx: Transaction, rows: Iterable[LinkRow]) -> None:
    """Insert links, or change hub, roster, status and epoch of those that exist."""
    driver_of(tx).executemany(
        "INSERT INTO group_link (group_id, consultation, routing_id, hub, roster, status, epoch, changed_ms)"
        " VALUES (?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT (group_id) DO UPDATE SET hub = excluded.hub,"
        " roster = excluded.roster, status = excluded.status, epoch = excluded.epoch,"
        " changed_ms = excluded.changed_ms",
        [
            (
                row.group_id,
                row.consultation,
                row.routing_id,
                row.hub,
                " ".join(row.roster),
                row.status.value,
                row.epoch,
                row.changed_ms,
            )
            for row in rows
        ],
    )


def mark_lost(tx: Transaction, group_ids: Iterable[bytes], now_ms: int) -> None:
    """Note that the secrets of open groups are gone."""
    driver_of(tx).executemany(
        "UPDATE group_link SET status = 'lost', changed_ms = ? WHERE group_id = ? AND status = 'open'",
        [(now_ms, group_id) for group_id in group_ids],
    )


# --- state ----------------------------------------------------------------------------------------------
def states_of(tx: Transaction, group_ids: Iterable[bytes]) -> dict[bytes, StateRow]:
    """Return the sealed states of the named groups that have one."""
    driver = driver_of(tx)
    sql = (
        "SELECT c.rev, c.day_key, c.sealed, r.rev, r.day_key, r.sealed FROM group_core AS c"
        " JOIN group_ratchet AS r ON r.group_id = c.group_id WHERE c.group_id = ?"
    )
    found: dict[bytes, StateRow] = {}
    for group_id in group_ids:
        for row in driver.execute(sql, (group_id,)):
            core, ratchets = SealedRow(row[1], row[2]), SealedRow(row[4], row[5])
            found[group_id] = StateRow(StatePart(row[0], core), StatePart(row[3], ratchets))
    return found


def revisions_of(tx: Transaction, group_ids: Collection[bytes]) -> dict[bytes, tuple[bytes, bytes]]:
    """Return the revisions of core and ratchets of the named groups that have a state."""
    marks = ", ".join("?" * len(group_ids))
    rows = driver_of(tx).execute(f"{_REVISIONS} c.group_id IN ({marks})", tuple(group_ids))
    return {row[0]: (row[1], row[2]) for row in rows}


def put_cores(tx: Transaction, parts: Iterable[tuple[bytes, StatePart]]) -> None:
    """Write the part that commits change, by group."""
    driver_of(tx).executemany(
        "INSERT INTO group_core (group_id, rev, day_key, sealed) VALUES (?, ?, ?, ?)"
        " ON CONFLICT (group_id) DO UPDATE SET rev = excluded.rev, day_key = excluded.day_key,"
        " sealed = excluded.sealed",
        [(group_id, part.rev, part.sealed.day_key, part.sealed.octets) for group_id, part in parts],
    )


def put_ratchets(tx: Transaction, parts: Iterable[tuple[bytes, StatePart]]) -> None:
    """Write the part that messages change, by group."""
    driver_of(tx).executemany(
        "INSERT INTO group_ratchet (group_id, rev, day_key, sealed) VALUES (?, ?, ?, ?)"
        " ON CONFLICT (group_id) DO UPDATE SET rev = excluded.rev, day_key = excluded.day_key,"
        " sealed = excluded.sealed",
        [(group_id, part.rev, part.sealed.day_key, part.sealed.octets) for group_id, part in parts],
    )


def drop_states(tx: Transaction, group_ids: Iterable[bytes]) -> None:
    """Delete the secrets of groups."""
    driver = driver_of(tx)
    chosen = [(group_id,) for group_id in group_ids]
    driver.executemany("DELETE FROM group_core WHERE group_id = ?", chosen)
    driver.executemany("DELETE FROM group_ratchet WHERE group_id = ?", chosen)


def has_left(tx: Transaction, before_ms: int) -> bool:
    """Say whether there are secrets of groups that ended for us before a moment."""
    sql = (
        "SELECT 1 FROM group_link AS l JOIN group_core AS c ON c.group_id = l.group_id"
        " WHERE l.status IN ('left', 'continued', 'expired') AND l.changed_ms < ? LIMIT 1"
    )
    return driver_of(tx).execute(sql, (before_ms,)).fetchone() is not None


def drop_left(tx: Transaction, before_ms: int) -> None:
    """Delete the secrets of groups that ended for us, or never came about, before a moment."""
    sql = f"{_LINK} status IN ('left', 'continued', 'expired') AND changed_ms < ?"
    drop_states(tx, [_link(row).group_id for row in driver_of(tx).execute(sql, (before_ms,)).fetchall()])


# --- what members say -----------------------------------------------------------------------------------
def members_of(tx: Transaction, group_ids: Iterable[bytes], epoch: int | None = None) -> list[MemberRow]:
    """Return what members of groups have said, of all epochs or of one."""
    driver = driver_of(tx)
    sql = (
        "SELECT group_id, epoch, authority, authenticator, agrees, stated_ms FROM group_member"
        " WHERE group_id = ? AND (? IS NULL OR epoch = ?) ORDER BY epoch, authority"
    )
    return [
        MemberRow(row[0], row[1], AuthorityId(row[2]), Digest(row[3]), bool(row[4]), row[5])
        for one in group_ids
        for row in driver.execute(sql, (one, epoch, epoch))
    ]


def has_said_since(tx: Transaction, group_id: bytes, authority: AuthorityId, epoch: int) -> bool:
    """Say whether a member has said anything about this epoch or a later one."""
    sql = "SELECT 1 FROM group_member WHERE group_id = ? AND authority = ? AND epoch >= ? LIMIT 1"
    return driver_of(tx).execute(sql, (group_id, authority, epoch)).fetchone() is not None


def has_said(tx: Transaction, group_id: bytes, authority: AuthorityId) -> bool:
    """Say whether a member has said anything about any epoch."""
    return not silent_of(tx, [(group_id, authority)])


def silent_of(
    tx: Transaction, members: Iterable[tuple[bytes, AuthorityId]]
) -> list[tuple[bytes, AuthorityId]]:
    """Return which members of groups have said nothing about any epoch."""
    driver = driver_of(tx)
    sql = "SELECT 1 FROM group_member WHERE group_id = ? AND authority = ? LIMIT 1"
    return [one for one in members if driver.execute(sql, one).fetchone() is None]


def put_members(tx: Transaction, rows: Iterable[MemberRow]) -> None:
    """Note what members have said; a later word about the same epoch takes the place of an earlier one."""
    driver_of(tx).executemany(
        "INSERT OR REPLACE INTO group_member (group_id, epoch, authority, authenticator, agrees, stated_ms)"
        " VALUES (?, ?, ?, ?, ?, ?)",
        list(rows),
    )


# --- commits --------------------------------------------------------------------------------------------
def add_commit(tx: Transaction, row: CommitRow) -> bool:
    """Give a commit its place in the order of a group; False if another one has it."""
    added = driver_of(tx).execute(
        "INSERT OR IGNORE INTO group_commit (group_id, epoch, octets, receipt, stored_ms)"
        " VALUES (?, ?, ?, ?, ?)",
        row,
    )
    return added.rowcount == 1


def commits_since(tx: Transaction, group_id: bytes, epoch: int, limit: int) -> list[CommitRow]:
    """Return the commits that end this epoch and later ones, in order."""
    sql = (
        "SELECT group_id, epoch, octets, receipt, stored_ms FROM group_commit"
        " WHERE group_id = ? AND epoch >= ? ORDER BY epoch LIMIT ?"
    )
    return [CommitRow._make(row) for row in driver_of(tx).execute(sql, (group_id, epoch, limit))]


def commit_at(tx: Transaction, group_id: bytes, epoch: int) -> CommitRow | None:
    """Return the commit that ends an epoch, if it is known."""
    return next((row for row in commits_since(tx, group_id, epoch, 1) if row.epoch == epoch), None)


def commits_after(tx: Transaction, group_id: bytes, after_ms: int) -> list[CommitRow]:
    """Return the commits of a group that were stored after a moment, the newest first."""
    sql = (
        "SELECT group_id, epoch, octets, receipt, stored_ms FROM group_commit"
        " WHERE group_id = ? AND stored_ms > ? ORDER BY epoch DESC"
    )
    return [CommitRow._make(row) for row in driver_of(tx).execute(sql, (group_id, after_ms))]


# --- returns --------------------------------------------------------------------------------------------
def add_return(tx: Transaction, row: ReturnRow) -> None:
    """Note that a node came back into a group from outside."""
    sql = (
        "INSERT OR IGNORE INTO group_return (group_id, epoch, authority, node, at_ms) VALUES (?, ?, ?, ?, ?)"
    )
    driver_of(tx).execute(sql, row)


def returns_of(tx: Transaction, group_id: bytes) -> list[ReturnRow]:
    """Return who came back into a group from outside, in order."""
    sql = "SELECT group_id, epoch, authority, node, at_ms FROM group_return WHERE group_id = ? ORDER BY epoch"
    return [ReturnRow._make(row) for row in driver_of(tx).execute(sql, (group_id,))]


# --- search ---------------------------------------------------------------------------------------------
def want_search(tx: Transaction, peer: AuthorityId | None = None) -> None:
    """Note that nodes are to be asked in which groups we are: all of them, or one, once more."""
    driver = driver_of(tx)
    driver.execute("INSERT OR REPLACE INTO group_search (peer, asked_ms) VALUES (?, 0)", (peer or "",))
    if peer is None:
        driver.execute("DELETE FROM group_search WHERE peer <> ''")


def asked_in_search(tx: Transaction) -> set[AuthorityId] | None:
    """Return whom we have asked in which groups we are; None if not all are to be asked."""
    found = dict(driver_of(tx).execute("SELECT peer, asked_ms FROM group_search").fetchall())
    return {AuthorityId(peer) for peer, asked_ms in found.items() if asked_ms} if "" in found else None


def to_ask_in_search(tx: Transaction, peers: Iterable[AuthorityId]) -> list[AuthorityId]:
    """Return who of some nodes is to be asked in which groups we are, sorted."""
    found = dict(driver_of(tx).execute("SELECT peer, asked_ms FROM group_search").fetchall())
    otherwise = 0 if "" in found else None
    return sorted(one for one in peers if found.get(one, otherwise) == 0)


def note_asked(tx: Transaction, peer: AuthorityId, now_ms: int) -> None:
    """Note that a node has said in which groups we are."""
    driver_of(tx).execute(
        "INSERT OR REPLACE INTO group_search (peer, asked_ms) VALUES (?, ?)", (peer, now_ms)
    )


# --- commits of ours without a place --------------------------------------------------------------------
def pending(tx: Transaction, group_ids: Iterable[bytes]) -> list[PendingRow]:
    """Return the commits of ours that wait for a place in groups."""
    driver = driver_of(tx)
    sql = f"{_PENDING} WHERE group_id = ?"
    return [_pending(row) for one in group_ids for row in driver.execute(sql, (one,))]


def pending_groups(tx: Transaction) -> list[ConsultationId]:
    """Return the open consultations in whose groups a commit of ours waits for a place."""
    sql = (
        "SELECT l.consultation FROM group_pending AS p JOIN group_link AS l ON l.group_id = p.group_id"
        " WHERE l.status = 'open'"
    )
    return [ConsultationId(row[0]) for row in driver_of(tx).execute(sql)]


def pending_under_other_keys(tx: Transaction, today: int, limit: int) -> list[PendingRow]:
    """Return some commits that are sealed under another key of the day than today's."""
    sql = f"{_PENDING} WHERE day_key < ?1 OR day_key > ?1 LIMIT ?2"
    return [_pending(row) for row in driver_of(tx).execute(sql, (today, limit))]


def put_pending(tx: Transaction, row: PendingRow) -> None:
    """Store a commit of ours, in place of an earlier one."""
    driver_of(tx).execute(
        "INSERT OR REPLACE INTO group_pending (group_id, epoch, rev, day_key, sealed) VALUES (?, ?, ?, ?, ?)",
        (row.group_id, row.epoch, row.rev, row.sealed.day_key, row.sealed.octets),
    )


def drop_pending(tx: Transaction, group_id: bytes, epoch: int) -> None:
    """Delete a commit of ours that leads to this epoch or an earlier one."""
    driver_of(tx).execute("DELETE FROM group_pending WHERE group_id = ? AND epoch <= ?", (group_id, epoch))


# --- keys of the day ------------------------------------------------------------------------------------
def used_day_keys(tx: Transaction) -> set[int]:
    """Return the keys that rows are sealed under."""
    driver = driver_of(tx)
    statements = (
        "SELECT DISTINCT day_key FROM group_core",
        "SELECT DISTINCT day_key FROM group_ratchet",
        "SELECT DISTINCT day_key FROM group_pending",
        "SELECT DISTINCT day_key FROM own_leaf_key",
        "SELECT DISTINCT day_key FROM own_key_package",
    )
    return {row[0] for sql in statements for row in driver.execute(sql)}


def groups_under_other_keys(tx: Transaction, today: int, limit: int) -> list[bytes]:
    """Return some groups of which a part is sealed under another key than today's."""
    sql = (
        "SELECT group_id FROM group_core WHERE day_key < ?1 OR day_key > ?1"
        " UNION SELECT group_id FROM group_ratchet WHERE day_key < ?1 OR day_key > ?1 LIMIT ?2"
    )
    return [row[0] for row in driver_of(tx).execute(sql, (today, limit))]


def empty_for_backup(tx: Transaction) -> None:
    """Delete everything but the links: no secret of groups, spent or not, may be in a backup.

    Whoever starts from it asks all nodes in which groups it is: some may be younger than the backup.
    """
    driver = driver_of(tx)
    if not driver.execute("SELECT 1 FROM sqlite_master WHERE name = 'group_link'").fetchone():
        return  # the database of an older program, which a backup leaves as it is
    for statement in _EMPTYING:
        driver.execute(statement)
    driver.execute("UPDATE group_link SET status = 'lost' WHERE status = 'open'")
    if driver.execute("SELECT 1 FROM sqlite_master WHERE name = 'group_search'").fetchone():
        want_search(tx)


_EMPTYING = (
    "DELETE FROM group_core",
    "DELETE FROM group_ratchet",
    "DELETE FROM group_pending",
    "DELETE FROM group_member",
    "DELETE FROM group_commit",
    "DELETE FROM group_leaf",
    "DELETE FROM own_leaf_key",
    "DELETE FROM own_key_package",
    "DELETE FROM peer_key_package",
    "DELETE FROM leaf_certificate",
)


def _link(row: tuple[Any, ...]) -> LinkRow:
    group_id, consultation, routing_id, hub, roster, status, epoch, changed_ms = row
    members = tuple(AuthorityId(one) for one in roster.split())
    return LinkRow(group_id, consultation, routing_id, hub, members, GroupStatus(status), epoch, changed_ms)


_PENDING = "SELECT group_id, epoch, rev, day_key, sealed FROM group_pending"


def _pending(row: tuple[Any, ...]) -> PendingRow:
    return PendingRow(row[0], row[1], row[2], SealedRow(row[3], row[4]))
