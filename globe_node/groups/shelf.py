# SPDX-License-Identifier: Apache-2.0
"""States of groups as octets: sealed into their rows and back. What the octets mean is `protocol.mls.state`.

1. A state has two parts. The core changes with a commit; the ratchets change with every message, and are
   bound to the core they belong to, so that parts of two states never come together.
2. Each writing draws a new revision, and the seal is bound to it.
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field

from globe_node.groups import records
from globe_node.groups.day_keys import DayKeys
from globe_node.groups.records import StatePart, StateRow
from globe_node.store.door import Transaction
from keys.errors import RowDamagedError
from protocol.interfaces import Entropy

REVISION_BYTES = 16
_CORE = "group_core"
_RATCHETS = "group_ratchet"


@dataclass(frozen=True, slots=True)
class StoredState:
    """A state of a group, opened.

    Attributes:
        core_rev, ratchets_rev: under which revisions the parts are stored.
        core, ratchets: the parts.
    """

    core_rev: bytes
    ratchets_rev: bytes
    core: bytes = field(repr=False)
    ratchets: bytes = field(repr=False)


class Shelf:
    """Reads and writes states in transactions."""

    def __init__(self, day_keys: DayKeys, entropy: Entropy) -> None:
        self._day_keys = day_keys
        self._entropy = entropy

    def read(
        self, tx: Transaction, group_ids: Collection[bytes]
    ) -> tuple[dict[bytes, StoredState], list[bytes]]:
        """Return the states of groups, and those groups whose state is there and does not open."""
        found: dict[bytes, StoredState] = {}
        lost: list[bytes] = []
        for group_id, row in records.states_of(tx, group_ids).items():
            try:
                found[group_id] = self._open(group_id, row)
            except RowDamagedError:
                lost.append(group_id)
        return found, lost

    def write_whole(
        self, tx: Transaction, states: Mapping[bytes, tuple[bytes, bytes]], now_ms: int
    ) -> dict[bytes, tuple[bytes, bytes]]:
        """Write core and ratchets of groups; return their new revisions.

        Raises:
            StoreError: today's key can't be made durable.
        """
        cores = {one: self._seal_core(one, core, now_ms) for one, (core, _) in states.items()}
        ratchets = {
            one: self._seal_ratchets(one, cores[one].rev, octets, now_ms)
            for one, (_, octets) in states.items()
        }
        records.put_cores(tx, cores.items())
        records.put_ratchets(tx, ratchets.items())
        return {one: (cores[one].rev, ratchets[one].rev) for one in states}

    def write_ratchets(
        self, tx: Transaction, states: Mapping[bytes, tuple[bytes, bytes]], now_ms: int
    ) -> dict[bytes, bytes]:
        """Write the ratchets of groups whose core stays; return their new revisions.

        Args:
            tx: the transaction.
            states: the revision of the core, and the ratchets, by group.
            now_ms: Unix time in milliseconds.

        Raises:
            StoreError: today's key can't be made durable.
        """
        parts = {
            one: self._seal_ratchets(one, core_rev, octets, now_ms)
            for one, (core_rev, octets) in states.items()
        }
        records.put_ratchets(tx, parts.items())
        return {one: part.rev for one, part in parts.items()}

    def _open(self, group_id: bytes, row: StateRow) -> StoredState:
        core, ratchets = row.core, row.ratchets
        return StoredState(
            core_rev=core.rev,
            ratchets_rev=ratchets.rev,
            core=self._day_keys.open_sealed(_CORE, group_id, core.rev, core.sealed),
            ratchets=self._day_keys.open_sealed(
                _RATCHETS, group_id, core.rev + ratchets.rev, ratchets.sealed
            ),
        )

    def _seal_core(self, group_id: bytes, octets: bytes, now_ms: int) -> StatePart:
        rev = self._entropy.random_bytes(REVISION_BYTES)
        return StatePart(rev, self._day_keys.seal(_CORE, group_id, rev, octets, now_ms=now_ms))

    def _seal_ratchets(self, group_id: bytes, core_rev: bytes, octets: bytes, now_ms: int) -> StatePart:
        rev = self._entropy.random_bytes(REVISION_BYTES)
        sealed = self._day_keys.seal(_RATCHETS, group_id, core_rev + rev, octets, now_ms=now_ms)
        return StatePart(rev, sealed)
