# SPDX-License-Identifier: Apache-2.0
"""Operations about the custody of the home folder. The copying itself is the command line's."""

from globe_node.api.arguments import BackupArguments
from globe_node.api.rooms import ReadingRooms
from protocol.audit.events import AuditEvent, EventKind
from protocol.canonical import JSONObject


async def note_backup(rooms: ReadingRooms, asked: BackupArguments) -> JSONObject:
    """Record that a backup was made."""
    event = AuditEvent(kind=EventKind.BACKUP, at=rooms.clock.now(), digest=asked.file_digest(), result="ok")
    indices = await rooms.store.write(lambda tx: rooms.audit.append(tx, [event]))
    return {"index": indices[0]}
