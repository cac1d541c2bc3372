# SPDX-License-Identifier: Apache-2.0
"""The tables of key packages: what is put in comes out, in order, once, and only to whom it belongs."""

from collections.abc import Iterator
from dataclasses import replace

import pytest
from sqlalchemy import Connection

from globe_node.groups.day_keys import SealedRow
from globe_node.groups.packages import records
from globe_node.groups.packages.records import (
    LAST_RESORT,
    CertificateRow,
    Ends,
    LeafKeyRow,
    OwnPackageRow,
    PeerPackageRow,
)
from protocol.identifiers import AuthorityId, NodeId
from tests.support.store import memory_database

A, B = AuthorityId("xa-acc"), AuthorityId("xb-ibu")
MAIN = NodeId("main")


@pytest.fixture
def tx() -> Iterator[Connection]:
    database = memory_database()
    yield database.writer
    database.close()


def leaf_key(name: bytes, made_ms: int = 1, day_key: int = 7, not_after_ms: int = 50) -> LeafKeyRow:
    return LeafKeyRow(name, made_ms, not_after_ms, SealedRow(day_key, b"seed of " + name))


def own(name: bytes, peer: AuthorityId = B, **changes: object) -> OwnPackageRow:
    row = OwnPackageRow(name, peer, b"octets " + name, b"certificate", 1, 50, False, SealedRow(7, b"private"))
    return replace(row, **changes)  # type: ignore[arg-type]  # facts by name


def theirs(name: bytes, **changes: object) -> PeerPackageRow:
    init, leaf = b"init " + name, b"leaf " + name
    row = PeerPackageRow(name, B, MAIN, False, b"octets " + name, b"certificate", init, leaf, 1, 50, 0)
    return replace(row, **changes)  # type: ignore[arg-type]  # facts by name


def plain(row: LeafKeyRow | OwnPackageRow | None) -> object:
    return row and (replace(row, sealed=SealedRow(0, b"")).__repr__(), row.sealed.day_key, row.sealed.octets)


def names(rows: list[OwnPackageRow] | list[PeerPackageRow]) -> list[bytes]:
    return [row.reference for row in rows]


def test_leaf_keys(tx: Connection) -> None:
    assert records.newest_leaf_key(tx) is None
    for row in (leaf_key(b"old", 1), leaf_key(b"new", 9, 8), leaf_key(b"older", 0)):
        records.put_leaf_key(tx, row)
    newest = records.newest_leaf_key(tx)
    assert newest is not None
    assert (newest.certificate, newest.sealed.octets) == (b"new", b"seed of new")
    assert records.leaf_key(tx, b"none") is None
    assert [row.certificate for row in records.leaf_keys_under_other_keys(tx, 7, 9)] == [b"new"]
    records.put_leaf_key(tx, leaf_key(b"new", 9, 7))
    assert records.leaf_keys_under_other_keys(tx, 7, 9) == []
    assert len(records.leaf_keys_under_other_keys(tx, 1, 2)) == 2
    records.drop_leaf_key(tx, b"new")
    found = records.newest_leaf_key(tx)
    assert found is not None
    assert found.certificate == b"old"


def test_certificates_are_kept_once(tx: Connection) -> None:
    row = CertificateRow(b"hash", B, MAIN, 50, b"octets")
    records.put_certificates(tx, [row, replace(row, octets=b"other octets")])
    assert records.certificates(tx, [b"hash", b"none"]) == {b"hash": b"octets"}


def test_own_packages_belong_to_one_peer_and_stand_in_order(tx: Connection) -> None:
    records.add_own_packages(tx, [own(b"one"), own(b"two"), own(b"hers", A), own(b"all", LAST_RESORT)])
    assert names(records.own_packages(tx, B)) == [b"one", b"two"]
    assert names(records.own_packages(tx, LAST_RESORT)) == [b"all"]
    found = records.own_package(tx, b"hers")
    assert found is not None
    assert (found.peer, found.sealed.octets, found.spent) == (A, b"private", False)
    records.mark_spent(tx, B, [b"two", b"hers", b"none"])
    assert [row.spent for row in records.own_packages(tx, B)] == [False, True]
    assert [row.spent for row in records.own_packages(tx, A)] == [False]
    records.drop_own_packages(tx, [b"one"])
    assert records.own_package(tx, b"one") is None


def test_own_packages_are_sealed_anew(tx: Connection) -> None:
    records.add_own_packages(tx, [own(b"one"), own(b"two")])
    records.seal_own_package(tx, b"two", SealedRow(8, b"again"))
    assert names(records.own_packages_under_other_keys(tx, 8, 9)) == [b"one"]
    assert len(records.own_packages_under_other_keys(tx, 1, 1)) == 1


def test_a_package_of_a_peer_is_taken_once_and_so_is_each_of_its_keys(tx: Connection) -> None:
    assert records.add_peer_package(tx, theirs(b"one"))
    assert not records.add_peer_package(tx, theirs(b"one"))
    assert not records.add_peer_package(tx, theirs(b"two", init_key=b"init one"))
    assert not records.add_peer_package(tx, theirs(b"two", leaf_key=b"leaf one"))
    assert records.add_peer_package(tx, theirs(b"two"))
    assert records.peer_packages(tx, B, unused=True) == [theirs(b"one"), theirs(b"two")]
    assert records.peer_packages(tx, A, unused=True) == []


def test_a_used_package_keeps_its_place_and_loses_its_octets(tx: Connection) -> None:
    records.add_peer_package(tx, theirs(b"one"))
    records.add_peer_package(tx, theirs(b"all", last_resort=True))
    for name in (b"one", b"all"):
        records.mark_used(tx, name, 30)
    assert records.peer_packages(tx, B, unused=True) == []
    first, second = records.peer_packages(tx, B, unused=False)
    assert (first.octets, first.used_ms) == (b"", 30)
    assert (second.octets, second.used_ms) == (b"octets all", 30)
    records.drop_peer_packages(tx, B, [b"one"])
    assert not records.add_peer_package(tx, theirs(b"one"))


def test_a_peer_drops_its_own_unused_packages_only(tx: Connection) -> None:
    records.add_peer_package(tx, theirs(b"one"))
    records.drop_peer_packages(tx, A, [b"one"])
    assert len(records.peer_packages(tx, B, unused=True)) == 1
    records.drop_peer_packages(tx, B, [b"one"])
    assert records.peer_packages(tx, B, unused=True) == []


def test_stock_counts_what_can_be_used(tx: Connection) -> None:
    records.add_peer_package(tx, theirs(b"one"))
    records.add_peer_package(tx, theirs(b"two", not_after_ms=10))
    records.add_peer_package(tx, theirs(b"all", last_resort=True))
    records.add_peer_package(tx, theirs(b"used", used_ms=5))
    records.add_peer_package(tx, theirs(b"hers", authority=A))
    assert records.stock_sizes(tx, 20) == {A: 1, B: 1}
    assert records.stock_sizes(tx, 60) == {}


def test_what_is_over_is_forgotten(tx: Connection) -> None:
    records.put_leaf_key(tx, leaf_key(b"key", not_after_ms=40))
    records.add_own_packages(tx, [own(b"mine", not_after_ms=50)])
    records.add_peer_package(tx, theirs(b"theirs", not_after_ms=60))
    records.put_certificates(tx, [CertificateRow(b"hash", B, MAIN, 70, b"octets")])
    assert not records.has_ended(tx, Ends(40, 60, 70))
    for ends in (Ends(41, 0, 0), Ends(0, 61, 0), Ends(0, 0, 71)):
        assert records.has_ended(tx, ends)
    records.forget_ended(tx, Ends(41, 60, 70))
    assert records.newest_leaf_key(tx) is None
    assert names(records.own_packages(tx, B)) == [b"mine"]
    records.forget_ended(tx, Ends(51, 61, 71))
    assert records.own_packages(tx, B) == []
    assert records.peer_packages(tx, B, unused=True) == []
    assert records.certificates(tx, [b"hash"]) == {}
