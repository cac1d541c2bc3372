# SPDX-License-Identifier: Apache-2.0
"""`globe-node keys`: what keys this node has, what two people compare, new keys, another passphrase.

1. No command prints a secret.
2. What is compared aloud is the digits; what a machine compares is the whole id.
"""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import click

from globe_node.cli.invocation import Invocation, is_asked, json_option, pass_invocation, passphrase_option
from globe_node.cli.output import note, print_fields, print_json, print_table
from globe_node.directory.admission_request import AdmissionRequest, AuthorityFacts
from globe_node.errors import ConfigError, UsageError
from globe_node.home import replace_private
from keys import fingerprint, keystore
from keys.at_rest.sealed_file import FileKind
from keys.node_keys import AuthorityRoot, NodeKeys
from keys.rotation import rotate_node_key
from keys.secret import SecretBytes
from protocol import canonical
from protocol.canonical import JSONObject
from protocol.directory.contacts import AuthorityKind
from protocol.errors import MalformedError
from protocol.identifiers import Digest, KeyId, parse_digest
from protocol.signing.certificate import NodeCertificate, parse_certificate

root_file_option = click.option(
    "--root-file",
    type=click.Path(path_type=Path, dir_okay=False),
    help="Sealed file of the authority's root key, when it is not in the home folder.",
)
_root_passphrase_option = click.option(
    "--root-passphrase-file",
    type=click.Path(path_type=Path, dir_okay=False),
    help="Passphrase of the root key, when it is another one.",
)


@dataclass(frozen=True, slots=True)
class KeyFiles:
    """Where the root key and the passphrases are, as options say."""

    passphrase_file: Path | None = None
    root_file: Path | None = None
    root_passphrase_file: Path | None = None


def root_options(function: Callable[..., None]) -> Callable[..., None]:
    """Give a command the options that find the root key."""
    return root_file_option(_root_passphrase_option(function))


@click.group("keys")
def command() -> None:
    """Show, compare and rotate the keys of this node."""


@command.command(
    short_help="Show which keys this node has.",
    epilog="""\b
Examples:
  globe-node keys show
  globe-node keys show --json --passphrase-file /run/secrets/globe""",
)
@passphrase_option
@json_option
@pass_invocation
def show(invocation: Invocation, *, passphrase_file: Path | None, as_json: bool) -> None:
    """Show which keys this node has and how long its certificate holds."""
    held = keystore.open_node(
        invocation.home.node_keys, invocation.passphrase(passphrase_file, of="node keys")
    )
    certificate = parse_certificate(held.certificate).certificate
    if as_json:
        print_json(_described(held, certificate))
        return
    print_fields(
        {
            "authority": held.authority,
            "node": held.node,
            "root key": fingerprint.digits(certificate.issuer),
            "signing key": fingerprint.digits(held.signing.key_id),
            "certificate": f"{certificate.not_before:%Y-%m-%d} to {certificate.not_after:%Y-%m-%d}",
            "encryption key": held.encryption.key_id,
            "TLS certificate": held.tls.digest.hex(),
        }
    )
    if held.former_signing or held.former_encryption:
        rows = [["signing", old.key.key_id, f"{old.replaced_at:%Y-%m-%d}"] for old in held.former_signing]
        rows += [
            ["encryption", old.key.key_id, f"{old.replaced_at:%Y-%m-%d}"] for old in held.former_encryption
        ]
        print_table(["former key", "id", "replaced"], rows)


@command.command(
    "fingerprint",
    epilog="""\b
Examples:
  globe-node keys fingerprint                 the root key of this authority
  globe-node keys fingerprint --network       the network that the settings name
  globe-node keys fingerprint ID --qr         any key id or fingerprint of 64 hex digits

Read the digits to the other side by telephone or in person, never by the channel
that brought the key.""",
)
@click.argument("id_hex", metavar="[ID]", required=False)
@click.option("--network", is_flag=True, help="The network that the settings name.")
@click.option("--qr", is_flag=True, help="Draw a QR code too, for light text on a dark ground.")
@passphrase_option
@json_option
@pass_invocation
def show_fingerprint(
    invocation: Invocation,
    *,
    id_hex: str | None,
    network: bool,
    qr: bool,
    passphrase_file: Path | None,
    as_json: bool,
) -> None:
    """Show what two people read to each other: 30 digits."""
    named = _named(invocation, id_hex, network=network, passphrase_file=passphrase_file)
    digits = fingerprint.digits(named)
    if as_json:
        print_json({"id": named, "fingerprint": digits, "qr": fingerprint.qr_text(named)})
        return
    click.echo(digits)
    if qr:
        click.echo(fingerprint.qr_terminal(named))


@command.command(
    epilog="""\b
Examples:
  globe-node keys rotate
  globe-node keys rotate --root-file /media/safe/root.sealed --yes

The old keys stay in the file for as long as the directory or a message on its way may
need them. Afterwards: publish the new keys, then restart the node."""
)
@click.option("--with-tls", is_flag=True, help="New TLS certificate too; links break until it is published.")
@click.option("--yes", is_flag=True, help="Do not ask.")
@root_options
@passphrase_option
@json_option
@pass_invocation
def rotate(
    invocation: Invocation, /, *, with_tls: bool, yes: bool, as_json: bool, **files: Path | None
) -> None:
    """Give this node a new signing key and a new encryption key."""
    given = KeyFiles(**files)
    passphrase = invocation.passphrase(given.passphrase_file, of="node keys")
    held = keystore.open_node(invocation.home.node_keys, passphrase)
    root = open_root(invocation, given, passphrase)
    if not yes and is_asked():
        click.confirm(f"Replace the keys of node {held.node} of {held.authority}?", abort=True, err=True)
    renewed = rotate_node_key(root, held, invocation.now(), invocation.entropy, with_tls=with_tls)
    keystore.replace(invocation.home.node_keys, renewed, passphrase, entropy=invocation.entropy)
    if as_json:
        certificate = parse_certificate(renewed.certificate).certificate
        print_json({**_described(renewed, certificate), "replaced_key_id": held.signing.key_id})
    else:
        print_fields(
            {
                "new signing key": fingerprint.digits(renewed.signing.key_id),
                "old signing key": fingerprint.digits(held.signing.key_id),
            }
        )
    note(
        "next: publish the new keys in the directory, then restart the node; until then it uses the old ones"
    )


@command.command(
    short_help="Write the request for admission to a network.",
    epilog="""\b
Example:
  globe-node keys prove --network FINGERPRINT

The fingerprint of a network has 64 hex digits; its officers tell it and compare it with you.""",
)
@click.option("--network", required=True, help="Fingerprint of the network to ask, 64 hex digits.")
@root_options
@passphrase_option
@json_option
@pass_invocation
def prove(invocation: Invocation, /, *, network: str, as_json: bool, **files: Path | None) -> None:
    """Write the request for admission to a network, with proof that this authority holds its root key."""
    fingerprint_of_network = _parse_id(network)
    facts = _facts(invocation)
    root = open_root(invocation, KeyFiles(**files), None)
    request = AdmissionRequest.made_by(root, fingerprint_of_network, facts)
    path = invocation.home.admission_request
    replace_private(path, request.to_bytes())
    if as_json:
        print_json({"admission_request": str(path), "network": network, "root_key_id": root.signing.key_id})
        return
    print_fields({"admission": str(path), "root key": fingerprint.digits(root.signing.key_id)})
    note("next: give the file to the officers and read them the digits of the root key")


@command.command(
    epilog="""\b
Examples:
  globe-node keys passphrase
  globe-node keys passphrase --of root --new-passphrase-file /run/secrets/new

Copies of the old file still open with the old passphrase: destroy them."""
)
@click.option("--of", "owner", type=click.Choice(["node", "root"]), default="node", show_default=True)
@click.option("--new-passphrase-file", type=click.Path(path_type=Path, dir_okay=False))
@root_file_option
@passphrase_option
@pass_invocation
def passphrase(
    invocation: Invocation,
    *,
    owner: str,
    new_passphrase_file: Path | None,
    root_file: Path | None,
    passphrase_file: Path | None,
) -> None:
    """Seal the keys under another passphrase."""
    kind = FileKind(owner)
    path = invocation.home.node_keys if kind is FileKind.NODE else root_file or invocation.home.root_key
    old = invocation.passphrase(passphrase_file, of=f"{owner} key file")
    new = invocation.new_passphrase(new_passphrase_file, of=f"{owner} key file")
    keystore.change_passphrase(path, kind, old, new, entropy=invocation.entropy)
    note(f"{path} opens with the new passphrase now")


def open_root(invocation: Invocation, files: KeyFiles, same: SecretBytes | None) -> AuthorityRoot:
    """Open the root key with its own passphrase, or with the one that opened the node keys."""
    if files.root_passphrase_file is not None or same is None:
        same = invocation.passphrase(files.root_passphrase_file or files.passphrase_file, of="root key")
    return keystore.open_root(files.root_file or invocation.home.root_key, same)


def _named(
    invocation: Invocation, id_hex: str | None, *, network: bool, passphrase_file: Path | None
) -> KeyId | Digest:
    if id_hex is not None and network:
        raise UsageError("an id and --network name two things", hint="Give one of them.")
    if id_hex is not None:
        return _parse_id(id_hex)
    if network:
        named = invocation.settings().network
        if not named:
            raise ConfigError("the settings name no network yet", hint="Join a network first.")
        return Digest(named)
    given = invocation.passphrase(passphrase_file, of="node keys")
    return parse_certificate(
        keystore.open_node(invocation.home.node_keys, given).certificate
    ).certificate.issuer


def _parse_id(text: str) -> Digest:
    try:
        return parse_digest(text)
    except MalformedError as error:
        raise UsageError(str(error), hint="It has 64 digits, 0 to 9 and a to f.") from None


def _facts(invocation: Invocation) -> AuthorityFacts:
    settings = invocation.settings()
    try:
        kind = AuthorityKind(settings.kind)
        return AuthorityFacts(country=settings.country, names=settings.names, kind=kind)
    except (ValueError, MalformedError):
        raise ConfigError(
            "the settings do not say what authority this is",
            hint=f"Set country, kind and names in {invocation.home.settings}.",
        ) from None


def _described(held: NodeKeys, certificate: NodeCertificate) -> JSONObject:
    return {
        "authority": held.authority,
        "node": held.node,
        "root": _id_and_digits(certificate.issuer),
        "signing": {
            **_id_and_digits(held.signing.key_id),
            "serial": certificate.serial,
            "not_before": canonical.moment_text(certificate.not_before),
            "not_after": canonical.moment_text(certificate.not_after),
        },
        "encryption": {"id": held.encryption.key_id},
        "tls_certificate_sha256": held.tls.digest.hex(),
        "former_signing": [
            {"id": former.key.key_id, "replaced_at": canonical.moment_text(former.replaced_at)}
            for former in held.former_signing
        ],
        "former_encryption": [
            {"id": former.key.key_id, "replaced_at": canonical.moment_text(former.replaced_at)}
            for former in held.former_encryption
        ],
    }


def _id_and_digits(key_id: KeyId) -> dict[str, str]:
    return {"id": key_id, "fingerprint": fingerprint.digits(key_id)}
