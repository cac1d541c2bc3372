# SPDX-License-Identifier: Apache-2.0
"""Shows what the node answered to a person: cases, records, evidence lines. It asks for nothing.

1. Everything goes through `output.shown`: text of other authorities is shown and never obeyed.
2. An evidence line says what happened, where, when, and who signed for it.
"""

from collections.abc import Iterator, Mapping

from globe_node.cli.backend import objects, text_of
from globe_node.cli.output import print_text
from protocol.canonical import JSONObject, JSONValue

_STAGES = {
    "submitted": "submitted",
    "waiting": "waiting",
    "received": "received",
    "read": "read",
    "rejected": "REJECTED",
    "undeliverable": "UNDELIVERABLE",
    "resent": "sent again to",
    "returned": "given back by",
}


_GROUP_STATES = {
    "awaiting-keys": "; a member is asked for keys, and everything goes out by itself when they have come",
    "lost": "; its secrets are gone here, and are asked for again",
    "absent": "; its keys were taken out of the group, and it is asked back as soon as it has new ones",
    "equivocated": "; ITS HUB SHOWED DIFFERENT GROUPS, and the proof is kept; nothing more is said in it",
    "left": "; this authority is not a member any more",
    "expired": "; it never reached anybody",
    "closed": "; the consultation is over, and the keys of its group are destroyed",
}


def short_time(text: str) -> str:
    """Return a moment as people read it: to the second, UTC."""
    return f"{text[:10]} {text[11:19]}" if len(text) >= 19 else text


def names_of(value: JSONObject, name: str) -> str:
    """Return a list of names that a node answered, as one text."""
    names = value.get(name, [])
    return ", ".join(map(str, names)) if isinstance(names, list) else ""


def evidence_lines(record: JSONObject) -> Iterator[str]:
    """Yield one line for each thing known of a message."""
    for line in objects(record.get("evidence", [])):
        stage = _STAGES.get(text_of(line, "stage"), text_of(line, "stage"))
        parts = [f"{stage:<14}", f"{text_of(line, 'authority'):<12}", short_time(text_of(line, "at"))]
        if signed := text_of(line, "signed_by"):
            parts.append(
                f"signed by {signed}" + (f", key {key[:16]}" if (key := text_of(line, "key_id")) else "")
            )
        if reason := text_of(line, "reason"):
            parts.append(f"reason {reason}")
        if text_of(line, "stage") == "waiting":
            parts.append(_waiting(line))
        yield "  ".join(parts)


def _waiting(line: JSONObject) -> str:
    tried = text_of(line, "attempts")
    next_at = short_time(text_of(line, "next_attempt_at"))
    text = f"tried {tried} times" if tried not in ("", "0") else "not tried yet"
    if next_at:
        text += f", next attempt {next_at}"
    return f"{text}, until {short_time(text_of(line, 'deadline_at'))}"


def print_case(view: JSONObject, contents: Mapping[str, JSONObject]) -> None:
    """Print one consultation.

    Args:
        view: as `consult.show` answers.
        contents: what was opened, by record id, as `consult.open` answers.
    """
    summary = view.get("summary", {})
    if not isinstance(summary, dict):
        return
    print_text(f"{text_of(summary, 'subject')}")
    print_text(
        f"consultation {text_of(summary, 'consultation')}\n"
        f"{text_of(summary, 'role').lower()}, with {names_of(summary, 'counterparties')};"
        f" state {text_of(summary, 'state')}"
    )
    for line in (*_side_lines(view), *_group_lines(summary)):
        print_text(line)
    moves = view.get("moves", [])
    if isinstance(moves, list) and moves:
        print_text("you may now: " + ", ".join(str(move).lower().replace("_", " ") for move in moves))
    for record in objects(view.get("records", [])):
        print_text("")
        print_record(record, contents.get(text_of(record, "record_id")))


def _side_lines(view: JSONObject) -> Iterator[str]:
    """Yield where each authority stands that was asked, if there are several, and since when we know."""
    sides = view.get("sides", {})
    if isinstance(sides, dict) and len(sides) > 1:
        yield f"asked by {text_of(view, 'requester')}:"
        yield from (f"  {name:<14}{state}" for name, state in sides.items())
    if added := text_of(view, "added_at"):
        yield f"this authority was added {short_time(added)} UTC; what was said before is not shown to it"


def group_status(summary: JSONObject) -> str:
    """Return how the group of a consultation stands, unless it is as it should be."""
    group = summary.get("group", {})
    status = text_of(group, "status") if isinstance(group, dict) else ""
    return "" if status == "open" else status


def _group_lines(summary: JSONObject) -> Iterator[str]:
    """Yield who can read what is said, and whether all members are known to see the same group."""
    group = summary.get("group", {})
    if not isinstance(group, dict) or not group:
        return
    status = text_of(group, "status")
    if status != "open":
        yield f"encryption: {status}{_GROUP_STATES.get(status, '')}"
        return
    yield f"encryption: epoch {text_of(group, 'epoch')}, members {names_of(group, 'members')}"
    if fallen := names_of(group, "fallen"):
        yield f"  the keys of {fallen} were taken back: nothing is sent until the hub has removed them"
    if absent := names_of(group, "absent"):
        yield f"  {absent} can't read what is said now: it has no keys in the group until it has new ones"
    if silent := names_of(group, "silent"):
        yield f"  {silent} has not renewed its keys for long: see whether its node is alive"
    yield from _turns(group)
    if group.get("confirmed") is True:
        yield "  membership confirmed: every member has said that it sees these members"
    if waiting := names_of(group, "unconfirmed"):
        yield f"  membership not confirmed yet by {waiting}"
    if disagreeing := names_of(group, "disagreeing"):
        yield f"  MEMBERSHIP CONTRADICTED by {disagreeing}: it sees another group; telephone before you go on"


def _turns(group: JSONObject) -> Iterator[str]:
    """Yield what happened to a group that people should look into."""
    for one in objects(group.get("returned", [])):
        yield (
            f"  {text_of(one, 'node')} CAME BACK FROM OUTSIDE {short_time(text_of(one, 'at'))} UTC: it was"
            " restored, or somebody else has its keys"
        )
    for one in objects(group.get("continued", [])):
        yield (
            f"  CONTINUED {short_time(text_of(one, 'at'))} UTC by {text_of(one, 'by')} in a new group: its"
            f" hub was gone. The hub is {text_of(group, 'hub')} now"
        )


def print_record(record: JSONObject, opened: JSONObject | None) -> None:
    """Print one record, with its content if it was opened."""
    missing = text_of(record, "missing_before")
    if missing not in ("", "0"):
        print_text(f"-- {missing} earlier record(s) of {text_of(record, 'author')} are not here --")
    arrow = "to" if record.get("ours") is True else "from"
    party = names_of(record, "recipients") if arrow == "to" else text_of(record, "author")
    print_text(
        f"{text_of(record, 'message_type')} {arrow} {party}, {short_time(text_of(record, 'created_at'))} UTC"
    )
    print_text(f"  record {text_of(record, 'record_id')}, hash {text_of(record, 'record_hash')[:16]}")
    if opened is not None:
        _print_content(opened)
    for line in evidence_lines(record):
        print_text(f"  {line}")


def _print_content(opened: JSONObject) -> None:
    content = opened.get("record", {})
    if isinstance(content, dict):
        handling = content.get("handling", [])
        if isinstance(handling, list):
            print_text("  handling " + " ".join(map(str, handling)))
        for line in _lines(content.get("body", {}), 2):
            print_text(line)
    for entry in objects(opened.get("attachments", [])):
        print_text(
            f"  attachment {text_of(entry, 'id')}: {text_of(entry, 'name')}, {text_of(entry, 'size')} bytes"
        )


def _lines(value: JSONValue, indent: int) -> Iterator[str]:
    """Yield a value as indented lines."""
    space = " " * indent
    if isinstance(value, Mapping):
        for name, member in value.items():
            if isinstance(member, Mapping | list):
                yield f"{space}{name}:"
                yield from _lines(member, indent + 2)
            else:
                first, *rest = str(member).strip().split("\n")
                yield f"{space}{name}: {first}"
                yield from (f"{space}  {line}" for line in rest)
    elif isinstance(value, list):
        for item in value:
            if isinstance(item, Mapping | list):
                yield f"{space}-"
                yield from _lines(item, indent + 2)
            else:
                yield f"{space}- {item}"
