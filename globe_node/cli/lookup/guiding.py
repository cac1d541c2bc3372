# SPDX-License-Identifier: Apache-2.0
"""`globe-node directory guide`: what this authority has collected about help in other countries."""

from pathlib import Path

import click

from globe_node.cli.backend import backend_of, objects, text_of
from globe_node.cli.invocation import Invocation, json_option, pass_invocation, passphrase_option
from globe_node.cli.lookup.entries import age
from globe_node.cli.output import note, print_fields, print_json, print_table
from globe_node.home import read_bounded
from globe_node.lookup.guide_file import MAX_FILE_BYTES
from protocol.codes.help import HelpType
from protocol.octets import base64_text

FACT_HEADINGS = ("help", "what", "value", "source", "as of")


@click.group(
    "guide",
    epilog="""\b
Examples:
  globe-node directory guide import guide.csv
  globe-node directory guide show XB""",
)
def guide() -> None:
    """Keep a guide to what help takes in other countries, each fact with source and date."""


@guide.command(
    "import",
    epilog="""\b
Examples:
  globe-node directory guide import guide.csv
  globe-node directory guide import guide.json --json

The first row of CSV is: country,help,field,value,source,as_of. What is in the file takes the
place of all that was known of its countries; if one row breaks a rule, nothing is taken.""",
)
@click.argument("file", type=click.Path(path_type=Path, dir_okay=False))
@passphrase_option
@json_option
@pass_invocation
def import_file(invocation: Invocation, *, file: Path, passphrase_file: Path | None, as_json: bool) -> None:
    """Take in a file of facts, CSV or JSON."""
    data = base64_text(read_bounded(file, MAX_FILE_BYTES))
    done = backend_of(invocation, passphrase_file).call("guide.import", {"data": data, "name": file.name})
    if as_json:
        print_json(done)
        return
    countries = done.get("countries")
    named = ", ".join(map(str, countries)) if isinstance(countries, list) else ""
    print_fields({"facts": text_of(done, "facts"), "countries": named})


@guide.command(
    "show",
    epilog="""\b
Examples:
  globe-node directory guide show XB
  globe-node directory guide show XB BANK_DETAIL""",
)
@click.argument("country")
@click.argument(
    "help_type", metavar="[HELP]", required=False, type=click.Choice([item.value for item in HelpType])
)
@passphrase_option
@json_option
@pass_invocation
def show_facts(
    invocation: Invocation,
    *,
    country: str,
    help_type: str | None,
    passphrase_file: Path | None,
    as_json: bool,
) -> None:
    """Show what the guide says of a country."""
    asked = {"country": country.upper(), "help": help_type or ""}
    found = backend_of(invocation, passphrase_file).call("guide.show", asked)
    if as_json:
        print_json(found)
        return
    today = invocation.now().date()
    rows = [
        (
            text_of(fact, "help"),
            text_of(fact, "field"),
            text_of(fact, "value"),
            text_of(fact, "source"),
            f"{text_of(fact, 'as_of')}, {age(text_of(fact, 'as_of'), today)}",
        )
        for fact in objects(found.get("facts", []))
    ]
    if not rows:
        note("the guide says nothing of that: globe-node directory guide import FILE")
        return
    print_table(FACT_HEADINGS, rows)
