# SPDX-License-Identifier: Apache-2.0
"""Operations that change the directory, or leave a look-up in the audit log. They need no running node.

1. Beside a stopped node they run on its store, opened for writing and locked; beside a running one, in it.
2. Seeing contact points is logged before they are shown.
"""

from collections.abc import Sequence
from datetime import datetime

from globe_node.api.arguments import (
    AuthorityArguments,
    RouteArguments,
    SearchArguments,
    StatementsArguments,
)
from globe_node.api.forms import json_object, json_of
from globe_node.api.rooms import ReadingRooms
from globe_node.lookup import desk, guide
from protocol.audit.events import AuditEvent
from protocol.canonical import JSONObject, JSONValue
from protocol.directory.entries import AuthorityEntry
from protocol.lookup.advice import Remark, Route
from protocol.lookup.queries import Hit, confirmed_on
from protocol.lookup.routing import advise


async def search_directory(rooms: ReadingRooms, asked: SearchArguments) -> JSONObject:
    """Find authorities and contact points, the best first; seeing contact points is logged."""
    now = rooms.clock.now()
    shown = await rooms.lookup.search(rooms.register.state, asked.search(), at=now, officer=asked.officer)
    await _log(rooms, shown.events)
    found = shown.found
    without: list[JSONValue] = []
    if not found.hits:
        without.extend(await rooms.lookup.in_the_way(rooms.register.state, asked.search(), at=now))
    return {
        "authorities": [_hit_object(hit, now) for hit in found.hits],
        "candidates": found.candidates,
        "complete": found.complete,
        "all_words": found.all_words,
        "without": without,
        "directory_size": rooms.register.state.view.size,
    }


async def advise_route(rooms: ReadingRooms, asked: RouteArguments) -> JSONObject:
    """Say whom to ask in a country and what a formal request would need; shows no contact point."""
    state, now = rooms.register.state, rooms.clock.now()
    own = state.authority(rooms.me)
    need = asked.need(own.profile if own is not None else None)
    advice = advise(state.authorities, need, now)
    facts = await rooms.store.read(lambda tx: guide.facts_of(tx, need.country, need.help))
    return {
        "country": need.country,
        "help": need.help.value,
        "routes": [_route_object(route, now) for route in advice.routes],
        "formal": json_object(advice.formal) if advice.formal is not None else {},
        "warnings": [_remark_object(remark) for remark in advice.warnings],
        "guide": [json_object(fact) for fact in facts],
    }


async def show_authority(rooms: ReadingRooms, asked: AuthorityArguments) -> JSONObject:
    """Show the whole entry of one authority; seeing contact points is logged."""
    now = rooms.clock.now()
    entry, events = desk.show(rooms.register.state, asked.id(), at=now, officer=asked.officer)
    await _log(rooms, events)
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
    """Return what a list shows of an authority that was found."""
    entry, profile = hit.entry, hit.entry.profile
    confirmed = confirmed_on(entry)
    contacts: list[JSONValue] = [
        {**found.contact.to_object(), "duty": json_object(found.duty)} for found in hit.contacts
    ]
    return {
        "authority": entry.authority,
        "country": entry.country,
        "names": json_of(entry.names),
        "kind": entry.kind.value,
        "status": entry.status_at(now).value,
        "functions": json_of(profile.functions) if profile is not None else [],
        "languages": json_of(profile.languages_accepted) if profile is not None else [],
        "confirmed_at": confirmed.isoformat() if confirmed is not None else "",
        "score": hit.score,
        "reasons": [{**json_object(reason), "warns": reason.kind.warns} for reason in hit.reasons],
        "contacts": contacts,
    }


def _route_object(route: Route, now: datetime) -> JSONObject:
    entry = route.entry
    return {
        "authority": entry.authority,
        "names": json_of(entry.names),
        "kind": entry.kind.value,
        "status": entry.status_at(now).value,
        "way": route.way.value,
        "basis": route.basis.value,
        "channel": route.channel.value,
        "address": route.address,
        "languages": json_of(route.languages),
        "hours": route.hours,
        "score": route.score,
        "remarks": [_remark_object(remark) for remark in route.remarks],
    }


def _remark_object(remark: Remark) -> JSONObject:
    return {**json_object(remark), "warns": remark.kind.warns}


async def _log(rooms: ReadingRooms, events: Sequence[AuditEvent]) -> None:
    if events:
        await rooms.store.write(lambda tx: rooms.audit.append(tx, events))
