# SPDX-License-Identifier: Apache-2.0
"""How far the audit log had got, kept outside the database so that an old copy is noticed. Not in any backup.

1. The mark is moved before a checkpoint is signed, by compare-and-swap: of two copies of a node, one stops.
2. A log that is shorter than its mark, or has another root there, must not sign and must not send.
"""

from collections.abc import Mapping
from typing import Protocol

from globe_node.audit import records
from globe_node.audit.records import Shard
from globe_node.audit.tree import stored_tree
from globe_node.errors import StoreError
from globe_node.store.door import Transaction
from globe_node.store.instance import InstanceFile, Mark
from protocol.errors import ReasonCode

_HINT = "use `restore` to bring back a copy, so that the node takes a new incarnation and its peers are told"


class HighWater(Protocol):
    """Where the marks of this life of the node are kept."""

    def marks(self) -> Mapping[str, Mark]:
        """Return the marks by their names."""
        ...

    def advance(self, name: str, expected: Mark | None, new: Mark) -> None:
        """Move one mark durably, if it still stands where the caller saw it.

        Raises:
            StoreError: it stands elsewhere (`restore_detected`), or the disk failed.
        """
        ...


class FileHighWater:
    """The marks in the file beside the database."""

    def __init__(self, file: InstanceFile) -> None:
        self._file = file

    def marks(self) -> Mapping[str, Mark]:
        """See `HighWater.marks`."""
        return self._file.read().marks

    def advance(self, name: str, expected: Mark | None, new: Mark) -> None:
        """See `HighWater.advance`."""
        self._file.advance(name, expected, new)


class MemoryHighWater:
    """The marks of a node that lives in memory, for simulations."""

    def __init__(self) -> None:
        self._marks: dict[str, Mark] = {}

    def marks(self) -> Mapping[str, Mark]:
        """See `HighWater.marks`."""
        return dict(self._marks)

    def advance(self, name: str, expected: Mark | None, new: Mark) -> None:
        """See `HighWater.advance`."""
        if self._marks.get(name) != expected:
            raise StoreError("the mark is not where it was", code=ReasonCode.RESTORE_DETECTED)
        self._marks[name] = new


def mark_name(shard: Shard) -> str:
    """Name the mark of a shard; the file belongs to one life of the node, so the year is enough."""
    return f"audit/{shard.year}"


def verify_mark(tx: Transaction, shard: Shard, mark: Mark | None) -> None:
    """Check that the log in the database is not behind its mark, and has the same past.

    Raises:
        StoreError: `restore_detected` for an older copy, `log_fork` for another past.
    """
    if mark is None:
        if records.newest_checkpoint(tx, shard.number) is not None:
            raise StoreError(
                "the audit log has checkpoints, and the mark beside the database has none",
                hint=_HINT,
                code=ReasonCode.RESTORE_DETECTED,
            )
        return
    if mark.size > shard.frontier.size:
        raise StoreError(
            f"the audit log had {mark.size} entries, and the database holds {shard.frontier.size}",
            hint=_HINT,
            code=ReasonCode.RESTORE_DETECTED,
        )
    if stored_tree(tx, shard.number, mark.size).root().hex() != mark.root:
        raise StoreError(
            f"the first {mark.size} entries of the audit log are not those that were signed",
            hint="run `globe-node audit verify`; keep the files",
            code=ReasonCode.LOG_FORK,
        )
