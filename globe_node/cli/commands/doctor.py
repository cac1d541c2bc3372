# SPDX-License-Identifier: Apache-2.0
"""`globe-node doctor`: looks for what is wrong, here or on the way to one peer, and says what to do.

1. It changes nothing and sends no message.
2. Each line says what was found and, if it is bad, what to do. What was not looked at is not called good.
"""

import stat
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import click

from globe_node.cli.backend import Backend, backend_of, objects, text_of
from globe_node.cli.invocation import Invocation, json_option, pass_invocation, passphrase_option
from globe_node.cli.output import print_json, print_text
from globe_node.errors import ExitCode, NodeError
from keys.errors import KeystoreError
from protocol.canonical import JSONObject, JSONValue

_ON_THE_WAY = frozenset({"name", "connection", "tls", "acceptance"})
"""Steps whose failure means that the peer can't be reached."""


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that was looked at.

    Attributes:
        step: what.
        ok: whether it is as it should be.
        sentence: what was found.
        action: what to do; empty when it is good.
    """

    step: str
    ok: bool
    sentence: str
    action: str = ""


@click.command(
    "doctor",
    epilog="""\b
Examples:
  globe-node doctor
  globe-node doctor --peer xb-ibu
  globe-node doctor --json

Exit code 0: nothing is wrong. 1: something is. 3: the peer can't be reached.""",
)
@click.option("--peer", default="", metavar="AUTHORITY", help="Test the line to this authority's node.")
@passphrase_option
@json_option
@pass_invocation
def command(invocation: Invocation, *, peer: str, passphrase_file: Path | None, as_json: bool) -> int:
    """Look for what is wrong here or on the way to a peer, and say what to do."""
    findings = list(_home_findings(invocation))
    if all(finding.ok for finding in findings):
        backend = backend_of(invocation, passphrase_file)
        findings += _node_findings(invocation, backend)
        if peer:
            findings += _peer_findings(backend, peer)
    if as_json:
        print_json({"ok": all(one.ok for one in findings), "findings": [_object(one) for one in findings]})
    else:
        for one in findings:
            print_text(f"{'ok   ' if one.ok else 'WRONG'}  {one.sentence}")
            if one.action:
                print_text(f"       {one.action}")
    bad = [finding.step for finding in findings if not finding.ok]
    if peer and not _ON_THE_WAY.isdisjoint(bad):
        return ExitCode.PEER_UNREACHABLE
    return ExitCode.FAILED if bad else ExitCode.OK


def _home_findings(invocation: Invocation) -> Iterator[Finding]:
    """Look at the home folder without opening anything in it."""
    home = invocation.home
    if not home.folder.is_dir():
        yield Finding("home", False, f"There is no folder {home.folder}.", "Make a node: globe-node init")
        return
    mode = stat.S_IMODE(home.folder.stat().st_mode)
    if mode & 0o077:
        yield Finding("home", False, "Others can enter the home folder.", f"chmod 700 {home.folder}")
    else:
        yield Finding("home", True, f"The home folder {home.folder} is for its owner alone.")
    try:
        invocation.settings()
    except NodeError as error:
        yield Finding("settings", False, f"{error}.", error.hint)
    else:
        yield Finding("settings", True, "The settings can be read.")
    if home.node_keys.is_file():
        yield Finding("keystore", True, "The keystore is there.")
    else:
        yield Finding("keystore", False, "There is no keystore.", "Bring it back from where it is kept.")


def _node_findings(invocation: Invocation, backend: Backend) -> Iterator[Finding]:
    """Look at the node, running or not."""
    if backend.running:
        yield Finding("running", True, "The node is running.")
    else:
        yield Finding("running", False, "The node is not running.", "Start it: globe-node run")
    try:
        health = backend.call("health")
    except (NodeError, KeystoreError) as error:
        yield Finding("store", False, f"{error}.", error.hint)
        return
    yield Finding("store", True, "The store can be read.")
    yield from _directory_findings(invocation, health)
    if text_of(health, "quarantined") == "0":
        yield Finding("quarantine", True, "No envelope is in quarantine.")
    else:
        yield Finding(
            "quarantine",
            False,
            f"{text_of(health, 'quarantined')} envelope(s) are in quarantine.",
            "Report the place that the log names. Then: globe-node health --dismiss-quarantine",
        )
    if backend.running:
        yield from _status_findings(backend.call("node.status"))


def _directory_findings(invocation: Invocation, health: JSONObject) -> Iterator[Finding]:
    directory = health.get("directory", {})
    if not isinstance(directory, dict) or directory.get("present") is not True:
        yield Finding(
            "directory",
            False,
            "There is no directory yet.",
            "globe-node directory import FILE --root FINGERPRINT",
        )
        return
    size, name = text_of(directory, "size"), text_of(directory, "name")
    yield Finding("directory", True, f"The directory of {name} holds {size} statements.")
    wanted = invocation.settings().network
    if wanted and wanted != text_of(directory, "network"):
        yield Finding(
            "network",
            False,
            "The directory is of another network than the settings name.",
            "One home serves one network: make another home for the other.",
        )
    if directory.get("listed") is True:
        yield Finding("listed", True, "This authority is in it.")
    else:
        yield Finding(
            "listed",
            False,
            "This authority is not in the directory.",
            "Give admission-request.json to the network's officers, then import their bundle.",
        )


def _status_findings(status: JSONObject) -> Iterator[Finding]:
    skew = text_of(status, "clock_skew_seconds")
    if status.get("clock_ok") is False:
        yield Finding("clock", False, f"Our clock is {skew} s off those of the peers.", "Set the clock.")
    else:
        yield Finding("clock", True, "The clock agrees with those of the peers heard so far.")
    for lane in objects(status.get("lanes", [])):
        if text_of(lane, "failures") not in ("", "0"):
            yield Finding(
                "lane",
                False,
                f"{text_of(lane, 'peer')} was tried {text_of(lane, 'failures')} times in vain "
                f"({text_of(lane, 'reason')}).",
                f"globe-node doctor --peer {text_of(lane, 'peer')}",
            )


def _peer_findings(backend: Backend, peer: str) -> Iterator[Finding]:
    """Test the line to a peer, as the running node does."""
    if not backend.running:
        yield Finding("peer", False, f"The line to {peer} was not tested.", "Start the node first.")
        return
    try:
        found = backend.call("peers.examine", {"authority": peer})
    except NodeError as error:
        yield Finding("peer", False, f"{error}.", error.hint)
        return
    for one in objects(found.get("findings", [])):
        yield Finding(
            text_of(one, "step"), one.get("ok") is True, text_of(one, "sentence"), text_of(one, "action")
        )


def _object(finding: Finding) -> dict[str, JSONValue]:
    return {
        "step": finding.step,
        "ok": finding.ok,
        "sentence": finding.sentence,
        "action": finding.action,
    }
