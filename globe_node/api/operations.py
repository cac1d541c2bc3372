# SPDX-License-Identifier: Apache-2.0
"""The table of operations that programs of this authority may ask for. It knows no HTTP.

1. What only reads needs no running node: the command line runs it on a stopped node's store as well.
2. What changes only the directory, or logs a look-up, needs a store that can be written.
3. What acts goes through the rooms of the running node, and leaves its entry in the audit log there.
"""

from collections.abc import Awaitable, Callable, Mapping
from typing import TypeVar

from globe_node.api import acts, custody, directory_acts, guide_acts, reads
from globe_node.api.arguments import (
    Arguments,
    ArrivalsArguments,
    AuditArguments,
    AuthorityArguments,
    BackupArguments,
    CaseArguments,
    EvidenceArguments,
    GreetArguments,
    GuideArguments,
    GuideFileArguments,
    ListArguments,
    MembersArguments,
    NoArguments,
    ReadArguments,
    RouteArguments,
    SearchArguments,
    StatementsArguments,
    SubmitArguments,
    parse_arguments,
)
from globe_node.api.rooms import ReadingRooms, RunningRooms
from globe_node.errors import NodeError, NotFoundError
from protocol.canonical import JSONObject
from protocol.errors import ReasonCode

A = TypeVar("A", bound=Arguments)
Reading = Callable[[ReadingRooms, JSONObject], Awaitable[JSONObject]]
Act = Callable[[RunningRooms, JSONObject], Awaitable[JSONObject]]


def _reads(model: type[A], read: Callable[[ReadingRooms, A], Awaitable[JSONObject]]) -> Reading:
    async def run(rooms: ReadingRooms, value: JSONObject) -> JSONObject:
        return await read(rooms, parse_arguments(model, value))

    return run


def _acts(model: type[A], act: Callable[[RunningRooms, A], Awaitable[JSONObject]]) -> Act:
    async def run(rooms: RunningRooms, value: JSONObject) -> JSONObject:
        return await act(rooms, parse_arguments(model, value))

    return run


READS: Mapping[str, Reading] = {
    "consult.list": _reads(ListArguments, reads.list_consultations),
    "consult.show": _reads(CaseArguments, reads.show_consultation),
    "consult.receipts": _reads(CaseArguments, reads.show_receipts),
    "audit.list": _reads(AuditArguments, reads.list_audit),
    "audit.verify": _reads(NoArguments, reads.verify_audit),
    "delivery.sums": _reads(NoArguments, reads.delivery_sums),
    "directory.heads": _reads(NoArguments, reads.directory_heads),
    "directory.route": _reads(RouteArguments, directory_acts.advise_route),
    "guide.show": _reads(GuideArguments, guide_acts.show_guide),
    "directory.export": _reads(NoArguments, reads.export_directory),
    "directory.public": _reads(NoArguments, reads.public_directory),
    "health": _reads(NoArguments, reads.health),
    "quarantine.list": _reads(NoArguments, custody.list_quarantine),
}
"""What only reads."""

WRITES: Mapping[str, Reading] = {
    "directory.search": _reads(SearchArguments, directory_acts.search_directory),
    "directory.show": _reads(AuthorityArguments, directory_acts.show_authority),
    "guide.import": _reads(GuideFileArguments, guide_acts.import_guide),
    "backup.note": _reads(BackupArguments, custody.note_backup),
    "directory.import": _reads(StatementsArguments, directory_acts.import_statements),
    "quarantine.dismiss": _reads(NoArguments, custody.dismiss_quarantine),
}
"""What needs a store that can be written, and no running node."""

ACTS: Mapping[str, Act] = {
    "consult.arrivals": _acts(ArrivalsArguments, acts.await_arrivals),
    "consult.members": _acts(MembersArguments, acts.change_members),
    "consult.submit": _acts(SubmitArguments, acts.submit),
    "consult.open": _acts(ReadArguments, acts.open_record),
    "evidence.export": _acts(EvidenceArguments, acts.export_evidence),
    "peers.examine": _acts(AuthorityArguments, acts.examine_peer),
    "peers.greet": _acts(GreetArguments, acts.greet_peers),
    "node.status": _acts(NoArguments, acts.status),
}
"""What acts, and needs the running node."""


class Operations:
    """Runs operations by name.

    Args:
        reading: what reading needs.
        running: the rooms of the running node, or None beside a stopped one.
    """

    def __init__(self, reading: ReadingRooms, running: RunningRooms | None) -> None:
        self._reading = reading
        self._running = running

    async def run(self, name: str, arguments: JSONObject) -> JSONObject:
        """Run one operation.

        Raises:
            NotFoundError: there is no such operation.
            NodeError: it can't be done, with what to do.
            ProtocolError: an argument or a statement breaks a rule.
        """
        read = READS.get(name) or WRITES.get(name)
        if read is not None:
            return await read(self._reading, arguments)
        act = ACTS.get(name)
        if act is None:
            raise NotFoundError("there is no such operation")
        if self._running is None:
            raise NodeError(
                "the node is not running",
                hint="Start it with `globe-node run`; reading works without it.",
                code=ReasonCode.BUSY,
            )
        return await act(self._running, arguments)
