# SPDX-License-Identifier: Apache-2.0
"""`globe-node evidence verify`: judges a bundle with nothing but the file and a fingerprint.

It knows no room of a node, no home and no line: an import contract keeps it so.

1. Exit codes: 0 every check holds; 1 not, and the part that fails is named; 2 not well asked.
2. The fingerprint comes from a source that the reader trusts, never from the bundle.
"""

from pathlib import Path

import click

from globe_node.cli.output import print_fields, print_json, print_text
from globe_node.errors import ExitCode, UsageError
from protocol.canonical import JSONObject, moment_text
from protocol.errors import MalformedError
from protocol.evidence.bundle import MAX_EVIDENCE_BYTES
from protocol.evidence.report import Check, Delivery, HubFinding, RecordFinding, Report
from protocol.evidence.verify import verify_evidence
from protocol.identifiers import Digest, parse_digest


@click.command(
    short_help="Verify a bundle, anywhere.",
    epilog="""\b
Examples:
  globe-node evidence verify evidence.anp1 --root 5f0c...
  globe-node evidence verify evidence.anp1 --root 5f0c... --json

Needs no node, no home folder and no network.""",
)
@click.argument("file", type=click.Path(path_type=Path, dir_okay=False))
@click.option(
    "--root", required=True, help="Fingerprint of the network: 64 hex digits, from a trusted source."
)
@click.option("--json", "as_json", is_flag=True, help="Write one JSON document.")
def verify(file: Path, root: str, as_json: bool) -> int:
    """Check every statement, record, receipt and proof of a bundle, and say what each record's fate was."""
    report = verify_evidence(_read(file), _fingerprint(root))
    if as_json:
        print_json(_report_object(report))
    else:
        _print_report(report)
    return ExitCode.OK if report.ok else ExitCode.FAILED


def _read(file: Path) -> bytes:
    try:
        if file.stat().st_size > MAX_EVIDENCE_BYTES:
            raise UsageError(f"{file} is too large for a bundle", hint="Is it the right file?")
        return file.read_bytes()
    except OSError:
        raise UsageError(f"{file} can't be read", hint="Check the path and its mode.") from None


def _fingerprint(text: str) -> Digest:
    try:
        return parse_digest(text.replace(" ", "").lower())
    except MalformedError:
        raise UsageError(
            "--root is not a fingerprint",
            hint="64 hex digits, as `globe-node network` and `directory show` print them.",
        ) from None


def _print_report(report: Report) -> None:
    for check in report.checks:
        mark = "ok  " if check.ok else check.finding.value.upper()
        print_text(f"{mark}  {check.name}" + ("" if check.ok else f": {check.detail}"))
    for record in report.records:
        print_text("")
        print_text(f"{record.part}: {record.type} by {record.author}, number {record.author_seq}")
        for delivery in record.deliveries:
            print_text(f"  {_fate(delivery)}")
    for hub in report.equivocations:
        print_text("")
        print_text(f"{hub.part}: the hub {hub.hub} GAVE ONE PLACE TWICE")
        print_text(f"  epoch {hub.epoch} of group {hub.group}")
        for commit, authenticator, at in hub.given:
            print_text(f"  {moment_text(at)}: commit {commit}, authenticator {authenticator}")
    print_text("")
    failed = report.failed
    if failed:
        print_text(f"the evidence does NOT hold: {failed[0].name}: {failed[0].detail}")
    else:
        print_fields(
            {"consultation": report.consultation or "", "checks": str(len(report.checks)), "result": "holds"}
        )


def _fate(delivery: Delivery) -> str:
    at = f", {moment_text(delivery.at)}" if delivery.at else ""
    reason = f", reason {delivery.reason}" if delivery.reason else ""
    return f"{delivery.recipient}: {delivery.state}{at}{reason}"


def _report_object(report: Report) -> JSONObject:
    return {
        "ok": report.ok,
        "consultation": report.consultation or "",
        "failed": [check.name for check in report.failed],
        "checks": [_check_object(check) for check in report.checks],
        "records": [_record_object(record) for record in report.records],
        "equivocations": [_hub_object(hub) for hub in report.equivocations],
    }


def _hub_object(hub: HubFinding) -> JSONObject:
    return {
        "part": hub.part,
        "finding": "the hub gave one place twice",
        "hub": str(hub.hub),
        "group": hub.group,
        "epoch": hub.epoch,
        "given": [
            {"commit": commit, "authenticator": authenticator, "at": moment_text(at)}
            for commit, authenticator, at in hub.given
        ],
    }


def _check_object(check: Check) -> JSONObject:
    return {
        "part": check.part,
        "subject": check.subject,
        "finding": check.finding.value,
        "detail": check.detail,
    }


def _record_object(record: RecordFinding) -> JSONObject:
    return {
        "part": record.part,
        "record": record.record,
        "type": record.type.value,
        "author": record.author,
        "author_seq": record.author_seq,
        "created": moment_text(record.created),
        "deliveries": [
            {
                "recipient": delivery.recipient,
                "state": delivery.state.value,
                "reason": delivery.reason.value if delivery.reason else "",
                "at": moment_text(delivery.at) if delivery.at else "",
            }
            for delivery in record.deliveries
        ],
    }
