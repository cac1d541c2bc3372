# SPDX-License-Identifier: Apache-2.0
"""Looking up whom to ask. Reads the register only; the caller writes the audit event it returns.

1. Seeing contact persons is an act: the event says who looked, with which codes, and how many were found.
   It never holds the name that was typed.
2. Seeing authorities without contact points is no such act.
"""

from dataclasses import dataclass
from datetime import datetime

from protocol.audit.events import AuditEvent, EventKind
from protocol.directory.entries import AuthorityEntry, Hit, Query
from protocol.directory.replay import DirectoryState
from protocol.errors import LocalProtocolError, ReasonCode
from protocol.identifiers import AuthorityId


@dataclass(frozen=True, slots=True)
class Found:
    """What was found, and the event to be logged if contact points are among it."""

    hits: tuple[Hit, ...]
    event: AuditEvent | None


def search(state: DirectoryState, query: Query, *, at: datetime, officer: str = "") -> Found:
    """Find authorities and contact points.

    Args:
        state: the directory.
        query: what is asked for.
        at: the moment for which contact points must be valid.
        officer: pseudonym of the person who looks.
    """
    hits = state.search(query, at)
    shown = sum(len(hit.contacts) for hit in hits)
    if not shown:
        return Found(hits, None)
    asked = {"country": query.country, "function": query.function, "language": query.language}
    words = [f"{name}={value}" for name, value in asked.items() if value]
    words += ["name"] if query.name else []
    event = AuditEvent(
        kind=EventKind.DIRECTORY_LOOKUP,
        at=at,
        officer=officer,
        dir_size=state.view.size,
        result=",".join([*words, f"contacts={shown}"]),
    )
    return Found(hits, event)


def show(
    state: DirectoryState, authority: AuthorityId, *, at: datetime, officer: str = ""
) -> tuple[AuthorityEntry, AuditEvent | None]:
    """Return the whole entry of one authority, and the event to be logged if it has contact points.

    Raises:
        LocalProtocolError: no such authority (`unknown_authority`).
    """
    entry = state.authority(authority)
    if entry is None:
        raise LocalProtocolError("no such authority in the directory", code=ReasonCode.UNKNOWN_AUTHORITY)
    if not entry.contacts:
        return entry, None
    event = AuditEvent(
        kind=EventKind.DIRECTORY_LOOKUP,
        at=at,
        peer=authority,
        officer=officer,
        dir_size=state.view.size,
        result=f"contacts={len(entry.contacts)}",
    )
    return entry, event
