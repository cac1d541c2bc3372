# SPDX-License-Identifier: Apache-2.0
"""What is known of groups between transactions, and leaf certificates inside one. Nothing is durable here.

1. A parsed group is remembered under the revisions of its row, which are drawn at each writing: what a
   transaction took back is never found again.
2. Certificates that came with an invitation or a commit count while that is judged, and are stored with it.
"""

from collections import OrderedDict
from collections.abc import Iterable, Iterator, Mapping

from globe_node.groups.members.renewals import Renewals
from globe_node.groups.members.standing import Standing
from globe_node.groups.packages import records
from globe_node.groups.packages.records import CertificateRow
from globe_node.store.door import Transaction
from protocol.groups.certificate import leaf_certificate_hash, parse_leaf_certificate
from protocol.mls.group import Group

REMEMBERED_GROUPS = 256
"""Groups that are held in memory; the one used longest ago goes first."""

Revisions = tuple[bytes, bytes]
"""Of core and ratchets."""


class KnownGroups:
    """Parsed groups by id and revisions.

    Attributes:
        standing: what is remembered of the leaves of groups.
        renewals: what is remembered of our own keys.
    """

    def __init__(self) -> None:
        self.standing = Standing()
        self.renewals = Renewals()
        self._groups: OrderedDict[bytes, tuple[Revisions, Group]] = OrderedDict()

    def find(self, group_id: bytes, revisions: Revisions) -> Group | None:
        """Return the group as it was stored under these revisions, if it is remembered."""
        found = self._groups.get(group_id)
        if found is None or found[0] != revisions:
            return None
        self._groups.move_to_end(group_id)
        return found[1]

    def keep(self, group_id: bytes, revisions: Revisions, group: Group) -> None:
        """Remember a group."""
        self._groups[group_id] = revisions, group
        self._groups.move_to_end(group_id)
        if len(self._groups) > REMEMBERED_GROUPS:
            self._groups.popitem(last=False)

    def forget(self, group_id: bytes) -> None:
        """Forget a group whose secrets were destroyed."""
        self._groups.pop(group_id, None)


class KnownCertificates(Mapping[bytes, bytes]):
    """Leaf certificates by hash: those of the store, and some that came just now."""

    def __init__(self, tx: Transaction, more: Iterable[bytes] = ()) -> None:
        self._tx = tx
        self._came = {leaf_certificate_hash(one): one for one in more}
        self._seen: dict[bytes, bytes | None] = {}

    def with_more(self, more: Iterable[bytes]) -> "KnownCertificates":
        """Return these and some that came."""
        return KnownCertificates(self._tx, more)

    def keep(self, hashes: Iterable[bytes]) -> None:
        """Store those of the named certificates that came just now."""
        rows = []
        for one in hashes:
            octets = self._came.get(one)
            if octets is not None:
                claims = parse_leaf_certificate(octets).certificate
                ends_ms = int(claims.not_after.timestamp() * 1000)
                rows.append(CertificateRow(one, claims.authority, claims.node, ends_ms, octets))
                self._seen[one] = octets
        records.put_certificates(self._tx, rows)

    def __getitem__(self, one: bytes) -> bytes:
        came = self._came.get(one)
        if came is not None:
            return came
        if one not in self._seen:
            self._seen[one] = records.certificates(self._tx, [one]).get(one)
        found = self._seen[one]
        if found is None:
            raise KeyError(one)
        return found

    def __iter__(self) -> Iterator[bytes]:
        return iter(self._came)

    def __len__(self) -> int:
        return len(self._came)
