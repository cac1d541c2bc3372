# SPDX-License-Identifier: Apache-2.0
"""`globe-node evidence`: hand over the evidence of a consultation. Verifying it: `cli.evidence_check`."""

from base64 import b64decode
from pathlib import Path

import click

from globe_node.cli.backend import running_node, text_of
from globe_node.cli.evidence_check import verify
from globe_node.cli.invocation import Invocation, json_option, pass_invocation
from globe_node.cli.output import note, print_fields, print_json
from globe_node.errors import UsageError
from globe_node.home import write_private


@click.group("evidence")
def command() -> None:
    """Hand over the evidence of a consultation, or verify it."""


@command.command(
    short_help="Write the evidence of a consultation to a file.",
    epilog="""\b
Examples:
  globe-node evidence export 0197... --output evidence.anp1
  globe-node evidence export 0197... --output evidence.anp1 --without-attachments

The file holds content in clear. The audit log notes who exported it and why.""",
)
@click.argument("consultation")
@click.option(
    "--output",
    required=True,
    type=click.Path(path_type=Path, dir_okay=False),
    help="The file to write; it must not exist yet.",
)
@click.option("--without-attachments", is_flag=True, help="Leave attachments out; their hashes stay.")
@click.option("--justification", default="DISCLOSURE", show_default=True, help="Why; logged.")
@json_option
@pass_invocation
def export(
    invocation: Invocation,
    *,
    consultation: str,
    output: Path,
    without_attachments: bool,
    justification: str,
    as_json: bool,
) -> None:
    """Write records, receipts and directory statements of a consultation to one file."""
    if output.exists():
        raise UsageError(f"{output} exists already", hint="Choose another name; nothing is overwritten.")
    answer = running_node(invocation).call(
        "evidence.export",
        {
            "consultation": consultation,
            "attachments": not without_attachments,
            "justification": justification,
        },
    )
    bundle = b64decode(text_of(answer, "bundle"))
    write_private(output, bundle)
    network = text_of(answer, "network")
    if as_json:
        print_json({"file": str(output), "bytes": len(bundle), "network": network})
        return
    print_fields({"file": str(output), "bytes": str(len(bundle)), "network": network})
    note(f"verify it anywhere: globe-node evidence verify {output} --root {network}")


command.add_command(verify)
