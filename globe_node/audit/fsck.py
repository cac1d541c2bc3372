# SPDX-License-Identifier: Apache-2.0
"""Checks a whole audit log: every entry derived again, every tree, checkpoint and mark. It mends nothing.

1. Nothing stored is believed: leaves are derived from the sealed values, trees from the leaves.
2. The first entry that does not fit is named by its index, and what does not fit in words.
3. A tail cut off behind the last checkpoint, together with the tree, leaves no trace in the database: what
   shows it is the mark outside, and that moves with each checkpoint.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from globe_node.audit import records
from globe_node.audit.high_water import mark_name
from globe_node.audit.log import LogName
from globe_node.audit.records import Shard, StoredCheckpoint, StoredEntry
from globe_node.audit.vault import Vault
from globe_node.store.door import Transaction
from globe_node.store.instance import Mark
from protocol.audit.events import AuditEvent, EventKind
from protocol.errors import RemoteProtocolError
from protocol.tlog.cosignature import CheckpointSigner, log_keys, verify_checkpoint
from protocol.tlog.merkle import Frontier, leaf_hash, parse_frontier

MAX_PROBLEMS = 100
_CHUNK = 4096


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing that does not fit.

    Attributes:
        origin: the log it is in.
        index: the first entry concerned; None where no entry is.
        what: in words for a reader who is not a programmer.
    """

    origin: str
    index: int | None
    what: str


@dataclass(slots=True)
class Report:
    """What was checked, and what was found.

    Attributes:
        entries: entries read.
        checkpoints: signed checkpoints verified.
        unsigned: entries after the last checkpoint of their log: they fit, and no signature covers them yet.
        heads: origin, size and root in hex of each log, as derived from its entries.
        problems: at most `MAX_PROBLEMS`, in the order they were met.
        notes: what is unusual and proves nothing.
    """

    entries: int = 0
    checkpoints: int = 0
    unsigned: int = 0
    heads: list[tuple[str, int, str]] = field(default_factory=list)
    problems: list[Problem] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    @property
    def ok(self) -> bool:
        """True if everything fits."""
        return not self.problems

    def add(self, origin: str, index: int | None, what: str) -> None:
        """Keep a problem."""
        if len(self.problems) < MAX_PROBLEMS:
            self.problems.append(Problem(origin, index, what))


def verify(
    tx: Transaction,
    *,
    vault: Vault,
    name: LogName,
    signer: CheckpointSigner,
    marks: Mapping[str, Mark] | None,
) -> Report:
    """Check everything the database holds of the audit log.

    Args:
        tx: one view of the database.
        vault: opens the entries.
        name: whose log it is, and in which life.
        signer: the log's key; only its public halves are used.
        marks: from outside the database; None if there are none to compare with.

    Spec: PROTOCOL.md section 13; OVERSIGHT.md.
    """
    report = Report()
    rows = iter(records.all_entries(tx))
    ahead = next(rows, None)
    signed: dict[int, list[StoredCheckpoint]] = {}
    for checkpoint in records.checkpoints(tx):
        signed.setdefault(checkpoint.shard, []).append(checkpoint)
    before: _ShardCheck | None = None
    own: list[_ShardCheck] = []
    for number, origin, year, frontier in records.shard_rows(tx):
        check = _ShardCheck(report, number, origin, year=year, vault=vault, signer=signer)
        if ahead is not None and ahead.row_id >> records.SHARD_SHIFT < number:
            ahead = _skip_strays(report, ahead, rows, number)
        mine = origin == name.origin(year)
        check.start(frontier, signed.pop(number, []), _mark_of(check, marks) if mine else None)
        ahead = check.read(ahead, rows)
        check.finish(records.node_rows(tx, number), before, expect_mark=mine and marks is not None)
        before = check
        own += [check] if mine else []
    if ahead is not None:
        _skip_strays(report, ahead, rows, 1 << 22)
    for missing in sorted(set(marks or ()) - {mark_name(check.shard) for check in own}):
        report.add(missing, None, "a log that was signed is not in the database")
    for number in signed:
        report.add(f"log {number}", None, "checkpoints of a log that is not in the database")
    return report


def _mark_of(check: "_ShardCheck", marks: Mapping[str, Mark] | None) -> Mark | None:
    return None if marks is None else marks.get(mark_name(check.shard))


def _skip_strays(
    report: Report, ahead: StoredEntry, rows: Iterator[StoredEntry], number: int
) -> StoredEntry | None:
    report.add(f"log {ahead.row_id >> records.SHARD_SHIFT}", ahead.index, "entries of no log")
    found: StoredEntry | None = ahead
    while found is not None and found.row_id >> records.SHARD_SHIFT < number:
        found = next(rows, None)
    return found


class _ShardCheck:
    """The check of one log: entries in order, trees at the sizes where something was said about them."""

    def __init__(
        self, report: Report, number: int, origin: str, *, year: int, vault: Vault, signer: CheckpointSigner
    ) -> None:
        self._report = report
        self._vault = vault
        self._signer = signer
        self.shard = Shard(number, origin, year, Frontier())
        self.tree = Frontier()
        self.whole = True
        self.opening: AuditEvent | None = None
        self._stored: Frontier | None = None
        self._checkpoints: list[StoredCheckpoint] = []
        self._mark: Mark | None = None
        self._nodes: list[tuple[int, int, bytes]] = []
        self._position = 0

    def start(self, frontier: bytes, checkpoints: list[StoredCheckpoint], mark: Mark | None) -> None:
        """Take what the database and the mark say about this log."""
        try:
            self._stored = parse_frontier(frontier)
        except RemoteProtocolError:
            self._problem(None, "the stored tree of the log is damaged")
        self._checkpoints, self._mark = checkpoints, mark

    def read(self, ahead: StoredEntry | None, rows: Iterator[StoredEntry]) -> StoredEntry | None:
        """Check the entries of this log; return the first that is not of this log."""
        stops = sorted({c.size for c in self._checkpoints} | ({self._mark.size} if self._mark else set()))
        hashes: list[bytes] = []
        while ahead is not None and ahead.row_id >> records.SHARD_SHIFT == self.shard.number:
            if ahead.index != self._position:
                self._problem(self._position, f"entries {self._position} to {ahead.index - 1} are missing")
                self.whole = False
                self._position = ahead.index
            hashes.append(leaf_hash(ahead.leaf))
            self._entry(ahead)
            self._position += 1
            if self._position in stops or len(hashes) >= _CHUNK:
                self._grow(hashes)
            ahead = next(rows, None)
        self._grow(hashes)
        return ahead

    def finish(
        self, node_rows: list[tuple[int, int, bytes]], before: "_ShardCheck | None", *, expect_mark: bool
    ) -> None:
        """Compare the ends: tree, subtree roots, mark, and the log before this one."""
        report, size = self._report, self._position
        last = max((checkpoint.size for checkpoint in self._checkpoints), default=0)
        if self._stored is not None and self._stored.size > size:
            self._problem(size, f"entries {size} to {self._stored.size - 1} are missing at the end")
        elif self._stored is not None and self.whole and self._stored != self.tree:
            self._problem(min(size, self._stored.size), "the entries do not give the stored tree of the log")
        for checkpoint in self._checkpoints:
            if checkpoint.size > size:
                self._problem(size, f"entries up to {checkpoint.size - 1} were signed and are missing")
        if self.whole and sorted(self._nodes) != node_rows:
            self._problem(None, "the stored roots of parts of the tree are not those of the entries")
        self._finish_mark(last, expect_mark)
        self._finish_opening(before)
        report.unsigned += max(size - last, 0)
        report.heads.append((self.shard.origin, size, self.tree.root().hex() if self.whole else ""))

    def _finish_mark(self, last: int, expect_mark: bool) -> None:
        mark = self._mark
        if mark is None:
            if expect_mark and self._checkpoints:
                self._problem(None, "the file beside the database has no mark of this signed log")
        elif mark.size > self._position:
            self._problem(
                self._position,
                f"the log had {mark.size} entries, the database holds {self._position}: an old copy, or cut",
            )
        elif mark.size > last:
            self._report.notes.append(f"{self.shard.origin}: checkpoint {mark.size} is not stored (yet)")

    def _finish_opening(self, before: "_ShardCheck | None") -> None:
        opening = self.opening
        if opening is None:
            return
        if opening.kind is not EventKind.LOG_OPENED:
            self._problem(0, "the log does not begin with its opening")
        elif before is None:
            if opening.result != "first":
                self._problem(0, "the log before this one is missing")
        elif before.whole and (
            opening.msg != before.shard.origin
            or opening.result != f"size={before.tree.size}"
            or opening.digest != before.tree.root().hex()
        ):
            self._problem(0, "the log before this one is not the one that was there at the opening")

    def _entry(self, stored: StoredEntry) -> None:
        self._report.entries += 1
        if stored.vault is None:
            self._problem(stored.index, "what opens this entry was taken away")
            return
        try:
            event = self._vault.open_entry(stored.leaf, stored.vault, stored.row_id)
        except RemoteProtocolError as error:
            self._problem(stored.index, f"the entry was changed or stands in another's place: {error}")
            return
        if stored.index == 0:
            self.opening = event

    def _grow(self, hashes: list[bytes]) -> None:
        if not hashes:
            return
        self.tree = self.tree.append(hashes, lambda *node: self._nodes.append(node))
        hashes.clear()
        if not self.whole:
            return
        root = self.tree.root()
        for checkpoint in self._checkpoints:
            if checkpoint.size == self.tree.size:
                self._checkpoint(checkpoint, root)
        if self._mark is not None and self._mark.size == self.tree.size and self._mark.root != root.hex():
            self._problem(None, f"the first {self._mark.size} entries are not those of the mark")

    def _checkpoint(self, stored: StoredCheckpoint, root: bytes) -> None:
        try:
            known = log_keys(self.shard.origin, self._signer)
            found = verify_checkpoint(stored.note.encode(), known, required=known).checkpoint
        except RemoteProtocolError as error:
            self._problem(None, f"checkpoint {stored.size} does not verify: {error}")
            return
        if found.origin != self.shard.origin or found.size != stored.size:
            self._problem(None, f"checkpoint {stored.size} is one of another log or size")
        elif found.root != root:
            self._problem(self._last_good(stored.size), f"checkpoint {stored.size} signed other entries")
        elif stored.frontier != self.tree.to_bytes():
            self._problem(None, f"checkpoint {stored.size} is stored with another tree")
        else:
            self._report.checkpoints += 1

    def _last_good(self, size: int) -> int:
        """Return the size of the checkpoint before: entries from there on are in doubt."""
        return max((c.size for c in self._checkpoints if c.size < size), default=0)

    def _problem(self, index: int | None, what: str) -> None:
        self._report.add(self.shard.origin, index, what)
