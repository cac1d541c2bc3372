# SPDX-License-Identifier: Apache-2.0
"""Operations that only read. They need a store and keys, and no running node."""

from globe_node.api.arguments import AuditArguments, CaseArguments, ListArguments, NoArguments
from globe_node.api.forms import json_object, json_of
from globe_node.api.rooms import ReadingRooms
from globe_node.audit import fsck, review
from globe_node.audit.review import Question
from globe_node.consultations import casefile
from globe_node.consultations.casefile import RecordView
from globe_node.consultations.moments import moment_of, unix_milliseconds
from globe_node.delivery import inbox, outbox
from globe_node.directory import exchange
from globe_node.directory.publication import Publisher
from globe_node.groups.members import equivocations
from globe_node.store.door import Transaction
from protocol.canonical import JSONObject, JSONValue
from protocol.identifiers import AuthorityId
from protocol.octets import base64_text

_CONTENT = frozenset({"attachments", "body", "legal_basis"})
"""Members of a record that only `consult.open` shows."""
EQUIVOCATION_SHOWN_MS = 30 * 86_400_000
"""How long `health` tells that a hub was convicted; the consultation shows it for ever."""


async def list_consultations(rooms: ReadingRooms, asked: ListArguments) -> JSONObject:
    """List consultations, newest first."""
    cases = await rooms.store.read(
        lambda tx: casefile.list_cases(
            tx,
            rooms.node_keys.storage,
            rooms.me,
            states=asked.states,
            before=asked.cursor(),
            limit=asked.limit,
        )
    )
    page: dict[str, JSONValue] = {"consultations": [json_object(case) for case in cases]}
    if len(cases) == asked.limit:
        page["next"] = cases[-1].consultation
    return page


async def show_consultation(rooms: ReadingRooms, asked: CaseArguments) -> JSONObject:
    """Show one consultation and what is known of each record; content is opened by an act of its own."""
    consultation = asked.id()
    view = await rooms.store.read(
        lambda tx: casefile.show_case(tx, rooms.node_keys.storage, rooms.me, consultation)
    )
    return {
        "summary": json_object(view.summary),
        "requester": view.requester,
        "members": json_of(view.members),
        "sides": json_of(view.sides),
        "moves": json_of(view.moves),
        "records": [_without_content(record) for record in view.records],
        **({"added_at": json_of(view.added_at)} if view.added_at else {}),
    }


async def show_receipts(rooms: ReadingRooms, asked: CaseArguments) -> JSONObject:
    """Show the evidence lines of each record, without content."""
    consultation = asked.id()
    view = await rooms.store.read(
        lambda tx: casefile.show_case(tx, rooms.node_keys.storage, rooms.me, consultation)
    )
    named = ("record_id", "record_hash", "message_type", "author", "ours", "missing_before", "evidence")
    return {
        "consultation": consultation,
        "state": view.summary.state.value,
        "records": [{name: json_of(getattr(record, name)) for name in named} for record in view.records],
    }


async def list_audit(rooms: ReadingRooms, asked: AuditArguments) -> JSONObject:
    """List the newest entries of the audit log, opened."""
    question = Question(kinds=asked.event_kinds(), peer=asked.peer, case=asked.case, msg=asked.msg)
    entries = await rooms.store.read(
        lambda tx: review.newest_entries(tx, rooms.audit.vault, limit=asked.limit, question=question)
    )
    return {"entries": [json_object(entry) for entry in entries]}


async def verify_audit(rooms: ReadingRooms, _asked: NoArguments) -> JSONObject:
    """Derive the whole audit log again and compare."""
    marks = rooms.marks() if rooms.marks else None
    report = await rooms.store.read(
        lambda tx: fsck.verify(
            tx, vault=rooms.audit.vault, name=rooms.audit.name, signer=rooms.node_keys.log, marks=marks
        )
    )
    return {**json_object(report), "ok": report.ok}


async def directory_heads(rooms: ReadingRooms, _asked: NoArguments) -> JSONObject:
    """Tell how far this node is in each chain of the directory."""
    state = rooms.register.state
    heads = exchange.heads_of(state)
    return {
        "network": state.network.fingerprint,
        "view": json_object(state.view),
        "heads": {chain: [head.seq, head.statement_id] for chain, head in heads.items()},
    }


async def export_directory(rooms: ReadingRooms, _asked: NoArguments) -> JSONObject:
    """Return all statements in an order in which they can be replayed."""
    statements = await rooms.register.export()
    return {
        "network": rooms.register.state.network.fingerprint,
        "statements": [base64_text(statement) for statement in statements],
    }


async def public_directory(rooms: ReadingRooms, _asked: NoArguments) -> JSONObject:
    """Return what anybody may see of the directory, as files, signed by this node."""
    publisher = Publisher(rooms.store, rooms.register, rooms.clock, rooms.node_keys)
    manifest, signature, files = await publisher.make()
    listed: list[JSONValue] = [{"path": path, "data": base64_text(data)} for path, data in files.items()]
    return {
        "manifest": base64_text(manifest.to_bytes()),
        "signature": base64_text(signature),
        "files": listed,
    }


async def health(rooms: ReadingRooms, _asked: NoArguments) -> JSONObject:
    """Tell what the store says about the state of the node."""
    register = rooms.register
    now_ms = unix_milliseconds(rooms.clock.now())
    counted = await rooms.store.read(lambda tx: _count(tx, now_ms))
    directory: dict[str, JSONValue] = {"present": not register.is_empty}
    if not register.is_empty:
        directory |= {
            "network": register.state.network.fingerprint,
            "name": register.state.network.name,
            "sample": register.state.network.sample,
            "size": register.state.view.size,
            "authorities": len(register.state.authorities),
            "listed": register.state.authority(rooms.me) is not None,
        }
    return {
        "authority": rooms.me,
        "node": rooms.node_keys.node,
        "time": json_of(rooms.clock.now()),
        "directory": directory,
        **counted,
    }


async def delivery_sums(rooms: ReadingRooms, _asked: NoArguments) -> JSONObject:
    """Count everything that was ever sent, by peer and state; looks at every row."""
    counted = await rooms.store.read(outbox.counts)
    sent: dict[AuthorityId, dict[str, JSONValue]] = {}
    for (peer, state), count in counted.items():
        sent.setdefault(peer, {})[state.value] = count
    return {"sent": dict(sorted(sent.items()))}


def _without_content(record: RecordView) -> JSONObject:
    shown = json_object(record)
    return {name: member for name, member in shown.items() if name not in _CONTENT}


def _count(tx: Transaction, now_ms: int) -> dict[str, JSONValue]:
    """Count what is open; what is done with is not looked at, however much it is."""
    waiting = outbox.waiting(tx)
    held, quarantined = inbox.open_counts(tx)
    return {
        "waiting": sum(count for count, _ in waiting.values()),
        "peers": {
            peer: {"waiting": count, "since": json_of(moment_of(since_ms))}
            for peer, (count, since_ms) in sorted(waiting.items())
        },
        "held": held,
        "quarantined": quarantined,
        "equivocated": list(equivocations.found_since(tx, now_ms - EQUIVOCATION_SHOWN_MS)),
    }
