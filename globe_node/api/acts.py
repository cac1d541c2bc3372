# SPDX-License-Identifier: Apache-2.0
"""Operations that act, through the rooms of the running node. Each act leaves its entry in the audit log."""

from globe_node.api.answers import error_object
from globe_node.api.arguments import (
    ArrivalsArguments,
    AuthorityArguments,
    EvidenceArguments,
    GreetArguments,
    MembersArguments,
    NoArguments,
    ReadArguments,
    SubmitArguments,
)
from globe_node.api.forms import json_object, json_of
from globe_node.api.rooms import RunningRooms
from globe_node.consultations.drafting.drafts import Draft, Submitted
from globe_node.consultations.drafting.membership import draft_of
from globe_node.errors import NodeError
from protocol.canonical import JSONObject
from protocol.errors import ProtocolError
from protocol.limits import CLOCK_TOLERANCE_SECONDS
from protocol.octets import base64_text


async def submit(rooms: RunningRooms, asked: SubmitArguments) -> JSONObject:
    """Take messages in; each has an outcome of its own, in the order asked."""
    drafts: list[Draft] = []
    outcomes: list[JSONObject | None] = []
    for one in asked.drafts:
        try:
            drafts.append(one.draft())
            outcomes.append(None)
        except (NodeError, ProtocolError) as error:
            outcomes.append(error_object(error))
    results = iter(await rooms.desk.submit_many(drafts))
    return {
        "outcomes": [
            outcome if outcome is not None else _outcome_object(next(results)) for outcome in outcomes
        ]
    }


async def change_members(rooms: RunningRooms, asked: MembersArguments) -> JSONObject:
    """Let authorities join or leave a consultation; the outcome is that of one message."""
    change, reading = asked.change(), rooms.reading
    draft = await reading.store.read(lambda tx: draft_of(tx, reading.node_keys.storage, reading.me, change))
    return {"outcomes": [_outcome_object(outcome) for outcome in await rooms.desk.submit_many([draft])]}


async def await_arrivals(rooms: RunningRooms, asked: ArrivalsArguments) -> JSONObject:
    """Name the records that came in after a position; wait for the first one if none did yet."""
    found = await rooms.arrivals.beyond(
        rooms.reading.store, asked.after, limit=asked.limit, wait_seconds=asked.wait_seconds
    )
    return {
        "arrivals": [json_object(arrival) for arrival in found],
        "next": found[-1].position if found else asked.after,
    }


async def open_record(rooms: RunningRooms, asked: ReadArguments) -> JSONObject:
    """Open one record for a practitioner, with its attachments."""
    reading = await rooms.opener.open(asked.id(), justification=asked.justification, officer=asked.officer)
    content = reading.signed.content
    listed = zip(content.attachments, reading.signed.attachments, strict=True)
    return {
        "first": reading.first,
        "record": json_of(
            {
                "record_id": content.record_id,
                "consultation": content.consultation,
                "type": content.type,
                "author": content.author.authority,
                "created": content.created,
                "handling": content.handling,
                "legal_basis": content.legal_basis,
                "body": content.body,
            }
        ),
        "attachments": [{**json_object(entry), "data": base64_text(data)} for entry, data in listed],
    }


async def export_evidence(rooms: RunningRooms, asked: EvidenceArguments) -> JSONObject:
    """Gather the evidence of a consultation."""
    bundle = await rooms.exporter.export(
        asked.id(),
        with_attachments=asked.attachments,
        justification=asked.justification,
        officer=asked.officer,
    )
    return {"bundle": base64_text(bundle), "network": rooms.reading.register.state.network.fingerprint}


async def greet_peers(rooms: RunningRooms, asked: GreetArguments) -> JSONObject:
    """Greet some or all neighbours now and tell how it went."""
    peers = [asked.id()] if asked.authority else list(rooms.book.others())
    for peer in peers:
        await rooms.rounds.greet(peer)
    known = rooms.rounds.acquaintances()
    return {"peers": {peer: json_object(known[peer]) for peer in peers if peer in known}}


async def examine_peer(rooms: RunningRooms, asked: AuthorityArguments) -> JSONObject:
    """Test the line to one peer, step by step."""
    findings = await rooms.examine(asked.id())
    return {
        "findings": [
            {"step": str(one.step), "ok": one.ok, "sentence": one.sentence, "action": one.action}
            for one in findings
        ]
    }


async def status(rooms: RunningRooms, _asked: NoArguments) -> JSONObject:
    """Tell how things stand with every peer, and whether our clock can be right."""
    known = rooms.rounds.acquaintances()
    skews = sorted(one.skew_seconds for one in known.values() if one.failure is None)
    middle = skews[len(skews) // 2] if skews else 0.0
    return {
        "running": True,
        "clock_ok": abs(middle) <= CLOCK_TOLERANCE_SECONDS,
        "clock_skew_seconds": round(middle),
        "lanes": [json_of(lane) for lane in rooms.courier.status()],
        "awaiting_keys": [json_of(awaited) for awaited in rooms.supply.status()],
        "silent_members": list(rooms.caretaker.silent),
        "peers": {peer: json_object(one) for peer, one in sorted(known.items())},
    }


def _outcome_object(outcome: Submitted | NodeError | ProtocolError) -> JSONObject:
    return outcome.to_json() if isinstance(outcome, Submitted) else error_object(outcome)
