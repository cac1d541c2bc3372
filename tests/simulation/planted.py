# SPDX-License-Identifier: Apache-2.0
"""Eight defects as they happen in real products, planted on request: the seeds must find each of them.

Each replaces one part of the product, or of what a restore does, while its block runs, and nothing else.
"""

import contextlib
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from dataclasses import replace
from typing import Any, TypeVar
from unittest.mock import patch

from globe_node.consultations.drafting.sealing import Sealer
from globe_node.consultations.office import Office
from globe_node.delivery import inbox, outbox
from globe_node.delivery.lanes import Lane
from globe_node.delivery.link import Answer
from globe_node.delivery.outbox import SentRow
from globe_node.delivery.records import HeldState
from globe_node.faults import NoFaults
from globe_node.groups.book import GroupBook
from globe_node.groups.links import LinkRow
from globe_node.groups.shelf import Shelf
from globe_node.store.door import InlineDoor, Transaction
from globe_node.store.driver import driver_of
from protocol.envelope import EnvelopeClass, Frame, envelope_hash, parse_envelope
from protocol.errors import ReasonCode
from protocol.groups.sealed import Said, kind_of
from protocol.identifiers import AuthorityId, Digest, EnvelopeId, uuid7
from protocol.receipts import DeliveryState, ReceiptStatus
from tests.simulation.world import World

T = TypeVar("T")
Plant = Callable[[], contextlib.AbstractContextManager[object]]


@contextlib.contextmanager
def ack_before_commit() -> Iterator[None]:
    """A write is called done before it is durable: the next one makes it so, and a crash loses it."""

    async def write(door: InlineDoor, function: Callable[[Transaction], T]) -> T:
        writer = door._database.writer
        driver = driver_of(writer)
        if driver.in_transaction:
            driver.execute("COMMIT")
        driver.execute("BEGIN")
        driver.execute("SAVEPOINT door")
        try:
            return function(writer)
        except BaseException:
            driver.execute("ROLLBACK TO door")
            raise

    async def read(door: InlineDoor, function: Callable[[Transaction], T]) -> T:
        return function(door._database.writer)

    made = InlineDoor.__init__

    def start(door: InlineDoor, database: object, faults: object) -> None:
        made(door, database, faults)  # type: ignore[arg-type]  # handed on
        driver_of(door._database.writer).rollback()  # what the last process had not made durable

    with (
        patch.object(InlineDoor, "write", write),
        patch.object(InlineDoor, "read", read),
        patch.object(InlineDoor, "__init__", start),
    ):
        yield


@contextlib.contextmanager
def dedup_forgotten() -> Iterator[None]:
    """What was decided is forgotten: a late repeat is taken for something new."""
    finish = inbox.finish

    def forget(tx: Transaction, positions: Collection[int], *, state: HeldState, receipt: int) -> None:
        finish(tx, positions, state=state, receipt=receipt)
        driver_of(tx).executemany("DELETE FROM inbox WHERE position = ?", [(item,) for item in positions])

    with patch.object(inbox, "finish", forget):
        yield


@contextlib.contextmanager
def negative_turns_positive() -> Iterator[None]:
    """The last receipt wins, whatever was known before."""

    def advance(_current: DeliveryState, status: ReceiptStatus) -> DeliveryState:
        return DeliveryState(status.value)

    with patch.object(outbox, "advance", advance):
        yield


@contextlib.contextmanager
def new_id_on_retry() -> Iterator[None]:
    """What is sent again is sealed anew, under a new id that nobody can know as a repeat."""
    ask, made = Lane._ask, Sealer.__init__
    offices: dict[AuthorityId, Office] = {}

    def remember(sealer: Sealer, office: Office, **more: Any) -> None:
        made(sealer, office, **more)
        offices[office.node_keys.authority] = office

    async def ask_anew(lane: Lane, parcel: object) -> Answer:
        if lane.status.failures and parcel.operation.value == "envelopes":  # type: ignore[attr-defined]
            office = offices[lane._tools.clerk.authority]
            octets = await lane._tools.store.write(
                lambda tx: [_sent_anew(office, tx, one) for one in parcel.octets]  # type: ignore[attr-defined]
            )
            parcel = replace(parcel, octets=octets)  # type: ignore[type-var]
        return await ask(lane, parcel)  # type: ignore[arg-type]

    with patch.object(Lane, "_ask", ask_anew), patch.object(Sealer, "__init__", remember):
        yield


@contextlib.contextmanager
def receipt_not_bound() -> Iterator[None]:
    """A receipt counts for whatever waits for that peer, not for the envelopes it names."""

    def any_row(tx: Transaction, peer: AuthorityId, digests: Iterable[Digest]) -> dict[Digest, SentRow]:
        sql = "SELECT envelope_id FROM outbox WHERE peer = ? AND operation = 0 AND state = 'queued'"
        ids = [row[0] for row in driver_of(tx).execute(sql, (peer,))]
        rows = [row for row in outbox.sent(tx, ids) if row.peer == peer]
        return dict(zip(digests, rows, strict=False))

    with (
        patch.object(outbox, "_by_hash", any_row),
        patch.object(outbox, "_mismatch", lambda row, _entry: None if row else ReasonCode.ACK_UNKNOWN),
    ):
        yield


@contextlib.contextmanager
def wakes_for_new_traffic_only() -> Iterator[None]:
    """A peer that failed is tried again when there is something new for it, and at no other time."""
    fail, wake = Lane._set_failure, Lane.wake

    def fail_for_ever(lane: Lane, code: ReasonCode, retry_after: float | None) -> None:
        fail(lane, code, retry_after)
        lane._not_before = float("inf")

    def wake_up(lane: Lane) -> None:
        lane._not_before = 0.0
        wake(lane)

    with (
        patch.object(Lane, "_set_failure", fail_for_ever),
        patch.object(Lane, "wake", wake_up),
        patch.object(Lane, "heard", lambda _lane: None),
        patch.object(Lane, "_next_attempt_ms", lambda _lane: 0),
    ):
        yield


@contextlib.contextmanager
def key_not_spent() -> Iterator[None]:
    """A record is sealed, and the group is stored as if it had not been: what follows gets the same key."""
    seal = GroupBook.seal

    def seal_only(book: GroupBook, link: LinkRow, frame: Frame, data: bytes) -> bytes:
        before = book.require_group(link)
        envelope = seal(book, link, frame, data)
        if kind_of(data) is Said.RECORD:
            book.put_group(before)
        return envelope

    with patch.object(GroupBook, "seal", seal_only):
        yield


@contextlib.contextmanager
def old_state_put_back() -> Iterator[None]:
    """Whoever starts again was put back, and has the keys that its groups had when their epochs began."""
    copies: dict[tuple[int, bytes], tuple[Any, ...]] = {}
    write_whole = Shelf.write_whole

    def write_with_copy(
        shelf: Shelf, tx: Transaction, states: Mapping[bytes, tuple[bytes, bytes]], now_ms: int
    ) -> dict[bytes, tuple[bytes, bytes]]:
        revisions = write_whole(shelf, tx, states, now_ms)
        for group_id in states:
            sql = "SELECT * FROM group_ratchet WHERE group_id = ?"
            copies[id(driver_of(tx)), group_id] = driver_of(tx).execute(sql, (group_id,)).fetchone()
        return revisions

    async def put_back(world: World, name: str) -> None:
        def write(tx: Transaction) -> None:
            for (driver, _), row in copies.items():
                if driver == id(driver_of(tx)):
                    marks = ", ".join("?" * len(row))
                    driver_of(tx).execute(f"INSERT OR REPLACE INTO group_ratchet VALUES ({marks})", row)

        await InlineDoor(world.disks[name], NoFaults()).write(write)

    with (
        patch.object(Shelf, "write_whole", write_with_copy),
        patch.object(World, "_take_secrets", put_back),
    ):
        yield


PLANTS: dict[Plant, str] = {
    ack_before_commit: "lost",
    dedup_forgotten: "doubled",
    negative_turns_positive: "moved back",
    new_id_on_retry: "sum",
    receipt_not_bound: "lost",
    wakes_for_new_traffic_only: "no end",
    key_not_spent: "key",
    old_state_put_back: "key",
}
"""Each defect, and the finding that it must lead to; another finding does not count."""


def _sent_anew(office: Office, tx: Transaction, octets: bytes) -> bytes:
    """Seal the record of an envelope again, under a new id; leave what carries no record as it is."""
    driver = driver_of(tx)
    frame = parse_envelope(octets).frame
    sql = "SELECT record_id, application_data FROM record WHERE envelope_id = ?"
    found = driver.execute(sql, (frame.envelope_id,)).fetchone()
    if frame.envelope_class is not EnvelopeClass.APPLICATION or found is None:
        return octets
    book = office.book(tx)
    link = book.link_by_route(frame.routing_id)
    if link is None:
        return octets
    new_id = EnvelopeId(uuid7(office.now_ms(), office.entropy.random_bytes(10)).bytes)
    anew = book.seal(link, replace(frame, envelope_id=new_id), office.open_record(*found))
    book.write()
    _replace_row(tx, frame.envelope_id, new_id, anew)
    return anew


def _replace_row(tx: Transaction, old_id: EnvelopeId, new_id: EnvelopeId, octets: bytes) -> None:
    driver = driver_of(tx)
    digest = envelope_hash(octets)
    driver.execute("UPDATE record SET envelope_id = ? WHERE envelope_id = ?", (new_id, old_id))
    driver.execute(
        "UPDATE outbox_body SET octets = ? WHERE position = (SELECT body FROM outbox WHERE envelope_id = ?)",
        (octets, old_id),
    )
    driver.execute(
        "UPDATE outbox SET envelope_id = ?, envelope_hash = ?, hash_prefix = ? WHERE envelope_id = ?",
        (new_id, digest, outbox.hash_prefix(digest), old_id),
    )
