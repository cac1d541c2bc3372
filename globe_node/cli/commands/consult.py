# SPDX-License-Identifier: Apache-2.0
"""`globe-node consult`: ask another authority, answer, read, and see what is known of each message.

1. Opening content is an act of the running node: its audit log holds who opened what and why. Beside a
   stopped node lists and evidence can be seen, content can't.
2. Everything goes to all members of a consultation; whoever is to be asked apart is asked in one of its own.
3. Only the authority that opened a consultation lets others join or leave it; all see that.
"""

from hashlib import sha256
from pathlib import Path
from typing import Any

import click

from globe_node.cli.backend import backend_of, objects, text_of
from globe_node.cli.display import evidence_lines, group_status, names_of, print_case, short_time
from globe_node.cli.invocation import (
    Invocation,
    is_asked,
    json_option,
    pass_invocation,
    passphrase_option,
)
from globe_node.cli.output import note, print_json, print_table, print_text
from globe_node.cli.request_file import save_attachments
from globe_node.cli.sending import Sending, message_file_option, sending_options, submit
from globe_node.cli.sending import send as send_with
from globe_node.cli.templates import TEMPLATES, template_of
from globe_node.errors import UsageError
from protocol.canonical import JSONObject, JSONValue
from protocol.codes.message_types import MessageType


@click.group("consult")
def command() -> None:
    """Ask another authority, answer, and see what is known."""


@command.command(
    short_help="Open a consultation with a request.",
    epilog="""\b
Examples:
  globe-node consult template --type CONSULT_REQUEST > request.toml
  globe-node consult send --to xb-ibu --file request.toml --attach contract.pdf
  globe-node consult send --to xb-ibu --file request.toml --deadline 48h --wait 30
  globe-node consult send --to xb-ibu --to xc-aco --file request.toml               # all read everything
  globe-node consult send --to xb-ibu --to xc-aco --separately --file request.toml  # one with each""",
)
@click.option("--to", required=True, multiple=True, help="Id of an authority; may be given several times.")
@click.option("--separately", is_flag=True, help="Open a consultation of its own with each of them.")
@message_file_option(required=True)
@sending_options
@pass_invocation
def send(invocation: Invocation, /, to: tuple[str, ...], separately: bool, **options: Any) -> None:  # noqa: ANN401 -- click's
    """Open a consultation with one or more authorities; each of them reads what all the others write."""
    sending = Sending(**options)
    draft = sending.draft(MessageType.CONSULT_REQUEST)
    if separately:
        submit(invocation, [_apart(draft, name) for name in dict.fromkeys(to)], sending)
    else:
        submit(invocation, [{**draft, "to": list(to)}], sending)


@command.command(
    short_help="Answer, clarify, acknowledge, refuse or withdraw.",
    epilog="""\b
Examples:
  globe-node consult template --type ANSWER > answer.toml
  globe-node consult reply 0197... --file answer.toml --attach extract.pdf""",
)
@click.argument("consultation")
@message_file_option(required=True)
@sending_options
@pass_invocation
def reply(invocation: Invocation, /, consultation: str, **options: Any) -> None:  # noqa: ANN401 -- click's
    """Send the next message of a consultation; its type stands in the file."""
    sending = Sending(**options)
    submit(invocation, [{**sending.draft(), "consultation": consultation}], sending)


@command.command(
    short_help="Take a consultation as ended.",
    epilog="""\b
Example:
  globe-node consult close 0197...""",
)
@click.argument("consultation")
@message_file_option()
@sending_options
@pass_invocation
def close(invocation: Invocation, /, consultation: str, **options: Any) -> None:  # noqa: ANN401 -- click's
    """Take a consultation as ended; the asking authority may, once it is answered, refused or withdrawn."""
    sending = Sending(**options)
    submit(invocation, [{**sending.draft(MessageType.CLOSE), "consultation": consultation}], sending)


_authority_option = click.option(
    "--authority", "authorities", required=True, multiple=True, help="Its id; may be given several times."
)
_reason_option = click.option("--reason", required=True, help="Why, in words; all members read it.")


@command.command(
    short_help="Let another authority join a consultation.",
    epilog="""\b
Examples:
  globe-node consult add 0197... --authority xc-aco --reason "The account is kept there."
  globe-node consult add 0197... --authority xc-aco --reason "To trace the account." --file request.toml

It is asked what all were asked at the beginning, with the same files, unless --file says what else.
It sees nothing that was said before.""",
)
@click.argument("consultation")
@_authority_option
@_reason_option
@message_file_option(what="What it is asked, a CONSULT_REQUEST")
@sending_options
@pass_invocation
def add(
    invocation: Invocation,
    /,
    consultation: str,
    authorities: tuple[str, ...],
    reason: str,
    **options: Any,  # noqa: ANN401 -- click's
) -> None:
    """Let authorities join a consultation that this one opened; all members are told, with the reason."""
    sending = Sending(**options)
    change: dict[str, JSONValue] = {"consultation": consultation, "add": list(authorities), "reason": reason}
    if sending.file is not None:
        content = sending.content(MessageType.CONSULT_REQUEST)
        change["request"] = {name: content[name] for name in _REQUEST_MEMBERS if name in content}
    elif sending.attach:
        raise UsageError(
            "files go with a request of their own", hint="Say with --file what the new member is asked."
        )
    send_with(invocation, "consult.members", {**change, **sending.terms()}, sending)


@command.command(
    short_help="Let an authority leave a consultation.",
    epilog="""\b
Example:
  globe-node consult remove 0197... --authority xc-aco --reason "Its part is done." --yes

It is told, and gets nothing more. What it has, it keeps.""",
)
@click.argument("consultation")
@_authority_option
@_reason_option
@click.option("--yes", is_flag=True, help="Do not ask.")
@sending_options
@pass_invocation
def remove(
    invocation: Invocation,
    /,
    consultation: str,
    authorities: tuple[str, ...],
    reason: str,
    yes: bool,
    **options: Any,  # noqa: ANN401 -- click's
) -> None:
    """Remove authorities from a consultation that this one opened; all members are told, with the reason."""
    sending = Sending(**options)
    if sending.attach:
        raise UsageError("no files go with a removal", hint="Send them with `consult reply`.")
    if not yes and not is_asked():
        raise UsageError("whoever is removed hears nothing more", hint="Say --yes if you mean it.")
    if not yes:
        names = ", ".join(authorities)
        click.confirm(f"Remove {names} from this consultation?", abort=True, err=True)
    change: JSONObject = {"consultation": consultation, "remove": list(authorities), "reason": reason}
    send_with(invocation, "consult.members", {**change, **sending.terms()}, sending)


_REQUEST_MEMBERS = ("body", "handling", "legal_basis", "attachments")


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
    type=click.Choice([one.value for one in TEMPLATES], case_sensitive=False),
    default=MessageType.CONSULT_REQUEST.value,
    show_default=True,
)
def template(message_type: str) -> None:
    """Print a message file of one type, ready to be edited."""
    click.echo(template_of(MessageType(message_type)), nl=False)


def _apart(draft: JSONObject, name: str) -> JSONObject:
    """Return the draft for one authority alone, with an idempotency key of its own."""
    apart: dict[str, JSONValue] = {**draft, "to": [name]}
    if key := text_of(draft, "idempotency_key"):
        apart["idempotency_key"] = sha256(f"{key} {name}".encode()).hexdigest()
    return apart


def _list_row(case: JSONObject) -> list[str]:
    return [
        text_of(case, "consultation"),
        names_of(case, "counterparties"),
        text_of(case, "state") + (f", {status}" if (status := group_status(case)) else ""),
        text_of(case, "subject"),
        short_time(text_of(case, "updated_at")),
        text_of(case, "unread"),
        text_of(case, "waiting"),
    ]
