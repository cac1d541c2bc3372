# SPDX-License-Identifier: Apache-2.0
"""Signs the audit log's tree at intervals. It never signs what it has not read back from the disk.

1. Before signing, the entries since the last checkpoint are read again and hashed: a flipped bit in the store
   must not become a root that nobody can explain.
2. Then the mark outside the database moves, then the checkpoint is signed, then it is stored. A crash between
   them is made good by the next round.
3. Only logs of this life of the node are signed; what a restored database brought with it keeps its last
   checkpoint.
4. Appending never waits for signing.
"""

from dataclasses import dataclass
from functools import partial

from globe_node.audit import records
from globe_node.audit.high_water import HighWater, mark_name, verify_mark
from globe_node.audit.log import LogName
from globe_node.audit.records import Shard, StoredCheckpoint
from globe_node.clock import Clock
from globe_node.errors import StoreError
from globe_node.store.door import Store, Transaction
from globe_node.store.instance import Mark
from protocol.errors import ReasonCode
from protocol.tlog.checkpoint import Checkpoint
from protocol.tlog.cosignature import CheckpointSigner, sign_checkpoint
from protocol.tlog.merkle import Frontier, leaf_hash, parse_frontier

INTERVAL_SECONDS = 60.0
"""A tick, not an entry, makes a checkpoint: sizes that witnesses see then tell little about traffic."""


@dataclass(frozen=True, slots=True)
class _Due:
    shard: Shard
    tree: Frontier
    mark: Mark | None


class Checkpoints:
    """Signs for one node.

    Args:
        store: the node's store.
        name: whose log it is; other lives are left alone.
        high_water: where the marks are.
        signer: the log's key.
    """

    def __init__(
        self, store: Store, *, name: LogName, high_water: HighWater, signer: CheckpointSigner
    ) -> None:
        self._store = store
        self._name = name
        self._high_water = high_water
        self._signer = signer

    async def verify_start(self) -> None:
        """Check, before anything is sent, that the database is not an old copy.

        Raises:
            StoreError: `restore_detected`, `log_fork` or `log_inconsistent`.
        """
        marks = self._high_water.marks()

        def check(tx: Transaction) -> None:
            shards = self._own_shards(tx)
            for shard in shards:
                verify_mark(tx, shard, marks.get(mark_name(shard)))
            if set(marks) - {mark_name(shard) for shard in shards}:
                raise StoreError(
                    "the database lacks an audit log that was signed",
                    hint="use `restore` to bring back a copy",
                    code=ReasonCode.RESTORE_DETECTED,
                )

        await self._store.read(check)

    async def sign(self) -> list[Checkpoint]:
        """Sign what is new.

        Returns:
            One checkpoint for each log that had new entries.

        Raises:
            StoreError: `log_inconsistent` if what was read back does not give the tree; otherwise as
                `verify_start`. Nothing was signed then.
        """
        signed = []
        for due in await self._store.read(self._due):
            # in the store's thread, where waiting for the disk holds up nobody
            await self._store.read(partial(self._move_mark, due=due))
            checkpoint = Checkpoint(due.shard.origin, due.tree.size, due.tree.root())
            note = sign_checkpoint(checkpoint, self._signer).to_bytes().decode()
            stored = StoredCheckpoint(due.shard.number, checkpoint.size, note, due.tree.to_bytes())
            await self._store.write(partial(records.insert_checkpoint, checkpoint=stored))
            signed.append(checkpoint)
        return signed

    async def run(self, clock: Clock, interval_seconds: float = INTERVAL_SECONDS) -> None:
        """Sign at every tick, until cancelled.

        Raises:
            StoreError: as `sign`; a full disk or a foreign lock is tried again at the next tick.
        """
        while True:
            await clock.sleep(interval_seconds)
            try:
                await self.sign()
            except StoreError as error:
                if not error.is_passing:
                    raise

    def _move_mark(self, _tx: Transaction, due: _Due) -> None:
        new = Mark(due.tree.size, due.tree.root().hex())
        if due.mark != new:
            self._high_water.advance(mark_name(due.shard), due.mark, new)

    def _due(self, tx: Transaction) -> list[_Due]:
        marks = self._high_water.marks()
        found = []
        for shard in self._own_shards(tx):
            last = records.newest_checkpoint(tx, shard.number)
            if last is not None and last.size >= shard.frontier.size:
                continue
            mark = marks.get(mark_name(shard))
            verify_mark(tx, shard, mark)
            before = Frontier() if last is None else parse_frontier(last.frontier)
            leaves = records.leaves(tx, shard.number, before.size, shard.frontier.size)
            tree = before.append(leaf_hash(leaf) for leaf in leaves)
            if tree != shard.frontier:
                raise StoreError(
                    "the stored entries do not give the tree of the audit log",
                    hint="run `globe-node audit verify`, and restore the last verified backup",
                    code=ReasonCode.LOG_INCONSISTENT,
                )
            found.append(_Due(shard, tree, mark))
        return found

    def _own_shards(self, tx: Transaction) -> list[Shard]:
        return [
            Shard(number, origin, year, parse_frontier(frontier))
            for number, origin, year, frontier in records.shard_rows(tx)
            if origin == self._name.origin(year)
        ]
