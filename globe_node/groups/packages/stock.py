# SPDX-License-Identifier: Apache-2.0
"""The key packages of peers that this node holds, to add them to groups while they are away.

1. A package is taken in once; so is each of its keys, whatever package it comes in.
2. It is judged again when it is used, and marked in the transaction that makes the group: a package of one
   use serves once, whatever crashes.
3. One of last resort is used when there is no other, for one group an hour at most.
4. One bad package does not spoil those that came with it.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import timedelta

from globe_node.delivery.clerk import unix_ms
from globe_node.groups.packages import records
from globe_node.groups.packages.judgement import GoodPackage, judge_package
from globe_node.groups.packages.records import CertificateRow, PeerPackageRow
from globe_node.groups.packages.wire import PackageAnswer, PackageRequest, in_order
from globe_node.groups.workbench import Workbench
from globe_node.store.door import Transaction
from protocol import limits
from protocol.errors import ProtocolError, ReasonCode, RemoteProtocolError
from protocol.groups.certificate import leaf_certificate_hash, parse_leaf_certificate
from protocol.groups.errors import NotKnownYetError
from protocol.groups.key_packages import LAST_RESORT_PAUSE, is_last_resort, key_marks
from protocol.identifiers import AuthorityId, NodeName
from protocol.mls.structures.key_packages import KeyPackage
from protocol.mls.suites import PRODUCT_SUITE

_LAST_RESORT_PAUSE_MS = LAST_RESORT_PAUSE // timedelta(milliseconds=1)


@dataclass(frozen=True, slots=True)
class UsablePackage:
    """A key package of a peer, for one group.

    Attributes:
        package: the package.
        reference: its reference.
        certificate: its leaf certificate, as it came.
    """

    package: KeyPackage = field(repr=False)
    reference: bytes
    certificate: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class TakenIn:
    """What became of an answer.

    Attributes:
        added: packages that are new here.
        refused: why others were not taken.
        stale: our directory is too old to judge some of them.
    """

    added: int
    refused: Sequence[ReasonCode]
    stale: bool


def next_request(bench: Workbench, tx: Transaction, peer: AuthorityId) -> PackageRequest | None:
    """Return what to ask a peer for; None if nothing is missing."""
    now_ms = bench.now_ms()
    unused = [row for row in records.peer_packages(tx, peer, unused=True) if row.not_after_ms > now_ms]
    used = records.peer_packages(tx, peer, unused=False)
    missing = bench.pool_size - sum(not row.last_resort for row in unused)
    if missing <= 0:
        return None
    held = [row for row in (*unused, *used) if row.last_resort or not row.used_ms]
    return PackageRequest(
        want=min(missing, limits.MAX_KEY_PACKAGES),
        held=in_order(row.reference for row in held),
        used=in_order(row.reference for row in used if not row.last_resort),
    )


def take_in(bench: Workbench, tx: Transaction, peer: NodeName, answer: PackageAnswer) -> TakenIn:
    """Judge what a peer gave, and keep what is good of it."""
    now, now_ms = bench.clock.now(), bench.now_ms()
    directory = bench.register.state
    certificates = {leaf_certificate_hash(one): one for one in answer.certificates}
    refused: list[ReasonCode] = []
    added, stale = 0, False
    records.drop_peer_packages(tx, peer.authority, answer.gone)
    for octets in answer.packages:
        try:
            good = judge_package(octets, certificates, directory, owner=peer, now=now)
        except RemoteProtocolError as error:
            stale = stale or isinstance(error, NotKnownYetError)
            refused.append(error.code)
            continue
        if records.add_peer_package(tx, _row(octets, good, now_ms)):
            records.put_certificates(tx, [_certificate_row(certificates[good.certificate])])
            added += 1
        else:
            refused.append(ReasonCode.ID_CONFLICT)
    return TakenIn(added, refused, stale)


def find(bench: Workbench, tx: Transaction, owner: NodeName) -> UsablePackage | None:
    """Return a package for a new member, or None if there is none; `mark` it if it is used.

    The oldest of one use serves first, then one of last resort that has rested. Packages that are not good
    any more are dropped on the way.
    """
    while (row := records.oldest_unused(tx, owner.authority)) is not None:
        found = _judged(bench, tx, owner, row)
        if found is not None:
            return found
    now_ms = bench.now_ms()
    for row in records.last_resorts(tx, owner.authority):
        if abs(now_ms - row.used_ms) >= _LAST_RESORT_PAUSE_MS:
            found = _judged(bench, tx, owner, row)
            if found is not None:
                return found
    return None


def _judged(bench: Workbench, tx: Transaction, owner: NodeName, row: PeerPackageRow) -> UsablePackage | None:
    """Return a package if it is good now; one that is not is dropped."""
    certificate = records.certificates(tx, [row.certificate])
    try:
        good = judge_package(
            row.octets, certificate, bench.register.state, owner=owner, now=bench.clock.now()
        )
    except ProtocolError:
        records.drop_peer_packages(tx, owner.authority, [row.reference])
        return None
    return UsablePackage(good.package, row.reference, certificate[good.certificate])


def drop_all(tx: Transaction, peer: AuthorityId) -> None:
    """Drop what is here of a peer whose private keys are gone; what was used for a group stays marked."""
    records.drop_all_of_peer(tx, peer)


def mark(bench: Workbench, tx: Transaction, packages: Iterable[UsablePackage]) -> None:
    """Note that packages serve for a group that this transaction stores."""
    for one in packages:
        records.mark_used(tx, one.reference, bench.now_ms())


def _row(octets: bytes, good: GoodPackage, now_ms: int) -> PeerPackageRow:
    init_key, leaf_key = key_marks(good.package)
    return PeerPackageRow(
        reference=good.package.reference(PRODUCT_SUITE),
        authority=good.claims.authority,
        node=good.claims.node,
        last_resort=is_last_resort(good.package),
        octets=octets,
        certificate=good.certificate,
        init_key=init_key,
        leaf_key=leaf_key,
        stored_ms=now_ms,
        not_after_ms=good.not_after_ms,
        used_ms=0,
    )


def _certificate_row(octets: bytes) -> CertificateRow:
    claims = parse_leaf_certificate(octets).certificate
    return CertificateRow(
        leaf_certificate_hash(octets), claims.authority, claims.node, unix_ms(claims.not_after), octets
    )
