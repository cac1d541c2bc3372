# SPDX-License-Identifier: Apache-2.0
"""`globe-node consult`: ask another authority, answer, read, and see what is known of each message.

1. Opening content is an act of the running node: its audit log holds who opened what and why. Beside a
   stopped node lists and evidence can be seen, content can't.
2. A message is accepted when its id is printed: from then on it is not forgotten, whatever happens.
"""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click

from globe_node.cli.backend import Backend, answered_error, backend_of, objects, running_node, text_of
from globe_node.cli.display import evidence_lines, print_case, short_time
from globe_node.cli.invocation import Invocation, json_option, pass_invocation, passphrase_option
from globe_node.cli.output import note, print_fields, print_json, print_table, print_text
from globe_node.cli.request_file import (
    parse_duration,
    read_attachments,
    read_message_file,
    save_attachments,
)
from globe_node.cli.templates import template_of
from globe_node.clock import SystemClock
from protocol.canonical import JSONObject, JSONValue
from protocol.codes.message_types import MessageType

LOOK_AGAIN_SECONDS = 0.2


@dataclass(frozen=True, slots=True)
class _Sending:
    """The options of a command that sends."""

    file: Path | None = None
    attach: tuple[Path, ...] = ()
    deadline: str | None = None
    idempotency_key: str = ""
    wait: int = 0
    as_json: bool = False

    def draft(self, default_type: str = "") -> dict[str, JSONValue]:
        """Return the members of the draft that the options and the file give."""
        draft: dict[str, JSONValue] = {"type": default_type, "body": {}}
        if self.file is not None:
            draft = read_message_file(self.file, default_type=default_type)
        if self.attach:
            draft["attachments"] = read_attachments(self.attach)
        if self.deadline is not None:
            draft["deadline_seconds"] = parse_duration(self.deadline)
        if self.idempotency_key:
            draft["idempotency_key"] = self.idempotency_key
        return draft


_SENDING = (
    click.option(
        "--attach",
        multiple=True,
        type=click.Path(path_type=Path, dir_okay=False),
        help="A file that goes with it; may be given several times, at most 1 MiB in all.",
    ),
    click.option("--deadline", metavar="SPAN", help="How long delivery is tried: 90m, 48h, 9d."),
    click.option(
        "--idempotency-key",
        default="",
        help="Repeat a command with the same key and nothing is sent twice.",
    ),
    click.option(
        "--wait", type=click.IntRange(0, 600), default=0, metavar="SECONDS", help="Wait for the receipt."
    ),
)
_FILE = click.option(
    "--file",
    type=click.Path(path_type=Path, dir_okay=False),
    help="The message, TOML or JSON; see `consult template`.",
)
_REQUIRED_FILE = click.option(
    "--file",
    required=True,
    type=click.Path(path_type=Path, dir_okay=False),
    help="The message, TOML or JSON; see `consult template`.",
)


def _sending(function: Callable[..., None]) -> Callable[..., None]:
    for option in reversed(_SENDING):
        function = option(function)
    return json_option(function)


@click.group("consult")
def command() -> None:
    """Ask another authority, answer, and see what is known."""


@command.command(
    short_help="Open a consultation with a request.",
    epilog="""\b
Examples:
  globe-node consult template --type CONSULT_REQUEST > request.toml
  globe-node consult send --to xb-ibu --file request.toml --attach contract.pdf
  globe-node consult send --to xb-ibu --file request.toml --deadline 48h --wait 30""",
)
@click.option("--to", required=True, multiple=True, help="Id of an authority; may be given several times.")
@_REQUIRED_FILE
@_sending
@pass_invocation
def send(invocation: Invocation, /, to: tuple[str, ...], **options: Any) -> None:  # noqa: ANN401 -- click's
    """Open a consultation with a request to one or more authorities."""
    sending = _Sending(**options)
    draft = sending.draft(MessageType.CONSULT_REQUEST)
    _submit(invocation, {**draft, "to": list(to)}, sending)


@command.command(
    short_help="Answer, clarify, acknowledge, refuse or withdraw.",
    epilog="""\b
Examples:
  globe-node consult template --type ANSWER > answer.toml
  globe-node consult reply 0197... --file answer.toml --attach extract.pdf""",
)
@click.argument("consultation")
@_REQUIRED_FILE
@_sending
@pass_invocation
def reply(invocation: Invocation, /, consultation: str, **options: Any) -> None:  # noqa: ANN401 -- click's
    """Send the next message of a consultation; its type stands in the file."""
    sending = _Sending(**options)
    _submit(invocation, {**sending.draft(), "consultation": consultation}, sending)


@command.command(
    short_help="Take a consultation as ended.",
    epilog="""\b
Example:
  globe-node consult close 0197...""",
)
@click.argument("consultation")
@_FILE
@_sending
@pass_invocation
def close(invocation: Invocation, /, consultation: str, **options: Any) -> None:  # noqa: ANN401 -- click's
    """Take a consultation as ended; the asking authority may, once it is answered, refused or withdrawn."""
    sending = _Sending(**options)
    _submit(invocation, {**sending.draft(MessageType.CLOSE), "consultation": consultation}, sending)


@command.command(
    "list",
    short_help="List consultations, newest first.",
    epilog="""\b
Examples:
  globe-node consult list
  globe-node consult list --state CLARIFYING --state PARTIAL --json""",
)
@click.option("--state", "states", multiple=True, help="Only these states; may be given several times.")
@click.option("--before", default="", metavar="ID", help="Only older ones than this, for the next page.")
@click.option("--limit", type=click.IntRange(1, 200), default=50, show_default=True)
@passphrase_option
@json_option
@pass_invocation
def list_(
    invocation: Invocation,
    *,
    states: tuple[str, ...],
    before: str,
    limit: int,
    passphrase_file: Path | None,
    as_json: bool,
) -> None:
    """List consultations, newest first; works beside a stopped node too."""
    page = backend_of(invocation, passphrase_file).call(
        "consult.list", {"states": list(states), "before": before, "limit": limit}
    )
    if as_json:
        print_json(page)
        return
    rows = [_list_row(case) for case in objects(page.get("consultations", []))]
    if not rows:
        note("no consultations yet. Ask with: globe-node consult send --to AUTHORITY --file request.toml")
        return
    print_table(("consultation", "with", "state", "subject", "updated (UTC)", "unread", "waiting"), rows)
    if "next" in page:
        note(f"more: globe-node consult list --before {text_of(page, 'next')}")


@command.command(
    short_help="Show one consultation with its content and evidence.",
    epilog="""\b
Examples:
  globe-node consult show 0197...
  globe-node consult show 0197... --no-open      # who, when, evidence; no content
  globe-node consult show 0197... --save files   # with the attachments as files
  globe-node consult show 0197... --json""",
)
@click.argument("consultation")
@click.option("--no-open", is_flag=True, help="Do not open content: nothing is logged, nobody is told.")
@click.option("--justification", default="CASE_WORK", show_default=True, help="Why it is opened; logged.")
@click.option("--officer", default="", help="Pseudonym of who opens it; logged.")
@click.option(
    "--save",
    type=click.Path(path_type=Path, file_okay=False),
    metavar="DIR",
    help="Save the attachments of the other side to files in this folder.",
)
@passphrase_option
@json_option
@pass_invocation
def show(invocation: Invocation, /, consultation: str, **options: Any) -> None:  # noqa: ANN401 -- click's
    """Show one consultation; opening a record is logged and tells its author once."""
    backend = backend_of(invocation, options["passphrase_file"])
    view = backend.call("consult.show", {"consultation": consultation})
    contents: dict[str, JSONObject] = {}
    if backend.running and not options["no_open"]:
        for record in objects(view.get("records", [])):
            record_id = text_of(record, "record_id")
            contents[record_id] = backend.call(
                "consult.open",
                {
                    "record_id": record_id,
                    "justification": options["justification"],
                    "officer": options["officer"],
                },
            )
    saved = save_attachments(options["save"], contents.values()) if options["save"] else []
    if options["as_json"]:
        print_json({**view, "opened": contents, "saved": [str(path) for path in saved]})
        return
    if not backend.running:
        note("the node is not running: content can't be opened, since nobody would log it")
    print_case(view, contents)
    for path in saved:
        note(f"saved {path}")


@command.command(
    short_help="Show what is known of each message.",
    epilog="""\b
Examples:
  globe-node consult receipts 0197...
  globe-node consult receipts 0197... --json""",
)
@click.argument("consultation")
@passphrase_option
@json_option
@pass_invocation
def receipts(
    invocation: Invocation, *, consultation: str, passphrase_file: Path | None, as_json: bool
) -> None:
    """Show the evidence of each message: submitted, received, read, rejected, undeliverable, or waiting."""
    found = backend_of(invocation, passphrase_file).call("consult.receipts", {"consultation": consultation})
    if as_json:
        print_json(found)
        return
    for record in objects(found.get("records", [])):
        print_text(f"{text_of(record, 'message_type')} by {text_of(record, 'author')}")
        for line in evidence_lines(record):
            print_text(f"  {line}")


@command.command(
    short_help="Print a message file to edit.",
    epilog="""\b
Examples:
  globe-node consult template --type CONSULT_REQUEST > request.toml
  globe-node consult template --type ANSWER > answer.toml""",
)
@click.option(
    "--type",
    "message_type",
    type=click.Choice([one.value for one in MessageType], case_sensitive=False),
    default=MessageType.CONSULT_REQUEST.value,
    show_default=True,
)
def template(message_type: str) -> None:
    """Print a message file of one type, ready to be edited."""
    click.echo(template_of(MessageType(message_type)), nl=False)


def _submit(invocation: Invocation, draft: JSONObject, sending: _Sending) -> None:
    node = running_node(invocation)
    (outcome,) = objects(node.call("consult.submit", {"drafts": [draft]}).get("outcomes", []))
    if "error" in outcome:
        raise answered_error(outcome)
    if sending.wait:
        _await_receipts(node, outcome, sending.wait)
    if sending.as_json:
        print_json(outcome)
        return
    recipients = outcome.get("recipients", [])
    print_fields(
        {
            "consultation": text_of(outcome, "consultation"),
            "record": text_of(outcome, "record_id"),
            "hash": text_of(outcome, "record_hash"),
            "to": ", ".join(map(str, recipients)) if isinstance(recipients, list) else "",
            "state": text_of(outcome, "state"),
            "tried until": f"{short_time(text_of(outcome, 'expires_at'))} UTC",
        }
    )
    if outcome.get("repeated") is True:
        note("this was sent before with the same idempotency key; nothing new was sent")
    for record in _records(node, outcome) if sending.wait else ():
        for line in evidence_lines(record):
            print_text(f"  {line}")


def _await_receipts(node: Backend, outcome: JSONObject, seconds: int) -> None:
    """Wait until every recipient's receipt is here; at most for a time."""
    for _ in range(int(seconds / LOOK_AGAIN_SECONDS)):
        waiting = [
            line
            for record in _records(node, outcome)
            for line in objects(record.get("evidence", []))
            if text_of(line, "stage") == "waiting"
        ]
        if not waiting:
            return
        asyncio.run(SystemClock().sleep(LOOK_AGAIN_SECONDS))
    note("no receipt yet; delivery goes on by itself: see `consult receipts`")


def _records(node: Backend, outcome: JSONObject) -> list[JSONObject]:
    found = node.call("consult.receipts", {"consultation": text_of(outcome, "consultation")})
    return [
        record
        for record in objects(found.get("records", []))
        if text_of(record, "record_id") == text_of(outcome, "record_id")
    ]


def _list_row(case: JSONObject) -> list[str]:
    others = case.get("counterparties", [])
    return [
        text_of(case, "consultation"),
        ", ".join(map(str, others)) if isinstance(others, list) else "",
        text_of(case, "state"),
        text_of(case, "subject"),
        short_time(text_of(case, "updated_at")),
        text_of(case, "unread"),
        text_of(case, "waiting"),
    ]
