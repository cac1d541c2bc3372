# SPDX-License-Identifier: Apache-2.0
"""Operations that change the directory, or leave a look-up in the audit log. They need no running node.

1. Beside a stopped node they run on its store, opened for writing and locked; beside a running one, in it.
2. Seeing contact points is logged before they are shown.
"""

from datetime import datetime

from globe_node.api.arguments import AuthorityArguments, SearchArguments, StatementsArguments
from globe_node.api.forms import json_object, json_of
from globe_node.api.rooms import ReadingRooms
from globe_node.directory import lookup
from protocol.audit.events import AuditEvent
from protocol.canonical import JSONObject, JSONValue
from protocol.directory.entries import AuthorityEntry, Hit, Query


async def search_directory(rooms: ReadingRooms, asked: SearchArguments) -> JSONObject:
    """Find authorities and contact points; seeing contact points is logged."""
    query = Query(
        country=asked.country or None,
        function=asked.asked_function(),
        language=asked.language or None,
        name=asked.name or None,
    )
    now = rooms.clock.now()
    found = lookup.search(rooms.register.state, query, at=now, officer=asked.officer)
    await _log(rooms, found.event)
    return {"authorities": [_hit_object(hit, now) for hit in found.hits]}


async def show_authority(rooms: ReadingRooms, asked: AuthorityArguments) -> JSONObject:
    """Show the whole entry of one authority; seeing contact points is logged."""
    now = rooms.clock.now()
    entry, event = lookup.show(rooms.register.state, asked.id(), at=now, officer=asked.officer)
    await _log(rooms, event)
    return entry_object(entry, now)


async def import_statements(rooms: ReadingRooms, asked: StatementsArguments) -> JSONObject:
    """Judge statements and keep those that hold; pin the network first, if a fingerprint is given."""
    register = rooms.register
    if asked.network:
        await register.pin(asked.fingerprint())
    report = await register.admit(asked.decoded(), source=asked.source)
    return {
        "counts": {outcome.value: count for outcome, count in sorted(report.counts.items())},
        "refused": [json_object(one) for one in report.refused],
        "changed": report.changed,
    }


def entry_object(entry: AuthorityEntry, now: datetime) -> JSONObject:
    """Return an authority as programs get it."""
    in_use = entry.node_in_use(now)
    nodes: list[JSONValue] = [
        {
            "node": node.node,
            "key": node.signing.key_id,
            "encryption_key": node.encryption_key_id,
            "state": node.state.value,
            "in_use": node is in_use,
            "not_after": json_of(node.not_after),
        }
        for node in entry.nodes
    ]
    return {
        "authority": entry.authority,
        "country": entry.country,
        "names": json_of(entry.names),
        "kind": entry.kind.value,
        "status": entry.status_at(now).value,
        "root_key": entry.root_key.key_id,
        "not_after": json_of(entry.not_after),
        "profile": entry.profile.to_object() if entry.profile is not None else {},
        "legal": entry.legal.to_object() if entry.legal is not None else {},
        "measures": [measure.to_object() for measure in entry.measures],
        "contacts": json_of(entry.contacts),
        "endpoints": json_of(entry.endpoints),
        "nodes": nodes,
    }


def _hit_object(hit: Hit, now: datetime) -> JSONObject:
    return {**entry_object(hit.entry, now), "contacts": json_of(hit.contacts)}


async def _log(rooms: ReadingRooms, event: AuditEvent | None) -> None:
    if event is not None:
        await rooms.store.write(lambda tx: rooms.audit.append(tx, [event]))
