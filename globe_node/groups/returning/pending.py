# SPDX-License-Identifier: Apache-2.0
"""Commits of ours that left and have no place yet, kept until they have one or another commit came first.

1. A commit is stored, with the epoch that it leads to, before it leaves. Who crashed after the hub had taken
   it sends the same octets again, and gets the same receipt.
2. The row is sealed under a key of the day, and goes when the group enters an epoch.
"""

from globe_node.groups import records
from globe_node.groups.book import GroupBook
from globe_node.groups.day_keys import DayKeys
from globe_node.groups.links import GroupStatus, LinkRow
from globe_node.groups.records import PendingRow
from globe_node.groups.returning.committing import Pending
from globe_node.groups.returning.wire import CommitRequest
from globe_node.store.door import Transaction
from keys.errors import RowDamagedError
from protocol import limits
from protocol.groups.certificate import MAX_LEAF_CERTIFICATE_BYTES
from protocol.mls.state import core_bytes, parse_group, ratchet_bytes
from protocol.octets import Reader, Writer

_TABLE = "group_pending"
_REV_BYTES = 16


def keep(book: GroupBook, pending: Pending) -> Pending:
    """Store a commit before it leaves.

    Raises:
        StoreError: the key of the day can't be made durable.
    """
    bench, group = book.bench, pending.next_group
    request = pending.request
    writer = Writer().op(request.commit).op(request.certificate).u8(len(pending.certificates))
    for certificate in pending.certificates:
        writer.op(certificate)
    octets = writer.op(core_bytes(group)).op(ratchet_bytes(group)).to_bytes()
    rev = bench.entropy.random_bytes(_REV_BYTES)
    sealed = bench.day_keys.seal(_TABLE, group.group_id, rev, octets, now_ms=book.now_ms)
    records.put_pending(book.tx, PendingRow(group.group_id, group.epoch, rev, sealed))
    return pending


def find(book: GroupBook, link: LinkRow) -> Pending | None:
    """Return a commit of ours that may still get its place, if there is one."""
    for row in records.pending(book.tx, [link.group_id]):
        try:
            octets = book.bench.day_keys.open_sealed(_TABLE, row.group_id, row.rev, row.sealed)
        except RowDamagedError:
            break
        group = book.group_of(link) if link.status is GroupStatus.OPEN else None
        if group is None or group.epoch + 1 == row.epoch:
            return _read(octets)
    return None


def renew_seals(day_keys: DayKeys, tx: Transaction, *, limit: int, now_ms: int) -> int:
    """Seal some rows under the key of today; drop those that do not open. Return how many there were."""
    rows = records.pending_under_other_keys(tx, day_keys.today(now_ms).number, limit)
    for row in rows:
        try:
            octets = day_keys.open_sealed(_TABLE, row.group_id, row.rev, row.sealed)
        except RowDamagedError:
            records.drop_pending(tx, row.group_id, row.epoch)
            continue
        sealed = day_keys.seal(_TABLE, row.group_id, row.rev, octets, now_ms=now_ms)
        records.put_pending(tx, row._replace(sealed=sealed))
    return len(rows)


def _read(octets: bytes) -> Pending:
    reader = Reader(octets)
    commit, certificate = reader.op(limits.MAX_COMMIT_BYTES), reader.op(MAX_LEAF_CERTIFICATE_BYTES)
    certificates = tuple(reader.op(MAX_LEAF_CERTIFICATE_BYTES) for _ in range(reader.u8()))
    group = parse_group(reader.op(limits.MAX_MLS_VECTOR_BYTES), reader.op(limits.MAX_MLS_VECTOR_BYTES))
    reader.finish()
    return Pending(CommitRequest(group.group_id, commit, certificate), group, certificates)
