# SPDX-License-Identifier: Apache-2.0
"""The Ed25519 keys with which this node signs inside groups, each with its certificate. It signs no message.

1. A key is made a week after the last one, and at once when the node signs with another key than the one that
   issued its certificate: packages that wait for a peer must still be good when they are used.
2. A key stays until its certificate has ended and no Welcome can come for it; a group keeps its own copy.
3. The certificate is stored beside the certificates of peers, under its hash.
"""

from dataclasses import dataclass, field
from datetime import datetime, timedelta

from globe_node.delivery.clerk import unix_ms
from globe_node.groups.day_keys import DayKeys
from globe_node.groups.packages import records
from globe_node.groups.packages.records import CertificateRow, LeafKeyRow
from globe_node.groups.workbench import Workbench
from globe_node.store.door import Transaction
from keys.errors import RowDamagedError
from protocol import limits
from protocol.errors import LocalProtocolError, ReasonCode
from protocol.groups.certificate import (
    LeafCertificate,
    issue_leaf_certificate,
    leaf_certificate_hash,
    leaf_validity,
    parse_leaf_certificate,
)
from protocol.groups.credential import identity_of
from protocol.groups.profile import capabilities, leaf_lifetime
from protocol.interfaces import Entropy, Signer
from protocol.mls.founding import LeafDraft
from protocol.mls.structures.extensions import BasicCredential
from protocol.mls.suites import PRODUCT_SUITE, KeyPair

RENEWED_AFTER = timedelta(days=7)
_TOLERANCE_MS = limits.CLOCK_TOLERANCE_SECONDS * 1000
_TABLE = "own_leaf_key"
_REVISION = b""
"""A leaf key is written once."""


@dataclass(frozen=True, slots=True)
class LeafKey:
    """A leaf key of this node.

    Attributes:
        pair: the keys.
        certificate: the certificate, as it is sent.
        claims: what it says.
        hash: its hash.
    """

    pair: KeyPair = field(repr=False)
    certificate: bytes = field(repr=False)
    claims: LeafCertificate
    hash: bytes


def current_leaf_key(bench: Workbench, tx: Transaction) -> LeafKey:
    """Return the leaf key for new packages and new groups; make one if it is time.

    Raises:
        NodeError: the directory names no key of this node that is in use.
        StoreError: the key of the day can't be made durable.
    """
    signer, now = bench.signer(), bench.clock.now()
    row = records.newest_leaf_key(tx)
    if row is not None and _is_fresh(row, now):
        found = _open(bench.day_keys, tx, row)
        if found is not None and found.claims.issuer == signer.key_id:
            return found
    return _make(bench, tx, signer, now)


def new_leaf_key(bench: Workbench, tx: Transaction) -> LeafKey:
    """Make a leaf key before its time: for a leaf that may not have the key of before.

    Raises:
        NodeError: the directory names no key of this node that is in use.
        StoreError: the key of the day can't be made durable.
    """
    return _make(bench, tx, bench.signer(), bench.clock.now())


def leaf_key_of(bench: Workbench, tx: Transaction, certificate: bytes) -> LeafKey | None:
    """Return the leaf key with a certificate hash, as long as it is kept and opens."""
    row = records.leaf_key(tx, certificate)
    return None if row is None else _open(bench.day_keys, tx, row)


def draft_of(leaf: LeafKey, entropy: Entropy) -> LeafDraft:
    """Return our leaf with this key, for a key package or a new group.

    Args:
        leaf: the key.
        entropy: draws the capabilities that mean nothing.
    """
    return LeafDraft(
        signature=leaf.pair,
        credential=BasicCredential(identity_of(leaf.certificate).to_bytes()),
        capabilities=capabilities(entropy),
        lifetime=leaf_lifetime(leaf.claims),
    )


def renew_seals(day_keys: DayKeys, tx: Transaction, *, limit: int, now_ms: int) -> int:
    """Seal some leaf keys under the key of today; drop those that do not open. Return how many there were."""
    rows = records.leaf_keys_under_other_keys(tx, day_keys.today(now_ms).number, limit)
    for row in rows:
        try:
            seed = day_keys.open_sealed(_TABLE, row.certificate, _REVISION, row.sealed)
        except RowDamagedError:
            records.drop_leaf_key(tx, row.certificate)
            continue
        sealed = day_keys.seal(_TABLE, row.certificate, _REVISION, seed, now_ms=now_ms)
        records.put_leaf_key(tx, LeafKeyRow(row.certificate, row.made_ms, row.not_after_ms, sealed))
    return len(rows)


def _is_fresh(row: LeafKeyRow, now: datetime) -> bool:
    now_ms = unix_ms(now)
    age_ms = now_ms - row.made_ms
    return -_TOLERANCE_MS <= age_ms < RENEWED_AFTER / timedelta(milliseconds=1) and now_ms < row.not_after_ms


def _open(day_keys: DayKeys, tx: Transaction, row: LeafKeyRow) -> LeafKey | None:
    certificate = records.certificates(tx, [row.certificate]).get(row.certificate)
    if certificate is None:
        return None
    try:
        seed = day_keys.open_sealed(_TABLE, row.certificate, _REVISION, row.sealed)
    except RowDamagedError:
        return None
    claims = parse_leaf_certificate(certificate).certificate
    return LeafKey(PRODUCT_SUITE.signature.key_pair(seed), certificate, claims, row.certificate)


def _make(bench: Workbench, tx: Transaction, signer: Signer, now: datetime) -> LeafKey:
    entry = bench.register.state.authority(bench.name.authority)
    node = entry.node_with_key(signer.key_id) if entry is not None else None
    if node is None:
        raise LocalProtocolError("the directory does not list this node", code=ReasonCode.NO_KEY)
    not_before, not_after = leaf_validity(node, now.replace(microsecond=now.microsecond // 1000 * 1000))
    seed = bench.entropy.random_bytes(PRODUCT_SUITE.signature.seed_bytes)
    pair = PRODUCT_SUITE.signature.key_pair(seed)
    claims = LeafCertificate(
        serial=bench.entropy.random_bytes(16).hex(),
        authority=bench.name.authority,
        node=bench.name.node,
        key=pair.public,
        not_before=not_before,
        not_after=not_after,
        issuer=signer.key_id,
    )
    certificate = issue_leaf_certificate(signer, claims)
    made = LeafKey(pair, certificate, claims, leaf_certificate_hash(certificate))
    _keep(bench, tx, made, seed)
    return made


def _keep(bench: Workbench, tx: Transaction, made: LeafKey, seed: bytes) -> None:
    now_ms, not_after_ms = bench.now_ms(), unix_ms(made.claims.not_after)
    sealed = bench.day_keys.seal(_TABLE, made.hash, _REVISION, seed, now_ms=now_ms)
    records.put_leaf_key(tx, LeafKeyRow(made.hash, now_ms, not_after_ms, sealed))
    kept = CertificateRow(made.hash, bench.name.authority, bench.name.node, not_after_ms, made.certificate)
    records.put_certificates(tx, [kept])
