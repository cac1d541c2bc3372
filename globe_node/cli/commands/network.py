# SPDX-License-Identifier: Apache-2.0
"""`globe-node network`: what the officers of a network do. Works on files alone; no node is needed.

1. Nothing is written before it was checked as every node will check it.
2. Too few signatures make a draft for the next officer, and exit code 5.
3. Officers admit what they compared: the digits of the root key are printed always, asked for at a terminal,
   and checked when somebody typed what the authority read out.
"""

import contextlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import timedelta
from functools import wraps
from pathlib import Path

import click

from globe_node.cli.invocation import Invocation, is_asked, json_option, pass_invocation
from globe_node.cli.output import note, print_fields, print_json, print_table
from globe_node.directory.admission_request import (
    MAX_REQUEST_BYTES,
    AdmissionRequest,
    parse_admission_request,
)
from globe_node.directory.network_folder import KeptNetwork, NetworkFolder, make_network, open_network
from globe_node.directory.publish import draft_statement, found_network
from globe_node.errors import NotPermittedError, UsageError
from globe_node.home import read_bounded, replace_private
from keys import fingerprint, keystore
from keys.node_keys import OfficerKey
from protocol import limits
from protocol.canonical import JSONObject, moment_text
from protocol.directory.bundle import MAX_BUNDLE_BYTES, parse_bundle
from protocol.directory.dsse import countersign, parse_signed_statement
from protocol.directory.statements import (
    MAX_OFFICERS,
    Admission,
    Officer,
    Root,
    Suspension,
    SuspensionReason,
    Thresholds,
    parse_statement,
)
from protocol.errors import MalformedError
from protocol.identifiers import AuthorityId, parse_authority_id
from protocol.signing.composite import parse_public_key

_MONTH = timedelta(days=366) / 12
_FILE = click.Path(path_type=Path, dir_okay=False)
_dir_option = click.option(
    "--dir",
    "folder",
    required=True,
    type=click.Path(path_type=Path, file_okay=False),
    help="Folder of the network.",
)
_passphrase_option = click.option(
    "--passphrase-file",
    "passphrase_files",
    multiple=True,
    type=_FILE,
    help="Passphrase of the officers' keys: one file for all, or one for each in the same order.",
)


@dataclass(frozen=True, slots=True)
class _Signing:
    """Which network, and who signs.

    Attributes:
        folder: of the network.
        key_files: of the officers.
        passphrase_files: none, one for all, or one for each.
    """

    folder: Path
    key_files: tuple[Path, ...]
    passphrase_files: tuple[Path, ...]

    def network(self) -> KeptNetwork:
        """Open the network."""
        return _open(self.folder)

    def officers(self, invocation: Invocation) -> list[OfficerKey]:
        """Open the officers' keys."""
        files = _for_each(self.passphrase_files, len(self.key_files))
        return [
            keystore.open_officer(path.absolute(), invocation.other_passphrase(file, of=f"key {path.name}"))
            for path, file in zip(self.key_files, files, strict=True)
        ]


def _signed(function: Callable[..., None]) -> Callable[..., None]:
    """Give a command the options that find the network and the officers' keys, gathered as `signing`."""

    @wraps(function)
    def gather(
        *arguments: object,
        folder: Path,
        key_files: tuple[Path, ...],
        passphrase_files: tuple[Path, ...],
        **options: object,
    ) -> None:
        function(*arguments, signing=_Signing(folder, key_files, passphrase_files), **options)

    keys_option = click.option(
        "--sign-with", "key_files", multiple=True, required=True, type=_FILE, help="Key file of an officer."
    )
    return _dir_option(keys_option(_passphrase_option(json_option(gather))))


@click.group("network")
def command() -> None:
    """Found and administer a network, as its officers do."""


@dataclass(frozen=True, slots=True)
class _Founding:
    """The options of `create` as they were given."""

    folder: Path
    name: str
    organisation: str | None
    officers: int
    threshold: int
    suspend_threshold: int
    sample: bool
    passphrase_files: tuple[Path, ...]
    as_json: bool


@command.command(
    epilog="""\b
Examples:
  globe-node network create --dir net --name "Sample network" --sample
  globe-node network create --dir net --name "Network" --officers 5 --threshold 3 --suspend-threshold 2

Then hand each officer-N.sealed to its officer and remove it here. Read the digits of the
network to every authority by a way of its own."""
)
@_dir_option
@click.option("--name", required=True, help="Name of the network.")
@click.option("--organisation", help="Organisation of the officers; the name of the network if not given.")
@click.option("--officers", default=3, show_default=True, type=click.IntRange(1, MAX_OFFICERS))
@click.option("--threshold", default=2, show_default=True, help="Officers needed to admit an authority.")
@click.option("--suspend-threshold", default=1, show_default=True, help="Officers needed to suspend one.")
@click.option("--sample", is_flag=True, help="For trial: nodes may be on loopback and private addresses.")
@_passphrase_option
@json_option
@pass_invocation
def create(invocation: Invocation, /, **_options: object) -> None:
    """Found a network: make the officers' keys and sign its root."""
    asked = _Founding(**click.get_current_context().params)
    places = NetworkFolder(asked.folder.absolute())
    places.require_none()
    offices = [f"officer-{number}" for number in range(1, asked.officers + 1)]
    officers = [OfficerKey.generate(office, invocation.entropy) for office in offices]
    founded = found_network(
        _root(officers, asked), [officer.signing for officer in officers], invocation.now()
    )
    passphrases = [
        invocation.new_passphrase(file, of=f"key of {office}")
        for office, file in zip(offices, _for_each(asked.passphrase_files, len(offices)), strict=True)
    ]
    with _taken_away_on_error() as made:
        for number, (officer, passphrase) in enumerate(zip(officers, passphrases, strict=True), 1):
            keystore.create(places.officer_key(number), officer, passphrase, entropy=invocation.entropy)
            made.append(places.officer_key(number))
        network = make_network(places, founded.state, founded.root)
    _report_network(network, made, as_json=asked.as_json)
    if not asked.as_json:
        note("next: hand each key file to its officer, and read the digits to every authority")


@command.command(
    epilog="""\b
Examples:
  globe-node network admit admission-request.json --dir net \\
      --sign-with officer-1.sealed --sign-with officer-2.sealed
  globe-node network admit request.json --dir net --sign-with officer-1.sealed \\
      --compared "27182 81828 45904 52353 60287 47135"

With too few officers a draft is written; the next one runs `network countersign`.
An authority that is admitted already is renewed, and reinstated if officers had suspended it."""
)
@click.argument("requests", metavar="REQUEST...", nargs=-1, required=True, type=_FILE)
@click.option("--months", default=12, show_default=True, type=click.IntRange(1, 13), help="For how long.")
@click.option("--compared", metavar="DIGITS", help="Digits of the root key, as the authority read them out.")
@_signed
@pass_invocation
def admit(
    invocation: Invocation,
    *,
    requests: tuple[Path, ...],
    months: int,
    compared: str | None,
    signing: _Signing,
    as_json: bool,
) -> None:
    """Admit authorities, or renew their admission."""
    network, now = signing.network(), invocation.now()
    asked = [parse_admission_request(read_bounded(path, MAX_REQUEST_BYTES)) for path in requests]
    if compared is not None and len(asked) != 1:
        raise UsageError("--compared goes with one request", hint="Admit one authority at a time.")
    for request in asked:
        _require_compared(network, request, compared)
    signers = [officer.signing for officer in signing.officers(invocation)]
    for request in asked:
        admission = request.admission(now + months * _MONTH)
        network = network.settled(
            draft_statement(network.state, request.authority, admission, signers=signers, issued=now)
        )
        network.save()
    _report_authorities(network, [request.authority for request in asked], as_json=as_json)


@command.command(
    epilog="""\b
Example:
  globe-node network suspend xa-acc --reason key_compromise --dir net --sign-with officer-3.sealed

It acts wherever it arrives. To reinstate the authority, officers admit it again."""
)
@click.argument("authority")
@click.option("--reason", required=True, type=click.Choice([reason.value for reason in SuspensionReason]))
@_signed
@pass_invocation
def suspend(invocation: Invocation, *, authority: str, reason: str, signing: _Signing, as_json: bool) -> None:
    """Stop all exchange with an authority."""
    network, named = signing.network(), parse_authority_id(authority)
    content = Suspension(by="officers", reason=SuspensionReason(reason))
    signers = [officer.signing for officer in signing.officers(invocation)]
    signed = draft_statement(network.state, named, content, signers=signers, issued=invocation.now())
    network = network.settled(signed)
    network.save()
    _report_authorities(network, [named], as_json=as_json)


@command.command(
    "countersign",
    epilog="""\b
Example:
  globe-node network countersign draft-1a2b3c4d5e6f.json --dir net --sign-with officer-2.sealed""",
)
@click.argument("draft", type=_FILE)
@_signed
@pass_invocation
def countersign_draft(invocation: Invocation, *, draft: Path, signing: _Signing, as_json: bool) -> None:
    """Add a signature to a draft; with enough of them it takes effect."""
    network = signing.network()
    signed = parse_signed_statement(read_bounded(draft, limits.MAX_STATEMENT_BYTES))
    statement = parse_statement(signed.payload)
    if isinstance(statement.content, Admission):
        key_id = parse_public_key(statement.content.root_key).key_id
        _ask_whether_compared(statement.authority, fingerprint.digits(key_id))
    for officer in signing.officers(invocation):
        signed = countersign(signed, officer.signing)
    network = network.settled(signed)
    network.save()
    with contextlib.suppress(OSError):
        network.folder.draft(signed.statement_id).unlink(missing_ok=True)
    _report_authorities(network, [statement.authority], as_json=as_json)


@command.command(
    "import",
    epilog="""\b
Example:
  globe-node network import xa-acc.bundle --dir net

Officers need no statements of authorities to do their work; a bundle that holds them lets
a new node reach everybody at once.""",
)
@click.argument("bundles", metavar="BUNDLE...", nargs=-1, required=True, type=_FILE)
@_dir_option
@json_option
def import_statements(*, bundles: tuple[Path, ...], folder: Path, as_json: bool) -> None:
    """Take the statements of bundles into the network's own."""
    network = _open(folder)
    before = len(network.statements)
    for path in bundles:
        network = network.with_statements(parse_bundle(read_bounded(path, MAX_BUNDLE_BYTES)).statements)
    network.save()
    counts = {"added": len(network.statements) - before, "statements": len(network.statements)}
    if as_json:
        print_json(counts)
    else:
        print_fields({name: str(count) for name, count in counts.items()})


@command.command(
    epilog="""\b
Examples:
  globe-node network bundle --dir net -o network.bundle
  globe-node network bundle --dir net --json"""
)
@_dir_option
@click.option("-o", "output", type=_FILE, help="Write the bundle that nodes import.")
@json_option
def bundle(*, folder: Path, output: Path | None, as_json: bool) -> None:
    """Show the network, and write the bundle that nodes import."""
    network = _open(folder)
    if output is not None:
        replace_private(output.absolute(), network.to_bytes())
    _report_network(network, [], as_json=as_json)
    if not as_json and network.state.authorities:
        _report_authorities(network, [entry.authority for entry in network.state.authorities], as_json=False)


# --- inside -----------------------------------------------------------------------------------------------


def _open(folder: Path) -> KeptNetwork:
    return open_network(NetworkFolder(folder.absolute()))


def _root(officers: Sequence[OfficerKey], asked: _Founding) -> Root:
    listed = tuple(
        Officer(
            name=officer.office,
            organisation=asked.organisation or asked.name,
            key=officer.signing.public_key,
        )
        for officer in officers
    )
    try:
        thresholds = Thresholds(root=asked.threshold, admit=asked.threshold, suspend=asked.suspend_threshold)
        return Root(name=asked.name, sample=asked.sample, officers=listed, thresholds=thresholds)
    except MalformedError as error:
        raise UsageError(str(error), hint="See: globe-node network create --help", code=error.code) from None


def _for_each(files: Sequence[Path], count: int) -> list[Path | None]:
    """Return one passphrase file, or None, for each of `count` keys."""
    if len(files) <= 1:
        return [files[0] if files else None] * count
    if len(files) != count:
        raise UsageError(
            f"{len(files)} passphrase files for {count} keys", hint="Give one for all, or one for each key."
        )
    return list(files)


def _require_compared(network: KeptNetwork, request: AdmissionRequest, compared: str | None) -> None:
    """Make sure that somebody compared the root key of the authority by another way."""
    if request.network != network.state.network.fingerprint:
        raise NotPermittedError(
            f"{request.authority} asks for admission to another network",
            hint="The authority makes a new request: globe-node keys prove --network FINGERPRINT",
        )
    digits = fingerprint.digits(request.root_key_id)
    if compared is None:
        _ask_whether_compared(request.authority, digits)
    elif not fingerprint.is_same(compared, request.root_key_id):
        raise NotPermittedError(
            f"the digits differ; the request has {digits}",
            hint="Do not admit it: somebody may have changed the request on its way.",
        )


def _ask_whether_compared(authority: AuthorityId, digits: str) -> None:
    note(f"{authority}: digits of its root key: {digits}")
    if is_asked():
        click.confirm("Did the authority read you these digits by another way?", abort=True, err=True)


@contextlib.contextmanager
def _taken_away_on_error() -> Iterator[list[Path]]:
    made: list[Path] = []
    finished = False
    try:
        yield made
        finished = True
    finally:
        if not finished:
            for path in made:
                path.unlink(missing_ok=True)


def _report_network(network: KeptNetwork, made: Sequence[Path], *, as_json: bool) -> None:
    found = network.state.network
    digits = fingerprint.digits(found.fingerprint)
    thresholds = found.thresholds
    if as_json:
        value: JSONObject = {
            "network": found.name,
            "fingerprint": found.fingerprint,
            "digits": digits,
            "sample": found.sample,
            "officers": [officer.key_id for officer in found.officers],
            "thresholds": thresholds.to_object(),
            "statements": len(network.statements),
            "authorities": [entry.authority for entry in network.state.authorities],
            "key_files": [str(path) for path in made],
        }
        print_json(value)
        return
    fields = {
        "network": found.name + (" (sample)" if found.sample else ""),
        "fingerprint": found.fingerprint,
        "digits": digits,
        "officers": f"{len(found.officers)}; {thresholds.admit} admit, {thresholds.suspend} suspend",
        "statements": str(len(network.statements)),
    }
    print_fields(fields | {f"key {place}": str(path) for place, path in enumerate(made, 1)})
    if made:
        click.echo(fingerprint.qr_terminal(found.fingerprint))


def _report_authorities(network: KeptNetwork, authorities: Sequence[AuthorityId], *, as_json: bool) -> None:
    entries = [entry for name in authorities if (entry := network.state.authority(name)) is not None]
    if as_json:
        listed: list[JSONObject] = [
            {
                "authority": entry.authority,
                "country": entry.country,
                "name": entry.name(),
                "status": entry.status,
                "not_after": moment_text(entry.not_after),
                "root_key": entry.root_key.key_id,
            }
            for entry in entries
        ]
        print_json({"authorities": listed})
        return
    rows = [
        [entry.authority, entry.country, entry.name(), entry.status, f"{entry.not_after:%Y-%m-%d}"]
        for entry in entries
    ]
    print_table(["authority", "country", "name", "status", "until"], rows)
