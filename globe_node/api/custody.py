# SPDX-License-Identifier: Apache-2.0
"""Operations of the operator: noting a backup, looking at what is in quarantine and letting it go.

The copying of a home folder itself is the command line's.
"""

from uuid import UUID

from globe_node.api.arguments import BackupArguments, NoArguments
from globe_node.api.forms import json_of
from globe_node.api.rooms import ReadingRooms
from globe_node.consultations.moments import moment_of
from globe_node.delivery import inbox
from globe_node.delivery.inbox import PutAway
from globe_node.store.door import Transaction
from protocol.audit.events import AuditEvent, EventKind
from protocol.canonical import JSONObject


async def note_backup(rooms: ReadingRooms, asked: BackupArguments) -> JSONObject:
    """Record that a backup was made."""
    event = AuditEvent(kind=EventKind.BACKUP, at=rooms.clock.now(), digest=asked.file_digest(), result="ok")
    indices = await rooms.store.write(lambda tx: rooms.audit.append(tx, [event]))
    return {"index": indices[0]}


MAX_LISTED = 1_000
"""Envelopes in quarantine that one answer names, and that are let go at a time."""


async def list_quarantine(rooms: ReadingRooms, _asked: NoArguments) -> JSONObject:
    """Name the envelopes on which this node failed."""
    found = await rooms.store.read(lambda tx: inbox.quarantined(tx, MAX_LISTED))
    return {"quarantine": [_put_away_object(one) for one in found]}


async def dismiss_quarantine(rooms: ReadingRooms, _asked: NoArguments) -> JSONObject:
    """Let go of everything in quarantine; each envelope leaves an entry in the audit log."""

    def dismiss(tx: Transaction) -> list[PutAway]:
        found = inbox.quarantined(tx, MAX_LISTED)
        inbox.dismiss(tx, [one.position for one in found])
        rooms.audit.append(tx, [_dismissal(rooms, one) for one in found])
        return found

    dismissed = await rooms.store.write(dismiss)
    return {"dismissed": [_put_away_object(one) for one in dismissed]}


def _dismissal(rooms: ReadingRooms, one: PutAway) -> AuditEvent:
    return AuditEvent(
        kind=EventKind.QUARANTINED,
        at=rooms.clock.now(),
        peer=one.sender,
        msg=str(UUID(bytes=one.envelope_id)),
        digest=one.envelope_hash,
        result="dismissed",
    )


def _put_away_object(one: PutAway) -> JSONObject:
    return {
        "sender": one.sender,
        "envelope": str(UUID(bytes=one.envelope_id)),
        "hash": one.envelope_hash,
        "received_at": json_of(moment_of(one.received_ms)),
    }
