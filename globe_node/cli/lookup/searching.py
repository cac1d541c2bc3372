# SPDX-License-Identifier: Apache-2.0
"""`globe-node directory search` and `show`: finding whom to ask, and seeing a whole entry.

Contact points are shown after the look-up was logged, never before.
"""

from dataclasses import dataclass
from pathlib import Path

import click

from globe_node.cli.backend import backend_of, objects
from globe_node.cli.invocation import Invocation, json_option, pass_invocation, passphrase_option
from globe_node.cli.lookup.entries import print_entry
from globe_node.cli.lookup.hits import SEARCH_HEADINGS, nobody_found, search_rows
from globe_node.cli.output import note, print_json, print_table
from protocol.canonical import JSONObject
from protocol.directory.contacts import Function
from protocol.directory.profile.codes import Power
from protocol.identifiers import parse_authority_id
from protocol.lookup.queries import DEFAULT_LIMIT, MAX_LIMIT


@dataclass(frozen=True, slots=True)
class _Searching:
    """The options of `search` as they were given."""

    words: tuple[str, ...]
    country: str
    function: str | None
    power: str | None
    network: str
    language: str
    on_duty: bool
    limit: int
    as_json: bool
    passphrase_file: Path | None

    @property
    def arguments(self) -> JSONObject:
        """What the node is asked."""
        return {
            "text": " ".join(self.words),
            "country": self.country.upper(),
            "function": self.function or "",
            "power": self.power or "",
            "network": self.network.upper(),
            "language": self.language,
            "on_duty": self.on_duty,
            "limit": self.limit,
        }


@click.command(
    epilog="""\b
Examples:
  globe-node directory search integrity --country XB
  globe-node directory search --function ASSET_RECOVERY --language fr --on-duty
  globe-node directory search "возвращение активов" --network CARIN
  globe-node directory search xb-ibu --json

Words may be of any script: parts of names, the country, or what an authority does, in Arabic,
Chinese, English, French, Russian or Spanish. The best stand first, each with the reasons.
Seeing contact points is logged, without the words you typed."""
)
@click.argument("words", nargs=-1)
@click.option("--country", default="", help="ISO 3166 code of two letters.")
@click.option("--function", type=click.Choice([item.value for item in Function]), help="What is asked for.")
@click.option("--power", type=click.Choice([item.value for item in Power]), help="What it may do itself.")
@click.option("--network", default="", help="A network it is in: GLOBE, EGMONT, CARIN.")
@click.option("--language", default="", help="Language in which it can be asked: en, fr, ar.")
@click.option("--on-duty", is_flag=True, help="Only who is at work now, by their own clock and holidays.")
@click.option("--limit", type=click.IntRange(1, MAX_LIMIT), default=DEFAULT_LIMIT, show_default=True)
@passphrase_option
@json_option
@pass_invocation
def search(invocation: Invocation, /, **_options: object) -> None:
    """Find authorities and contact points, the best first."""
    asked = _Searching(**click.get_current_context().params)
    found = backend_of(invocation, asked.passphrase_file).call("directory.search", asked.arguments)
    if asked.as_json:
        print_json(found)
        return
    now = invocation.now()
    rows = [row for entry in objects(found.get("authorities", [])) for row in search_rows(entry, now)]
    if not rows:
        note(nobody_found(found))
        return
    print_table(SEARCH_HEADINGS, rows)
    if found.get("all_words") is False:
        note("nobody has all these words; these have some of them")
    if found.get("complete") is False:
        note("there are more; add words or options, or --limit")


@click.command(
    epilog="""\b
Example:
  globe-node directory show xb-ibu"""
)
@click.argument("authority")
@passphrase_option
@json_option
@pass_invocation
def show(invocation: Invocation, *, authority: str, passphrase_file: Path | None, as_json: bool) -> None:
    """Show the whole entry of one authority."""
    named = parse_authority_id(authority)
    entry = backend_of(invocation, passphrase_file).call("directory.show", {"authority": named})
    if as_json:
        print_json(entry)
    else:
        print_entry(entry, invocation.now().date())
