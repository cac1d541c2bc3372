# SPDX-License-Identifier: Apache-2.0
"""`globe-node init`: a home folder with new keys, settings and, for a known network, an admission request.

1. A folder with anything in it is left alone.
2. The settings are written last: a home without them is unfinished. What was made is taken away on error.
"""

import contextlib
import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import click
from pydantic import ValidationError

from globe_node.cli.invocation import Invocation, json_option, pass_invocation, passphrase_option
from globe_node.cli.output import note, print_fields, print_json
from globe_node.directory.admission_request import AdmissionRequest, AuthorityFacts
from globe_node.errors import UsageError
from globe_node.home import Home, make_home, require_empty, write_private
from keys import fingerprint, keystore
from keys.node_keys import AuthorityRoot, NodeKeys
from protocol.directory.contacts import AuthorityKind
from protocol.directory.endpoints import parse_endpoint
from protocol.errors import ProtocolError
from protocol.identifiers import AuthorityId, Digest, NodeId, parse_authority_id, parse_digest, parse_node_id

DEFAULT_LISTEN_PORT: Final = 8444
_LANGUAGE: Final = re.compile(r"[a-z]{2,3}(?:-[A-Za-z0-9]{2,8}){0,3}", re.ASCII)
_PORT: Final = re.compile(r"[0-9]{1,5}", re.ASCII)
_EPILOG = """\b
Examples:
  globe-node --home /srv/globe init --authority xa-acc --country XA --kind ACA \\
      --name "en=Sample Anti-Corruption Commission" --endpoint https://node.example.org:8444
  globe-node --home /srv/globe init --authority xa-acc --country XA --kind ACA \\
      --name en=Sample --endpoint https://node.example.org --network FINGERPRINT \\
      --passphrase-file /run/secrets/globe

Next: give admission-request.json to the officers of the network, and compare the digits with
them by another way. Move keystore/root.sealed to a safe place off line."""


@dataclass(frozen=True, slots=True)
class _Asked:
    """The options as they were given."""

    authority: str
    node: str
    country: str
    names: tuple[str, ...]
    kind: str
    endpoint: str
    listen: str | None
    network: str | None
    passphrase_file: Path | None
    root_passphrase_file: Path | None
    as_json: bool


@dataclass(frozen=True, slots=True)
class _Plan:
    """What was asked, after it was checked."""

    authority: AuthorityId
    node: NodeId
    facts: AuthorityFacts
    network: Digest | None
    endpoint: str
    listen_host: str
    listen_port: int


@click.command("init", epilog=_EPILOG)
@click.option("--authority", required=True, help="Id of the authority: lower-case letters, digits, hyphens.")
@click.option("--node", default="main", show_default=True, help="Name of the node within the authority.")
@click.option("--country", required=True, help="ISO 3166 code of two letters; XA to XZ for samples.")
@click.option(
    "--name",
    "names",
    required=True,
    multiple=True,
    metavar="[LANG=]TEXT",
    help="Legal name of the authority; once for each language, English if none is given.",
)
@click.option(
    "--kind", type=click.Choice([kind.value for kind in AuthorityKind]), default="ACA", show_default=True
)
@click.option("--endpoint", default="", help="Where other nodes reach this one: https://host:port.")
@click.option("--listen", metavar="HOST:PORT", help="Address to listen at; all addresses if not given.")
@click.option("--network", help="Fingerprint of the network to ask for admission, 64 hex digits.")
@click.option(
    "--root-passphrase-file",
    type=click.Path(path_type=Path, dir_okay=False),
    help="Another passphrase for the authority's root key.",
)
@passphrase_option
@json_option
@pass_invocation
def command(invocation: Invocation, /, **_options: object) -> None:
    """Make the home folder of a new node."""
    asked = _Asked(**click.get_current_context().params)
    plan = _checked(asked)
    require_empty(invocation.home)
    passphrase = invocation.new_passphrase(asked.passphrase_file, of="node keys")
    root_passphrase = passphrase
    if asked.root_passphrase_file is not None:
        root_passphrase = invocation.new_passphrase(asked.root_passphrase_file, of="root key")
    with _made(invocation.home):
        root = AuthorityRoot.generate(plan.authority, invocation.entropy)
        node = NodeKeys.generate(root, plan.node, invocation.now(), invocation.entropy)
        home, entropy = invocation.home, invocation.entropy
        keystore.create(home.node_keys, node, passphrase, entropy=entropy)
        keystore.create(home.root_key, root, root_passphrase, entropy=entropy)
        if plan.network is not None:
            request = AdmissionRequest.made_by(root, plan.network, plan.facts)
            write_private(home.admission_request, request.to_bytes())
        write_private(home.settings, _settings_text(plan).encode("utf-8"))
    _report(invocation.home, plan, node, root, as_json=asked.as_json)


def _checked(asked: _Asked) -> _Plan:
    names = dict(_name(text) for text in asked.names)
    try:
        if len(names) != len(asked.names):
            raise UsageError("two names in one language", hint="Give one --name for each language.")
        facts = AuthorityFacts(country=asked.country, names=names, kind=AuthorityKind(asked.kind))
        authority, node = parse_authority_id(asked.authority), parse_node_id(asked.node)
        network = parse_digest(asked.network) if asked.network is not None else None
        port = parse_endpoint(asked.endpoint, sample=True).port if asked.endpoint else DEFAULT_LISTEN_PORT
    except (ProtocolError, ValidationError) as error:
        text = str(error) if isinstance(error, ProtocolError) else "a country or name outside its rule"
        raise UsageError(text, hint="See: globe-node init --help") from None
    host, listen_port = _listen(asked.listen, port)
    return _Plan(authority, node, facts, network, asked.endpoint, host, listen_port)


def _name(text: str) -> tuple[str, str]:
    language, divider, name = text.partition("=")
    return (language, name) if divider and _LANGUAGE.fullmatch(language) else ("en", text)


def _listen(text: str | None, port: int) -> tuple[str, int]:
    if text is None:
        return "0.0.0.0", port  # noqa: S104 -- a node is there to be reached; --listen narrows it
    host, divider, digits = text.rpartition(":")
    if not divider or not _PORT.fullmatch(digits) or int(digits) > 65_535 or not host.isprintable():
        raise UsageError("not an address to listen at", hint="Write it as HOST:PORT, for example [::]:8444.")
    return host.removeprefix("[").removesuffix("]"), int(digits)


def _settings_text(plan: _Plan) -> str:
    lines = [
        "# Settings of this node. docs/OPERATIONS.md explains each; restart the node after a change.",
        f"authority = {_quoted(plan.authority)}",
        f"node = {_quoted(plan.node)}",
        f"country = {_quoted(plan.facts.country)}",
        f"kind = {_quoted(plan.facts.kind)}",
        f"network = {_quoted(plan.network or '')}",
        "",
        "[names]",
        *(f"{language} = {_quoted(name)}" for language, name in plan.facts.names.items()),
        "",
        "[peering]",
        f"endpoint = {_quoted(plan.endpoint)}",
        f"listen_host = {_quoted(plan.listen_host)}",
        f"listen_port = {plan.listen_port}",
    ]
    return "\n".join(lines) + "\n"


def _quoted(text: str) -> str:
    """Write a TOML string; for text without control characters that is the same as in JSON."""
    return json.dumps(text, ensure_ascii=False)


@contextlib.contextmanager
def _made(home: Home) -> Iterator[None]:
    """Make the home folder, and take away what was made in it if the rest fails."""
    make_home(home)
    finished = False
    try:
        yield
        finished = True
    finally:
        if not finished:
            for path in (home.settings, home.admission_request, home.root_key, home.node_keys):
                path.unlink(missing_ok=True)
            for folder in (home.keystore, home.folder):
                with contextlib.suppress(OSError):
                    folder.rmdir()


def _report(home: Home, plan: _Plan, node: NodeKeys, root: AuthorityRoot, *, as_json: bool) -> None:
    digits = fingerprint.digits(root.signing.key_id)
    if as_json:
        print_json(
            {
                "home": str(home.folder),
                "authority": plan.authority,
                "node": plan.node,
                "root_key_id": root.signing.key_id,
                "root_fingerprint": digits,
                "signing_key_id": node.signing.key_id,
                "admission_request": str(home.admission_request) if plan.network else "",
            }
        )
        return
    print_fields(
        {
            "home": str(home.folder),
            "authority": plan.authority,
            "node": plan.node,
            "root key": digits,
            "admission": str(home.admission_request) if plan.network else "not asked yet",
        }
    )
    if plan.network is None:
        note("next: when the network tells its fingerprint: globe-node keys prove --network FINGERPRINT")
    else:
        note("next: give the admission request to the officers and read them the digits of the root key")
    note(f"next: move {home.root_key} to a safe place off line; without it keys can't be renewed")
