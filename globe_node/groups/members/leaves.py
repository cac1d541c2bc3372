# SPDX-License-Identifier: Apache-2.0
"""The table of leaves: who is in the tree of each group, by which certificate, and since when. No secrets.

1. It says what the tree says; it is written in the transaction in which a group enters an epoch, so that
   questions about many groups open none of them.
2. A leaf that has another key was renewed by its member: that is a commit of its own.
3. It is empty after a restore; the next epoch fills it again.
"""

from collections.abc import Collection, Iterable
from hashlib import sha256
from itertools import islice
from typing import NamedTuple

from globe_node.store.door import Transaction
from globe_node.store.driver import driver_of
from protocol.groups.membership import identity_in
from protocol.identifiers import AuthorityId, ConsultationId, NodeId, NodeName
from protocol.mls.group import Group
from protocol.mls.tree.ratchet_tree import RatchetTree

MARK_BYTES = 16
_FROM_THE_BEGINNING = 0


class LeafRow(NamedTuple):
    """One leaf of a group.

    Attributes:
        leaf: its number in the tree.
        certificate: hash of its certificate.
        leaf_key: first octets of the hash of its encryption key.
        came_epoch: in which epoch it came, or 0 if it was there before us.
        since_ms: when its member last made a commit with a path, or came.
        sent: of our own leaf, how many messages we sent since then in epochs that are over.
        resynced: of our own leaf, whether we came back by it and have made no commit since.
        fallen: reason code, if it was found to stand no longer.
        silent: whether people should hear that its member has long made no commit.
    """

    group_id: bytes
    leaf: int
    authority: AuthorityId
    node: NodeId
    certificate: bytes
    leaf_key: bytes
    came_epoch: int
    since_ms: int
    sent: int
    resynced: int
    fallen: str
    silent: int

    @property
    def name(self) -> NodeName:
        """The full name of the node."""
        return NodeName(self.authority, self.node)


def present_in(tree: RatchetTree) -> frozenset[AuthorityId]:
    """Return the authorities that have a leaf: they can read what is sealed now."""
    return frozenset(identity_in(leaf).name.authority for _, leaf in tree.members())


def note_epoch(tx: Transaction, group: Group, at_ms: int, *, sent: int) -> None:
    """Write down the leaves of a group that enters an epoch.

    Args:
        tx: the transaction.
        group: in its new epoch.
        at_ms: when the commit that began it took effect.
        sent: how many messages we sent in the epoch that ended.
    """
    before = {row.leaf: row for row in leaves_of(tx, [group.group_id])}
    after = {row.leaf: row for row in _rows_of(group, before, at_ms, sent)}
    driver = driver_of(tx)
    gone = [(group.group_id, leaf) for leaf in before.keys() - after.keys()]
    driver.executemany("DELETE FROM group_leaf WHERE group_id = ? AND leaf = ?", gone)
    put(tx, [row for leaf, row in after.items() if row != before.get(leaf)])


def _rows_of(group: Group, before: dict[int, LeafRow], at_ms: int, sent: int) -> Iterable[LeafRow]:
    came = group.epoch if before else _FROM_THE_BEGINNING
    for number, leaf in group.tree.members():
        identity = identity_in(leaf)
        mark = sha256(leaf.encryption_key).digest()[:MARK_BYTES]
        name, hashed = identity.name, identity.certificate_hash
        old = before.get(number)
        old = old if old is not None and old.name == name else None
        if old is not None and (old.leaf_key, old.certificate) == (mark, hashed):
            yield old._replace(sent=old.sent + sent) if number == group.own_leaf else old
            continue
        since_epoch = came if old is None else old.came_epoch
        yield LeafRow(
            group.group_id, number, name.authority, name.node, hashed, mark, since_epoch, at_ms, 0, 0, "", 0
        )


def put(tx: Transaction, rows: Iterable[LeafRow]) -> None:
    """Write rows."""
    driver_of(tx).executemany(
        "INSERT OR REPLACE INTO group_leaf (group_id, leaf, authority, node, certificate, leaf_key,"
        " came_epoch, since_ms, sent, resynced, fallen, silent) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
        list(rows),
    )


def leaves_of(tx: Transaction, group_ids: Iterable[bytes]) -> list[LeafRow]:
    """Return the leaves of groups, in the order of each tree."""
    driver = driver_of(tx)
    sql = (
        "SELECT group_id, leaf, authority, node, certificate, leaf_key, came_epoch, since_ms, sent,"
        " resynced, fallen, silent FROM group_leaf WHERE group_id = ? ORDER BY leaf"
    )
    return [LeafRow._make(row) for one in group_ids for row in driver.execute(sql, (one,))]


def certificates_in_use(tx: Transaction) -> dict[bytes, str]:
    """Return the certificates that leaves name, each with what was found out about it so far."""
    sql = "SELECT certificate, max(fallen) FROM group_leaf GROUP BY certificate"
    return dict(driver_of(tx).execute(sql).fetchall())


def mark_fallen(tx: Transaction, found: Iterable[tuple[bytes, str]]) -> None:
    """Note of certificates that they stand no longer, and why; or that they stand again."""
    driver_of(tx).executemany(
        "UPDATE group_leaf SET fallen = ?2 WHERE certificate = ?1 AND fallen <> ?2", list(found)
    )


def open_groups(tx: Transaction, hub: NodeName, after: bytes, limit: int) -> list[bytes]:
    """Return groups that are open here and have this hub, in the order of their ids, after one of them."""
    sql = (
        "SELECT group_id FROM group_link WHERE status = 'open' AND hub = ? AND group_id > ?"
        " ORDER BY group_id LIMIT ?"
    )
    return [row[0] for row in driver_of(tx).execute(sql, (str(hub), after, limit))]


def mark_resynced(tx: Transaction, group_id: bytes, leaf: int) -> None:
    """Note that we came back by a leaf: we renew it before we say anything."""
    sql = "UPDATE group_leaf SET resynced = 1 WHERE group_id = ? AND leaf = ?"
    driver_of(tx).execute(sql, (group_id, leaf))


def own_certificates(tx: Transaction, name: NodeName) -> list[bytes]:
    """Return the certificates that leaves of a node name, by hash."""
    sql = "SELECT DISTINCT certificate FROM group_leaf WHERE authority = ? AND node = ?"
    return [row[0] for row in driver_of(tx).execute(sql, (name.authority, name.node))]


def to_renew(
    tx: Transaction, name: NodeName, before_ms: int, certificates: Collection[bytes], limit: int
) -> list[tuple[ConsultationId, bool]]:
    """Return open consultations in whose groups a node renews its leaf by itself, and whether it is the hub.

    Args:
        tx: a read will do.
        name: the node.
        before_ms: since when it has made no commit, at least; or it has come back by a resync.
        certificates: hashes of those that no leaf should name any more.
        limit: at most so many.
    """
    sql = (
        "SELECT l.consultation, l.hub = ?1, f.since_ms, f.resynced, f.certificate FROM group_leaf AS f"
        " JOIN group_link AS l ON l.group_id = f.group_id"
        " WHERE f.authority = ?2 AND f.node = ?3 AND l.status = 'open' ORDER BY f.since_ms"
    )
    rows = driver_of(tx).execute(sql, (str(name), name.authority, name.node))
    due = (
        (ConsultationId(consultation), bool(is_hub))
        for consultation, is_hub, since_ms, resynced, certificate in rows
        if since_ms < before_ms or resynced or certificate in certificates
    )
    return list(islice(due, limit))


def has_new_silence(tx: Transaction, before_ms: int) -> bool:
    """Say whether a leaf that is not marked has not been renewed since a moment."""
    sql = "SELECT EXISTS (SELECT 1 FROM group_leaf WHERE silent = 0 AND since_ms < ?)"
    return bool(driver_of(tx).execute(sql, (before_ms,)).fetchone()[0])


def mark_silent(tx: Transaction, before_ms: int) -> None:
    """Note of members that they have made no commit since a moment."""
    sql = "UPDATE group_leaf SET silent = 1 WHERE silent = 0 AND since_ms < ?"
    driver_of(tx).execute(sql, (before_ms,))


def silent(tx: Transaction) -> list[AuthorityId]:
    """Return the members of open groups that have long made no commit."""
    sql = (
        "SELECT DISTINCT f.authority FROM group_leaf AS f JOIN group_link AS l ON l.group_id = f.group_id"
        " WHERE f.silent = 1 AND l.status = 'open' ORDER BY f.authority"
    )
    return [AuthorityId(row[0]) for row in driver_of(tx).execute(sql)]
