# SPDX-License-Identifier: Apache-2.0
"""The key packages that this node keeps for each peer, with their private side. It answers `supply`.

1. A peer gets packages of its own, and the same ones again until it has used them: asking often brings
   nothing new. Beside them stands one of last resort for all, renewed every week.
2. What a peer says it has used is not offered again; it stays until its Welcome comes or its time is over.
   A peer that says so of everything comes to an end at four times the pool.
3. Only packages whose certificate is by the key that this node signs with now are offered; who holds others
   is told that they are gone.
4. Taking a package for a Welcome deletes its private side in the same transaction; one of last resort stays.
"""

from collections.abc import Collection
from dataclasses import dataclass, field

from globe_node.groups.day_keys import DayKeys
from globe_node.groups.packages import records
from globe_node.groups.packages.leaf_keys import LeafKey, current_leaf_key, draft_of, leaf_key_of
from globe_node.groups.packages.records import LAST_RESORT, OwnPackageRow
from globe_node.groups.packages.wire import PackageAnswer, PackageRequest, in_order
from globe_node.groups.workbench import Workbench, moment_at
from globe_node.store.door import Transaction
from keys.errors import RowDamagedError
from protocol import limits
from protocol.groups.certificate import parse_leaf_certificate
from protocol.groups.key_packages import LAST_RESORT as LAST_RESORT_MARK
from protocol.groups.key_packages import is_last_resort_due
from protocol.identifiers import AuthorityId
from protocol.mls.founding import KeyPackageSecrets, make_key_package
from protocol.mls.structures.key_packages import parse_key_package
from protocol.mls.suites import PRODUCT_SUITE
from protocol.octets import Reader, Writer

MOST_POOLS = 4
"""How many pools one peer may make us keep private keys for."""
OFFER_MARGIN_MS = 86_400_000
"""A package that ends within a day is not offered."""
_TABLE = "own_key_package"
_REVISION = b""
_MAX_PRIVATE_BYTES = 64


@dataclass(frozen=True, slots=True)
class OwnPackage:
    """One of our packages, for which a Welcome has come.

    Attributes:
        secrets: the package with its private keys.
        reference: its reference.
        peer: whom it was for, or `LAST_RESORT`.
    """

    secrets: KeyPackageSecrets = field(repr=False)
    reference: bytes
    peer: AuthorityId


def offer(bench: Workbench, tx: Transaction, peer: AuthorityId, request: PackageRequest) -> PackageAnswer:
    """Return what a peer gets, and make what is missing.

    Raises:
        NodeError: this node can certify no leaf key now.
    """
    leaf = current_leaf_key(bench, tx)
    now_ms = bench.now_ms()
    records.mark_spent(tx, peer, request.used)
    kept = records.own_packages(tx, peer)
    good = [row for row in kept if not row.spent and _is_offered(tx, row, leaf, now_ms)]
    held = set(request.held)
    missing = min(bench.pool_size, limits.MAX_KEY_PACKAGES) - len(good)
    room = MOST_POOLS * bench.pool_size - len(kept)
    wanted = request.want - sum(row.reference not in held for row in good)
    made = [_make(bench, leaf, peer) for _ in range(max(0, min(missing, room, wanted)))]
    records.add_own_packages(tx, made)
    resort = _last_resort(bench, tx, leaf, now_ms)
    fresh = [row for row in [*good, *made] if row.reference not in held][: request.want]
    if resort.reference not in held:
        fresh.append(resort)
    honoured = {row.reference for row in good} | {resort.reference}
    return PackageAnswer(
        certificates=_certificates(tx, fresh),
        packages=tuple(row.octets for row in fresh),
        gone=in_order(held - honoured),
    )


def find_package(bench: Workbench, tx: Transaction, references: Collection[bytes]) -> OwnPackage | None:
    """Return the package of ours that a Welcome names, with its private keys; `spend` it if it served."""
    for reference in references:
        row = records.own_package(tx, reference)
        leaf = None if row is None else leaf_key_of(bench, tx, row.certificate)
        secrets = None if row is None or leaf is None else _open(bench.day_keys, row, leaf)
        if row is not None and secrets is not None:
            return OwnPackage(secrets, reference, row.peer)
    return None


def spend(tx: Transaction, package: OwnPackage) -> None:
    """Delete the private side of a package of one use; one of last resort stays."""
    if package.peer != LAST_RESORT:
        records.drop_own_packages(tx, [package.reference])


def renew_seals(day_keys: DayKeys, tx: Transaction, *, limit: int, now_ms: int) -> int:
    """Seal some packages under the key of today; drop those that do not open. Return how many there were."""
    rows = records.own_packages_under_other_keys(tx, day_keys.today(now_ms).number, limit)
    for row in rows:
        try:
            private = day_keys.open_sealed(_TABLE, row.reference, _REVISION, row.sealed)
        except RowDamagedError:
            records.drop_own_packages(tx, [row.reference])
            continue
        sealed = day_keys.seal(_TABLE, row.reference, _REVISION, private, now_ms=now_ms)
        records.seal_own_package(tx, row.reference, sealed)
    return len(rows)


def _is_offered(tx: Transaction, row: OwnPackageRow, leaf: LeafKey, now_ms: int) -> bool:
    if row.not_after_ms <= now_ms + OFFER_MARGIN_MS:
        return False
    if row.certificate == leaf.hash:
        return True
    certificate = records.certificates(tx, [row.certificate]).get(row.certificate)
    if certificate is None:
        return False
    return parse_leaf_certificate(certificate).certificate.issuer == leaf.claims.issuer


def _last_resort(bench: Workbench, tx: Transaction, leaf: LeafKey, now_ms: int) -> OwnPackageRow:
    kept = records.own_packages(tx, LAST_RESORT)
    if kept and not is_last_resort_due(moment_at(kept[-1].made_ms), bench.clock.now()):
        newest = kept[-1]
        if _is_offered(tx, newest, leaf, now_ms):
            return newest
    made = _make(bench, leaf, LAST_RESORT)
    records.add_own_packages(tx, [made])
    return made


def _make(bench: Workbench, leaf: LeafKey, peer: AuthorityId) -> OwnPackageRow:
    now_ms = bench.now_ms()
    draft = draft_of(leaf, bench.entropy)
    extensions = (LAST_RESORT_MARK,) if peer == LAST_RESORT else ()
    made = make_key_package(PRODUCT_SUITE, draft, bench.entropy, extensions=extensions)
    reference = made.package.reference(PRODUCT_SUITE)
    private = Writer().op(made.init_private).op(made.encryption_private).to_bytes()
    return OwnPackageRow(
        reference=reference,
        peer=peer,
        octets=made.package.to_bytes(),
        certificate=leaf.hash,
        made_ms=now_ms,
        not_after_ms=draft.lifetime.not_after * 1000,
        spent=False,
        sealed=bench.day_keys.seal(_TABLE, reference, _REVISION, private, now_ms=now_ms),
    )


def _open(day_keys: DayKeys, row: OwnPackageRow, leaf: LeafKey) -> KeyPackageSecrets | None:
    try:
        reader = Reader(day_keys.open_sealed(_TABLE, row.reference, _REVISION, row.sealed))
    except RowDamagedError:
        return None
    init, encryption = reader.op(_MAX_PRIVATE_BYTES), reader.op(_MAX_PRIVATE_BYTES)
    reader.finish()
    return KeyPackageSecrets(parse_key_package(row.octets), init, encryption, leaf.pair.private)


def _certificates(tx: Transaction, rows: Collection[OwnPackageRow]) -> tuple[bytes, ...]:
    named = records.certificates(tx, {row.certificate for row in rows})
    return tuple(named[one] for one in sorted(named))
