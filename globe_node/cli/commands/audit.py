# SPDX-License-Identifier: Apache-2.0
"""`globe-node audit`: what this node did, and whether the log of it is whole; beside a stopped node too."""

from pathlib import Path

import click

from globe_node.cli.backend import backend_of, objects, text_of
from globe_node.cli.display import short_time
from globe_node.cli.invocation import Invocation, json_option, pass_invocation, passphrase_option
from globe_node.cli.output import note, print_fields, print_json, print_table, print_text
from globe_node.errors import ExitCode
from protocol.canonical import JSONObject


@click.group("audit")
def command() -> None:
    """Read the audit log, and verify it."""


@command.command(
    "list",
    short_help="List acts, newest first.",
    epilog="""\b
Examples:
  globe-node audit list
  globe-node audit list --kind READ --kind EXPORT --limit 200
  globe-node audit list --case 0197... --json""",
)
@click.option("--kind", "kinds", multiple=True, help="Only these kinds of acts, for example READ.")
@click.option("--peer", default="", help="Only acts with this authority.")
@click.option("--case", default="", help="Only acts of this consultation.")
@click.option("--limit", type=click.IntRange(1, 1000), default=50, show_default=True)
@passphrase_option
@json_option
@pass_invocation
def list_(invocation: Invocation, /, **options: object) -> None:
    """List acts, newest first; entries hold ids and digests, never content."""
    passphrase_file = options.pop("passphrase_file")
    as_json = options.pop("as_json")
    kinds = options.pop("kinds")
    found = backend_of(invocation, passphrase_file if isinstance(passphrase_file, Path) else None).call(
        "audit.list",
        {
            "kinds": list(kinds) if isinstance(kinds, tuple) else [],
            **{name: value for name, value in options.items() if isinstance(value, str | int)},
        },
    )
    if as_json:
        print_json(found)
        return
    rows = [_row(entry) for entry in objects(found.get("entries", []))]
    if not rows:
        note("no entries like that")
        return
    print_table(("no.", "time (UTC)", "act", "with", "about", "digest", "result", "signed"), rows)


@command.command(
    short_help="Derive the whole log again and compare.",
    epilog="""\b
Examples:
  globe-node audit verify
  globe-node audit verify --json

Exit code 0: everything fits. 1: the first entry that does not fit is named.""",
)
@passphrase_option
@json_option
@pass_invocation
def verify(invocation: Invocation, *, passphrase_file: Path | None, as_json: bool) -> int:
    """Derive every entry, tree and checkpoint of the audit log again, and name what does not fit."""
    report = backend_of(invocation, passphrase_file).call("audit.verify")
    good = report.get("ok") is True
    if as_json:
        print_json(report)
        return ExitCode.OK if good else ExitCode.FAILED
    for problem in objects(report.get("problems", [])):
        index = text_of(problem, "index")
        place = f"entry {index} of {text_of(problem, 'origin')}" if index else text_of(problem, "origin")
        print_text(f"DOES NOT FIT  {place}: {text_of(problem, 'what')}")
    notes = report.get("notes", [])
    for line in notes if isinstance(notes, list) else ():
        note(str(line))
    print_fields(
        {
            "entries": text_of(report, "entries"),
            "checkpoints": text_of(report, "checkpoints"),
            "not signed yet": text_of(report, "unsigned"),
            "result": "everything fits" if good else "the log was changed or is damaged",
        }
    )
    return ExitCode.OK if good else ExitCode.FAILED


def _row(entry: JSONObject) -> list[str]:
    event = entry.get("event", {})
    if not isinstance(event, dict):
        event = {}
    return [
        text_of(entry, "index"),
        short_time(text_of(event, "at")),
        text_of(event, "kind") or "can't be opened",
        text_of(event, "peer"),
        text_of(event, "case") or text_of(event, "msg"),
        text_of(event, "digest")[:16],
        text_of(event, "result"),
        "yes" if entry.get("signed") is True else "not yet",
    ]
