# SPDX-License-Identifier: Apache-2.0
"""The tables of key packages, leaf keys and leaf certificates: rows in, rows out. It judges none of them.

1. Every function takes the caller's `Transaction`; none commits.
2. The private side of our own packages arrives sealed under a key of the day and leaves sealed.
3. Of a package of a peer that was used a row stays until its time is over, so that it is never used again.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from globe_node.groups.day_keys import SealedRow
from globe_node.store.door import Transaction
from globe_node.store.driver import driver_of
from protocol.identifiers import AuthorityId, NodeId

LAST_RESORT = AuthorityId("")
"""Stands for the peer of our package of last resort, which is for all."""


@dataclass(frozen=True, slots=True)
class LeafKeyRow:
    """A leaf key of ours.

    Attributes:
        certificate: hash of its certificate, 32 octets.
        made_ms: when it was made.
        not_after_ms: when its certificate ends.
        sealed: its seed, sealed.
    """

    certificate: bytes
    made_ms: int
    not_after_ms: int
    sealed: SealedRow = field(repr=False)


@dataclass(frozen=True, slots=True)
class CertificateRow:
    """A leaf certificate, ours or a peer's, as it is sent.

    Attributes:
        hash: 32 octets.
    """

    hash: bytes
    authority: AuthorityId
    node: NodeId
    not_after_ms: int
    octets: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class OwnPackageRow:
    """A key package of ours.

    Attributes:
        reference: 48 octets.
        peer: whom it is for, or `LAST_RESORT`.
        octets: the package, as it is sent.
        certificate: hash of the leaf certificate that it names.
        made_ms: when it was made.
        not_after_ms: until when others may use it.
        spent: the peer says that it has used it; its Welcome may still come.
        sealed: the private keys, sealed.
    """

    reference: bytes
    peer: AuthorityId
    octets: bytes = field(repr=False)
    certificate: bytes
    made_ms: int
    not_after_ms: int
    spent: bool
    sealed: SealedRow = field(repr=False)


@dataclass(frozen=True, slots=True)
class PeerPackageRow:
    """A key package of a peer.

    Attributes:
        reference: 48 octets.
        last_resort: it may serve more than once.
        init_key, leaf_key: hashes of its two public keys; no two packages share one.
        used_ms: when it was last used, or 0.
    """

    reference: bytes
    authority: AuthorityId
    node: NodeId
    last_resort: bool
    octets: bytes = field(repr=False)
    certificate: bytes
    init_key: bytes
    leaf_key: bytes
    stored_ms: int
    not_after_ms: int
    used_ms: int


# --- leaf keys and certificates -------------------------------------------------------------------------
def newest_leaf_key(tx: Transaction) -> LeafKeyRow | None:
    """Return the leaf key that was made last."""
    sql = f"{_LEAF_KEY} ORDER BY made_ms DESC LIMIT 1"
    row = driver_of(tx).execute(sql).fetchone()
    return None if row is None else _leaf_key(row)


def leaf_key(tx: Transaction, certificate: bytes) -> LeafKeyRow | None:
    """Return the leaf key with a certificate."""
    row = driver_of(tx).execute(f"{_LEAF_KEY} WHERE certificate = ?", (certificate,)).fetchone()
    return None if row is None else _leaf_key(row)


def leaf_keys_under_other_keys(tx: Transaction, today: int, limit: int) -> list[LeafKeyRow]:
    """Return some leaf keys that are sealed under another key of the day than today's."""
    sql = f"{_LEAF_KEY} WHERE day_key < ?1 OR day_key > ?1 LIMIT ?2"
    return [_leaf_key(row) for row in driver_of(tx).execute(sql, (today, limit))]


def put_leaf_key(tx: Transaction, row: LeafKeyRow) -> None:
    """Store a leaf key, or seal one anew."""
    driver_of(tx).execute(
        "INSERT OR REPLACE INTO own_leaf_key (certificate, made_ms, not_after_ms, day_key, sealed)"
        " VALUES (?, ?, ?, ?, ?)",
        (row.certificate, row.made_ms, row.not_after_ms, row.sealed.day_key, row.sealed.octets),
    )


def drop_leaf_key(tx: Transaction, certificate: bytes) -> None:
    """Delete a leaf key."""
    driver_of(tx).execute("DELETE FROM own_leaf_key WHERE certificate = ?", (certificate,))


def put_certificates(tx: Transaction, rows: Iterable[CertificateRow]) -> None:
    """Keep certificates; one that is there stays as it is, for its hash is its name."""
    driver_of(tx).executemany(
        "INSERT OR IGNORE INTO leaf_certificate (hash, authority, node, not_after_ms, octets)"
        " VALUES (?, ?, ?, ?, ?)",
        [(row.hash, row.authority, row.node, row.not_after_ms, row.octets) for row in rows],
    )


def certificates(tx: Transaction, hashes: Iterable[bytes]) -> dict[bytes, bytes]:
    """Return certificates by hash, as far as they are known."""
    driver = driver_of(tx)
    sql = "SELECT octets FROM leaf_certificate WHERE hash = ?"
    found = ((one, driver.execute(sql, (one,)).fetchone()) for one in hashes)
    return {one: row[0] for one, row in found if row is not None}


# --- own packages ---------------------------------------------------------------------------------------
def own_packages(tx: Transaction, peer: AuthorityId) -> list[OwnPackageRow]:
    """Return the packages for a peer, oldest first; those of last resort for `LAST_RESORT`."""
    rows = driver_of(tx).execute(f"{_OWN} WHERE peer = ? ORDER BY position", (peer,))
    return [_own_package(row) for row in rows]


def own_package(tx: Transaction, reference: bytes) -> OwnPackageRow | None:
    """Return one package."""
    row = driver_of(tx).execute(f"{_OWN} WHERE reference = ?", (reference,)).fetchone()
    return None if row is None else _own_package(row)


def own_packages_under_other_keys(tx: Transaction, today: int, limit: int) -> list[OwnPackageRow]:
    """Return some packages that are sealed under another key of the day than today's."""
    rows = driver_of(tx).execute(f"{_OWN} WHERE day_key < ?1 OR day_key > ?1 LIMIT ?2", (today, limit))
    return [_own_package(row) for row in rows]


def add_own_packages(tx: Transaction, rows: Iterable[OwnPackageRow]) -> None:
    """Store packages."""
    driver_of(tx).executemany(
        "INSERT INTO own_key_package (reference, peer, octets, certificate, made_ms, not_after_ms, spent,"
        " day_key, sealed) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
        [
            (
                row.reference,
                row.peer,
                row.octets,
                row.certificate,
                row.made_ms,
                row.not_after_ms,
                int(row.spent),
                row.sealed.day_key,
                row.sealed.octets,
            )
            for row in rows
        ],
    )


def seal_own_package(tx: Transaction, reference: bytes, sealed: SealedRow) -> None:
    """Seal a package anew."""
    driver_of(tx).execute(
        "UPDATE own_key_package SET day_key = ?, sealed = ? WHERE reference = ?",
        (sealed.day_key, sealed.octets, reference),
    )


def mark_spent(tx: Transaction, peer: AuthorityId, references: Iterable[bytes]) -> None:
    """Note which of its packages a peer says it has used."""
    driver_of(tx).executemany(
        "UPDATE own_key_package SET spent = 1 WHERE reference = ? AND peer = ?",
        [(reference, peer) for reference in references],
    )


def drop_own_packages(tx: Transaction, references: Iterable[bytes]) -> None:
    """Delete packages with their private keys."""
    driver_of(tx).executemany(
        "DELETE FROM own_key_package WHERE reference = ?", [(reference,) for reference in references]
    )


# --- packages of peers ----------------------------------------------------------------------------------
def peer_packages(tx: Transaction, authority: AuthorityId, *, unused: bool) -> list[PeerPackageRow]:
    """Return the packages of a peer that were used, or were not, oldest first."""
    sql = f"{_PEER} WHERE authority = ? AND (used_ms = 0) = ? ORDER BY position"
    return [_peer_package(row) for row in driver_of(tx).execute(sql, (authority, int(unused)))]


def oldest_unused(tx: Transaction, authority: AuthorityId) -> PeerPackageRow | None:
    """Return the oldest unused package of a peer that is of one use."""
    sql = f"{_PEER} WHERE authority = ? AND used_ms = 0 AND last_resort = 0 ORDER BY position LIMIT 1"
    row = driver_of(tx).execute(sql, (authority,)).fetchone()
    return None if row is None else _peer_package(row)


def last_resorts(tx: Transaction, authority: AuthorityId) -> list[PeerPackageRow]:
    """Return the packages of last resort of a peer, used or not, newest first."""
    sql = f"{_PEER} WHERE authority = ? AND last_resort = 1 ORDER BY stored_ms DESC, position"
    return [_peer_package(row) for row in driver_of(tx).execute(sql, (authority,))]


def stock_sizes(tx: Transaction, now_ms: int) -> dict[AuthorityId, int]:
    """Return how many unused packages of one use there are, by peer; of none, nothing is said."""
    sql = (
        "SELECT authority, count(*) FROM peer_key_package"
        " WHERE used_ms = 0 AND last_resort = 0 AND not_after_ms > ? GROUP BY authority"
    )
    return {AuthorityId(row[0]): row[1] for row in driver_of(tx).execute(sql, (now_ms,))}


def add_peer_package(tx: Transaction, row: PeerPackageRow) -> bool:
    """Store a package of a peer; False if it, or one of its keys, was seen before."""
    values = (
        row.reference,
        row.authority,
        row.node,
        int(row.last_resort),
        row.octets,
        row.certificate,
        row.init_key,
        row.leaf_key,
        row.stored_ms,
        row.not_after_ms,
        row.used_ms,
    )
    added = driver_of(tx).execute(
        "INSERT OR IGNORE INTO peer_key_package (reference, authority, node, last_resort, octets,"
        " certificate, init_key, leaf_key, stored_ms, not_after_ms, used_ms)"
        " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
        values,
    )
    return added.rowcount == 1


def mark_used(tx: Transaction, reference: bytes, now_ms: int) -> None:
    """Note that a package of a peer was used; what is secret in it no longer, the octets go."""
    driver_of(tx).execute(
        "UPDATE peer_key_package SET used_ms = ?, octets = CASE last_resort WHEN 1 THEN octets ELSE x'' END"
        " WHERE reference = ?",
        (now_ms, reference),
    )


def drop_peer_packages(tx: Transaction, authority: AuthorityId, references: Iterable[bytes]) -> None:
    """Delete unused packages of a peer."""
    driver_of(tx).executemany(
        "DELETE FROM peer_key_package WHERE reference = ? AND authority = ? AND used_ms = 0",
        [(reference, authority) for reference in references],
    )


def drop_all_of_peer(tx: Transaction, authority: AuthorityId) -> None:
    """Delete all unused packages of a peer."""
    driver_of(tx).execute("DELETE FROM peer_key_package WHERE authority = ? AND used_ms = 0", (authority,))


# --- what is over ---------------------------------------------------------------------------------------
@dataclass(frozen=True, slots=True)
class Ends:
    """What ended before these moments, in milliseconds of Unix time, may be forgotten.

    Attributes:
        own: packages and leaf keys of ours.
        peers: packages of peers.
        certificates: leaf certificates.
    """

    own: int
    peers: int
    certificates: int


def has_ended(tx: Transaction, ends: Ends) -> bool:
    """Say whether there is anything to forget."""
    sql = (
        "SELECT EXISTS (SELECT 1 FROM own_key_package WHERE not_after_ms < ?)"
        " OR EXISTS (SELECT 1 FROM own_leaf_key WHERE not_after_ms < ?)"
        " OR EXISTS (SELECT 1 FROM peer_key_package WHERE not_after_ms < ?)"
        " OR EXISTS (SELECT 1 FROM leaf_certificate WHERE not_after_ms < ? AND NOT EXISTS"
        " (SELECT 1 FROM group_leaf WHERE group_leaf.certificate = leaf_certificate.hash))"
    )
    values = (ends.own, ends.own, ends.peers, ends.certificates)
    return bool(driver_of(tx).execute(sql, values).fetchone()[0])


def forget_ended(tx: Transaction, ends: Ends) -> None:
    """Delete packages, leaf keys and certificates whose time has long been over.

    A certificate that a leaf still names is kept: whoever removes the leaf asks for it.
    """
    driver = driver_of(tx)
    driver.execute("DELETE FROM own_key_package WHERE not_after_ms < ?", (ends.own,))
    driver.execute("DELETE FROM own_leaf_key WHERE not_after_ms < ?", (ends.own,))
    driver.execute("DELETE FROM peer_key_package WHERE not_after_ms < ?", (ends.peers,))
    driver.execute(
        "DELETE FROM leaf_certificate WHERE not_after_ms < ? AND NOT EXISTS"
        " (SELECT 1 FROM group_leaf WHERE group_leaf.certificate = leaf_certificate.hash)",
        (ends.certificates,),
    )


_LEAF_KEY = "SELECT certificate, made_ms, not_after_ms, day_key, sealed FROM own_leaf_key"
_OWN = (
    "SELECT reference, peer, octets, certificate, made_ms, not_after_ms, spent, day_key, sealed"
    " FROM own_key_package"
)
_PEER = (
    "SELECT reference, authority, node, last_resort, octets, certificate, init_key, leaf_key, stored_ms,"
    " not_after_ms, used_ms FROM peer_key_package"
)


def _leaf_key(row: tuple[Any, ...]) -> LeafKeyRow:
    certificate, made_ms, not_after_ms, day_key, sealed = row
    return LeafKeyRow(certificate, made_ms, not_after_ms, SealedRow(day_key, sealed))


def _own_package(row: tuple[Any, ...]) -> OwnPackageRow:
    reference, peer, octets, certificate, made_ms, not_after_ms, spent, day_key, sealed = row
    return OwnPackageRow(
        reference,
        AuthorityId(peer),
        octets,
        certificate,
        made_ms,
        not_after_ms,
        bool(spent),
        SealedRow(day_key, sealed),
    )


def _peer_package(row: tuple[Any, ...]) -> PeerPackageRow:
    reference, authority, node, last_resort, *rest = row
    return PeerPackageRow(reference, AuthorityId(authority), NodeId(node), bool(last_resort), *rest)
