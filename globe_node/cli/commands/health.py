# SPDX-License-Identifier: Apache-2.0
"""`globe-node health`: how the node is, in one look. For finding a cause there is `doctor`."""

from pathlib import Path

import click

from globe_node.cli.backend import backend_of, objects, text_of
from globe_node.cli.display import names_of, short_time
from globe_node.cli.invocation import Invocation, json_option, pass_invocation, passphrase_option
from globe_node.cli.output import note, print_fields, print_json, print_table, print_text
from globe_node.consultations.moments import moment_of
from globe_node.errors import ExitCode
from protocol.canonical import JSONObject, JSONValue, moment_text


@click.command(
    "health",
    epilog="""\b
Examples:
  globe-node health
  globe-node health --json
  globe-node health --dismiss-quarantine

Exit code 0: running and nothing is wrong. 1: stopped, or something needs an operator.""",
)
@click.option(
    "--dismiss-quarantine",
    is_flag=True,
    help="Let go of envelopes on which this node failed; report the fault first.",
)
@passphrase_option
@json_option
@pass_invocation
def command(
    invocation: Invocation, *, dismiss_quarantine: bool, passphrase_file: Path | None, as_json: bool
) -> int:
    """Tell how the node is: running, queues, directory, clock, peers."""
    backend = backend_of(invocation, passphrase_file)
    if dismiss_quarantine:
        let_go = list(objects(backend.call("quarantine.dismiss").get("dismissed", [])))
        note(f"{len(let_go)} envelope(s) let go; each has an entry in the audit log")
    found: dict[str, JSONValue] = {**backend.call("health"), "running": backend.running}
    if backend.running:
        found |= backend.call("node.status")
    problems = _problems(found)
    found["problems"] = list(problems)
    if as_json:
        print_json(found)
    else:
        _print(found, problems)
    return ExitCode.FAILED if problems else ExitCode.OK


def _problems(found: JSONObject) -> list[str]:
    directory = found.get("directory", {})
    checks = (
        (found.get("running") is not True, "the node is not running"),
        (isinstance(directory, dict) and directory.get("present") is not True, "there is no directory yet"),
        (
            isinstance(directory, dict) and directory.get("listed") is False,
            "this authority is not in the directory",
        ),
        (found.get("clock_ok") is False, "the clock differs from those of the peers"),
        (text_of(found, "quarantined") not in ("", "0"), "envelopes are in quarantine"),
        (bool(names_of(found, "equivocated")), "a hub gave one place twice"),
    )
    return [text for wrong, text in checks if wrong]


def _print(found: JSONObject, problems: list[str]) -> None:
    directory = found.get("directory", {})
    size = text_of(directory, "size") if isinstance(directory, dict) else ""
    print_fields(
        {
            "node": f"{text_of(found, 'authority')}/{text_of(found, 'node')}",
            "running": "yes" if found.get("running") is True else "no",
            "directory": f"{size} statements" if size else "none",
            "waiting to be delivered": text_of(found, "waiting"),
            "held for intake": text_of(found, "held"),
            "in quarantine": text_of(found, "quarantined"),
            "clock": f"{text_of(found, 'clock_skew_seconds') or '0'} s off its peers",
            "result": "; ".join(problems) or "healthy",
        }
    )
    rows = [
        [
            text_of(lane, "peer"),
            text_of(lane, "failures"),
            text_of(lane, "reason"),
            _moment(lane.get("next_attempt_ms", 0)),
        ]
        for lane in objects(found.get("lanes", []))
        if text_of(lane, "failures") != "0"
    ]
    if rows:
        print_table(("peer", "failures", "reason", "next attempt (UTC)"), rows)
    if equivocated := names_of(found, "equivocated"):
        print_text(f"consultations whose hub gave one place twice: {equivocated}")
    if silent := names_of(found, "silent_members"):
        print_text(f"no new keys in their groups for 45 days or more: {silent}")
    awaited = [
        [text_of(one, "peer"), text_of(one, "failures"), text_of(one, "reason")]
        for one in objects(found.get("awaiting_keys", []))
    ]
    if awaited:
        print_table(("awaiting keys of", "failures", "reason"), awaited)


def _moment(milliseconds: JSONValue) -> str:
    if isinstance(milliseconds, int) and milliseconds:
        return short_time(moment_text(moment_of(milliseconds)))
    return "now"
