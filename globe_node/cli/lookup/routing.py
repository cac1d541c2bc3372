# SPDX-License-Identifier: Apache-2.0
"""`globe-node directory route`: whom to ask in a country for a kind of help, and what a formal request needs.

It shows authorities and channels, no contact points; so nothing is logged.
"""

from collections.abc import Iterator, Mapping
from pathlib import Path

import click

from globe_node.cli.backend import backend_of, objects, text_of
from globe_node.cli.invocation import Invocation, json_option, pass_invocation, passphrase_option
from globe_node.cli.lookup.entries import name_of
from globe_node.cli.output import print_fields, print_json, print_table, print_text
from protocol.canonical import JSONObject
from protocol.codes.help import HelpType
from protocol.codes.offences import Offence

ROUTE_HEADINGS = ("authority", "name", "way", "channel", "languages", "answers in", "why")
_WAYS: Mapping[str, str] = {
    "INFORMAL": "informally",
    "PARTIAL": "partly informally",
    "ASK": "ask whether informally",
    "FORMAL": "formal request",
    "NO": "NOT HERE",
}
_REMARKS: Mapping[str, str] = {
    "SAYS_SO": "says so itself",
    "USUAL": "usual for this help, its entry says nothing",
    "FUNCTION": "{detail}",
    "POWER": "may {detail}",
    "NETWORK": "in {detail} as we are",
    "LANGUAGE": "reads {detail}",
    "AT_ANY_HOUR": "answers at any hour",
    "CONFIRMED": "confirmed {detail} days ago",
    "STALE": "LAST CONFIRMED {detail} DAYS AGO",
    "NOT_IN_EXCHANGE": "{detail}",
    "NO_KEYS": "NO NODE IN USE",
    "NO_COMMON_LANGUAGE": "NO COMMON LANGUAGE",
    "FORMAL_REQUEST_NEEDED": "this needs a formal request in {detail}",
    "TREATY_NEEDED": "a treaty is needed, and the Convention is not said to serve as one",
    "RECIPROCITY_NEEDED": "an assurance of reciprocity is needed",
    "DUAL_CRIMINALITY": "the conduct must be an offence there too ({detail})",
    "ASK_DUAL_CRIMINALITY": "States often have no offence such as {detail}: ask for DUAL_CRIM as well",
    "NOT_EVIDENCE": "what is told informally can never be shown to a court",
    "EVIDENCE_BY_CONSENT": "what is told informally may be shown to a court only with consent",
    "SUBJECT_IS_NOTIFIED": "the person concerned may be told: see directory show",
    "FREEZE_LAPSES": "a freeze lapses after {detail} days without a formal request",
    "BANK_FIELDS": "say why the bank holds it and why it matters, or it is refused as fishing",
    "NO_CENTRAL_AUTHORITY": "the directory names no central authority there",
    "NOBODY_LISTED": "nobody in {detail} is in the directory: think of INTERPOL or the diplomatic channel",
}
"""What each remark says."""


@click.command(
    epilog="""\b
Examples:
  globe-node directory route XB ASSET_LOCATE
  globe-node directory route XB BANK_DETAIL --offence 15a --urgent
  globe-node directory route XB FREEZE_URGENT --network EGMONT --network CARIN --json

Networks and languages are those of your own entry unless you name some. It advises; your
law and theirs decide."""
)
@click.argument("country")
@click.argument("help_type", metavar="HELP", type=click.Choice([item.value for item in HelpType]))
@click.option("--offence", type=click.Choice([item.value for item in Offence]), help="Article of UNCAC.")
@click.option("--urgent", is_flag=True, help="It can't wait for office hours.")
@click.option("--network", "networks", multiple=True, help="A network that we are in.")
@click.option("--language", "languages", multiple=True, help="A language in which we can write.")
@passphrase_option
@json_option
@pass_invocation
def route(invocation: Invocation, /, *, passphrase_file: Path | None, as_json: bool, **asked: object) -> None:
    """Say whom to ask in COUNTRY for HELP, by which channel, and what a formal request would need."""
    advice = backend_of(invocation, passphrase_file).call("directory.route", _arguments(asked))
    if as_json:
        print_json(advice)
        return
    rows = [_row(one) for one in objects(advice.get("routes", []))]
    if rows:
        print_table(ROUTE_HEADINGS, rows)
    formal = advice.get("formal")
    if isinstance(formal, dict) and formal:
        print_text("")
        print_fields(dict(_formal_fields(formal)))
    facts = {
        f"guide: {text_of(fact, 'field').lower()}": f"{text_of(fact, 'value')} "
        f"({text_of(fact, 'source')}, {text_of(fact, 'as_of')})"
        for fact in objects(advice.get("guide", []))
    }
    if facts:
        print_text("")
        print_fields(facts)
    warnings = [remark_text(remark) for remark in objects(advice.get("warnings", []))]
    if warnings:
        print_text("\n" + "\n".join(f"! {warning}" for warning in warnings))


def remark_text(remark: JSONObject) -> str:
    """Say one remark."""
    return _REMARKS.get(text_of(remark, "kind"), "").replace("{detail}", text_of(remark, "detail"))


def _arguments(asked: Mapping[str, object]) -> JSONObject:
    networks, languages = asked["networks"], asked["languages"]
    return {
        "country": str(asked["country"]).upper(),
        "help": str(asked["help_type"]),
        "offence": str(asked["offence"] or ""),
        "urgent": asked["urgent"] is True,
        "networks": [str(name).upper() for name in networks] if isinstance(networks, tuple) else [],
        "languages": [str(name) for name in languages] if isinstance(languages, tuple) else [],
    }


def _row(one: JSONObject) -> tuple[str, ...]:
    hours = one.get("hours")
    channel = " ".join(filter(None, (text_of(one, "channel"), text_of(one, "address"))))
    return (
        text_of(one, "authority"),
        name_of(one),
        _WAYS.get(text_of(one, "way"), ""),
        channel,
        _listed(one, "languages"),
        _span(hours) if isinstance(hours, int) and hours else "",
        "; ".join(remark_text(remark) for remark in objects(one.get("remarks", []))),
    )


def _formal_fields(formal: JSONObject) -> Iterator[tuple[str, str]]:
    """Yield what a formal request would need; what nobody says is said to be unknown."""
    yield "a formal request goes to", text_of(formal, "receiving") or "not known"
    yield "says", text_of(formal, "said_by") or "nobody there"
    yield "treaty", text_of(formal, "treaty")
    yield "Convention as basis", text_of(formal, "uncac")
    yield "dual criminality", text_of(formal, "dual_criminality")
    yield "languages", _listed(formal, "languages") or "not known"
    yield "documents", _listed(formal, "documents") or "not known"
    days = formal.get("days")
    yield "takes", f"{days} days" if isinstance(days, int) and days else "not known"
    optional = {
        "requirements": text_of(formal, "requirements"),
        "laws": _listed(formal, "law_links"),
        "purpose, UNCAC 46(3)": _listed(formal, "purposes"),
    }
    yield from ((name, value) for name, value in optional.items() if value)


def _span(hours: int) -> str:
    return f"{hours // 24} days" if hours >= 48 and hours % 24 == 0 else f"{hours} h"


def _listed(value: JSONObject, name: str) -> str:
    listed = value.get(name)
    return ", ".join(str(item) for item in listed) if isinstance(listed, list) else ""
