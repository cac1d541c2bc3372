# SPDX-License-Identifier: Apache-2.0
"""What all commands that send have in common: their options, the draft, and what became of it.

1. A message is accepted when its id is printed: from then on it is not forgotten, whatever happens.
2. Of several messages each has an outcome of its own; the first error is raised after all are shown.
"""

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import click

from globe_node.cli.backend import Backend, answered_error, objects, running_node, text_of
from globe_node.cli.display import evidence_lines, names_of, short_time
from globe_node.cli.invocation import Invocation, json_option
from globe_node.cli.output import note, print_fields, print_json, print_text
from globe_node.cli.request_file import parse_duration, read_attachments, read_message_file
from globe_node.clock import SystemClock
from protocol.canonical import JSONObject, JSONValue
from protocol.errors import ReasonCode

LOOK_AGAIN_SECONDS = 0.2


@dataclass(frozen=True, slots=True)
class Sending:
    """The options of a command that sends."""

    file: Path | None = None
    attach: tuple[Path, ...] = ()
    deadline: str | None = None
    idempotency_key: str = ""
    wait: int = 0
    as_json: bool = False

    def draft(self, default_type: str = "") -> dict[str, JSONValue]:
        """Return the members of the draft that the options and the file give."""
        return {**self.content(default_type), **self.terms()}

    def content(self, default_type: str = "") -> dict[str, JSONValue]:
        """Return what is said: the message of the file, and the files that go with it."""
        content: dict[str, JSONValue] = {"type": default_type, "body": {}}
        if self.file is not None:
            content = read_message_file(self.file, default_type=default_type)
        if self.attach:
            content["attachments"] = read_attachments(self.attach)
        return content

    def terms(self) -> dict[str, JSONValue]:
        """Return how it is sent."""
        terms: dict[str, JSONValue] = {}
        if self.deadline is not None:
            terms["deadline_seconds"] = parse_duration(self.deadline)
        if self.idempotency_key:
            terms["idempotency_key"] = self.idempotency_key
        return terms


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
        "--wait",
        type=click.IntRange(0, 600),
        default=0,
        metavar="SECONDS",
        help="Wait for keys that are missing, and for the receipt.",
    ),
)


def sending_options(function: Callable[..., None]) -> Callable[..., None]:
    """Give a command the options of `Sending`, but for the file."""
    for option in reversed(_SENDING):
        function = option(function)
    return json_option(function)


def message_file_option(
    *, required: bool = False, what: str = "The message"
) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """Give a command the option `--file`."""
    return click.option(
        "--file",
        required=required,
        type=click.Path(path_type=Path, dir_okay=False),
        help=f"{what}, TOML or JSON; see `consult template`.",
    )


def submit(invocation: Invocation, drafts: Sequence[JSONObject], sending: Sending) -> None:
    """Send messages and show what became of each.

    Raises:
        NodeError: the node does not run; or one of the messages can't be sent, with what to do.
    """
    send(invocation, "consult.submit", {"drafts": list(drafts)}, sending)


def send(invocation: Invocation, operation: str, arguments: JSONObject, sending: Sending) -> None:
    """Run an operation that sends, and show what became of each message.

    Raises:
        NodeError: as `submit`.
    """
    node = running_node(invocation)
    outcomes = _outcomes(node, operation, arguments, sending.wait)
    taken = [outcome for outcome in outcomes if "error" not in outcome]
    if sending.wait and taken:
        _await_receipts(node, taken, sending.wait)
    if sending.as_json and taken:
        print_json(outcomes[0] if len(outcomes) == 1 else {"outcomes": outcomes})
    elif not sending.as_json:
        for outcome in taken:
            _print_outcome(node, outcome, with_evidence=bool(sending.wait))
    for outcome in outcomes:
        if "error" in outcome:
            raise answered_error(outcome)


def _outcomes(node: Backend, operation: str, arguments: JSONObject, seconds: int) -> list[JSONObject]:
    """Run an operation that sends; as long as nothing was taken for want of keys, again, for a time."""
    for _ in range(int(seconds / LOOK_AGAIN_SECONDS) + 1):
        outcomes = list(objects(node.call(operation, arguments).get("outcomes", [])))
        if not outcomes or any(text_of(outcome, "error") != ReasonCode.AWAITING_KEYS for outcome in outcomes):
            return outcomes
        asyncio.run(SystemClock().sleep(LOOK_AGAIN_SECONDS))
    return outcomes


def _print_outcome(node: Backend, outcome: JSONObject, *, with_evidence: bool) -> None:
    print_fields(
        {
            "consultation": text_of(outcome, "consultation"),
            "record": text_of(outcome, "record_id"),
            "hash": text_of(outcome, "record_hash"),
            "to": names_of(outcome, "recipients"),
            "state": text_of(outcome, "state"),
            "tried until": f"{short_time(text_of(outcome, 'expires_at'))} UTC",
        }
    )
    if outcome.get("repeated") is True:
        note("this was sent before with the same idempotency key; nothing new was sent")
    for record in _records(node, outcome) if with_evidence else ():
        for line in evidence_lines(record):
            print_text(f"  {line}")


def _await_receipts(node: Backend, outcomes: Sequence[JSONObject], seconds: int) -> None:
    """Wait until every recipient's receipt is here; at most for a time."""
    for _ in range(int(seconds / LOOK_AGAIN_SECONDS)):
        waiting = [
            line
            for outcome in outcomes
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
